"""h5py guesses chunks that hold parts of several images when a dataset is compressed."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Seen, Source

_IMAGES, _ROW = 32, 7


def _show(folder: Path) -> Seen:
    from platebench.findings.dataset import IMAGE_BYTES, SIDE

    guessed, of_guessed = _read_one(folder / "guessed.h5", None)
    chosen, of_chosen = _read_one(folder / "chosen.h5", (1, SIDE, SIDE))
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "shape of a chunk, guessed": guessed,
        "bytes read for one image": of_guessed,
        "shape of a chunk, chosen": chosen,
        "bytes read for one image, chosen": of_chosen,
    }
    return Seen(facts, holds=of_guessed >= 2 * IMAGE_BYTES > of_chosen)


def _read_one(path: Path, chunks: tuple[int, ...] | None) -> tuple[list[int], int]:
    """Store images with gzip, read one; return the shape of a chunk and the bytes read."""
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
    title="With compression, h5py guesses chunks across images, and one image reads several",
    kind=Kind.READ_MORE,
    libraries=("h5py",),
    happens=(
        "A compressed HDF5 dataset must be chunked. Without chunks, h5py guesses a shape from the"
        " dataset's; it cannot know that the first axis counts images. A chunk then holds a part"
        " of each of several images, and to read one is to read and decompress those parts too."
    ),
    instead="Give create_dataset chunks=(1, height, width).",
    sources=(Source("h5py #2679", "https://github.com/h5py/h5py/issues/2679"),),
    done='create_dataset(compression="gzip"); dataset[7], through a file that counts',
    show=_show,
)
