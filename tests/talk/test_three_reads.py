"""The three reads are compared, alternated and judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from platebench.talk.constants import LANCEDB, READS
from platebench.talk.dataset import Material
from platebench.talk.three_reads import (
    alternate,
    check_reads,
    judge_ratio,
    three_reads,
    time_three_reads,
    write_talk_files,
)


@pytest.fixture
def reads(small: Material, tmp_path: Path) -> dict[str, Callable[[], object]]:
    return three_reads(*write_talk_files(small, tmp_path))


def test_all_three_give_every_pixel_back(
    small: Material, reads: dict[str, Callable[[], object]]
) -> None:
    assert check_reads(reads, small) == dict.fromkeys(READS, True)


def test_one_changed_pixel_is_found(
    small: Material, reads: dict[str, Callable[[], object]]
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


def test_two_swapped_images_are_found(
    small: Material, reads: dict[str, Callable[[], object]]
) -> None:
    read = reads[LANCEDB]
    swapped = {**reads, LANCEDB: lambda: read().iloc[::-1].reset_index(drop=True)}  # type: ignore[attr-defined]
    assert check_reads(swapped, small)[LANCEDB] is False


def test_each_read_comes_first_in_its_turn() -> None:
    called: list[str] = []
    names = ["a", "b", "c"]
    alternate({name: lambda name=name: called.append(name) for name in names}, 3)  # type: ignore[misc]
    assert called == [*"abc", *"bca", *"cab"]


@pytest.mark.parametrize(
    ("low", "high", "version", "bytes_a_pixel", "holds"),
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
def test_a_ratio_is_held_against_the_libraries_only_beyond_doubt(
    low: float, high: float, version: str, bytes_a_pixel: float, holds: list[bool]
) -> None:
    judged = judge_ratio(low, high, version, bytes_a_pixel)
    assert [each.holds for each in judged] == holds
    assert [each.timed for each in judged] == [True, False]


def test_no_ratio_is_expected_of_other_images(small: Material, tmp_path: Path) -> None:
    outcome = time_three_reads(small, tmp_path, repeats=1)
    assert [each.says for each in outcome.expected] == ["all three reads give every pixel back"]
    assert outcome.holds
