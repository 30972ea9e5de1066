"""Add what is new to a finished reference run: `platebench reference run --missing`.

A new format, operation or size is measured beside the floor and the TIFF folder, and its records
are added to a copy of those that there are. The copy is a run of its own, so nothing that was
published changes. Its first line names the earlier pieces. Of an interrupted run the cells are
taken over that were measured in all their rounds, so that a mended program need not measure them
again. Figures of a store whose adapter was wrong can be left out, and are then measured again.

Only figures of the same machine, Python, library versions and read-ahead of the disk may be mixed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from typing import Any

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.results.operations import same_on
from platebench.results.plan import REFERENCE, PlanPart, RunPlan, plan_of
from platebench.results.records import Record, RecordFile, RunInfo
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, REFERENCES

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
        """Return a plan with the parts that were measured before and that it does not cover."""
        before = (part for part in self.plan.parts if not _covered(part, plan.parts))
        return RunPlan((*plan.parts, *before), plan.left_out)


def earlier_of(file: RecordFile, again: Collection[StoreName], measured: RunPlan) -> Earlier:
    """Return what another run can be an extension of, without what is to be measured `again`.

    That is what the plan `measured` has of these stores.
    """
    info, plan = file.info(), plan_of(file.info())
    every = tuple(file.records())
    wanted = RunPlan((*measured.parts, *plan.parts))
    left_out = {
        cell
        for cell in {record.run.cell for record in every}
        if cell.store in again and any(part.has(cell) for part in measured.parts)
    }
    kept = [
        whole and record.run.cell not in left_out
        for record, whole in zip(every, _whole(every, wanted, file.finished), strict=True)
    ]
    records = tuple(compress(every, kept))
    piece = {"started": info.started, "commit": info.commit, "records": len(every)}
    pieces = [
        {**before, "records": sum(kept[: before["records"]])}
        for before in (*pieces_of(info), piece)
    ]
    versions = info.settings.get(BENCHMARK_VERSIONS)
    known = versions if isinstance(versions, dict) else {}
    return Earlier(records, plan, tuple(pieces), known)


def _whole(records: Sequence[Record], plan: RunPlan, finished: bool) -> list[bool]:
    """Say of each record whether its cell was measured in all rounds of the first part that has it.

    Those of a reference store count where a cell that they were measured beside does.
    """
    if finished:
        return [True] * len(records)
    rounds: dict[CellName, set[int]] = {}
    for record in records:
        rounds.setdefault(record.run.cell, set()).add(record.round)
    whole = {
        cell
        for cell, measured in rounds.items()
        if cell.store not in REFERENCES and len(measured) >= _rounds_of(cell, plan)
    }
    beside = {_turn(record) for record in records if record.run.cell in whole}
    return [
        record.run.cell in whole
        or (record.run.cell.store in REFERENCES and _turn(record) in beside)
        for record in records
    ]


def _rounds_of(cell: CellName, plan: RunPlan) -> float:
    return next((part.rounds for part in plan.parts if part.has(cell)), math.inf)


def _turn(record: Record) -> tuple[int, int | None, CellName]:
    """Return the round, group and operation in which a record's process took turns."""
    return record.round, record.group, same_on(record.run.cell, FLOOR)


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


def run_to_extend(files: Iterable[RecordFile], now: RunInfo, resume: bool = False) -> RecordFile:
    """Return the newest finished reference run of this machine, or an interrupted one without any.

    An interrupted extension of that run has all that it has, and more, so it takes its place. With
    `resume`: the run that the newest interrupted extension began with. Raises UserError if
    there is none, or if it was measured with another Python, other libraries or another read-ahead
    of the disk.
    """
    mine = [
        file
        for file in files
        if (info := file.info()).machine == now.machine and REFERENCE in info.settings
    ]
    if not mine:
        raise UserError(
            f"{now.machine}: has no reference run; 'platebench reference run' measures one"
        )
    if resume:
        mine = _extended_by(mine) or mine
    newest = max(mine, key=lambda file: (file.finished, file.info().started))
    if not resume:
        extensions = [file for file in mine if _extended_at(file) == newest.info().started]
        newest = max(extensions, key=lambda file: file.info().started, default=newest)
    differs = list(_differences(newest.info(), now))
    if differs:
        raise UserError(
            f"{newest.file.name}: was measured with {', '.join(differs)}; without --missing this"
            " becomes a run of its own"
        )
    return newest


def _extended_at(file: RecordFile) -> str | None:
    """Return when the run began that an interrupted one extends; None if it does not."""
    pieces = pieces_of(file.info())
    return str(pieces[-1]["started"]) if pieces and not file.finished else None


def _extended_by(files: Sequence[RecordFile]) -> list[RecordFile]:
    """Return the run that the newest interrupted extension among these began with."""
    begun = [
        (file.info().started, extended)
        for file in files
        if (extended := _extended_at(file)) is not None
    ]
    return [file for file in files if begun and file.info().started == max(begun)[1]]


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


def _covered(part: PlanPart, parts: Sequence[PlanPart]) -> bool:
    """Say whether other parts have all that a part has, perhaps one operation each."""
    return all(
        any(
            each.images == part.images
            and operation in each.operations
            and set(part.stores) <= set(each.stores)
            for each in parts
        )
        for operation in part.operations
    )
