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

from platebench.talk.dataset import Dataset
from platebench.talk.embeddings import Embeddings, embed
from platebench.talk.outcome import ANY, Expected, Outcome

IMAGES = 4096
"""Number of images to search: those of the dataset, and synthetic ones."""

QUERIES = 32
NEAREST = 10
EXACT_RECALL = 0.999
REFINED_RECALL = 0.9

_SEED_OF_IMAGES, _SEED_OF_QUERIES = 1, 2


class Search(ABC):
    """Embeddings in one engine, ready for nearest-neighbour search by Euclidean distance."""

    exact: bool = True

    @abstractmethod
    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        """Write the embeddings below `folder`, and build the index if there is one."""

    @abstractmethod
    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Return the names of the nearest images, nearest first."""


class NumpySearch(Search):
    """Exhaustive search, which is the ground truth."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        self._names = embeddings.names
        self._vectors = embeddings.vectors

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Compute all distances."""
        distances = np.square(self._vectors - query).sum(axis=1)
        few = np.argpartition(distances, number)[:number]
        return [self._names[row] for row in few[np.argsort(distances[few], kind="stable")]]


class DuckDbSearch(Search):
    """Exhaustive search in an in-memory DuckDB table."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        self._database = duckdb.connect()
        self._database.register("given", embeddings.table())
        self._database.execute("create table images as select * from given")
        self._dimensions = embeddings.vectors.shape[1]

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Order by `array_distance` in SQL."""
        rows = self._database.execute(
            "select image from images"
            f" order by array_distance(embedding, ?::float[{self._dimensions}]) limit {number}",
            [query.tolist()],
        ).fetchall()
        return [name for (name,) in rows]


class LanceDbSearch(Search):
    """Exhaustive search in a LanceDB table without an index."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        database = lancedb.connect(str(folder / type(self).__name__))
        self._table = database.create_table("images", embeddings.table())
        self.build()

    def build(self) -> None:
        """Build no index. Subclasses override this."""

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Search with the default parameters."""
        search = self._table.search(query, vector_column_name="embedding").limit(number)
        return self._names(search)

    def _names(self, search: lancedb.query.LanceVectorQueryBuilder) -> list[str]:
        # All columns of ten rows are small. `select` treats the distance column differently in
        # different versions.
        return [str(name) for name in search.to_arrow()["image"].to_pylist()]


class IvfPqSearch(LanceDbSearch):
    """IVF-PQ, the default index of `create_index`, with the default query parameters."""

    exact = False

    def build(self) -> None:
        """Build 16 partitions, with sub-vectors of 4 dimensions."""
        dimensions = self._table.schema.field("embedding").type.list_size
        self._table.create_index(
            metric="l2",
            vector_column_name="embedding",
            index_type="IVF_PQ",
            num_partitions=16,
            num_sub_vectors=dimensions // 4,
        )


class RefinedIvfPqSearch(IvfPqSearch):
    """IVF-PQ with all partitions probed, and 10 times as many candidates compared exactly."""

    def nearest(self, query: np.ndarray, number: int) -> list[str]:
        """Search with nprobes and refine_factor."""
        search = self._table.search(query, vector_column_name="embedding").limit(number)
        return self._names(search.nprobes(16).refine_factor(10))


class HnswSearch(LanceDbSearch):
    """HNSW index over vectors quantized to 8 bits."""

    exact = False

    def build(self) -> None:
        """Build one graph over all images."""
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


def queries(dataset: Dataset) -> np.ndarray:
    """Return the embeddings of other synthetic images, float32 (QUERIES, dimensions)."""
    return embed(dataset.cells, QUERIES, _SEED_OF_QUERIES).vectors[-QUERIES:]


def searched(dataset: Dataset, images: int = IMAGES) -> Embeddings:
    """Return `images` embeddings: those of the dataset's images, then synthetic ones."""
    own = len(embed(dataset.cells, 0).names)
    return embed(dataset.cells, max(0, images - own), _SEED_OF_IMAGES)


def recall(embeddings: Embeddings, query: np.ndarray, found: Sequence[str], number: int) -> float:
    """Return the share of `found` that is no farther than the `number`th nearest image.

    A name that is found twice counts once. Images at equal distance are equally correct.
    """
    distances = np.square(embeddings.vectors.astype(np.float64) - query).sum(axis=1)
    limit = np.partition(distances, number - 1)[number - 1] * (1 + 1e-5)
    row = {name: place for place, name in enumerate(embeddings.names)}
    return sum(bool(distances[row[name]] <= limit) for name in set(found)) / number


def search_images(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 8: measure recall and time of nearest-neighbour search in each engine."""
    embeddings, asked = searched(dataset), queries(dataset)
    folder = scratch / "search"
    engines = {name: made(embeddings, folder) for name, made in SEARCHES.items()}
    recalls: dict[str, float] = {}
    medians: dict[str, float] = {}
    for name, engine in engines.items():
        engine.nearest(asked[0], NEAREST)
        found, times = [], []
        for query in asked:
            started = time.perf_counter()
            found.append(engine.nearest(query, NEAREST))
            times.append(time.perf_counter() - started)
        pairs = zip(asked, found, strict=True)
        each = [recall(embeddings, query, names, NEAREST) for query, names in pairs]
        recalls[name], medians[name] = statistics.mean(each), statistics.median(times) * 1e3
    own = embeddings.names[0]
    neighbours = engines["numpy"].nearest(embeddings.vectors[0], 4)[1:]
    exact = all(recalls[name] >= EXACT_RECALL for name in engines if engines[name].exact)
    refined = recalls["lancedb ivf-pq refined"] >= REFINED_RECALL
    return Outcome(
        step=8,
        title="Nearest images",
        calls=f"one embedding per image from its cells' CP__ features; {NEAREST} nearest of"
        f" {len(embeddings.names):,} images, most of them synthetic, from the same cells"
        f" ({embeddings.vectors.shape[1]} dimensions, {QUERIES} queries)",
        then="LanceDB was introduced as a vector database",
        now=[
            *(
                f"{name}: recall@{NEAREST} {recalls[name]:.3f}, {medians[name]:.2f} ms per query"
                for name in engines
            ),
            f"nearest to {own}: {', '.join(neighbours)}",
        ],
        expected=[
            Expected("searches without an index are exact", ANY, exact),
            Expected(f"recall of refined IVF-PQ is at least {REFINED_RECALL:.0%}", ANY, refined),
        ],
        facts={"recall": recalls, "median_ms": medians, "images": len(embeddings.names)},
    )
