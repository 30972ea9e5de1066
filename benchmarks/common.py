"""The work folder of this checkout, which all benchmarks share."""

from pathlib import Path

from platebench.timing.workspace import Workspace

WORKSPACE = Workspace.of(Path(__file__).parent.parent)
