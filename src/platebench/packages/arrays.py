"""Images as record batches of Arrow, and images of one shape as a lazy array of dask or xarray."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.images.tiff import encode
from platebench.optional import require
from platebench.packages.lazy_images import Images
from platebench.stores.contract import common_image
from platebench.stores.values import image_batches, image_schema

if TYPE_CHECKING:
    import dask.array
    import xarray

_COORDINATES = ("path", "plate", "well", "site", "frame", "channel", "z")


class ImageArray:
    """Images of one shape and dtype as an array whose first axis counts them.

    It reads the images of the requested rows, whole, when it is indexed by numbers, slices or, for
    each axis on its own, lists of numbers.
    """

    def __init__(self, images: Images, what: str) -> None:
        """Raise UserError, which says that `what` needs one shape and dtype, if they differ."""
        shape, self.dtype = images.kind(what)
        self.shape = (len(images), *shape)
        self.ndim = len(self.shape)
        self._images = images

    def __getitem__(self, key: Any) -> np.ndarray:
        parts = key if isinstance(key, tuple) else (key,)
        parts += (slice(None),) * (self.ndim - len(parts))
        first, rest = parts[0], parts[1:]
        if isinstance(first, int | np.integer):
            found: Any = self._images[first]
            axis = 0
        else:
            chosen = self._images[first]
            found = (
                np.asarray(chosen) if len(chosen) else np.empty((0, *self.shape[1:]), self.dtype)
            )
            axis = 1
        # Each axis on its own: NumPy would pair two lists.
        for part in rest:
            found = found[(slice(None),) * axis + (part,)]
            axis += not isinstance(part, int | np.integer)
        return np.asarray(found)


class ImageSetOf(ImageSet):
    """Stored images as an image set, which Arrow's layouts are written from."""

    def __init__(self, images: Images, name: str) -> None:
        self.name = name
        self.table = images.table
        self._images = images

    def pixels(self, row: int) -> np.ndarray:
        """Read an image."""
        return self._images[row]

    def file(self, row: int) -> bytes:
        """Encode an image as a TIFF file."""
        return encode(self._images[row])

    def digests(self) -> Sequence[str]:
        """Read all images for their digests."""
        return [self.digest_of(row) for row in range(len(self))]


def to_arrow(images: Images, name: str) -> pa.RecordBatchReader:
    """Return the image table with the pixels in a last column, one image per batch."""
    source = ImageSetOf(images, name)
    layout = "pixels" if common_image(source) is None else "tensor"
    schema = image_schema(source, layout)
    return pa.RecordBatchReader.from_batches(schema, image_batches(source, layout, schema, 1))


def to_dask(images: Images) -> dask.array.Array:
    """Return the images as a dask array with one chunk per image."""
    require("to_dask", "dask")
    import dask.array as da

    array = ImageArray(images, "to_dask")
    return da.from_array(
        array,
        chunks=(1, *array.shape[1:]),
        name=f"images-{uuid.uuid4().hex}",
        asarray=True,
        fancy=False,
        meta=np.empty((0,) * array.ndim, array.dtype),
    )


def to_xarray(images: Images) -> xarray.Dataset:
    """Return the images and the columns of their table as a Dataset.

    Its variable `image` has the dimensions image, y, x (or image, axis_1, axis_2 ... for images
    that have not two axes), and is read when its values are needed. Columns that are not known of
    any image are left out.
    """
    require("to_xarray", "xarray")
    import xarray

    from platebench.packages.xarray_backend import lazy_variable

    array = ImageArray(images, "to_xarray")
    axes = ["y", "x"] if array.ndim == 3 else [f"axis_{axis}" for axis in range(1, array.ndim)]
    table = images.table
    known = [name for name in _COORDINATES if table[name].null_count < len(table)]
    columns = {name: ("image", _plain(table[name])) for name in known}
    return xarray.Dataset(
        {"image": lazy_variable(["image", *axes], array)},
        coords={"row": ("image", images.rows), **columns},
    )


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as xarray keeps it: text as objects, numbers as floats if one is missing."""
    found: np.ndarray = column.to_pandas().to_numpy()
    return found if found.dtype.kind in "iuf" else np.array(column.to_pylist(), object)
