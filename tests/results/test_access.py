"""The table of what one row costs, and the kept one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from platebench.results.access import (
    LIMITED,
    MOST,
    AccessCell,
    AccessFacts,
    as_markdown,
    as_record,
    from_record,
)
from platebench.running.access import COMMAND
from platebench.stores.name import StoreName
from tests.scratch_checkout import REPOSITORY

FAST = AccessCell(StoreName("a", "b", "fast"), 2**18, 2**26, 3, 2**19, 12, 2**20, 2**18)
FACTS = AccessFacts(256, 512, 128, "3.13.0", {"pyarrow": "26.0.1"}, "a disk")


@pytest.mark.parametrize(
    ("tuning", "images", "exceeds"),
    [("fast", 4, False), ("fast", 5, True), ("balanced", 5, True), ("small", 99, False)],
)
def test_fast_and_balanced_have_a_limit(tuning: str, images: int, exceeds: bool) -> None:
    cell = replace(FAST, store=StoreName("a", "b", tuning), asked=images * 2**18)
    assert cell.exceeds == cell.unexplained == exceeds
    assert not replace(cell, reason="It is wide.").unexplained


def test_page_names_the_stores_that_exceed_the_limit() -> None:
    over = replace(FAST, store=StoreName("a", "c", "fast"), asked=2**21)
    page = as_markdown([FAST, over], FACTS, "the command")
    assert "Of the 2 stores tuned fast or balanced, 1 ask for at most 4 images' bytes" in page
    assert "- `a:c:fast`: 8.0 images. **No reason is given.**" in page
    assert "| a:b:fast | 1.00 | 3 | 512 | 2.0 | 12 | 256 | 1,024 |" in page
    assert "| **8.0** |" in page


def test_record_is_read_back() -> None:
    assert from_record(json.loads(json.dumps(as_record([FAST], FACTS)))) == ([FAST], FACTS)
    assert from_record({}) == ([], None)


def test_kept_page_is_that_of_the_kept_counts() -> None:
    cells, facts = from_record(json.loads((REPOSITORY / "docs" / "access.json").read_text()))
    assert facts is not None
    assert (REPOSITORY / "docs" / "access.md").read_text() == as_markdown(cells, facts, COMMAND)


def test_kept_stores_that_should_read_single_images_do() -> None:
    cells, _ = from_record(json.loads((REPOSITORY / "docs" / "access.json").read_text()))
    assert sum(cell.store.tuning in LIMITED for cell in cells) > 20
    assert [str(cell.store) for cell in cells if cell.unexplained] == []
    assert MOST == 4
