"""Embeddings, nearest-neighbour searches, and recall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platebench.talk.embeddings import Embeddings, embed
from platebench.talk.search import SEARCHES, NumpySearch, recall


@pytest.fixture(scope="module")
def embeddings(cells: pa.Table) -> Embeddings:
    return embed(cells, 510)


def test_embed_returns_one_vector_per_image_and_synthetic_ones(embeddings: Embeddings) -> None:
    assert embeddings.vectors.shape == (512, 32)
    assert embeddings.vectors.dtype == np.float32
    assert embeddings.names[:3] == ["LT0001_02_15_43_01", "LT0001_02_15_44_01", "made-up-00000"]
    assert len(set(embeddings.names)) == 512


def test_embed_is_deterministic(cells: pa.Table, embeddings: Embeddings) -> None:
    assert np.array_equal(embed(cells, 510).vectors, embeddings.vectors)


def test_vector_is_mean_and_standard_deviation_of_the_cells(cells: pa.Table) -> None:
    columns = cells.to_pandas()
    values = columns["CP__AreaShape_Area"]
    standard = (values - values.mean()) / values.std(ddof=0)
    first = standard[columns["Metadata_Frame"] == 43]
    vector = embed(cells, 0).vectors[0]
    assert vector[0] == pytest.approx(first.mean(), abs=1e-6)
    assert vector[16] == pytest.approx(first.std(ddof=0), abs=1e-6)


@pytest.mark.parametrize("name", ["duckdb", "lancedb"])
def test_exact_search_equals_numpy(name: str, embeddings: Embeddings, tmp_path: Path) -> None:
    engine = SEARCHES[name](embeddings, tmp_path)
    truth = NumpySearch(embeddings, tmp_path)
    for query in embeddings.vectors[:5]:
        assert engine.nearest(query, 10) == truth.nearest(query, 10)


def test_recall_is_the_share_of_the_nearest(embeddings: Embeddings, tmp_path: Path) -> None:
    query = embeddings.vectors[0]
    found = NumpySearch(embeddings, tmp_path).nearest(query, 20)
    assert recall(embeddings, query, found[:10], 10) == 1.0
    assert recall(embeddings, query, found[10:], 10) == 0.0
    assert recall(embeddings, query, [*found[:9], found[19]], 10) == 0.9


def test_recall_counts_repeated_images_once(embeddings: Embeddings) -> None:
    query = embeddings.vectors[0]
    assert recall(embeddings, query, [embeddings.names[0]] * 10, 10) == 0.1
