"""Advice: what is measured of a source, where, for how long, and what is said of bad input."""

from __future__ import annotations

import re
import shutil
import time
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.packages import advise
from platebench.packages.advise import (
    MANY,
    MOST_BYTES,
    MOST_CANDIDATES,
    MOST_IMAGES,
    MOST_ROUNDS,
    Place,
    TimeIsOver,
    candidates,
    measure_for_advice,
    patterns_for,
    place_for,
    until,
)
from platebench.results.advice_lines import MOST, WIDTH
from platebench.results.kept_figures import read_kept
from platebench.results.measurement import CellName
from platebench.results.needs import Needs
from platebench.results.records import Record, RecordFile
from platebench.running.goal import Contenders
from platebench.running.outlook import Outlook
from platebench.running.places import Home
from platebench.running.settings import Settings
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, FORMATS, REFERENCES, TIFF_FOLDER
from platebench.timing.protocol import WORK
from tests.results.made_up_runs import IPC, ok, run_file
from tests.running.made_up_suites import Silent
from tests.scratch_checkout import Command

COLD_SCAN = "full_scan.ColdFullScan.time_scan"
COLD_TAKE = "random_rows.ColdRandomRows.time_take"
WRITE = "write.Write.time_write"
ZARR = StoreName.parse("zarr:tensor:small")
STORES = [FLOOR, TIFF_FOLDER, IPC, ZARR]
WOBBLE = (1.0, 1.02, 0.99, 1.01)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of 20 small images that differ, in a folder of its own."""
    folder = tmp_path / "lab" / "plate"
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    for number in range(20):
        tifffile.imwrite(folder / f"{number:02d}.tif", random.poisson(9, (24, 36)).astype("u1"))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv(WORK, raising=False)
    return Place(Home(tmp_path, tmp_path / "work", tmp_path / "results"), "measuring here")


def runs_of(number: int, slow: float = 5.0) -> list:
    """A round of all stores on all uses; Zarr is `slow`, and a tenth as large."""
    runs = []
    for shift, store in enumerate(STORES):
        factor = slow if store == ZARR else 1.0 + shift / 10
        seconds = 0.1 * factor * WOBBLE[(number * (shift + 1)) % 4]
        size = {"stored_bytes": 1_000_000 if store == ZARR else 10_000_000}
        runs += [
            ok([seconds], store, COLD_SCAN, **size),
            ok([seconds], store, COLD_TAKE, details=("16 scattered",), **size),
            ok([seconds], store, WRITE, **size),
        ]
    return runs


@dataclass
class Measured:
    """Replaces the measuring: keeps what it was asked for, and writes made-up rounds."""

    rounds: int = 3
    ends: BaseException | None = None
    empty: bool = False
    settings: list[Settings] = field(default_factory=list)
    outlooks: list[Outlook] = field(default_factory=list)
    contenders: list[Contenders] = field(default_factory=list)
    file: RecordFile | None = None

    def __call__(self, home, results, settings, watcher, begun, outlook, contenders) -> RecordFile:
        self.settings.append(settings)
        self.outlooks.append(outlook)
        self.contenders.append(contenders)
        self.file = run_file(results, *map(runs_of, range(self.rounds)), images=["plate-1"])
        begun(self.file)
        if self.empty:
            self.file.file.unlink()
        if self.ends is not None:
            raise self.ends
        return self.file


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    made = Measured()
    monkeypatch.setattr(advise, "measure", made)
    return made


Advice = Callable[..., "advise.Outcome"]


@pytest.fixture
def advice(source: Path, place: Place, tmp_path: Path) -> Advice:
    def run(needs: Needs | None = None, seconds: float = 100.0, watcher: Silent | None = None):
        ends = time.monotonic() + seconds
        return measure_for_advice(
            source, place, tmp_path / "results", STORES, needs or Needs(), ends, watcher or Silent()
        )

    return run


# What is measured


def test_candidates_lead_in_the_reference_run_for_the_needs() -> None:
    every = candidates(Needs())
    assert every[:2] == list(REFERENCES)
    assert len(every) <= 2 + MOST_CANDIDATES
    measured = {each.store for each in read_kept().figures}
    assert set(every[2:]) <= measured
    chosen = {choice.store for choice in read_kept().decide().choices.values()}
    assert {store for store in chosen if not registry.why_not(store)} <= set(every)
    for store in every:
        (layout,) = {next(iter(each.variants)) for each in FORMATS if each.name == store.format}
        assert store.layout == layout


def test_stores_that_cannot_be_packed_or_are_not_installed_are_no_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = candidates(Needs())[2]
    why_not = registry.why_not
    monkeypatch.setattr(registry, "why_not", lambda name: "no" if name == gone else why_not(name))
    assert gone not in candidates(Needs())
    assert not any(registry.format_of(each).no_package for each in candidates(Needs())[2:])


def test_cold_reads_and_writes_are_measured_in_a_hurry(advice: Advice, measured: Measured) -> None:
    outcome = advice()
    (settings,), (ahead,) = measured.settings, measured.outlooks
    assert settings.patterns == ("ColdFullScan", "ColdRandomRows 16 scattered", "Write")
    assert settings.hurried and settings.more and settings.rounds == 0
    assert settings.minutes is not None and 0 < settings.minutes <= 100 / 60
    assert Path(settings.images[0]).is_absolute()
    assert (ahead.sources[0].size.images, ahead.sources[0].rows) == (20, None)
    assert (outcome.source.complete, outcome.found, outcome.stopped) == (True, 20, "")


def test_few_images_are_read_one_at_a_time_and_warm_where_nothing_is_cold() -> None:
    assert patterns_for(Needs(), MANY - 1, cold=True)[1] == "ColdRandomRows 1"
    warm = patterns_for(Needs(), MANY, cold=False)
    assert warm == ("FullScan", "RandomRows 16 scattered reopened", "Write")


def test_sample_is_bounded_and_says_how_much_its_size_may_be_off(
    advice: Advice, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advise, "MOST_IMAGES", 5)
    outcome = advice(Needs(pixel_bytes=5 * 10**12))
    (rows,) = (ahead.sources[0].rows for ahead in measured.outlooks)
    assert rows is not None and len(rows) == 5
    assert not outcome.source.complete
    assert outcome.source.pixel_bytes == 5 * 10**12
    assert outcome.source.images == round(5 * 10**12 / (24 * 36))
    assert outcome.source.size_error is not None and 0 < outcome.source.size_error < 0.1


Images = namedtuple("Images", "pixel_bytes count")


class ManyImages:
    """A set of so many images of so many bytes."""

    def __init__(self, count: int, each: int) -> None:
        self.count, self.pixel_bytes = count, count * each

    def __len__(self) -> int:
        return self.count


@pytest.mark.parametrize(
    ("count", "each", "sampled"),
    [(1, 10, 1), (7, 10, 7), (10**6, 8_000, MOST_IMAGES), (2048, 1_400_000, 24), (9, 10**9, 1)],
)
def test_sample_fits_the_time(count: int, each: int, sampled: int) -> None:
    rows = advise.sample_of(ManyImages(count, each))  # type: ignore[arg-type]
    assert len(rows) == sampled
    assert sampled == 1 or sampled * each <= MOST_BYTES


def cells(stores: Sequence[StoreName]) -> list[CellName]:
    """The cells of these stores, as the suite names them."""
    details = {COLD_TAKE: ("16 scattered",)}
    return [
        CellName(benchmark, store, "plate-1", details.get(benchmark, ()))
        for store in stores
        for benchmark in (COLD_SCAN, COLD_TAKE, WRITE)
    ]


@pytest.mark.parametrize(
    ("needs", "kind"), [(Needs(), "ColdFullScan"), (Needs(10, 70, 20), "ColdRandomRows")]
)
def test_first_round_measures_all_stores_on_the_main_use(
    needs: Needs, kind: str, advice: Advice, measured: Measured
) -> None:
    advice(needs)
    (narrowed,) = measured.contenders
    first = narrowed(cells(STORES), [])
    assert [cell.store for cell in first] == STORES
    assert {cell.kind for cell in first} == {kind}


def test_later_rounds_leave_out_stores_that_cannot_be_chosen(
    advice: Advice, measured: Measured
) -> None:
    advice(Needs())
    (narrowed,) = measured.contenders
    every = cells([*STORES, StoreName.parse("hdf5:tensor:fast")])
    slow = [
        ok([9.0], "hdf5:tensor:fast", benchmark, details=details, stored_bytes=10_000_000)
        for benchmark, details in ((COLD_SCAN, ()), (COLD_TAKE, ("16 scattered",)), (WRITE, ()))
    ]
    records = [Record(1, run) for run in [*runs_of(1), *slow]]
    left = narrowed(every, records)
    assert {cell.store for cell in left} == set(STORES), "the smallest stays, however slow"
    assert len(left) == 3 * len(STORES), "on every use"


def test_rounds_end_when_more_would_tell_no_more(advice: Advice, measured: Measured) -> None:
    advice(Needs())
    (narrowed,) = measured.contenders

    def after(rounds: int, tie: bool) -> Sequence[CellName]:
        runs = [(number, run) for number in range(1, rounds + 1) for run in runs_of(number)]
        chosen = [run for run in runs if tie or run[1].cell.store not in (IPC,)]
        return narrowed(cells(STORES), [Record(number, run) for number, run in chosen])

    assert after(3, tie=False)
    assert not after(4, tie=False)
    assert not after(MOST_ROUNDS, tie=True)


# Where


def test_work_is_in_the_default_folder_if_that_is_on_the_same_disk(
    source: Path, place: Place
) -> None:
    with place_for(source, place.home) as found:
        assert found.home == place.home
        assert "on the disk of your images" in found.note


def test_work_is_beside_a_source_on_another_disk_and_gone_afterwards(
    source: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = source.stat().st_dev
    inside = source.parent
    monkeypatch.setattr(
        advise, "_device", lambda path: here if path.is_relative_to(inside) else here + 1
    )
    before = sorted(source.parent.iterdir())
    with place_for(source, place.home) as found:
        work = found.home.work
        assert work.is_relative_to(source.parent) and not work.is_relative_to(source)
        work.mkdir()
        (work / "file").touch()
        assert "removed at the end" in found.note
    assert sorted(source.parent.iterdir()) == before


def test_source_that_cannot_be_written_beside_is_measured_elsewhere_and_said(
    source: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = source.stat().st_dev
    monkeypatch.setattr(advise, "_device", lambda path: here if path == source else here + 1)
    with place_for(source, place.home) as found:
        assert found.home == place.home
        assert "another disk than that of your images" in found.note


def test_named_work_folder_is_used(
    source: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORK, str(tmp_path / "mine"))
    with place_for(source, place.home) as found:
        assert f"mine ({WORK})" in found.note
    assert not (tmp_path / "mine").exists()


# How it ends


@pytest.mark.parametrize(
    ("ends", "stopped"), [(TimeIsOver(), "the time is over"), (KeyboardInterrupt(), "interrupted")]
)
def test_what_is_measured_counts_however_it_ends(
    ends: BaseException, stopped: str, advice: Advice, measured: Measured
) -> None:
    measured.ends = ends
    outcome = advice()
    assert outcome.stopped == stopped
    assert list(outcome.basis.decide(Needs()).choices) == ["Fastest", "Balanced", "Smallest"]


def test_nothing_measured_is_no_basis(advice: Advice, measured: Measured) -> None:
    measured.ends, measured.empty = KeyboardInterrupt(), True
    assert not advice().basis.decide(Needs()).choices


def test_time_ends_a_block_and_the_processes_it_started() -> None:
    import subprocess

    with pytest.raises(TimeIsOver), until(time.monotonic() + 0.2):
        subprocess.run(["sleep", "60"], check=False)
        raise AssertionError("the process was not ended")
    time.sleep(0.01)  # nothing is left to interrupt


# The command


def said_of(platebench: Command, *arguments: object) -> str:
    """Return the error of a command that must refuse, in one line."""
    said = platebench("advise", *map(str, arguments))
    assert (said.status, said.out) == (2, "")
    *progress, line = said.err.splitlines()
    assert line.startswith("platebench: ")
    assert not any("Traceback" in each for each in progress)
    return line


def test_bad_input_is_one_line_that_says_what_to_do(
    source: Path, tmp_path: Path, checkout: Path, platebench: Command
) -> None:
    empty, bad = tmp_path / "empty", tmp_path / "bad.toml"
    empty.mkdir()
    bad.write_text("[[price]]\nname = 'x'\n")
    before = sorted(tmp_path.rglob("*"))
    assert "nowhere: is not there" in said_of(platebench, tmp_path / "nowhere")
    assert "contains no TIFF or CH5 file" in said_of(platebench, empty)
    assert "make 100 together" in said_of(platebench, source, "--random", "95")
    assert "--size much: give a number" in said_of(platebench, source, "--size", "much")
    assert "bad.toml: price 1" in said_of(platebench, source, "--prices", bad)
    assert "no such store" in said_of(platebench, source, "--stores", "floppy")
    made = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert not [path for path in made if path.is_relative_to(source)]


def test_full_disk_is_said_in_gigabytes(
    source: Path, checkout: Path, platebench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 3_000))
    line = said_of(platebench, source, "--stores", "parquet,arrow-ipc")
    assert re.search(r"20 images of plate in 30 stores need 0\.6 MB of disk; .* has 0\.0 MB", line)


def test_time_that_is_too_short_to_read_the_source_is_said(
    source: Path, checkout: Path, platebench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise TimeIsOver

    monkeypatch.setattr(advise, "measure_for_advice", late)
    assert "3 minutes were over before the images of" in said_of(platebench, source)


@pytest.mark.parametrize(
    ("ends", "status"), [(None, 0), (TimeIsOver(), 0), (KeyboardInterrupt(), 130)]
)
def test_answer_and_exit_status(
    ends, status: int, source: Path, checkout: Path, platebench: Command, measured: Measured
) -> None:
    measured.ends = ends
    said = platebench("advise", str(source), "--size", "5TB")
    assert said.status == status, said.err
    lines = said.out.splitlines()
    assert len(lines) <= MOST
    assert lines[0].startswith("5.0 TB")
    assert ("this is what was measured" in said.err) == (ends is not None)


def test_nothing_measured_has_exit_status_1(
    source: Path, checkout: Path, platebench: Command, measured: Measured
) -> None:
    measured.rounds = 0
    said = platebench("advise", str(source))
    assert said.status == 1
    assert said.out == "Nothing was measured, so there is no advice.\n"


def test_advice_on_a_tiny_folder_has_its_form_and_leaves_the_source_alone(
    source: Path, checkout: Path, platebench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only test that measures: one store beside the TIFF folder, twice."""
    monkeypatch.setattr(advise, "MOST_ROUNDS", 2)
    before = {file: file.read_bytes() for file in sorted(source.iterdir())}
    said = platebench("advise", str(source), "--stores", "arrow-ipc:pixels:fast")
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert len(lines) <= MOST
    assert all(len(line) <= WIDTH or " pack " in line for line in lines)
    assert re.search(r"platebench pack \S+ DEST --store \S+:\S+:\S+$", said.out, re.MULTILINE)
    assert re.search(r"^At random +m \d+/s", said.out, re.MULTILINE)
    assert {file: file.read_bytes() for file in sorted(source.iterdir())} == before
    assert [file.name for file in source.parent.iterdir()] == [source.name]
