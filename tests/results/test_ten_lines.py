"""The lines that a run ends with: at most ten, never wider than a terminal, and never a guess."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from platebench.results.answer import LAB, answers
from platebench.results.measurement import Measurement
from platebench.results.records import record_files
from platebench.results.ten_lines import MOST, WIDTH, Context, ten_lines
from platebench.results.tidy import CellResult, tidy
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, SCAN, WRITE, failed, ok, run_file, skipped
from tests.scratch_checkout import REPOSITORY
from tests.site.made_up import reference

COLD_SCAN = "full_scan.ColdFullScan.time_scan"
COLD_TAKE = "random_rows.ColdRandomRows.time_take"
TAKE = "random_rows.RandomRows.time_take"
OLD = "versions.OpenVersion.time_open"
PARQUET = StoreName.parse("parquet:pixels:fast")
TENSOR = StoreName.parse("arrow-ipc:tensor:fast")
ZARR = StoreName.parse("zarr:tensor:small")
WOBBLE = (1.0, 1.01, 0.99, 1.005)


def cold(seconds: dict[StoreName, float], benchmark: str = COLD_TAKE) -> list[list[Measurement]]:
    """Four rounds of cold random reads, each store steady around its time."""
    details = ("16 scattered",) if "Rows" in benchmark else ()
    return [
        [ok([each * wobble], store, benchmark, details=details) for store, each in seconds.items()]
        for wobble in WOBBLE
    ]


def together(*runs: list[list[Measurement]]) -> list[list[Measurement]]:
    return [[each for run in rounds for each in run] for rounds in zip(*runs, strict=True)]


def lines_of(folder: Path, *rounds: list[Measurement], context: Context | None = None) -> list[str]:
    cells = tidy(run_file(folder, *rounds))
    lines = ten_lines(cells, context)
    fit(lines)
    return lines


def fit(lines: list[str]) -> None:
    assert 0 < len(lines) <= MOST
    assert all(line and line.isprintable() for line in lines), lines
    assert all(len(line) <= WIDTH or " run --images " in line for line in lines), lines
    answered = lines[0].endswith(":")
    assert not answered or not [line for line in lines if line.endswith("…")], "nothing is cut"


def line(lines: list[str], label: str) -> str:
    (found,) = [each for each in lines if each.startswith(label)]
    return " ".join(found.removeprefix(label).split())


def kept() -> list[CellResult]:
    runs = [file for file in record_files(REPOSITORY / "results") if file.info().is_run]
    return tidy(runs[-1])


def test_kept_reference_is_answered_in_ten_lines_that_fit() -> None:
    cells = kept()
    lines = ten_lines(cells)
    fit(lines)
    labels = [each[:13].strip() for each in lines[1:]]
    assert labels == [
        *("Single images", "Read all", "Write", "Older version", "Smallest", "Balanced"),
        *("Floor", "How sure", "Your images"),
    ]
    found = answers(cells)
    assert found is not None
    for each in found.fastest:
        assert (each.winner is None) == bool(each.tied), each.question.words


def test_winner_is_one_store_with_its_factor_and_interval(tmp_path: Path) -> None:
    said = lines_of(tmp_path, *cold({LAB: 0.04, IPC: 0.02, PARQUET: 0.06}))
    text = line(said, "Single images")
    assert text.startswith("Arrow IPC fast (arrow-ipc:pixels:fast): 2.0x faster (1.")
    assert line(said, "How sure").endswith("; no ties")
    assert said[0].endswith("Read from the disk; speed against a TIFF folder:")


def test_stores_whose_order_is_open_are_named_as_a_tie(tmp_path: Path) -> None:
    said = lines_of(tmp_path, *cold({LAB: 0.06, IPC: 0.02, PARQUET: 0.0201}))
    assert line(said, "Single images").startswith("Arrow IPC fast, Parquet fast (tie): 3.0x faster")
    assert line(said, "How sure").endswith("; ties: single images")


def test_tie_with_the_tiff_folder_names_it_first_and_claims_no_gain(tmp_path: Path) -> None:
    said = lines_of(tmp_path, *cold({IPC: 0.02, PARQUET: 0.04, LAB: 0.0201}))
    assert line(said, "Single images") == "TIFF folder, Arrow IPC fast (tie): 3,192 images/s"


def test_long_names_of_another_image_set_are_never_cut(tmp_path: Path) -> None:
    long = [StoreName("tensorstore", "tensor", tuning) for tuning in ("balanced", "fast", "small")]
    reads = cold({LAB: 0.06, IPC: 0.02, PARQUET: 0.0201, TENSOR: 0.03, ZARR: 0.04})
    old = [
        [
            ok([each * wobble], store, OLD, image_set="raw-128", set_images=128)
            for store, each in [(LAB, 0.9), *((store, 0.02) for store in long)]
        ]
        for wobble in WOBBLE
    ]
    said = lines_of(tmp_path, *together(reads, old))
    assert line(said, "Older version") == (
        "tensorstore:tensor:balanced and 2 more: 45x (memory, 128 images)"
    )


def test_layouts_of_a_format_that_tie_share_a_name(tmp_path: Path) -> None:
    said = lines_of(tmp_path, *cold({LAB: 0.06, IPC: 0.02, TENSOR: 0.0201}))
    assert line(said, "Single images").startswith("Arrow IPC fast (tie): 3.0x faster")


def test_one_round_has_no_winner(tmp_path: Path) -> None:
    said = lines_of(tmp_path, cold({LAB: 0.04, IPC: 0.001})[0])
    assert line(said, "Single images") == "Arrow IPC fast was first, not settled: 64,000 images/s"
    assert line(said, "How sure") == "1 round; no order is settled"


def test_rate_that_does_not_fit_is_left_out_whole(tmp_path: Path) -> None:
    long = StoreName.parse("tensorstore:tensor:balanced")
    said = lines_of(tmp_path, cold({LAB: 0.04, long: 0.001})[0])
    assert line(said, "Single images") == (
        "Zarr through TensorStore balanced was first, not settled"
    )


def test_store_with_too_few_rounds_to_tell_is_not_beaten(tmp_path: Path) -> None:
    """A run that was stopped in its second round has stores of one round."""
    rounds = cold({LAB: 0.04, IPC: 0.02, PARQUET: 0.03})
    said = lines_of(tmp_path, rounds[0], *[runs[:2] for runs in rounds[1:]])
    assert line(said, "Single images").startswith("Arrow IPC fast, Parquet fast (tie)")


def test_reads_from_the_disk_are_said_before_those_from_memory(tmp_path: Path) -> None:
    warm = [
        [
            ok([0.01 * wobble], LAB, TAKE, details=("16 scattered", "reopened")),
            ok([0.001 * wobble], PARQUET, TAKE, details=("16 scattered", "reopened")),
        ]
        for wobble in WOBBLE
    ]
    said = lines_of(tmp_path, *together(cold({LAB: 0.04, IPC: 0.02}), warm))
    assert "Arrow IPC" in line(said, "Single images")
    assert line(said, "From memory") == "single images Parquet fast"


def test_without_reads_from_the_disk_those_from_memory_are_said_and_marked(tmp_path: Path) -> None:
    rounds = [[ok([0.04], LAB, SCAN), ok([0.02 * each], IPC, SCAN)] for each in WOBBLE]
    said = lines_of(tmp_path, *rounds)
    assert line(said, "Read all").endswith(", from memory")
    assert said[0].endswith("Read from memory; speed against a TIFF folder:")
    assert not [each for each in said if each.startswith("From memory")]


def test_single_store_is_called_the_only_one(tmp_path: Path) -> None:
    said = lines_of(tmp_path, *cold({FLOOR: 0.01, LAB: 0.04}))
    assert line(said, "Single images") == "only TIFF folder measured: 1,596 images/s"
    assert line(said, "Floor") == "of one bare file's time: single images 4.0x"


def test_size_is_said_with_what_it_costs_in_time(tmp_path: Path) -> None:
    sizes = {LAB: 1000, IPC: 1000, ZARR: 250}
    scans = [[ok([0.02], store, stored_bytes=size) for store, size in sizes.items()]] * 4
    said = lines_of(tmp_path, *together(cold({LAB: 0.02, IPC: 0.04, ZARR: 0.1}), scans))
    text = line(said, "Smallest")
    assert re.fullmatch(
        r"Zarr small: 4\.0x smaller, single images 5\.0x slower \(4\.. to 5\..\)", text
    )
    assert line(said, "Balanced").startswith("TIFF folder (tiff-files:tiff:default): ")


def test_of_stores_that_tie_in_size_the_fastest_is_named_with_its_own_price(tmp_path: Path) -> None:
    sizes = {LAB: 1000, PARQUET: 250, ZARR: 250}
    scans = [[ok([0.02], store, stored_bytes=size) for store, size in sizes.items()]] * 4
    said = lines_of(tmp_path, *together(cold({LAB: 0.02, PARQUET: 0.4, ZARR: 0.1}), scans))
    text = line(said, "Smallest")
    assert text.startswith("Zarr small: 4.0x smaller, single images 5")


def test_store_that_is_smallest_and_balanced_is_named_once(tmp_path: Path) -> None:
    scans = [[ok([0.02], store, stored_bytes=size) for store, size in ((LAB, 1000), (ZARR, 250))]]
    said = lines_of(tmp_path, *together(cold({LAB: 0.02, ZARR: 0.06}), scans * 4))
    assert line(said, "Smallest").startswith("Zarr small")
    assert line(said, "Balanced").startswith("the same store, for 80% reads in order")


def test_long_names_that_tie_in_size_leave_room_for_what_the_size_costs(tmp_path: Path) -> None:
    balanced = [StoreName.parse(f"tiff-files:tiff:{tuning}") for tuning in ("balanced", "small")]
    sizes = {LAB: 1000} | dict.fromkeys((*balanced, ZARR), 355)
    scans = [[ok([0.02], store, stored_bytes=size) for store, size in sizes.items()]] * 4
    times = {LAB: 0.02, balanced[0]: 0.034, balanced[1]: 0.0341, ZARR: 0.0342}
    said = lines_of(tmp_path, *together(cold(times), scans))
    text = line(said, "Smallest")
    assert text == "TIFF folder balanced and 2 more (tie): 2.8x smaller, 1.7x slower"


def test_failures_are_counted(tmp_path: Path) -> None:
    rounds = cold({LAB: 0.04, IPC: 0.02})
    wrong = [failed("Mismatch: image 3 differs", PARQUET, COLD_SCAN)] * 4
    said = lines_of(tmp_path, *[[*runs, bad] for runs, bad in zip(rounds, wrong, strict=True)])
    assert line(said, "How sure").endswith("; 1 of 3 measurements failed")


def test_run_in_which_everything_failed_names_the_first_reason(tmp_path: Path) -> None:
    said = lines_of(tmp_path, [failed("boom\n" * 50), skipped("no zarr", ZARR, WRITE)])
    assert said[0] == "No measurement succeeded, so there is no answer: 1 failed, 1 skipped."
    assert said[1].startswith("scan of arrow-ipc:pixels:fast: boom")
    assert said[2] == "All reasons: platebench report"


def test_run_without_cells_says_so() -> None:
    assert ten_lines([]) == ["Nothing was measured, so there is no answer."]


def test_next_command_measures_the_readers_own_images(tmp_path: Path) -> None:
    context = Context(program=".venv/bin/platebench")
    said = lines_of(tmp_path, *cold({LAB: 0.04, IPC: 0.02}), context=context)
    assert line(said, "Your images") == ".venv/bin/platebench run --images path/to/tiffs"


@pytest.mark.parametrize(
    ("ipc", "after"), [(0.0401, "my/tiffs --minutes 30"), (0.02, "my/tiffs --all")]
)
def test_after_own_images_the_next_command_settles_more(ipc, after, tmp_path: Path) -> None:
    rounds = [
        [ok([each * wobble], store, SCAN, "plate-0123ab") for store, each in times.items()]
        for wobble in WOBBLE
        for times in [{LAB: 0.04, IPC: ipc}]
    ]
    said = lines_of(tmp_path / "a", *rounds, context=Context("my/tiffs", {"plate-0123ab": 4812}))
    assert said[0].startswith("64 of 4,812 images, 88 MB.")
    assert said[-1].endswith(f"platebench run --images {after}")


def test_long_folder_name_is_left_out_but_in_the_command(tmp_path: Path) -> None:
    rounds = [[ok([each], LAB, SCAN, "p" * 70), ok([0.1], IPC, SCAN, "p" * 70)] for each in WOBBLE]
    said = lines_of(tmp_path, *rounds, context=Context("my/" * 40, {"p" * 70: 4812}))
    assert said[0].startswith("64 of 4,812 images, 88 MB.")
    assert said[-1].endswith(f"platebench run --images {'my/' * 40} --all")


def test_every_subset_of_operations_fits(tmp_path: Path) -> None:
    stores = [FLOOR, LAB, IPC, PARQUET, TENSOR, ZARR]
    cells = tidy(reference(tmp_path, image_sets=("raw-32",), rounds=3, stores=stores))
    operations = sorted({(cell.operation, cell.cache) for cell in cells})
    for left_out in operations:
        fit(ten_lines([cell for cell in cells if (cell.operation, cell.cache) != left_out]))
    for only in operations:
        fit(ten_lines([cell for cell in cells if (cell.operation, cell.cache) == only]))
    for store in stores:
        fit(ten_lines([cell for cell in cells if cell.store in (FLOOR, LAB, store)]))
        fit(ten_lines([cell for cell in cells if cell.store == store]))
