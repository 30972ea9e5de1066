"""zarr guesses chunks that hold parts of several images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.findings.finding import Fact, Finding, Kind, Seen, Source

_IMAGES, _ROW = 32, 7


class _CountingChunks(dict[str, Any]):
    """The memory of a zarr store, which counts the chunks read and their bytes."""

    chunks = 0
    bytes_read = 0

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key.startswith("c/"):
            self.chunks += 1
            self.bytes_read += len(value)
        return value


def _show(folder: Path) -> Seen:
    from platebench.findings.dataset import IMAGE_BYTES, SIDE

    guessed, of_guessed = _read_one("auto")
    chosen, of_chosen = _read_one((1, SIDE, SIDE))
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "shape of a chunk, guessed": guessed,
        "chunks read for one image": of_guessed.chunks,
        "bytes read for one image": of_guessed.bytes_read,
        "shape of a chunk, chosen": chosen,
        "bytes read for one image, chosen": of_chosen.bytes_read,
    }
    more = of_guessed.bytes_read >= 2 * IMAGE_BYTES
    return Seen(facts, holds=more and of_chosen.bytes_read == IMAGE_BYTES)


def _read_one(chunks: tuple[int, ...] | str) -> tuple[list[int], _CountingChunks]:
    """Store images uncompressed, read one; return the shape of a chunk and what was read."""
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
    title="Chunks that zarr guesses hold parts of many images, and one image reads them all",
    kind=Kind.READ_MORE,
    libraries=("zarr",),
    happens=(
        "Without chunks, zarr-python guesses a shape from the array's size; it cannot know that"
        " the first axis counts images. A chunk then holds a part of each of several images, and"
        " to read one is to read those parts too."
    ),
    instead="Give create_array chunks=(1, height, width), or a few images where they are small.",
    sources=(Source("zarr #2019", "https://github.com/zarr-developers/zarr-python/issues/2019"),),
    done="zarr.create_array(store, shape, dtype); array[7], in a store that counts",
    show=_show,
)
