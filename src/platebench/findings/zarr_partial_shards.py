"""Two writers of one Zarr shard lose each other's images."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_SHARD = 4
_PATIENCE_S = 20
"""How long one writer waits for the other before the demonstration fails."""


def _show(folder: Path) -> Observation:
    one_shard = _written_by_two(folder / "shard", {"shards": _SHARD})
    own_chunks = _written_by_two(folder / "chunks", {})
    facts: dict[str, Fact] = {
        "images per shard": _SHARD,
        "images written, one by each writer": 2,
        "images read back": one_shard,
        "images read back without shards": own_chunks,
    }
    return Observation(facts, holds=one_shard == 1 and own_chunks == 2)


def _written_by_two(folder: Path, shards: dict[str, int]) -> int:
    """Have two writers write one image each at the same time; return how many images are there."""
    import zarr

    from platebench.findings.dataset import SIDE, noise

    images = noise(2)
    both_have_read = Barrier(2)
    options: dict[str, Any] = {name: (count, SIDE, SIDE) for name, count in shards.items()}
    zarr.create_array(
        folder, shape=(_SHARD, SIDE, SIDE), dtype="uint8", chunks=(1, SIDE, SIDE), **options
    )

    def write(row: int) -> None:
        store = _slow_store(folder, both_have_read)
        zarr.open_array(store, mode="r+")[row] = images[row]

    writers = [Thread(target=write, args=(row,)) for row in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = zarr.open_array(folder, mode="r")
    return sum(bool((found[row] == images[row]).all()) for row in range(2))


def _slow_store(folder: Path, both_have_read: Barrier) -> Any:
    """Return a store whose reads of shards return when both writers have read the shard."""
    from zarr.storage import LocalStore

    class SlowStore(LocalStore):  # type: ignore[misc] # zarr is Any here
        async def get(self, key: str, *more: Any, **options: Any) -> Any:
            found = await super().get(key, *more, **options)
            if key.startswith("c/"):
                await asyncio.to_thread(both_have_read.wait, _PATIENCE_S)
            return found

        def get_sync(self, key: str, *more: Any, **options: Any) -> Any:
            found = super().get_sync(key, *more, **options)
            if key.startswith("c/"):
                both_have_read.wait(_PATIENCE_S)
            return found

    return SlowStore(folder)


FINDING = Finding(
    name="zarr-partial-shards",
    title="Two writers of one Zarr shard lose each other's images, without an error",
    kind=Kind.LOST_DATA,
    libraries=("zarr",),
    formats=("zarr", "zarr-sharded"),
    happens=(
        "To write one image of a shard, zarr-python reads the whole shard, puts the image into it,"
        " and writes the whole shard. Nothing locks the shard meanwhile. Of two writers that have"
        " read it, the one that writes last removes the other's image, which then reads as zeros."
        " Threads, processes and computers of a cluster can all be such writers."
    ),
    instead=(
        "Give each writer whole shards: a range of images that begins and ends at a multiple of"
        " the images per shard. Without shards, each image has a file of its own."
    ),
    sources=(
        Source("zarr #3682", "https://github.com/zarr-developers/zarr-python/issues/3682"),
        Source("zarr #701", "https://github.com/zarr-developers/zarr-python/issues/701"),
    ),
    done="array[0] = image and array[1] = image in two threads that both read the shard first",
    show=_show,
)
