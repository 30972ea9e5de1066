"""Input of the talk: generated or user's images, and a table of cells."""

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
"""Number of images in the talk."""

MOST_IMAGES = 16
"""Limit, because the talk keeps several copies of each image, one with 8 bytes per pixel."""

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
class Dataset:
    """TIFF files of one dtype and number of axes, and a table with one row per cell.

    If `cells_belong_to_images` is false, the cells are generated and belong to other images.
    """

    name: str
    files: Sequence[Path]
    cells: pa.Table
    cells_belong_to_images: bool

    @cached_property
    def arrays(self) -> list[np.ndarray]:
        """The images, read by tifffile."""
        return [tifffile.imread(file) for file in self.files]

    @property
    def pixel_bytes(self) -> int:
        """Size of all pixels in bytes."""
        return sum(array.nbytes for array in self.arrays)

    @property
    def is_talk_data(self) -> bool:
        """True if number, size and dtype of the images equal those of the talk."""
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


def generated_dataset(folder: Path) -> Dataset:
    """Generate two images and their cells in `folder`."""
    from platebench.images.fixtures import make_fixtures

    made = make_fixtures(folder, IMAGES, tables=True, processes=1)
    return folder_dataset(made, folder)


def folder_dataset(path: Path, scratch: Path) -> Dataset:
    """Open the TIFF files below `path` and a table of cells among them.

    If no table has the required columns, cells are generated in `scratch`. Raises UserError for a
    folder without TIFF files, with too many or with several dtypes, or with a file of more than one
    image.
    """
    from platebench.images.folder import open_images

    images = open_images(path)
    origins = [images.origin(row) for row in range(len(images))]
    rows = [row for row, origin in enumerate(origins) if _is_tiff(origin.path)]
    if not rows:
        raise UserError(f"{path}: contains no TIFF file; the talk needs at least one")
    for row in rows:
        if not origins[row].is_one_image:
            raise UserError(
                f"{origins[row].path}: has more than one image; the talk needs one image per file"
            )
    if len(rows) > MOST_IMAGES:
        raise UserError(
            f"{path}: {len(rows)} TIFF files; the talk takes {MOST_IMAGES} at most,"
            " so name a folder with fewer"
        )
    if len({(len(images.shapes[row]), images.dtypes[row]) for row in rows}) > 1:
        raise UserError(f"{path}: images of several types; name a folder with one dtype only")
    files = [origins[row].path for row in rows]
    for name in sorted(images.tables):
        if set(images.tables[name].column_names) >= _CELL_COLUMNS:
            return Dataset(images.name, files, images.tables[name], cells_belong_to_images=True)
    cells = generated_dataset(scratch / "generated").cells
    return Dataset(images.name, files, cells, cells_belong_to_images=False)


def _is_tiff(file: Path) -> bool:
    from platebench.images.folder import TIFF_ENDINGS

    return file.suffix.lower() in TIFF_ENDINGS
