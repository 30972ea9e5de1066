"""`calibrate adapters` writes a page, continues it, and says what is slower without a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.images.decoded_cache import decode_to_cache
from platebench.results.adapters import AdapterCell
from platebench.running import adapters
from platebench.running.adapters import AdapterSettings, check_settings, measure_adapters
from platebench.stores.name import StoreName
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace
from tests.conftest import noise

STORE = StoreName("sqlite", "pixels", "fast")


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []

    def show(self, what: str, done: int, total: int) -> None:
        self.shown.append(what)

    def say(self, line: str) -> None:
        self.said.append(line)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdapterSettings:
    """Settings for two operations of one store, with 16 small images in the work folder."""
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    workspace = Workspace.of(tmp_path).own()
    images = noise(16)
    images.name = "raw-16"
    decode_to_cache(images, workspace.root / "images" / "raw-16")
    return AdapterSettings(
        [STORE], ["scan", "table"], 16, 0.01, tmp_path / "page.md", False, "the command"
    )


def cells_of(page: Path) -> list[tuple[str, str]]:
    record = json.loads(page.with_suffix(".json").read_text())
    return [(cell["store"], cell["operation"]) for cell in record["cells"]]


def test_page_is_written_and_continued(settings: AdapterSettings, tmp_path: Path) -> None:
    told = Told()
    measured = measure_adapters(tmp_path, settings, told)
    assert not measured.failed, told.said
    assert [cell.operation for cell in measured.cells] == ["scan", "table"]
    assert cells_of(settings.out) == [(str(STORE), "scan"), (str(STORE), "table")]
    assert "| sqlite:pixels:fast | scan |" in settings.out.read_text()
    assert f"{STORE} scan" in told.shown

    again = Told()
    more = AdapterSettings(
        **{**vars(settings), "operations": ["take kept", "scan"], "resume": True}
    )
    measured = measure_adapters(tmp_path, more, again)
    assert [cell.operation for cell in measured.cells] == ["scan", "take kept", "table"]
    assert f"{STORE} scan" not in again.shown


def test_a_cell_that_is_slower_without_a_reason_is_measured_again(
    settings: AdapterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def cells(workspace, settings, store, operations, seconds, show):
        asked.append((list(operations), seconds))
        for operation in operations:
            ratio = 2.0 if operation == "scan" else 1.0
            yield AdapterCell(store, operation, 2.0, "call", 1.0, ratio, ratio, ratio, 6)

    monkeypatch.setattr(adapters, "_cells", cells)
    measured = measure_adapters(tmp_path, settings, Told())
    assert asked == [(["scan", "table"], 0.01), (["scan"], 0.01 * adapters.AGAIN)]
    assert not measured.met
    assert "**none given**" in settings.out.read_text()


def test_a_store_that_fails_is_named_and_the_others_are_measured(
    settings: AdapterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = adapters._cells

    def cells(workspace, settings, store, operations, seconds, show):
        if store.tuning == "default":
            raise RuntimeError("Mismatch: SELECT: image 3 came back in place of image 4")
        return whole(workspace, settings, store, operations, seconds, show)

    monkeypatch.setattr(adapters, "_cells", cells)
    broken = StoreName("sqlite", "pixels", "default")
    both = AdapterSettings(**{**vars(settings), "stores": [broken, STORE], "operations": ["table"]})
    told = Told()
    measured = measure_adapters(tmp_path, both, told)
    assert list(measured.failed) == [broken]
    assert not measured.met
    assert [cell.store for cell in measured.cells] == [STORE]
    assert "image 3 came back in place of image 4" in told.said[-1]


@pytest.mark.parametrize(
    "wrong", [{"operations": ["fly"]}, {"out": Path("/missing/folder/page.md")}]
)
def test_unusable_settings_are_refused_before_measuring(settings: AdapterSettings, wrong) -> None:
    with pytest.raises(UserError):
        check_settings(AdapterSettings(**{**vars(settings), **wrong}))
