"""Damage what stores wrote, kill writers, and use stores from several programs: how they take it.

Each store has programs of its own (`timing/damage.py`), since what a library reads may crash it.
The page and, beside it, a JSON file are written after each store.
"""

from __future__ import annotations

import json
import os
import platform
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from platebench import interrupts
from platebench.atomic_files import check_output, write_whole
from platebench.drafts import Lent
from platebench.results.damage import (
    Answer,
    Kind,
    SafetyFacts,
    Trial,
    as_markdown,
    as_record,
    combined,
    from_record,
    of_damage,
    of_killed_append,
    of_read,
    of_reader_and_writer,
    of_two_readers,
    of_two_writers,
)
from platebench.results.strict_json import read_object
from platebench.running.machine_facts import machine_facts, one_line
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.cell import library_versions
from platebench.timing.damage import IMAGES, SOURCE, remove
from platebench.timing.parent import variables_for_a_child
from platebench.timing.workspace import Workspace

FLIPS = 32
"""Bytes that are flipped anywhere, and as many in the ends of files."""

WAITS_S = 60.0
"""Seconds after which a program that does not answer is ended."""

FIRST, ADDED = range(4), range(4, IMAGES)
"""Rows of the first version, and those that are appended."""

RACES = 5
"""Times that two writers append at once."""


class Watcher(Protocol):
    """What is told of the progress."""

    def show(self, what: str, done: int, total: int) -> None:
        """Show the current step."""

    def say(self, line: str) -> None:
        """Print a line."""


class Asked(Protocol):
    """A program that answers commands, each with one line."""

    def begin(self, command: Mapping[str, Any]) -> None:
        """Have a command done."""

    def answer(self) -> Answer:
        """Wait for the answer to it."""


@dataclass(frozen=True)
class SafetySettings:
    """What is tried, and the page that is written. `flips` is the number of each kind of flips."""

    stores: Sequence[StoreName]
    out: Path
    flips: int = FLIPS
    command: str = "platebench calibrate damage"


@dataclass
class SafetyMeasured:
    """The trials of the page."""

    trials: list[Trial]


def measure_damage(checkout: Path, settings: SafetySettings, watcher: Watcher) -> SafetyMeasured:
    """Try all, and write the page and its JSON file after each store.

    Trials of stores that are not tried now are kept. Raises UserError for a page that cannot be
    written.
    """
    check_output(settings.out)
    workspace = Workspace.of(checkout).own()
    with workspace.measuring():
        workspace.images(SOURCE, watcher.show)
        facts = facts_of(workspace)
        kept = from_record(read_object(settings.out.with_suffix(".json")) or {})
        found = {trial.store: list[Trial]() for trial in kept}
        for trial in kept:
            found[trial.store].append(trial)
        for number, store in enumerate(settings.stores):
            absent = registry.why_not(store)
            if absent:
                watcher.say(f"{store}: {absent}")
                continue
            watcher.show(str(store), number, len(settings.stores))
            lent = Lent.below(workspace.root / "scratch")
            with ExitStack() as stack:
                stack.callback(lent.close)
                pair = [stack.enter_context(Program(workspace.root, store)) for _ in range(2)]
                found[store] = list(trials_of(store, pair, lent.path, settings.flips))
            trials = combined(_in_order(found))
            write_whole(settings.out, as_markdown(trials, facts, settings.command))
            record = json.dumps(as_record(trials, facts), indent=1) + "\n"
            write_whole(settings.out.with_suffix(".json"), record)
    return SafetyMeasured(combined(_in_order(found)))


def trials_of(
    store: StoreName, programs: Sequence[Asked], folder: Path, flips: int = FLIPS
) -> Iterator[Trial]:
    """Yield all trials with one store, by two programs that have it. `folder` is empty.

    A store that does not take these images has no trial.
    """
    one = programs[0]
    whole = folder / "whole"
    if asked(one, do="write", path=str(whole)):
        return
    yield from _damaged(store, one, whole, folder / "changed", flips)
    yield from _killed(store, one, folder)
    if store == chosen(store):
        yield from _concurrent(store, programs, whole, folder)


def chosen(store: StoreName) -> StoreName:
    """Return the store of this one's format that is used by several programs at once."""
    stores = registry.format_of(store).stores
    return next((each for each in stores if each.tuning == "fast"), stores[0])


def asked(program: Asked, **command: Any) -> Answer:
    """Return the answer to one command."""
    program.begin(command)
    return program.answer()


def _damaged(store: StoreName, one: Asked, whole: Path, copy: Path, flips: int) -> Iterator[Trial]:
    changes = asked(one, do="changes", path=str(whole), anywhere=flips, ends=flips)
    for kind in (Kind.FLIPPED, Kind.ENDS, Kind.CUT):
        for change in changes[kind]:
            answer = asked(one, do="change", path=str(whole), copy=str(copy), change=change)
            remove(copy)
            at = f" at {change['at']}" if change["how"] != "remove" else ""
            what = f"{change['file'] or 'the file'}: {change['how']}{at}"
            yield Trial(store, kind, what, *of_damage(answer, IMAGES))


def _killed(store: StoreName, one: Asked, folder: Path) -> Iterator[Trial]:
    for row in (0, IMAGES // 2, IMAGES - 1):
        path = str(folder / f"killed-{row}")
        _die(one, do="write", path=path, deadly=row)
        outcome = of_read(asked(one, do="read", path=path), IMAGES)
        yield Trial(store, Kind.KILLED_WRITE, f"at image {row}", *outcome)
    for place in (0, len(ADDED) // 2, len(ADDED) - 1):
        path = str(folder / f"appended-{place}")
        asked(one, do="start", path=path, rows=list(FIRST))
        _die(one, do="append", path=path, rows=list(ADDED), first=len(FIRST), deadly=place)
        answer = asked(one, do="read_newest", path=path)
        outcome = of_killed_append(answer, FIRST, [*FIRST, *ADDED])
        yield Trial(store, Kind.KILLED_APPEND, f"at image {place}", *outcome)


def _die(program: Asked, **command: Any) -> None:
    """Have a program do what kills it. Raises RuntimeError if it lives."""
    answer = asked(program, **command)
    if "died" not in answer:
        raise RuntimeError(f"the writer was not killed: {dict(answer)}")


def _concurrent(
    store: StoreName, programs: Sequence[Asked], whole: Path, folder: Path
) -> Iterator[Trial]:
    one, other = programs
    for program in programs:
        program.begin({"do": "scan_often", "path": str(whole)})
    answers = [program.answer() for program in programs]
    yield Trial(store, Kind.TWO_READERS, "", *of_two_readers(answers, IMAGES))

    path = str(folder / "watched")
    asked(one, do="start", path=path, rows=list(FIRST))
    other.begin({"do": "watch", "path": path, "until": IMAGES})
    states, written = [list(FIRST)], []
    for row in ADDED:
        written.append(asked(one, do="append", path=path, rows=[row], first=row))
        states.append([*states[-1], row])
    outcome = of_reader_and_writer(other.answer(), written, states)
    yield Trial(store, Kind.READER_AND_WRITER, "", *outcome)

    for race in range(RACES):
        path = str(folder / f"race-{race}")
        asked(one, do="start", path=path, rows=list(FIRST))
        added = [[*ADDED[:2]], [*ADDED[2:]]]
        for program, rows in zip(programs, added, strict=True):
            program.begin({"do": "append", "path": path, "rows": rows, "first": len(FIRST)})
        answers = [program.answer() for program in programs]
        read = asked(one, do="read_newest", path=path)
        outcome = of_two_writers(read, FIRST, added, answers)
        yield Trial(store, Kind.TWO_WRITERS, f"race {race + 1}", *outcome)


class Program:
    """A process of `timing/damage.py`, which is started again when it ends."""

    def __init__(self, root: Path, store: StoreName) -> None:
        self._command = [sys.executable, "-m", "platebench.timing.damage", str(root), str(store)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def begin(self, command: Mapping[str, Any]) -> None:
        """Have a command done. Raises RuntimeError if the program cannot be started."""
        if self._process is not None and self._process.poll() is not None:
            self._end()  # it crashed after its last answer
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(json.dumps(dict(command)).encode() + b"\n")
        process.stdin.flush()

    def answer(self) -> Answer:
        """Wait for the answer, `{"died": ...}` or `{"hung": ...}` without any.

        Raises RuntimeError if the program ended by itself.
        """
        line = self._line()
        if line is None:
            self._end()
            return {"hung": f"no answer in {WAITS_S:g} s"}
        if not line:
            with suppress(subprocess.TimeoutExpired):  # its output ended before it did
                assert self._process is not None
                self._process.wait(5)
            status = self._end()
            if status >= 0:  # no library did that
                raise RuntimeError(f"{self._command[-1]}: its program ended with status {status}")
            return {"died": f"the program ended by {signal.Signals(-status).name}"}
        found: dict[str, Any] = json.loads(line)
        return found

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            env={**os.environ, **variables_for_a_child()},
        )
        if not self._line():
            self._end()
            raise RuntimeError(f"{self._command[-1]}: its program did not start")

    def _line(self) -> bytes | None:
        """Return the next line, an empty one at the end; None if none comes in time."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            ready = selector.select(WAITS_S)
        interrupts.check()
        return process.stdout.readline() if ready else None

    def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        return status


def facts_of(workspace: Workspace) -> SafetyFacts:
    """Return what all trials that start now have in common."""
    disk = one_line(machine_facts(workspace.root)).partition(";")[0]
    return SafetyFacts(IMAGES, platform.python_version(), library_versions(), disk)


def _in_order(found: Mapping[StoreName, Sequence[Trial]]) -> list[Trial]:
    """Return all trials, those of registered stores in the order of the registry."""
    known = [name for name in registry.names() if name in found]
    removed = [name for name in found if name not in known]
    return [trial for name in [*known, *removed] for trial in found[name]]
