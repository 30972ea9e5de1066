"""Read frame, channel and z of a TIFF file's pages from OME-XML.

The schema is OME 2016-06: Image/Pixels/TiffData, with UUIDs if an image is stored in several
files. Other files that the XML names are not opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree import ElementTree


class Label(NamedTuple):
    """Frame, channel and z of a plane according to its file; None where unknown."""

    frame: int | None = None
    channel: str | None = None
    z: int | None = None


@dataclass
class Ome:
    """Labels by page number; `is_one_plane` if the file is one plane and names no other file."""

    labels: dict[int, Label] = field(default_factory=dict)
    is_one_plane: bool = False


def read_ome(text: str, filename: str, pages: int) -> Ome:
    """Parse OME-XML for a file of this name and number of pages.

    Damaged XML, and XML that only names another file, gives no labels.
    """
    ome = Ome()
    try:
        root = ElementTree.fromstring(text)
        images = [pixels for pixels in root.iter() if _tag(pixels) == "Pixels"]
        read = [_Pixels(pixels) for pixels in images]
        alone = True
        for pixels in read:
            for data in pixels.data:
                if _is_here(data, root.get("UUID"), filename):
                    pixels.label(data, pages, ome.labels)
                alone = alone and _names_no_file(data, root.get("UUID"))
        ome.is_one_plane = alone and [pixels.planes for pixels in read] == [1]
    except (ElementTree.ParseError, ValueError, KeyError, OverflowError):
        return Ome()
    return ome


class _Pixels:
    """An element `Pixels`: its number of planes, and the TiffData that map pages to planes."""

    def __init__(self, element: ElementTree.Element) -> None:
        self.data = [child for child in element if _tag(child) == "TiffData"]
        channels = [child for child in element if _tag(child) == "Channel"]
        samples = int(channels[0].get("SamplesPerPixel", 1)) if channels else 1
        self._names = [channel.get("Name") for channel in channels]
        self._order = element.attrib["DimensionOrder"][2:]
        sizes = {axis: int(element.attrib[f"Size{axis}"]) for axis in "CTZ"}
        sizes["C"] //= max(1, samples)
        if sorted(self._order) != ["C", "T", "Z"] or min(sizes.values()) < 1:
            raise ValueError("invalid sizes")
        self._sizes = sizes
        self.planes = sizes["C"] * sizes["T"] * sizes["Z"]

    def label(self, data: ElementTree.Element, pages: int, labels: dict[int, Label]) -> None:
        """Label the pages that a TiffData covers. The first TiffData that names a page wins."""
        first = int(data.get("IFD", 0))
        count = int(data.get("PlaneCount", data.get("NumPlanes", 1 if "IFD" in data.attrib else 0)))
        plane, step = 0, 1
        for axis in self._order:
            plane += step * int(data.get(f"First{axis}", 0))
            step *= self._sizes[axis]
        for page in range(max(0, first), min(first + (count or pages), pages)):
            if 0 <= plane < self.planes:
                labels.setdefault(page, self._label(plane))
            plane += 1

    def _label(self, plane: int) -> Label:
        at = {}
        for axis in self._order:
            plane, at[axis] = divmod(plane, self._sizes[axis])
        return Label(
            at["T"] if self._sizes["T"] > 1 else None,
            self._channel(at["C"]),
            at["Z"] if self._sizes["Z"] > 1 else None,
        )

    def _channel(self, number: int) -> str | None:
        name = self._names[number] if number < len(self._names) else None
        return name or (str(number) if self._sizes["C"] > 1 else None)


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _is_here(data: ElementTree.Element, own: str | None, filename: str) -> bool:
    """True if a TiffData refers to the file itself."""
    for uuid in data:
        if _tag(uuid) == "UUID":
            named = uuid.get("FileName", "").lower() == filename.lower()
            return uuid.text == own if own is not None else named
    return True


def _names_no_file(data: ElementTree.Element, own: str | None) -> bool:
    return all(_tag(uuid) != "UUID" or (own and uuid.text == own) for uuid in data)
