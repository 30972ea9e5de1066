"""Parquet stores uint8 values of tensors and lists as 32-bit integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES = 8


def _show(folder: Path) -> Observation:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from platebench.findings.dataset import binary_table, noise

    pixels = noise(_IMAGES)
    tensors = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)})
    binary = binary_table(pixels).select(["image"])
    plain = {"compression": "none", "use_dictionary": False}

    def stored(table: Any, **options: Any) -> Any:
        pq.write_table(table, folder / "images.parquet", **options)
        return pq.read_metadata(folder / "images.parquet").row_group(0).column(0)

    of_tensors, of_binary = stored(tensors, **plain), stored(binary, **plain)
    facts: dict[str, Fact] = {
        "bytes of pixels": pixels.nbytes,
        "physical type of tensor values": of_tensors.physical_type,
        "bytes stored of tensors": of_tensors.total_compressed_size,
        "bytes stored of tensors, with a dictionary": stored(tensors).total_compressed_size,
        "bytes stored of binary": of_binary.total_compressed_size,
    }
    wide = of_tensors.physical_type == "INT32"
    return Observation(facts, holds=wide and of_tensors.total_compressed_size >= 4 * pixels.nbytes)


FINDING = Finding(
    name="parquet-wide-integers",
    title="A uint8 tensor takes four bytes per pixel in Parquet",
    kind=Kind.MORE_BYTES,
    libraries=("pyarrow",),
    formats=("parquet",),
    happens=(
        "Parquet's smallest physical integer has 32 bits; uint8 is a logical type on top of it."
        " Tensors and lists of uint8 therefore take four bytes per pixel before compression."
        " pyarrow's default dictionary encoding, with at most 256 values here, reduces this to one"
        " byte per pixel."
    ),
    instead="Store the pixels as a binary value, with shape and dtype in other columns.",
    sources=(
        Source(
            "Parquet logical types",
            "https://github.com/apache/parquet-format/blob/master/LogicalTypes.md",
        ),
    ),
    done='write_table(compression="none", use_dictionary=False) of tensors, and of binary',
    show=_show,
)
