"""Give disk back during a run: remove a store's files when no measurement needs them any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from platebench.results.measurement import CellName
from platebench.running.groups import Done, groups_of, left_of
from platebench.running.settings import Settings
from platebench.timing.workspace import Workspace


class StoreFiles:
    """The files of the stores of some cells, in a run that gives disk back.

    While rounds may be added, every store is needed until the end.
    """

    def __init__(
        self, workspace: Workspace, settings: Settings, cells: Sequence[CellName], done: Done
    ) -> None:
        """Count the measurements of `cells` that are left, without those `done`."""
        self._workspace = workspace
        self._open_end = settings.more or settings.until is not None
        rounds = range(1, settings.rounds + 1)
        left = left_of([group for each in rounds for group in groups_of(cells, each)], done)
        self._stores = dict.fromkeys((cell.store, cell.images) for cell in cells)
        self._needs = Counter((cell.store, cell.images) for group in left for cell in group.cells)

    def measured(self, cells: Sequence[CellName]) -> None:
        """Remove the files that no later measurement needs, now that these cells are measured."""
        for cell in cells:
            store = (cell.store, cell.images)
            self._needs[store] -= 1
            if self._needs[store] <= 0 and not self._open_end:
                self._workspace.remove_stored(*store)

    def end(self) -> None:
        """Remove what is left."""
        for store in self._stores:
            self._workspace.remove_stored(*store)
