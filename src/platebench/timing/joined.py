"""Join the objects of a table with their images: the consumer that is timed with every store.

It is what a script does that wants each image with its objects' features: read both, link them by
their keys, and go through the images. A store is asked for the columns and for the pixels only.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from platebench.images.links import image_rows


def objects_by_image(
    objects: pa.Table, images_table: pa.Table, columns: list[str]
) -> list[pa.Table]:
    """Return `columns` of the objects of each image, images in row order, objects in theirs.

    `objects` also has the key columns. An image without objects gives a table without rows.
    """
    pairs = image_rows(objects, images_table)
    image = pairs["image_row"].to_numpy()
    order = np.argsort(image, kind="stable")
    table_row = pairs["table_row"].to_numpy()[order]
    ends = np.searchsorted(image[order], np.arange(images_table.num_rows + 1))
    chosen = objects.select(columns)
    if len(table_row) != len(chosen) or (np.diff(table_row) != 1).any():
        chosen = chosen.take(pa.array(table_row))
    return [chosen.slice(start, end - start) for start, end in pairwise(ends)]
