"""End a measuring process with the process that started it.

Otherwise the processes of a killed run go on beside the next run, keep files mapped, and disturb
its figures.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (prctl(2)). Linux only.

    The kernel watches the thread that started this process. That thread waits for it.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before prctl
        sys.exit("the process that started this one has ended")
