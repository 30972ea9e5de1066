"""Addresses (URLs) as messages show them: without passwords."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?P<user>[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*):(?P<password>[^\s/]*)@")


def masked(text: str) -> str:
    """Return a text with `***` in place of the password of each URL in it.

    >>> masked("sftp://me:secret@host/plate: no such file")
    'sftp://me:***@host/plate: no such file'
    """
    return _PASSWORD.sub(r"\g<user>:***@", text)
