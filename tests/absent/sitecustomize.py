"""Make a library appear absent in every process with this folder on its path.

PLATEBENCH_TEST_ABSENT names it, as DISTRIBUTION=MODULE.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata

DISTRIBUTION, _, MODULE = os.environ.get("PLATEBENCH_TEST_ABSENT", "").partition("=")


class _Absent:
    """Import hook that fails before any other finder finds the library."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == MODULE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


_find = metadata.Distribution.from_name.__func__  # type: ignore[attr-defined]


def _from_name(cls: type[metadata.Distribution], name: str) -> metadata.Distribution:
    if name == DISTRIBUTION:
        raise metadata.PackageNotFoundError(name)
    return _find(cls, name)  # type: ignore[no-any-return]


if DISTRIBUTION:
    sys.meta_path.insert(0, _Absent)  # type: ignore[arg-type]
    metadata.Distribution.from_name = classmethod(_from_name)  # type: ignore[method-assign,assignment]
