"""LanceDB reads a blob column as descriptors or file objects by default, not as bytes."""

from __future__ import annotations

from pathlib import Path

from platebench.errors import Unsupported
from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES = 8


def _show(folder: Path) -> Observation:
    import lancedb
    import pyarrow as pa

    from platebench.findings.dataset import binary_table, noise

    if not hasattr(lancedb, "blob"):
        raise Unsupported(f"lancedb {lancedb.__version__} has no blob columns")
    pixels = noise(_IMAGES)
    schema = pa.schema([pa.field("row", pa.int64()), lancedb.blob("image")])
    table = lancedb.connect(str(folder)).create_table("images", schema=schema)
    table.add(binary_table(pixels))

    described = table.to_arrow()["image"]
    opened = table.to_pandas()["image"]
    read = table.to_pandas(blob_mode="bytes")["image"]
    facts: dict[str, Fact] = {
        "bytes of pixels": pixels.nbytes,
        "bytes of the column by to_arrow()": described.nbytes,
        "a value by to_arrow()": f"struct of {', '.join(field.name for field in described.type)}",
        "a value by to_pandas()": type(opened[0]).__name__,
        'bytes by to_pandas(blob_mode="bytes")': sum(map(len, read)),
    }
    without_pixels = described.nbytes < pixels.nbytes and not isinstance(opened[0], bytes)
    return Observation(facts, holds=without_pixels)


FINDING = Finding(
    name="lancedb-blob-columns",
    title="By default, LanceDB reads blob columns without their bytes",
    kind=Kind.OTHER_ANSWER,
    libraries=("lancedb", "pylance", "pyarrow", "pandas"),
    formats=("lancedb",),
    happens=(
        "For a blob column, to_arrow() returns the position and size of each image, and to_pandas()"
        " returns file objects. That is the purpose of blob columns, but a benchmark of these calls"
        " reads no pixels."
    ),
    instead=(
        'Request the bytes: to_pandas(blob_mode="bytes"), or read_blobs of the dataset that'
        " to_lance() returns."
    ),
    sources=(
        Source("lancedb #4186", "https://github.com/lancedb/lancedb/issues/4186"),
        Source("lance #6424", "https://github.com/lance-format/lance/pull/6424"),
    ),
    done='create_table with lancedb.blob("image"); to_arrow(); to_pandas()',
    show=_show,
)
