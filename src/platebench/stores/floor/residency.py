"""Whether images are in the page cache, asked of the kernel while a file is being read."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence

import numpy as np

from platebench.stores.floor.places import Places

_libc = ctypes.CDLL(None, use_errno=True)

MOST = 16
"""Images that are looked at, one page each."""


def is_resident(file: int, places: Places, rows: Sequence[int]) -> bool:
    """Say whether most images of `rows` are in the page cache, by mincore(2) on one page of some.

    It costs about 20 us, which is part of the time of the operation.
    """
    end = os.fstat(file).st_size
    looked_at = [row for row in rows[:: -(-len(rows) // MOST) or 1] if places.sizes[row]]
    if not looked_at:
        return True
    mapped = np.frombuffer(mmap.mmap(file, end, mmap.MAP_SHARED, mmap.PROT_READ), np.uint8)
    address = mapped.ctypes.data
    found = ctypes.c_ubyte()
    resident = 0
    for row in looked_at:
        middle = min(places.edges[row] + places.sizes[row] // 2, end - 1)
        page = ctypes.c_void_p(address + middle // mmap.PAGESIZE * mmap.PAGESIZE)
        if _libc.mincore(page, ctypes.c_size_t(1), ctypes.byref(found)) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        resident += found.value & 1
    return 2 * resident > len(looked_at)
