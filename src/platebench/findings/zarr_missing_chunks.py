"""zarr reads a chunk that is not there as the fill value."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES, _ROW = 4, 2
_NO_SETTING = "this zarr has no such setting"


def _show(folder: Path) -> Observation:
    import zarr

    from platebench.findings.dataset import SIDE, noise

    images = noise(_IMAGES)
    array = zarr.create_array(
        folder / "images", shape=images.shape, dtype=images.dtype, chunks=(1, SIDE, SIDE)
    )
    array[:] = images
    (folder / "images" / "c" / str(_ROW) / "0" / "0").unlink()
    zeros = bool((zarr.open_array(folder / "images", mode="r")[_ROW] == 0).all())
    said = _said(folder / "images")
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "files removed": 1,
        "the image without its file": "zeros" if zeros else "not zeros",
        "the error with read_missing_chunks off": said,
    }
    return Observation(facts, holds=zeros and said in {"ChunkNotFoundError", _NO_SETTING})


def _said(place: Path) -> str:
    """Return the name of the error that zarr raises when it may not fill in what is missing."""
    import zarr

    if "read_missing_chunks" not in zarr.config.get("array"):
        return _NO_SETTING
    with zarr.config.set({"array.read_missing_chunks": False}):
        array = zarr.open_array(place, mode="r")
        try:
            array[_ROW]
        except Exception as error:
            return type(error).__name__
    return "none"


FINDING = Finding(
    name="zarr-missing-chunks",
    title="zarr reads an image whose file is missing as zeros, without an error",
    kind=Kind.OTHER_ANSWER,
    libraries=("zarr",),
    formats=("zarr",),
    happens=(
        "Zarr's specification lets a writer leave out chunks that hold only the fill value. So a"
        " reader cannot tell them from chunks that were lost, or that a killed writer never wrote:"
        " they come back as the fill value."
    ),
    instead=(
        "Write all chunks (write_empty_chunks) and read with"
        ' zarr.config.set({"array.read_missing_chunks": False}), which zarr has since 2026.'
    ),
    sources=(
        Source("zarr #486", "https://github.com/zarr-developers/zarr-python/issues/486"),
        Source("zarr #3748", "https://github.com/zarr-developers/zarr-python/pull/3748"),
    ),
    done="remove one chunk's file; zarr.open_array(folder)[2]",
    show=_show,
)
