"""A LanceDB blob column is read as descriptors or file objects unless its bytes are asked for."""

from __future__ import annotations

from pathlib import Path

from platebench.errors import Unsupported
from platebench.findings.finding import Fact, Finding, Kind, Seen, Source

_IMAGES = 8


def _show(folder: Path) -> Seen:
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
        "a value of it": f"struct of {', '.join(field.name for field in described.type)}",
        "a value by to_pandas()": type(opened[0]).__name__,
        'bytes by to_pandas(blob_mode="bytes")': sum(map(len, read)),
    }
    without_pixels = described.nbytes < pixels.nbytes and not isinstance(opened[0], bytes)
    return Seen(facts, holds=without_pixels)


FINDING = Finding(
    name="lancedb-blob-columns",
    title="A read of a LanceDB blob column holds no pixel unless bytes are asked for",
    kind=Kind.OTHER_ANSWER,
    libraries=("lancedb", "pylance", "pyarrow", "pandas"),
    happens=(
        "Of a blob column, to_arrow() gives where each image lies and how long it is, and"
        " to_pandas() gives file objects. That is what blob columns are for; a measurement of"
        " these calls measures no image."
    ),
    instead=(
        'Ask for the bytes: to_pandas(blob_mode="bytes"), or read_blobs of the dataset that'
        " to_lance() gives."
    ),
    sources=(
        Source("lancedb #4186", "https://github.com/lancedb/lancedb/issues/4186"),
        Source("lance #6424", "https://github.com/lance-format/lance/pull/6424"),
    ),
    done='create_table with lancedb.blob("image"); to_arrow(); to_pandas()',
    show=_show,
)
