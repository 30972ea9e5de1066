"""Compute one embedding per image from the CP__ features of its cells, and synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

PREFIX = "CP__"
_PLACES = ("Center", "Location")
_IMAGE = ["Metadata_Plate", "Metadata_Well", "Metadata_Frame", "Metadata_Site"]
CELLS_PER_IMAGE = 80
"""About the number of cells in a field of the fixtures."""


@dataclass(frozen=True)
class Embeddings:
    """Standardised embeddings, float32 (n, dimensions), and the names of their images."""

    names: Sequence[str]
    vectors: np.ndarray

    def table(self) -> pa.Table:
        """Return a table with the columns `image` and `embedding`, a fixed-size list of float."""
        values = pa.array(np.ascontiguousarray(self.vectors).reshape(-1))
        lists = pa.FixedSizeListArray.from_arrays(values, self.vectors.shape[1])
        return pa.table({"image": pa.array(self.names, pa.string()), "embedding": lists})


def embed(cells: pa.Table, made_up: int, seed: int = 1) -> Embeddings:
    """Return embeddings of the images in `cells`, followed by `made_up` synthetic ones.

    An embedding is the mean and the standard deviation of each CP__ feature over the image's
    cells, without features of location. A synthetic image is a random sample of cells from the
    table, with random proportions of phenotypes, so that images differ as in a screen.
    """
    frame = cells.to_pandas()
    names = [
        name
        for name in frame.columns
        if name.startswith(PREFIX) and not any(place in name for place in _PLACES)
    ]
    values = frame[names].to_numpy(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    images = frame.groupby(_IMAGE, sort=True).indices
    phenotypes = [
        np.asarray(rows)
        for _, rows in sorted(frame.groupby("Mitocheck_Phenotypic_Class").indices.items())
    ]
    drawn = [_draw(phenotypes, random) for random in _streams(made_up, seed)]
    rows = [*(np.asarray(each) for each in images.values()), *drawn]
    vectors = np.stack([_describe(values[each]) for each in rows])
    own = ["_".join(map(str, key)) for key in images]
    return Embeddings(
        [*own, *(f"made-up-{number:05d}" for number in range(made_up))],
        vectors.astype(np.float32),
    )


def _streams(number: int, seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, each]) for each in range(number)]


def _draw(phenotypes: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    shares = -np.log1p(-random.random(len(phenotypes)))
    bounds = np.cumsum(shares) / shares.sum()
    chosen = np.searchsorted(bounds, random.random(CELLS_PER_IMAGE))
    places = random.random(CELLS_PER_IMAGE)
    return np.array(
        [
            phenotypes[kind][int(place * len(phenotypes[kind]))]
            for kind, place in zip(chosen, places, strict=True)
        ]
    )


def _describe(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def features_only(frame: pd.DataFrame) -> list[str]:
    """Return the names of the feature columns, which start with CP__ or DP__."""
    return [name for name in frame.columns if name.startswith((PREFIX, "DP__"))]
