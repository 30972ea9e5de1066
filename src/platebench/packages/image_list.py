"""The list of a package's images, `images.csv`: one line per image, with its SHA-256.

Columns are those of an image set's table without the size of the file, and `sha256`. A shape is
written as `1024x1344`, a dtype as NumPy's type string, a missing value as an empty field.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from platebench.errors import UserError
from platebench.images.imageset import IMAGE_SCHEMA

SHA256 = "sha256"
SCHEMA = pa.schema(
    [
        *(field for field in IMAGE_SCHEMA if field.name != "filesize_bytes"),
        pa.field(SHA256, pa.string(), nullable=False),
    ]
)
"""Schema of the list as Arrow: the shape is a list of integers."""

_SHAPE = SCHEMA.get_field_index("shape")
_OPTIONS = csv.ConvertOptions(
    column_types={field.name: field.type for field in SCHEMA} | {"shape": pa.string()},
    strings_can_be_null=True,
    quoted_strings_can_be_null=False,
)


def image_list(table: pa.Table, digests: Sequence[str]) -> pa.Table:
    """Return the list of the images in an image set's table, whose SHA-256 are `digests`."""
    columns = [*table.drop_columns(["filesize_bytes"]).columns, pa.array(digests, pa.string())]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def list_bytes(images: pa.Table) -> bytes:
    """Return the list as CSV."""
    shapes = ["x".join(map(str, shape)) for shape in images["shape"].to_pylist()]
    sink = io.BytesIO()
    csv.write_csv(images.set_column(_SHAPE, "shape", pa.array(shapes, pa.string())), sink)
    return sink.getvalue()


def read_image_list(file: Path) -> pa.Table:
    """Read a list of images. Raises UserError, which names the file, if it is damaged."""
    try:
        parsing = csv.ParseOptions(newlines_in_values=True)
        table = csv.read_csv(file, parse_options=parsing, convert_options=_OPTIONS)
        texts = table["shape"].to_pylist()
        shapes = {text: [int(side) for side in text.split("x") if side] for text in set(texts)}
        shape = pa.array([shapes[text] for text in texts], SCHEMA.field(_SHAPE).type)
        columns = {**dict(zip(table.column_names, table.columns, strict=True)), "shape": shape}
        arrays = [columns[name] for name in SCHEMA.names]
        return pa.Table.from_arrays(arrays, schema=SCHEMA)
    except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"{file}: not a readable list of images ({reason})") from error
