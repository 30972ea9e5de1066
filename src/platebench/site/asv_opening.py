"""What asv's pages show when they open: a few formats on the main image set, with their curves.

Left alone, a tile of asv's first page is one mean over all stores and image sets, and a benchmark
opens with the first eight stores of the list. Here a tile has one curve per format, over the
numbers of images, and a benchmark opens with the same formats on the main image set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from platebench.errors import UserError
from platebench.results.operations import OPERATIONS, Operation
from platebench.results.questions import RAW, headline_image_set, measured
from platebench.results.store_words import short_name
from platebench.results.tidy import CellResult
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, FORMATS

FORMATS_SHOWN = 3
"""The first formats of the registry: Parquet, Arrow IPC and LanceDB."""

_DATA, _SCRIPT = "opening_data.js", "asv_opening.js"
_BEFORE = '<link href="asv.css"'
"""In asv's page: the line after its own scripts."""


def stores_shown() -> list[StoreName]:
    """Return the `fast` store of each of the first formats."""
    formats = [each for each in FORMATS if each.name != FLOOR.format][:FORMATS_SHOWN]
    return [StoreName(each.name, next(iter(each.variants)), "fast") for each in formats]


def opening_of(
    cells: Sequence[CellResult], machine: str, benchmarks: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the pages open with, as JSON.

    `benchmarks` is the content of asv's benchmarks.json. `tiles` has the curves of each benchmark
    in milliseconds by the number of images, `addresses` the view that each opens with.
    """
    stores = stores_shown()
    images = headline_image_set(cells)
    known = {
        name: OPERATIONS[name.split(".")[1]]
        for name in benchmarks
        if name.count(".") == 2 and name.split(".")[1] in OPERATIONS
    }
    return {
        "names": [short_name(store) for store in stores],
        "tiles": {
            name: tile
            for name, operation in known.items()
            if any(tile := [_curve(cells, operation, store) for store in stores])
        },
        "addresses": {
            name: _address(name, operation, benchmarks[name]["param_names"], images, machine)
            for name, operation in known.items()
        },
    }


def bring_opening(pages: Path, opening: Mapping[str, Any]) -> None:
    """Make asv's pages in a folder open with this. Raises UserError for pages of another asv."""
    index = pages / "index.html"
    text = index.read_text("utf-8")
    if text.count(_BEFORE) != 1:
        raise UserError(f"asv's index.html has no line {_BEFORE}...; see site/asv_opening.py")
    scripts = "".join(f'<script src="{name}"></script>\n    ' for name in (_DATA, _SCRIPT))
    index.write_text(text.replace(_BEFORE, scripts + _BEFORE), "utf-8")
    (pages / _DATA).write_text(f"window.platebenchOpening = {json.dumps(opening)};\n", "utf-8")
    script = Path(__file__).parent / "templates" / _SCRIPT
    (pages / _SCRIPT).write_bytes(script.read_bytes())


def _curve(
    cells: Sequence[CellResult], operation: Operation, store: StoreName
) -> list[tuple[int, float]]:
    """Return the milliseconds of a store by the number of images, of images as from the camera."""
    detail = ", ".join(_details(operation))
    return sorted(
        (cell.images, round(1000 * cell.median_s, 4))
        for cell in measured(cells)
        if (cell.operation, cell.cache, cell.detail) == (operation.name, operation.cache, detail)
        and cell.store == store
        and cell.profile == RAW
        and cell.images
        and cell.median_s
    )


def _details(operation: Operation) -> tuple[str, ...]:
    """Return the details that answer the reader's question, else the first."""
    return operation.details[0] if operation.asked is None else operation.asked.details


def _address(
    name: str,
    operation: Operation,
    parameters: Sequence[str],
    images: str | None,
    machine: str,
) -> str:
    """Return the part of asv's address that chooses stores, image set and details."""
    values = zip(parameters[2:], _details(operation), strict=False)
    view = [
        ("machine", machine),
        *(("p-store", repr(str(store))) for store in stores_shown()),
        *([] if images is None else [("p-images", repr(images))]),
        *((f"p-{parameter}", repr(value)) for parameter, value in values),
    ]
    return f"#{name}?{urlencode(view)}"
