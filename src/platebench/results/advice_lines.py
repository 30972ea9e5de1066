"""The answer of `platebench advise`: at most 15 lines of at most 80 columns.

A table with a column per chosen store. What it says is decided in `decision` and counted in
`advice`; this module only chooses words.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from platebench.limits import gigabytes
from platebench.results.advice import Advised, Basis, Estimate, Kind, Source
from platebench.results.decision import Choice, Decision
from platebench.results.needs import CROPS, PARALLEL, Needs
from platebench.results.prices import Price
from platebench.results.store_words import format_title, short_name
from platebench.results.telling import one_line
from platebench.stores.name import StoreName
from platebench.stores.registry import TIFF_FOLDER

WIDTH = 80
MOST = 15
_LABEL = 14
_MARKS = {Kind.MEASURED: "m", Kind.EXTRAPOLATED: "x", Kind.MODELLED: "c"}


@dataclass(frozen=True)
class Asked:
    """What the lines say beside the figures.

    `folder` is the source as the user's shell takes it, `program` how it starts platebench. `found`
    is the number of images of the source. `price` is None if there is none to show.
    """

    needs: Needs
    folder: str
    found: int
    price: Price | None = None
    program: str = "platebench"


def advice_lines(basis: Basis, source: Source, asked: Asked) -> list[str]:
    """Return the answer, or that nothing was measured and why."""
    decision = basis.decide(asked.needs)
    if not decision.choices:
        return _without_choice(decision)
    names: dict[StoreName, list[str]] = defaultdict(list)
    for name, choice in decision.choices.items():
        names[choice.store].append(name)
    titles = {store: ", ".join(given).capitalize() for store, given in names.items()}
    every = [basis.advised(store, source) for store in titles]
    above = [
        _heading(basis, source, asked, decision),
        _row("", titles.values()),
        _row("Store", map(short_name, titles)),
        *_rows(every, asked),
        *_ties(decision.choices),
        *(
            f"{title.partition(',')[0]:<{_LABEL}}{asked.program} pack {asked.folder} DEST"
            f" --store {store}"
            for store, title in titles.items()
        ),
    ]
    lines = [*above, *_footer(asked.price, MOST - len(above))]
    assert len(lines) <= MOST
    return lines


def ties_in_words(choices: Mapping[str, Choice]) -> list[str]:
    """Return a line for each choice with ties that names all of them."""
    return [
        f"Ties with the {name.lower()}, {choice.store}: {', '.join(map(str, choice.ties))}"
        for name, choice in choices.items()
        if choice.ties
    ]


def _heading(basis: Basis, source: Source, asked: Asked, decision: Decision) -> str:
    """Return what was measured, for what use, and what the sizes below are of."""
    some = f"{source.sampled:,} of " if source.sampled < asked.found else ""
    count = f"{some}{asked.found:,} image{'' if asked.found == 1 else 's'}"
    cold = "" if basis.cold else ", from memory"
    whole = gigabytes(source.pixel_bytes)
    needs = str(asked.needs)
    if decision.unmeasured:
        needs = f"without {', '.join(decision.unmeasured)}, which were not measured"
    return _first_that_fits(
        f"{whole} of pixels, {count} measured{cold}: {needs}",
        f"{whole}, {count} measured{cold}: {needs}",
        f"{whole}, {count}{cold}: {needs}",
        f"{count}{cold}: {needs}",
    )


def _rows(every: Sequence[Advised], asked: Asked) -> Iterator[str]:
    """Yield the rows of figures; those of uses that few have take the place of the last ones."""
    sizes = [each.stored_bytes for each in every]
    yield _row(_label("Bytes kept", sizes), (_kept(each, asked.price) for each in sizes))
    yield _figures("To convert", [each.hours for each in every], _duration)
    yield _figures("In order", [each.in_order for each in every], _rate)
    yield _figures("At random", [each.at_random for each in every], _rate)
    further = {
        CROPS: _figures("Crops", [each.crops for each in every], _rate),
        PARALLEL: _figures("2 readers", [each.parallel for each in every], _rate),
    }
    used = [row for use, row in further.items() if use in asked.needs.weights]
    usual = list(_usual_rows(every))
    yield from [*used, *usual][: len(usual)]


def _usual_rows(every: Sequence[Advised]) -> Iterator[str]:
    files = [each.files for each in every]
    kept = ("native" if each.native_versions else "part list" for each in every)
    yield _row(
        _label("Files, vers.", files),
        (f"{_files(file)}, {how}" for file, how in zip(files, kept, strict=True)),
    )
    memory = (f"{_memory(each.read_memory)}, {_memory(each.write_memory)}" for each in every)
    yield _row("RAM r, w    m", memory)
    yield _row("Opened by", (", ".join(each.opened_by) for each in every))


def _figures(
    name: str, estimates: Sequence[Estimate | None], words: Callable[[Estimate], str]
) -> str:
    return _row(
        _label(name, estimates),
        ("not measured" if each is None else words(each) for each in estimates),
    )


def _label(name: str, estimates: Sequence[Estimate | None]) -> str:
    """Return the label of a row, with the mark of how its figures came about."""
    marks = dict.fromkeys(_MARKS[each.kind] for each in estimates if each is not None)
    return f"{name:<12}{''.join(marks)}"


def _row(label: str, cells: Iterable[str]) -> str:
    """Return a row whose columns have the same width and fill the line."""
    given = list(cells)
    width = (WIDTH - _LABEL) // len(given)
    fitted = (f"{_cut(each, width - 1):<{width}}" for each in given)
    return (f"{label:<{_LABEL}}" + "".join(fitted)).rstrip()


def _ties(choices: Mapping[str, Choice]) -> Iterator[str]:
    """Yield a line with the ties, if there are any; as many are named as fit."""
    tied = {name.lower(): choice.ties for name, choice in choices.items() if choice.ties}
    if not tied:
        return
    named = dict.fromkeys(tied, 1)
    line = _tie_line(tied, named)
    growing = True
    while growing:
        growing = False
        for name, ties in tied.items():
            more = {**named, name: named[name] + 1}
            if named[name] < len(ties) and len(longer := _tie_line(tied, more)) <= WIDTH:
                named, line, growing = more, longer, True
    yield _cut(line, WIDTH)


def _tie_line(tied: Mapping[str, Sequence[StoreName]], named: Mapping[str, int]) -> str:
    said = (f"{name} {_some(ties, named[name])}" for name, ties in tied.items())
    return f"{'Ties':<{_LABEL}}{'; '.join(said)}"


def _some(stores: Sequence[StoreName], named: int) -> str:
    """Return some stores, those of the same tuning together, and how many more there are."""
    by_tuning: dict[str, list[str]] = defaultdict(list)
    for store in stores[:named]:
        tuning = "" if store == TIFF_FOLDER else f" {store.tuning}"
        by_tuning[tuning].append(format_title(store.format))
    said = [", ".join(formats) + tuning for tuning, formats in by_tuning.items()]
    more = len(stores) - named
    return ", ".join(said) + (f" +{more}" if more > 0 else "")


def _footer(price: Price | None, room: int) -> Iterator[str]:
    """Yield what the marks mean and where the price is from, in at most `room` lines."""
    marks = "m measured, x extrapolated, c modelled"
    if price is None or room > 1:
        yield f"{marks}; ( ) 95% interval of a repeat run"
    if price is None:
        return
    rate = f"{price.currency}{price.per_tb_month:g}/TB"
    if room > 1:
        said = f"{rate} a month: {price.name}, {price.day}"
        yield _first_that_fits(f"{said}, {price.source}", said)
        return
    yield _first_that_fits(
        f"{marks}; ( ) 95%; {rate} {price.name}, {price.day}",
        f"{marks}; ( ) 95%; {rate}, {price.name}",
        f"m measured x extrapolated c modelled; 95%; {rate} {price.name} {price.day.year}",
        f"{marks}; {rate}, {price.day}",
    )


def _without_choice(decision: Decision) -> list[str]:
    """Return that nothing was measured, and the first reason."""
    if not decision.left_out:
        return ["Nothing was measured, so there is no advice."]
    store, reason = next(iter(decision.left_out.items()))
    count = len(decision.left_out)
    return [
        f"No store was measured, so there is no advice ({count} failed, skipped or not begun).",
        _cut(f"{store}: {one_line(reason)}", WIDTH),
    ]


def _kept(size: Estimate | None, price: Price | None) -> str:
    if size is None:
        return "not measured"
    reach = ""
    if size.high is not None and size.high > size.value:
        reach = f" ±{max(1, math.ceil(100 * (size.high / size.value - 1)))}%"
    cost = "" if price is None else f", {_money(price.of(size.value), price.currency)}/mo"
    return f"{gigabytes(round(size.value))}{reach}{cost}"


def _money(amount: float, currency: str) -> str:
    number = f"{amount:.0f}" if amount >= 10 else f"{max(amount, 0.01):.2f}"
    less = "<" if 0 < amount < 0.01 else ""
    return less + (f"{currency}{number}" if len(currency) == 1 else f"{number} {currency}")


def _rate(rate: Estimate) -> str:
    return f"{_digits(rate.value)}/s{_interval(rate, 1)}"


def _duration(hours: Estimate) -> str:
    """Return hours in the largest unit of which there are two."""
    units = ((1 / 3.6e6, "ms"), (1 / 3600, "s"), (1 / 60, "min"), (1.0, "h"), (24.0, "days"))
    size, unit = next((each for each in reversed(units) if hours.value >= 2 * each[0]), units[0])
    return f"{_digits(hours.value / size)} {unit}{_interval(hours, size)}"


def _interval(estimate: Estimate, unit: float) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({_digits(estimate.low / unit)}-{_digits(estimate.high / unit)})"


def _digits(value: float) -> str:
    """Return two or three significant digits, without a comma."""
    if value >= 99.5:
        places = max(0, int(math.log10(value)) - 2)
        return str(round(value / 10**places) * 10**places)
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


def _files(files: Estimate | None) -> str:
    if files is None:
        return "?"
    return f"{files.value:,.0f}" if files.value < 1e7 else f"{files.value / 1e6:,.0f} million"


def _memory(peak: int | None) -> str:
    if peak is None:
        return "?"
    return gigabytes(peak) if peak >= 1e6 else "<1 MB"


def _first_that_fits(*lines: str) -> str:
    """Return the first line of at most `WIDTH` columns; the last one, cut, if none is."""
    return next((line for line in lines if len(line) <= WIDTH), _cut(lines[-1], WIDTH))


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
