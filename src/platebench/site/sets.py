"""Image sets by the name that the command line gives them, and the one that tables begin with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platebench.images.generated import generated
from platebench.results.tidy import CellResult
from platebench.site.chosen import RAW, Images, headline_image_set, images_of


def set_of(cell: CellResult) -> str:
    """Return the image set's name: `raw-32` for a generated one, or the name of a held folder."""
    return _name(images_of(cell))


def sets_in(cells: Iterable[CellResult]) -> list[str]:
    """Return the image sets, `raw` before others, the smallest first."""
    found = {images_of(cell) for cell in cells}
    ordered = sorted(found, key=lambda each: (each.profile != RAW, each.profile, each.count or 0))
    return list(dict.fromkeys(_name(images) for images in ordered))


def first_set(cells: Sequence[CellResult]) -> str | None:
    """Return the set that the page speaks of; any other where nothing was measured."""
    images = headline_image_set(cells)
    return _name(images) if images else next(iter(sets_in(cells)), None)


def _name(images: Images) -> str:
    name = f"{images.profile}-{images.count}"
    return name if generated(name) else images.profile
