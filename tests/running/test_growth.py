"""`calibrate growth` measures several sizes in a tidy run, and writes a page with a JSON file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.growth import from_records, page
from platebench.results.records import RecordFile
from platebench.running import growth
from platebench.running.growth import GrowthSettings, measure_growth
from platebench.running.places import Home
from platebench.running.settings import Settings
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, ok, run_file
from tests.running.made_up_suites import Silent

HOME = Home(Path("suite"), Path("work"), Path("results"))


@pytest.fixture
def settings(tmp_path: Path) -> GrowthSettings:
    return GrowthSettings(
        [FLOOR, IPC],
        ["8", "16", "32"],
        [],
        ("ColdFullScan",),
        1,
        tmp_path / "page.md",
        False,
        "cmd",
    )


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of the runs, which are made up."""
    every: list[Settings] = []

    def answer(home, results, settings, watcher) -> RecordFile:
        every.append(settings)
        runs = [
            ok([0.001 * int(images) ** 2], image_set=f"raw-{images}", set_images=int(images),
               images=int(images))
            for images in settings.images
        ]  # fmt: skip
        return run_file(tmp_path / "results", runs)

    monkeypatch.setattr(growth, "measure", answer)
    return every


def test_page_and_record_have_the_exponents_of_a_tidy_run(settings, asked, tmp_path) -> None:
    _, grown = measure_growth(HOME, tmp_path, settings, Silent())
    (run,) = asked
    assert run.tidy
    assert (run.patterns, run.rounds, run.images) == (("ColdFullScan",), 1, ["8", "16", "32"])
    record = json.loads((tmp_path / "page.json").read_text())
    assert from_records(record["growth"]) == grown
    written = (tmp_path / "page.md").read_text()
    assert written == page(grown, record["told"], "cmd")
    assert (
        "| arrow-ipc:pixels:fast | 8 to 32 | 8.00 ms | 32.0 ms | 1.00 (1.00 to 1.00) | grows |"
        in (written)
    )
    assert "Python 3.11.7" in written


def test_two_sizes_are_refused_before_anything_is_measured(settings, asked, tmp_path) -> None:
    with pytest.raises(UserError, match="--images: give 3 or more sizes, such as 32,128,512,2048"):
        measure_growth(HOME, tmp_path, replace(settings, images=["8", "16", "8"]), Silent())
    assert asked == []


def test_page_in_a_folder_that_is_not_there_is_refused_first(settings, asked, tmp_path) -> None:
    with pytest.raises(UserError):
        measure_growth(HOME, tmp_path, replace(settings, out=tmp_path / "no" / "page.md"), Silent())
    assert asked == []
