"""Log scales that just hold their figures, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from platebench.results.report import figure
from platebench.site.drawing.panel import Scale

MARGIN = 1.3
"""How far a log scale goes beyond its figures, as a factor."""

FAR = 3.0
"""How far a log scale goes beyond its figures for the ends of bars, as a factor."""

MANY_STEPS = 2000.0
FEW_STEPS = 12.0
"""Over a wider range than these, ticks at 2 and 5, or between them, would run into each other."""

MOST_TICKS = 7
"""On an axis of a panel, which is small."""

_KEPT = (("1.0", "1.5", "2.0", "3.0", "5.0", "7.0"), ("1.0", "2.0", "5.0"), ("1.0",))
"""The steps of a decade that keep their ticks, from many to few."""


def log_domain(figures: Sequence[float], ends: Sequence[float] = ()) -> tuple[float, float]:
    """Return the ends of a log scale that just holds these figures, above 0.

    It holds the `ends` of bars too, but goes no further than FAR beyond the figures: of two rounds
    a bar may span ten decades, which would leave no room for the points.
    """
    least, most = min(figures), max(figures)
    low = max(min([least, *ends]), least / FAR) / MARGIN
    return low, min(max([most, *ends]), most * FAR) * MARGIN


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between the ends of a log scale; at least one."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        tick
        for power in powers
        for step in _steps(high / low)
        if low <= (tick := float(f"{step}e{power}")) <= high
    ]


def log_scale(figures: Sequence[float], ends: Sequence[float] = ()) -> Scale:
    """Return the log scale of a panel's axis, with few ticks."""
    low, high = log_domain(figures, ends)
    ticks = log_ticks(low, high)
    for kept in _KEPT:
        left = [tick for tick in ticks if f"{tick:e}"[:3] in kept]
        if len(left) > 1:
            ticks = left
        if len(ticks) <= MOST_TICKS:
            break
    return Scale(low, high, tuple((tick, tick_words(tick)) for tick in ticks))


def tick_words(value: float) -> str:
    """Return a tick without zeros at its end: `0.5`, `2` or `1,000`."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}" if value >= 1e-3 else figure(value)


def _steps(span: float) -> Sequence[float]:
    """Return the ticks of a decade: as many as do not run into each other."""
    if span > MANY_STEPS:
        return (1,)
    return (1, 2, 5) if span > FEW_STEPS else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
