"""An LMDB environment (Lightning Memory-Mapped Database), through py-lmdb.

- On disk, an image is one value of a B+ tree in one file, in pages that follow one another. Its key
  is the row in eight digits; `table` and `image` are the keys of the metadata.
- One image is `transaction.get(b"00000005")`; with `buffers=True` it is a view of the memory map,
  which must not be used after the environment is closed.
- A random row costs a search in the tree (three pages, usually in memory), then the image's pages.
- It cannot compress, hold a value of 4 GB, be written by two processes at once, or be opened over a
  network file system; a part of a file cannot be given back to the file system.
- Bindings exist for C, C++, Rust, Go, Java, R, Julia and MATLAB; Caffe and PyTorch loaders read it.
  The format's own document: http://www.lmdb.tech/doc/

`default` is the only tuning of raw pixels: there is nothing to choose that changes the stored bytes
and helps. For TIFF files, `balanced` compresses them by Zstandard level 1 and `small` as lossless
JPEG XL, in several threads (`tiff_codec`).

Keys are put in order (`append=True`), which fills the pages, 64 MB per transaction, since LMDB
holds a transaction's pages in memory. It is synced once, at the end. Nobody else knows the file
while it is written, and nobody changes it after that, so both open it without a lock file
(`lock=False`). In one process LMDB may open a file only once: openings share one environment.

Tables that belong to the images are Arrow IPC files (see `arrow_tables`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import lmdb
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.changed import with_rows
from platebench.images.imageset import ImageSet
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.contract import OpenDecoded, OpenStore, check_rows, common_image
from platebench.stores.plain_tiff import Kind
from platebench.stores.table_bytes import from_bytes, to_bytes
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.values import decode_value
from platebench.stores.variants import Variants

TABLE, COMMON = b"table", b"image"

LARGEST_VALUE = 2**32 - 1

PER_TRANSACTION = 64 * 2**20
"""Bytes of images that are put in one transaction."""

ROOM = 2**30
"""Bytes of address space beyond the images, for the tree and the metadata. They take no disk."""

_TIFFS = {f"tiff-{name}": codec for name, codec in CODECS.items()}
CANDIDATES: Mapping[str, Variants[TiffCodec | None]] = {
    "pixels": Variants({"raw": None}, {"default": "raw"}),
    "tiff": Variants(
        {"files": None, **_TIFFS},
        {"default": "files", "balanced": "tiff-zstd-1", "small": "tiff-jpeg-xl-2"},
    ),
}

_OPENED = """
import lmdb
transaction = lmdb.open(place, readonly=True, lock=False).begin()
"""


class Lmdb(TiffStore):
    """An LMDB environment of images in a folder."""

    format = "lmdb"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "pixels": {
            "Python": f"""{_OPENED}
import json, numpy as np
about = json.loads(transaction.get(b"image"))
print(np.frombuffer(transaction.get(b"00000000"), about["dtype"]).reshape(about["shape"]))
""",
        },
        "tiff": {
            "Python": f"""{_OPENED}
import io, tifffile
print(tifffile.imread(io.BytesIO(transaction.get(b"00000000"))))
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Put the images in order, then the metadata, and sync the file."""
        images = self._encoded(images)
        _refuse_large(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        room = images.pixel_bytes + int(sum(images.table["filesize_bytes"].to_pylist()))
        environment = lmdb.open(
            str(path), map_size=ROOM + 2 * room, lock=False, sync=False, metasync=False
        )
        try:
            _put_images(environment, images, self.layout)
            with environment.begin(write=True) as transaction:
                transaction.put(COMMON, _common(images))
                transaction.put(TABLE, to_bytes(images.table))
            environment.sync(True)
        finally:
            environment.close()
        tables.write(images.tables)

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Put other values under the keys, in one transaction.

        Nobody may have the environment open meanwhile: it has no lock file.
        """
        images = self._encoded(images)
        _refuse_large(images, self.layout)
        with self.open(path) as opened:
            check_rows(rows, len(opened))
            table = with_rows(opened.table(), rows, images.table)
        size = (path / "data.mdb").stat().st_size
        room = images.pixel_bytes + int(sum(images.table["filesize_bytes"].to_pylist()))
        changed = lmdb.open(str(path), map_size=size + ROOM + 2 * room, lock=False)
        try:
            with changed.begin(write=True) as transaction:
                common = transaction.get(COMMON)
                for place, row in enumerate(rows):
                    transaction.put(_key(row), _value(images, place, self.layout))
                transaction.put(COMMON, common if common == _common(images) else b"null")
                transaction.put(TABLE, to_bytes(table))
        finally:
            changed.close()

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open the environment read-only."""
        return _OpenLmdb(path, layout).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as Arrow IPC files."""
        return ArrowTables(path / TABLES)

    @property
    def _codec(self) -> TiffCodec | None:
        return CANDIDATES[self.layout].of(self.tuning)


def _refuse_large(images: ImageSet, layout: str) -> None:
    sizes = images.table["filesize_bytes"].to_pylist() if layout == "tiff" else []
    sizes = sizes or [images.image_bytes(row) for row in range(len(images))]
    if max(sizes, default=0) > LARGEST_VALUE:
        raise Unsupported(f"LMDB holds no value of {max(sizes):,} bytes, only to 4 GiB")


def _key(row: int) -> bytes:
    return b"%08d" % row


def _put_images(environment: lmdb.Environment, images: ImageSet, layout: str) -> None:
    row = 0
    while row < len(images):
        put = 0
        with environment.begin(write=True) as transaction:
            while row < len(images) and put < PER_TRANSACTION:
                value = _value(images, row, layout)
                transaction.put(_key(row), value, append=True)
                put += len(value)
                row += 1


def _value(images: ImageSet, row: int, layout: str) -> bytes | memoryview:
    if layout == "tiff":
        return images.file(row)
    return images.pixels(row).reshape(-1).view(np.uint8).data


def _common(images: ImageSet) -> bytes:
    """Return the shape and dtype that all images share as JSON, or `null`."""
    common = common_image(images)
    if common is None:
        return b"null"
    return json.dumps({"shape": common[0], "dtype": common[1].str}).encode()


@dataclass
class _Shared:
    """An environment that is open in this process, and how many opened it."""

    environment: lmdb.Environment
    users: int = 0


_shared: dict[tuple[int, int], _Shared] = {}
_sharing = threading.Lock()


@contextmanager
def environment(path: Path) -> Iterator[lmdb.Environment]:
    """Open an environment read-only, or share it if it is open in this process."""
    stat = (path / "data.mdb").stat()
    file = (stat.st_dev, stat.st_ino)
    with _sharing:
        if file not in _shared:
            opened = lmdb.open(str(path), readonly=True, lock=False, create=False)
            _shared[file] = _Shared(opened)
        shared = _shared[file]
        shared.users += 1
    try:
        yield shared.environment
    finally:
        with _sharing:
            shared.users -= 1
            if not shared.users:
                del _shared[file]
                shared.environment.close()


class _OpenLmdb(OpenDecoded):
    """An environment and one read transaction for each call."""

    def __init__(self, path: Path, layout: str) -> None:
        self._layout = layout
        self._opened = ExitStack()
        self._environment = self._opened.enter_context(environment(path))

    def close(self) -> None:
        self._opened.close()

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"]) - 2

    def table(self) -> pa.Table:
        with self._environment.begin(buffers=True) as transaction:
            return from_bytes(bytes(transaction.get(TABLE)))

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        # A view of the map outlives the environment, and then crashes whoever uses it. So only what
        # is copied into the caller's memory at once is a view.
        with self._environment.begin(buffers=memory is not None) as transaction:
            common = json.loads(bytes(transaction.get(COMMON)))
            if common is None:
                about = (
                    self.table()
                    .select(["shape", "dtype"])
                    .take(pa.array(rows, pa.int64()))
                    .to_pylist()
                )
                kinds = [_kind(each) for each in about]
            else:
                kinds = [_kind(common)] * len(rows)
            for row, here in zip(rows, kinds, strict=True):
                yield decode_value(transaction.get(_key(row)), self._layout, here, memory)


def _kind(about: Mapping[str, object]) -> Kind:
    return tuple(about["shape"]), np.dtype(about["dtype"])  # type: ignore[arg-type,call-overload]
