"""Decide: the three stores for a reader's needs, as `platebench advise` chooses them.

The rule is `results.decision`, on the figures of `results.advice`. The page's script (`decide.js`)
has the same rule for other needs; tests compare both. What a store's card says is written here,
once per store: the script only copies cards and scales their amounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from platebench.findings.finding import Finding
from platebench.findings.registry import FINDINGS
from platebench.images import set_profiles
from platebench.images.generated import generated
from platebench.results.advice import Advised, Basis, Estimate, Source, sample_of
from platebench.results.decision import Decision, StoreFigures
from platebench.results.kept_figures import plain
from platebench.results.needs import (
    AT_RANDOM,
    CROPS,
    IN_ORDER,
    OPTIONS,
    PARALLEL,
    RARE,
    USES,
    WRITES,
    Needs,
)
from platebench.results.prices import read_prices
from platebench.results.questions import headline_image_set, of_image_set
from platebench.results.ratios import Ratio
from platebench.results.store_words import format_title, readable
from platebench.results.tidy import CellResult
from platebench.site.amounts import Amount, amount_words, written
from platebench.site.embedded import script_json
from platebench.site.formats import page_of
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.name import StoreName
from platebench.stores.registry import FORMATS, TIFF_FOLDER

TB = 10**12
START_TB = 5
"""How much there is to keep when the page opens."""

NEEDS = Needs(pixel_bytes=START_TB * TB)
"""The needs with which the page opens: the defaults of `platebench advise`."""

PRESETS = (
    ("Mostly read in order", NEEDS),
    ("Mostly read at random", Needs(15, 80, 5)),
    ("Mostly crops", Needs(5, 10, 5, crops=80)),
    ("Mostly written", Needs(5, 5, 90)),
)
"""Common needs. Those with a use that was not measured are not shown."""

ASKED = {
    IN_ORDER: "read in order",
    AT_RANDOM: "at random",
    CROPS: "crops of",
    PARALLEL: "at random by 2 processes at once",
    WRITES: "written",
}
"""What the form says of each use."""


@dataclass(frozen=True)
class Depth:
    """A choice of bits per pixel. `images` is the image set that stands for it, None without one.

    `title` names it, `reason` says why it cannot be chosen.
    """

    bits: int
    title: str
    images: str | None
    reason: str = ""


@dataclass(frozen=True)
class Figure:
    """A row of a card. `value` is its amount, None if it was not measured.

    `kind` says how it came about; `low` and `high` are its 95% interval. `against` is its ratio to
    the TIFF folder, None for what has none.
    """

    name: str
    value: Amount | None
    kind: str = "measured"
    low: Amount | None = None
    high: Amount | None = None
    against: Against | None = None


@dataclass(frozen=True)
class Against:
    """A figure relative to that of the TIFF folder.

    `low` and `high` are the 95% interval for a repeat run, None for what is counted.
    """

    estimate: float
    low: float | None = None
    high: float | None = None

    @property
    def tie(self) -> bool:
        """True if a repeat run may show the other order."""
        return self.low is not None and self.high is not None and self.low <= 1 <= self.high


@dataclass(frozen=True)
class Card:
    """What the page says of one store. `page` is that of its format, None if it has none."""

    store: StoreName
    name: str
    format: str
    figures: Sequence[Figure]
    versions: str
    opened_by: str
    findings: Sequence[Finding]
    page: str | None = None

    @property
    def is_now(self) -> bool:
        """True for the TIFF folder, which most labs have."""
        return self.store == TIFF_FOLDER


def section(published: Published) -> Section | None:
    """Return the first screen; None if no image set was measured."""
    depths = depths_of(published.cells)
    start = next((each for each in depths if each.images is not None), None)
    if start is None or start.images is None:
        return None
    price = read_prices()[0]
    bases = {each.bits: basis_of(published.cells, each.images) for each in depths if each.images}
    basis = bases[start.bits]
    decision = basis.decide(NEEDS)
    samples = {
        each.bits: sample_of(published.cells, each.images, TB) for each in depths if each.images
    }
    cards = {
        bits: {each.store: each for each in cards_of(mine, samples[bits])}
        for bits, mine in bases.items()
    }
    shown = shown_of(basis, decision)
    data = {
        "now": str(TIFF_FOLDER),
        "currency": price.currency,
        "parallel": PARALLEL,
        "tables": {bits: table_of(each) for bits, each in bases.items()},
    }
    html = render(
        "decide.html",
        depths=depths,
        start=start,
        uses=[
            (
                ASKED[use],
                option,
                NEEDS.shares[use],
                any(_is_measured(each, use) for each in bases.values()),
            )
            for use, option in OPTIONS.items()
        ],
        tb=START_TB,
        price=price,
        presets=[
            (title, _numbers(needs), needs == NEEDS)
            for title, needs in PRESETS
            if all(_is_measured(basis, use) for use in needs.weights if use in RARE)
        ],
        titles={store: ", ".join(names) for store, (names, _) in shown.items()},
        ties={store: ties for store, (_, ties) in shown.items()},
        has_now=TIFF_FOLDER in basis.stores,
        cards=cards,
        samples=samples,
        says=says(basis, decision),
        left_out=[f"{store}: {why}" for store, why in sorted(decision.left_out.items())],
        own=own_command(NEEDS),
        words=lambda amount: amount_words(amount, START_TB, price.per_tb_month, price.currency),
        written=written,
        data=script_json(data),
    )
    return Section("decide", "Decide", html)


def _is_measured(basis: Basis, use: str) -> bool:
    return any(use in each.seconds for each in basis.figures)


def _numbers(needs: Needs) -> str:
    return " ".join(f"{share:g}" for share in needs.shares.values())


NOW = "What you have now"


def shown_of(basis: Basis, decision: Decision) -> dict[StoreName, tuple[list[str], list[str]]]:
    """Return the stores to show: the choices, and what most labs have now.

    Each has its titles, and the ties of the choices that it is.
    """
    found: dict[StoreName, tuple[list[str], list[str]]] = {}
    for name, choice in decision.choices.items():
        titles, ties = found.setdefault(choice.store, ([], []))
        titles.append(name.lower() if titles else name)
        if choice.ties:
            ties.append(f"{name} in a tie with {'; '.join(map(readable, choice.ties))}")
    if TIFF_FOLDER in basis.stores:
        titles, _ = found.setdefault(TIFF_FOLDER, ([], []))
        titles.append(NOW.lower() if titles else NOW)
    return found


def says(basis: Basis, decision: Decision) -> str:
    """Return for what needs the decision is, and between how many stores."""
    compared = len(basis.figures) - len(decision.left_out)
    where = "from the disk" if basis.cold else "from memory"
    said = f"{NEEDS}: {compared} {'store' if compared == 1 else 'stores'} compared, reads {where}."
    if decision.unmeasured:
        said += f" Not measured, so without weight: {', '.join(decision.unmeasured)}."
    return said


def own_command(needs: Needs) -> str:
    """Return the command that decides on one's own images."""
    return f"platebench advise DIR --size {START_TB}TB {needs.options()}"


def depths_of(cells: Sequence[CellResult]) -> list[Depth]:
    """Return both choices of bits per pixel; one's own images count as measured with 8 bits."""
    sixteen = [cell for cell in cells if bits_of(cell.image_set) == 16]
    eight = [cell for cell in cells if bits_of(cell.image_set) != 16]
    found = []
    for bits, mine in ((8, eight), (16, sixteen)):
        name = headline_image_set(mine)
        reason = "" if name else f"no images of {bits} bits were measured in this run"
        own = name is not None and bits_of(name) is None
        found.append(Depth(bits, f"as {name}" if own else f"{bits} bit", name, reason))
    return found


def bits_of(image_set: str) -> int | None:
    """Return the bits per pixel of a generated image set; None for others, and if they differ."""
    made = generated(image_set)
    return None if made is None else set_profiles.bits_of(made[0])


def basis_of(cells: Sequence[CellResult], images: str) -> Basis:
    """Return the measured cells of an image set as `platebench advise` reads them."""
    return Basis(of_image_set(cells, images))


def cards_of(basis: Basis, one: Source) -> list[Card]:
    """Return the card of every store with a figure, in the order of their names.

    `one` is a TB of images like the measured ones.
    """
    two = replace(one, images=2 * one.images, pixel_bytes=2 * one.pixel_bytes)
    lab = next((each for each in basis.figures if each.store == TIFF_FOLDER), None)
    return [
        _card(basis, each, lab, basis.advised(each.store, one), basis.advised(each.store, two))
        for each in sorted(basis.figures, key=lambda each: each.store)
    ]


def _card(
    basis: Basis, each: StoreFigures, lab: StoreFigures | None, one: Advised, two: Advised
) -> Card:
    """Return a store's card, from its figures for one TB and for two."""
    store = each.store

    def faster(use: str) -> Against | None:
        """Return how many times as fast the store is as the TIFF folder."""
        return None if store == TIFF_FOLDER else _against(basis.pair(TIFF_FOLDER, store, use))

    longer = None if store == TIFF_FOLDER else _against(basis.pair(store, TIFF_FOLDER, WRITES))
    sizes = None if lab is None or store == TIFF_FOLDER else (each.size, lab.size)
    larger = Against(sizes[0] / sizes[1]) if sizes and sizes[0] and sizes[1] else None
    rare = (("Crops/s", one.crops, CROPS), ("Images/s, 2 readers", one.parallel, PARALLEL))
    figures = (
        _figure("Kept", "bytes", one.stored_bytes, larger),
        _figure("A month", "money", one.stored_bytes, larger),
        _figure("To write all", "hours", one.hours, longer),
        _figure("Images/s in order", "rate", one.in_order, faster(IN_ORDER)),
        _figure("Images/s at random", "rate", one.at_random, faster(AT_RANDOM)),
        *(_figure(name, "rate", found, faster(use)) for name, found, use in rare if found),
        _files(one, two, basis),
        Figure("Memory to read", _memory(one.read_memory)),
        Figure("Memory to write", _memory(one.write_memory)),
    )
    return Card(
        store,
        readable(store),
        format_title(store.format),
        figures,
        "kept by the format" if one.native_versions else "only with platebench's part list",
        ", ".join(one.opened_by) or "not known",
        [finding for finding in FINDINGS if store.format in finding.formats],
        next((page_of(each) for each in FORMATS if each.name == store.format), None),
    )


_SCALED = {"bytes", "money", "hours"}
"""Kinds of amounts that grow with the images, given per TB."""


def _figure(name: str, kind: str, found: Estimate | None, against: Against | None) -> Figure:
    if found is None:
        return Figure(name, None)

    def amount(value: float | None) -> Amount | None:
        if value is None:
            return None
        return Amount(kind, per_tb=value) if kind in _SCALED else Amount(kind, fixed=value)

    exact = found.low == found.high
    low, high = (None, None) if exact else (amount(found.low), amount(found.high))
    return Figure(name, amount(found.value), str(found.kind), low, high, against)


def _files(one: Advised, two: Advised, basis: Basis) -> Figure:
    """Return the row of files: those of any amount if that is known, else of the sample."""
    if one.files is not None and two.files is not None:
        more = two.files.value - one.files.value
        amount = Amount("count", per_tb=more, fixed=one.files.value - more)
        return Figure("Files", amount, str(one.files.kind))
    cell = next(filter(None, (basis.cell(one.store, use) for use in USES)), None)
    if cell is None or not cell.stored_files:
        return Figure("Files", None)
    return Figure(f"Files of {cell.images:,} images", Amount("count", fixed=cell.stored_files))


def _memory(peak: int | None) -> Amount | None:
    return None if peak is None else Amount("memory", fixed=peak)


def _against(found: Ratio | None) -> Against | None:
    return None if found is None else Against(found.estimate, found.low, found.high)


def table_of(basis: Basis) -> dict[str, Any]:
    """Return what the script decides from, for the stores of one image set."""
    table = plain(basis.figures, basis.pair)
    for each in table["stores"]:
        each["name"] = readable(StoreName.parse(each["store"]))
    return {**table, "cold": basis.cold}
