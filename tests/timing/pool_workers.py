"""What the workers of tests hold. They import this module by its name."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from platebench.errors import Mismatch, Unsupported
from platebench.timing.pool import SharedMemory


class Worker:
    """Fills its part of the memory, and fails in several ways."""

    def __init__(self, memory: SharedMemory | None = None, fails: bool = False) -> None:
        self._memory = memory
        if fails:
            raise Unsupported("nothing to hold")

    def fill(self, start: int, end: int, value: int) -> int:
        """Fill a part of the memory, and return this process's id."""
        assert self._memory is not None
        self._memory.array[start:end] = value
        return os.getpid()

    def said(self, value: Any) -> Any:
        """Return the value."""
        return value

    def modules(self) -> list[str]:
        """Return the names of the modules that this process has imported."""
        return list(sys.modules)

    def mismatch(self) -> None:
        """Raise Mismatch."""
        raise Mismatch("image 3 came back changed")

    def unsupported(self) -> None:
        """Raise Unsupported."""
        raise Unsupported("16 bits are too many")

    def error(self) -> None:
        """Raise another error."""
        raise OSError("the file is cut off")

    def exit(self) -> None:
        """End this process as a library in C may do."""
        os._exit(3)

    def killed(self) -> None:
        """End as by a lack of memory."""
        os.kill(os.getpid(), signal.SIGKILL)

    def unsendable(self) -> Any:
        """Return what cannot be sent."""
        return lambda: None

    def sleep(self) -> None:
        """Work for longer than a test may take."""
        time.sleep(600)

    def busy(self, seconds: float) -> None:
        """Use CPU time."""
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
