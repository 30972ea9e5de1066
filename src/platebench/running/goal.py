"""When a run is over: its rounds, the width of its intervals, and its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS, floor_of, same_on
from platebench.results.ratios import RUN_SHIFT, least_width, width
from platebench.results.records import Record
from platebench.results.timings import by_cell, timings
from platebench.running.groups import Group, done_of, groups_of, left_of
from platebench.running.settings import Settings
from platebench.running.watcher import Watcher
from platebench.stores import registry

MOST_ROUNDS = 60
"""With `until`, a cell gets no more rounds than this, even if there is time."""


Contenders = Callable[[Sequence[CellName], Sequence[Record]], Sequence[CellName]]
"""Called with all cells and what is measured; returns the cells of a round that is added."""


def everyone(cells: Sequence[CellName], records: Sequence[Record]) -> Sequence[CellName]:
    """Return all cells: every store takes part in every round."""
    return cells


_NEAR = 1.1
"""With `until`, an interval is narrow enough within this factor of what no rounds can narrow."""


class Goal:
    """Tracks which cells need another round, the time that is left, and the progress of the run."""

    def __init__(
        self,
        settings: Settings,
        cells: Sequence[CellName],
        before: Sequence[Record],
        watcher: Watcher,
        contenders: Contenders = everyone,
    ) -> None:
        self._settings = settings
        self._contenders = contenders
        self._cells = cells
        self._watcher = watcher
        self._records = list(before)
        self._done = self._noted = done_of(before)
        self._last_before = max((record.round for record in before), default=0)
        self._round_began: float | None = None
        self._cells_of_round = 1
        self._longest_per_cell = 0.0
        self._group_began: float | None = None
        self._longest_group = 0.0
        minutes = math.inf if settings.minutes is None else settings.minutes
        self._end = time.monotonic() + 60 * minutes
        if settings.until is not None:
            for cache, shift in RUN_SHIFT.items():
                if settings.until < (least := _NEAR * least_width(shift)):
                    watcher.says(f"{cache}: intervals cannot get narrower than +-{least:.0%}")
        self._begun = self._in_all = 0
        for number in range(1, settings.rounds + 1):
            self._plan(cells, number)

    @property
    def time_is_over(self) -> bool:
        """True if no further group may begin; in a hurry, none that would end too late.

        With `whole_round` not before each cell was measured once.
        """
        if self._settings.whole_round and left_of(groups_of(self._cells, 1), self._noted):
            return False
        needed = self._longest_group if self._settings.hurried else 0.0
        return time.monotonic() + needed >= self._end

    def wanted(self, number: int) -> Sequence[CellName]:
        """Return the cells of a round: all at first, then those that need another one.

        Only earlier rounds count, so a resumed run wants the same cells of a round.
        """
        now = time.monotonic()
        if self._round_began is not None:
            per_cell = (now - self._round_began) / self._cells_of_round
            self._longest_per_cell = max(self._longest_per_cell, per_cell)
        self._round_began = now
        if number <= self._settings.rounds:
            self._cells_of_round = len(self._cells)
            return self._cells
        cells = [] if number > MOST_ROUNDS or self.time_is_over else self._added(number)
        if cells:
            self._plan(cells, number)
            self._cells_of_round = len(cells)
        return cells

    def _added(self, number: int) -> Sequence[CellName]:
        """Return the cells of a round that is added, in their order; none to stop."""
        if self._settings.until is not None:
            wide = self._too_wide([record for record in self._records if record.round < number])
            wanted = {same_on(cell, name) for cell in wide for name in registry.REFERENCES}
            return [cell for cell in self._cells if cell in wanted | set(wide)]
        if not self._settings.more:
            return []
        earlier = [record for record in self._records if record.round < number]
        cells = self._contenders(self._cells, earlier)
        fits = time.monotonic() + self._longest_per_cell * len(cells) <= self._end
        return cells if number <= self._last_before or fits else []

    def announce(self, group: Group) -> None:
        """Show which group is next."""
        self._begun += 1
        self._group_began = time.monotonic()
        self._watcher.measures(self._begun, self._in_all, group)

    def note(self, records: Sequence[Record]) -> None:
        """Add the samples of a group."""
        self._records += records
        self._noted |= done_of(records)
        if self._group_began is not None:
            took = time.monotonic() - self._group_began
            self._longest_group = max(self._longest_group, took)

    def conclude(self) -> bool:
        """Return True if the rounds that were asked for are measured; say what is left.

        Also say which cells did not reach the width that was asked for.
        """
        done = done_of(self._records)
        rounds = range(1, self._settings.rounds + 1)
        planned = [group for number in rounds for group in groups_of(self._cells, number)]
        left = left_of(planned, done)
        if left:
            kinds = dict.fromkeys(group.cells[0].kind for group in left)
            names = dict.fromkeys(OPERATIONS[kind].name for kind in kinds)
            self._watcher.says(
                f"{self._settings.minutes:g} minutes are over: {len(left)} of {len(planned)} groups"
                f" of measurements are left, of {', '.join(names)}"
            )
            return False
        until = self._settings.until
        for cell in [] if until is None else self._too_wide(self._records):
            self._watcher.says(
                f"no more rounds of {cell}: still wider than +-{100 * (until or 0):g}%"
            )
        return True

    def _plan(self, cells: Sequence[CellName], number: int) -> None:
        groups = groups_of(cells, number)
        self._in_all += len(groups)
        self._begun += len(groups) - len(left_of(groups, self._done))

    def _too_wide(self, records: Sequence[Record]) -> list[CellName]:
        assert self._settings.until is not None
        measured = [record for record in records if record.run.status == "ok"]
        found = timings(by_cell(measured))
        return [
            cell
            for cell, timing in found.items()
            if cell != floor_of(cell)
            and (floor := found.get(floor_of(cell))) is not None
            and (formed := timing.over(floor)) is not None
            and width(formed) > max(self._settings.until, _NEAR * least_width(timing.run_shift))
        ]
