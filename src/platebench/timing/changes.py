"""What `update` changes: which rows, and the images that take their places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch, Unsupported
from platebench.images.changed import Arranged, Replaced, kept, without
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.stores.contract import Store

PART = 100
"""One image of so many is replaced or deleted, at least one."""


def changed_rows(images: int) -> list[int]:
    """Return 1% of the rows, at least one, at even distances and neither first nor last."""
    number = max(1, images // PART)
    return [(2 * place + 1) * images // (2 * number) for place in range(number)]


class Mirrored(ImageSet):
    """Some images of a set, each mirrored: as large, as compressible, and others."""

    def __init__(self, source: ImageSet, rows: Sequence[int]) -> None:
        from platebench.images import tiff  # tifffile takes long to import

        self.name = f"{source.name}-mirrored"
        self._source = source
        self._rows = list(rows)
        self._files = [tiff.encode(self.pixels(place)) for place in range(len(self._rows))]
        table = source.table.take(pa.array(self._rows, pa.int64()))
        place = IMAGE_SCHEMA.get_field_index("filesize_bytes")
        sizes = pa.array([len(file) for file in self._files], pa.int64())
        self.table = table.set_column(place, IMAGE_SCHEMA.field(place), sizes)

    def pixels(self, row: int) -> np.ndarray:
        """Return the mirrored image."""
        return np.ascontiguousarray(self._source.pixels(self._rows[row])[..., ::-1])

    def file(self, row: int) -> bytes:
        """Return it as a TIFF file."""
        return self._files[row]

    @cached_property
    def _digests(self) -> list[str]:
        return [digest(self.pixels(place)) for place in range(len(self._rows))]

    def digests(self) -> Sequence[str]:
        """Return the digests of the mirrored images."""
        return self._digests


def replacements(images: ImageSet, rows: Sequence[int]) -> Mirrored:
    """Return the images that take the places of `rows`.

    Raises Unsupported if one equals the image that it would replace: a replacement that does
    nothing would not be seen.
    """
    mirrored = Mirrored(images, rows)
    for place, row in enumerate(rows):
        if mirrored.digest_of(place) == images.digest_of(row):
            path = images.table["path"][row].as_py()
            raise Unsupported(f"{path} is its own mirror image, so a replacement would not be seen")
    return mirrored


def after_replacing(
    store: Store, path: Path, images: ImageSet, rows: Sequence[int], others: ImageSet
) -> ImageSet:
    """Return what the store at `path`, which held `images`, has to hold after that.

    Where replaced images come after all others, in any order, the table says in which. Raises
    Mismatch if it does not have all of them, or the others are not in their order.
    """
    replaced = Replaced(images, rows, others)
    if not store.replaced_last:
        return replaced
    with store.open(path) as opened:
        order: list[int] = opened.table()["row"].to_pylist()
    before = kept(len(images), rows)
    if order[: len(before)] != before or sorted(order[len(before) :]) != sorted(rows):
        raise Mismatch(f"the rows {order} are not those of before with {list(rows)} at the end")
    return Arranged(replaced, order)


after_deleting = without
"""What a store holds after images were deleted."""
