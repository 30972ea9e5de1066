"""Find the images of a well's first site in the table of an image set.

A site is named by a text. Numbers are in their order, `2` before `10`, and before other names. Of a
movie, only the images of its first frame are taken. Images without a well belong to none. Images of
a well that name no site, or no frame, belong together, and come last.
"""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

Well = tuple[str | None, str]
"""A plate, None if the table names none, and a well."""


def first_site(table: pa.Table, plate: str | None, well: str) -> list[int]:
    """Return the places in `table` of the images of the first site of a well, in their order.

    None for `plate` means the images without a plate. There may be none.
    """
    places = pc.indices_nonzero(pc.and_(_is(table["well"], well), _is(table["plate"], plate)))
    for name in ("site", "frame"):
        if not len(places):
            return []
        values = table[name].take(places)
        places = pc.filter(places, _is(values, min(values.unique().to_pylist(), key=_in_order)))
    found: list[int] = places.to_pylist()
    return found


def _is(values: pa.ChunkedArray, value: str | int | None) -> pa.ChunkedArray:
    return pc.is_null(values) if value is None else pc.fill_null(pc.equal(values, value), False)


def rows_by_well(table: pa.Table) -> dict[Well, list[int]]:
    """Return what `first_site` must find for every well, worked out row by row."""
    wells: dict[Well, dict[tuple[object, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, row in enumerate(table.select(["plate", "well", "site", "frame"]).to_pylist()):
        if row["well"] is not None:
            shown = (*_in_order(row["site"]), *_in_order(row["frame"]))
            wells[row["plate"], row["well"]][shown].append(place)
    return {well: mine[min(mine)] for well, mine in wells.items()}


def _in_order(value: str | int | None) -> tuple[bool, bool, int, str]:
    """Return the sort key of a site or a frame: numbers, then other names, then none."""
    text = "" if value is None else str(value)
    number = text.isascii() and text.isdigit()
    return value is None, not number, int(text) if number else 0, text
