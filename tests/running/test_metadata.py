"""`calibrate metadata` writes a page, leaves out what takes too long, and is continued."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.metadata import MetadataCell, from_record
from platebench.running import metadata
from platebench.running.metadata import MetadataSettings, measure_metadata, numbers_of
from platebench.running.settings import most_direct_stores
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.protocol import WORK
from tests.running.test_adapters import Told

IPC = StoreName.parse("arrow-ipc:pixels:fast")
PARQUET = StoreName.parse("parquet:pixels:fast")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MetadataSettings:
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    return MetadataSettings([IPC, PARQUET], [10, 100], 60, tmp_path / "page.md", False, "cmd")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[StoreName, int]]:
    """What is measured, answered without a process."""
    every: list[tuple[StoreName, int]] = []
    took = {10: 2.0, 100: 11.0, 1000: 100.0}

    def answer(workspace, store, images, patience):
        every.append((store, images))
        found = (16 * images, 20 * images, 1, 0.1, 0.1, 99, 0.1, 99, took[images])
        return MetadataCell(*found, images=images)

    monkeypatch.setattr(metadata, "_measured", answer)
    return every


def page_of(settings: MetadataSettings) -> str:
    return settings.out.read_text()


def test_store_is_measured_in_a_process_and_leaves_nothing(settings, tmp_path) -> None:
    told = Told()
    few = replace(settings, stores=[IPC], images=[20])
    measured = measure_metadata(tmp_path, few, told)
    assert measured.failed == {}
    if not measured.stores:  # a file system whose pages cannot be dropped
        pytest.skip(str(told.said))
    (found,) = measured.stores
    assert found.cells[0].images == 20
    assert found.cells[0].files == 1
    assert "| arrow-ipc:pixels:fast | 20 | 1 |" in page_of(settings)
    assert not any((tmp_path / "work" / "platebench" / "scratch").glob("*"))


def test_page_is_continued_with_the_stores_that_it_lacks(settings, asked, tmp_path) -> None:
    first = measure_metadata(tmp_path, replace(settings, stores=[PARQUET]), Told())
    assert [each.store for each in first.stores] == [PARQUET]
    asked.clear()
    measure_metadata(tmp_path, replace(settings, resume=True), Told())
    assert asked == [(IPC, 10), (IPC, 100)]
    stores, _ = from_record(json.loads((tmp_path / "page.json").read_text()))
    assert [each.store for each in stores] == [PARQUET, IPC], "in the order of the registry"
    asked.clear()
    measure_metadata(tmp_path, replace(settings, resume=True, command="all"), Told())
    assert asked == []
    assert "    all\n" in page_of(settings)
    measure_metadata(tmp_path, settings, Told())
    assert len(asked) == 4, "without --resume all are measured again"


def test_page_of_other_numbers_is_replaced(settings, asked, tmp_path) -> None:
    measure_metadata(tmp_path, replace(settings, stores=[PARQUET]), Told())
    other = replace(settings, stores=[IPC], images=[10], resume=True)
    measured = measure_metadata(tmp_path, other, Told())
    assert [each.store for each in measured.stores] == [IPC]


def test_number_that_would_take_too_long_is_left_out(settings, asked, tmp_path) -> None:
    """Ten take 2 s, of which one is for the libraries; 100 take 11 s, and so 1,000 take 101 s."""
    short = replace(settings, stores=[IPC], images=[10, 100, 1000], seconds=60)
    measured = measure_metadata(tmp_path, short, Told())
    assert asked == [(IPC, 10), (IPC, 100)]
    why = "1,000 images were left out: they would take about 101 s"
    assert measured.stores[0].ended == why
    assert f"`arrow-ipc:pixels:fast`: {why}" in page_of(settings)
    assert not measured.failed
    asked.clear()
    measure_metadata(tmp_path, replace(short, seconds=10), Told())
    assert asked == [(IPC, 10)]


def test_store_that_fails_with_many_images_keeps_the_fewer_ones(
    settings, asked, tmp_path, monkeypatch
) -> None:
    answer = metadata._measured

    def failing(workspace, store, images, patience):
        if images == 100:
            raise RuntimeError("OSError: too many open files")
        return answer(workspace, store, images, patience)

    monkeypatch.setattr(metadata, "_measured", failing)
    told = Told()
    measured = measure_metadata(tmp_path, settings, told)
    assert measured.failed == dict.fromkeys(
        [IPC, PARQUET], "100 images: OSError: too many open files"
    )
    assert [len(each.cells) for each in measured.stores] == [1, 1]
    assert "100 images: OSError: too many open files" in page_of(settings)
    assert "| fails with 100 |" in page_of(settings)


def test_process_that_does_not_end_is_a_failure(settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(metadata, "PATIENCE", 1e-4)
    measured = measure_metadata(tmp_path, replace(settings, stores=[IPC], seconds=1), Told())
    assert measured.failed == {IPC: "10 images: not done after 0 s"}
    assert not settings.out.exists(), "there is nothing to show"


def test_numbers_of_images_are_ascending() -> None:
    assert numbers_of(["100", "10", "100"]) == [10, 100]
    for wrong in ("0", "-1", "1e3", "many", "10.5", "1000000000"):
        with pytest.raises(UserError, match=f"--images {wrong}: give numbers of images"):
            numbers_of([wrong])
    with pytest.raises(UserError, match="--images : give numbers of images"):
        numbers_of([])


def test_one_store_of_each_format_is_measured_by_default() -> None:
    chosen = most_direct_stores()
    assert sorted(name.format for name in chosen) == sorted(each.name for each in registry.FORMATS)
    assert PARQUET in chosen
