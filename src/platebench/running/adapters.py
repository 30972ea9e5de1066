"""Measure every store against direct calls: `platebench calibrate adapters`.

Each store has a process of its own. The page and, beside it, a JSON file are written after each
store, so that an interrupted measurement can be continued, and one format measured again.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from platebench import interrupts
from platebench.atomic_files import check_output, write_whole
from platebench.errors import UserError
from platebench.results.adapters import (
    AdapterCell,
    AdapterFacts,
    adapter_cell,
    as_markdown,
    as_record,
    from_record,
)
from platebench.results.strict_json import read_object
from platebench.running.machine_facts import machine_facts, one_line, this_machine
from platebench.stores import registry
from platebench.stores.direct.calls import has_calls, reason_for
from platebench.stores.name import StoreName
from platebench.timing.adapters import OPERATIONS
from platebench.timing.cell import library_versions
from platebench.timing.failure import why_failed
from platebench.timing.parent import variables_for_a_child
from platebench.timing.prepare import UNSUPPORTED
from platebench.timing.workspace import Workspace

IMAGES = 32
SECONDS = 1.0
AGAIN = 4
"""A cell that is slower without a reason is measured again, this many times as long."""


class Watcher(Protocol):
    """What is told of the progress."""

    def show(self, what: str, done: int, total: int) -> None:
        """Show the current step."""

    def say(self, line: str) -> None:
        """Print a line."""


@dataclass(frozen=True)
class AdapterSettings:
    """What is measured, and the page that is written."""

    stores: Sequence[StoreName]
    operations: Sequence[str]
    images: int
    seconds: float
    out: Path
    resume: bool
    command: str


@dataclass
class AdaptersMeasured:
    """The cells of the page, and the stores that failed with their messages."""

    cells: list[AdapterCell]
    failed: dict[StoreName, str] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """True if nothing failed and every slower cell has a reason."""
        return not self.failed and not any(cell.unexplained for cell in self.cells)


def check_settings(settings: AdapterSettings) -> None:
    """Raise UserError for an operation that does not exist or a page that cannot be written."""
    for operation in settings.operations:
        if operation not in OPERATIONS:
            raise UserError(f"{operation}: no such operation; choose from {', '.join(OPERATIONS)}")
    check_output(settings.out)


def measure_adapters(
    checkout: Path, settings: AdapterSettings, watcher: Watcher
) -> AdaptersMeasured:
    """Measure, and write the page and its JSON file after each store."""
    check_settings(settings)
    workspace = Workspace.of(checkout).own()
    with workspace.measuring():
        workspace.images(f"raw-{settings.images}", watcher.show)
        facts = facts_of(workspace, settings.images, settings.seconds)
        kept = from_record(read_object(data_file(settings.out)) or {}, facts)
        table = {(cell.store, cell.operation): cell for cell in kept}
        measured = AdaptersMeasured(kept)
        stores = [store for store in settings.stores if has_calls(store)]
        for number, store in enumerate(stores):
            wanted = [
                operation
                for operation in settings.operations
                if not (settings.resume and (store, operation) in table)
            ]
            absent = registry.why_not(store)
            if absent:
                watcher.say(f"{store}: {absent}")
            if absent or not wanted:
                continue

            def show(operation: str, store: StoreName = store, number: int = number) -> None:
                watcher.show(f"{store} {operation}", number, len(stores))

            try:
                for cell in _measured(workspace, settings, store, wanted, show):
                    table[store, cell.operation] = cell
            except _Skipped as reason:
                watcher.say(f"{store}: {reason}")
            except RuntimeError as error:
                measured.failed[store] = str(error)
                watcher.say(f"{store} failed: {error}")
            measured.cells = _in_order(table)
            _write(settings, measured.cells, facts)
    return measured


class _Skipped(Exception):
    """The store cannot hold these images."""


def _measured(
    workspace: Workspace,
    settings: AdapterSettings,
    store: StoreName,
    operations: Sequence[str],
    show: Callable[[str], None],
) -> Iterator[AdapterCell]:
    """Yield the cells of one store; those that are slower without a reason are measured twice."""
    doubtful = []
    for cell in _cells(workspace, settings, store, operations, settings.seconds, show):
        if cell.unexplained:
            doubtful.append(cell.operation)
        yield cell
    if doubtful:
        yield from _cells(workspace, settings, store, doubtful, AGAIN * settings.seconds, show)


def _cells(
    workspace: Workspace,
    settings: AdapterSettings,
    store: StoreName,
    operations: Sequence[str],
    seconds: float,
    show: Callable[[str], None],
) -> Iterator[AdapterCell]:
    command = [sys.executable, "-m", "platebench.timing.adapters", str(workspace.root)]
    command += [str(store), f"raw-{settings.images}", str(seconds), *operations]
    show(operations[0])
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=os.sep,
        env={**os.environ, **variables_for_a_child()},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                interrupts.check()
                timed = json.loads(line)
                operation = timed["operation"]
                reason = reason_for(store, operation)
                yield adapter_cell(store, operation, timed["adapter"], timed["direct"], reason)
                place = operations.index(operation) + 1
                show(operations[min(place, len(operations) - 1)])
            said = process.stderr.read()
        finally:
            process.kill()
            status = process.wait()
    interrupts.check()
    if status == UNSUPPORTED:
        raise _Skipped(said.strip())
    if status:
        raise RuntimeError(why_failed(said, status))


def facts_of(workspace: Workspace, images: int, seconds: float) -> AdapterFacts:
    """Return what all cells of a measurement that starts now have in common."""
    disk = one_line(machine_facts(workspace.root)).partition(";")[0]
    machine = this_machine()
    cpu = f"{machine.get('cpu') or 'unknown CPU'}, {machine.get('num_cpu', '?')} cores"
    return AdapterFacts(
        images,
        seconds,
        platform.python_version(),
        library_versions(),
        cpu,
        disk,
    )


def _in_order(table: dict[tuple[StoreName, str], AdapterCell]) -> list[AdapterCell]:
    places = [(store, operation) for store in registry.names() for operation in OPERATIONS]
    return [table[place] for place in places if place in table]


def data_file(page: Path) -> Path:
    """Return the JSON file beside a page."""
    return page.with_suffix(".json")


def _write(settings: AdapterSettings, cells: Sequence[AdapterCell], facts: AdapterFacts) -> None:
    write_whole(settings.out, as_markdown(cells, facts, settings.command))
    write_whole(data_file(settings.out), json.dumps(as_record(cells, facts), indent=1) + "\n")
