"""The interface between two revisions of platebench, the only one that has to stay stable.

A comparison measures other revisions in processes of their own. They share only the environment
variables named here, the benchmarks as asv discovers them, and the answer of
`python -m platebench.timing.protocol`. A change to one of them raises VERSION and keeps a shim for
older revisions. `running.older` measures revisions from before this module.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence

from platebench.stores.floor import choice

VERSION = 1

WORK = "PLATEBENCH_WORK"
"""Environment: a work folder, or a folder in which to make one."""

IMAGES = "PLATEBENCH_IMAGES"
"""Environment: the image sets to measure, separated by commas."""

RECORD = "PLATEBENCH_RECORD"
"""Environment: a file for the record, as JSON. asv's own result has no room for it."""

PARENT = "PLATEBENCH_PARENT"
"""Environment: the process id of the command that started this process, if a command did."""

SLOWER = "PLATEBENCH_SLOWER"
"""Environment: slow timed operations down by this share, for `platebench calibrate selfcheck`."""

TURNS = "PLATEBENCH_TURNS"
"""Environment: the socket of the turn server. Without it a process never waits."""

FLOOR_CHOICE = choice.ENVIRONMENT
"""Environment: the way in which the floor reads and writes. `stores` may not import this module."""

SAMPLES = "PLATEBENCH_SAMPLES"
"""Environment: set if the turn server decides how many samples a process takes.

`platebench run` sets it, a comparison does not: older revisions do not ask.
"""


def answer() -> dict[str, object]:
    """Return what another revision needs to know about this one, as JSON values.

    `protocol` is VERSION, `python` and `libraries` are versions, `images` is the schema of the
    image sets that this revision reads.
    """
    from platebench.images.decoded_cache import SCHEMA
    from platebench.timing.cell import library_versions

    return {
        "protocol": VERSION,
        "python": platform.python_version(),
        "libraries": library_versions(),
        "images": SCHEMA,
    }


def question() -> Sequence[str]:
    """Return the arguments with which an interpreter prints the answer."""
    return ("-m", "platebench.timing.protocol")


if __name__ == "__main__":
    print(json.dumps(answer()))
