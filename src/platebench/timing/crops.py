"""The crops that a sample reads, what is expected of them, and what reading them fetches."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from platebench.errors import Mismatch, Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import Store
from platebench.stores.crops import Crop, lines_axis
from platebench.timing.access import Read, Reading, can_count
from platebench.timing.drain import Drain


def check_room(images: ImageSet, side: int) -> None:
    """Raise Unsupported if a square crop of this side is larger than one of the images."""
    for row, shape in enumerate(images.shapes):
        first = lines_axis(shape)
        if first < 0 or min(shape[first : first + 2]) < side:
            raise Unsupported(
                f"reads crops of {side} x {side} pixels, and {images.table['path'][row]} has the"
                f" shape {tuple(shape)}"
            )


def random_crops(
    images: ImageSet, rows: Sequence[int], side: int, chance: random.Random
) -> list[Crop]:
    """Return a square crop of each of `rows`, at a random place."""
    found = []
    for row in rows:
        first = lines_axis(images.shapes[row])
        lines, columns = images.shapes[row][first : first + 2]
        top, left = chance.randint(0, lines - side), chance.randint(0, columns - side)
        found.append(Crop(row, top, left, side, side))
    return found


def crop_bytes(images: ImageSet, crop: Crop) -> int:
    """Return the bytes of a crop's pixels."""
    shape = images.shapes[crop.row]
    whole = int(np.prod(shape, dtype=np.int64))
    first = lines_axis(shape)
    return (
        images.image_bytes(crop.row)
        // whole
        * (whole // (shape[first] * shape[first + 1]) * crop.height * crop.width)
    )


def check_crops(arrays: Iterable[Any], images: ImageSet, crops: Sequence[Crop]) -> None:
    """Raise Mismatch unless `arrays` are exactly these crops of the images, in that order."""
    found = 0
    for array in arrays:
        if found == len(crops):
            raise Mismatch(f"more than the {len(crops)} crops asked for came back")
        _check_crop(array, images, crops[found])
        found += 1
    if found < len(crops):
        raise Mismatch(f"{found} of the {len(crops)} crops asked for came back")


def _check_crop(array: Any, images: ImageSet, crop: Crop) -> None:
    expected = crop.of(images.pixels(crop.row))
    named = f"a crop of image {crop.row}"
    if not isinstance(array, np.ndarray):
        raise Mismatch(f"{named} came back as a {type(array).__name__}, not an array of pixels")
    if array.dtype != expected.dtype:
        raise Mismatch(f"{named} came back as {array.dtype}, not {expected.dtype}")
    if array.shape != expected.shape:
        raise Mismatch(f"{named} came back with shape {array.shape}, not {expected.shape}")
    if array.tobytes() != expected.tobytes():
        changed = int(np.count_nonzero(array != expected))
        raise Mismatch(f"{named} came back with {changed} of {array.size} values changed")


def bytes_of_reading(store: Store, path: Path, crops: Sequence[Crop], drain: Drain) -> Read | None:
    """Open the store, read crops, and return the bytes of that; None if they cannot be counted.

    They are counted when the last crop arrives: a map may be gone afterwards.
    """
    if not can_count():
        return None
    counters: list[Reading] = []

    def counted(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for number, image in enumerate(images, 1):
            if number == len(crops):
                counters.append(Reading(path))
            yield image

    gc.collect()  # a map that waits to be collected keeps its pages
    counters.append(Reading(path))
    with store.open(path) as opened:
        drain(counted(opened.crops_into(crops, drain.memory)))
    before, after = counters
    return after.since(before)
