"""Read JSON of unknown origin strictly, or refuse it with a reason."""

from __future__ import annotations

import json
import math
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

from platebench.errors import UserError
from platebench.results.telling import Say, say_once

_LARGEST = 2**63
"""The limit of whole numbers in Arrow and Parquet."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Damaged(UserError):
    """A results file that neither platebench nor asv wrote like this."""


def read_object(file: Path, say: Say = say_once) -> dict[str, Any] | None:
    """Return the JSON object in a file, None without a file or for a damaged one.

    `say` gets one line about a damaged file.
    """
    try:
        return loads_object(content_of(file), constants=True)
    except FileNotFoundError:
        return None
    except Damaged as reason:
        say(f"{file}: {reason}; left out")
        return None


def content_of(file: Path) -> bytes:
    """Return the bytes of a file.

    Raises Damaged for what cannot be read, such as a pipe, and FileNotFoundError without a file.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise Damaged("is not a regular file")
        return file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"cannot be read ({error.strerror})") from error


def loads_object(text: bytes, constants: bool = False) -> dict[str, Any]:
    """Parse a JSON object in UTF-8; NaN and Infinity are allowed with `constants` only.

    Raises Damaged for anything else.
    """
    if not text.strip():
        raise Damaged("is empty")
    try:
        read = json.loads(text.decode(), parse_constant=None if constants else _refuse)
        if _SURROGATE.search(text):  # half a character cannot be encoded again
            json.dumps(read, ensure_ascii=False).encode()
    except Damaged:
        raise
    except UnicodeError as error:
        raise Damaged("is not UTF-8 text") from error
    except RecursionError as error:
        raise Damaged("is nested too deep") from error
    except ValueError as error:
        raise Damaged(f"is not JSON ({str(error)[:60]})") from error
    if not isinstance(read, dict):
        raise Damaged("is not a JSON object")
    return read


def _refuse(constant: str) -> NoReturn:
    raise Damaged(f"has {constant} where a number should be")


def text_of(read: dict[str, Any], key: str) -> str:
    """Return a text by its key. Raises Damaged for anything else."""
    value = read.get(key)
    if not isinstance(value, str):
        raise Damaged(f"{key} is not a text")
    return value


def object_of(read: dict[str, Any], key: str) -> dict[str, Any]:
    """Return an object by its key. Raises Damaged for anything else."""
    value = read.get(key)
    if not isinstance(value, dict):
        raise Damaged(f"{key} is not an object")
    return value


def texts_of(read: dict[str, Any], key: str) -> list[str]:
    """Return a list of texts by its key. Raises Damaged for anything else."""
    value = read.get(key)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Damaged(f"{key} is not a list of texts")
    return value


def numbers_of(read: dict[str, Any], key: str, least: float, most: float) -> list[float]:
    """Return a list of numbers from `least` to `most`. Raises Damaged for anything else."""
    value = read.get(key)
    if not isinstance(value, list) or not all(_is_number(each) for each in value):
        raise Damaged(f"{key} is not a list of numbers")
    if not all(least <= each <= most for each in value):
        raise Damaged(f"{key} has a number that is not between {least:g} and {most:g}")
    return value


def count_of(value: object, what: str, least: int = 0) -> int:
    """Return a whole number, `least` or more. Raises Damaged for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _LARGEST:
        raise Damaged(f"{what} is not a whole number of {least} or more")
    return value


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < _LARGEST
    return isinstance(value, float) and math.isfinite(value)
