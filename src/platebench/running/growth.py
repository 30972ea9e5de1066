"""Measure image sets of several sizes and fit their growth: `platebench calibrate growth`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platebench.atomic_files import check_output, write_whole
from platebench.errors import UserError
from platebench.results.growth import FEWEST_SIZES, NOTHING, Growth, as_records, growth_of, page
from platebench.results.records import RecordFile, RunInfo
from platebench.results.tidy import tidy
from platebench.running.adapters import data_file
from platebench.running.machine_facts import one_line
from platebench.running.places import Home
from platebench.running.run import measure
from platebench.running.settings import Settings
from platebench.running.watcher import Watcher
from platebench.stores.name import StoreName

SIZES = ("32", "128", "512", "2048")
OPERATIONS = ("Write", "ColdFullScan", "ColdRandomRows 16 scattered", "ColdOpen", "ColdReadTable")
"""What is measured of each size, as patterns of a benchmark class and its details."""


@dataclass(frozen=True)
class GrowthSettings:
    """What is measured, and the page that is written.

    `operations` count only without `patterns`, as in `Settings`.
    """

    stores: list[StoreName]
    images: Sequence[str]
    operations: list[str]
    patterns: tuple[str, ...]
    rounds: int
    out: Path
    resume: bool
    command: str


def measure_growth(
    home: Home, results: Path, settings: GrowthSettings, watcher: Watcher
) -> tuple[RecordFile, list[Growth]]:
    """Measure one size after another in a tidy run, write the page, and return the growth.

    The page is written when the run has ended. Raises UserError for fewer than `FEWEST_SIZES`
    sizes, and if the page cannot be written.
    """
    if len(set(settings.images)) < FEWEST_SIZES:
        raise UserError(f"--images: give {FEWEST_SIZES} or more sizes, such as {','.join(SIZES)}")
    check_output(settings.out)
    file = measure(
        home,
        results,
        Settings(
            settings.stores,
            list(settings.images),
            [] if settings.patterns else settings.operations,
            rounds=settings.rounds,
            brief=True,
            patterns=settings.patterns,
            resume=settings.resume,
            tidy=True,
        ),
        watcher,
    )
    grown = growth_of(tidy(file))
    if not grown:
        raise UserError(NOTHING)
    told = told_of(file.info())
    write_whole(settings.out, page(grown, told, settings.command))
    record = {"told": told, "command": settings.command, "growth": as_records(grown)}
    write_whole(data_file(settings.out), json.dumps(record, indent=1) + "\n")
    return file, grown


def told_of(info: RunInfo) -> str:
    """Return what a page says of the run behind it: image sets, rounds, disk and libraries."""
    libraries = ", ".join(f"{name} {version}" for name, version in info.libraries.items())
    disk = one_line(info.machine_facts or {}).partition(";")[0]
    sets = ", ".join(info.images)
    return f"{sets}, {info.settings['rounds']} rounds. {disk}. Python {info.python}, {libraries}."
