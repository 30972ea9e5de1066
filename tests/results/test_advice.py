"""What a choice means for the whole source, and the lines that say so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from platebench.results.advice import (
    Basis,
    Estimate,
    Kind,
    Source,
    images_of,
    large_files,
    reasons_in_words,
    size_error,
)
from platebench.results.advice_lines import (
    MOST,
    WIDTH,
    Asked,
    _duration,
    advice_lines,
    ties_in_words,
)
from platebench.results.measurement import Measurement
from platebench.results.needs import AT_RANDOM, IN_ORDER, WRITES, Needs
from platebench.results.prices import Price
from platebench.results.records import record_files
from platebench.results.tidy import CellResult, tidy
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER, names
from tests.results.made_up_runs import IPC, PIXEL_BYTES, WRITE, failed, ok, run_file
from tests.scratch_checkout import REPOSITORY

COLD_SCAN = "full_scan.ColdFullScan.time_scan"
COLD_TAKE = "random_rows.ColdRandomRows.time_take"
SCAN, TAKE = "full_scan.FullScan.time_scan", "random_rows.RandomRows.time_take"
ZARR = StoreName.parse("zarr:tensor:small")
LANCE = StoreName.parse("lancedb:pixels:balanced")
WOBBLE = (1.0, 1.03, 0.98, 1.01, 0.99)
NEEDS = Needs()
PRICE = Price("Our server", 20.0, "$", "IT", date(2026, 11, 1))
WHOLE = Source(
    images=6400,
    pixel_bytes=6400 * PIXEL_BYTES,
    sampled=64,
    sampled_bytes=64 * PIXEL_BYTES,
    complete=False,
    size_error=0.02,
    large_files={IPC: 1, ZARR: 4, TIFF_FOLDER: 64},
)
SAMPLE = Source(64, 64 * PIXEL_BYTES, 64, 64 * PIXEL_BYTES, complete=True, size_error=0.0)
MADE = {
    FLOOR: (1.0, 1.0),
    TIFF_FOLDER: (1.0, 1.2),
    IPC: (1.0, 1.0),
    LANCE: (0.4, 1.6),
    ZARR: (0.3, 8.0),
}
"""The size and relative time of each store."""


def round_of(number: int, made: dict[StoreName, tuple[float, float]]) -> list[Measurement]:
    runs = []
    for place, (store, (size, slower)) in enumerate(made.items()):
        wobble = WOBBLE[(number * (place + 1)) % len(WOBBLE)]
        noted = {"stored_bytes": int(size * 64 * PIXEL_BYTES), "stored_files": 70}
        seconds = 0.064 * slower * wobble
        runs += [
            ok([seconds], store, COLD_SCAN, **noted),
            ok([seconds], store, COLD_TAKE, details=("16 scattered",), images=16, **noted),
            ok([2 * seconds], store, WRITE, peak_bytes=9_000_000, **noted),
        ]
    return runs


def cells_of(folder: Path, rounds: int = 5, made=MADE) -> list[CellResult]:
    return tidy(run_file(folder, *(round_of(number, made) for number in range(rounds))))


def basis_of(folder: Path, rounds: int = 5) -> Basis:
    return Basis(cells_of(folder, rounds))


def lines_of(basis: Basis, source: Source = WHOLE, asked: Asked | None = None) -> list[str]:
    lines = advice_lines(basis, source, asked or Asked(NEEDS, "plate", source.images, PRICE))
    assert 0 < len(lines) <= MOST
    assert all(line.isprintable() for line in lines)
    assert all(len(line) <= WIDTH or " pack " in line for line in lines), lines
    return lines


def row(lines: list[str], label: str) -> str:
    (found,) = [line for line in lines if line.startswith(label)]
    return found


# What is read from cells


def test_figures_are_per_image_and_the_floor_is_no_store(tmp_path: Path) -> None:
    by_store = {each.store: each for each in basis_of(tmp_path).figures}
    assert set(by_store) == set(MADE) - {FLOOR}
    zarr = by_store[ZARR]
    assert zarr.size == pytest.approx(0.3, rel=1e-6)
    assert zarr.seconds[IN_ORDER] == pytest.approx(0.008, rel=0.02)
    assert zarr.seconds[AT_RANDOM] == pytest.approx(0.032, rel=0.02), "16 images, not 64"
    assert zarr.seconds[WRITES] == pytest.approx(0.016, rel=0.02)
    assert (by_store[LANCE].native_versions, zarr.native_versions) == (True, False)


def test_cold_reads_count_where_there_are_any_and_warm_ones_elsewhere(tmp_path: Path) -> None:
    cells = cells_of(tmp_path)
    warm = [ok([0.001], IPC, SCAN), ok([0.001], IPC, TAKE, details=("16 scattered", "reopened"))]
    only_warm = Basis(tidy(run_file(tmp_path, warm, started="2026-03-02T10:20:30+00:00")))
    assert Basis(cells).cold
    assert not only_warm.cold
    assert only_warm.figures[0].seconds.keys() == {IN_ORDER, AT_RANDOM}
    both = Basis([*cells, *tidy(run_file(tmp_path, warm, started="2026-03-03T10:20:30+00:00"))])
    fastest = next(each for each in both.figures if each.store == IPC)
    assert fastest.seconds[IN_ORDER] == pytest.approx(0.001, rel=0.02), "64 ms for 64 images"


def test_failed_cell_is_a_reason_and_no_figure(tmp_path: Path) -> None:
    runs = [ok([0.1], TIFF_FOLDER, COLD_SCAN), failed("other values", IPC, COLD_SCAN)]
    decision = Basis(tidy(run_file(tmp_path, runs))).decide(NEEDS)
    assert decision.left_out == {IPC: "reads in order failed: other values"}
    assert reasons_in_words(decision.left_out) == [
        "arrow-ipc:pixels:fast: reads in order failed: other values"
    ]


def test_store_of_one_round_is_settled_by_the_noise_of_the_others(tmp_path: Path) -> None:
    """A store that was left out after the first round loses by far, and is no tie."""
    rounds = [round_of(number, MADE) for number in range(3)]
    for later in rounds[1:]:
        later[:] = [run for run in later if run.cell.store != ZARR]
    basis = Basis(tidy(run_file(tmp_path, *rounds)))
    found = basis.pair(ZARR, IPC, IN_ORDER)
    assert found is not None
    assert found.low is not None and 4 < found.low < 8
    fastest = basis.decide(NEEDS).fastest
    assert fastest is not None
    assert ZARR not in fastest.ties


def test_one_round_alone_gives_no_interval(tmp_path: Path) -> None:
    basis = basis_of(tmp_path, rounds=1)
    found = basis.pair(ZARR, IPC, IN_ORDER)
    assert found is not None
    assert found.low is None
    rate = basis.advised(ZARR, WHOLE).in_order
    assert rate is not None and rate.low is None


def test_decision_on_the_kept_reference_run_is_one_store_each() -> None:
    runs = [file for file in record_files(REPOSITORY / "results") if file.info().is_run]
    cells = tidy(runs[-1])
    sets = {cell.image_set for cell in cells}
    decision = Basis([cell for cell in cells if cell.image_set == "raw-512"]).decide(NEEDS)
    assert "raw-512" in sets
    assert list(decision.choices) == ["Fastest", "Balanced", "Smallest"]
    assert {choice.store for choice in decision.choices.values()} <= set(names())


# The whole source


def test_whole_source_is_extrapolated_and_says_so(tmp_path: Path) -> None:
    advised = basis_of(tmp_path).advised(ZARR, WHOLE)
    assert advised.stored_bytes is not None and advised.hours is not None
    assert advised.stored_bytes.kind == advised.hours.kind == Kind.EXTRAPOLATED
    assert advised.stored_bytes.value == pytest.approx(0.3 * WHOLE.pixel_bytes, rel=1e-4)
    assert advised.stored_bytes.high == pytest.approx(advised.stored_bytes.value * 1.04, rel=0.01)
    assert advised.hours.value == pytest.approx(6400 * 0.016 / 3600, rel=0.02)
    assert advised.hours.low is not None and advised.hours.high is not None
    assert advised.hours.low < advised.hours.value < advised.hours.high
    assert advised.in_order is not None and advised.in_order.kind == Kind.MEASURED
    assert advised.in_order.value == pytest.approx(125, rel=0.02)
    assert (advised.read_memory, advised.write_memory) == (3_000_000, 9_000_000)


def test_source_that_is_measured_whole_is_measured(tmp_path: Path) -> None:
    advised = basis_of(tmp_path).advised(ZARR, SAMPLE)
    assert advised.stored_bytes is not None
    assert advised.stored_bytes.kind == Kind.MEASURED
    assert advised.files == Estimate(70, Kind.MEASURED)


def test_files_that_hold_images_grow_with_them(tmp_path: Path) -> None:
    basis = basis_of(tmp_path)
    files = {store: basis.advised(store, WHOLE).files for store in (IPC, ZARR, TIFF_FOLDER, LANCE)}
    assert files == {
        IPC: Estimate(70, Kind.MODELLED),
        ZARR: Estimate(66 + 400, Kind.MODELLED),
        TIFF_FOLDER: Estimate(6 + 6400, Kind.MODELLED),
        LANCE: None,
    }


def test_small_files_beside_the_images_do_not_count_as_large() -> None:
    assert large_files([10_000_000, 700, 2_000]) == 1
    assert large_files([5_000_000] * 8 + [900]) == 8
    assert large_files([]) == 0


def test_size_that_is_asked_for_has_images_of_the_same_size() -> None:
    assert images_of(NEEDS, 10, 1000) == (10, 1000)
    assert images_of(Needs(pixel_bytes=10**6), 10, 1000) == (10_000, 10**6)
    assert images_of(Needs(pixel_bytes=1), 10, 1000) == (1, 1)


def test_error_of_a_sample_is_that_of_many_samples() -> None:
    """The standard error agrees with how 2,000 samples of a made-up population differ."""
    random = np.random.default_rng(1)
    sizes = random.gamma(8, 1000, 400).astype(int)
    pixels = [50_000] * 20
    found, errors = [], []
    for _ in range(2000):
        rows = random.choice(400, 20, replace=False)
        found.append(sizes[rows].mean())
        errors.append(size_error(sizes[rows].tolist(), pixels, 400))
    assert np.mean(errors) == pytest.approx(np.std(found) / sizes.mean(), rel=0.1)


def test_error_of_a_sample_is_zero_of_all_and_unknown_of_one() -> None:
    assert size_error([10, 90], [100, 100], 2) == 0.0
    assert size_error([10], [100], 2) is None
    assert size_error([50, 50], [100, 100], 1000) == 0.0


# The lines


def test_answer_has_a_column_per_choice_with_every_figure(tmp_path: Path) -> None:
    lines = lines_of(basis_of(tmp_path))
    assert lines[0].startswith("8.8 GB of pixels, 64 of 6,400 images measured: ") or (
        "64 of 6,400 images" in lines[0]
    )
    assert lines[1].split() == ["Fastest", "Balanced", "Smallest"]
    assert row(lines, "Store").split("  ")[-1].strip() == "Zarr small"
    assert re.search(r"x 8\.8 GB, \$0\.18/mo +3\.5 GB ±4%, \$0\.07/mo", row(lines, "Bytes kept"))
    assert re.search(r"m [0-9]+/s \([0-9]+-[0-9]+\)", row(lines, "In order"))
    assert re.search(r"x .* s \([0-9]+-[0-9]+\)", row(lines, "To convert"))
    assert "native" in row(lines, "Files") and "part list" in row(lines, "Files")
    assert "3.0 MB, 9.0 MB" in row(lines, "RAM")
    for title in ("Fastest", "Balanced", "Smallest"):
        assert re.search(r" platebench pack plate DEST --store \S+:\S+:\S+$", row(lines, title))
    assert lines[-2] == "m measured, x extrapolated, c modelled; ( ) 95% interval of a repeat run"
    assert lines[-1] == "$20/TB a month: Our server, 2026-11-01, IT"


def test_choices_of_the_same_store_share_a_column(tmp_path: Path) -> None:
    made = {FLOOR: (1.0, 1.0), IPC: (0.3, 1.0), ZARR: (0.9, 2.0)}
    lines = lines_of(Basis(cells_of(tmp_path, made=made)))
    assert lines[1].strip() == "Fastest, balanced, smallest"
    assert len([line for line in lines if " pack " in line]) == 1


def test_ties_are_named_in_the_answer_and_all_of_them_beside_it(tmp_path: Path) -> None:
    made = {FLOOR: (1.0, 1.0), IPC: (1.0, 1.0), TIFF_FOLDER: (1.0, 1.001), ZARR: (0.3, 9.0)}
    basis = Basis(cells_of(tmp_path, made=made))
    assert row(lines_of(basis), "Ties") == (
        "Ties          fastest TIFF folder; balanced TIFF folder"
    )
    assert ties_in_words(basis.decide(NEEDS).choices) == [
        f"Ties with the {name}, {IPC}: {TIFF_FOLDER}" for name in ("fastest", "balanced")
    ]


def test_twenty_tied_stores_and_three_choices_fit(tmp_path: Path) -> None:
    every = [store for store in names() if store != FLOOR][:24]
    made = {
        store: (1.0 - 0.02 * place, 1.0 + 0.02 * place) for place, store in enumerate(every)
    } | {FLOOR: (1.0, 1.0)}
    lines = lines_of(Basis(cells_of(tmp_path, rounds=2, made=made)))
    assert re.search(r"\+\d+", row(lines, "Ties"))


def test_three_choices_and_a_tie_leave_one_line_for_marks_and_price(tmp_path: Path) -> None:
    made = MADE | {StoreName.parse("hdf5:tensor:fast"): (1.0, 1.0)}
    lines = lines_of(Basis(cells_of(tmp_path, made=made)))
    assert len(lines) == MOST
    assert "HDF5 fast" in row(lines, "Ties") + row(lines, "Store")
    assert "m measured, x extrapolated, c modelled" in lines[-1]
    assert "$20/TB" in lines[-1] and "Our server" in lines[-1]


def test_answer_without_prices_or_from_memory_says_so(tmp_path: Path) -> None:
    runs = [ok([0.001], IPC, SCAN), ok([0.001], IPC, TAKE, details=("1", "reopened"))]
    basis = Basis(tidy(run_file(tmp_path, runs)))
    lines = lines_of(basis, SAMPLE, Asked(NEEDS, "plate", 64))
    assert lines[0].endswith("from memory: without writes, which were not measured")
    assert "$" not in "".join(lines)
    assert "not measured" in row(lines, "To convert")


def test_nothing_measured_is_said_with_the_first_reason(tmp_path: Path) -> None:
    assert lines_of(Basis([])) == ["Nothing was measured, so there is no advice."]
    basis = Basis(tidy(run_file(tmp_path, [failed("broken\npipe", IPC, COLD_SCAN)])))
    first, second = lines_of(basis)
    assert first.startswith("No store was measured")
    assert second == "arrow-ipc:pixels:fast: reads in order failed: broken\\npipe"


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (1e-6, "3.6 ms"),
        (0.001, "3.6 s"),
        (0.5, "30 min"),
        (1.99, "119 min"),
        (14.0, "14 h (12-16)"),
        (1000.0, "42 days"),
    ],
)
def test_duration_is_in_a_unit_that_a_person_reads(hours: float, said: str) -> None:
    ends = (12.0, 16.0) if "(" in said else (None, None)
    assert _duration(Estimate(hours, Kind.EXTRAPOLATED, *ends)) == said
