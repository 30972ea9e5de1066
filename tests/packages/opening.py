"""Small stored image sets with tables, for the tests of `platebench.open`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA
from platebench.stores import registry
from platebench.stores.name import StoreName
from tests.conftest import ArrayImages, noise

STORE = "arrow-ipc:pixels:fast"

OBJECTS = pa.table(
    {
        "plate": ["LT"] * 6,
        "well": ["A01", "A01", "A01", "A02", "A02", None],
        "site": ["1", "1", "1", "1", "1", "1"],
        "object": [1, 2, 3, 1, 2, 1],
        "phenotype": ["mitotic", "round", "mitotic", "round", "mitotic", "round"],
        "area": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
    }
)
"""Objects of two wells; the last one's well is not known."""

FEATURES = pa.table(
    {
        "Metadata_Plate": ["LT"] * 5,
        "Metadata_Well": ["a2", "a1", "a1", "a2", "a3"],
        "ImageNumber": [7, 7, 7, 7, 7],
        "ObjectNumber": [2, 3, 1, 1, 1],
        "area": [5.0, 3.0, 1.0, 4.0, 9.0],
        "texture": [0.5, 0.3, 0.1, 0.4, 0.9],
    }
)
"""Features of four of them in another order and spelling, and of one that is no object."""

TREATMENTS = pa.table({"Well": ["A1", "A2"], "compound": ["none", "taxol"]})


def plate(channels: tuple[str | None, ...] = (None,), wells: int = 3) -> ArrayImages:
    """Return images of some wells, in each of the channels, with three tables."""
    images = noise(wells * len(channels), (12, 20), "|u2")
    places = [(well, channel) for well in range(wells) for channel in channels]
    records = [
        {
            **row,
            "path": f"A{well + 1:02d}{'' if channel is None else channel}.tif",
            "plate": "LT",
            "well": f"A{well + 1:02d}",
            "site": "01",
            "frame": None,
            "channel": channel,
        }
        for row, (well, channel) in zip(images.table.to_pylist(), places, strict=True)
    ]
    images.table = pa.Table.from_pylist(records, IMAGE_SCHEMA)
    images.tables = {"objects": OBJECTS, "features": FEATURES, "treatments": TREATMENTS}
    return images


def mixed() -> ArrayImages:
    """Return images of two shapes and two dtypes."""
    one, other = noise(2, (4, 6)), noise(2, (5, 3), "|u2")
    return ArrayImages([one.pixels(0), other.pixels(0), one.pixels(1), other.pixels(1)])


def stored(images: ArrayImages, folder: Path, store: str = STORE) -> Path:
    """Write images with a store, and return where they are."""
    registry.find(StoreName.parse(store)).write(images, folder / "stored")
    return folder / "stored"


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Say whether two images are equal in values, shape and dtype."""
    return left.dtype == right.dtype and np.array_equal(left, right)
