"""Step 8: compare LanceDB as a vector database with NumPy and DuckDB."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import duckdb
import lancedb
import numpy as np

from platebench.talk.dataset import Dataset, plate_of
from platebench.talk.embeddings import Embeddings, embed
from platebench.talk.outcome import ANY, Expected, Outcome

QUERIES = 32
"""Cells that are left out of the search, and whose nearest cells are searched."""

NEAREST = 10
EXACT_RECALL = 0.999
REFINED_RECALL = 0.9


class Search(ABC):
    """Embeddings in one engine, ready for nearest-neighbour search by Euclidean distance."""

    exact: bool = True

    @abstractmethod
    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        """Write the embeddings below `folder`, and build the index if there is one."""

    @abstractmethod
    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Return the Cell_UUIDs of the nearest cells, nearest first."""


class NumpySearch(Search):
    """Exhaustive search, which is the ground truth."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        self._cells = embeddings.cells
        self._vectors = embeddings.vectors

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Compute all distances."""
        distances = np.square(self._vectors - query).sum(axis=1)
        few = np.argpartition(distances, number)[:number]
        return [self._cells[row] for row in few[np.argsort(distances[few], kind="stable")]]


class DuckDbSearch(Search):
    """Exhaustive search in an in-memory DuckDB table."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        self._database = duckdb.connect()
        self._database.register("given", embeddings.table())
        self._database.execute("create table cells as select * from given")
        self._dimensions = embeddings.vectors.shape[1]

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Order by `array_distance` in SQL."""
        rows = self._database.execute(
            "select Cell_UUID from cells"
            f" order by array_distance(embedding, ?::float[{self._dimensions}]) limit {number}",
            [query.tolist()],
        ).fetchall()
        return [name for (name,) in rows]


class LanceDbSearch(Search):
    """Exhaustive search in a LanceDB table without an index."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        database = lancedb.connect(str(folder / type(self).__name__))
        self._table = database.create_table("cells", embeddings.table())
        self.build()

    def build(self) -> None:
        """Build no index. Subclasses override this."""

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Search with the default parameters."""
        search = self._table.search(query, vector_column_name="embedding").limit(number)
        return self._cells(search)

    def _cells(self, search: lancedb.query.LanceVectorQueryBuilder) -> list[str]:
        # All columns of ten rows are small. `select` treats the distance column differently in
        # different versions.
        return [str(name) for name in search.to_arrow()["Cell_UUID"].to_pylist()]


class IvfPqSearch(LanceDbSearch):
    """IVF-PQ, the default index of `create_index`, with the default query parameters."""

    exact = False

    def build(self) -> None:
        """Build a partition per 256 cells, as Lance asks, with sub-vectors of 4 dimensions."""
        dimensions = self._table.schema.field("embedding").type.list_size
        self._table.create_index(
            metric="l2",
            vector_column_name="embedding",
            index_type="IVF_PQ",
            num_partitions=max(1, self._table.count_rows() // 256),
            num_sub_vectors=dimensions // 4,
        )


class RefinedIvfPqSearch(IvfPqSearch):
    """IVF-PQ with all partitions probed, and 10 times as many candidates compared exactly."""

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Search with nprobes and refine_factor."""
        search = self._table.search(query, vector_column_name="embedding").limit(number)
        return self._cells(search.nprobes(16).refine_factor(10))


class HnswSearch(LanceDbSearch):
    """HNSW index over vectors quantized to 8 bits."""

    exact = False

    def build(self) -> None:
        """Build one graph over all cells."""
        self._table.create_index(
            metric="l2",
            vector_column_name="embedding",
            index_type="IVF_HNSW_SQ",
            num_partitions=1,
        )


SEARCHES: dict[str, type[Search]] = {
    "numpy": NumpySearch,
    "duckdb": DuckDbSearch,
    "lancedb": LanceDbSearch,
    "lancedb ivf-pq": IvfPqSearch,
    "lancedb ivf-pq refined": RefinedIvfPqSearch,
    "lancedb hnsw": HnswSearch,
}


def split(embeddings: Embeddings) -> tuple[Embeddings, Embeddings]:
    """Return the embeddings to search, and QUERIES others, evenly spaced, to search for."""
    asked = [place * len(embeddings.cells) // QUERIES for place in range(QUERIES)]
    left = sorted(set(range(len(embeddings.cells))) - set(asked))
    return embeddings.take(left), embeddings.take(asked)


def recall(embeddings: Embeddings, query: np.ndarray, found: Sequence[str], number: int) -> float:
    """Return the share of `found` that is no farther than the `number`th nearest cell.

    A cell that is found twice counts once. Cells at equal distance are equally correct.
    """
    distances = np.square(embeddings.vectors.astype(np.float64) - query).sum(axis=1)
    limit = np.partition(distances, number - 1)[number - 1] * (1 + 1e-5)
    row = {name: place for place, name in enumerate(embeddings.cells)}
    return sum(bool(distances[row[name]] <= limit) for name in set(found)) / number


def search_cells(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 8: measure recall and time of nearest-neighbour search in each engine."""
    plate = plate_of(dataset, scratch)
    embeddings, asked = split(embed(plate.cells))
    folder = scratch / "search"
    engines = {name: made(embeddings, folder) for name, made in SEARCHES.items()}
    recalls: dict[str, float] = {}
    medians: dict[str, float] = {}
    for name, engine in engines.items():
        engine.nearest(asked.vectors[0], NEAREST)
        found, times = [], []
        for query in asked.vectors:
            started = time.perf_counter()
            found.append(engine.nearest(query, NEAREST))
            times.append(time.perf_counter() - started)
        pairs = zip(asked.vectors, found, strict=True)
        each = [recall(embeddings, query, cells, NEAREST) for query, cells in pairs]
        recalls[name], medians[name] = statistics.mean(each), statistics.median(times) * 1e3
    there = set(embeddings.images) | set(asked.images) <= set(plate.cell_images)
    exact = all(recalls[name] >= EXACT_RECALL for name in engines if engines[name].exact)
    refined = recalls["lancedb ivf-pq refined"] >= REFINED_RECALL
    return Outcome(
        step=8,
        title="Nearest cells",
        calls=f"one embedding per cell from its CP__ and DP__ features; {NEAREST} nearest of"
        f" {len(embeddings.cells):,} cells in {len(plate.cell_images)} images"
        f" ({embeddings.vectors.shape[1]} dimensions, {QUERIES} queries)",
        then="LanceDB was introduced as a vector database",
        now=[
            *(
                f"{name}: recall@{NEAREST} {recalls[name]:.3f}, {medians[name]:.2f} ms per query"
                for name in engines
            ),
            _alike(plate, asked, engines["numpy"]),
        ],
        expected=[
            Expected("searches without an index are exact", ANY, exact),
            Expected(f"recall of refined IVF-PQ is at least {REFINED_RECALL:.0%}", ANY, refined),
            Expected("every vector belongs to a cell of an image that is there", ANY, there),
        ],
        facts={
            "recall": recalls,
            "median_ms": medians,
            "cells": len(embeddings.cells),
            "images": len(plate.cell_images),
        },
    )


def _alike(plate: Dataset, asked: Embeddings, engine: Search) -> str:
    """Return a sentence about the phenotypes of nearest cells."""
    nearest = [engine.nearest(query, 1)[0] for query in asked.vectors]
    alike = sum(
        plate.phenotypes[cell] == plate.phenotypes[other]
        for cell, other in zip(asked.cells, nearest, strict=True)
    )
    return f"phenotype of the nearest cell: the same for {alike} of {len(nearest)} queries"
