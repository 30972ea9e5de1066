"""What the talk is given on: two generated images, or a user's, and a table of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import tifffile

from platebench.errors import UserError

IMAGES = 2
"""As many as the talk had."""

MOST_IMAGES = 16
"""The talk keeps every image several times in memory, once with 8 bytes a pixel."""

TALK_BYTES = 1_376_512
TALK_SHAPE = (1024, 1344)

_CELL_COLUMNS = {
    "Cell_UUID",
    "Mitocheck_Phenotypic_Class",
    "Location_Center_X",
    "Location_Center_Y",
    *(f"Metadata_{name}" for name in ("Plate", "Well", "Frame", "Site")),
}


@dataclass(frozen=True)
class Material:
    """TIFF files of one dtype and number of axes, and a row a cell of `cells` or other images.

    `cells_are_theirs` says whether the cells are those of the files; else they are generated.
    """

    name: str
    files: Sequence[Path]
    cells: pa.Table
    cells_are_theirs: bool

    @cached_property
    def arrays(self) -> list[np.ndarray]:
        """The images, through tifffile."""
        return [tifffile.imread(file) for file in self.files]

    @property
    def pixel_bytes(self) -> int:
        """The size of all pixels in bytes."""
        return sum(array.nbytes for array in self.arrays)

    @property
    def is_talks(self) -> bool:
        """Whether the images are as many, as large and of the type that the talk's were."""
        return (
            len(self.files) == IMAGES
            and all(file.stat().st_size == TALK_BYTES for file in self.files)
            and all(array.shape == TALK_SHAPE for array in self.arrays)
            and all(array.dtype == np.uint8 for array in self.arrays)
        )

    def frame(self) -> pd.DataFrame:
        """Return the talk's DataFrame: path, filesize_bytes, image_bytes, image_array."""
        return pd.DataFrame(
            [
                {
                    "path": str(file),
                    "filesize_bytes": file.stat().st_size,
                    "image_bytes": file.read_bytes(),
                    "image_array": array,
                }
                for file, array in zip(self.files, self.arrays, strict=True)
            ]
        )


def generated_material(folder: Path) -> Material:
    """Return the generator's two images and their cells, made in `folder`."""
    from platebench.images.fixtures import make_fixtures

    made = make_fixtures(folder, IMAGES, tables=True, processes=1)
    return folder_material(made, folder)


def folder_material(path: Path, scratch: Path) -> Material:
    """Return the TIFF files below `path`, and the cells in a table beside them.

    Where no table has the columns of such a screen, cells are generated in `scratch`. Raises
    UserError for a folder without TIFF files, with more or more kinds than the talk can show, or
    with a file that holds more than one image.
    """
    from platebench.images.folder import open_images

    images = open_images(path)
    origins = [images.origin(row) for row in range(len(images))]
    rows = [row for row, origin in enumerate(origins) if _is_tiff(origin.path)]
    if not rows:
        raise UserError(f"{path}: holds no TIFF file, which the talk is about")
    for row in rows:
        if not origins[row].is_one_image:
            raise UserError(f"{origins[row].path}: not one image alone, which the talk is given on")
    if len(rows) > MOST_IMAGES:
        raise UserError(
            f"{path}: {len(rows)} TIFF files; the talk is given on {MOST_IMAGES} at most,"
            " so name a folder with some of them"
        )
    if len({(len(images.shapes[row]), images.dtypes[row]) for row in rows}) > 1:
        raise UserError(f"{path}: images of several types; the talk puts one type in a column")
    files = [origins[row].path for row in rows]
    for name in sorted(images.tables):
        if set(images.tables[name].column_names) >= _CELL_COLUMNS:
            return Material(images.name, files, images.tables[name], cells_are_theirs=True)
    cells = generated_material(scratch / "generated").cells
    return Material(images.name, files, cells, cells_are_theirs=False)


def _is_tiff(file: Path) -> bool:
    from platebench.images.folder import TIFF_ENDINGS

    return file.suffix.lower() in TIFF_ENDINGS
