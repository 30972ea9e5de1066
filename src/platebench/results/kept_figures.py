"""The figures that a decision needs, as JSON: of the reference run, and of each advice.

`plain` is also what the page's script takes. `kept_figures.json` beside this module has those of
the newest reference run; `platebench site figures` writes it, so that an installed platebench can
decide without results/.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platebench.results.decision import Decision, Pairs, StoreFigures, decide, not_measured
from platebench.results.needs import USES, Needs
from platebench.results.ratios import Ratio
from platebench.results.robust_mean import RobustMean
from platebench.stores.name import StoreName
from platebench.stores.registry import REFERENCES

OWN = Path(__file__).with_name("kept_figures.json")
"""The figures of the newest reference run."""

_DIGITS = 5
"""Digits of a pair's figures."""


@dataclass(frozen=True)
class KeptFigures:
    """Figures that were measured on a day, of an image set or a folder, and for which needs."""

    day: str
    images: str
    needs: Needs
    figures: Sequence[StoreFigures]
    pairs: Mapping[tuple[StoreName, StoreName, str], Ratio]

    def decide(self, without: Collection[StoreName] = ()) -> Decision:
        """Decide between the stores, without some of them."""
        left = [each for each in self.figures if each.store not in without]
        return decide(left, self._pair, self.needs)

    def _pair(self, one: StoreName, other: StoreName, use: str) -> Ratio | None:
        found = self.pairs.get((one, other, use))
        if found is not None:
            return found
        turned = self.pairs.get((other, one, use))
        if turned is None:
            return None
        mean = turned.mean
        return Ratio(
            RobustMean(
                -mean.centre, mean.deviation, mean.kept, mean.outliers, mean.degrees_of_freedom
            ),
            turned.run_shift,
        )


def kept_text(
    day: str, images: str, needs: Needs, figures: Sequence[StoreFigures], pairs: Pairs
) -> str:
    """Return figures as JSON. Stores of the tuning `default` are left out, as `advise` does it."""
    chosen = [
        each for each in figures if each.store.tuning != "default" or each.store in REFERENCES
    ]
    told = {"day": day, "images": images, "needs": asdict(needs), **plain(chosen, pairs)}
    return f"{json.dumps(told)}\n"


def read_kept(file: Path = OWN) -> KeptFigures:
    """Read what `kept_text` returned. Raises OSError, ValueError, KeyError or TypeError for others.

    A file of another version is such a one: what it says is measured again.
    """
    read = json.loads(file.read_text(encoding="utf-8"))
    figures = [
        StoreFigures(
            StoreName.parse(each["store"]),
            each["size"],
            each["seconds"],
            each["native"],
            each["reasons"],
        )
        for each in read["stores"]
    ]
    names = [each.store for each in figures]
    order = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    pairs = {
        (*pair, use): _ratio(found, read["freedoms"], read["shifts"][use])
        for use, its in read["pairs"].items()
        for pair, found in zip(order, its, strict=True)
        if found is not None
    }
    return KeptFigures(read["day"], read["images"], Needs(**read["needs"]), figures, pairs)


def plain(figures: Sequence[StoreFigures], pairs: Pairs) -> dict[str, Any]:
    """Return stores and pairs as the page's script takes them; see `decide.js`.

    Stores are in the order of their names. The pairs of a use are those of each store with each
    later one: the log ratio, its standard error (null from one round), and the place of its degrees
    of freedom in `freedoms`, which few values share. `shifts` has the shift of a whole run by use.
    A use that no store was measured on has no pairs.
    """
    every = sorted(figures, key=lambda each: each.store)
    measured = {use for each in every for use in each.seconds}
    ratios = {
        use: [
            pairs(one.store, other.store, use)
            if use in one.seconds and use in other.seconds
            else None
            for place, one in enumerate(every)
            for other in every[place + 1 :]
        ]
        for use in USES
        if use in measured
    }
    found = [ratio for its in ratios.values() for ratio in its if ratio is not None]
    freedoms = sorted({_freedom(ratio) for ratio in found})
    places = {freedom: place for place, freedom in enumerate(freedoms)}
    return {
        "uses": list(USES),
        "stores": [_plain_store(each) for each in every],
        "freedoms": freedoms,
        "shifts": {use: _shift(its) for use, its in ratios.items()},
        "pairs": {
            use: [None if ratio is None else _plain_pair(ratio, places) for ratio in its]
            for use, its in ratios.items()
        },
    }


def _shift(ratios: Iterable[Ratio | None]) -> float:
    """Return what all pairs of a use share: it depends on the cache only."""
    shifts = {found.run_shift for found in ratios if found is not None}
    if len(shifts) > 1:
        raise ValueError(f"pairs of one use have the shifts {sorted(shifts)}")
    return shifts.pop() if shifts else 0.0


def _plain_store(each: StoreFigures) -> dict[str, Any]:
    return {
        "store": str(each.store),
        "size": each.size,
        "seconds": dict(each.seconds),
        "native": each.native_versions,
        "reasons": {
            use: why
            for use, why in (each.reasons or {}).items()
            if use not in each.seconds and why != not_measured(use)
        },
    }


def _freedom(ratio: Ratio) -> float:
    return _digits(min(ratio.mean.degrees_of_freedom, 1e9))  # JSON has no infinity


def _plain_pair(ratio: Ratio, places: Mapping[float, int]) -> list[float | None]:
    error = None if ratio.mean.error is None else _digits(ratio.mean.error)
    return [_digits(ratio.mean.centre), error, places[_freedom(ratio)]]


def _ratio(found: Sequence[Any], freedoms: Sequence[float], shift: float) -> Ratio:
    centre, error, place = found
    # `RobustMean.error` is that of two rounds: the deviation over the root of two.
    deviation = None if error is None else math.sqrt(2) * error
    kept = 1 if error is None else 2
    return Ratio(RobustMean(centre, deviation, kept, 0, freedoms[place]), shift)


def _digits(value: float) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))
