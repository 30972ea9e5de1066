"""h5py's default chunks of a compressed dataset contain parts of several images."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES, _ROW = 32, 7


def _show(folder: Path) -> Observation:
    from platebench.findings.dataset import IMAGE_BYTES, SIDE

    guessed, of_guessed = _read_one(folder / "guessed.h5", None)
    chosen, of_chosen = _read_one(folder / "chosen.h5", (1, SIDE, SIDE))
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "chunk shape, default": guessed,
        "bytes read for one image": of_guessed,
        "chunk shape, one image": chosen,
        "bytes read for one image, one image per chunk": of_chosen,
    }
    return Observation(facts, holds=of_guessed >= 2 * IMAGE_BYTES > of_chosen)


def _read_one(path: Path, chunks: tuple[int, ...] | None) -> tuple[list[int], int]:
    """Store images with gzip and read one; return the chunk shape and the bytes read."""
    import h5py

    from platebench.findings.dataset import CountingFile, noise

    with h5py.File(path, "w") as written:
        images = written.create_dataset(
            "images", data=noise(_IMAGES), compression="gzip", compression_opts=1, chunks=chunks
        )
        shape = list(images.chunks)
    with CountingFile(path) as file, h5py.File(file, "r") as opened:
        images = opened["images"]
        before = file.bytes_read
        images[_ROW]
        return shape, file.bytes_read - before


FINDING = Finding(
    name="hdf5-guessed-chunks",
    title="h5py's default chunks cross images, so reading one image reads parts of others",
    kind=Kind.READ_MORE,
    libraries=("h5py",),
    formats=("hdf5",),
    happens=(
        "A compressed HDF5 dataset must be chunked. Without chunks=, h5py derives a chunk shape"
        " from the dataset's shape; it cannot know that the first axis counts images. Each chunk"
        " then contains parts of several images, and a read of one image reads and decompresses"
        " these parts too."
    ),
    instead="Pass chunks=(1, height, width) to create_dataset.",
    sources=(Source("h5py #2679", "https://github.com/h5py/h5py/issues/2679"),),
    done='create_dataset(compression="gzip"); dataset[7], through a file that counts reads',
    show=_show,
)
