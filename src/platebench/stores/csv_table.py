"""The table of an image set as a CSV file beside the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from platebench.atomic_files import sync
from platebench.images.imageset import IMAGE_SCHEMA

_SHAPE = IMAGE_SCHEMA.get_field_index("shape")
_OPTIONS = csv.ConvertOptions(
    column_types={field.name: field.type for field in IMAGE_SCHEMA} | {"shape": pa.string()},
    strings_can_be_null=True,
    quoted_strings_can_be_null=False,
)


def write_table(table: pa.Table, file: Path) -> None:
    """Write the table; a shape is written as `1024x1344`, a missing value as an empty field."""
    shapes = ["x".join(map(str, shape)) for shape in table["shape"].to_pylist()]
    csv.write_csv(table.set_column(_SHAPE, "shape", pa.array(shapes, pa.string())), file)


def read_table(file: Path) -> pa.Table:
    """Read what `write_table` wrote."""
    table = csv.read_csv(file, convert_options=_OPTIONS)
    texts = table["shape"].to_pylist()
    shapes = {text: [int(n) for n in text.split("x") if n] for text in set(texts)}
    shape_column = pa.array([shapes[text] for text in texts], IMAGE_SCHEMA.field(_SHAPE).type)
    columns = [*table.columns[:_SHAPE], shape_column, *table.columns[_SHAPE + 1 :]]
    return pa.Table.from_arrays(columns, schema=IMAGE_SCHEMA)


def change_table(file: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a changed table, which takes the place of the file once it is on the disk."""
    draft = file.with_name(f"{file.name}.draft")
    write_table(change(read_table(file)), draft)
    sync(draft)
    draft.replace(file)
