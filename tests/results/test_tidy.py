"""One row per cell, over all rounds of a run."""

from __future__ import annotations

import pytest

from platebench.results.tidy import CellResult, tidy
from tests.results.made_up_runs import (
    INFO,
    IPC,
    PIXEL_BYTES,
    TAKE,
    WRITE,
    failed,
    floor,
    ok,
    run_file,
    skipped,
)


def only(cells: list[CellResult]) -> CellResult:
    (cell,) = [cell for cell in cells if cell.format != "floor"]
    return cell


def test_cell_has_its_operation_store_and_image_set(tmp_path) -> None:
    run = ok([1.0], benchmark=TAKE, details=("16 scattered", "kept"))
    cell = only(tidy(run_file(tmp_path, [run])))
    assert (cell.operation, cell.detail, cell.cache) == ("take", "16 scattered, kept", "warm")
    assert (cell.store, cell.format, cell.layout, cell.tuning) == (
        IPC, "arrow-ipc", "pixels", "fast",
    )  # fmt: skip
    assert (cell.images, cell.profile) == (64, "raw")
    assert (cell.commit, cell.machine, cell.libraries) == (
        INFO.commit, INFO.machine, INFO.libraries,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("images", "profile"),
    [("raw-64", "raw"), ("ic-2", "ic"), ("real-3f9a1c", "real-3f9a1c"), ("real-123456",) * 2],
)
def test_profile_of_a_folder_is_its_name(images, profile, tmp_path) -> None:
    assert only(tidy(run_file(tmp_path, [ok([1.0], image_set=images)]))).profile == profile


def test_samples_of_all_rounds_are_pooled(tmp_path) -> None:
    file = run_file(tmp_path, [ok([1.0, 2.0])], [ok([3.0, 4.0], peak_bytes=9_000_000)], [ok([5.0])])
    cell = only(tidy(file))
    assert (cell.q25_s, cell.median_s, cell.q75_s) == (2.0, 3.0, 4.0)
    assert (cell.samples, cell.rounds) == (5, 3)
    assert cell.cpu_s == 6.0
    assert cell.peak_bytes == 9_000_000


def test_rates_are_of_uncompressed_pixels(tmp_path) -> None:
    cell = only(tidy(run_file(tmp_path, [ok([2.0])])))
    assert cell.mb_per_s == pytest.approx(64 * PIXEL_BYTES / 2e6)
    assert cell.images_per_s == 32
    assert cell.bytes_per_pixel_byte == 0.5


def test_operation_without_pixels_has_no_rate(tmp_path) -> None:
    cell = only(tidy(run_file(tmp_path, [ok([2.0], image_set="raw-64", pixel_bytes=0)])))
    assert cell.mb_per_s is None


def test_floor_ratio_is_formed_inside_rounds(tmp_path) -> None:
    """The second round is ten times slower for all: the ratio stays 3."""
    file = run_file(
        tmp_path,
        [floor([1.0, 1.0, 1.0]), ok([3.0])],
        [floor([10.0]), ok([30.0, 30.0, 30.0])],
        [floor([1.0])],
        [ok([100.0])],
    )
    floors, mine = (
        cell.floor_ratio for cell in sorted(tidy(file), key=lambda each: each.store)[::-1]
    )
    assert mine == pytest.approx(3)
    assert floors == 1.0


def test_floor_has_the_same_operation_and_image_set(tmp_path) -> None:
    runs = [
        floor([1.0]),
        floor([2.0], image_set="raw-2"),
        floor([4.0], benchmark=WRITE),
        floor([8.0], benchmark=TAKE, details=("1", "kept")),
        ok([16.0], benchmark=TAKE, details=("1", "kept")),
        ok([16.0], image_set="raw-2"),
    ]
    ratios = {
        cell.operation: cell.floor_ratio
        for cell in tidy(run_file(tmp_path, runs))
        if cell.store == IPC
    }
    assert ratios == pytest.approx({"take": 2.0, "scan": 8.0})


def test_without_a_floor_there_is_no_ratio(tmp_path) -> None:
    assert only(tidy(run_file(tmp_path, [ok([1.0])]))).floor_ratio is None


def test_failure_in_any_round_makes_a_failed_cell(tmp_path) -> None:
    runs = [[ok([1.0])], [failed("Mismatch: image 3")], [ok([1.0])]]
    cell = only(tidy(run_file(tmp_path, *runs)))
    assert (cell.status, cell.message) == ("failed", "Mismatch: image 3")


def test_skipped_cell_has_no_figure(tmp_path) -> None:
    cell = only(tidy(run_file(tmp_path, [skipped("no versions")])))
    assert (cell.status, cell.message, cell.samples) == ("skipped", "no versions", 0)
    assert cell.median_s is cell.q25_s is cell.cpu_s is cell.floor_ratio is cell.images is None


def test_cells_are_in_the_order_of_operations(tmp_path) -> None:
    runs = [
        ok([1.0], benchmark=TAKE, details=("1", "kept")),
        ok([1.0], benchmark="full_scan.ColdFullScan.time_scan"),
        ok([1.0]),
        ok([1.0], benchmark=WRITE),
    ]
    cells = tidy(run_file(tmp_path, runs))
    assert [(cell.operation, cell.cache) for cell in cells] == [
        ("write", "warm"),
        ("scan", "warm"),
        ("scan", "cold"),
        ("take", "warm"),
    ]
