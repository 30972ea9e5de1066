"""Where a store stops working is measured or extrapolated, and the page says which."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from platebench.results.metadata import (
    MetadataCell,
    MetadataFacts,
    StoreMetadata,
    as_markdown,
    as_record,
    fitted,
    from_record,
    rounded,
    sentence,
)
from platebench.stores.name import StoreName
from tests.scratch_checkout import REPOSITORY

NAME = StoreName("a", "pixels", "fast")
FACTS = MetadataFacts((1_000, 10_000), 60.0, "3.13.0", {"pyarrow": "26.0.1"}, "a disk")


def cell(images: int, seconds: float = 0.01, read: float = 1e5, beside: int = 0) -> MetadataCell:
    """A cell that spends half of the seconds and of the bytes on opening."""
    return MetadataCell(
        16 * images,
        16 * images + beside,
        1,
        1.0,
        seconds / 2,
        round(read / 2),
        seconds / 2,
        round(read / 2),
        took_s=1.0,
        images=images,
    )


def store(*cells: MetadataCell) -> StoreMetadata:
    return StoreMetadata(NAME, cells)


def test_bytes_per_image_are_the_slope() -> None:
    sizes = (1_000, 10_000, 100_000)
    found = store(*(cell(images, beside=5_000 + 900 * images) for images in sizes))
    assert found.per_image == pytest.approx(900)
    assert store(cell(1_000)).per_image is None
    start, slope = fitted([(10, 7.0), (20, 12.0), (40, 22.0)]) or (0, 0)
    assert (start, slope) == pytest.approx((2, 0.5))


def test_crossing_between_two_measured_numbers_is_measured() -> None:
    found = store(cell(1_000, 0.01), cell(10_000, 0.1), cell(1_000_000, 10.0)).stops
    assert found is not None
    assert (round(found.images), found.limit, found.measured) == (100_000, "time", True)
    assert str(found) == "100,000 (time)"


def test_crossing_beyond_what_was_measured_is_extrapolated_and_marked() -> None:
    cells = [cell(images, read=1_000 + 900 * images) for images in (1_000, 3_000, 10_000)]
    found = store(*cells).stops
    assert found is not None
    assert not found.measured
    assert found.images == pytest.approx((100e6 - 1_000) / 900, rel=1e-3)
    assert str(found) == "~110,000 (bytes)"


def test_the_lower_of_both_limits_counts() -> None:
    cells = [cell(images, 1e-6 * images, 900 * images) for images in (1_000, 3_000, 10_000)]
    found = store(*cells).stops
    assert found is not None
    assert found.limit == "bytes"


def test_fewest_images_above_a_limit_are_an_upper_bound() -> None:
    assert str(store(cell(1_000, seconds=2.0), cell(10_000, seconds=20.0)).stops) == (
        "1,000 or fewer (time)"
    )


@pytest.mark.parametrize(
    "seconds",
    [(0.01, 0.01, 0.01), (0.010, 0.012, 0.013), (0.02, 0.01, 0.005), (0.01, 0.011, 0.0150001)],
)
def test_a_cost_that_does_not_grow_is_not_extrapolated(seconds: tuple[float, ...]) -> None:
    """The last grows by half, but reaches a second after more images than any plate has."""
    sizes = (10**6, 10**7, 10**9)
    found = store(*(cell(*each) for each in zip(sizes, seconds, strict=True)))
    assert found.stops is None


def test_a_cost_that_has_stopped_growing_is_not_extrapolated() -> None:
    """As with files of bounded size: a tenfold footer at first, and then no more."""
    sizes = (1_000, 10_000, 100_000)
    found = store(*(cell(*each) for each in zip(sizes, (0.003, 0.03, 0.031), strict=True)))
    assert found.stops is None


def test_two_numbers_of_images_are_not_extrapolated() -> None:
    assert store(cell(1_000, seconds=0.01), cell(10_000, seconds=0.1)).stops is None


def test_one_number_of_images_shows_no_growth() -> None:
    assert store(cell(1_000)).stops is None


def test_page_names_limits_and_what_was_left_out() -> None:
    numbers = (1000, 3000, 10**4)
    grows = store(*(cell(each, read=1_000 + 900 * each, beside=900 * each) for each in numbers))
    stays = StoreMetadata(StoreName("b", "pixels", "fast"), (cell(1000), cell(10**4)), "no\ntime")
    empty = StoreMetadata(StoreName("c", "pixels", "fast"), (), "c failed")
    page = as_markdown([grows, stays, empty], FACTS, "the command")
    assert "What 2 stores keep and read" in page
    assert "1 of them do, at the numbers" in page
    assert "| a:pixels:fast | 10,000 | 1 | 900 | 5 | 4.5 | 5 | 4.5 | ~110,000 (bytes) |" in page
    assert "| b:pixels:fast | 10,000 | 1 | 0 | 5 | 0.05 | 5 | 0.05 | - |" in page
    assert "- `b:pixels:fast`: no time" in page
    assert "None of them does" in as_markdown([stays], FACTS, "the command")


def test_sentence_says_the_cost_and_the_end() -> None:
    stays = store(cell(1_000), cell(100_000))
    assert sentence(stays) == (
        "With 100,000 images of 16 pixels, the first one read is there after 10 ms, and 0.1 MB were"
        " asked for. Nothing that was measured shows that it stops working."
    )
    sizes = (1_000, 3_000, 10_000)
    grows = store(*(cell(images, read=1_000 + 900 * images) for images in sizes))
    assert sentence(grows).endswith(
        "From 110,000 images on (extrapolated), it asks for over 100 MB."
    )
    slow = store(cell(1_000, seconds=2.0))
    assert sentence(slow).endswith("From 1,000 images or fewer on (measured), it takes over 1 s.")


def test_store_that_fails_is_told_from_one_that_never_stops() -> None:
    fails = replace(
        store(cell(1_000), cell(10_000)), ended="100,000 images: full", fails_at=100_000
    )
    assert "| fails with 100,000 |" in as_markdown([fails], FACTS, "the command")
    assert sentence(fails).endswith("With 100,000 it fails: 100,000 images: full.")


def test_record_is_read_back() -> None:
    stores = [replace(store(cell(1_000), cell(10_000)), ended="later")]
    assert from_record(json.loads(json.dumps(as_record(stores, FACTS, "cmd")))) == (stores, FACTS)
    assert from_record({}) == ([], None)


def test_kept_page_is_that_of_the_kept_figures() -> None:
    record = json.loads((REPOSITORY / "docs" / "metadata.json").read_text())
    stores, facts = from_record(record)
    assert facts is not None
    page = (REPOSITORY / "docs" / "metadata.md").read_text()
    assert page == as_markdown(stores, facts, record["command"])


def test_kept_parquet_does_not_stop_working() -> None:
    """Its files hold at most 4,096 images."""
    stores, _ = from_record(json.loads((REPOSITORY / "docs" / "metadata.json").read_text()))
    (parquet,) = [each for each in stores if str(each.store) == "parquet:pixels:fast"]
    assert parquet.cells[-1].images >= 100_000
    assert parquet.cells[-1].files > 20
    assert parquet.stops is None


@pytest.mark.parametrize(
    ("images", "text"), [(1_000, "1,000"), (3_612_345, "3,600,000"), (99.6, "100"), (7.2, "7")]
)
def test_number_of_images_has_two_digits(images: float, text: str) -> None:
    assert rounded(images) == text
