"""What asv's classes share: where the work folder of this checkout is."""

from pathlib import Path

from platebench.timing.cell import Cell
from platebench.timing.workspace import Workspace

REPOSITORY = Path(__file__).parent.parent


class StoreCell(Cell):
    """A cell whose files are in this checkout's work folder."""

    workspace = Workspace.of(REPOSITORY)
