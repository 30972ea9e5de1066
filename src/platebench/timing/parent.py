"""A process that measures ends with the process that started it.

Otherwise what a killed run had begun would go on beside the next one, keep its files mapped, and be
heard in its figures.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (prctl(2), Linux); else do nothing.

    The kernel watches the thread that started this process, which waits for it.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended in between
        sys.exit("the process that started this one has ended")
