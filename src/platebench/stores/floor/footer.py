"""The end of a bare file: a footer of JSON, then its length in 8 bytes, the lowest first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_AT_ONCE = 16_384
"""Bytes read at once from the end.

They hold the whole footer of up to a thousand images, or of a table of 100 columns.
"""

_LENGTH = 8


def as_footer(said: Mapping[str, Any]) -> bytes:
    """Return the bytes that end a file."""
    encoded = json.dumps(said, separators=(",", ":")).encode()
    return encoded + len(encoded).to_bytes(_LENGTH, "little")


def read_footer(file: int, path: Path) -> tuple[Any, int]:
    """Return what the footer of an open file says, and the byte where it begins.

    Raises EOFError, with the file's name, if the file does not end with a footer.
    """
    size = os.fstat(file).st_size
    ending = os.pread(file, _AT_ONCE, max(0, size - _AT_ONCE))
    length = int.from_bytes(ending[-_LENGTH:], "little")
    start = size - _LENGTH - length
    if start < 0:
        raise truncated(path)
    if length + _LENGTH > len(ending):
        ending = os.pread(file, length + _LENGTH, start)
    try:
        return json.loads(ending[-_LENGTH - length : -_LENGTH]), start
    except ValueError as error:
        raise truncated(path) from error


def truncated(path: Path) -> EOFError:
    """Return the error of a file whose footer is not one of ours."""
    return EOFError(f"{path.name} is truncated")
