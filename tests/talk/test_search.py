"""Embeddings, nearest-neighbour searches, and recall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platebench.talk.dataset import FEWEST_CELLS, Dataset, image_keys, plate_of
from platebench.talk.embeddings import Embeddings, embed
from platebench.talk.search import QUERIES, SEARCHES, NumpySearch, recall, search_cells, split


@pytest.fixture(scope="module")
def embeddings(cells: pa.Table) -> Embeddings:
    return embed(cells)


def test_embed_returns_one_vector_per_cell_with_its_image(
    cells: pa.Table, embeddings: Embeddings
) -> None:
    assert embeddings.vectors.shape == (168, 52)
    assert embeddings.vectors.dtype == np.float32
    assert embeddings.cells == cells["Cell_UUID"].to_pylist()
    assert embeddings.images == image_keys(cells)
    assert set(embeddings.images) == {"LT0001_02_15_43_01", "LT0001_02_15_44_01"}
    assert embeddings.table().column_names == ["Cell_UUID", "image", "embedding"]


def test_vector_is_the_standardised_features_without_location(
    cells: pa.Table, embeddings: Embeddings
) -> None:
    columns = cells.to_pandas()
    for place, name in ((0, "CP__AreaShape_Area"), (51, "DP__Grid_5_5")):
        values = columns[name]
        standard = (values - values.mean()) / values.std(ddof=0)
        assert embeddings.vectors[:, place] == pytest.approx(standard.to_numpy(), abs=1e-5)


def test_dimensions_are_filled_with_zeros_to_a_multiple_of_four(cells: pa.Table) -> None:
    vectors = embed(cells.drop(["DP__Grid_5_5"])).vectors
    assert vectors.shape == (168, 52)
    assert vectors[:, 50].any()
    assert not vectors[:, 51].any()


def test_split_leaves_the_queries_out_of_the_search(embeddings: Embeddings) -> None:
    searched, asked = split(embeddings)
    assert len(asked.cells) == QUERIES
    assert not set(asked.cells) & set(searched.cells)
    assert set(asked.cells) | set(searched.cells) == set(embeddings.cells)


def test_plate_has_the_images_of_its_cells_and_those_of_the_dataset(
    plate: Dataset, tmp_path: Path
) -> None:
    whole = plate_of(plate, tmp_path)
    assert whole.cells.num_rows >= FEWEST_CELLS
    assert set(whole.cell_images) == set(image_keys(whole.cells)) > set(plate.cell_images)
    for key, file in plate.cell_images.items():
        assert whole.cell_images[key].read_bytes() == file.read_bytes()
    assert plate_of(whole, tmp_path) is whole


def test_vectors_of_images_that_are_not_there_are_reported(
    plate: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_first(dataset: Dataset, scratch: Path) -> Dataset:
        whole = plate_of(dataset, scratch)
        left = dict(list(whole.cell_images.items())[1:])
        return Dataset(whole.name, whole.files, whole.cells, left, cells_belong_to_images=True)

    monkeypatch.setattr("platebench.talk.search.plate_of", without_first)
    wrong = [each.statement for each in search_cells(plate, tmp_path).expected if not each.holds]
    assert wrong == ["every vector belongs to a cell of an image that is there"]


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


def test_recall_counts_repeated_cells_once(embeddings: Embeddings) -> None:
    query = embeddings.vectors[0]
    assert recall(embeddings, query, [embeddings.cells[0]] * 10, 10) == 0.1
