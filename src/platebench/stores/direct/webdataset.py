"""WebDataset, through webdataset alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import webdataset

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_files import read_csv, write_csv
from platebench.stores.direct.tiff_values import decode_tiff, files_of, values_of


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one tuning."""
    values = values_of(layout, tuning)
    reading = Reading("WebDataset(shards)", _shards, partial(_taken, values), partial(_all, values))
    writing = Writing("ShardWriter", partial(_write, values, tuning))
    return Calls([writing], [reading], [TableReading("pyarrow.csv.read_csv", read_csv)])


def _shards(path: Path) -> AbstractContextManager[list[str]]:
    return nullcontext(sorted(map(str, path.glob("*.tar"))))


def _samples(shards: Sequence[str]) -> Iterator[dict[str, Any]]:
    return iter(webdataset.WebDataset(list(shards), shardshuffle=False))


def _all(values: str, shards: list[str], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for sample in _samples(shards):
        decode_tiff(sample["tif"], values, out)
        yield out


def _taken(
    values: str, shards: list[str], rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    """Read the shards once, up to the last row: a shard has 16 images if there are several."""
    out = about.image(memory)
    wanted, found = set(rows), {}
    needed = [
        shard
        for number, shard in enumerate(shards)
        if len(shards) == 1 or any(row // 16 == number for row in wanted)
    ]
    for sample in _samples(needed):
        row = int(sample["__key__"])
        if row in wanted:
            found[row] = sample["tif"]
            if len(found) == len(wanted):
                break
    for row in rows:
        decode_tiff(found[row], values, out)
        yield out


def _write(values: str, tuning: str, images: ImageSet, path: Path) -> None:
    path.mkdir()
    file = files_of(images, values)
    opened: list[BinaryIO] = []

    def start(name: str) -> BinaryIO:
        opened.append((path / name).open("wb"))
        return opened[-1]

    most = 16 if tuning in {"fast", "balanced"} else 100_000
    with webdataset.ShardWriter(
        "%06d.tar",
        maxcount=most,
        verbose=0,
        post=lambda _: opened.pop().close(),
        opener=start,
        mtime=0,
    ) as writer:
        for row, record in enumerate(images.table.to_pylist()):
            writer.write({"__key__": f"{row:06d}", "json": record, "tif": bytes(file(row))})
    counts = [min(most, len(images) - first) for first in range(0, len(images), most)]
    shards = [{"url": f"{at:06d}.tar", "nsamples": count} for at, count in enumerate(counts)]
    (path / "index.json").write_text(json.dumps({"wids_version": 1, "shardlist": shards}))
    write_csv(images, path)
