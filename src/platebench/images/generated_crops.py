"""The generated image sets `crops-N`: cells cut from the fields of `channels`.

The cells of a site are the nuclei whose centres are in the field, in the order of their numbers;
the last site gives as many as are still wanted. A set has the table `cells`, with the class and the
centre of each crop. Fields are drawn in several processes and never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from platebench.images.crops import CroppedImages, Stack, corners_of, file_bytes
from platebench.images.imageset import IMAGE_SCHEMA
from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.pool import in_order, processors
from platebench.images.set_profiles import shape_and_dtype
from platebench.images.sites import images_of, site_place, site_shot, site_stem
from platebench.images.tables import CELLS

CELL_SCHEMA = pa.schema(
    [
        ("plate", pa.string()),
        ("well", pa.string()),
        ("site", pa.string()),
        ("object", pa.int64()),
        ("file", pa.string()),
        ("phenotype", pa.string()),
        ("center_x", pa.int64()),
        ("center_y", pa.int64()),
    ]
)
"""The table `cells`: keys of the site, number in the site from 1, file of the crop, centre."""


class Cell(NamedTuple):
    """A nucleus of a site: its class, and its centre in pixels."""

    phenotype: str
    x: int
    y: int


def cells_of_site(seed: int, number: int) -> list[Cell]:
    """Return the cells of a site. Nothing is drawn."""
    frame = site_shot(number).frame
    return [
        Cell(nucleus.phenotype(frame), int(nucleus.x[frame]), int(nucleus.y[frame]))
        for nucleus in Movie(seed, number).nuclei
        if nucleus.first <= frame <= nucleus.last
        and 0 <= nucleus.x[frame] < WIDTH
        and 0 <= nucleus.y[frame] < HEIGHT
    ]


def generated_crops(
    images: int,
    seed: int = 1,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CroppedImages:
    """Return the set `crops-N`, whose images are drawn on access.

    `progress` is called with the number of cells placed, and `images`.
    """
    processes = processes or processors()
    cells: list[Cell] = []
    first: list[int] = []  # of each site
    with closing(in_order(partial(cells_of_site, seed), count(), processes)) as sites:
        while len(cells) < images:
            first.append(len(cells))
            cells += next(sites)
            progress(min(len(cells), images), images)
    del cells[images:]
    site = np.repeat(np.arange(len(first)), np.diff([*first, images]))
    centers = np.array([(cell.y, cell.x) for cell in cells], np.int64).reshape(-1, 2)
    table, objects = _tables(cells, site, np.arange(images) - np.array(first)[site] + 1)
    return CroppedImages(
        f"crops-{images}",
        table,
        {CELLS: objects},
        partial(_stack_of, seed),
        site,
        corners_of(centers[:, 0], centers[:, 1], np.array([HEIGHT, WIDTH])),
        processes,
    )


def _stack_of(seed: int, site: int) -> Stack:
    return images_of(seed, site_shot(site), "crops")


def _tables(cells: list[Cell], site: np.ndarray, number: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """Return the table of images and that of cells."""
    shots = [site_shot(each) for each in range(int(site.max()) + 1)]
    of_site = [site_place(shot, "crops") for shot in shots]
    stems = [site_stem(shot, "crops") for shot in shots]
    places = [of_site[each] for each in site]
    files = [f"{stems[each]}_cell{place:03d}.tif" for each, place in zip(site, number, strict=True)]
    shape, dtype = shape_and_dtype("crops", 0)
    keys = {key: [getattr(place, key) for place in places] for key in ("plate", "well", "site")}
    columns = {
        "row": range(len(cells)),
        "path": [f"tiff/{name}" for name in files],
        "filesize_bytes": [file_bytes(shape, dtype)] * len(cells),
        **keys,
        **{key: [None] * len(cells) for key in ("frame", "channel", "z")},
        "shape": [shape] * len(cells),
        "dtype": [dtype.newbyteorder("<").str] * len(cells),
    }
    objects = {
        **keys,
        "object": number,
        "file": files,
        "phenotype": [cell.phenotype for cell in cells],
        "center_x": [cell.x for cell in cells],
        "center_y": [cell.y for cell in cells],
    }
    return _typed(columns, IMAGE_SCHEMA), _typed(objects, CELL_SCHEMA)


def _typed(columns: Mapping[str, object], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
