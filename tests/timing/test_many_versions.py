"""A store that grows by one image a version is checked and measured in every state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platebench.errors import Mismatch
from platebench.images.imageset import ImageSet
from platebench.stores.contract import Store
from platebench.timing import many_versions
from platebench.timing.many_versions import grow, marks
from tests.conftest import noise
from tests.stores.checksums import Careful
from tests.stores.one_file import OneFile
from tests.timing.broken_stores import BrokenVersions

IMAGES = noise(9)


def states(store: Store, path: Path, seconds: float = 60.0) -> list[dict[str, Any]]:
    told = grow(store, IMAGES, path / "store", seconds)
    return [each for each in told if "state" in each]


def test_marks_are_ascending_and_end_with_all_versions() -> None:
    assert marks(1000) == [1, 125, 250, 500, 1000]
    assert marks(8) == [1, 2, 4, 8]
    assert marks(1) == [1]


def test_part_list_grows_by_two_files_a_version_and_is_pruned_to_one_part(tmp_path: Path) -> None:
    found = states(Careful("pixels", "fast"), tmp_path)
    assert [each["state"] for each in found] == ["appended"] * 4 + ["compacted", "pruned"]
    assert [each["versions"] for each in found] == [1, 2, 4, 8, 8, 8]
    assert [each["files"] for each in found] == [4, 6, 10, 18, 20, 2]
    assert found[-1]["bytes"] < found[-3]["bytes"] < found[-2]["bytes"]
    assert all(each["first_s"] > 0 for each in found[:-1])
    assert found[-1]["first_s"] is None


def test_format_without_compaction_says_so_and_is_pruned(tmp_path: Path) -> None:
    *_, compacted, pruned = states(OneFile("pixels", "fast"), tmp_path)
    assert compacted == {
        "state": "compacted",
        "unsupported": "one-file has no call that merges small files",
    }
    assert pruned["state"] == "pruned"


def test_appends_end_when_the_time_is_up(tmp_path: Path) -> None:
    found = states(Careful("pixels", "fast"), tmp_path, seconds=0.0)
    assert [each["versions"] for each in found] == [1, 1, 1]


def _lost(whole: Any) -> Callable[[ImageSet, Path], int]:
    def append(images: ImageSet, path: Path) -> int:
        number: int = whole.append(images, path)
        if number == 5:
            whole.restore(path, 4)
        return number

    return append


def _first_changed(whole: Any) -> Callable[[Path], None]:
    def compact(path: Path) -> None:
        whole.prune(path, keep=1)

    return compact


@pytest.mark.parametrize(
    ("replaced", "error"),
    [("append", Mismatch), ("compact", KeyError)],
    ids=["append that loses an image", "compaction that removes the first version"],
)
def test_broken_store_is_caught(
    replaced: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = OneFile("pixels", "fast")
    change = {"append": _lost, "compact": _first_changed}[replaced](whole)
    broken = BrokenVersions(whole, **{replaced: change})
    with pytest.raises(error):
        states(broken, tmp_path)
    assert len(states(BrokenVersions(whole), tmp_path / "whole")) == 6


def test_progress_is_told_between_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_versions, "TELLS_S", 0.0)
    told = list(grow(Careful("pixels", "fast"), IMAGES, tmp_path / "store", 60.0))
    assert [each["progress"] for each in told if "progress" in each] == list(range(9))
