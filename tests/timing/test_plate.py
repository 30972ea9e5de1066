"""The images of a well's first site are found in the table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from platebench.images.imageset import IMAGE_SCHEMA
from platebench.timing.plate import first_site, rows_by_well

KINDS = {name: IMAGE_SCHEMA.field(name).type for name in ("plate", "well", "site", "frame")}


def table(*rows: tuple[Any, ...]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table(
        {name: pa.array(values, KINDS[name]) for name, values in zip(KINDS, columns, strict=True)}
    )


PLATE = table(
    ("P1", "A01", "10", None),  # 0
    ("P1", "A01", "2", None),
    ("P1", "A02", "1", None),
    ("P1", "A01", "2", None),  # 3: another channel of row 1
    ("P2", "A01", "1", None),
    ("P1", None, "1", None),
    (None, "A01", "1", None),  # 6
    ("P1", "B01", "x", 5),
    ("P1", "B01", "3", 7),
    ("P1", "B01", "3", 6),  # 9
    ("P1", "B02", None, None),
    ("P1", "B02", "9", None),
)
EXPECTED = {
    ("P1", "A01"): [1, 3],
    ("P1", "A02"): [2],
    ("P2", "A01"): [4],
    (None, "A01"): [6],
    ("P1", "B01"): [9],
    ("P1", "B02"): [11],
}


def test_rows_of_every_well_are_worked_out_row_by_row() -> None:
    assert rows_by_well(PLATE) == EXPECTED


@pytest.mark.parametrize("well", EXPECTED, ids=str)
def test_first_site_is_found_by_number_and_first_frame(well) -> None:
    assert first_site(PLATE, *well) == EXPECTED[well]


def test_well_that_is_not_there_has_no_images() -> None:
    assert first_site(PLATE, "P1", "H12") == []
    assert first_site(PLATE.slice(0, 0), "P1", "A01") == []
