"""End a measuring process with the process that started it.

Otherwise the processes of a killed run go on beside the next run, keep files mapped, and disturb
its figures.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from platebench.timing.protocol import PARENT

_PR_SET_PDEATHSIG = 1


def variables_for_a_child() -> dict[str, str]:
    """Return the environment variables of a child that calls `end_with_parent`."""
    return {PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (prctl(2)). Linux only.

    The kernel watches the thread that started this process. That thread waits for it. A parent
    that was killed earlier, while this process was still importing, is no longer the parent:
    PARENT tells which process it was.
    """
    if sys.platform != "linux":
        return
    parent = int(os.environ.get(PARENT) or os.getppid())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")
