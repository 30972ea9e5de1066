"""Client side of taking turns at samples. `running.turn_server` is the server."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

from platebench.timing.protocol import SAMPLES, TURNS


class TurnClient:
    """The connection of a measuring process to the turn server."""

    def __init__(self) -> None:
        self._connection: socket.socket | None = None

    def connect(self) -> None:
        """Register this process. Raises OSError if the server has ended."""
        if TURNS in os.environ:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(os.environ[TURNS])
                connection.sendall(b"%d\n" % os.getpid())
            except OSError:
                connection.close()
                raise
            self._connection = connection

    @property
    def decides(self) -> bool:
        """True if the server decides how many samples to take."""
        return self._connection is not None and SAMPLES in os.environ

    def samples(self, seconds: float) -> int:
        """Say how long a sample takes with its checks, and return how many to take.

        Releases the turn. Ends the process if the server has ended.
        """
        assert self._connection is not None
        said = b""
        with suppress(OSError):
            self._connection.sendall(b"takes %.9f\n" % seconds)
            while not said.endswith(b"\n") and (more := self._connection.recv(16)):
                said += more
        if not said.endswith(b"\n"):
            sys.exit("the turn server has ended")
        return int(said)

    def acquire(self) -> None:
        """Release the turn, if this process has it, and wait for the next.

        Ends the process if the server has ended.
        """
        if self._connection is None:
            return
        with suppress(OSError):
            self._connection.sendall(b"\n")
            if self._connection.recv(1):
                return
        sys.exit("the turn server has ended")
