"""Ctrl-C is noticed even where Python drops it."""

from __future__ import annotations

import subprocess
import sys

DROPPED = """
import os, signal, weakref
from platebench import interrupts

class Thing:
    pass

interrupts.watch()
thing = Thing()
weakref.ref(thing, print)
def interrupted(_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
kept = weakref.ref(thing, interrupted)
del thing
print("went on")
try:
    interrupts.check()
except KeyboardInterrupt:
    print("noticed")
"""


def test_interrupt_that_python_drops_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DROPPED], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["went on", "noticed"]
    assert done.stderr == ""
