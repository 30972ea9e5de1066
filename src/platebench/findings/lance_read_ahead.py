"""A Lance scan reads on while its first image is looked at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from platebench.errors import Unsupported
from platebench.findings.finding import Fact, Finding, Kind, Seen, Source

_IMAGES, _IMAGES_A_FILE = 192, 16
_BUFFER = 1 << 20
_LOOK_S = 0.1
_QUIET_LOOKS = 10
"""Looks in a row between which nothing was read: then the scan waits for its reader."""


def _show(folder: Path) -> Seen:
    import lance

    from platebench.findings.dataset import IMAGE_BYTES, binary_table, noise

    images = binary_table(noise(_IMAGES))
    path = folder / "images.lance"
    lance.write_dataset(images, path, max_rows_per_file=_IMAGES_A_FILE)
    if not hasattr(lance.dataset(path), "io_stats_incremental"):
        raise Unsupported(f"pylance {lance.__version__} does not count what it reads")
    by_default = _read_for_one(lance.dataset(path), images.nbytes)
    bounded = _read_for_one(lance.dataset(path), images.nbytes, io_buffer_size=_BUFFER)
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "images taken from the scan": 1,
        "images' bytes read": by_default // IMAGE_BYTES,
        f"images' bytes read with io_buffer_size={_BUFFER}": bounded // IMAGE_BYTES,
    }
    return Seen(facts, holds=by_default > 0.9 * images.nbytes > 2 * bounded)


def _read_for_one(dataset: Any, enough: int, **options: int) -> int:
    """Return the bytes read when the first image has come and the scan waits for its reader.

    Or as soon as it has read `enough`.
    """
    dataset.io_stats_incremental()
    scan = iter(dataset.to_batches(columns=["image"], batch_size=1, **options))
    next(scan)
    read = unchanged = 0
    while read < enough and unchanged < _QUIET_LOOKS:
        time.sleep(_LOOK_S)
        before, read = read, int(dataset.io_stats_snapshot().read_bytes)
        unchanged = unchanged + 1 if read == before else 0
    return read


FINDING = Finding(
    name="lance-read-ahead",
    title="A Lance scan may have read all images before the second is asked for",
    kind=Kind.READ_MORE,
    libraries=("pylance",),
    happens=(
        "Asked for batches of one image, a Lance scan reads on while the first is looked at, until"
        " its I/O buffer is full. The default buffer is large enough that all the images here were"
        " read for one: good for a scan that goes on, costly for one that stops, or in little"
        " memory."
    ),
    instead=(
        "Give to_batches an io_buffer_size (or set LANCE_DEFAULT_IO_BUFFER_SIZE) where a scan may"
        " stop or memory is short; read single images with take."
    ),
    sources=(Source("lance #2736", "https://github.com/lance-format/lance/pull/2736"),),
    done="next(dataset.to_batches(batch_size=1)), then io_stats_snapshot() once it is at rest",
    show=_show,
)
