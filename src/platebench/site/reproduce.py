"""Limits of the figures, other machines beside this one, how to measure again, and how to cite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from platebench.images.generated import generated
from platebench.results.commit import CHANGES
from platebench.results.plan import REFERENCE
from platebench.results.questions import (
    QUESTIONS,
    Question,
    Times,
    fastest_first,
    headline_image_set,
    of_image_set,
    times_of,
)
from platebench.results.store_words import readable
from platebench.results.tidy import CellResult
from platebench.running.machine_facts import how_busy
from platebench.running.newest import newer_releases
from platebench.site.compare import disk_of
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.registry import TIFF_FOLDER

CITATION = "CITATION.cff"


@dataclass(frozen=True)
class Cited:
    """What CITATION.cff says of platebench."""

    title: str
    version: str
    licence: str


@dataclass(frozen=True)
class Best:
    """The fastest store of one machine for a question, and how many stores tie with it.

    `folder` is the time of the TIFF folder relative to it, None for the folder itself or without.
    """

    store: str
    ties: int
    folder: Times | None


def section(published: Published, runs: Sequence[Published], checkout: Path) -> Section:
    """Return the section; `runs` are the newest runs of all machines."""
    info = published.info
    commit = info.commit.removesuffix(CHANGES)
    html = render(
        "reproduce.html",
        published=published,
        others=[each for each in runs if each.machine != published.machine],
        compared=compared([published, *(each for each in runs if each is not published)]),
        machines=[published, *(each for each in runs if each is not published)],
        disk_of=disk_of,
        generated=[name for name in info.images if generated(name)],
        busy=how_busy(info.machine_facts),
        newer=newer_releases(info.libraries, info.newest),
        commit=commit,
        python=".".join(info.python.split(".")[:2]),
        is_reference=REFERENCE in info.settings,
        cited=cited(checkout),
        day=datetime.fromisoformat(info.started),
    )
    return Section("reproduce", "Limits, reproduce, cite", html)


def compared(runs: Sequence[Published]) -> list[tuple[Question, list[Best | None]]]:
    """Return the best store of each machine for each question that any of them answers."""
    cells = [of_image_set(run.cells, headline_image_set(run.cells)) for run in runs]
    found = [(question, [_best(mine, question) for mine in cells]) for question in QUESTIONS]
    return [(question, best) for question, best in found if any(best)]


def _best(cells: Sequence[CellResult], question: Question) -> Best | None:
    ranking = fastest_first(cells, question)
    best = ranking.best
    if best is None:
        return None
    lab = next((each for each in ranking.order if each.store == TIFF_FOLDER), None)
    folder = None if lab is None or lab is best else times_of(lab, best)
    return Best(readable(best.store), len(ranking.tied), folder)


def cited(checkout: Path) -> Cited | None:
    """Return what CITATION.cff says, None without it."""
    try:
        text = (checkout / CITATION).read_text("utf-8")
    except FileNotFoundError:
        return None
    said = dict(re.findall(r"^([a-z-]+): *\"?([^\"\n]+?)\"?$", text, re.MULTILINE))
    return Cited(said["title"], said["version"], said["license"])
