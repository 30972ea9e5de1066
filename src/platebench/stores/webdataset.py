"""WebDataset: TIFF files in tar archives (shards), through webdataset.

- On disk, an image is two members of a tar archive that follow one another: `000005.json`, its
  metadata, and `000005.tif`. Shards are `000000.tar` and so on; `index.json` has the number of
  images in each, and `images.csv` the table.
- One image is read as all are: `webdataset.WebDataset(shards)` streams the shard from its start.
- A random row costs its shard up to the row: half a shard on average. WebDataset is sequential by
  design, and version 1.0 has no index of offsets, so platebench uses none.
- It cannot read one image by itself, compress (other than whole shards, which none here does),
  append to a shard, or keep versions.
- Every program that unpacks tar archives opens it; PyTorch and TensorFlow loaders stream it. The
  format's own document: https://github.com/webdataset/webdataset

The tunings:

- `default`: `ShardWriter` without options, that is shards of 3 GB. WebDataset's documents recommend
  large shards, for streams from a bucket.
- `fast`: shards of 16 images, so that a random row costs eight images and not half of the set.
- `balanced`: the same shards, of TIFF files compressed by Zstandard level 1 in several threads
  (`tiff_codec`).
- `small`: shards of 3 GB, of lossless JPEG XL.

Rows of one shard that are taken together are read in one pass, 16 rows at a time.

Tables that belong to the images are Arrow IPC files (see `arrow_tables`).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np
import pyarrow as pa
import webdataset
from webdataset.tariterators import group_by_keys, tar_file_expander

from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.contract import OpenByRow, OpenStore, copied_into
from platebench.stores.plain_tiff import read_tiff
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.values import FILE
from platebench.stores.variants import Variants

TABLE, INDEX = "images.csv", "index.json"

TOGETHER = 16
"""Images that a take holds at once, and images in a shard that is made for random rows."""

LARGE = 100_000
"""Images in a shard at most by default (webdataset 1.0), if they take less than 3 GB."""


@dataclass(frozen=True)
class Settings:
    """The most images per shard, and how TIFF files are compressed anew."""

    most: int = LARGE
    tiff: TiffCodec | None = None


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tiff": Variants(
        {
            "default": Settings(),
            "shards-of-16": Settings(TOGETHER),
            **{f"tiff-{name}": Settings(TOGETHER, codec) for name, codec in CODECS.items()},
            **{f"large-{name}": Settings(tiff=CODECS[name]) for name in ("zstd-9", "jpeg-xl-2")},
        },
        {
            "default": "default",
            "fast": "shards-of-16",
            "balanced": "tiff-zstd-1",
            "small": "large-jpeg-xl-2",
        },
    )
}


class WebDataset(TiffStore):
    """A folder of tar shards."""

    format = "webdataset"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import io, tifffile, webdataset
sample = next(iter(webdataset.WebDataset([f"{place}/000000.tar"], shardshuffle=False)))
print(tifffile.imread(io.BytesIO(sample["tif"])))
""",
            "R": """
untar(paste0(place, "/000000.tar"), exdir = tempdir())
tiff::readTIFF(file.path(tempdir(), "000000.tif"), as.is = TRUE)
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one sample per image, then the table."""
        settings = CANDIDATES[self.layout].of(self.tuning)
        images = self._encoded(images)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        shards = _write_shards(images, path, settings.most)
        index = {"wids_version": 1, "shardlist": shards}
        (path / INDEX).write_text(json.dumps(index, indent=1))
        csv_table.write_table(images.table, path / TABLE)
        tables.write(images.tables)

    @property
    def _codec(self) -> TiffCodec | None:
        return CANDIDATES[self.layout].of(self.tuning).tiff

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Read the index of shards."""
        return _OpenShards(path, as_files=layout == FILE).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as Arrow IPC files."""
        return ArrowTables(path / TABLES)


def _write_shards(images: ImageSet, path: Path, most: int) -> list[dict[str, object]]:
    """Write the shards and return what the index says of each."""
    opened: list[BinaryIO] = []
    shards: list[dict[str, object]] = []
    count = 0

    def start(name: str) -> BinaryIO:
        nonlocal count
        count = 0
        opened.append((path / name).open("wb"))
        return opened[-1]

    def end(name: str) -> None:
        opened.pop().close()
        if count:
            shards.append({"url": name, "nsamples": count})
        else:
            (path / name).unlink()

    # A path may contain a %, so the pattern is a name only. Fixed times make the same bytes.
    with webdataset.ShardWriter(
        "%06d.tar", maxcount=most, verbose=0, post=end, opener=start, mtime=0
    ) as writer:
        for row, record in enumerate(_records(images)):
            sample = {"__key__": f"{row:06d}", "json": record, "tif": bytes(images.file(row))}
            writer.write(sample)
            count += 1
    return shards


def _records(images: ImageSet) -> Iterator[dict[str, object]]:
    for batch in images.table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


class _OpenShards(OpenByRow):
    """Shards that are streamed from their start."""

    def __init__(self, path: Path, as_files: bool) -> None:
        self._path = path
        self._as_files = as_files

    @cached_property
    def _shards(self) -> list[tuple[str, int]]:
        listed = json.loads((self._path / INDEX).read_text())["shardlist"]
        return [(shard["url"], shard["nsamples"]) for shard in listed]

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(count for _, count in self._shards)]

    def __len__(self) -> int:
        return self._starts[-1]

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)

    def scan(self) -> Iterator[np.ndarray]:
        for shard, (_, count) in enumerate(self._shards):
            for data in self._samples(shard, count):
                yield self._image(data)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        return copied_into(memory, self._scanned(memory))

    def _scanned(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        for shard, (_, count) in enumerate(self._shards):
            for data in self._samples(shard, count):
                yield self._image(data, memory)

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._image(data) for data in self._files(rows))

    def decoded_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        return (self._image(data, memory) for data in self._files(rows))

    def _image(self, data: bytes, memory: np.ndarray | None = None) -> np.ndarray:
        return np.frombuffer(data, np.uint8) if self._as_files else read_tiff(data, None, memory)

    def _files(self, rows: Sequence[int]) -> Iterator[bytes]:
        """Yield the files of rows: each shard once for some rows, up to the last of these."""
        for first in range(0, len(rows), TOGETHER):
            some = rows[first : first + TOGETHER]
            wanted = set(some)
            found: dict[int, bytes] = {}
            for shard in sorted({bisect_right(self._starts, row) - 1 for row in wanted}):
                start, end = self._starts[shard : shard + 2]
                last = max(row for row in wanted if start <= row < end)
                read = enumerate(self._samples(shard, last + 1 - start), start)
                found |= {row: data for row, data in read if row in wanted}
            yield from (found[row] for row in some)

    def _samples(self, shard: int, count: int) -> Iterator[bytes]:
        """Yield the TIFF files of the first samples of a shard."""
        name, _ = self._shards[shard]
        with (self._path / name).open("rb") as stream:
            files = tar_file_expander([{"url": name, "stream": stream}])
            number = 0
            for sample in group_by_keys(files):
                yield sample["tif"]
                number += 1
                if number == count:
                    return
        raise EOFError(f"{self._path / name} has {number} of {count} images")
