"""Cut cells out of their images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import tifffile

from platebench.talk.dataset import PHENOTYPE, Dataset, image_keys
from platebench.talk.package import array_of

SIDE = 64
"""Side of a crop in pixels: about twice the diameter of a nucleus."""


def crop(image: np.ndarray, x: float, y: float, side: int = SIDE) -> np.ndarray:
    """Return the square of `image` around a centre; 0 outside of it. `image` is (height, width)."""
    left, top = int(x) - side // 2, int(y) - side // 2
    square = np.zeros((side, side), image.dtype)
    rows = slice(max(top, 0), max(min(top + side, image.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + side, image.shape[1]), 0))
    part = image[rows, columns]
    below, right = rows.start - top, columns.start - left
    square[below : below + part.shape[0], right : right + part.shape[1]] = part
    return square


def crops_of(plate: Dataset, cells: Sequence[str]) -> pd.DataFrame:
    """Return a row per cell, in the order given: Cell_UUID, phenotype, and its crop."""
    frame = plate.cells.to_pandas().assign(image=image_keys(plate.cells)).set_index("Cell_UUID")
    chosen = frame.loc[list(cells)].reset_index()
    images = {key: tifffile.imread(plate.cell_images[key]) for key in set(chosen["image"])}
    return _frame(chosen, (images[key] for key in chosen["image"]))


def crops_in(joined: pd.DataFrame) -> pd.DataFrame:
    """Return the same of a join with pixels, from the pixels in its rows."""
    return _frame(joined, (array_of(row) for row in joined.to_dict("records")))


def _frame(cells: pd.DataFrame, images: Iterable[np.ndarray]) -> pd.DataFrame:
    places = zip(images, cells["Location_Center_X"], cells["Location_Center_Y"], strict=True)
    return pd.DataFrame(
        {
            "Cell_UUID": [str(cell)[:8] for cell in cells["Cell_UUID"]],
            "phenotype": cells[PHENOTYPE].tolist(),
            "crop": [crop(image, x, y) for image, x, y in places],
        }
    )
