"""LMDB, through py-lmdb alone.

A process may open an environment only once, so it is opened as the store opens it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import (
    About,
    Calls,
    Images,
    Reading,
    Reason,
    TableReading,
    Writing,
)
from platebench.stores.direct.tiff_values import decode_tiff, files_of, values_of
from platebench.stores.lmdb import environment

REASONS = (
    Reason(
        "lmdb:*",
        "table",
        "The store shares the environment with other openings in the process. This takes 0.01 ms.",
    ),
    Reason(
        "lmdb:*",
        "scan",
        "The store looks up how each image is to be decoded. This takes 0.01 ms per image.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    values = values_of(layout, tuning)
    readings = [
        Reading("get(buffers=True)", environment, partial(_got, values, True)),
        Reading("get", environment, partial(_got, values, False)),
    ]
    writing = Writing("put(append=True)", partial(_write, values))
    return Calls([writing], readings, [TableReading("get, ipc.open_stream", _table)])


def _got(
    values: str,
    buffers: bool,
    opened: lmdb.Environment,
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    out = about.image(memory)
    with opened.begin(buffers=buffers) as transaction:
        for row in rows:
            value = transaction.get(b"%08d" % row)
            if values.startswith("tiff"):
                decode_tiff(value, values, out)
            else:
                out[...] = np.frombuffer(value, about.dtype).reshape(about.shape)
            yield out


def _table(path: Path) -> pa.Table:
    with environment(path) as opened, opened.begin() as transaction:
        return pa.ipc.open_stream(transaction.get(b"table")).read_all()


def _write(values: str, images: ImageSet, path: Path) -> None:
    file = files_of(images, values)
    opened = lmdb.open(str(path), map_size=2**34, lock=False, sync=False)
    for first in range(0, len(images), 32):
        with opened.begin(write=True) as transaction:
            for row in range(first, min(first + 32, len(images))):
                if values.startswith("tiff"):
                    value = file(row)
                else:
                    value = images.pixels(row).reshape(-1).view(np.uint8).data
                transaction.put(b"%08d" % row, value, append=True)
    about = {"shape": images.shapes[0], "dtype": images.dtypes[0].str}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, images.table.schema) as writer:
        writer.write_table(images.table)
    with opened.begin(write=True) as transaction:
        transaction.put(b"image", json.dumps(about).encode())
        transaction.put(b"table", bytes(sink.getvalue()))
    opened.sync(True)
    opened.close()
