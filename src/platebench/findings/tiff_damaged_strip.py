"""imagecodecs.tiff_decode returns an image of a damaged deflate strip, without an error."""

from __future__ import annotations

import io
from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_SIDE = 100
_DAMAGED = 64


def _show(folder: Path) -> Observation:
    import imagecodecs
    import numpy as np
    import tifffile

    image = np.arange(_SIDE * _SIDE, dtype=np.uint16).reshape(_SIDE, _SIDE)
    file = folder / "image.tif"
    tifffile.imwrite(file, image, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(file) as opened:
        (start,), (size,) = opened.pages[0].dataoffsets, opened.pages[0].databytecounts
    data = bytearray(file.read_bytes())
    data[start + size // 2 : start + size // 2 + _DAMAGED] = bytes(_DAMAGED)
    wrong: int | None = None
    try:
        wrong = int((imagecodecs.tiff_decode(bytes(data)) != image).sum())
        by_imagecodecs = "no error"
    except Exception as error:
        by_imagecodecs = type(error).__name__
    try:
        tifffile.imread(io.BytesIO(data))
        by_tifffile = "no error"
    except Exception as error:
        by_tifffile = type(error).__name__
    facts: dict[str, Fact] = {
        "pixels of the image": image.size,
        "bytes of its deflate strip": int(size),
        "bytes of them set to 0": _DAMAGED,
        "imagecodecs.tiff_decode raises": by_imagecodecs,
        "wrong pixels that it returns": "none" if wrong is None else wrong,
        "tifffile.imread raises": by_tifffile,
    }
    return Observation(facts, holds=bool(wrong) and by_tifffile != "no error")


FINDING = Finding(
    name="tiff-damaged-strip",
    title="A damaged TIFF file is read as an image, without an error",
    kind=Kind.LOST_DATA,
    libraries=("imagecodecs", "tifffile"),
    formats=("tiff-files",),
    happens=(
        "A few bytes in the middle of a deflate strip are wrong. imagecodecs.tiff_decode, which"
        " calls libtiff, returns an array of the right shape, and about half of its pixels are"
        " wrong. It raises no error. tifffile.imread calls a stricter decoder and raises one for"
        " the same bytes. Neither compares a checksum: TIFF has none."
    ),
    instead=(
        "Read with tifffile.imread where files may be damaged, and keep a digest of every file."
        " 'platebench pack' decodes each file so before it is stored, and 'platebench check'"
        " compares its SHA-256."
    ),
    done='imwrite(compression="zlib"); 64 bytes of the strip set to 0; tiff_decode; imread',
    show=_show,
)
