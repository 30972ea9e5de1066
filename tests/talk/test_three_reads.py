"""The three reads are checked, alternated and judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from platebench.talk.constants import LANCEDB, READS
from platebench.talk.dataset import Dataset
from platebench.talk.three_reads import (
    alternate,
    check_reads,
    judge_ratio,
    three_reads,
    time_three_reads,
    write_talk_files,
)


@pytest.fixture
def reads(small: Dataset, tmp_path: Path) -> dict[str, Callable[[], object]]:
    return three_reads(*write_talk_files(small, tmp_path))


def test_all_three_reads_return_every_pixel(
    small: Dataset, reads: dict[str, Callable[[], object]]
) -> None:
    assert check_reads(reads, small) == dict.fromkeys(READS, True)


def test_check_reads_detects_one_changed_pixel(
    small: Dataset, reads: dict[str, Callable[[], object]]
) -> None:
    read = reads[LANCEDB]

    def spoilt() -> pd.DataFrame:
        frame = read()
        assert isinstance(frame, pd.DataFrame)
        row = frame["image_array"][1][23].copy()
        row[35] += 1
        frame["image_array"][1][23] = row
        return frame

    assert check_reads({**reads, LANCEDB: spoilt}, small)[LANCEDB] is False


def test_check_reads_detects_two_swapped_images(
    small: Dataset, reads: dict[str, Callable[[], object]]
) -> None:
    read = reads[LANCEDB]
    swapped = {**reads, LANCEDB: lambda: read().iloc[::-1].reset_index(drop=True)}  # type: ignore[attr-defined]
    assert check_reads(swapped, small)[LANCEDB] is False


def test_first_read_rotates_between_rounds() -> None:
    called: list[str] = []
    names = ["a", "b", "c"]
    alternate({name: lambda name=name: called.append(name) for name in names}, 3)  # type: ignore[misc]
    assert called == [*"abc", *"bca", *"cab"]


@pytest.mark.parametrize(
    ("low", "high", "version", "bytes_per_pixel", "holds"),
    [
        (0.2, 0.4, "2.0", 9.0, [True, True]),
        (0.8, 1.2, "2.0", 9.0, [True, True]),
        (1.1, 1.4, "2.0", 9.0, [False, True]),
        (0.2, 0.4, "2.0", 1.3, [True, False]),
        (1.5, 2.9, "2.2", 1.3, [True, True]),
        (0.8, 1.2, "2.2", 1.3, [True, True]),
        (0.2, 0.4, "2.2", 1.3, [False, True]),
        (1.5, 2.9, "2.1", 9.0, [True, False]),
    ],
)
def test_ratio_fails_only_if_both_quartiles_are_on_the_wrong_side(
    low: float, high: float, version: str, bytes_per_pixel: float, holds: list[bool]
) -> None:
    judged = judge_ratio(low, high, version, bytes_per_pixel)
    assert [each.holds for each in judged] == holds
    assert [each.timed for each in judged] == [True, False]


def test_ratio_is_not_judged_for_other_images(small: Dataset, tmp_path: Path) -> None:
    outcome = time_three_reads(small, tmp_path, repeats=1)
    assert [each.statement for each in outcome.expected] == ["all three reads return every pixel"]
    assert outcome.holds
