"""Promote a finished reference run into a checkout: what `platebench reference keep` does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platebench.atomic_files import write_whole
from platebench.errors import UserError
from platebench.results.asv_files import read_asv_file, write_asv_results
from platebench.results.commit import CHANGES
from platebench.results.over_days import (
    HISTORY,
    day_files,
    finished_histories,
    histories,
    is_finished,
)
from platebench.results.records import SUFFIX, RecordFile, record_files
from platebench.results.strict_json import Damaged
from platebench.running.checkout import commit_at
from platebench.running.selfcheck import newest_files
from platebench.temporary import temporary_folder

MACHINE, BENCHMARKS = "machine.json", "benchmarks.json"


def keep_reference(
    run: str, own: Path, checkout: Path, kept: Path, with_selfcheck: bool = False
) -> list[Path]:
    """Copy a run from the user's own results into the checkout's, and return the files written.

    Of a history, given by any of its days, the files of all days are copied, and machine.json.

    `run` is a record file, or its name or the beginning of its name in `own`. Copied are the
    record file, machine.json and asv's file, made from this run alone; benchmarks.json, which is
    asv's list for all runs, gains the run's benchmarks. With `with_selfcheck` the newest finished
    self-check of the same machine is copied too.

    Raises UserError for a run that is not a reference run, did not reach its end, or measured
    changes that no commit holds, and when another file has the place of one to be written. Then
    nothing is written.
    """
    file = find_run(run, own)
    info = file.info()
    if HISTORY in info.settings:
        return _keep_history(file, kept)
    if "reference" not in info.settings:
        raise UserError(f"{file.file}: not a reference run; 'platebench reference run' makes one")
    if not file.finished:
        raise UserError(
            f"{file.file}: is not finished; 'platebench reference run --resume' continues it"
        )
    if info.commit.endswith(CHANGES):
        raise UserError(f"{file.file}: measured uncommitted changes; commit them and run again")
    source = file.file.parent
    records = [file]
    if with_selfcheck:
        checks = newest_files(source.parent, info.machine)
        if not checks:
            raise UserError(
                f"{source}: no finished self-check; 'platebench calibrate selfcheck' makes one"
            )
        records += checks
    wanted = {kept / info.machine / each.file.name: each.file.read_bytes() for each in records}
    wanted |= _asv_files(file, checkout, kept)
    listed = wanted.pop(kept / BENCHMARKS)
    new = [target for target, content in wanted.items() if not _has(target, content)]
    (kept / info.machine).mkdir(parents=True, exist_ok=True)
    for target in new:
        write_whole(target, wanted[target])
    if not _is_same_json(kept / BENCHMARKS, listed):
        new.append(write_whole(kept / BENCHMARKS, listed))
    return new


def _keep_history(file: RecordFile, kept: Path) -> list[Path]:
    """Copy all days of a history, and of those that it adds days to.

    Raises UserError as `keep_reference` does.
    """
    folder = file.file.parent
    every = histories(record_files(folder.parent, folder.name))
    begun = next(each.plan.begun for each in day_files([file]))
    (group,) = (each for each in every if each[0].plan.begun == begun)
    if not is_finished(group):
        raise UserError(
            f"{file.file}: is not finished; 'platebench reference history --resume' continues it"
        )
    shown = finished_histories([each.file for one in every for each in one])
    groups = shown if any(each[0].plan.begun == begun for each in shown) else [group]
    days = [each for one in groups for each in one]
    changed = next((each for each in days if each.info.commit.endswith(CHANGES)), None)
    if changed is not None:
        raise UserError(
            f"{changed.file.file}: measured uncommitted changes; commit them and run again"
        )
    target = kept / folder.name
    wanted = {target / each.file.file.name: each.file.file.read_bytes() for each in days}
    if (folder / MACHINE).exists() and not (target / MACHINE).exists():
        wanted[target / MACHINE] = (folder / MACHINE).read_bytes()
    new = [place for place, content in wanted.items() if not _has(place, content)]
    target.mkdir(parents=True, exist_ok=True)
    for place in new:
        write_whole(place, wanted[place])
    return new


def find_run(run: str, own: Path) -> RecordFile:
    """Return the run that a path, a name or the beginning of a name says.

    Raises UserError when there is none, or more than one.
    """
    given = Path(run)
    if given.name.endswith(SUFFIX) and given.is_file():
        folder, name = given.absolute().parent, given.name
        # record_files leaves out a damaged file, and says why
        readable = record_files(folder.parent, folder.name)
        found = [each for each in readable if each.file.name == name]
    else:
        found = [each for each in record_files(own) if run and each.file.name.startswith(run)]
    if not found:
        raise UserError(f"{run}: no such run in {own}; give a file or the beginning of its name")
    if len(found) > 1:
        raise UserError(f"{run}: {len(found)} runs begin with this; give more of the name")
    return found[0]


def _asv_files(file: RecordFile, checkout: Path, kept: Path) -> dict[Path, bytes]:
    """Return asv's files of this run alone, by the place they are to have."""
    info = file.info()
    source = file.file.parent
    machine = _read(source / MACHINE)
    own, before = _read(source.parent / BENCHMARKS), _read(kept / BENCHMARKS, missing=True)
    version = own.pop("version")
    before.pop("version", None)
    measured = {record.run.cell.benchmark for record in file.records()}
    unknown = measured - own.keys()
    if unknown:
        raise UserError(
            f"{source.parent / BENCHMARKS}: does not list {min(unknown)}, which the run measured;"
            " 'platebench run' in the measured revision lists it again"
        )
    with temporary_folder() as folder:
        # asv's machine has the version of its file among its facts
        facts = {key: value for key, value in machine.items() if key != "version"}
        facts["machine"] = info.machine
        commit = commit_at(checkout, info.commit)
        write_asv_results(folder, facts, own, commit, [file])
        made = {
            kept / each.relative_to(folder): each.read_bytes() for each in folder.rglob("*.json")
        }
    made[kept / info.machine / MACHINE] = (source / MACHINE).read_bytes()
    mine = json.loads(made[kept / BENCHMARKS])
    every = before | {name: each for name, each in mine.items() if name in measured}
    listed: Mapping[str, Any] = {**dict(sorted(every.items())), "version": version}
    made[kept / BENCHMARKS] = (json.dumps(listed, indent=1) + "\n").encode()
    return made


def _read(file: Path, missing: bool = False) -> dict[str, Any]:
    try:
        return read_asv_file(file)
    except FileNotFoundError:
        if missing:
            return {}
        raise UserError(f"{file}: does not exist; a run writes it at its end") from None
    except Damaged as reason:
        raise UserError(f"{file}: {reason}") from reason


def _has(target: Path, content: bytes) -> bool:
    """Say whether the content is in its place. Raises UserError when something else is."""
    if not target.exists() and not target.is_symlink():
        return False
    if target.is_symlink() or not target.is_file() or not _is_same(target, content):
        raise UserError(
            f"{target}: another file exists and is not overwritten; nothing was written"
        )
    return True


def _is_same(target: Path, content: bytes) -> bool:
    if target.suffix == ".json":
        return _is_same_json(target, content)
    return target.read_bytes() == content


def _is_same_json(target: Path, content: bytes) -> bool:
    try:
        one, other = (json.loads(each) for each in (target.read_bytes(), content))
        # as text, for asv writes NaN, which equals nothing
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    except (OSError, ValueError):
        return False
