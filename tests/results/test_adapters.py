"""Ratios of adapters to direct calls, and their page."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from platebench.results.adapters import (
    AdapterFacts,
    adapter_cell,
    as_markdown,
    as_record,
    from_record,
)
from platebench.stores.name import StoreName

STORE = StoreName("a", "b", "c")
FACTS = AdapterFacts(32, 1.0, "3.13.0", {"pyarrow": "26.0.1"}, "a CPU, 2 cores", "a disk")


def test_the_call_with_the_lowest_median_is_the_best() -> None:
    direct = {"slow": [3.0] * 6, "quick": [1.0, 1.0, 1.0, 1.0, 9.0, 9.0]}
    cell = adapter_cell(STORE, "scan", [2.0] * 6, direct)
    assert (cell.call, cell.call_ms, cell.adapter_ms, cell.ratio) == ("quick", 1000, 2000, 2)
    assert (cell.low, cell.high, cell.turns) == (2 / 9, 2, 6)


@pytest.mark.parametrize(("turns", "outside"), [(6, 0), (8, 0), (9, 1), (20, 5), (80, 30)])
def test_interval_is_that_of_order_statistics(turns: int, outside: int) -> None:
    seconds = [float(place) for place in range(1, turns + 1)]
    cell = adapter_cell(STORE, "scan", seconds, {"direct": [1.0] * turns})
    assert (cell.low, cell.high) == (1 + outside, turns - outside)


@pytest.mark.parametrize("turns", [6, 12, 40])
def test_interval_holds_the_true_ratio_95_times_in_100(turns: int) -> None:
    chance = random.Random(turns)
    inside = 0
    for _ in range(2000):
        noise = [[chance.lognormvariate(0, 0.2) for _ in range(turns)] for _ in range(2)]
        cell = adapter_cell(STORE, "scan", noise[0], {"direct": noise[1]})
        inside += cell.low <= 1 <= cell.high
    assert inside / 2000 >= 0.94


def test_a_slower_adapter_needs_a_reason() -> None:
    slower = adapter_cell(STORE, "scan", [1.2] * 6, {"direct": [1.0] * 6})
    within = adapter_cell(STORE, "scan", [1.2] * 5 + [1.0], {"direct": [1.0] * 6})
    assert slower.slower
    assert slower.unexplained
    assert not replace(slower, reason="It checks the shape.").unexplained
    assert not within.slower


def test_page_shows_reasons_and_what_has_none() -> None:
    slower = adapter_cell(STORE, "scan", [1.2] * 6, {"direct": [1.0] * 6})
    why = replace(slower, operation="write", reason="It checks the shape.")
    page = as_markdown([slower, why], FACTS, "platebench calibrate adapters")
    assert "| 1.20 | 1.20 to 1.20 | **none given** |" in page
    assert "| It checks the shape. |" in page
    assert "pyarrow 26.0.1" in page


def test_record_is_read_back_under_the_same_facts_only() -> None:
    cell = adapter_cell(STORE, "scan", [1.2] * 6, {"direct": [1.0] * 6})
    record = as_record([cell], FACTS)
    assert from_record(record, FACTS) == [cell]
    assert from_record(record, replace(FACTS, libraries={"pyarrow": "27"})) == []
    more = replace(FACTS, libraries={**FACTS.libraries, "vortex-data": "1"}, seconds=9.0)
    assert from_record(record, more) == [cell], "a library that came later changes no cell"
    assert from_record(record, replace(FACTS, cpu="another")) == []
    assert from_record({}, FACTS) == []
