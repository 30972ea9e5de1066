"""Your mix: what a person does with images, weighed, and the stores ranked by it.

The score of a store is the geometric mean of its ratios to the floor, weighted by what the person
said matters: exp(sum(weight * ln(ratio)) / sum(weight)). The page's script has the same function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from platebench.results.tidy import CellResult
from platebench.site.chosen import APPEND, COLD_SCAN, COLD_TAKE, OLD, SCAN, TAKE, WRITE, Question
from platebench.site.embedded import script_json
from platebench.site.grid import CACHES, in_order, stored, versions_missing
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.site.sets import first_set, set_of, sets_in
from platebench.stores.registry import FLOOR

MOST = 10
"""The largest weight of a criterion; the smallest is 0, with which it does not count."""

SIZE = "size"


@dataclass(frozen=True)
class Criterion:
    """One slider: the cells it stands for, of which it is the geometric mean, warm and cold."""

    key: str
    title: str
    says: str
    warm: Sequence[Question] = ()
    cold: Sequence[Question] = ()

    def asks(self, cache: str) -> Sequence[Question]:
        """The cells it stands for."""
        return self.cold if cache == "cold" else self.warm


CRITERIA = (
    Criterion("reads", "Whole reads", "read every image in order", [SCAN], [COLD_SCAN]),
    Criterion("rows", "Random rows", "open, read 16 scattered images", [TAKE], [COLD_TAKE]),
    Criterion("writes", "Writes", "write all images, to the end of fsync", [WRITE], [WRITE]),
    Criterion(
        "versions",
        "Versions",
        "add a version and open an old one, in equal parts",
        [APPEND, OLD],
        [APPEND, OLD],
    ),
    Criterion(SIZE, "Size", "bytes stored a byte of uncompressed pixels"),
)


class Preset(NamedTuple):
    """A mix that many have, in weights of the criteria in their order."""

    title: str
    weights: Sequence[int]

    def by_key(self) -> dict[str, int]:
        """The weights by the criteria's keys."""
        return {each.key: weight for each, weight in zip(CRITERIA, self.weights, strict=True)}


PRESETS = (
    Preset("All but versions", (3, 3, 3, 0, 3)),
    Preset("Archive", (1, 0, 2, 0, 8)),
    Preset("Training at random", (1, 9, 0, 0, 1)),
    Preset("Weekly re-analysis", (6, 1, 2, 4, 1)),
)
"""The first is what the page opens with."""


class Figure(NamedTuple):
    """A criterion's ratio to the floor, and its interval's half width on the log scale."""

    ratio: float
    reach: float | None


@dataclass(frozen=True)
class Measured:
    """What is known of a store on an image set, warm or cold, by criterion: a figure or why not."""

    store: str
    figures: Mapping[str, Figure]
    missing: Mapping[str, str]


@dataclass(frozen=True)
class Ranked:
    """A store's place. `parts` are what each criterion that counts multiplies the score by."""

    measured: Measured
    score: float
    reach: float | None
    parts: Mapping[str, float]


def section(published: Published) -> Section | None:
    """Return the sliders, and the ranking by the first preset on the main image set, warm."""
    cells = [cell for cell in published.cells if cell.store != FLOOR]
    images = first_set(cells)
    if images is None:
        return None
    views = {
        f"{name} {cache}": measured_of([cell for cell in cells if set_of(cell) == name], cache)
        for name in sets_in(cells)
        for cache in CACHES
    }
    weights = PRESETS[0].by_key()
    ranked, apart = ranking(views[f"{images} warm"], weights)
    html = render(
        "mix.html",
        criteria=CRITERIA,
        presets=PRESETS,
        weights=weights,
        most=MOST,
        sets=sets_in(cells),
        images=images,
        ranked=ranked,
        apart=apart,
        data=script_json(
            {view: [_plain(each) for each in stores] for view, stores in views.items()}
        ),
    )
    return Section("mix", "Your mix", html)


def score(figures: Mapping[str, Figure], weights: Mapping[str, float]) -> float:
    """Return the weighted geometric mean of the ratios. The weights' sum is above zero."""
    return math.prod(parts(figures, weights).values())


def parts(figures: Mapping[str, Figure], weights: Mapping[str, float]) -> dict[str, float]:
    """Return what each criterion that counts multiplies the score by."""
    total = sum(weights.values())
    return {
        key: math.exp(weight * math.log(figures[key].ratio) / total)
        for key, weight in weights.items()
        if weight > 0
    }


def score_reach(figures: Mapping[str, Figure], weights: Mapping[str, float]) -> float | None:
    """Return half the width of the score's interval, relative to it; None where one is not known.

    The criteria's errors are taken as independent. A size is counted, and has none.
    """
    total = sum(weights.values())
    counting = {key: weight for key, weight in weights.items() if weight > 0 and key != SIZE}
    reaches = [(weight, figures[key].reach) for key, weight in counting.items()]
    known = [(weight, half) for weight, half in reaches if half is not None]
    if not known or len(known) < len(reaches):
        return None
    return math.expm1(math.hypot(*(weight * half / total for weight, half in known)))


def ranking(
    stores: Sequence[Measured], weights: Mapping[str, float]
) -> tuple[list[Ranked], list[tuple[str, str]]]:
    """Return the stores, the best first, and apart those that lack what counts, with the reason.

    Without any weight above zero nothing is ranked.
    """
    counting = [key for key, weight in weights.items() if weight > 0]
    if not counting:
        return [], []
    ranked, apart = [], []
    for each in stores:
        lacking = [each.missing[key] for key in counting if key in each.missing]
        if lacking:
            apart.append((each.store, "; ".join(lacking)))
        else:
            found = each.figures
            ranked.append(
                Ranked(
                    each, score(found, weights), score_reach(found, weights), parts(found, weights)
                )
            )
    return sorted(ranked, key=lambda each: each.score), apart


def measured_of(cells: Sequence[CellResult], cache: str) -> list[Measured]:
    """Return what is known of every store on one image set."""
    return [
        _measured(store, [cell for cell in cells if cell.store == store], cache)
        for store in in_order([cell.store for cell in cells])
    ]


def _plain(measured: Measured) -> dict[str, Any]:
    figures = {key: list(found) for key, found in measured.figures.items()}
    return {"store": measured.store, "figures": figures, "missing": dict(measured.missing)}


def _measured(store: str, cells: Sequence[CellResult], cache: str) -> Measured:
    figures: dict[str, Figure] = {}
    missing: dict[str, str] = {}
    for criterion in CRITERIA:
        found = _size(cells) if criterion.key == SIZE else _timed(store, cells, criterion, cache)
        if isinstance(found, str):
            missing[criterion.key] = found
        else:
            figures[criterion.key] = found
    return Measured(store, figures, missing)


def _size(cells: Sequence[CellResult]) -> Figure | str:
    cell = stored(cells)
    size = None if cell is None else cell.bytes_per_pixel_byte
    return Figure(size, None) if size else "its size is not known"


def _timed(
    store: str, cells: Sequence[CellResult], criterion: Criterion, cache: str
) -> Figure | str:
    """Return the geometric mean of the cells a criterion stands for, or why there is none."""
    found = [_ratio(store, cells, question) for question in criterion.asks(cache)]
    reasons = [each for each in found if isinstance(each, str)]
    figures = [each for each in found if not isinstance(each, str)]
    if reasons:
        return "; ".join(dict.fromkeys(reasons))
    return _mean(figures)


def _mean(figures: Sequence[Figure]) -> Figure:
    logs = [math.log(each.ratio) for each in figures]
    known = [each.reach for each in figures if each.reach is not None]
    half = math.hypot(*known) / len(figures) if len(known) == len(figures) else None
    return Figure(math.exp(sum(logs) / len(logs)), half)


def _ratio(store: str, cells: Sequence[CellResult], question: Question) -> Figure | str:
    wanted = (question.operation, question.detail, question.cache)
    cell = next(
        (each for each in cells if (each.operation, each.detail, each.cache) == wanted), None
    )
    what = " ".join(part for part in (question.operation, question.detail, question.cache) if part)
    if cell is None:
        lacks = versions_missing(question.operation, store)
        return "no versions" if lacks else f"{what} was not measured"
    if cell.status != "ok":
        return f"{what} {cell.status}: {cell.message}"
    if cell.floor_ratio is None:
        return f"{what}: no floor to compare with"
    half = cell.floor_reach
    return Figure(cell.floor_ratio, None if half is None else math.log1p(half))
