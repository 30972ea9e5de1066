"""Your mix: scores and ranked stores."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platebench.site.mix import (
    CRITERIA,
    MOST,
    PRESETS,
    Figure,
    StoreFigures,
    measured_of,
    ranking,
    score,
    score_reach,
    section,
)
from platebench.site.published import published
from platebench.stores.name import StoreName
from tests.results.made_up_runs import IPC, SCAN, TAKE, WRITE, failed, floor, ok, run_file
from tests.site.made_up import reference

KEYS = [each.key for each in CRITERIA]
ratios = st.fixed_dictionaries({key: st.floats(0.01, 1000) for key in KEYS})
weights = st.fixed_dictionaries({key: st.integers(0, MOST) for key in KEYS}).filter(
    lambda given: sum(given.values()) > 0
)


def figures(values: dict[str, float], reach: float | None = 0.1) -> dict[str, Figure]:
    return {key: Figure(value, reach) for key, value in values.items()}


@given(ratios, weights)
def test_score_lies_between_its_ratios(values, given) -> None:
    counting = [values[key] for key in KEYS if given[key]]
    found = score(figures(values), given)
    assert min(counting) * (1 - 1e-9) <= found <= max(counting) * (1 + 1e-9)


@given(ratios, weights, st.integers(2, 5))
def test_only_shares_of_weights_matter(values, given, times) -> None:
    more = {key: times * weight for key, weight in given.items()}
    assert score(figures(values), more) == pytest.approx(score(figures(values), given))


@given(ratios, weights, st.floats(0.1, 10))
def test_score_is_proportional_to_the_ratios(values, given, times) -> None:
    slower = {key: times * value for key, value in values.items()}
    found = score(figures(slower), given)
    assert found == pytest.approx(times * score(figures(values), given))


def test_score_is_the_weighted_geometric_mean() -> None:
    given = dict.fromkeys(KEYS, 0) | {"reads": 2, "size": 1}
    values = dict.fromkeys(KEYS, 100.0) | {"reads": 8.0, "size": 0.125}
    assert score(figures(values), given) == pytest.approx((8 * 8 / 8) ** (1 / 3))


@given(weights)
def test_interval_of_a_score_is_narrower_than_its_widest_part(given) -> None:
    found = score_reach(figures(dict.fromkeys(KEYS, 2.0), reach=0.1), given)
    if any(given[key] for key in KEYS if key != "size"):
        assert found is not None
        assert 0 < found <= math.expm1(0.1) + 1e-12
    else:
        assert found is None


def test_from_one_round_a_score_has_no_interval() -> None:
    assert score_reach(figures(dict.fromkeys(KEYS, 2.0), None), PRESETS[0].by_key()) is None


def test_store_without_a_weighted_figure_is_not_ranked() -> None:
    whole = StoreFigures("a", figures(dict.fromkeys(KEYS, 2.0)), {})
    lacking = StoreFigures(
        "b", figures(dict.fromkeys(KEYS[1:], 1.0)), {KEYS[0]: "scan failed: torn"}
    )
    counting = dict.fromkeys(KEYS, 1)
    ranked, apart = ranking([lacking, whole], counting)
    assert [each.measured.store for each in ranked] == ["a"]
    assert apart == [("b", "scan failed: torn")]
    ranked, apart = ranking([lacking, whole], counting | {KEYS[0]: 0})
    assert [each.measured.store for each in ranked] == ["b", "a"]
    assert apart == []


def test_without_weights_nothing_is_ranked() -> None:
    whole = StoreFigures("a", figures(dict.fromkeys(KEYS, 2.0)), {})
    assert ranking([whole], dict.fromkeys(KEYS, 0)) == ([], [])


def test_reasons_come_from_the_cells(tmp_path: Path) -> None:
    run_file(
        tmp_path,
        [
            floor([1.0]),
            failed("row 3 differs"),
            ok([2.0], benchmark=WRITE),
            ok([2.0], StoreName.parse("zarr:tensor:fast")),
        ],
    )
    by_store = {each.store: each for each in measured_of(published(tmp_path)[0].cells, "warm")}
    assert by_store[IPC].missing["reads"] == "scan warm failed: row 3 differs"
    assert "no floor" in by_store[IPC].missing["writes"]
    assert by_store[IPC].missing["rows"] == "take 16 scattered, reopened warm was not measured"
    assert (
        "append warm was not measured"
        in by_store[StoreName.parse("zarr:tensor:fast")].missing["versions"]
    )


def test_random_rows_are_from_a_newly_opened_store(tmp_path: Path) -> None:
    details = ("16 scattered", "reopened")
    others = [
        ok([9.0], benchmark=TAKE, details=("16 scattered", "kept")),
        floor([1.0], benchmark=TAKE, details=("16 scattered", "kept")),
    ]
    mine = [
        ok([3.0], benchmark=TAKE, details=details),
        floor([1.0], benchmark=TAKE, details=details),
    ]
    run_file(tmp_path, [*others, *mine])
    store = measured_of(published(tmp_path)[0].cells, "warm")[1]
    assert store.figures["rows"].ratio == pytest.approx(3)


def test_cold_reads_are_ranked_with_the_same_writes(tmp_path: Path) -> None:
    reference(
        tmp_path, image_sets=["raw-2"], rounds=1, stores=[StoreName.parse("floor:pixels:fast"), IPC]
    )
    cells = [cell for cell in published(tmp_path)[0].cells if cell.store == IPC]
    warm, cold = (measured_of(cells, cache)[0].figures for cache in ("warm", "cold"))
    assert warm["writes"] == cold["writes"]
    assert warm["reads"] != cold["reads"]


def test_floor_alone_has_no_ranking(tmp_path: Path) -> None:
    run_file(tmp_path, [floor([1.0], benchmark=SCAN)])
    assert section(published(tmp_path)[0]) is None


def test_every_preset_weighs_every_criterion() -> None:
    for preset in PRESETS:
        assert preset.by_key().keys() == set(KEYS)
        assert all(0 <= weight <= MOST for weight in preset.weights)
        assert sum(preset.weights) > 0
