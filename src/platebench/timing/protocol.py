"""What one revision of platebench asks of another: the one surface that has to stay stable.

A comparison measures other revisions, in processes of their own. Between the two there are only
the environment variables named here, the benchmarks as asv discovers them, and the answer of
`python -m platebench.timing.protocol`. Whoever changes one of them raises VERSION and keeps a shim
for the older ones. Revisions from before this module are measured through `timing.older`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence

VERSION = 1

WORK = "PLATEBENCH_WORK"
"""Environment: a work folder, or a folder to make one in."""

IMAGES = "PLATEBENCH_IMAGES"
"""Environment: the image sets to measure, separated by commas."""

RECORD = "PLATEBENCH_RECORD"
"""Environment: a file for what asv's own result cannot carry, as JSON."""

SLOWER = "PLATEBENCH_SLOWER"
"""Environment: slow timed operations down by this share, for `platebench calibrate selfcheck`."""

TURNS = "PLATEBENCH_TURNS"
"""Environment: the socket to ask for turns at. Without it every turn is one's own."""


def answer() -> dict[str, object]:
    """Return what another revision wants to know of this one, as JSON can hold it.

    `protocol` is VERSION, `python` and `libraries` are versions, and `images` is the schema of the
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
    """Return the arguments that make an interpreter answer."""
    return ("-m", "platebench.timing.protocol")


if __name__ == "__main__":
    print(json.dumps(answer()))
