"""Convert Arrow tables to DataFrames with images as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from platebench.stores.values import IMAGE, decode, kinds_of

if TYPE_CHECKING:
    import pandas as pd


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Convert a table to a DataFrame; tensors and raw pixels become arrays.

    Raises ArrowInvalid for an inconsistent table.
    """
    import pandas as pd

    # Offsets out of range, as in a damaged file, would crash the process.
    table.validate(full=True)
    frame: pd.DataFrame = table.to_pandas()
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.FixedShapeTensorType):
            tensors = [_in_shape(value, field.type) for value in frame.iloc[:, place]]
            frame[field.name] = pd.Series(tensors, dtype=object)
    if _has_raw_pixels(table):
        kinds = kinds_of(table.schema, table.select)
        arrays = decode(table[IMAGE], "pixels", kinds, range(table.num_rows))
        frame[IMAGE] = pd.Series([array.copy() for array in arrays], dtype=object)
    return frame


def _in_shape(flat: Any, tensor: pa.FixedShapeTensorType) -> np.ndarray | None:
    """Return a tensor in its shape, which pandas has flat; None if it is missing."""
    if flat is None:
        return None
    array = np.asarray(flat).reshape(tensor.shape)
    return array if tensor.permutation is None else array.transpose(tensor.permutation)


def _has_raw_pixels(table: pa.Table) -> bool:
    """True if the image column has raw pixels: as many bytes as shape and dtype require."""
    names = table.schema.names
    if not {IMAGE, "shape", "dtype"} <= set(names) or table.num_rows == 0:
        return False
    if not pa.types.is_binary(table.schema.field(IMAGE).type) or table[IMAGE].null_count:
        return False
    row: Mapping[str, Any] = table.slice(0, 1).select([IMAGE, "shape", "dtype"]).to_pylist()[0]
    try:
        size = np.prod(row["shape"], dtype=np.int64) * np.dtype(row["dtype"]).itemsize
    except (TypeError, ValueError):  # unrelated columns with these names
        return False
    return len(row[IMAGE]) == int(size)
