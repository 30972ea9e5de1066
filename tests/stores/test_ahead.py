"""Work that is done ahead arrives in order, is bounded, and fails where it is asked for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from platebench.stores.ahead import done_ahead
from platebench.stores.read_ahead import opened_ahead, read_ahead


def test_results_are_in_the_order_of_the_items() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item % 2 == 0 else 0)
        return 10 * item

    assert list(done_ahead(slow_first, range(7))) == [10 * item for item in range(7)]
    assert list(done_ahead(slow_first, [])) == []


def test_few_items_are_taken_ahead() -> None:
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = done_ahead(lambda item: item, items())
    assert next(results) == 0
    assert len(taken) == (os.cpu_count() or 1) + 1
    results.close()


def test_an_error_is_raised_at_its_item() -> None:
    results = done_ahead(lambda item: 1 / item, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("files", [0, 1, 3, 30])
def test_files_are_opened_in_order_and_all_closed(files: int, tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(files)]
    for path in paths:
        path.write_text(path.name)
    before = descriptors()
    read = [os.read(file, 9).decode() for file in opened_ahead(map(str, paths))]
    assert read == [path.name for path in paths]
    assert descriptors() == before


def test_files_are_closed_when_one_is_missing_or_the_reader_stops(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    there, missing = str(tmp_path / "there"), str(tmp_path / "missing")
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        list(opened_ahead([there] * 3 + [missing]))
    stopped = opened_ahead([there] * 30)
    next(stopped)
    assert descriptors() > before
    stopped.close()
    assert descriptors() == before


@pytest.mark.parametrize("rows", [range(4), range(2), [3, 1, 1, 0], range(3, -1, -1), [2], []])
def test_rows_come_in_their_order_whatever_is_read_ahead(rows, tmp_path: Path) -> None:
    file = tmp_path / "images"
    file.write_bytes(bytes(4 * 5000))
    with file.open("rb") as opened:
        # The last span reaches beyond the end: spans may be estimates.
        ahead = read_ahead(opened.fileno(), rows, lambda row: (row * 5000, 9000))
        assert list(ahead) == list(rows)
