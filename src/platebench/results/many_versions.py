"""What many versions of one image each cost in every store: the measured states, and their page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platebench.stores.name import StoreName
from platebench.timing.many_versions import APPENDED, COMPACTED, PRUNED

NUMBER = 1000
"""Versions that the page is about."""


@dataclass(frozen=True)
class State:
    """A store at one moment.

    `what` was done: `versions` were appended, or it was compacted or pruned after that. `seconds`
    are those of one append (the mean since the state before) or of that call. The other times are
    medians of warm reads: to open the newest version and ask for the number of images, to list the
    versions, to open it and read one image, to open it and read all, and to open the first version
    and read its image; None if that was removed.
    """

    what: str
    versions: int
    bytes: int
    files: int
    seconds: float
    open_s: float
    list_s: float
    one_s: float
    newest_s: float
    first_s: float | None


@dataclass(frozen=True)
class VersionsCell:
    """One store: what was asked for, its states in order, and what could not be done and why."""

    store: StoreName
    number: int
    native: bool
    states: tuple[State, ...]
    notes: tuple[str, ...] = ()

    @property
    def appended(self) -> list[State]:
        """The states between appends, in ascending order of versions."""
        return [state for state in self.states if state.what == APPENDED]

    @property
    def grown(self) -> State | None:
        """The state after the last append."""
        return self.appended[-1] if self.appended else None

    def after(self, what: str) -> State | None:
        """The state after the compaction or the pruning."""
        return next((state for state in self.states if state.what == what), None)


@dataclass(frozen=True)
class VersionsFacts:
    """What the cells of one table have in common."""

    side: int
    python: str
    libraries: Mapping[str, str]
    disk: str


def extrapolated(states: Sequence[State], versions: int, of: str) -> float | None:
    """Return `bytes` or another figure at so many versions, from the last three states.

    A parabola goes through them: each version may add a list of all before it. None with fewer
    than three states, or if the figure was measured there.
    """
    if len(states) < 3 or states[-1].versions >= versions:
        return None
    known = [(state.versions, getattr(state, of)) for state in states[-3:]]
    total = 0.0
    for place, figure in known:
        term = float(figure)
        for other, _ in known:
            if other != place:
                term *= (versions - other) / (place - other)
        total += term
    return total


def as_markdown(cells: Sequence[VersionsCell], facts: VersionsFacts, command: str) -> str:
    """Return the page: how it was measured, and the tables."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    number = max((cell.number for cell in cells), default=NUMBER)
    pixels = facts.side * facts.side
    notes = [f"- `{cell.store}`: {note}" for cell in cells for note in cell.notes]
    lines = [
        "# Many versions",
        "",
        f"One image of {facts.side} x {facts.side} uint8 ({pixels:,} bytes) is stored, then"
        f" {number:,} more, one by one, each as a version. The images are small, so what is shown"
        " is what versions cost beside pixels. Formats without versions of their own have"
        " platebench's part list: one part more for each version.",
        "",
        "Every image of the newest and of the first version was compared with what was put in, in"
        " every state in the tables. Times are of one warm process on a machine that others use"
        " too; factors of two mean little, factors of ten do.",
        "",
        f"    {command}",
        "",
        f"{facts.disk}. Python {facts.python}, {libraries}.",
        "",
        "## After the last append",
        "",
        "- `per version`: bytes that a version adds beside the 4 KiB of pixels, on average.",
        "- `append`: the mean time of one, of the first eighth and of the last half. The very first"
        " is left out: libraries load parts of themselves then.",
        "- `open`: the newest version, and ask for the number of its images; `one`: read one of"
        " them as well; `all`: read all. `first`: open the first version and read its image.",
        "",
        "| store | versions are | versions | MB | per version, KB | files | append, ms | open, ms |"
        " list, ms | one, ms | all, ms | first, ms |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(line for cell in cells for line in _grown_line(cell, pixels)),
        "",
        *_extrapolations(cells),
        "## After compaction and pruning",
        "",
        "`compact` is the format's own call (Lance's `compact_files`, LanceDB's and Delta's"
        " `optimize`, Icechunk's `rewrite_manifests`), or, with the part list,"
        " all images in one part. It keeps the versions. `prune` then removes all but the newest.",
        "",
        "| store | compact, s | MB | files | open, ms | all, ms | prune, s | MB | files |"
        " open, ms | all, ms |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_cleaned_line(cell) for cell in cells),
        "",
        *(["## What could not be done", "", *notes, ""] if notes else []),
        "## How it grows",
        "",
        "| store | versions | MB | files | append, ms | open, ms | list, ms | all, ms |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(_growth_line(cell, state) for cell in cells for state in cell.appended),
    ]
    return "\n".join(lines) + "\n"


def _grown_line(cell: VersionsCell, pixels: int) -> list[str]:
    grown = cell.grown
    if grown is None:
        return []
    first = cell.appended[0]
    own = (grown.bytes - first.bytes) / max(1, grown.versions - first.versions) - pixels
    each = "its own" if cell.native else "a part list"
    early = cell.appended[min(1, len(cell.appended) - 1)]
    appends = f"{_ms(early.seconds)} to {_ms(grown.seconds)}" if early is not grown else ""
    times = [grown.open_s, grown.list_s, grown.one_s, grown.newest_s, grown.first_s]
    return [
        f"| {cell.store} | {each} | {grown.versions:,} | {_mb(grown.bytes)} | {own / 1e3:,.1f} |"
        f" {grown.files:,} | {appends or _ms(first.seconds)} | "
        + " | ".join(_ms(seconds) for seconds in times)
        + " |"
    ]


def _cleaned_line(cell: VersionsCell) -> str:
    columns = []
    for what in (COMPACTED, PRUNED):
        state = cell.after(what)
        if state is None:
            columns += ["-"] * 5
            continue
        columns += [f"{state.seconds:,.2f}", _mb(state.bytes), f"{state.files:,}"]
        columns += [_ms(state.open_s), _ms(state.newest_s)]
    return f"| {cell.store} | {' | '.join(columns)} |"


def _growth_line(cell: VersionsCell, state: State) -> str:
    times = (state.seconds, state.open_s, state.list_s, state.newest_s)
    return (
        f"| {cell.store} | {state.versions:,} | {_mb(state.bytes)} | {state.files:,} | "
        + " | ".join(_ms(seconds) for seconds in times)
        + " |"
    )


def _extrapolations(cells: Sequence[VersionsCell]) -> list[str]:
    """Return the lines about 1,000 versions for stores that have fewer."""
    rows = []
    for cell in cells:
        size = extrapolated(cell.appended, NUMBER, "bytes")
        files = extrapolated(cell.appended, NUMBER, "files")
        grown = cell.grown
        if size is None or files is None or grown is None:
            continue
        rows.append(f"| {cell.store} | {grown.versions:,} | {_mb(size)} | {max(0, files):,.0f} |")
    if not rows:
        return []
    return [
        f"Extrapolated, not measured: a parabola through the last three states, at {NUMBER:,}"
        " versions.",
        "",
        "| store | measured to | MB, extrapolated | files, extrapolated |",
        "|---|--:|--:|--:|",
        *rows,
        "",
    ]


def _mb(size: float) -> str:
    return f"{size / 1e6:,.2f}" if size < 1e8 else f"{size / 1e6:,.0f}"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    milliseconds = seconds * 1e3
    return f"{milliseconds:,.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def as_record(cells: Sequence[VersionsCell], facts: VersionsFacts) -> dict[str, Any]:
    """Return the cells and their facts as a JSON-compatible dict."""
    rows = [{**asdict(cell), "store": str(cell.store)} for cell in cells]
    return {"facts": asdict(facts), "cells": rows}


def from_record(record: Mapping[str, Any]) -> list[VersionsCell]:
    """Return the cells of a record; none of an empty record."""
    return [
        VersionsCell(
            StoreName.parse(cell["store"]),
            cell["number"],
            cell["native"],
            tuple(State(**state) for state in cell["states"]),
            tuple(cell["notes"]),
        )
        for cell in record.get("cells", ())
    ]
