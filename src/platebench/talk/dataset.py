"""Input of the talk: generated or user's images, and a table of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import tifffile

from platebench.errors import UserError

if TYPE_CHECKING:
    from platebench.images.folder import FolderImages

IMAGES = 2
"""Number of images in the talk."""

MOST_IMAGES = 16
"""Limit, because the talk keeps several copies of each image, one with 8 bytes per pixel."""

PLATE_IMAGES = 16
"""Number of images of the plate that steps 8 and 9 use if the dataset has too few cells."""

FEWEST_CELLS = 1024
"""Fewer vectors are too few for the indexes of step 8."""

TALK_BYTES = 1_376_512
TALK_SHAPE = (1024, 1344)

PHENOTYPE = "Mitocheck_Phenotypic_Class"

_IMAGE_COLUMNS = tuple(f"Metadata_{name}" for name in ("Plate", "Well", "Frame", "Site"))
_PLACE_COLUMNS = ("plate", "well", "frame", "site")
_CELL_COLUMNS = {
    "Cell_UUID",
    PHENOTYPE,
    "Location_Center_X",
    "Location_Center_Y",
    *_IMAGE_COLUMNS,
}


@dataclass(frozen=True)
class Dataset:
    """TIFF files of one dtype and number of axes, and a table with one row per cell.

    `cell_images` has the file of every image that the cells are of, by its key in `image_keys`. If
    `cells_belong_to_images` is false, the cells are generated, and these files with them.
    """

    name: str
    files: Sequence[Path]
    cells: pa.Table
    cell_images: Mapping[str, Path]
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

    @cached_property
    def phenotypes(self) -> dict[str, str]:
        """The phenotype of each cell, by Cell_UUID."""
        columns = (self.cells[name].to_pylist() for name in ("Cell_UUID", PHENOTYPE))
        return dict(zip(*columns, strict=True))

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


def image_keys(cells: pa.Table) -> list[str]:
    """Return the key of each cell's image: plate, well, frame and site."""
    columns = (cells[name].to_pylist() for name in _IMAGE_COLUMNS)
    return ["_".join(map(str, place)) for place in zip(*columns, strict=True)]


def generated_dataset(folder: Path, images: int = IMAGES) -> Dataset:
    """Generate images and their cells in `folder`."""
    from platebench.images.fixtures import make_fixtures

    made = make_fixtures(folder, images, tables=True, processes=1)
    return folder_dataset(made, folder)


def plate_of(dataset: Dataset, scratch: Path) -> Dataset:
    """Return the dataset if it has FEWEST_CELLS cells, else a generated plate in `scratch`.

    The first images of the generated plate are those of the generated dataset.
    """
    if dataset.cells.num_rows >= FEWEST_CELLS:
        return dataset
    return generated_dataset(scratch / "plate", PLATE_IMAGES)


def folder_dataset(path: Path, scratch: Path) -> Dataset:
    """Open the TIFF files below `path` and a table of cells among them.

    Cells of images that are not there are left out. If no table has the required columns and cells
    of these images, cells and their images are generated in `scratch`. Raises UserError for a
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
            cells = images.tables[name]
            found = _files_of(cells, images, dict(zip(rows, files, strict=True)))
            if found:
                there = [key in found for key in image_keys(cells)]
                return Dataset(images.name, files, cells.filter(pa.array(there)), found, True)
    made = generated_dataset(scratch / "generated")
    return Dataset(images.name, files, made.cells, made.cell_images, False)


def _files_of(cells: pa.Table, images: FolderImages, files: Mapping[int, Path]) -> dict[str, Path]:
    """Return the file of each image of `cells` that is there, by its key.

    An image matches if the known ones of its plate, well, frame and site are those of the cells. A
    key that several images match is left out.
    """
    places = {row: images.table.slice(row, 1).to_pylist()[0] for row in files}
    found = {}
    for key, place in sorted(set(zip(image_keys(cells), _places(cells), strict=True))):
        matching = [row for row in files if _matches(places[row], place)]
        if len(matching) == 1:
            found[key] = files[matching[0]]
    return found


def _places(cells: pa.Table) -> list[tuple[str, ...]]:
    columns = (map(str, cells[name].to_pylist()) for name in _IMAGE_COLUMNS)
    return list(zip(*columns, strict=True))


def _matches(image: Mapping[str, object], place: tuple[str, ...]) -> bool:
    known = [
        (str(image[name]), part)
        for name, part in zip(_PLACE_COLUMNS, place, strict=True)
        if image[name] is not None
    ]
    return bool(known) and all(one == other for one, other in known)


def _is_tiff(file: Path) -> bool:
    from platebench.images.folder import TIFF_ENDINGS

    return file.suffix.lower() in TIFF_ENDINGS
