"""zarr's default chunks contain parts of several images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES, _ROW = 32, 7


class _CountingChunks(dict[str, Any]):
    """Dict for a zarr MemoryStore that counts the chunks read and their bytes."""

    chunks = 0
    bytes_read = 0

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key.startswith("c/"):
            self.chunks += 1
            self.bytes_read += len(value)
        return value


def _show(folder: Path) -> Observation:
    from platebench.findings.dataset import IMAGE_BYTES, SIDE

    guessed, of_guessed = _read_one("auto")
    chosen, of_chosen = _read_one((1, SIDE, SIDE))
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "chunk shape, default": guessed,
        "chunks read for one image": of_guessed.chunks,
        "bytes read for one image": of_guessed.bytes_read,
        "chunk shape, one image": chosen,
        "bytes read for one image, one image per chunk": of_chosen.bytes_read,
    }
    more = of_guessed.bytes_read >= 2 * IMAGE_BYTES
    return Observation(facts, holds=more and of_chosen.bytes_read == IMAGE_BYTES)


def _read_one(chunks: tuple[int, ...] | str) -> tuple[list[int], _CountingChunks]:
    """Store images uncompressed and read one; return the chunk shape and the counts."""
    import zarr

    from platebench.findings.dataset import noise

    images = noise(_IMAGES)
    memory = _CountingChunks()
    array = zarr.create_array(
        zarr.storage.MemoryStore(memory),
        shape=images.shape,
        dtype=images.dtype,
        chunks=chunks,
        compressors=None,
    )
    array[:] = images
    memory.chunks = memory.bytes_read = 0
    array[_ROW]
    return list(array.chunks), memory


FINDING = Finding(
    name="zarr-guessed-chunks",
    title="zarr's default chunks cross images, so reading one image reads parts of others",
    kind=Kind.READ_MORE,
    libraries=("zarr",),
    formats=("zarr",),
    happens=(
        "Without chunks=, zarr-python derives a chunk shape from the array's shape; it cannot know"
        " that the first axis counts images. Each chunk then contains parts of several images, and"
        " a read of one image reads these parts too."
    ),
    instead="Pass chunks=(1, height, width) to create_array, or a few images per chunk if small.",
    sources=(Source("zarr #2019", "https://github.com/zarr-developers/zarr-python/issues/2019"),),
    done="zarr.create_array(store, shape, dtype); array[7], in a store that counts reads",
    show=_show,
)
