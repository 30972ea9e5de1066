"""The reason why a process failed, in one line."""

from __future__ import annotations

import re
import signal


def why_failed(output: str, status: int) -> str:
    """Return the last line of a traceback, without the exception's module.

    `output` is what the process printed. `status` is its exit status as `subprocess` and asv give
    it: the negative signal number if a signal ended it.
    """
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines or lines[-1].startswith("For parameters"):
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return f"the process ended {how} without a message"
    return re.sub(r"^(?:\w+\.)+(\w+: )", r"\1", lines[-1].strip())
