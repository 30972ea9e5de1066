"""A tree of unusual TIFF files, with what their pixels are and what is left out of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SHAPE = (24, 32)

WHOLE: dict[str, dict[str, Any]] = {
    "plain": {},
    "bigtiff": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 16)},
    "deflate": {"compression": "zlib"},
    "deflate-predictor": {"compression": "zlib", "predictor": True, "rowsperstrip": 5},
    "deflate-tiles": {"compression": "zlib", "predictor": True, "tile": (16, 16)},
    "lzw": {"compression": "lzw"},
    "lzw-predictor-big-endian": {"compression": "lzw", "predictor": True, "byteorder": ">"},
    "zstd": {"compression": "zstd"},
    "zstd-bigtiff": {"compression": "zstd", "bigtiff": True, "predictor": True},
    "png": {"compression": "png"},
    "jpeg-xl": {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    "jpeg-2000": {"compression": "jpeg2000"},
    "12-bits-in-16": {"extratags": [(281, "H", 1, 4095, True)]},
    "12-bits-packed": {"bitspersample": 12},
}
"""Ways to write one image of 16 bits, as options of `tifffile.imwrite`."""


@dataclass
class Odd:
    """The folder, the images by the paths that `unpack` gives them, and what is not taken."""

    folder: Path
    images: dict[str, np.ndarray] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    """Files of one image, which a store of the layout tiff gives back byte for byte."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def write(self, name: str, image: np.ndarray, **options: Any) -> None:
        tifffile.imwrite(self.folder / name, image, **{"photometric": "minisblack", **options})
        self.images[name] = image
        self.whole.add(name)

    def planes(self, name: str, planes: list[np.ndarray]) -> None:
        self.images |= {f"{name}/{number}.tif": plane for number, plane in enumerate(planes)}


def alike(folder: Path) -> Odd:
    """Write one image of 16 bits in every way of WHOLE."""
    folder.mkdir(parents=True)
    odd = Odd(folder)
    for name, options in WHOLE.items():
        odd.write(f"{name}.tif", _image() >> 4 if "12" in name else _image(), **options)
    odd.write("one.ome.tif", _image())
    return odd


def odd_tiffs(folder: Path) -> Odd:
    """Write those of `alike`, and files of other dtypes and shapes, and of several images."""
    odd = alike(folder)
    deep, image = _image(), (_image() >> 8).astype(np.uint8)
    for dtype in ("int16", "uint32", "float16", "float32", "float64"):
        odd.write(f"{dtype}.tif", deep.astype(dtype))
    odd.write("float-predictor.tif", deep.astype("f4"), compression="zlib", predictor=True)
    odd.write("float-big-endian.tif", deep.astype("f8"), byteorder=">")
    for codec in ("packbits", "lzma"):
        odd.write(f"{codec}.tif", image, compression=codec)
    lossless = {"lossless": True}
    odd.write("jpeg.tif", image, compression="jpeg", compressionargs=lossless)
    odd.write("rgb.tif", np.stack([image, image.T.reshape(SHAPE), image], -1), photometric="rgb")
    odd.write(
        "webp.tif", np.stack([image] * 3, -1), photometric="rgb", compression="webp",
        compressionargs=lossless,
    )  # fmt: skip
    odd.write("planar.tif", np.stack([image] * 3), photometric="rgb", planarconfig="separate")
    odd.write("white.tif", image, photometric="miniswhite")
    odd.write("\N{GREEK SMALL LETTER MU}m (1).tif", image)
    _several(odd, image, deep)
    tifffile.imwrite(folder / "bool.tif", image > 100, photometric="minisblack")
    tifffile.imwrite(folder / "complex.tif", image.astype("c8"), photometric="minisblack")
    odd.refused = ["bool.tif", "complex.tif"]
    return odd


def _several(odd: Odd, image: np.ndarray, deep: np.ndarray) -> None:
    grey: dict[str, Any] = {"photometric": "minisblack"}
    flipped, folder = np.ascontiguousarray(image[::-1]), odd.folder
    tifffile.imwrite(folder / "stack.tif", np.stack([image, flipped]), **grey)
    odd.planes("stack.tif", [image, flipped])
    for name, options in {
        "pages": {"byteorder": ">", "compression": "lzw"},
        "pages-bigtiff": {"bigtiff": True},
    }.items():
        pages = np.stack([deep, deep[::-1]])
        tifffile.imwrite(folder / f"{name}.tif", pages, **grey, metadata=None, **options)
        odd.planes(f"{name}.tif", list(pages))
    with tifffile.TiffWriter(folder / "series.tif") as file:
        file.write(image, **grey)
        file.write(deep[:10], **grey)
    odd.planes("series.tif", [image, deep[:10]])
    axes = {"axes": "CYX", "Channel": {"Name": ["DNA", "Actin"]}}
    with tifffile.TiffWriter(folder / "pyramid.ome.tif") as file:
        file.write(np.stack([image, flipped]), subifds=1, metadata=axes, **grey)
        file.write(np.stack([image, flipped])[:, ::2, ::2], subfiletype=1, **grey)
    odd.planes("pyramid.ome.tif", [image, flipped])
    with tifffile.TiffWriter(folder / "pyramid.tif") as file:
        file.write(image, subifds=2, tile=(16, 16), **grey)
        file.write(image[::2, ::2], subfiletype=1, tile=(16, 16), **grey)
        file.write(image[::4, ::4], subfiletype=1, tile=(16, 16), **grey)
    odd.images["pyramid.tif"] = image
    with tifffile.TiffWriter(folder / "thumbnail.tif") as file:
        file.write(image, **grey, metadata=None)
        file.write(image[::5, ::7], subfiletype=1, **grey, metadata=None)
    odd.images["thumbnail.tif"] = image
    tifffile.imwrite(folder / "imagej.tif", np.stack([deep] * 4).reshape(2, 2, *SHAPE), imagej=True)
    odd.planes("imagej.tif", [deep] * 4)
    tifffile.imwrite(folder / "volume.tif", np.stack([image] * 16), volumetric=True,
                     tile=(16, 16, 16), **grey)  # fmt: skip
    odd.planes("volume.tif", [image] * 16)
    odd.left_out = [
        ("pyramid.ome.tif/page 0/SubIFD 0", "pyramid level"),
        ("pyramid.ome.tif/page 1/SubIFD 0", "pyramid level"),
        ("pyramid.tif/page 0/SubIFD 0", "pyramid level"),
        ("pyramid.tif/page 0/SubIFD 1", "pyramid level"),
        ("thumbnail.tif/page 1", "thumbnail"),
    ]


def _image() -> np.ndarray:
    random = np.random.default_rng(11)
    return random.integers(0, 600, SHAPE, np.uint16).cumsum(1, dtype=np.uint16) * 3
