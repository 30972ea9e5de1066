"""What one row costs, counted: the bytes that each store brings from the disk, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platebench.stores.name import StoreName

MOST = 4
"""The most images' bytes that `fast` and `balanced` may bring from the disk for one image."""

LIMITED = ("fast", "balanced")


@dataclass(frozen=True)
class AccessCell:
    """What one store brings from the disk for one image of many.

    `first` are the bytes when the store is opened for it, `another` those of a second image from
    the open store; `asked` and `calls` are bytes and number of read calls of the first.
    """

    store: StoreName
    image_bytes: int
    stored_bytes: int
    files: int
    first: int
    asked: int
    calls: int
    another: int

    @property
    def images(self) -> float:
        """The bytes of the first read, in images."""
        return self.first / self.image_bytes

    @property
    def exceeds(self) -> bool:
        """True for a tuning that should read single images and brings more than `MOST` of them."""
        return self.store.tuning in LIMITED and self.images > MOST


@dataclass(frozen=True)
class AccessFacts:
    """What the cells of one table have in common."""

    images: int
    side: int
    python: str
    libraries: Mapping[str, str]
    disk: str


def as_markdown(cells: Sequence[AccessCell], facts: AccessFacts, command: str) -> str:
    """Return the page: how it was counted, and the table."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    limited = [cell for cell in cells if cell.store.tuning in LIMITED]
    over = [cell for cell in limited if cell.exceeds]
    named = f" More: {', '.join(f'`{cell.store}`' for cell in over)}." if over else ""
    size = facts.side * facts.side
    lines = [
        "# What one row costs, counted",
        "",
        f"Bytes that each store brings from the disk for one image of {facts.images}, from an empty"
        f" page cache. Of the {len(limited)} stores tuned {' or '.join(LIMITED)},"
        f" {len(limited) - len(over)} bring at most {MOST} images' bytes.{named}",
        "",
        "- `first image`: the store is opened, and one image is read. This includes indexes,"
        " footers and other metadata.",
        "- `another`: a second image is read from the open store.",
        "- `read calls` and `asked`: the calls of the first read and the bytes that they asked for."
        " Memory maps make no calls. Where more bytes came than were asked for, the kernel read"
        " ahead.",
        "",
        "Counts are deterministic but for what the kernel reads ahead, so nothing is timed here.",
        "The larger of two counts is given: the bytes that the process had the disk deliver"
        " (`read_bytes` of /proc/self/io), and the pages of the files that are in the page cache"
        " afterwards (mincore).",
        "",
        f"    {command}",
        "",
        f"{facts.images} images of {facts.side} x {facts.side} uint8, {size // 1024} KiB each."
        f" {facts.disk}. Python {facts.python}, {libraries}.",
        "",
        "| store | stored of raw size | files | first image, KiB | in images | read calls"
        " | asked, KiB | another, KiB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(_line(cell, facts) for cell in cells),
    ]
    return "\n".join(lines) + "\n"


def _line(cell: AccessCell, facts: AccessFacts) -> str:
    of_raw = cell.stored_bytes / (facts.images * cell.image_bytes)
    images = f"**{cell.images:.1f}**" if cell.exceeds else f"{cell.images:.1f}"
    return (
        f"| {cell.store} | {of_raw:.2f} | {cell.files:,} | {cell.first / 1024:,.0f} | {images} |"
        f" {cell.calls:,} | {cell.asked / 1024:,.0f} | {cell.another / 1024:,.0f} |"
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
