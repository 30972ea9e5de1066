"""A panel: a small chart as inline SVG that follows the page's width, colours and print.

Horizontal places are shares of the width and vertical ones are pixels, so text keeps its size at
any width. Colours are classes of `charts.css`, so dark mode and print need no second drawing. No
script is needed: a script that draws Vega-Lite is 0.9 MB, which was more than half of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup, escape

from platebench.stores.appearance import UNKNOWN_MARK, Mark

WIDTH = 280
"""The width in pixels for which labels are placed. Panels are drawn about as wide."""

HEIGHT = 230
TOP, BOTTOM = 14, 24
"""Pixels above and below the plot; the labels of the horizontal axis are below it."""

CHARACTER, LINE = 6.4, 13.0
"""About the width and the height of a letter of a label, in pixels."""

_SHAPES = {
    Mark.CROSS: "M-1.6-4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
    Mark.CIRCLE: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    Mark.SQUARE: "M-4-4h8v8h-8z",
    Mark.DIAMOND: "M0-5.6l5.6 5.6-5.6 5.6-5.6-5.6z",
    Mark.TRIANGLE_UP: "M0-5.4l5.2 9.2h-10.4z",
    Mark.TRIANGLE_DOWN: "M0 5.4l5.2-9.2h-10.4z",
    Mark.TRIANGLE_RIGHT: "M5.4 0l-9.2 5.2v-10.4z",
    UNKNOWN_MARK: "M-5.4 0l9.2 5.2v-10.4z",
}
"""Marks as SVG paths around 0, by Vega-Lite's names."""


@dataclass(frozen=True)
class Scale:
    """An axis: which value lies where, and which ticks have labels.

    `ticks` are values with their labels. Values outside are drawn at the edge.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    is_log: bool = True

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high end."""
        if self.is_log:
            found = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            found = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, found))


@dataclass(frozen=True)
class Spot:
    """A point of a panel. `label` is drawn beside it, `says` is its tooltip.

    `kind` is its class in `charts.css`: `own` for what the panel is about, `faint` for the rest,
    `reference` for what every panel has.
    """

    x: float
    y: float
    mark: str
    says: str
    label: str = ""
    kind: str = "own"


@dataclass
class Panel:
    """A chart in the making; `svg` returns it."""

    x: Scale
    y: Scale
    height: int = HEIGHT
    _parts: list[Markup] = field(default_factory=list)
    _taken: list[_Box] = field(default_factory=list)

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Join points, given as values of both axes."""
        self._parts += [self._segment(*one, *other, kind) for one, other in pairwise(points)]

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Join many points by one path, which is stretched with the panel."""
        room = self.height - TOP - BOTTOM
        steps = [
            f"{_short(1000 * self.x.share(x))} {_short(room * (1 - self.y.share(y)))}"
            for x, y in points
        ]
        path = _tag("path", "", d="M" + "L".join(steps), vector_effect="non-scaling-stroke")
        self._parts.append(
            _tag(
                "svg", path, y=TOP, width="100%", height=room, viewBox=f"0 0 1000 {room}",
                preserveAspectRatio="none", **_as(kind),
            )
        )  # fmt: skip

    def bar(self, x: float, low: float, high: float) -> None:
        """Draw a vertical interval."""
        self._parts.append(self._segment(x, low, x, high, "interval"))

    def spots(self, spots: Sequence[Spot]) -> None:
        """Draw points with their labels, each label where it covers least."""
        places = [(WIDTH * self.x.share(each.x), self._down(each.y)) for each in spots]
        self._taken += [_Box(x - 5, y - 5, x + 5, y + 5) for x, y in places]
        for spot, place in zip(spots, places, strict=True):
            self._parts.append(self._spot(spot, place))

    def ring(self, spot: Spot) -> None:
        """Draw a ring around a point."""
        self._parts.append(
            _tag("circle", "", cx=self._across(spot.x), cy=self._down(spot.y), r=8, **_as("ring"))
        )

    def dot(self, x: float, y: float) -> None:
        """Draw a small point without words."""
        self._parts.append(
            _tag("circle", "", cx=self._across(x), cy=self._down(y), r=2, **_as("dot"))
        )

    def use(self, name: str) -> None:
        """Draw what another panel's `shared` returned under this name."""
        self._parts.append(_tag("use", "", href=f"#{name}"))

    def svg(self, says: str) -> Markup:
        """Return the panel. `says` is what a screen reader says of it."""
        drawn = Markup("").join([*self._axes(), *self._parts])
        return _tag(
            "svg", drawn, height=self.height, role="img", aria_label=says, **_as("panel-svg")
        )

    def shared(self, name: str) -> Markup:
        """Return what is drawn so far, without axes, as a group that panels `use` by name."""
        return _tag("g", Markup("").join(self._parts), id=name)

    def _axes(self) -> Iterable[Markup]:
        bottom = self.height - BOTTOM
        for value, label in self.y.ticks:
            place = self._down(value)
            yield _tag("line", "", x1="0", x2="100%", y1=place, y2=place, **_as("grid-line"))
            yield _tag("text", label, x=-6, y=place + 4, text_anchor="end", **_as("tick"))
        for value, label in self.x.ticks:
            across = self._across(value)
            yield _tag("line", "", x1=across, x2=across, y1=TOP, y2=bottom, **_as("grid-line"))
            yield _tag("text", label, x=across, y=bottom + 16, text_anchor="middle", **_as("tick"))

    def _across(self, value: float) -> str:
        return f"{_short(100 * self.x.share(value))}%"

    def _down(self, value: float) -> float:
        room = self.height - TOP - BOTTOM
        return round(TOP + room * (1 - self.y.share(value)), 1)

    def _segment(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
        return _tag(
            "line", "", x1=self._across(x1), y1=self._down(y1),
            x2=self._across(x2), y2=self._down(y2), **_as(kind),
        )  # fmt: skip

    def _spot(self, spot: Spot, place: tuple[float, float]) -> Markup:
        inside = _tag("title", spot.says) + _shape(spot.mark)
        if spot.label:
            where = self._room_for(spot.label, place)
            if where.far:
                inside += _tag("line", "", x2=where.dx, y2=where.dy - 4, **_as("leader"))
            inside += _tag("text", spot.label, x=where.dx, y=where.dy, text_anchor=where.anchor)
        group = _tag("g", inside, **_as(spot.kind))
        return _tag("svg", group, x=self._across(spot.x), y=self._down(spot.y))

    def _room_for(self, label: str, place: tuple[float, float]) -> _Where:
        """Return where a label covers nothing, or least; nearer places come first."""
        inner = _Box(-4, 0, WIDTH + 8, self.height - BOTTOM + 4)
        covered = []
        for where in _PLACES:
            box = where.box(label, place)
            most = sum(box.overlaps(each) for each in self._taken)
            covered.append(most + (0 if box.is_inside(inner) else 2))
            if covered[-1] == 0:
                break
        best = _PLACES[covered.index(min(covered))]
        self._taken.append(best.box(label, place))
        return best


@dataclass(frozen=True)
class RowSpot:
    """A point of a row. `ends` is its interval, `word` is drawn below it."""

    x: float
    mark: str
    says: str
    kind: str = "own"
    ends: tuple[float, float] | None = None
    word: str = ""


ROW = 38
"""The height of a row in pixels without words below: its label is above its points."""

WORD_LINE = 13
"""The height of a line of words below the points of a row."""


@dataclass
class RowPanel:
    """A panel of rows on one horizontal axis, each with a label and its points."""

    x: Scale
    _rows: list[Markup] = field(default_factory=list)
    _height: int = 0

    def row(self, label: str, note: str, spots: Sequence[RowSpot], colour: str = "") -> None:
        """Add a row: its label at the left, a note at the right, and its points joined."""
        top = self._height
        place = top + 27
        by_place = sorted(spots, key=lambda each: each.x)
        across = [self._across(each.x) for each in by_place]
        parts = [
            _tag("text", label, x=0, y=top + 13, **_as("row-label")),
            _tag("text", note, x="100%", y=top + 13, text_anchor="end", **_as("tick")),
            _tag("line", "", x1="0", x2="100%", y1=place, y2=place, **_as("grid-line")),
            _tag("line", "", x1=across[0], x2=across[-1], y1=place, y2=place, **_as("join")),
        ]
        for each in spots:
            if each.ends is not None:
                low, high = map(self._across, each.ends)
                ends = {"x1": low, "x2": high, "y1": place, "y2": place}
                parts.append(_tag("line", "", **ends, **_as("interval")))
        lines = self._lines(by_place)
        for each, line in zip(by_place, lines, strict=True):
            inside = _tag("title", each.says) + _shape(each.mark)
            if each.word:
                inside += _tag("text", each.word, y=17 + WORD_LINE * line, text_anchor="middle")
            group = _tag("g", inside, **_as(each.kind))
            parts.append(_tag("svg", group, x=self._across(each.x), y=place))
        style = {"style": f"--own: {colour}"} if colour else {}
        self._rows.append(_tag("g", Markup("").join(parts), **style))
        self._height += ROW + (WORD_LINE * (1 + max(lines)) if any(e.word for e in spots) else 0)

    def svg(self, says: str) -> Markup:
        """Return the panel. `says` is what a screen reader says of it."""
        bottom = self._height + 2
        axis = []
        for value, label in self.x.ticks:
            across = self._across(value)
            axis.append(_tag("line", "", x1=across, x2=across, y1=0, y2=bottom, **_as("grid-line")))
            axis.append(
                _tag("text", label, x=across, y=bottom + 14, text_anchor="middle", **_as("tick"))
            )
        drawn = Markup("").join([*axis, *self._rows])
        return _tag(
            "svg", drawn, height=bottom + 20, role="img", aria_label=says, **_as("panel-svg rows")
        )

    def _across(self, value: float) -> str:
        return f"{_short(100 * self.x.share(value))}%"

    def _lines(self, by_place: Sequence[RowSpot]) -> list[int]:
        """Return the line of each point's word: the first where it covers no other."""
        ends: list[float] = []
        lines = []
        for each in by_place:
            middle, half = WIDTH * self.x.share(each.x), len(each.word) * CHARACTER / 2
            free = (line for line, end in enumerate(ends) if end < middle - half - 3)
            line = next(free, len(ends))
            ends[line : line + 1] = [middle + half]
            lines.append(line)
        return lines


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: _Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def is_inside(self, other: _Box) -> bool:
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


@dataclass(frozen=True)
class _Where:
    """A place of a label beside its point, in pixels; `far` ones get a line to the point."""

    dx: float
    dy: float
    anchor: str
    far: bool

    def box(self, label: str, place: tuple[float, float]) -> _Box:
        width = len(label) * CHARACTER
        left = {"start": 0.0, "middle": -width / 2, "end": -width}[self.anchor]
        x, y = place[0] + self.dx + left, place[1] + self.dy
        return _Box(x, y - LINE + 3, x + width, y + 3)


def _places() -> list[_Where]:
    near = [
        _Where(8, 4, "start", False),
        _Where(-8, 4, "end", False),
        _Where(0, -9, "middle", False),
        _Where(0, 18, "middle", False),
        _Where(7, -7, "start", False),
        _Where(7, 15, "start", False),
        _Where(-7, -7, "end", False),
        _Where(-7, 15, "end", False),
    ]
    far = [
        _Where(away * across, 4 + away * down, anchor, True)
        for away in (22, 36, 52, 70)
        for across, anchor in ((0.8, "start"), (-0.8, "end"), (0.2, "start"), (-0.2, "end"))
        for down in (-0.8, 0.8, -0.4, 0.4)
    ]
    return [*near, *far]


_PLACES = _places()


def _shape(mark: str) -> Markup:
    return _tag("path", "", d=_SHAPES.get(mark, _SHAPES[UNKNOWN_MARK]))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _as(kind: str) -> dict[str, str]:
    return {"class": kind}


def _tag(name: str, content: str | Markup, **attributes: object) -> Markup:
    """Return an element. Names of attributes have `_` in place of `-`; texts are escaped."""
    said = "".join(
        f' {key.replace("_", "-")}="{escape(_short(each) if isinstance(each, float) else each)}"'
        for key, each in attributes.items()
    )
    return Markup(f"<{name}{said}>{escape(content)}</{name}>")
