"""Your mix: stores ranked by weights that the reader gives to reading, writing, versions and size.

The score of a store is the weighted geometric mean of its ratios to the floor:
exp(sum(weight * ln(ratio)) / sum(weight)). The page's script has the same function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from platebench.results.questions import (
    QUESTIONS,
    Question,
    answering,
    first_image_set,
    image_sets_in,
    in_order,
    of_image_set,
    stored,
)
from platebench.results.tidy import CellResult
from platebench.site.embedded import script_json
from platebench.site.grid import CACHES
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

MOST = 10
"""The largest weight of a criterion. With a weight of 0 it has no effect."""

SIZE = "size"


@dataclass(frozen=True)
class Criterion:
    """One slider. Its figure is the geometric mean of the questions with its key."""

    key: str
    title: str
    says: str

    def questions(self, cache: str) -> Sequence[Question]:
        """Return its questions for this cache; the warm ones if there are none for the disk."""
        mine = [question for question in QUESTIONS if question.asked.criterion == self.key]
        return [question for question in mine if question.cache == cache] or mine


CRITERIA = (
    Criterion("reads", "Whole reads", "read every image in order"),
    Criterion("rows", "Random rows", "open the store, read 16 scattered images"),
    Criterion("writes", "Writes", "write all images, to the end of fsync"),
    Criterion("versions", "Versions", "add a version and open an old one, in equal parts"),
    Criterion(SIZE, "Size", "bytes stored per byte of uncompressed pixels"),
    Criterion(
        "tables",
        "Tables",
        "read columns, find rows, append rows; from the disk: images of chosen cells, and joins",
    ),
)


class Preset(NamedTuple):
    """A common mix: weights of the criteria, in their order."""

    title: str
    weights: Sequence[int]

    def by_key(self) -> dict[str, int]:
        """The weights by the criteria's keys."""
        return {each.key: weight for each, weight in zip(CRITERIA, self.weights, strict=True)}


PRESETS = (
    Preset("Images, no versions", (3, 3, 3, 0, 3, 0)),
    Preset("Archive", (1, 0, 2, 0, 8, 0)),
    Preset("Training at random", (1, 9, 0, 0, 1, 0)),
    Preset("Weekly re-analysis", (6, 1, 2, 4, 1, 0)),
)
"""The page opens with the first."""


class Figure(NamedTuple):
    """A criterion's ratio to the floor, and its interval's half width on the log scale."""

    ratio: float
    reach: float | None


@dataclass(frozen=True)
class StoreFigures:
    """A store's figures on one image set, warm or cold, by criterion, and reasons for others."""

    store: StoreName
    figures: Mapping[str, Figure]
    missing: Mapping[str, str]


@dataclass(frozen=True)
class Scored:
    """A store with its score. `parts` are the factors of the criteria with a weight."""

    measured: StoreFigures
    score: float
    reach: float | None
    parts: Mapping[str, float]


def section(published: Published) -> Section | None:
    """Return the sliders, and the ranking by the first preset on the headline image set, warm."""
    cells = [cell for cell in published.cells if cell.store != FLOOR]
    images = first_image_set(cells)
    if images is None:
        return None
    views = {
        f"{name} {cache}": measured_of(of_image_set(cells, name), cache)
        for name in image_sets_in(cells)
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
        sets=image_sets_in(cells),
        images=images,
        ranked=ranked,
        apart=apart,
        data=script_json(
            {view: [_plain(each) for each in stores] for view, stores in views.items()}
        ),
    )
    return Section("mix", "Your mix", html)


def score(figures: Mapping[str, Figure], weights: Mapping[str, float]) -> float:
    """Return the weighted geometric mean of the ratios. The sum of the weights is above zero."""
    return math.prod(parts(figures, weights).values())


def parts(figures: Mapping[str, Figure], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the factor of each criterion with a weight; the score is their product."""
    total = sum(weights.values())
    return {
        key: math.exp(weight * math.log(figures[key].ratio) / total)
        for key, weight in weights.items()
        if weight > 0
    }


def score_reach(figures: Mapping[str, Figure], weights: Mapping[str, float]) -> float | None:
    """Return half the width of the score's interval, relative to it; None if any is unknown.

    Errors of criteria count as independent. A size is counted and has no error.
    """
    total = sum(weights.values())
    counting = {key: weight for key, weight in weights.items() if weight > 0 and key != SIZE}
    reaches = [(weight, figures[key].reach) for key, weight in counting.items()]
    known = [(weight, half) for weight, half in reaches if half is not None]
    if not known or len(known) < len(reaches):
        return None
    return math.expm1(math.hypot(*(weight * half / total for weight, half in known)))


def ranking(
    stores: Sequence[StoreFigures], weights: Mapping[str, float]
) -> tuple[list[Scored], list[tuple[StoreName, str]]]:
    """Return the stores, the best first, and the stores that lack a figure, each with its reason.

    If all weights are zero, nothing is ranked.
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
                Scored(
                    each, score(found, weights), score_reach(found, weights), parts(found, weights)
                )
            )
    return sorted(ranked, key=lambda each: each.score), apart


def measured_of(cells: Sequence[CellResult], cache: str) -> list[StoreFigures]:
    """Return the figures of every store on one image set."""
    return [
        _measured(store, [cell for cell in cells if cell.store == store], cache)
        for store in in_order([cell.store for cell in cells])
    ]


def _plain(measured: StoreFigures) -> dict[str, Any]:
    figures = {key: list(found) for key, found in measured.figures.items()}
    return {"store": str(measured.store), "figures": figures, "missing": dict(measured.missing)}


def _measured(store: StoreName, cells: Sequence[CellResult], cache: str) -> StoreFigures:
    figures: dict[str, Figure] = {}
    missing: dict[str, str] = {}
    for criterion in CRITERIA:
        found = _size(cells) if criterion.key == SIZE else _timed(cells, criterion, cache)
        if isinstance(found, str):
            missing[criterion.key] = found
        else:
            figures[criterion.key] = found
    return StoreFigures(store, figures, missing)


def _size(cells: Sequence[CellResult]) -> Figure | str:
    cell = stored(cells)
    size = None if cell is None else cell.bytes_per_pixel_byte
    return Figure(size, None) if size else "its size is not known"


def _timed(cells: Sequence[CellResult], criterion: Criterion, cache: str) -> Figure | str:
    """Return the geometric mean of a criterion's questions, or the reason why there is none."""
    found = [_ratio(cells, question) for question in criterion.questions(cache)]
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


def _ratio(cells: Sequence[CellResult], question: Question) -> Figure | str:
    cell = next(iter(answering(cells, question)), None)
    what = " ".join(part for part in (question.operation, question.detail, question.cache) if part)
    if cell is None:
        return f"{what} was not measured"
    if cell.status != "ok":
        return f"{what} {cell.status}: {cell.message}"
    if cell.floor_ratio is None:
        return f"{what}: no floor to compare with"
    half = cell.floor_reach
    return Figure(cell.floor_ratio, None if half is None else math.log1p(half))
