"""The report of a comparison: each verdict with its figures, and changes in size."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS
from platebench.results.records import Record
from platebench.results.verdicts import Judgement, Verdict, judge, single_look
from platebench.running.compare import Comparison
from platebench.running.compare_report import as_markdown, as_tables, heading, lines, summary
from platebench.stores import registry
from tests.results.made_up_noise import Rounds, timed_pairs
from tests.results.made_up_runs import IPC, SCAN, TAKE, WRITE, ok, run_file
from tests.running.made_up_suites import ZARR, cell, made_up_arm

PLAN = single_look(6)
LONGEST = max(registry.names(), key=lambda name: len(str(name)))


def taking(seconds: float) -> Rounds:
    return {number: [seconds * (1 + number % 3 / 1000)] for number in range(1, 7)}


CELLS: dict[CellName, tuple[Rounds | None, Rounds | None]] = {
    cell(WRITE, IPC): (taking(1.0), taking(1.0)),
    cell(SCAN, IPC): (taking(1.0), taking(3.0)),
    cell(SCAN, ZARR): (taking(3.0), taking(1.0)),
    cell(SCAN, LONGEST): (taking(1.0), None),
    cell(WRITE, ZARR): (None, None),
}


def judged(cells: dict[CellName, tuple[Rounds | None, Rounds | None]]) -> dict[CellName, Judgement]:
    by_name = {str(which): which for which in cells}
    verdicts = judge(timed_pairs({str(which): sides for which, sides in cells.items()}), PLAN)
    return {by_name[name]: verdict for name, verdict in verdicts.items()}


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """A comparison of two arms. The second is a changed checkout with a smaller store."""
    arms = [
        made_up_arm("HEAD~1", tmp_path / "arms", "a" * 40),
        made_up_arm(".", tmp_path / "arms", "b" * 40, changed=True),
    ]
    files = []
    for number, stored in enumerate((1000, 430)):
        file = run_file(
            tmp_path / "results", started=f"2026-03-01T10:20:3{number}.000001+00:00", images=[]
        )
        for store, size in ((IPC, stored), (ZARR, 1000 + number)):
            noted = {"kind": "data", "stored_bytes": size, "set_pixel_bytes": 1000}
            file.append(Record(1, ok([1.0], store, **noted)))
        files.append(file)
    return Comparison(arms, files, [judged(CELLS)])


def printed(comparison: Comparison, width: int = 80) -> str:
    sink = io.StringIO()
    Console(file=sink, width=width).print(as_tables(comparison, PLAN))
    return sink.getvalue()


def test_heading_names_both_arms(comparison: Comparison) -> None:
    assert heading(comparison, 1) == ". (bbbbbbbb+changes) against HEAD~1 (aaaaaaaa)"
    arms = [replace(arm, name="numpy<2,pyarrow==16.1.0") for arm in comparison.arms]
    told = heading(replace(comparison, arms=arms), 1)
    assert told.startswith("numpy<2, pyarrow==16.1.0 (bbbbbbbb"), "a line can end between two pins"


def test_table_has_ratio_interval_rounds_and_verdict_of_every_cell(comparison) -> None:
    rows = [line.split() for line in printed(comparison).splitlines() if line.strip()]
    (slower,) = [row for row in rows if row[-1] == "slower"]
    assert slower[0] == str(IPC)
    assert slower[1] == "3.00"
    assert slower[3] == "to"
    assert float(slower[2]) <= 3.0 <= float(slower[4])
    assert slower[5] == "6"
    text = printed(comparison)
    for verdict in (Verdict.FASTER, Verdict.SAME, Verdict.FAILED_ON_ONE_SIDE, Verdict.NOT_MEASURED):
        assert verdict.value in text


def test_table_fits_eighty_columns_without_truncation(comparison) -> None:
    text = printed(comparison)
    assert "…" not in text
    assert str(LONGEST) in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [40, 50, 60, 70])
def test_narrow_terminal_omits_columns_and_names_them(comparison, width: int) -> None:
    text = printed(comparison, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "Left out, the terminal is too narrow: " in text
    whole = text.replace(" ", "")
    for part in ":".join(map(str, (IPC, ZARR, LONGEST))).split(":"):
        assert part in whole
    for word in ("slower", "faster", "not measured"):
        assert word in text


def test_tables_follow_the_order_of_the_operations() -> None:
    details = [("1", "kept"), ("1", "reopened"), ("16 scattered", "kept")]
    cells = {
        CellName.from_params(TAKE, (str(store), "raw-64", *detail)): (taking(1.0), taking(1.0))
        for store in (ZARR, IPC)
        for detail in details
    } | CELLS
    operations = [line.operation for line in lines(judged(cells))]
    in_turn = list(dict.fromkeys(operations))
    again = sorted(operations, key=in_turn.index)
    assert operations == again, "a table that is broken off and begun again"
    names = list(dict.fromkeys(operation.name for operation in OPERATIONS.values()))
    places = [names.index(operation.split(",")[0]) for operation in in_turn]
    assert places == sorted(places)


def test_each_image_set_has_its_own_table() -> None:
    cells = {
        CellName.from_params(SCAN, (str(store), images)): (taking(1.0), taking(1.0))
        for store in (ZARR, IPC)
        for images in ("raw-64", "ic-64")
    }
    found = [(line.operation, line.store) for line in lines(judged(cells))]
    assert [operation for operation, _ in found] == [
        "scan, warm, ic-64", "scan, warm, ic-64", "scan, warm, raw-64", "scan, warm, raw-64",
    ]  # fmt: skip


def test_markdown_lists_significant_cells_and_counts_the_others(comparison) -> None:
    text = as_markdown(comparison, PLAN)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    told = {tuple(row.strip("| ").split(" | "))[1::3] for row in rows[1:]}
    assert told == {
        (str(IPC), "slower"),
        (str(ZARR), "faster"),
        (str(LONGEST), "failed on one side"),
    }
    assert {row.count("|") for row in rows} == {6}
    for count in ("1 faster", "1 slower", "1 same", "1 failed on one side", "1 not measured"):
        assert count in text


def test_markdown_without_significant_cells_has_no_table(comparison) -> None:
    only = {which: sides for which, sides in CELLS.items() if which.kind == "Write"}
    quiet = Comparison(comparison.arms, comparison.files, [judged(only)])
    assert "|" not in as_markdown(quiet, PLAN)
    assert "1 same, 1 not measured." in as_markdown(quiet, PLAN)


def test_size_change_is_reported_above_a_minimum(comparison) -> None:
    sentence = f"{IPC}, raw-64: 0.43 bytes per pixel byte; before 1.00"
    assert f"- {sentence}" in as_markdown(comparison, PLAN).splitlines()
    assert sentence in printed(comparison, 200)
    assert f"{ZARR}, raw-64:" not in printed(comparison, 200)


def test_summary_explains_same() -> None:
    assert summary(judged(CELLS), single_look(6, 0.25)).startswith("1 faster, 1 slower, 1 same, ")
    assert "Same means within 25%" in summary(judged(CELLS), single_look(6, 0.25))


def test_one_round_gives_a_ratio_without_interval() -> None:
    (line,) = lines(judged({cell(): ({1: [1.0]}, {1: [2.0]})}))
    assert (line.ratio, line.interval, line.rounds) == ("2.00", "", "1")
    assert line.verdict is Verdict.UNDECIDED
