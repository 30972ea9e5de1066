"""Whether images are in the page cache, asked of the kernel while a file is being read."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from platebench.stores.floor.places import Places


def is_resident(file: int, places: Places, rows: Sequence[int]) -> bool:
    """Say whether most of the first, the middle and the last image are in the page cache.

    It reads a byte of each and takes no answer for a no (RWF_NOWAIT). That costs 4 us, as part of
    the operation; mincore(2) took 18 to 76 us. A no makes the kernel start to read a few pages.
    True on a file system that does not know RWF_NOWAIT.
    """
    looked_at = {rows[0], rows[len(rows) // 2], rows[-1]} if rows else set()
    resident = sum(_has(file, places.edges[row]) for row in looked_at)
    return 2 * resident >= len(looked_at)


def _has(file: int, start: int) -> bool:
    try:
        os.preadv(file, [bytearray(1)], start, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    return True
