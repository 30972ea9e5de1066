"""`calibrate versions` writes a page, continues it, and keeps what a store did before it failed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from platebench import limits
from platebench.errors import UserError
from platebench.running import many_versions
from platebench.running.many_versions import (
    VersionsSettings,
    cell_of,
    measure_versions,
    one_of_each,
)
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.protocol import WORK
from tests.running.test_adapters import Told

FLOOR = registry.FLOOR
STATE = {
    "state": "appended",
    "versions": 3,
    "bytes": 100,
    "files": 3,
    **dict.fromkeys(("seconds", "open_s", "list_s", "one_s", "newest_s", "first_s"), 0.1),
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VersionsSettings:
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    return VersionsSettings([FLOOR], tmp_path / "page.md", number=8, command="the command")


def test_page_is_written_and_continued(settings: VersionsSettings, tmp_path: Path) -> None:
    told = Told()
    measured = measure_versions(tmp_path, settings, told)
    assert not measured.failed, told.said
    (cell,) = measured.cells
    assert [state.what for state in cell.states] == ["appended"] * 4 + ["compacted", "pruned"]
    assert f"{FLOOR}: 8 of 8 versions" in told.shown
    assert not list((tmp_path / "work" / "platebench" / "scratch").glob("*"))
    again = Told()
    resumed = measure_versions(tmp_path, replace(settings, resume=True), again)
    assert resumed.cells == measured.cells
    assert again.shown == []
    record = json.loads((tmp_path / "page.json").read_text())
    assert [each["store"] for each in record["cells"]] == [str(FLOOR)]


def test_store_that_fails_is_told_and_the_page_is_not_written(
    settings: VersionsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_versions.sys, "executable", "/bin/false")
    told = Told()
    measured = measure_versions(tmp_path, settings, told)
    assert measured.failed == {FLOOR: "the process ended with status 1 without a message"}
    assert told.said == [f"{FLOOR} failed: the process ended with status 1 without a message"]
    assert not settings.out.exists()


def test_more_versions_than_the_disk_holds_are_refused_with_the_gigabytes(
    settings: VersionsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10_000_000

    monkeypatch.setattr(limits.shutil, "disk_usage", lambda folder: Usage)
    with pytest.raises(UserError, match=r"1,000 versions of one store need 2\.0 GB of disk"):
        measure_versions(tmp_path, replace(settings, number=1000), Told())
    assert not settings.out.exists()


def test_cell_keeps_what_was_measured_before_a_failure() -> None:
    cell = cell_of(FLOOR, 8, [STATE], "Mismatch: image 3 did not come back")
    assert [state.versions for state in cell.states] == [3]
    assert cell.notes == ("failed after 3 versions, appended: Mismatch: image 3 did not come back",)


def test_cell_says_that_the_time_was_up_and_what_has_no_call() -> None:
    cell = cell_of(FLOOR, 8, [STATE, {"state": "compacted", "unsupported": "no such call"}])
    assert cell.notes == ("stopped after 3 of 8 versions: the time was up", "no such call")


def test_one_store_of_each_format_is_measured_unless_stores_are_named() -> None:
    chosen = one_of_each()
    assert len(chosen) == len(registry.FORMATS)
    assert StoreName.parse("parquet:pixels:fast") in chosen
    assert StoreName.parse("npy:tensor:default") in chosen
