"""Read records of earlier versions as they are meant today.

Kept results are never rewritten. What an earlier version recorded in a way that is wrong today is
corrected here, when its lines are read, and nowhere else. tests/results/test_kept_results.py reads
the kept run through it.
"""

from __future__ import annotations

import re

from platebench.results.measurement import Status

OWN_LIMITS = (re.compile(r"Unsupported: .* more than \d+ MiB of pixels are not waited for$"),)
"""Messages of limits that platebench sets itself.

Until November 2026 such a cell was recorded as failed: `parquet:nested:default` with more than
32 MiB of pixels, which awkward takes minutes to convert. The format did not fail, so it is skipped.
"""


def status_of(recorded: Status, message: str) -> Status:
    """Return the status that a recorded cell has today."""
    if recorded == "failed" and any(limit.search(message) for limit in OWN_LIMITS):
        return "skipped"
    return recorded
