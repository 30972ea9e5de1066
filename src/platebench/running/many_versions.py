"""Measure stores with many versions: `platebench calibrate versions`.

Each store has a process of its own. The page and, beside it, a JSON file are written after each
store, so that an interrupted measurement can be continued.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platebench import interrupts
from platebench.atomic_files import check_output, write_whole
from platebench.limits import require_room
from platebench.results.many_versions import (
    NUMBER,
    State,
    VersionsCell,
    VersionsFacts,
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
from platebench.timing.many_versions import SIDE
from platebench.timing.parent import variables_for_a_child
from platebench.timing.prepare import UNSUPPORTED
from platebench.timing.workspace import Workspace

SECONDS = 600.0
"""Seconds after which no further version is appended to a store."""

ROOM = 2_000_000
"""Bytes of disk per version that must be free. Formats that list all versions in each take most."""


@dataclass(frozen=True)
class VersionsSettings:
    """What is measured, and the page that is written."""

    stores: Sequence[StoreName]
    out: Path
    number: int = NUMBER
    seconds: float = SECONDS
    resume: bool = False
    command: str = "platebench calibrate versions"


@dataclass
class VersionsMeasured:
    """The cells of the page, and the stores that failed with their messages."""

    cells: list[VersionsCell]
    failed: dict[StoreName, str] = field(default_factory=dict)


def one_of_each() -> list[StoreName]:
    """Return one store of each format: the one tuned fast, or the first."""
    return [
        next((each for each in format_.stores if each.tuning == "fast"), format_.stores[0])
        for format_ in registry.FORMATS
    ]


def measure_versions(
    checkout: Path, settings: VersionsSettings, watcher: Watcher
) -> VersionsMeasured:
    """Measure, and write the page and its JSON file after each store.

    Cells of stores that are not measured now are kept, if the libraries are the same; with
    `resume`, those of the same number of versions are not measured again. Raises UserError if the
    page cannot be written or the disk has no room.
    """
    check_output(settings.out)
    workspace = Workspace.of(checkout).own()
    need = ROOM * settings.number
    require_room(workspace.root, need, f"{settings.number:,} versions of one store")
    with workspace.measuring():
        facts = _facts(workspace)
        earlier = read_object(data_file(settings.out)) or {}
        kept = from_record(earlier if earlier.get("facts") == asdict(facts) else {})
        table = {cell.store: cell for cell in kept}
        measured = VersionsMeasured(list(table.values()))
        for number, store in enumerate(settings.stores):
            interrupts.check()
            if settings.resume and store in table and table[store].number == settings.number:
                continue
            absent = registry.why_not(store)
            if absent:
                watcher.say(f"{store}: {absent}")
                continue

            def show(appended: int, store: StoreName = store, number: int = number) -> None:
                what = f"{store}: {appended:,} of {settings.number:,} versions"
                watcher.show(what, number, len(settings.stores))

            show(0)
            try:
                table[store] = _measured(workspace, settings, store, show)
            except _Skipped as reason:
                watcher.say(f"{store}: {reason}")
                continue
            except RuntimeError as error:
                measured.failed[store] = str(error)
                watcher.say(f"{store} failed: {error}")
                continue
            measured.cells = [table[name] for name in registry.names() if name in table]
            write_whole(settings.out, as_markdown(measured.cells, facts, settings.command))
            record = json.dumps(as_record(measured.cells, facts), indent=1)
            write_whole(data_file(settings.out), record + "\n")
    return measured


class _Skipped(Exception):
    """The store cannot hold these images."""


def _measured(
    workspace: Workspace,
    settings: VersionsSettings,
    store: StoreName,
    show: Callable[[int], None],
) -> VersionsCell:
    """Return the cell of one store. Raises RuntimeError if it failed before its first state."""
    lent = workspace.lend()
    told: list[dict[str, Any]] = []
    numbers = [str(settings.number), str(settings.seconds)]
    command = [sys.executable, "-m", "platebench.timing.many_versions", str(lent.path), str(store)]
    try:
        with tempfile.TemporaryFile("w+") as said:
            program = subprocess.Popen(
                [*command, *numbers],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=os.sep,
                env={**os.environ, **variables_for_a_child()},
            )
            with program:
                try:
                    assert program.stdout is not None
                    for line in program.stdout:
                        interrupts.check()
                        told.append(json.loads(line))
                        show(told[-1].get("progress", told[-1].get("versions", 0)))
                except BaseException:
                    program.kill()
                    raise
            said.seek(0)
            message = said.read()
    finally:
        lent.close()
    states = [each for each in told if "state" in each]
    if program.returncode == UNSUPPORTED and not states:
        raise _Skipped(message.splitlines()[-1])
    failure = why_failed(message, program.returncode) if program.returncode else ""
    if failure and not states:
        raise RuntimeError(failure)
    return cell_of(store, settings.number, states, failure)


def cell_of(
    store: StoreName, number: int, told: Sequence[Mapping[str, Any]], failure: str = ""
) -> VersionsCell:
    """Return the cell of the states that a program told, and what it could not do."""
    states = [_state(each) for each in told if "unsupported" not in each]
    notes = [str(each["unsupported"]) for each in told if "unsupported" in each]
    reached = max(state.versions for state in states)
    if reached < number and not failure:
        notes.insert(0, f"stopped after {reached:,} of {number:,} versions: the time was up")
    if failure:
        notes.append(f"failed after {reached:,} versions, {states[-1].what}: {failure}")
    native = registry.format_of(store).native_versions
    return VersionsCell(store, number, native, tuple(states), tuple(notes))


def _state(told: Mapping[str, Any]) -> State:
    return State(what=told["state"], **{key: told[key] for key in told if key != "state"})


def _facts(workspace: Workspace) -> VersionsFacts:
    disk = one_line(machine_facts(workspace.root)).partition(";")[0]
    return VersionsFacts(SIDE, platform.python_version(), library_versions(), disk)
