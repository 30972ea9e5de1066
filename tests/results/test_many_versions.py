"""The page of many versions tells what was measured, and what is extrapolated."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from platebench.results.many_versions import (
    State,
    VersionsCell,
    VersionsFacts,
    as_markdown,
    as_record,
    extrapolated,
    from_record,
)
from platebench.stores.name import StoreName

FACTS = VersionsFacts(64, "3.13.0", {"lancedb": "0.40.0"}, "ext4 on a disk")


def state(versions: int, what: str = "appended") -> State:
    size = 20_000 + 5_000 * versions + 10 * versions**2
    return State(what, versions, size, 4 + 2 * versions, 0.002, 0.001, 0.003, 0.002, 0.01, 0.004)


def cell(number: int = 1000, reached: int = 1000, notes: tuple[str, ...] = ()) -> VersionsCell:
    states = [state(versions) for versions in (1, reached // 4, reached // 2, reached)]
    states.append(state(reached, "compacted"))
    states.append(replace(state(reached, "pruned"), first_s=None))
    return VersionsCell(StoreName.parse("lancedb:pixels:fast"), number, True, tuple(states), notes)


def test_parabola_is_extrapolated_exactly() -> None:
    assert extrapolated(cell(100, 100).appended, 1000, "bytes") == pytest.approx(state(1000).bytes)
    assert extrapolated(cell(100, 100).appended, 1000, "files") == pytest.approx(2004)


def test_nothing_is_extrapolated_from_what_was_measured_or_from_two_states() -> None:
    assert extrapolated(cell().appended, 1000, "bytes") is None
    assert extrapolated(cell(100, 100).appended[:2], 1000, "bytes") is None


def test_page_has_a_line_for_each_table_and_names_what_is_extrapolated() -> None:
    page = as_markdown([cell()], FACTS, "the command")
    assert "Extrapolated" not in page
    assert "| lancedb:pixels:fast | its own | 1,000 | 15.02 | 10.9 | 2,004 | 2.0 to 2.0 |" in page
    assert page.count("| lancedb:pixels:fast |") == 1 + 1 + 4
    short = as_markdown([cell(100, 100)], FACTS, "the command")
    assert "Extrapolated, not measured" in short
    assert "| lancedb:pixels:fast | 100 | 15.02 | 2,004 |" in short


def test_page_says_what_could_not_be_done() -> None:
    whole = cell(1000, 400, ("stopped after 400 of 1,000 versions: the time was up",))
    page = as_markdown([whole], FACTS, "the command")
    assert "- `lancedb:pixels:fast`: stopped after 400 of 1,000 versions: the time was up" in page
    lost = replace(whole, states=whole.states[:-1])
    assert "| - | - | - | - | - |" in as_markdown([lost], FACTS, "the command")


def test_record_gives_the_cells_back() -> None:
    cells = [cell(), cell(1000, 400, ("stopped",))]
    assert from_record(json.loads(json.dumps(as_record(cells, FACTS)))) == cells
    assert from_record({}) == []
