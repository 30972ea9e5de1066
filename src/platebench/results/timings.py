"""The timing of every cell of a run: its samples by block, and the noise of cells like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from platebench.results.blocks import Block, Blocks, BlockSamples, with_reference
from platebench.results.measurement import CellName
from platebench.results.moderated_variance import Noise, noise_of
from platebench.results.operations import OPERATIONS, same_on
from platebench.results.ratios import RUN_SHIFT, Timing, log_ratios
from platebench.results.records import Record
from platebench.results.robust_mean import RobustMean, pool
from platebench.stores.registry import FLOOR, REFERENCES

Seconds = Callable[[Record], Sequence[float]]
"""Returns the samples of a record."""


def wall_seconds(record: Record) -> Sequence[float]:
    """Return the wall seconds of each sample."""
    return record.run.samples_s


def cpu_seconds(record: Record) -> Sequence[float]:
    """Return the CPU seconds of each sample; none if a clock did not resolve one."""
    found: Sequence[float] = record.run.record.get("cpu_s", [])
    return found if all(second > 0 for second in found) else []


def by_cell(records: Iterable[Record]) -> dict[CellName, list[Record]]:
    """Return the records of each cell; of a block that was measured again, only the last."""
    found: dict[CellName, dict[Block, Record]] = defaultdict(dict)
    for record in records:
        found[record.run.cell][record.block] = record
    return {cell: list(mine.values()) for cell, mine in found.items()}


def timings(
    records: Mapping[CellName, Sequence[Record]], seconds: Seconds = wall_seconds
) -> dict[CellName, Timing]:
    """Return the timing of each cell of a run that has samples.

    The variance between rounds is moderated over all cells of the same cache state, and not over
    those of one operation: their ratios have the reference store's error in common, so that a few
    rounds of one operation are a poor guide. Of 2 rounds, they gave an operation half-widths of 10%
    and another of 54%.
    """
    blocks = {cell: _blocks(mine, seconds) for cell, mine in records.items()}
    blocks = {cell: found for cell, found in blocks.items() if found}
    tables: dict[CellName, list[CellName]] = defaultdict(list)
    for cell in blocks:
        tables[same_on(cell, FLOOR)].append(cell)
    referred = {
        cell: with_reference(blocks[cell], references)
        for table in tables.values()
        for references in [_references(table, blocks)]
        for cell in table
    }
    noises = _noises(referred)
    return {cell: Timing(mine, noises[cell], run_shift_of(cell)) for cell, mine in referred.items()}


def run_shift_of(cell: CellName) -> float:
    """Return how far a whole run shifts the log ratio of a cell, as a standard deviation."""
    return RUN_SHIFT[OPERATIONS[cell.kind].cache]


def samples_by_block(records: Iterable[Record]) -> dict[Block, BlockSamples]:
    """Return the samples of each measured block, without a reference."""
    return _blocks(records, wall_seconds)


def _blocks(records: Iterable[Record], seconds: Seconds) -> dict[Block, BlockSamples]:
    return {
        record.block: BlockSamples(tuple(found)) for record in records if (found := seconds(record))
    }


def _references(table: Sequence[CellName], blocks: Mapping[CellName, Blocks]) -> list[Blocks]:
    """Return the samples of the reference stores that have every block of the table."""
    every = {block for cell in table for block in blocks[cell]}
    found = (blocks[cell] for cell in table if cell.store in REFERENCES)
    return [each for each in found if every <= each.keys()]


def _noises(blocks: Mapping[CellName, Blocks]) -> dict[CellName, Noise | None]:
    """Return the noise of cells like each, from their ratios to the reference stores."""
    by_cache: dict[str, list[RobustMean]] = defaultdict(list)
    bases: dict[str, set[CellName]] = defaultdict(set)
    for cell, mine in blocks.items():
        cache = OPERATIONS[cell.kind].cache
        for name in REFERENCES:
            base = same_on(cell, name)
            if base == cell or base not in blocks or not _share_a_round(mine, blocks[base]):
                continue
            by_cache[cache].append(pool(log_ratios(mine, blocks[base])))
            bases[cache].add(base)
    noises = {
        cache: noise_of(means, len(means) / len(bases[cache])) for cache, means in by_cache.items()
    }
    return {cell: noises.get(OPERATIONS[cell.kind].cache) for cell in blocks}


def _share_a_round(one: Blocks, other: Blocks) -> bool:
    return not {block.round for block in one}.isdisjoint(block.round for block in other)
