"""Zarr version 3 whose chunks are image files: JPEG XL, High-Throughput JPEG 2000, JPEG-LS or PNG.

- On disk, `images/c/<i>/0/0` is one image as a `.jxl`, `.jph`, `.jls` or `.png` file has it.
- One image is `zarr.open_array(path)[i]`, after `import imagecodecs.zarr` and its
  `register_codecs()`.
- A random row costs one read of one file, then the decoder, which takes 3 to 10 times as long as
  Zstandard's.
- It keeps no versions, and holds unsigned integers of 8 and 16 bits only. All is lossless here.
- Python with imagecodecs (since 2026.4) opens it; the codecs are not in Zarr's specification. The
  chunks themselves open in any viewer of their format, once renamed.
- Its document: https://github.com/cgohlke/imagecodecs

The tunings (32 images of a camera, 44 MB, relative to `zarr:tensor:fast`, on 2 cores):

- `default`: PNG, as `Png()` writes it: 0.34 of the bytes, 39 times the time to write, 4 times the
  time of cold single images.
- `fast`: High-Throughput JPEG 2000, lossless: 0.32 of the bytes, 8 and 3 times the time.
- `small`: JPEG-LS: 0.27 of the bytes, 12 and 10 times the time. JPEG XL at effort 2 makes 0.28 in
  about the same times; at effort 1 it is written in 3 times the time, and makes 0.35.

There is no `balanced`: codecs of bytes are a tenth or a quarter larger, and far quicker (`zarr`).

An image of several planes has a chunk for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import zarr
from imagecodecs.zarr import Htj2k, Jpegls, Jpegxl, Png, register_codecs

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.variants import Variants
from platebench.stores.zarr_images import Settings, ZarrStore

register_codecs(verbose=False)
# virtual-tiff registers codecs of the same names, which are of another kind.
zarr.config.set(
    {
        f"codecs.imagecodecs_{codec.__name__.lower()}": f"{codec.__module__}.{codec.__name__}"
        for codec in (Htj2k, Jpegls, Jpegxl, Png)
    }
)

CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "png": Settings(serializer=Png()),
            "png-1": Settings(serializer=Png(level=1)),
            "htj2k": Settings(serializer=Htj2k(reversible=True)),
            "jpeg-ls": Settings(serializer=Jpegls()),
            "jpeg-xl-1": Settings(serializer=Jpegxl(lossless=True, effort=1)),
            "jpeg-xl-2": Settings(serializer=Jpegxl(lossless=True, effort=2)),
            "jpeg-xl-3": Settings(serializer=Jpegxl(lossless=True, effort=3)),
        },
        {"default": "png", "fast": "htj2k", "small": "jpeg-ls"},
    )
}


class ZarrCodecs(ZarrStore):
    """A Zarr group with one array, whose chunks are encoded as images."""

    format = "zarr-codecs"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import imagecodecs.zarr, zarr
imagecodecs.zarr.register_codecs(verbose=False)
for name in ("Png", "Htj2k", "Jpegls"):  # needed only beside virtual-tiff
    zarr.config.set({f"codecs.imagecodecs_{name.lower()}": f"imagecodecs.zarr.{name}"})
print(zarr.open_array(f"{place}/images", mode="r")[0])
""",
        },
    }

    def create(self, images: ImageSet, path: Path) -> zarr.Array:
        """Create the array. Raises Unsupported for images that no image codec holds."""
        for row, (shape, dtype) in enumerate(zip(images.shapes, images.dtypes, strict=True)):
            if len(shape) < 2 or 0 in shape or dtype.str not in ("|u1", "<u2"):
                raise Unsupported(
                    f"image codecs hold unsigned integers of 8 or 16 bits, not {dtype} of {shape},"
                    f" as image {row} is"
                )
        return super().create(images, path)

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)
