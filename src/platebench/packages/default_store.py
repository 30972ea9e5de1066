"""The store of a package whose user named none: what `advise` says.

That is its balanced choice. If `platebench advise` has measured the source, its figures count, on
this disk and these images. Otherwise those of the reference run do, which come with platebench: to
measure takes minutes, and nobody waits for that by surprise.

A store that cannot hold the images, or whose library is missing, is left out before the decision.

The images of the reference run are not compressed. If yours are, in TIFF files of one image each,
and the choice would take more bytes than these files, the files are kept as they are.
"""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import compute as pc

from platebench.atomic_files import write_whole
from platebench.errors import Unsupported, UserError
from platebench.images.folder import FolderImages
from platebench.images.imageset import ImageSet
from platebench.limits import gigabytes
from platebench.results.kept_figures import KeptFigures, read_kept
from platebench.stores import registry
from platebench.stores.name import StoreName

FILES = StoreName("parquet", "tiff", "fast")
"""The store that keeps TIFF files as they are."""

_LARGER = 1.1
_OTHER = "--store names another store"


@dataclass(frozen=True)
class Chosen:
    """A store, and why it was chosen, in one line."""

    store: StoreName
    why: str


def keep_advice(folder: Path, source: Path, text: str) -> None:
    """Keep the figures of an advice on `source`, as `kept_figures.kept_text` returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(_file(folder, source), text)


def choose(sources: Sequence[Path], images: FolderImages, advice: Path) -> Chosen | None:
    """Return the balanced choice for these images; None if no store that was measured holds them.

    `advice` is the folder where `keep_advice` keeps figures.
    """
    kept = next(filter(None, (_advice(advice, source) for source in sources)), None)
    figures = kept or read_kept()
    gone = {each.store for each in figures.figures} - set(registry.names())
    left_out: dict[StoreName, str] = {}
    while (choice := figures.decide(gone | left_out.keys()).balanced) is not None:
        ties = [
            store
            for store in (choice.store, *choice.ties)
            if not _leaves_out(store, images, left_out)
        ]
        if choice.store in left_out:
            continue
        told = _told(figures, kept is not None, left_out)
        if kept is not None:
            return Chosen(choice.store, f"{_all(ties)}: {told}. {_OTHER}")
        measure = f"To measure your images, which takes minutes: {_advise(sources[0])}. {_OTHER}"
        expected, files = _size(figures, choice.store) * images.pixel_bytes, _file_bytes(images)
        if files is not None and expected > _LARGER * files:
            would = f"{choice.store}, {told}, would take about {gigabytes(round(expected))}"
            why = f"your TIFF files are compressed, {gigabytes(files)}; {would}. {measure}"
            return Chosen(FILES, f"{FILES}: {why}")
        return Chosen(choice.store, f"{_all(ties)}: {told}. {measure}")
    return None


def _size(figures: KeptFigures, store: StoreName) -> float:
    """Return the bytes per byte of pixels of a store that was chosen, so it is known."""
    return next(each.size or 0.0 for each in figures.figures if each.store == store)


def _file_bytes(images: FolderImages) -> int | None:
    """Return the bytes of the TIFF files if each is one image, else None."""
    if not all(images.origin(row).is_one_image for row in range(len(images))):
        return None
    return int(pc.sum(images.table["filesize_bytes"]).as_py())


def _all(ties: Sequence[StoreName]) -> str:
    best, *others = ties
    return f"{best}, in a tie with {', '.join(map(str, others))}" if others else str(best)


def _told(figures: KeptFigures, is_own: bool, left_out: Iterable[StoreName]) -> str:
    without = ", ".join(map(str, left_out))
    among = f" of the stores that hold these images (not {without})" if without else ""
    if is_own:
        return f"the balanced choice{among} by 'platebench advise' of {figures.day}"
    return f"the balanced choice{among} in the reference run of {figures.day} on {figures.images}"


def _advise(source: Path) -> str:
    return f"platebench advise {shlex.quote(str(source))}"


def _leaves_out(store: StoreName, images: ImageSet, left_out: dict[StoreName, str]) -> bool:
    """Note a store that cannot be used for these images, and say whether there is a reason."""
    why = (
        registry.why_not(store)
        or registry.format_of(store).no_package
        or why_not_held(store, images)
    )
    if why is not None:
        left_out[store] = why
    return why is not None


class _PixelsWanted(Exception):
    """A store has begun to read pixels, so it has accepted the images."""


class _Headers(ImageSet):
    """One image of each shape and dtype of a set, known by their headers only."""

    def __init__(self, images: ImageSet) -> None:
        kinds = {
            kind: row for row, kind in enumerate(zip(images.shapes, images.dtypes, strict=True))
        }
        chosen = images.select(sorted(kinds.values()))
        self.name = images.name
        self.table = chosen.table

    def pixels(self, row: int) -> np.ndarray:
        """Raise _PixelsWanted."""
        raise _PixelsWanted

    def file(self, row: int) -> bytes:
        """Raise _PixelsWanted."""
        raise _PixelsWanted

    def digests(self) -> Sequence[str]:
        """Raise _PixelsWanted."""
        raise _PixelsWanted


def why_not_held(name: StoreName, images: ImageSet) -> str | None:
    """Return why a store cannot hold these images; None if it can. No pixel is read.

    A store raises Unsupported before it reads one (`stores.contract`). Whatever else it raises
    comes from the read, of which its library may make an error of its own.
    """
    with tempfile.TemporaryDirectory(prefix="platebench-") as place:
        try:
            registry.find(name).write(_Headers(images), Path(place, "data"))
        except Unsupported as reason:
            return str(reason)
        except Exception:
            return None
    return None


def _advice(folder: Path, source: Path) -> KeptFigures | None:
    with suppress(OSError, ValueError, KeyError, TypeError, UserError):
        return read_kept(_file(folder, source))
    return None


def _file(folder: Path, source: Path) -> Path:
    name = hashlib.sha256(str(source.resolve()).encode(errors="surrogateescape")).hexdigest()[:32]
    return folder / f"{name}.json"
