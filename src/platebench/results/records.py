"""The raw record of a run: a file of JSON lines, appended to after every cell.

asv's own files hold the pooled samples, but no rounds, CPU times, library versions or reasons.
A run that is interrupted keeps every line that it wrote, and can be taken up again. The first
line describes the run, the last of a run that reached its end says so, and each line between is
one cell in one round.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platebench.timing.suite import CellName, Run

SUFFIX = ".run.jsonl"


@dataclass(frozen=True)
class RunInfo:
    """What all cells of a run share. `commit` ends in `+changes` when the checkout had any."""

    started: str
    commit: str
    machine: str
    python: str
    libraries: dict[str, str]
    images: list[str]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_run(self) -> bool:
        """Whether it is a run of its own, not one side of a comparison or of a self-check."""
        return self.settings.keys().isdisjoint({"compare", "selfcheck"})

    @property
    def file_name(self) -> str:
        """The name of the run's file, which sorts by time."""
        return f"{self.started.replace(':', '').replace('-', '')}{SUFFIX}"


@dataclass(frozen=True)
class Record:
    """One cell in one round."""

    round: int
    run: Run


class RecordFile:
    """The file of one run."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def create(cls, results: Path, info: RunInfo) -> RecordFile:
        """Begin the file of a run in the machine's folder of `results`."""
        folder = results / info.machine
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / info.file_name
        draft = file.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(asdict(info)) + "\n")
            os.link(draft, file)  # unlike a rename, fails if a run began in the same microsecond
        finally:
            draft.unlink(missing_ok=True)
        return cls(file)

    def append(self, record: Record) -> None:
        """Add a line, and see that it is on the disk."""
        self._add({"round": record.round, **asdict(record.run)})

    def finish(self) -> None:
        """Say that the run reached its end."""
        self._add({"finished": datetime.now(UTC).isoformat(timespec="seconds")})

    @property
    def finished(self) -> bool:
        """Whether the run reached its end."""
        return any("finished" in line for line in self._lines())

    def mend(self) -> None:
        """Cut off a last line that a crash left incomplete, so that more can be added."""
        whole = self.file.read_bytes()
        os.truncate(self.file, whole.rfind(b"\n") + 1)

    def info(self) -> RunInfo:
        """Return what the first line says."""
        with self.file.open() as opened:
            return RunInfo(**json.loads(opened.readline()))

    def records(self) -> Iterator[Record]:
        """Yield the cells; a last line that was cut off by a crash is left out."""
        for read in self._lines():
            if "cell" in read:
                cell = CellName(read["cell"]["benchmark"], tuple(read["cell"]["params"]))
                number = read.pop("round")
                yield Record(number, Run(**{**read, "cell": cell}))

    def _add(self, line: dict[str, Any]) -> None:
        with self.file.open("a") as opened:
            opened.write(json.dumps(line) + "\n")
            opened.flush()
            os.fsync(opened.fileno())

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self.file.open() as opened:
            next(opened)
            for line in opened:
                if line.endswith("\n"):
                    yield json.loads(line)


def record_files(results: Path, machine: str | None = None) -> list[RecordFile]:
    """Return the files of all runs, or of one machine's, oldest first."""
    found: Sequence[Path] = list(results.glob(f"{machine or '*'}/*{SUFFIX}"))
    return [RecordFile(file) for file in sorted(found, key=lambda file: file.name)]
