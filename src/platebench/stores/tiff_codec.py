"""Write images as compressed TIFF files, with tifffile.

For formats that do not compress an image themselves, or not as well. The pixels are kept, other
tags of the original file are not.

- Zstandard (tag value 50000) and deflate (8) are decoded by `imagecodecs.tiff_decode` (libtiff).
  With the horizontal predictor they compress differences of neighbours.
- JPEG XL (50002) is lossless here. It holds unsigned integers of 8 or 16 bits; images of another
  dtype are compressed with `others`. tifffile decodes it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet


@dataclass(frozen=True)
class TiffCodec:
    """How a TIFF file is compressed. Of `others` see the module's docstring."""

    compression: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    predictor: bool = False
    others: TiffCodec | None = None

    def encode(self, image: np.ndarray) -> bytes:
        """Return the bytes of a TIFF file that holds `image`."""
        sink = io.BytesIO()
        self.write(sink, image)
        return sink.getvalue()

    def write(self, target: str | io.BytesIO, image: np.ndarray) -> None:
        """Write a TIFF file that holds `image` to a path or into memory."""
        if self.others is not None and image.dtype.str not in ("|u1", "<u2"):
            self.others.write(target, image)
            return
        import tifffile

        tifffile.imwrite(
            target,
            image,
            photometric="minisblack",
            compression=self.compression,
            compressionargs=dict(self.arguments) or None,
            predictor=self.predictor and (image.dtype.kind == "f" or image.itemsize <= 4),
        )


class CompressedTiffs(ImageSet):
    """An image set whose TIFF files are compressed anew. Raises Unsupported for what TIFF lacks.

    While one file is written, the next ones are compressed in threads, one per processor.
    """

    def __init__(self, source: ImageSet, codec: TiffCodec) -> None:
        for row, (shape, dtype) in enumerate(zip(source.shapes, source.dtypes, strict=True)):
            if not shape or 0 in shape:
                raise Unsupported(f"{source.table['path'][row]}: has no pixels for a TIFF file")
            if dtype.kind not in "uif":
                raise Unsupported(f"{source.table['path'][row]}: TIFF cannot hold {dtype}")
        self._source = source
        self._codec = codec
        self._ahead = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._ahead)  # they end with the image set
        self._coming: dict[int, Future[bytes]] = {}
        self.name = source.name
        self.table = source.table
        self.tables = source.tables

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`."""
        return self._source.pixels(row)

    def file(self, row: int) -> bytes:
        """Return image `row` as a compressed TIFF file."""
        window = range(row, min(row + 1 + self._ahead, len(self)))
        self._coming = {each: self._coming.get(each) or self._start(each) for each in window}
        return self._coming.pop(row).result()

    def _start(self, row: int) -> Future[bytes]:
        return self._threads.submit(self._codec.encode, self._source.pixels(row))

    def digests(self) -> Sequence[str]:
        """Return the digests of the images."""
        return self._source.digests()


def _zstd(level: int, predictor: bool = False) -> TiffCodec:
    return TiffCodec("zstd", {"level": level}, predictor)


CODECS: Mapping[str, TiffCodec] = {
    "zstd-1": _zstd(1),
    "zstd-1-predictor": _zstd(1, predictor=True),
    "zstd-3-predictor": _zstd(3, predictor=True),
    "zstd-9": _zstd(9),
    "zstd-9-predictor": _zstd(9, predictor=True),
    "lzw-predictor": TiffCodec("lzw", predictor=True),
    "deflate-1": TiffCodec("deflate", {"level": 1}),
    "deflate-6-predictor": TiffCodec("deflate", {"level": 6}, predictor=True),
    "lerc-zstd": TiffCodec("lerc", {"compression": "zstd"}, others=_zstd(9, predictor=True)),
    "jpeg-xl-2": TiffCodec(
        "jpegxl", {"lossless": True, "effort": 2}, others=_zstd(9, predictor=True)
    ),
    "jpeg-xl-3": TiffCodec(
        "jpegxl", {"lossless": True, "effort": 3}, others=_zstd(9, predictor=True)
    ),
}
"""Codecs by the name of the variant that uses them."""
