"""Measure what grows with the number of images: `platebench calibrate metadata`.

Each store and number of images has a process of its own. The page and, beside it, a JSON file are
written after each store, so that an interrupted measurement can be continued.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platebench import interrupts
from platebench.atomic_files import check_output, write_whole
from platebench.errors import UserError
from platebench.results.metadata import (
    MetadataCell,
    MetadataFacts,
    StoreMetadata,
    as_markdown,
    as_record,
    from_record,
)
from platebench.results.strict_json import read_object
from platebench.running.adapters import Watcher, data_file
from platebench.running.machine_facts import machine_facts, one_line
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.cell import library_versions
from platebench.timing.failure import why_failed
from platebench.timing.parent import variables_for_a_child
from platebench.timing.prepare import UNSUPPORTED
from platebench.timing.workspace import Workspace

IMAGES = (1_000, 10_000, 100_000, 1_000_000)
SECONDS = 60.0

PATIENCE = 5
"""A process is ended after this many times the seconds that it should take at most."""


@dataclass(frozen=True)
class MetadataSettings:
    """What is measured, and the page that is written.

    `images` are the numbers of images, ascending. A number is left out if the process would take
    over `seconds`, which is told by the number before.
    """

    stores: Sequence[StoreName]
    images: Sequence[int]
    seconds: float
    out: Path
    resume: bool
    command: str


@dataclass
class MetadataMeasured:
    """The stores of the page, and the stores that failed with their messages."""

    stores: list[StoreMetadata]
    failed: dict[StoreName, str] = field(default_factory=dict)


def numbers_of(texts: Sequence[str]) -> list[int]:
    """Return numbers of images, ascending. Raises UserError for what is none."""
    for text in texts or [""]:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**8:
            raise UserError(f"--images {text}: give numbers of images, such as 1000,10000")
    return sorted({int(text) for text in texts})


def measure_metadata(
    checkout: Path, settings: MetadataSettings, watcher: Watcher
) -> MetadataMeasured:
    """Measure, and write the page and its JSON file after each store.

    Stores of the page that were measured with the same libraries are kept, and with `resume` not
    measured again. Raises UserError if the page cannot be written.
    """
    check_output(settings.out)
    workspace = Workspace.of(checkout).own()
    with workspace.measuring():
        facts = _facts(workspace, settings)
        kept, before = from_record(read_object(data_file(settings.out)) or {})
        table = {each.store: each for each in (kept if before == facts else [])}
        measured = MetadataMeasured(list(table.values()))
        for number, store in enumerate(settings.stores):
            interrupts.check()
            if settings.resume and store in table:
                continue
            absent = registry.why_not(store)
            if absent:
                watcher.say(f"{store}: {absent}")
                continue
            found = _grown(workspace, store, settings, watcher, (number, len(settings.stores)))
            if found.failure:
                measured.failed[store] = found.failure
                watcher.say(f"{store} failed: {found.failure}")
            if not found.metadata.cells:
                continue
            table[store] = found.metadata
            measured.stores = [table[name] for name in registry.names() if name in table]
            _write(measured.stores, facts, settings)
        if settings.resume and measured.stores:  # nothing may have been left to measure
            _write(measured.stores, facts, settings)
    return measured


def _write(
    stores: Sequence[StoreMetadata], facts: MetadataFacts, settings: MetadataSettings
) -> None:
    write_whole(settings.out, as_markdown(stores, facts, settings.command))
    record = json.dumps(as_record(stores, facts, settings.command), indent=1)
    write_whole(data_file(settings.out), record + "\n")


@dataclass(frozen=True)
class _Grown:
    metadata: StoreMetadata
    failure: str = ""


def _grown(
    workspace: Workspace,
    store: StoreName,
    settings: MetadataSettings,
    watcher: Watcher,
    place: tuple[int, int],
) -> _Grown:
    """Measure one store with more and more images, as long as there is time."""
    cells: list[MetadataCell] = []
    for images in settings.images:
        watcher.show(f"{store}, {images:,} images", *place)
        expected = _expected_s(cells, images)
        if expected > settings.seconds:
            why = f"{images:,} images were left out: they would take about {expected:,.0f} s"
            return _Grown(StoreMetadata(store, tuple(cells), why))
        try:
            found = _measured(workspace, store, images, PATIENCE * settings.seconds)
        except _Refused as reason:
            watcher.say(f"{store}: {reason}")
            return _Grown(StoreMetadata(store, tuple(cells), f"{images:,} images: {reason}"))
        except RuntimeError as error:
            why = f"{images:,} images: {error}"
            return _Grown(StoreMetadata(store, tuple(cells), why, images), why)
        cells.append(found)
    return _Grown(StoreMetadata(store, tuple(cells)))


_START = 1.0
"""Seconds that do not grow with the images: most libraries are imported by the first write."""


def _expected_s(cells: Sequence[MetadataCell], images: int) -> float:
    """Return how long so many images will take, by what fewer took."""
    if not cells:
        return 0.0
    last = cells[-1]
    fewer = cells[-2] if len(cells) > 1 else None
    since = max(0.0, last.took_s - (_START if fewer is None else fewer.took_s))
    more = last.images - (0 if fewer is None else fewer.images)
    return last.took_s + since * (images - last.images) / more


class _Refused(Exception):
    """The store cannot hold the images, or this machine cannot measure it."""


def _measured(workspace: Workspace, store: StoreName, images: int, patience: float) -> MetadataCell:
    """Return the cell of one store and number of images.

    Raises _Refused, and RuntimeError if it failed or took too long.
    """
    lent = workspace.lend()
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "platebench.timing.metadata",
                lent.path,
                str(store),
                f"{images}",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=os.sep,
            env={**os.environ, **variables_for_a_child()},
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not done after {patience:,.0f} s") from None
    finally:
        lent.close()
    if done.returncode == UNSUPPORTED:
        raise _Refused(done.stderr.splitlines()[-1])
    if done.returncode:
        raise RuntimeError(why_failed(done.stderr, done.returncode))
    return MetadataCell(images=images, **json.loads(done.stdout))


def _facts(workspace: Workspace, settings: MetadataSettings) -> MetadataFacts:
    disk = one_line(machine_facts(workspace.root)).partition(";")[0]
    return MetadataFacts(
        tuple(settings.images),
        settings.seconds,
        platform.python_version(),
        library_versions(),
        disk,
    )
