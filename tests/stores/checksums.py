"""Two made-up stores of one file: one keeps a checksum of its bytes and notices damage."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenByRow, OpenStore, Store


class Careless(Store):
    """The pixels of images of one shape and dtype, then their table, then two lengths."""

    format = "careless"

    def write(self, images: ImageSet, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = json.dumps(images.table.to_pylist()).encode()  # Arrow may crash on damaged bytes
        with path.open("wb") as file:
            for row in range(len(images)):
                file.write(images.pixels(row).tobytes())
            file.write(table + len(table).to_bytes(4, "little") + len(images).to_bytes(4, "little"))

    def open(self, path: Path) -> OpenStore:
        return _Opened(path.read_bytes())


class Careful(Careless):
    """The same with a checksum of the file at its end."""

    format = "careful"

    def write(self, images: ImageSet, path: Path) -> None:
        super().write(images, path)
        with path.open("ab") as file:
            file.write(hashlib.sha256(path.read_bytes()).digest())

    def open(self, path: Path) -> OpenStore:
        data = path.read_bytes()
        if hashlib.sha256(data[:-32]).digest() != data[-32:]:
            raise ValueError("the checksum does not match")
        return _Opened(data[:-32])


class _Opened(OpenByRow):
    def __init__(self, data: bytes) -> None:
        file = io.BytesIO(data)
        file.seek(-8, io.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        self._images = int.from_bytes(file.read(4), "little")
        self._table = pa.Table.from_pylist(
            json.loads(data[len(data) - 8 - size : -8]), IMAGE_SCHEMA
        )
        self._pixels = data[: len(data) - 8 - size]

    def __len__(self) -> int:
        return self._images

    def table(self) -> pa.Table:
        return self._table

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        size = len(self._pixels) // self._images
        shape, dtype = self._table["shape"][0].as_py(), self._table["dtype"][0].as_py()
        for row in rows:
            pixels = self._pixels[row * size : (row + 1) * size]
            yield np.frombuffer(pixels, dtype).reshape(shape)
