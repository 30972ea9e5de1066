"""Growth: how a store's time per image, memory and bytes change with the number of images.

A power law, value = a * images^exponent, is fitted by least squares to the logarithms, with one
point for each size of image set. The 95% interval of the exponent is Student's, with two degrees of
freedom less than there are sizes. So it also says how well a power law describes the sizes: three
give a wide interval unless they lie on a line.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from platebench.results.fitted_table import FittedTables, Titled
from platebench.results.operations import OPERATIONS
from platebench.results.report import figure, seconds
from platebench.results.tidy import CellResult
from platebench.stores import registry
from platebench.stores.name import StoreName

FEWEST_SIZES = 3
"""Fewer sizes of image set leave no degree of freedom for an interval."""

CONFIDENCE = 0.95

MOST = 0.1
"""The largest exponent of the time per image of a store that does not become slower."""

TIME, MEMORY, BYTES = "time per image", "peak memory", "stored bytes per image"
"""What is fitted. An operation that reads no image, such as opening, has its whole time."""

_MEMORY_OF = ("write", "scan")
"""Operations whose peak memory is shown: those that handle every image."""


@dataclass(frozen=True)
class Exponent:
    """An exponent and its confidence interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Say if it is at most `MOST`: `flat`, or `grows`, or `open` if that is not settled."""
        if self.high <= MOST:
            return "flat"
        return "grows" if self.low > MOST else "open"

    def __str__(self) -> str:
        return f"{_signed(self.value)} ({_signed(self.low)} to {_signed(self.high)})"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no "-0.00"


@dataclass(frozen=True)
class Growth:
    """What was measured of one store in image sets of several sizes.

    `title` names the operation, its details and the cache state; `what` is `TIME` in seconds,
    `MEMORY` or `BYTES`. `values` are pairs of a number of images and the value, the fewest first.
    """

    profile: str
    title: str
    what: str
    store: StoreName
    values: tuple[tuple[int, float], ...]

    @property
    def exponent(self) -> Exponent | None:
        """The fitted exponent; None for fewer than `FEWEST_SIZES` sizes."""
        return exponent_of(self.values)

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        if self.what == TIME:
            return seconds(value)
        return f"{figure(value / 1e6)} MB" if self.what == MEMORY else f"{value:,.0f} B"


def exponent_of(values: Sequence[tuple[int, float]]) -> Exponent | None:
    """Fit a power law to numbers of images and values.

    None for fewer than `FEWEST_SIZES` numbers, and for values that have no logarithm.
    """
    sizes = {images for images, _ in values}
    if len(sizes) < FEWEST_SIZES or any(value <= 0 for _, value in values):
        return None
    if len({value for _, value in values}) == 1:  # scipy 1.17 gives NaN for the error
        return Exponent(0.0, 0.0, 0.0)
    from scipy import stats  # takes half a second to import, and few reports fit

    across = [math.log(images) for images, _ in values]
    found = stats.linregress(across, [math.log(value) for _, value in values])
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 2)
    reach = float(quantile * found.stderr)
    return Exponent(float(found.slope), float(found.slope) - reach, float(found.slope) + reach)


def growth_of(cells: Iterable[CellResult]) -> list[Growth]:
    """Return the growth of every store that was measured on `FEWEST_SIZES` or more sizes.

    Sorted by profile, and within it in the order of operations and stores. The bytes come last.
    """
    found: dict[tuple[str, str, str, StoreName], dict[int, float]] = defaultdict(dict)
    for cell in cells:
        if cell.status != "ok" or cell.median_s is None or not cell.images:
            continue
        title = title_of(cell)
        per_image = cell.median_s / (cell.read_images or 1)
        found[cell.profile, title, TIME, cell.store][cell.images] = per_image
        if cell.peak_bytes and cell.operation in _MEMORY_OF:
            memory = (cell.profile, title, MEMORY, cell.store)
            found[memory][cell.images] = float(cell.peak_bytes)
        if cell.stored_bytes and cell.stored_pixel_bytes == cell.set_pixel_bytes:
            stored = cell.stored_bytes / cell.images
            found[cell.profile, _STORED, BYTES, cell.store].setdefault(cell.images, stored)
    every = [
        Growth(profile, title, what, store, tuple(sorted(values.items())))
        for (profile, title, what, store), values in found.items()
        if len(values) >= FEWEST_SIZES
    ]
    return sorted(every, key=_place)


_STORED = "stored"


def title_of(cell: CellResult) -> str:
    """Return the operation, its details and the cache state of a cell: `take, 1, cold`."""
    return ", ".join(filter(None, (cell.operation, cell.detail, cell.cache)))


def _place(growth: Growth) -> tuple[object, ...]:
    operations = [f"{each.name}, {each.cache}" for each in OPERATIONS.values()]
    words = growth.title.split(", ")
    mine = f"{words[0]}, {words[-1]}"
    what = (TIME, MEMORY, BYTES).index(growth.what)
    operation = operations.index(mine) if mine in operations else len(operations)
    names = registry.names()
    store = names.index(growth.store) if growth.store in names else len(names)
    return (growth.profile, what, operation, growth.title, store, growth.store)


HEADS = ("store", "images", "fewest", "most", "exponent (95% interval)", "")

LEGEND = (
    "fewest, most: the value with the fewest and with the most images. exponent: of the number of"
    f" images, fitted to all sizes. flat: at most {MOST:g} beyond doubt; grows: more than that"
    " beyond doubt; open: not settled."
)

NOTHING = (
    f"no store was measured on {FEWEST_SIZES} or more sizes of image set; 'platebench run --images"
    " 32,128,512,2048' does that"
)


def groups(grown: Sequence[Growth]) -> list[tuple[str, list[Growth]]]:
    """Return the growth by operation and value, each with a title."""
    found: dict[str, list[Growth]] = defaultdict(list)
    for each in grown:
        found[f"{each.profile} images: {each.what}, {each.title}"].append(each)
    return list(found.items())


def fields(growth: Growth) -> list[str]:
    """Return the fields of a row."""
    (few, first), (many, last) = growth.values[0], growth.values[-1]
    fitted = growth.exponent
    return [
        str(growth.store),
        f"{few:,} to {many:,}",
        growth.shown(first),
        growth.shown(last),
        "" if fitted is None else str(fitted),
        "" if fitted is None or growth.what != TIME else fitted.verdict,
    ]


def as_markdown(grown: Sequence[Growth]) -> str:
    """Return a Markdown table per operation and value."""
    lines: list[str] = []
    for title, group in groups(grown):
        lines += [f"### {title}", "", f"| {' | '.join(HEADS)} |", "|---|---|--:|--:|--:|---|"]
        lines += [f"| {' | '.join(fields(each))} |" for each in group]
        lines.append("")
    return "\n".join(lines)


def as_tables(grown: Sequence[Growth]) -> RenderableType:
    """Return the same for a terminal."""
    tables = [
        Titled(Text(title, "bold"), [fields(each) for each in group], [Text()])
        for title, group in groups(grown)
    ]
    return Group(FittedTables(HEADS, tables, ("images", "fewest", "")), Text(LEGEND, "dim"))


def as_records(grown: Sequence[Growth]) -> list[dict[str, Any]]:
    """Return the growth as JSON-compatible dicts."""
    records = []
    for each in grown:
        fitted = each.exponent
        records.append(
            {
                "profile": each.profile,
                "title": each.title,
                "what": each.what,
                "store": str(each.store),
                "values": [list(pair) for pair in each.values],
                "exponent": None if fitted is None else fitted.value,
                "low": None if fitted is None else fitted.low,
                "high": None if fitted is None else fitted.high,
            }
        )
    return records


def as_json(grown: Sequence[Growth]) -> str:
    """Return the growth as a JSON list."""
    return json.dumps(as_records(grown), indent=1)


def as_csv(grown: Sequence[Growth]) -> str:
    """Return the growth as CSV, with a row for each size of image set."""
    sink = io.StringIO()
    rows = [
        {**each, "images": images, "value": value}
        for each in as_records(grown)
        for images, value in each.pop("values")
    ]
    writer = csv.DictWriter(sink, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().rstrip("\n")


def from_records(records: Iterable[Mapping[str, Any]]) -> list[Growth]:
    """Return the growth that such dicts describe."""
    return [
        Growth(
            each["profile"],
            each["title"],
            each["what"],
            StoreName.parse(each["store"]),
            tuple((int(images), float(value)) for images, value in each["values"]),
        )
        for each in records
    ]


def page(grown: Sequence[Growth], told: str, command: str) -> str:
    """Return docs/growth.md. `told` says what was measured: the machine and the libraries."""
    times = [each for each in grown if each.what == TIME and each.store != registry.FLOOR]
    verdicts = [fitted.verdict for each in times if (fitted := each.exponent) is not None]
    counts = {word: verdicts.count(word) for word in ("flat", "grows", "open")}
    lines = [
        "# Growth with the number of images",
        "",
        f"How the time per image changes with the size of the image set, of {len(times)} stores and"
        f" operations: {counts['flat']} are flat (their exponent is at most {MOST:g} beyond doubt),"
        f" {counts['grows']} grow, {counts['open']} are open.",
        "",
        LEGEND,
        "",
        "The fit is by least squares on the logarithms, with one point per size; the interval is"
        " Student's. An operation that reads no image, such as `open`, has its whole time.",
        "",
        f"    {command}",
        "",
        told,
        "",
        as_markdown(grown),
    ]
    return "\n".join(lines).rstrip() + "\n"
