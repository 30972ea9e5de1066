"""Step 9: store images, objects and features of one plate together, and join them."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import duckdb
import lancedb
import pandas as pd
import pyarrow as pa

from platebench.talk.dataset import Dataset
from platebench.talk.embeddings import features_only
from platebench.talk.lancedb_table import frames_differ
from platebench.talk.outcome import ANY, Expected, Outcome

REPEATS = 9
_IMAGE = ["Metadata_Plate", "Metadata_Well", "Metadata_Frame", "Metadata_Site"]
_OBJECT = ["Mitocheck_Phenotypic_Class", "Location_Center_X", "Location_Center_Y"]


def package_of(cells: pa.Table) -> dict[str, pa.Table]:
    """Split a table of cells into the tables `images`, `objects` and `features`.

    `images` has one row per image, with the key `image`. `objects` has one row per cell, with its
    image. `features` has one row per cell in another order, as from a separate feature extractor.
    """
    frame = cells.to_pandas()
    frame["image"] = frame[_IMAGE].astype(str).agg("_".join, axis=1)
    about_images = [name for name in frame if name.startswith("Metadata_")]
    images = frame[["image", *about_images]].drop_duplicates("image").reset_index(drop=True)
    objects = frame[["Cell_UUID", "image", *_OBJECT]]
    features = frame[["Cell_UUID", *features_only(frame)]].sort_values("Cell_UUID")
    tables = {"images": images, "objects": objects, "features": features}
    return {
        name: pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        for name, table in tables.items()
    }


class Join(ABC):
    """Tables of a package in one engine, ready for a join."""

    @abstractmethod
    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        """Write the tables below `folder`."""

    @abstractmethod
    def join(self) -> pd.DataFrame:
        """Return one row per cell with the columns of its object, its features and its image."""


class PandasJoin(Join):
    """Merge DataFrames."""

    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        self._frames = {name: table.to_pandas() for name, table in package.items()}

    def join(self) -> pd.DataFrame:
        """Merge objects with features, then with images."""
        objects, features, images = (self._frames[name] for name in _ORDER)
        joined: pd.DataFrame = objects.merge(features, on="Cell_UUID").merge(images, on="image")
        return joined


class DuckDbJoin(Join):
    """Join tables of one DuckDB file in SQL."""

    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = duckdb.connect(str(folder / "plate.duckdb"))
        for name, table in package.items():
            self._database.register("given", table)
            self._database.execute(f"create table {name} as select * from given")
            self._database.unregister("given")

    def join(self) -> pd.DataFrame:
        """Join all three tables in SQL."""
        return self._database.execute(_SQL).fetch_df()


class LanceDbAndDuckDbJoin(Join):
    """Join tables of one LanceDB database in DuckDB, because LanceDB has no join."""

    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        database = lancedb.connect(str(folder / "duckdb-over-lancedb"))
        for name, table in package.items():
            database.create_table(name, table)
        self._tables = {name: database.open_table(name).to_lance() for name in package}

    def join(self) -> pd.DataFrame:
        """Join all three tables in a temporary DuckDB database."""
        with duckdb.connect() as database:
            for name, table in self._tables.items():
                database.register(name, table)
            return database.execute(_SQL).fetch_df()


class LanceDbMergeJoin(Join):
    """Join through LanceDB's `merge`, which writes the joined columns to a new version."""

    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        self._database = lancedb.connect(str(folder / "lancedb-merge"))
        for name, table in package.items():
            self._database.create_table(name, table)
        objects = self._database.open_table("objects")
        self._before = objects.version

    def join(self) -> pd.DataFrame:
        """Merge the columns of features and images into objects.

        From the second call on, the original version of objects is restored first.
        """
        objects = self._database.open_table("objects")
        if objects.version != self._before:
            objects.checkout(self._before)
            objects.restore()
            self._before = objects.version
        objects.merge(self._database.open_table("features").to_lance().to_table(), "Cell_UUID")
        objects.checkout_latest()
        objects.merge(self._database.open_table("images").to_lance().to_table(), "image")
        objects.checkout_latest()
        joined: pd.DataFrame = objects.to_pandas()
        return joined


_ORDER = ("objects", "features", "images")
_SQL = "select * from objects join features using (Cell_UUID) join images using (image)"

JOINS: dict[str, type[Join]] = {
    "pandas": PandasJoin,
    "duckdb": DuckDbJoin,
    "lancedb through duckdb": LanceDbAndDuckDbJoin,
    "lancedb merge": LanceDbMergeJoin,
}


def comparable(joined: pd.DataFrame) -> pd.DataFrame:
    """Sort a join by cell and column name, and convert text to dtype object.

    No engine guarantees an order, and the dtype of text depends on the library.
    """
    ordered = joined[sorted(joined.columns)].sort_values("Cell_UUID").reset_index(drop=True)
    texts = [name for name in ordered if not pd.api.types.is_numeric_dtype(ordered[name])]
    return ordered.astype(dict.fromkeys(texts, object))


def join_tables(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 9: compute the same join in every engine and compare the results."""
    package = package_of(dataset.cells)
    engines = {name: made(package, scratch / "package") for name, made in JOINS.items()}
    truth = comparable(engines["pandas"].join())
    differences = {
        name: frames_differ(comparable(engine.join()), truth) for name, engine in engines.items()
    }
    medians = {}
    for name, engine in engines.items():
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            engine.join()
            times.append(time.perf_counter() - started)
        medians[name] = statistics.median(times) * 1e3
    sizes = ", ".join(f"{name} {table.num_rows:,}" for name, table in package.items())
    whole = len(truth) == dataset.cells.num_rows
    return Outcome(
        step=9,
        title="Several tables in one package",
        calls="three tables of one plate; objects joined with features by cell, with images by"
        " image",
        then="the talk's goal was one database for images, objects and features",
        now=[
            f"rows: {sizes}; columns joined: {truth.shape[1]}",
            *(
                f"{name}: {difference or 'equal'}, {medians[name]:.1f} ms"
                for name, difference in differences.items()
            ),
        ],
        expected=[
            Expected("every cell is joined once", ANY, whole),
            Expected("all joins give equal tables", ANY, not any(differences.values())),
        ],
        facts={"differences": differences, "median_ms": medians, "rows": len(truth)},
    )
