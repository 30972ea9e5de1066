"""A lazy variable of xarray, which is imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xarray import Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from platebench.packages.arrays import ImageArray


class _Lazy(BackendArray):
    """Images that xarray reads when it needs values, as it reads those of a file."""

    def __init__(self, array: ImageArray) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self.array.__getitem__
        )


def lazy_variable(dimensions: Sequence[str], array: ImageArray) -> Variable:
    """Return a variable that reads `array` when its values are needed."""
    return Variable(dimensions, indexing.LazilyIndexedArray(_Lazy(array)))
