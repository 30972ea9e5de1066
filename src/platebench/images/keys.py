"""Find the key columns of a table by name: plate, well, site, frame, channel, z, file, object.

A name is compared without its case, separators and the prefixes `Image` and `Metadata`, so
`well`, `Well_ID` and `Image_Metadata_Well` are the same key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

Key = Literal["plate", "well", "site", "frame", "channel", "z", "file", "object"]

_SPELLINGS: dict[Key, set[str]] = {
    "plate": {"plate", "plateid", "platename", "platebarcode", "assayplatebarcode", "barcode"},
    "well": {"well", "wellid", "wellname", "wellposition"},
    "site": {"site", "siteid", "field", "fieldid", "fieldofview", "fov", "position"},
    "frame": {"frame", "frameid", "timepoint", "timeidx", "timeindex", "framenumber"},
    "channel": {"channel", "channelname", "channelid", "wavelength"},
    "z": {"z", "zslice", "zindex", "zplane", "slice"},
    "file": {"path", "file", "filename", "filepath", "tif", "tiff"},
    "object": {"object", "objectid", "objectnumber", "objlabelid", "label", "cellid", "nucleusid"},
}

_IMAGE_NAME = re.compile(r"file_?name_\w+")
"""CellProfiler names one column for each channel: `FileName_DNA`."""

_WELL = re.compile(r"([A-Za-z]{1,2})0*(\d+)")

IMAGE_ENDINGS = (".tif", ".tiff", ".ch5")


def key_of(column: str) -> Key | None:
    """Return the key that a column of this name holds, or None."""
    name = column.strip().casefold()
    while (shorter := re.sub(r"^(image|metadata)[_ .]", "", name)) != name:
        name = shorter
    if name == "image":
        return "file"
    if _IMAGE_NAME.fullmatch(name):
        return "file"
    plain = re.sub(r"[\W_]", "", name)
    return next((key for key, names in _SPELLINGS.items() if plain in names), None)


def first_of_each(columns: Iterable[str]) -> dict[Key, str]:
    """Return the first column of each key, in the order of the columns."""
    found: dict[Key, str] = {}
    for column in columns:
        key = key_of(column)
        if key is not None:
            found.setdefault(key, column)
    return found


def normal(key: Key, value: Any) -> str:
    """Return a value of a key in one spelling: well b3 is B03, site 01 is 1.

    A file is its name without its folder; what follows in the path of a page of a stack is left
    out.
    """
    text = str(value).strip()
    if key == "file":
        return file_name(text)
    if key == "well" and (found := _WELL.fullmatch(text)):
        return f"{found[1].upper()}{int(found[2])}"
    if text.isascii() and text.isdigit():
        return str(int(text))
    return text.casefold() if key == "channel" else text


def file_name(path: str) -> str:
    """Return the name of the image file in a path, also in that of a page: `a/b.tif/3` is b.tif."""
    parts = path.replace("\\", "/").split("/")
    files = [part for part in parts if part.casefold().endswith(IMAGE_ENDINGS)]
    return files[-1] if files else parts[-1]
