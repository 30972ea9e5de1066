"""Measure the candidates for the tunings of each format: `platebench calibrate tuning`.

The candidates of a layout run in a process each and take turns: in every turn each does the same
operation once, in random order. The page and, beside it, a JSON file are written after each layout.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from platebench import interrupts
from platebench.atomic_files import check_output, write_whole
from platebench.errors import UserError
from platebench.images.imageset import ImageSet
from platebench.results.adapters import AdapterFacts
from platebench.results.strict_json import read_object
from platebench.results.tuning import TimedOperation, TunedCandidate, as_record, from_record
from platebench.results.tuning_page import as_markdown
from platebench.results.turn_ratio import turn_ratio
from platebench.running.adapters import Watcher, data_file, facts_of
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.variants import baseline
from platebench.timing.adapters import FEWEST_TURNS, MOST_TURNS, TAKEN
from platebench.timing.failure import why_failed
from platebench.timing.parent import variables_for_a_child
from platebench.timing.prepare import UNSUPPORTED
from platebench.timing.tuning import COLD_SCAN, OPERATIONS, WRITE
from platebench.timing.workspace import Workspace


@dataclass(frozen=True)
class TuningSettings:
    """What is measured, and the page that is written. `seconds` are those of one operation."""

    formats: Sequence[str]
    images: int
    seconds: float
    out: Path
    resume: bool
    command: str


@dataclass
class TuningMeasured:
    """The candidates of the page; those left out with their reasons; the layouts that failed."""

    candidates: list[TunedCandidate]
    date: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def layouts(formats: Sequence[str]) -> list[tuple[registry.Format, str]]:
    """Return the layouts of these formats that have `balanced`; of all formats if none is given.

    Raises UserError for a format that is not registered.
    """
    known = {format_.name: format_ for format_ in registry.FORMATS}
    for name in formats:
        if name not in known:
            raise UserError(f"{name}: no such format; choose from {', '.join(known)}")
    return [
        (format_, layout)
        for format_ in registry.FORMATS
        if not formats or format_.name in formats
        for layout, tunings in format_.variants.items()
        if "balanced" in tunings.split()
    ]


def check_settings(settings: TuningSettings) -> None:
    """Raise UserError for a format that does not exist or a page that cannot be written."""
    layouts(settings.formats)
    check_output(settings.out)


def measure_tunings(checkout: Path, settings: TuningSettings, watcher: Watcher) -> TuningMeasured:
    """Measure, and write the page and its JSON file after each layout."""
    check_settings(settings)
    workspace = Workspace.of(checkout).own()
    with workspace.measuring():
        images = workspace.images(f"raw-{settings.images}", watcher.show)
        facts = facts_of(workspace, settings.images, settings.seconds)
        measured = _kept(settings, facts)
        wanted = layouts(settings.formats)
        for number, (format_, layout) in enumerate(wanted):
            name = f"{format_.name}:{layout}"
            absent = registry.why_not(StoreName(format_.name, layout, "balanced"))
            if absent:
                watcher.say(f"{name}: {absent}")
            done = any(_is_of(each.store, format_, layout) for each in measured.candidates)
            if absent or (settings.resume and done):
                continue
            group = _Group(workspace, format_, layout, images)
            watcher.show(f"{name}: writing and comparing", number, len(wanted))
            try:
                with group:
                    for operation in OPERATIONS:
                        watcher.show(f"{name}: {operation}", number, len(wanted))
                        group.time(operation, settings.seconds)
                    found = group.candidates()
            except RuntimeError as error:
                measured.failed[name] = str(error)
                watcher.say(f"{name} failed: {error}")
                continue
            others = [
                each for each in measured.candidates if not _is_of(each.store, format_, layout)
            ]
            measured.candidates = _in_order([*others, *found])
            measured.left_out |= group.left_out
            measured.date = f"{datetime.now(UTC):%-d %B %Y}"
            _write(settings, measured, facts)
        if measured.candidates:
            _write(settings, measured, facts)  # the choice may have changed since
    return measured


def _is_of(store: StoreName, format_: registry.Format, layout: str) -> bool:
    return (store.format, store.layout) == (format_.name, layout)


class _Worker:
    """A process that times one candidate. Raises RuntimeError with what a failed one said."""

    def __init__(self, workspace: Workspace, store: StoreName, images: str) -> None:
        self.store = store
        command = [sys.executable, "-m", "platebench.timing.tuning"]
        self._process = subprocess.Popen(
            [*command, str(workspace.root), str(store), images],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=os.sep,
            env={**os.environ, **variables_for_a_child()},
        )
        self.seconds: dict[str, list[float]] = {}
        self.unsupported = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        if ended[0] is not None:
            self._process.kill()  # its scratch folder is swept by the next run
        self._process.communicate()

    def start(self) -> Mapping[str, Any] | None:
        """Return its bytes and files, None if the store cannot hold the images."""
        answer = self._answer()
        if answer is None:
            _, said = self._process.communicate()
            if self._process.returncode != UNSUPPORTED:
                raise RuntimeError(f"{self.store}: {why_failed(said, self._process.returncode)}")
            self.unsupported = said.strip().splitlines()[-1]
        return answer

    def time(self, operation: str, rows: Sequence[int]) -> None:
        """Do the operation once, and keep its seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"operation": operation, "rows": list(rows)}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer is None:
            _, said = self._process.communicate()
            raise RuntimeError(f"{self.store}: {why_failed(said, self._process.returncode)}")
        self.seconds.setdefault(operation, []).append(answer["seconds"])

    def _answer(self) -> Mapping[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        interrupts.check()
        answer: Mapping[str, Any] | None = json.loads(line) if line else None
        return answer


class _Group:
    """The candidates of one layout."""

    def __init__(
        self, workspace: Workspace, format_: registry.Format, layout: str, images: ImageSet
    ) -> None:
        self._workspace = workspace
        self._images = images
        self._variants = registry.variants_of(format_, layout)
        self._names = [
            StoreName(format_.name, layout, variant) for variant in self._variants.settings
        ]
        compared_with = self._variants.variant(baseline(self._variants.tunings))
        self._baseline = StoreName(format_.name, layout, compared_with)
        self._chance = random.Random(str(self._baseline))
        self._stack = ExitStack()
        self._workers: list[_Worker] = []
        self._sizes: dict[StoreName, Mapping[str, Any]] = {}
        self.left_out: dict[str, str] = {}

    def __enter__(self) -> Self:
        with self._stack:
            for name in self._names:  # one after another: each reads and writes all images
                worker = self._stack.enter_context(
                    _Worker(self._workspace, name, self._images.name)
                )
                size = worker.start()
                if size is None:
                    self.left_out[str(name)] = worker.unsupported
                    continue
                self._sizes[name] = size
                self._workers.append(worker)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *ended: Any) -> None:
        self._stack.__exit__(*ended)

    def time(self, operation: str, seconds: float) -> None:
        """Take turns at one operation for about so many seconds per candidate."""
        end = time.perf_counter() + seconds * len(self._workers)
        turns = 0
        every = range(len(self._images))
        while turns < FEWEST_TURNS or (turns < MOST_TURNS and time.perf_counter() < end):
            rows = self._chance.sample(every, min(len(every), TAKEN))
            for worker in self._chance.sample(self._workers, len(self._workers)):
                worker.time(operation, rows)
            turns += 1

    def candidates(self) -> list[TunedCandidate]:
        """Return what was measured. Raises RuntimeError if the baseline could not be."""
        seconds = {worker.store: worker.seconds for worker in self._workers}
        if self._baseline not in seconds:
            raise RuntimeError(f"{self._baseline}: {self.left_out[str(self._baseline)]}")
        return [
            TunedCandidate(
                store,
                self._sizes[store]["bytes"] / self._images.pixel_bytes,
                self._sizes[store]["files"],
                {
                    operation: self._timed(operation, mine, seconds[self._baseline][operation])
                    for operation, mine in timed.items()
                },
                *chosen_of(store),
            )
            for store, timed in seconds.items()
        ]

    def _timed(
        self, operation: str, mine: Sequence[float], others: Sequence[float]
    ) -> TimedOperation:
        median = statistics.median(mine)
        images = self._images.pixel_bytes
        if operation not in (WRITE, COLD_SCAN):
            images = images * min(TAKEN, len(self._images)) // len(self._images)
        return TimedOperation(1e3 * median, turn_ratio(mine, others), images / median)


def chosen_of(store: StoreName) -> tuple[tuple[str, ...], str]:
    """Return the tunings that a candidate is today, and why it may be none; else no text."""
    format_ = next(each for each in registry.FORMATS if each.name == store.format)
    variants = registry.variants_of(format_, store.layout)
    tunings = [tuning for tuning, variant in variants.tunings.items() if variant == store.tuning]
    return tuple(tunings), variants.barred.get(store.tuning, "")


def _in_order(candidates: Sequence[TunedCandidate]) -> list[TunedCandidate]:
    places = [(format_.name, layout) for format_, layout in layouts([])]
    return sorted(candidates, key=lambda each: places.index((each.store.format, each.store.layout)))


def _kept(settings: TuningSettings, facts: AdapterFacts) -> TuningMeasured:
    """Return what the page has, nothing if it was measured under other facts."""
    record = read_object(data_file(settings.out)) or {}
    if record.get("facts") != asdict(facts):
        return TuningMeasured([])
    known = {(format_.name, layout): format_ for format_, layout in layouts([])}
    candidates = []
    for each in record["candidates"]:
        store = StoreName.parse(each["store"])
        format_ = known.get((store.format, store.layout))
        if format_ and store.tuning in registry.variants_of(format_, store.layout).settings:
            candidates.append(from_record(each, *chosen_of(store)))
    return TuningMeasured(candidates, record["date"], dict(record["left_out"]))


def _write(settings: TuningSettings, measured: TuningMeasured, facts: AdapterFacts) -> None:
    page = as_markdown(
        measured.candidates, measured.left_out, facts, measured.date, settings.command
    )
    record = {
        "facts": asdict(facts),
        "date": measured.date,
        "candidates": [as_record(each) for each in measured.candidates],
        "left_out": measured.left_out,
    }
    write_whole(settings.out, page)
    write_whole(data_file(settings.out), json.dumps(record, indent=1) + "\n")
