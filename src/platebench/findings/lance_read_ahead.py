"""A Lance scan reads ahead of its consumer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from platebench.errors import Unsupported
from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES, _IMAGES_PER_FILE = 192, 16
_BUFFER = 1 << 20
_POLL_S = 0.1
_QUIET_POLLS = 10
"""Number of successive polls without a read after which the scan is taken to be idle."""


def _show(folder: Path) -> Observation:
    import lance

    from platebench.findings.dataset import IMAGE_BYTES, binary_table, noise

    images = binary_table(noise(_IMAGES))
    path = folder / "images.lance"
    lance.write_dataset(images, path, max_rows_per_file=_IMAGES_PER_FILE)
    if not hasattr(lance.dataset(path), "io_stats_incremental"):
        raise Unsupported(f"pylance {lance.__version__} does not count what it reads")
    by_default = _read_for_one(lance.dataset(path), images.nbytes)
    bounded = _read_for_one(lance.dataset(path), images.nbytes, io_buffer_size=_BUFFER)
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "images taken from the scan": 1,
        "images read": by_default // IMAGE_BYTES,
        f"images read with io_buffer_size={_BUFFER}": bounded // IMAGE_BYTES,
    }
    return Observation(facts, holds=by_default > 0.9 * images.nbytes > 2 * bounded)


def _read_for_one(dataset: Any, enough: int, **options: int) -> int:
    """Take one image from a scan; return the bytes read once the scan is idle.

    Stops early once it has read `enough` bytes.
    """
    dataset.io_stats_incremental()
    scan = iter(dataset.to_batches(columns=["image"], batch_size=1, **options))
    next(scan)
    read = unchanged = 0
    while read < enough and unchanged < _QUIET_POLLS:
        time.sleep(_POLL_S)
        before, read = read, int(dataset.io_stats_snapshot().read_bytes)
        unchanged = unchanged + 1 if read == before else 0
    return read


FINDING = Finding(
    name="lance-read-ahead",
    title="A Lance scan may read all images before the second one is requested",
    kind=Kind.READ_MORE,
    libraries=("pylance",),
    formats=("lancedb",),
    happens=(
        "A Lance scan with batches of one image reads ahead until its I/O buffer is full. The"
        " default buffer is so large that the scan read all images here although one was taken."
        " This is good for complete scans, and costly for scans that stop early or with little"
        " memory."
    ),
    instead=(
        "Pass io_buffer_size to to_batches (or set LANCE_DEFAULT_IO_BUFFER_SIZE) if a scan may stop"
        " early or memory is scarce. Read single images with take."
    ),
    sources=(Source("lance #2736", "https://github.com/lance-format/lance/pull/2736"),),
    done="next(dataset.to_batches(batch_size=1)), then io_stats_snapshot() once it is idle",
    show=_show,
)
