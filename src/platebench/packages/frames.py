"""Convert tables to DataFrames, with images as arrays in a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from platebench.packages.lazy_images import Images
from platebench.packages.reader import require_memory
from platebench.stores.values import IMAGE

if TYPE_CHECKING:
    import pandas as pd


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a DataFrame."""
    frame: pd.DataFrame = table.to_pandas()
    return frame


def with_pixels(table: pa.Table, images: Images, rows: np.ndarray) -> pd.DataFrame:
    """Return a table as a DataFrame with the image of each row in a last column.

    The column is `image`, or `image_pixels` if the table has an `image`. `rows` are places in
    `images`, one per row. An image is read once, and rows that share it share its array. Raises
    UserError if the images take more than half of memory.
    """
    import pandas as pd

    places, number = np.unique(rows, return_inverse=True)
    chosen = images[places]
    require_memory(
        chosen.nbytes,
        "choose rows with where= or rows=, or leave the images out and read package.images[row]",
    )
    arrays = list(chosen)
    frame = frame_of(table)
    column = pd.Series([arrays[each] for each in number], index=frame.index, dtype=object)
    name = IMAGE if IMAGE not in frame.columns else f"{IMAGE}_pixels"
    return pd.concat([frame, column.rename(name)], axis=1)
