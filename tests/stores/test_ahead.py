"""Work that is done ahead arrives in order, is bounded, and fails where it is asked for."""

from __future__ import annotations

import os
import time

import pytest

from platebench.stores.ahead import done_ahead


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
