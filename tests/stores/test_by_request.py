"""Several rows by one request: what is asked for, and in which order it arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from platebench.stores.by_request import by_request


@given(rows=st.lists(st.integers(0, 40)), most=st.integers(1, 20))
def test_rows_arrive_in_the_order_in_which_they_were_requested(rows: list[int], most: int) -> None:
    requests: list[list[int]] = []

    def read(some: list[int]) -> list[str]:
        requests.append(some)
        return [f"image {row}" for row in some]

    assert list(by_request(rows, read, most)) == [f"image {row}" for row in rows]
    assert all(some == sorted(set(some)) for some in requests), "different rows, smallest first"
    assert all(1 <= len(some) <= most for some in requests)
    assert len(requests) == -(-len(rows) // most)


def test_nothing_is_read_before_it_is_wanted() -> None:
    requests: list[list[int]] = []

    def read(some: list[int]) -> list[int]:
        requests.append(some)
        return some

    found = by_request(range(40), read, 16)
    assert not requests
    assert next(found) == 0
    assert requests == [list(range(16))]
