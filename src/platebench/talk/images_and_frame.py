"""Steps 1 and 2: images as files, and as values of a DataFrame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import skimage.io
import tifffile
from PIL import Image

from platebench.talk.dataset import TALK_BYTES, TALK_SHAPE, Dataset
from platebench.talk.outcome import ANY, Expected, Outcome, version_of

FIRST_BYTES = b"II*\x00\x08\x00\x00\x00"
"""Header of a TIFF file: little-endian, 42, and the offset of the first IFD, 8."""


def list_images(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 1: show size, first bytes and tags of the files, and read them with three libraries."""
    first = dataset.files[0]
    with first.open("rb") as file:
        start = file.read(10)
    size = first.stat().st_size
    read = [_read_all_ways(file) for file in dataset.files]
    equal = all(
        array.dtype == arrays["tifffile"].dtype and np.array_equal(array, arrays["tifffile"])
        for arrays in read
        for array in arrays.values()
    )
    array = read[0]["tifffile"]
    expected = [
        Expected("scikit-image, tifffile and Pillow read equal arrays", _of_images(), equal)
    ]
    if dataset.is_talk_data:
        as_then = size == TALK_BYTES and start.startswith(FIRST_BYTES) and array.shape == TALK_SHAPE
        expected.append(Expected("size, first bytes and shape equal those of 2024", ANY, as_then))
    return Outcome(
        step=1,
        title="The images as files",
        calls="read_bytes()[:10]; TiffFile.pages[0].tags; skimage.io.imread, tifffile.imread,"
        " PIL.Image.open",
        then="1,376,512 bytes; b'II*\\x00\\x08...'; an array of shape (1024, 1344)",
        now=[
            f"{len(dataset.files)} files, the first {first.name}: {size:,} bytes; {start!r}",
            f"tags: {_tags(first)}",
            f"array: {array.shape} {array.dtype}, "
            + ("equal through all three" if equal else "not equal through all three"),
        ],
        expected=expected,
        facts={
            "filesize_bytes": size,
            "first_bytes": start.hex(),
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "equal": equal,
        },
    )


def _read_all_ways(file: Path) -> dict[str, np.ndarray]:
    with Image.open(file) as opened:
        pillow = np.asarray(opened)
    return {
        "scikit-image": np.asarray(skimage.io.imread(file)),
        "tifffile": tifffile.imread(file),
        "pillow": pillow,
    }


def _of_images() -> str:
    return ", ".join(
        f"{name} {'.'.join(map(str, version_of(name)))}"
        for name in ("scikit-image", "tifffile", "pillow")
    )


def _tags(file: Path) -> str:
    with tifffile.TiffFile(file) as opened:
        tags = opened.pages.first.tags
        return ", ".join(f"{tag.name}={_short(tag.value)}" for tag in tags)


def _short(value: object) -> str:
    text = str(getattr(value, "name", value))
    return text if len(text) <= 32 else text[:31] + "…"


def show_frame(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 2: print a DataFrame with the bytes of the files and the arrays as values."""
    frame = dataset.frame()
    with pd.option_context("display.width", 66, "display.max_colwidth", 14):
        printed = str(frame.assign(path=[file.name for file in dataset.files]))
    text = str(frame["path"].dtype)
    pairs = zip(frame["image_array"], dataset.arrays, strict=True)
    kept = all(value is array for value, array in pairs)
    since = "pandas 3" if version_of("pandas") >= (3,) else "pandas 2"
    expected_dtype = "str" if version_of("pandas") >= (3,) else "object"
    return Outcome(
        step=2,
        title="A DataFrame of images",
        calls="pd.DataFrame(records) of path, filesize_bytes, image_bytes, image_array",
        then="columns take files and arrays as values; an image is printed as its first numbers",
        now=[printed, f"path is {text}, image_bytes and image_array are object"],
        expected=[
            Expected(f"text has dtype {expected_dtype}", since, text == expected_dtype),
            Expected("the frame contains the arrays themselves, not copies", ANY, kept),
        ],
        facts={"printed": printed, "text_dtype": text},
    )
