"""The answer of a run in at most ten lines of plain text of at most 80 columns.

`platebench run`, `make bench` and `platebench report` print them. What they say is decided in
`answer`; this module only chooses words. Reads from the disk come first, since most readers have
more data than memory. Every time is relative to a folder of TIFF files, which most labs have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from platebench.images.generated import generated
from platebench.limits import gigabytes
from platebench.results.answer import LAB, Answers, Chosen, Fastest, answers
from platebench.results.questions import (
    ADD_ROWS,
    COLD_SCAN,
    COLD_TAKE,
    COLUMNS,
    FILTER,
    IMAGES_WHERE,
    JOIN,
    OLD,
    SCAN,
    TAKE,
    WRITE,
    Question,
    Times,
)
from platebench.results.store_words import short_name
from platebench.results.telling import one_line
from platebench.results.tidy import CellResult
from platebench.stores.name import StoreName

WIDTH = 80
MOST = 10
_LABEL = 14

NAMED = 4
"""The number of tied stores that are named; others are counted."""


@dataclass(frozen=True)
class Topic:
    """A line of the answer, with the questions that it answers, the preferred one first.

    `short` names it in a list. `reads`: pages in memory make it faster.
    """

    label: str
    short: str
    questions: tuple[Question, ...]
    reads: bool = True


TOPICS = (
    Topic("Single images", "single images", (COLD_TAKE, TAKE)),
    Topic("Read all", "all", (COLD_SCAN, SCAN)),
    Topic("Write", "write", (WRITE,), reads=False),
    Topic("Older version", "older", (OLD,)),
)
TABLE_TOPICS = (
    Topic("Columns", "columns", (COLUMNS,)),
    Topic("Filter", "filter", (FILTER,)),
    Topic("Images where", "images where", (IMAGES_WHERE,)),
    Topic("Join", "join", (JOIN,)),
    Topic("Append rows", "append rows", (ADD_ROWS,), reads=False),
)
"""Lines of a run that measured nothing but tables."""


@dataclass(frozen=True)
class Context:
    """What the lines say beside the figures.

    `source` is what the user gave to `--images`, "" if it is not known. `samples` are the image
    sets that are samples, with the number of images that they were taken from. `program` is how
    the user's shell starts platebench.
    """

    source: str = ""
    samples: Mapping[str, int] = field(default_factory=dict)
    program: str = "platebench"


def ten_lines(cells: Sequence[CellResult], context: Context | None = None) -> list[str]:
    """Return the answer of a run."""
    context = context or Context()
    found = answers(cells)
    if found is None:
        return _without_answer(cells, context)
    said = _answered(found, TOPICS) or _answered(found, TABLE_TOPICS)
    lines = [
        _heading(found, context, said),
        *(_fastest(topic, answer, found.elsewhere(answer)) for topic, answer in said),
        *_sized(found),
        *_floor(said),
        _how_sure(found, cells, said),
        _next(found, context, said),
    ]
    # Reads from memory matter least, since most readers have more data than memory.
    lines[-3:-3] = islice(_from_memory(found, said), MOST - len(lines))
    assert len(lines) <= MOST
    return lines


def _answered(found: Answers, topics: Sequence[Topic]) -> list[tuple[Topic, Fastest]]:
    return [(topic, answer) for topic in topics if (answer := _answer(found, topic)) is not None]


def _answer(found: Answers, topic: Topic) -> Fastest | None:
    return next(
        (answer for each in topic.questions if (answer := found.to(each)) is not None), None
    )


def _heading(found: Answers, context: Context, said: Sequence[tuple[Topic, Fastest]]) -> str:
    """Return what was measured, and what the figures below are relative to."""
    count = f"{found.count or 0:,} image{'' if found.count == 1 else 's'}"
    if found.images in context.samples:
        count = f"{found.count or 0:,} of {context.samples[found.images]:,} images"
    size = "" if found.pixel_bytes is None else f", {gigabytes(found.pixel_bytes)}"
    cold = any(answer.question.cache == "cold" for _, answer in said)
    read = "Read from the disk; speed" if cold else "Read from memory; speed"
    rest = f"{size}. {read} against a TIFF folder:"
    return _first_that_fits(f"{count} ({found.images}){rest}", f"{count}{rest}")


def _fastest(topic: Topic, answer: Fastest, elsewhere: str) -> str:
    memory = topic.reads and answer.question.cache != "cold"
    notes = [*(["from memory"] if memory else []), *([elsewhere] if elsewhere else [])]
    where = "".join(f", {each}" for each in notes)
    best = answer.best
    if answer.stores == 1:
        return _line(topic.label, f"only {short_name(best.store)} measured: {_rate(best)}{where}")
    if answer.one_round:
        said = f"{short_name(best.store)} was first, not settled"
        return _line(topic.label, f"{said}: {_rate(best)}{where}", f"{said}{where}", said)
    tied = [cell.store for cell in (best, *answer.unsettled)]
    takes = answer.lab_takes
    texts = list(_tie(tied) if answer.winner is None else _winner(best.store))
    if takes is None or LAB in tied:
        results = [_rate(best)]
    else:
        results = [_faster(takes), _faster(Times(takes.estimate))]
    brief = f" ({', '.join(['memory', *notes[1:]] if memory else notes)})" if notes else ""
    code = _code(tied)
    return _line(
        topic.label,
        *(
            f"{text}: {result}{said}"
            for said in (where, brief)
            for result in results
            for text in texts
        ),
        f"{code}: {results[-1].removesuffix(' faster')}{brief}",
        f"{code}{brief}",
    )


def _sized(found: Answers) -> Iterator[str]:
    """Yield the smallest store and the balanced one, unless one round leaves open which it is."""
    smallest, balanced = found.smallest, found.balanced
    if smallest is not None:
        yield _chosen("Smallest", smallest)
    if balanced is None or found.one_round:
        return
    if smallest is not None and balanced.best.store == smallest.best.store:
        yield _line("Balanced", "the same store, for 80% reads in order, 15% at random, 5% writes")
    else:
        yield _chosen("Balanced", balanced)


def _chosen(label: str, answer: Chosen) -> str:
    """Return a store that is chosen for its size, and what the size costs in time."""
    best, lab, takes = answer.best, answer.lab_takes, answer.takes
    size = f"{best.bytes_per_pixel_byte:.2f} of raw size" if lab is None else _smaller(lab)
    stores = [best.store, *(cell.store for cell in answer.tied)]
    texts = list(_tie(stores) if answer.tied else _winner(best.store))
    costs = [""]
    if takes is not None:
        long, short = f"single images {_as_long(takes)}", f"single images {_roughly(takes)}"
        costs = [f", {long}", f", {short}", f", {_roughly(takes)}"]
    code = _code(stores)
    return _line(
        label,
        *(f"{text}: {size}{cost}" for cost in costs for text in texts),
        f"{code}: {size}{costs[-1]}",
        f"{code}: {size}",
    )


def _from_memory(found: Answers, said: Sequence[tuple[Topic, Fastest]]) -> Iterator[str]:
    """Yield the answers for reads from memory, if those from the disk are given first."""
    warm = [
        (topic, found.to(topic.questions[-1]))
        for topic, answer in said
        if topic.questions[-1].cache == "warm"
        and answer.question.cache == "cold"
        and not answer.one_round
    ]
    parts = [f"{topic.short} {_brief(answer)}" for topic, answer in warm if answer is not None]
    if parts:
        yield _line("From memory", "; ".join(parts))


def _brief(answer: Fastest) -> str:
    return short_name(answer.best.store) + (" (tie)" if answer.winner is None else "")


def _floor(said: Sequence[tuple[Topic, Fastest]]) -> Iterator[str]:
    """Yield the best stores' times relative to one bare file's: what is left to gain."""
    parts = [
        f"{topic.short} {_digits(answer.of_floor.estimate)}x"
        for topic, answer in said
        if answer.of_floor is not None
    ]
    if parts:
        texts = (", ".join(parts[:end]) for end in range(len(parts), 0, -1))
        yield _line("Floor", *(f"of one bare file's time: {text}" for text in texts))


def _how_sure(
    found: Answers, cells: Sequence[CellResult], said: Sequence[tuple[Topic, Fastest]]
) -> str:
    failed = sum(cell.status == "failed" for cell in cells)
    failures = f"; {failed} of {len(cells)} measurements failed" if failed else ""
    least, most = found.rounds, found.most_rounds
    rounds = f"{least} to {most}" if least < most else f"{most}"
    rounds += " round" if most == 1 else " rounds"
    if found.half_width is not None:
        rounds += f", accurate to ±{found.half_width:.0%}"
    open_ = [topic.short for topic, answer in said if answer.winner is None]
    ties = f"ties: {', '.join(open_)}" if open_ else "no ties"
    few = f"{len(open_)} of {len(said)} tie"
    if found.one_round:
        ties = few = "no order is settled"
    return _line(
        "How sure",
        f"{rounds}; {ties}{failures}",
        f"{rounds}; {few}{failures}",
        f"{rounds}{failures}",
    )


def _next(found: Answers, context: Context, said: Sequence[tuple[Topic, Fastest]]) -> str:
    """Return the command to type next: for images of one's own, or for surer figures."""
    command = f"{context.program} run --images"
    if generated(found.images) is not None:
        return f"{'Your images':<{_LABEL}}{command} path/to/tiffs"
    open_ = any(answer.winner is None for _, answer in said)
    more = "--minutes 30" if open_ else "--all"
    label = "Surer" if open_ else "Everything"
    # A command is never cut: the terminal wraps it, and it can still be copied.
    return f"{label:<{_LABEL}}{command} {context.source or 'DIR'} {more}"


def _without_answer(cells: Sequence[CellResult], context: Context) -> list[str]:
    """Return that nothing was measured, and the first reason."""
    failed = [cell for cell in cells if cell.status == "failed"]
    if not cells:
        return ["Nothing was measured, so there is no answer."]
    first = (failed or list(cells))[0]
    return [
        f"No measurement succeeded, so there is no answer: {len(failed)} failed,"
        f" {len(cells) - len(failed)} skipped.",
        _cut(f"{first.operation} of {first.store}: {one_line(first.message)}"),
        f"All reasons: {context.program} report",
    ]


def _rate(cell: CellResult) -> str:
    return "" if cell.images_per_s is None else f"{cell.images_per_s:,.0f} images/s"


def _faster(takes: Times) -> str:
    """Return how much faster a store is than one that takes `takes` times as long."""
    return f"{_digits(takes.estimate)}x faster{_interval(takes.low, takes.high)}"


def _as_long(takes: Times) -> str:
    """Return how much slower or faster a store is that takes `takes` times as long."""
    if takes.open:
        return "about as fast"
    if takes.estimate < 1:
        low, high = (None if end is None else 1 / end for end in (takes.high, takes.low))
        return _faster(Times(1 / takes.estimate, low, high))
    return f"{_digits(takes.estimate)}x slower{_interval(takes.low, takes.high)}"


def _roughly(takes: Times) -> str:
    """Return the same without the interval."""
    return _as_long(Times(takes.estimate))


def _smaller(lab: Times) -> str:
    """Return how much smaller a store is than a TIFF folder with `lab` times its bytes."""
    return "as large" if lab.estimate < 1.01 else f"{_digits(lab.estimate)}x smaller"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({_digits(low)} to {_digits(high)})"


def _digits(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def _winner(store: StoreName) -> Iterator[str]:
    """Yield a store's name in words with its name in code, and without."""
    yield f"{short_name(store)} ({store})"
    yield short_name(store)


def _tie(stores: Sequence[StoreName]) -> Iterator[str]:
    """Yield stores that tie with fewer and fewer of them named, the TIFF folder first.

    Stores that differ in the layout alone share a name.
    """
    ordered = sorted(stores, key=lambda store: store != LAB)
    names = list(dict.fromkeys(map(short_name, ordered)))
    for named in range(min(NAMED, len(names)), 0, -1):
        more = len(names) - named
        yield ", ".join(names[:named]) + (f" and {more} more" if more else "") + " (tie)"


def _code(stores: Sequence[StoreName]) -> str:
    """Return the first of stores that tie as code, where their names in words are too long."""
    return f"{stores[0]}" + (f" and {len(stores) - 1} more" if stores[1:] else "")


def _line(label: str, *texts: str) -> str:
    """Return a line with the first text that fits."""
    return _first_that_fits(*(f"{label:<{_LABEL}}{text}" for text in texts))


def _first_that_fits(*lines: str) -> str:
    """Return the first line of at most `WIDTH` columns; the last one, cut, if none is."""
    return next((line for line in lines if len(line) <= WIDTH), _cut(lines[-1]))


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
