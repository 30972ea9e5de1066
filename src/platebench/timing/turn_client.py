"""The client side of taking turns at samples: see `running.turn_server`."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

from platebench.timing.protocol import TURNS


class TurnClient:
    """The side that asks: what a process that measures holds."""

    def __init__(self) -> None:
        self._connection: socket.socket | None = None

    def connect(self) -> None:
        """Say that this process is there. Raises OSError when nobody gives turns any more."""
        if TURNS in os.environ:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(os.environ[TURNS])
                connection.sendall(b"%d\n" % os.getpid())
            except OSError:
                connection.close()
                raise
            self._connection = connection

    def acquire(self) -> None:
        """Give the turn back, if it is ours, and wait for the next. Ends with whoever gives it."""
        if self._connection is None:
            return
        with suppress(OSError):
            self._connection.sendall(b"\n")
            if self._connection.recv(1):
                return
        sys.exit("nobody gives turns any more")
