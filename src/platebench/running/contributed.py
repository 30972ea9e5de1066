"""Check that the results of a machine are whole: what `platebench reference check` does.

A contributed folder comes from another machine, so nothing of it is taken on trust. Every file is
read, and what the page needs of it is looked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platebench.errors import UserError
from platebench.results.asv_files import environment_name, read_asv_file
from platebench.results.blocks import Block
from platebench.results.commit import CHANGES
from platebench.results.completeness import completeness
from platebench.results.measurement import CellName
from platebench.results.operations import floor_of, same_on
from platebench.results.over_days import HISTORY
from platebench.results.plan import REFERENCE, plan_of
from platebench.results.records import SUFFIX, Record, RecordFile, RunInfo, record_files
from platebench.results.strict_json import Damaged
from platebench.running.keeping import BENCHMARKS, MACHINE
from platebench.stores.name import StoreName
from platebench.stores.registry import REFERENCES


@dataclass(frozen=True)
class Contributed:
    """What a folder of results holds, and what is missing or wrong, a sentence each."""

    reference_runs: int
    other_runs: int
    cells: int
    wrong: tuple[str, ...]


def check_contributed(folder: Path) -> Contributed:
    """Read the results of a machine whole. Raises UserError if there is no such folder."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a machine in results/")
    folder = folder.absolute()
    wrong: list[str] = []
    files = record_files(folder.parent, folder.name, wrong.append)
    read = {file.file.name for file in files}
    if not files:
        wrong.append(f"no readable record file (*{SUFFIX})")
    runs = [file for file in files if REFERENCE in file.info().settings]
    if files and not runs and not any(HISTORY in file.info().settings for file in files):
        wrong.append("no reference run; 'platebench reference run' makes one")
    wrong += [each for file in files for each in _wrong_of_run(file, folder.name)]
    wrong += _wrong_of_machine(folder / MACHINE)
    wrong += [each for file in runs for each in _wrong_for_asv(file)]
    wrong += _foreign(folder, read)
    cells = sum(len({record.run.cell for record in file.records()}) for file in runs)
    return Contributed(len(runs), len(files) - len(runs), cells, tuple(wrong))


def _wrong_of_run(file: RecordFile, machine: str) -> Iterator[str]:
    info, name = file.info(), file.file.name
    if info.machine != machine:
        yield f"{name}: is of the machine {info.machine}"
    if info.commit.endswith(CHANGES):
        yield f"{name}: measured changes that no commit holds"
    if not file.finished:
        yield f"{name}: is not finished"
    records = list(file.records())
    if not records:
        yield f"{name}: has no measurement"
    elif REFERENCE in info.settings:
        yield from (f"{name}: {each}" for each in _missing(info, records))


def _missing(info: RunInfo, records: Sequence[Record]) -> Iterator[str]:
    """Yield the parts of a run's plan that lack cells or rounds.

    The number of cells is the one that was planned then: later revisions may measure more.
    """
    cells = {record.run.cell for record in records}
    for part in plan_of(info).parts:
        mine = [cell for cell in cells if part.has(cell)]
        if part.count is None or len(mine) < part.count:
            count = "unknown number of" if part.count is None else f"{part.count}"
            said = f"{', '.join(part.images)}: {', '.join(part.operations)}"
            yield f"{len(mine)} of {count} planned cells were measured of {said}"
    rounds = sum(row.missing_rounds for row in completeness(info, records).rows)
    if rounds:
        yield f"{rounds} planned rounds of cells are missing"
    yield from _without_reference(records)


def _without_reference(records: Sequence[Record]) -> Iterator[str]:
    """Yield the groups without a reference store, which compare with nothing else."""
    measured = {record.run.cell for record in records}
    groups: dict[tuple[CellName, Block], set[StoreName]] = defaultdict(set)
    for record in records:
        if record.group is not None:
            groups[floor_of(record.run.cell), record.block].add(record.run.cell.store)
    for (cell, block), stores in groups.items():
        for reference in REFERENCES:
            if same_on(cell, reference) in measured and reference not in stores:
                of = f"{cell.kind} of {cell.images}, round {block.round}, group {block.group}"
                yield f"{of} lacks {reference}"


def _wrong_of_machine(file: Path) -> Iterator[str]:
    try:
        machine = read_asv_file(file)["machine"]
    except FileNotFoundError:
        yield f"{file.name} is missing"
    except Damaged as reason:
        yield f"{file.name}: {reason}"
    else:
        if machine != file.parent.name:
            yield f"{file.name}: names the machine {machine}"


def _wrong_for_asv(file: RecordFile) -> Iterator[str]:
    """Yield what asv's pages lack of a run: its own file, and its benchmarks in the list of all."""
    info, folder = file.info(), file.file.parent
    own = folder / f"{info.commit[:8]}-{environment_name(info)}.json"
    measured = {record.run.cell.benchmark for record in file.records()}
    for each, missing in ((own, own.name), (folder.parent / BENCHMARKS, f"../{BENCHMARKS}")):
        try:
            content = read_asv_file(each)
        except FileNotFoundError:
            yield f"{missing} is missing; 'platebench reference keep' writes it"
        except Damaged as reason:
            yield f"{missing}: {reason}"
        else:
            listed = content if each.name == BENCHMARKS else content["results"]
            unknown = measured - listed.keys()
            if unknown:
                yield f"{missing}: lacks {min(unknown)}, which was measured"


def _foreign(folder: Path, read: set[str]) -> Iterator[str]:
    """Yield the files that are no results: they would be published with them."""
    for each in sorted(folder.iterdir()):
        is_asvs = each.suffix == ".json" and each.is_file()
        if each.name not in read and not is_asvs and not each.name.endswith(SUFFIX):
            yield f"{each.name}: is not a file of results"
