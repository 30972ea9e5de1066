"""Add what is new to a finished reference run: `platebench reference run --missing`.

A new format, operation or size is measured beside the floor and the TIFF folder, and its records
are added to a copy of those that there are. The copy is a run of its own, so nothing that was
published changes. Its first line names the earlier pieces.

Only figures of the same machine, Python, library versions and read-ahead of the disk may be mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.results.plan import REFERENCE, PlanPart, RunPlan, plan_of
from platebench.results.records import Record, RecordFile, RunInfo

PIECES = "pieces"
"""The setting that lists the earlier pieces of a run: when each began, its commit, and how many
records there were at its end."""


BENCHMARK_VERSIONS = "versions"
"""The setting that has the version of each benchmark class."""


@dataclass(frozen=True)
class Earlier:
    """What an extended run already holds: `records` at its beginning, and the plan of these.

    `versions` are those of the benchmark classes that measured them, as far as they were recorded.
    """

    records: tuple[Record, ...] = ()
    plan: RunPlan = field(default_factory=RunPlan)
    pieces: tuple[Mapping[str, Any], ...] = ()
    versions: Mapping[str, Any] = field(default_factory=dict)

    def require_versions(self, now: Mapping[str, str]) -> None:
        """Raise UserError if a class that measured the records has another version `now`."""
        kinds = {record.run.cell.kind for record in self.records}
        for kind in sorted(kinds & self.versions.keys() & now.keys()):
            if self.versions[kind] != now[kind]:
                raise UserError(
                    f"{kind}: the benchmark has changed since (version {self.versions[kind]}, now"
                    f" {now[kind]}); without --missing this becomes a run of its own"
                )

    @property
    def cells(self) -> frozenset[CellName]:
        """The cells that are measured already."""
        return frozenset(record.run.cell for record in self.records)

    @property
    def last_group(self) -> int:
        """The highest number of a group, 0 without any."""
        return max((record.group or 0 for record in self.records), default=0)

    def with_parts(self, plan: RunPlan) -> RunPlan:
        """Return a plan with the parts that were measured before."""
        new = {_what(part) for part in plan.parts}
        before = (part for part in self.plan.parts if _what(part) not in new)
        return RunPlan((*plan.parts, *before), plan.left_out)


def earlier_of(file: RecordFile) -> Earlier:
    """Return what another run can be an extension of."""
    info = file.info()
    records = tuple(file.records())
    piece = {"started": info.started, "commit": info.commit, "records": len(records)}
    versions = info.settings.get(BENCHMARK_VERSIONS)
    known = versions if isinstance(versions, dict) else {}
    return Earlier(records, plan_of(info), (*pieces_of(info), piece), known)


def pieces_of(info: RunInfo) -> tuple[Mapping[str, Any], ...]:
    """Return the earlier pieces of a run, the oldest first; none if it was not extended.

    What another program wrote there counts as none: only texts and counts are shown.
    """
    named = info.settings.get(PIECES)
    pieces = tuple(named) if isinstance(named, list) else ()
    return pieces if all(map(_is_piece, pieces)) else ()


def _is_piece(piece: object) -> bool:
    kinds = {"started": str, "commit": str, "records": int}
    return isinstance(piece, dict) and all(
        isinstance(piece.get(key), kind) for key, kind in kinds.items()
    )


def run_to_extend(files: Iterable[RecordFile], now: RunInfo) -> RecordFile:
    """Return the newest finished reference run of this machine.

    Raises UserError if there is none, or if it was measured with another Python, other libraries or
    another read-ahead of the disk.
    """
    finished = [
        file
        for file in files
        if (info := file.info()).machine == now.machine
        and REFERENCE in info.settings
        and file.finished
    ]
    if not finished:
        raise UserError(
            f"{now.machine}: has no finished reference run; 'platebench reference run' measures one"
        )
    newest = max(finished, key=lambda file: file.info().started)
    differs = list(_differences(newest.info(), now))
    if differs:
        raise UserError(
            f"{newest.file.name}: was measured with {', '.join(differs)}; without --missing this"
            " becomes a run of its own"
        )
    return newest


def first_records(file: RecordFile, info: RunInfo) -> Earlier:
    """Return the earlier pieces that an extended run's own file begins with."""
    pieces = pieces_of(info)
    if not pieces:
        return Earlier()
    return Earlier(tuple(islice(file.records(), pieces[-1]["records"])), RunPlan(), pieces)


def _differences(before: RunInfo, now: RunInfo) -> Iterable[str]:
    if before.python != now.python:
        yield f"Python {before.python}, not {now.python}"
    for name, version in sorted(before.libraries.items()):
        if name in now.libraries and now.libraries[name] != version:
            yield f"{name} {version}, not {now.libraries[name]}"
    ahead, now_ahead = _read_ahead(before), _read_ahead(now)
    if ahead != now_ahead:
        yield f"a read-ahead of {ahead} KiB, not {now_ahead}"


def _read_ahead(info: RunInfo) -> object:
    return (info.machine_facts or {}).get("read_ahead_kib")


def _what(part: PlanPart) -> tuple[Sequence[str], frozenset[Any], frozenset[str]]:
    return part.images, frozenset(part.stores), frozenset(part.operations)
