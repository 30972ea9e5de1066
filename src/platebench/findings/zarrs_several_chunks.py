"""zarrs leaves the reading of one image in several chunks to zarr-python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_STRICT = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}


def _show(folder: Path) -> Observation:
    import zarr

    from platebench.findings.dataset import SIDE

    facts: dict[str, Fact] = {}
    with zarr.config.set(_STRICT):
        for says, tile in {"one chunk": SIDE, "four chunks": SIDE // 2}.items():
            array = zarr.create_array(
                folder / says, shape=(4, SIDE, SIDE), dtype="uint8", chunks=(1, tile, tile)
            )
            array[:] = 1
            facts[f"array[0] of an image in {says}"] = _read(array, 0)
            facts[f"array[0:1] of an image in {says}"] = _read(array, slice(0, 1))
    refused = [says for says, found in facts.items() if found != "read by zarrs"]
    return Observation(facts, holds=refused == ["array[0] of an image in four chunks"])


def _read(array: Any, selection: int | slice) -> str:
    """Say who reads a selection. In strict mode zarrs raises what it would leave to zarr-python."""
    from zarrs import UnsupportedVIndexingError

    try:
        array[selection]
    except UnsupportedVIndexingError as error:
        return f"left to zarr-python: {type(error).__name__}"
    return "read by zarrs"


FINDING = Finding(
    name="zarrs-several-chunks",
    title="zarrs leaves array[i] to zarr-python if an image has several chunks",
    kind=Kind.OTHER_ANSWER,
    libraries=("zarrs", "zarr"),
    formats=("zarrs",),
    happens=(
        "With the codec pipeline zarrs, array[i] drops the first axis. While zarrs describes the"
        " chunks of such a read, it counts the dropped axis again for every further chunk, takes"
        " the selection for one that it does not support, and leaves it to zarr-python without a"
        " word. The values are right, but read at zarr-python's speed."
    ),
    instead=(
        "Read array[i : i + 1], which zarrs reads itself, or store one image per chunk. With"
        ' zarr.config.set({"codec_pipeline.strict": True}) zarrs raises instead.'
    ),
    sources=(Source("zarrs-python", "https://github.com/zarrs/zarrs-python"),),
    done="array[0] and array[0:1] with codec_pipeline.strict, chunks of a whole and half an image",
    show=_show,
)
