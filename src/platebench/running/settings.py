"""What a run measures, and the stores that a pattern names."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from platebench.errors import UserError
from platebench.running.groups import BRIEF, HURRIED, QUICK, THOROUGH
from platebench.running.turn_server import Sampling
from platebench.stores import registry
from platebench.stores.name import StoreName


@dataclass(frozen=True)
class Settings:
    """What to measure. `images` are numbers of generated images, or folders.

    `brief`: measure the details of each operation that answer a reader's question, and of a large
    folder a sample of the images. `quick`: one sample per cell. `rounds` are measured at least.
    `until`: add rounds for each cell until the interval of its ratio to the floor is this narrow
    (0.05 is +-5%). `minutes`: stop after this time, at the end of a group. `more`: until then, add
    rounds of all cells. `resume`: continue the newest interrupted run that has the same settings,
    commit and libraries. `check_newest`: also record the newest release of each library.
    `patterns` of a benchmark class and its details, such as `ColdRandomRows 1`, name the cells in
    place of `operations` and `brief`. `hurried`: take few samples per process, and begin no group
    that would end after `minutes`. With `rounds` 0 and `more` the cells of every round are chosen
    when it begins (`goal.Contenders`). `whole_round`: `minutes` do not cut the first round off.
    `file_pattern` is that of `images.names`, for the names of a folder's files. `crops`: of a
    folder, measure its cells in place of its images.
    """

    stores: list[StoreName]
    images: list[str]
    operations: list[str]
    rounds: int = 1
    quick: bool = False
    brief: bool = False
    until: float | None = None
    minutes: float | None = None
    more: bool = False
    resume: bool = False
    check_newest: bool = False
    patterns: tuple[str, ...] = ()
    hurried: bool = False
    whole_round: bool = False
    file_pattern: str | None = None
    crops: bool = False

    @property
    def sampling(self) -> Sampling:
        """How many samples the processes of a group take."""
        if self.hurried:
            return HURRIED
        return QUICK if self.quick else BRIEF if self.brief else THOROUGH


def stores_to_measure(patterns: Sequence[str], references: bool = True) -> list[StoreName]:
    """Return the stores that match `patterns`: a store, a format, or `*` and `?` as in a shell.

    Raises UserError for a pattern that matches nothing. `references` adds the reference stores.
    """
    chosen: dict[StoreName, None] = dict.fromkeys(registry.REFERENCES) if references else {}
    for pattern in patterns:
        found = [
            name
            for name in registry.names()
            if any(fnmatch.fnmatchcase(str(name), each) for each in (pattern, f"{pattern}:*"))
        ]
        if not found:
            raise UserError(f"{pattern}: no such store; 'platebench stores' lists them")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def brief_stores() -> list[StoreName]:
    """Return the stores of an overview: the reference stores, and the main formats at their best.

    All formats would take half an hour in place of five minutes.
    """
    main = {format_.name for format_ in registry.FORMATS if format_.in_overview}
    best = [name for name in at_their_best() if name.format in main]
    return list(dict.fromkeys([*registry.REFERENCES, *best]))


def at_their_best() -> list[StoreName]:
    """Return of each format what one would choose: its first layout, tuned `fast` and `balanced`.

    What its quick start gives, `default`, few should choose; but some formats have nothing else.
    All `fast` come first.
    """
    firsts = first_layouts()
    fast = [name for name in firsts if name.tuning == "fast"]
    tuned = {name.format for name in fast}
    only = [name for name in firsts if name.tuning == "default" and name.format not in tuned]
    return [*fast, *only, *(name for name in firsts if name.tuning == "balanced")]


def first_layouts() -> list[StoreName]:
    """Return the stores of each format's first layout, in all tunings."""
    return [
        name
        for format_ in registry.FORMATS
        for name in format_.stores
        if name.layout == format_.layouts[0]
    ]
