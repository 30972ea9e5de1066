"""Where the command `platebench`, and `python -m platebench`, begin."""

from __future__ import annotations

import sys

from platebench import interrupts

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def main() -> None:
    """Run the command line. Ctrl-C while it is being loaded is one line too."""
    interrupts.watch()
    try:
        from platebench.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("platebench: interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
