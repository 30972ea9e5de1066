"""The raw record of a run: a file of JSON lines that grows with every cell.

asv's own files hold the pooled samples, but no rounds, CPU times, library versions or reasons.
An interrupted run keeps all its lines and can be resumed. The first line describes the run, the
last line of a finished run says that it is finished, and each line between is one cell in one
round. `record_lines` checks the lines. A file with any other line is damaged; it is ignored, with a
message. Only the last line may be incomplete.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from platebench.errors import UserError
from platebench.results.blocks import Block
from platebench.results.measurement import Measurement
from platebench.results.record_lines import CellLine, is_plain_name, read_header, read_line
from platebench.results.strict_json import Damaged
from platebench.results.telling import Say, say_once

SUFFIX = ".run.jsonl"


@dataclass(frozen=True)
class RunInfo:
    """What all cells of a run share. `commit` ends in `+changes` if the checkout had changes."""

    started: str
    commit: str
    machine: str
    python: str
    libraries: dict[str, str]
    images: list[str]
    settings: dict[str, Any] = field(default_factory=dict)
    machine_facts: dict[str, Any] | None = field(default=None, compare=False)
    """The disk, the filesystem and the load at the start; None in runs of older versions."""
    newest: dict[str, str] | None = field(default=None, compare=False)
    """The newest release of each library on that day; None if it is unknown."""

    @property
    def is_run(self) -> bool:
        """True for a run of its own, not an arm of a comparison, a self-check or a history."""
        return self.settings.keys().isdisjoint({"compare", "selfcheck", "history"})

    @property
    def file_name(self) -> str:
        """The name of the run's file, which sorts by time."""
        return f"{self.started.replace(':', '').replace('-', '')}{SUFFIX}"


@dataclass(frozen=True)
class Record:
    """One cell in one round.

    `group` numbers the processes of the cell's operation that took turns at samples in this round;
    None if it took no turns.
    """

    round: int
    run: Measurement
    group: int | None = None

    @property
    def block(self) -> Block:
        """The round and the group."""
        return Block(self.round, self.group)


class RecordFile:
    """The file of one run."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def create(cls, results: Path, info: RunInfo) -> RecordFile:
        """Create the file of a run in the machine's folder of `results`.

        Raises UserError if the machine's name cannot be the name of a folder.
        """
        if not is_plain_name(info.machine):
            raise UserError(f"{info.machine!r}: this machine's name cannot be a folder's name")
        folder = results / info.machine
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / info.file_name
        # A killed process may leave a draft. It does not end in SUFFIX, so it is never read.
        draft = folder / f".{info.file_name}.platebench-part"
        with draft.open("x") as opened:
            try:
                opened.write(json.dumps(asdict(info)) + "\n")
                opened.flush()
                os.link(
                    draft, file
                )  # unlike a rename, fails if a run began in the same microsecond
            finally:
                draft.unlink(missing_ok=True)
        return cls(file)

    def append(self, record: Record) -> None:
        """Append a line and sync it to the disk."""
        self.append_all([record])

    def append_all(self, records: Sequence[Record]) -> None:
        """Append the lines of processes that took turns, and sync them to the disk."""
        self._add([_line(record) for record in records])

    def finish(self) -> None:
        """Mark the run as finished."""
        self._add([{"finished": datetime.now(UTC).isoformat(timespec="seconds")}])

    @property
    def finished(self) -> bool:
        """True if the run is finished. Raises Damaged."""
        return any(line is None for line in self._lines())

    def mend(self) -> None:
        """Remove a last line that a crash left incomplete, so that lines can be appended."""
        whole = self.file.read_bytes()
        os.truncate(self.file, whole.rfind(b"\n") + 1)

    def info(self) -> RunInfo:
        """Return the first line. Raises Damaged."""
        with self._opened() as opened:
            return self._info(opened.readline())

    def records(self) -> Iterator[Record]:
        """Yield the cells of known operations. Raises Damaged.

        An incomplete last line, as a crash leaves it, is ignored.
        """
        for line in self._lines():
            if line is not None and line.run is not None:
                yield Record(line.round, line.run, line.group)

    def check(self) -> list[str]:
        """Read the whole file; return the cells that `records` ignores. Raises Damaged."""
        self.info()
        return [line.name for line in self._lines() if line is not None and line.run is None]

    def _add(self, lines: Sequence[dict[str, Any]]) -> None:
        with self.file.open("a") as opened:
            opened.write("".join(json.dumps(line) + "\n" for line in lines))
            opened.flush()
            os.fsync(opened.fileno())

    def _lines(self) -> Iterator[CellLine | None]:
        with self._opened() as opened:
            opened.readline()
            for number, line in enumerate(opened, 2):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield read_line(line)
                except Damaged as reason:
                    raise Damaged(f"{self.file}, line {number}: {reason}") from reason

    def _info(self, line: bytes) -> RunInfo:
        try:
            if line and not line.endswith(b"\n"):
                raise Damaged("is cut off")
            return RunInfo(**read_header(line, self.file.absolute().parent.name).fields)
        except Damaged as reason:
            raise Damaged(f"{self.file}, line 1: {reason}") from reason

    def _opened(self) -> BinaryIO:
        try:
            if not stat.S_ISREG(self.file.stat().st_mode):
                raise Damaged(f"{self.file}: is not a regular file")
            return self.file.open("rb")
        except OSError as error:
            raise Damaged(f"{self.file}: cannot be read ({error.strerror})") from error


def _line(record: Record) -> dict[str, Any]:
    """Return a record's line. One that took no turns has no group."""
    run = record.run
    block = {"round": record.round} | ({} if record.group is None else {"group": record.group})
    cell = {"benchmark": run.cell.benchmark, "params": list(run.cell.params)}
    return {**block, **asdict(run), "cell": cell}


def record_files(
    results: Path, machine: str | None = None, say: Say = say_once
) -> list[RecordFile]:
    """Return the readable files of all runs, or of one machine, the oldest first.

    `say` gets a line about each other file, and about cells that this version does not know.
    """
    found = [
        file
        for folder in _folders(results, machine, say)
        for file in _inside(folder, say)
        if file.name.endswith(SUFFIX)
    ]
    files = [RecordFile(file) for file in sorted(found, key=lambda file: file.name)]
    return [file for file in files if _is_readable(file, say)]


def _folders(results: Path, machine: str | None, say: Say) -> list[Path]:
    if machine is not None:
        return [results / machine] if is_plain_name(machine) else []
    return [folder for folder in _inside(results, say) if not folder.name.startswith(".")]


def _inside(folder: Path, say: Say) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        say(f"{folder}: cannot be read ({error.strerror}); the folder is left out")
        return []


def _is_readable(file: RecordFile, say: Say) -> bool:
    try:
        unknown = file.check()
    except Damaged as reason:
        say(f"{reason}; the file is left out")
        return False
    if unknown:
        say(f"{file.file}: {len(unknown)} cells unknown to this version are left out: {unknown[0]}")
    return True
