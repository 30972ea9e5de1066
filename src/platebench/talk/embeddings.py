"""Compute one embedding per cell from its CP__ and DP__ features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from platebench.talk.dataset import image_keys

PREFIXES = ("CP__", "DP__")
_PLACES = ("Center", "Location")
_MULTIPLE = 4
"""Dimensions are padded with zeros to a multiple of this: product quantization has parts of it."""


@dataclass(frozen=True)
class Embeddings:
    """Standardised embeddings, float32 (n, dimensions), with the cell and the image of each.

    `cells` are Cell_UUIDs, and `images` keys of images as `image_keys` gives them.
    """

    cells: Sequence[str]
    images: Sequence[str]
    vectors: np.ndarray

    def table(self) -> pa.Table:
        """Return the columns `Cell_UUID`, `image` and `embedding`, a fixed-size list of float."""
        values = pa.array(np.ascontiguousarray(self.vectors).reshape(-1))
        return pa.table(
            {
                "Cell_UUID": pa.array(self.cells, pa.string()),
                "image": pa.array(self.images, pa.string()),
                "embedding": pa.FixedSizeListArray.from_arrays(values, self.vectors.shape[1]),
            }
        )

    def take(self, rows: Sequence[int]) -> Embeddings:
        """Return the embeddings of these rows."""
        return Embeddings(
            [self.cells[row] for row in rows],
            [self.images[row] for row in rows],
            self.vectors[list(rows)],
        )


def embed(cells: pa.Table) -> Embeddings:
    """Return the embedding of every cell: its features, each with mean 0 and deviation 1.

    Features of location are left out. Zeros fill the dimensions up to a multiple of four.
    """
    frame = cells.to_pandas()
    names = [name for name in features_only(frame) if not any(place in name for place in _PLACES)]
    values = frame[names].to_numpy(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    vectors = np.pad(values, ((0, 0), (0, -len(names) % _MULTIPLE))).astype(np.float32)
    return Embeddings(frame["Cell_UUID"].tolist(), image_keys(cells), vectors)


def features_only(frame: pd.DataFrame) -> list[str]:
    """Return the names of the feature columns, which start with CP__ or DP__."""
    return [name for name in frame.columns if name.startswith(PREFIXES)]
