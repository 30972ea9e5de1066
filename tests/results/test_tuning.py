"""The Pareto front of candidates, and the rules for balanced and small."""

from __future__ import annotations

import dataclasses

import pytest

from platebench.results.adapters import AdapterFacts
from platebench.results.tuning import (
    COLD_ROWS,
    WRITE,
    TimedOperation,
    TunedCandidate,
    as_record,
    best_balanced,
    best_small,
    from_record,
    pareto_front,
    with_tuning,
)
from platebench.results.tuning_page import as_markdown
from platebench.results.turn_ratio import TurnRatio
from platebench.stores.name import StoreName

FACTS = AdapterFacts(32, 1.0, "3.13.0", {"pyarrow": "26.0.1"}, "a CPU, 2 cores", "a disk")


def candidate(
    variant: str,
    size: float,
    rows: float,
    write: float = 2.0,
    tunings: tuple[str, ...] = (),
    speed: float = 100e6,
) -> TunedCandidate:
    """A candidate with this size, and these times relative to `fast`."""
    times = {
        name: TimedOperation(10 * times, TurnRatio(times, times / 2, times * 2, 6), speed)
        for name, times in ((WRITE, write), (COLD_ROWS, rows))
    }
    return TunedCandidate(StoreName("zarr", "tensor", variant), size, 3, times, tunings)


FAST = candidate("none", 1.0, 1.0, 1.0, ("fast",))
LZ4 = candidate("lz4", 0.58, 1.3)
ZSTD_1 = candidate("zstd-1", 0.36, 1.8, tunings=("balanced",))
ZSTD_1_UNCHOSEN = candidate("zstd-1", 0.36, 1.8)
ZSTD_9 = candidate("zstd-9", 0.34, 1.9, write=20.0, tunings=("small",))
WORSE = candidate("snappy", 0.52, 2.0)
SLOW = candidate("lzma", 0.29, 9.0, write=200.0, speed=5e6)
ALL = [FAST, LZ4, ZSTD_1, ZSTD_9, WORSE, SLOW]


def test_front_leaves_out_what_another_beats_in_size_and_time() -> None:
    assert pareto_front(ALL) == [FAST, LZ4, ZSTD_1, ZSTD_9, SLOW]


def test_equal_candidates_are_both_on_the_front() -> None:
    twin = candidate("twin", 0.36, 1.8)
    assert pareto_front([ZSTD_1, twin]) == [ZSTD_1, twin]


def test_of_those_that_tie_the_quickest_to_write_is_balanced() -> None:
    ahead = candidate("zstd-3", 0.33, 1.85, write=3.9)
    assert best_balanced([FAST, ZSTD_1, ahead]) is ZSTD_1
    assert best_balanced([FAST, candidate("zstd-1", 0.40, 1.8), ahead]) is ahead


def test_balanced_has_the_smallest_product_of_those_that_keep_the_limits() -> None:
    assert best_balanced(ALL) is ZSTD_1
    assert best_balanced([FAST, LZ4]) is LZ4
    assert best_balanced([FAST, WORSE, SLOW, ZSTD_9]) is None


@pytest.mark.parametrize(
    ("one", "misses"),
    [
        (ZSTD_1, []),
        (LZ4, []),
        (candidate("lz4", 0.61, 1.3), ["0.610 of the raw size (limit 0.60)"]),
        (candidate("snappy", 0.58, 1.3), ["0.580 of the raw size (limit 0.45)"]),
        (candidate("gzip", 0.36, 3.04), ["cold rows 3.0 (1.5 to 6.1) times as long (limit 3)"]),
        (ZSTD_9, ["writing 20.0 (10.0 to 40.0) times as long (limit 4)"]),
    ],
)
def test_missed_limits_are_named(one: TunedCandidate, misses: list[str]) -> None:
    assert one.misses == misses


def test_small_is_the_smallest_that_is_bearable() -> None:
    assert best_small(ALL) is ZSTD_9
    assert best_small([SLOW]) is None


def test_page_says_what_is_chosen_and_where_the_rule_differs() -> None:
    page = as_markdown(ALL, {"zarr:tensor:x": "no such codec"}, FACTS, "1 May 2026", "the command")
    assert "## zarr, tensor" in page
    assert "| ◆ **`none`** = `fast` | 1.000 | 3 | 10 | 1 | 10 | 1 |" in page
    assert "| `snappy` | 0.520 |" in page
    assert "- `balanced` is `zstd-1`." in page
    assert "- `small` is `zstd-9`." in page
    assert "- `zarr:tensor:x`: no such codec." in page
    others = [FAST, candidate("snappy", 0.52, 2.0, tunings=("balanced",)), ZSTD_1, LZ4]
    page = as_markdown(others, {}, FACTS, "1 May 2026", "the command")
    missed = "misses 0.520 of the raw size (limit 0.45); here the rule would take `zstd-1`"
    assert f"- `balanced` is `snappy`: {missed}." in page
    assert "- No `small`; the rule would take `zstd-1`." in page


def test_page_says_when_the_measurement_cannot_tell_the_choice_from_that_of_the_rule() -> None:
    both = "; here the rule would take `zstd-1`, and the intervals leave both possible"
    for chosen, says in (
        (candidate("zstd-3", 0.37, 2.4, tunings=("balanced",)), both[2:]),
        (candidate("zstd-3", 0.37, 3.2, tunings=("balanced",)), both),
        (candidate("zstd-3", 0.37, 9.0, tunings=("balanced",)), "; here the rule would take"),
    ):
        page = as_markdown([FAST, ZSTD_1_UNCHOSEN, chosen], {}, FACTS, "1 May 2026", "the command")
        (line,) = (each for each in page.splitlines() if each.startswith("- `balanced`"))
        assert says in line
        assert ("both possible" in line) == ("both possible" in says)


def test_a_barred_candidate_is_no_choice_and_the_page_says_why() -> None:
    barred = dataclasses.replace(candidate("delta", 0.30, 1.1), barred="Others do not read it.")
    assert best_balanced([*ALL, barred]) is ZSTD_1
    assert best_small([*ALL, barred]) is ZSTD_9
    page = as_markdown([*ALL, barred], {}, FACTS, "1 May 2026", "the command")
    assert "- `delta` is no choice. Others do not read it." in page
    assert "barred" not in as_record(barred)
    assert from_record(as_record(barred), [], barred.barred) == barred


def test_record_is_read_back_with_the_tunings_of_today() -> None:
    record = as_record(ZSTD_1)
    assert "tunings" not in record
    assert from_record(record, ["balanced"]) == ZSTD_1
    assert from_record(record, []).tunings == ()
    assert with_tuning([FAST, from_record(record, [])], "balanced") is None
