"""What one row costs, counted: the bytes that each store asks for, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platebench.stores.name import StoreName

MOST = 4
"""The most images' bytes that `fast` and `balanced` may ask for to read one image."""

LIMITED = ("fast", "balanced")


@dataclass(frozen=True)
class AccessCell:
    """What one store reads for one image of many.

    `asked` are the bytes that are asked for when the store is opened for it, in `calls` read calls
    or through memory maps, and `from_disk` those that came, with what the kernel reads ahead.
    `another` are the bytes asked for a second image from the open store. `reason` says why it may
    be more than `MOST` images.
    """

    store: StoreName
    image_bytes: int
    stored_bytes: int
    files: int
    asked: int
    calls: int
    from_disk: int
    another: int
    reason: str = ""

    @property
    def images(self) -> float:
        """The bytes asked for, in images."""
        return self.asked / self.image_bytes

    @property
    def exceeds(self) -> bool:
        """True for a tuning that should read single images and asks for more than `MOST`."""
        return self.store.tuning in LIMITED and self.images > MOST

    @property
    def unexplained(self) -> bool:
        """True if it exceeds the limit without a reason."""
        return self.exceeds and not self.reason


@dataclass(frozen=True)
class AccessFacts:
    """What the cells of one table have in common."""

    images: int
    side: int
    read_ahead_kib: int
    python: str
    libraries: Mapping[str, str]
    disk: str


def as_markdown(cells: Sequence[AccessCell], facts: AccessFacts, command: str) -> str:
    """Return the page: how it was counted, and the table."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    limited = [cell for cell in cells if cell.store.tuning in LIMITED]
    over = [cell for cell in limited if cell.exceeds]
    named = [
        f"- `{cell.store}`: {cell.images:.1f} images. {cell.reason or '**No reason is given.**'}"
        for cell in over
    ]
    size = facts.side * facts.side
    lines = [
        "# What one row costs, counted",
        "",
        f"Bytes that each store asks for to read one image of {facts.images}, from an empty page"
        f" cache. Of the {len(limited)} stores tuned {' or '.join(LIMITED)},"
        f" {len(limited) - len(over)} ask for at most {MOST} images' bytes"
        + (". These ask for more:" if over else "."),
        "",
        *([*named, ""] if named else []),
        "- `one image`: the store is opened, and one image is read. This includes indexes, footers"
        " and other metadata. Bytes of read calls are counted (`rchar` of /proc/self/io), and the"
        " pages that memory maps brought into the process (/proc/self/smaps).",
        "- `another`: a second image is read from the open store.",
        "- `from the disk`: what came for the first image, with what the kernel read ahead"
        " (the larger of `read_bytes` of /proc/self/io, and the pages of the files that are in the"
        " page cache afterwards). It depends on the machine: here the kernel reads up to"
        f" {facts.read_ahead_kib:,} KiB ahead, above all through memory maps; 128 KiB is Linux's"
        " default.",
        "",
        "Nothing is timed, and what is asked for does not depend on the machine.",
        "",
        f"    {command}",
        "",
        f"{facts.images} images of {facts.side} x {facts.side} uint8, {size // 1024} KiB each."
        f" {facts.disk}. Python {facts.python}, {libraries}.",
        "",
        "| store | stored of raw size | files | one image, KiB | in images | read calls"
        " | another, KiB | from the disk, KiB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(_line(cell, facts) for cell in cells),
    ]
    return "\n".join(lines) + "\n"


def _line(cell: AccessCell, facts: AccessFacts) -> str:
    of_raw = cell.stored_bytes / (facts.images * cell.image_bytes)
    images = f"**{cell.images:.1f}**" if cell.exceeds else f"{cell.images:.1f}"
    return (
        f"| {cell.store} | {of_raw:.2f} | {cell.files:,} | {cell.asked / 1024:,.0f} | {images} |"
        f" {cell.calls:,} | {cell.another / 1024:,.0f} | {cell.from_disk / 1024:,.0f} |"
    )


def as_record(cells: Sequence[AccessCell], facts: AccessFacts) -> dict[str, Any]:
    """Return the cells and their facts as a JSON-compatible dict."""
    rows = [{**asdict(cell), "store": str(cell.store)} for cell in cells]
    return {"facts": asdict(facts), "cells": rows}


def from_record(record: Mapping[str, Any]) -> tuple[list[AccessCell], AccessFacts | None]:
    """Return the cells of a record and their facts; None of an empty record."""
    if not record:
        return [], None
    cells = [
        AccessCell(**{**cell, "store": StoreName.parse(cell["store"])}) for cell in record["cells"]
    ]
    return cells, AccessFacts(**record["facts"])
