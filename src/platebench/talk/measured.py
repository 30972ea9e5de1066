"""The base class of the talk's benchmarks, which time one library call per sample."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from platebench.talk.dataset import Dataset, generated_dataset
from platebench.timing.cell import write_record
from platebench.timing.clock import Clock
from platebench.timing.workspace import Workspace


class TalkCell(ABC):
    """One call on the talk's images. They are generated once, and the call is checked once."""

    number = 1
    rounds = 1
    warmup_time = 0
    repeat: ClassVar[Any] = (5, 30, 1.0)
    timeout = 300.0

    workspace: Workspace

    def __init__(self) -> None:
        self.timer = Clock()
        self._is_set_up = False

    def setup(self, *params: str) -> None:
        """Before the first sample, write the files and check what the call returns."""
        if not self._is_set_up:
            lent = self.workspace.lend()
            self._removal = weakref.finalize(self, lent.close)
            folder = lent.path
            self._is_set_up = True
            self.prepare_cell(generated_dataset(folder / "images"), folder, *params)

    def teardown(self, *params: str) -> None:
        """Write the wall and CPU times, which asv's own result has no room for."""
        write_record(self.timer, {})

    @abstractmethod
    def prepare_cell(self, dataset: Dataset, folder: Path, *params: str) -> None:
        """Prepare the call, and raise Mismatch if it returns wrong values."""
