"""Entry point of the command `platebench` and of `python -m platebench`."""

from __future__ import annotations

import sys

from platebench import interrupts

INTERRUPTED = 130
"""128 + SIGINT, the exit status that shells use."""


def main() -> None:
    """Run the command line. Ctrl-C prints one line, even during the import."""
    interrupts.watch()
    try:
        from platebench.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("platebench: interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
