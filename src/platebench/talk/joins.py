"""Join images, objects and features in pandas, DuckDB and LanceDB, without and with pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import lancedb
import pandas as pd
import pyarrow as pa

from platebench.talk.dataset import PHENOTYPE

MOST_CELLS = 8
"""Cells that are joined with pixels. A join copies an image for each of its cells."""

OBJECT = (PHENOTYPE, "Location_Center_X", "Location_Center_Y")
"""Columns of objects, beside the keys of the cell and its image."""

PIXELS = ("pixels", "shape", "dtype")
"""Columns of images that only the join with pixels returns."""

_ORDER = ("objects", "features", "images")
_ALL = (
    f"select * exclude ({', '.join(PIXELS)})"
    " from objects join features using (Cell_UUID) join images using (image)"
)
_GIVEN = "select * from objects join features using (Cell_UUID) join images using (image)"
_FEW = (
    f"with few as (select * from objects where {PHENOTYPE} = ?"
    f" order by Cell_UUID limit {MOST_CELLS})"
    " select * from few join features using (Cell_UUID) join images using (image)"
)


class Join(ABC):
    """Tables of a package in one engine, ready for joins."""

    @abstractmethod
    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        """Write the tables below `folder`."""

    @abstractmethod
    def join(self) -> pd.DataFrame:
        """Return one row per cell: the columns of its object, its features and its image.

        The columns PIXELS are left out.
        """

    @abstractmethod
    def with_pixels(self, phenotype: str) -> pd.DataFrame:
        """Return all columns of the first MOST_CELLS cells of a phenotype, by Cell_UUID."""


class PandasJoin(Join):
    """Merge DataFrames."""

    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        self._frames = {name: table.to_pandas() for name, table in package.items()}

    def join(self) -> pd.DataFrame:
        """Merge objects with features, then with images."""
        objects, features, images = (self._frames[name] for name in _ORDER)
        return _merged(objects, features, images.drop(columns=list(PIXELS)))

    def with_pixels(self, phenotype: str) -> pd.DataFrame:
        """Merge the chosen objects. Rows of one image share its bytes."""
        objects, features, images = (self._frames[name] for name in _ORDER)
        return _merged(_first(objects[objects[PHENOTYPE] == phenotype]), features, images)


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
        return self._database.execute(_ALL).fetch_df()

    def with_pixels(self, phenotype: str) -> pd.DataFrame:
        """Join the chosen objects in SQL."""
        return self._database.execute(_FEW, [phenotype]).fetch_df()


class LanceDbAndDuckDbJoin(Join):
    """Join tables of one LanceDB database in DuckDB, because LanceDB has no join.

    For the join with pixels, LanceDB filters each table. Left to DuckDB, a filter on text is pushed
    down to Lance, which refuses it (duckdb 2.0, pylance 14).
    """

    def __init__(self, package: Mapping[str, pa.Table], folder: Path) -> None:
        self._database = lancedb.connect(str(folder / "duckdb-over-lancedb"))
        for name, table in package.items():
            self._database.create_table(name, table)

    def join(self) -> pd.DataFrame:
        """Join all three tables in a temporary DuckDB database, which reads the columns asked."""
        return _in_duckdb(
            _ALL, {name: self._database.open_table(name).to_lance() for name in _ORDER}
        )

    def with_pixels(self, phenotype: str) -> pd.DataFrame:
        """Join what LanceDB's filters leave in a temporary DuckDB database."""
        return _in_duckdb(_GIVEN, _chosen(self._database, phenotype))


class LanceDbMergeJoin(Join):
    """Join through LanceDB's `merge`, which writes the joined columns to a new version.

    With pixels, `merge` would write an image for each cell. The join with pixels filters each
    table instead, and merges what is left in pandas.
    """

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
        images = self._database.open_table("images").to_lance()
        about = [name for name in images.schema.names if name not in PIXELS]
        objects.merge(images.to_table(columns=about), "image")
        objects.checkout_latest()
        joined: pd.DataFrame = objects.to_pandas()
        return joined

    def with_pixels(self, phenotype: str) -> pd.DataFrame:
        """Merge in pandas what LanceDB's filters leave."""
        chosen = _chosen(self._database, phenotype)
        return _merged(*(chosen[name].to_pandas() for name in _ORDER))


def _in_duckdb(query: str, tables: Mapping[str, object]) -> pd.DataFrame:
    with duckdb.connect() as database:
        for name, table in tables.items():
            database.register(name, table)
        return database.execute(query).fetch_df()


def _chosen(database: lancedb.db.DBConnection, phenotype: str) -> dict[str, pa.Table]:
    """Return the rows for a join with pixels: objects by phenotype, features by cell, images."""

    def rows(name: str, condition: str, columns: Sequence[str] | None = None) -> pa.Table:
        return database.open_table(name).to_lance().to_table(filter=condition, columns=columns)

    # `merge` may have added other columns to objects.
    columns = ["Cell_UUID", "image", *OBJECT]
    found = rows("objects", f"`{PHENOTYPE}` = {_quoted(phenotype)}", columns)
    objects = found.sort_by("Cell_UUID").slice(0, MOST_CELLS)
    return {
        "objects": objects,
        "features": rows("features", _one_of("Cell_UUID", objects)),
        "images": rows("images", _one_of("image", objects)),
    }


def _merged(objects: pd.DataFrame, features: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    joined: pd.DataFrame = objects.merge(features, on="Cell_UUID").merge(images, on="image")
    return joined


def _first(objects: pd.DataFrame) -> pd.DataFrame:
    return objects.sort_values("Cell_UUID").head(MOST_CELLS)


def _one_of(column: str, table: pa.Table) -> str:
    values = sorted(set(table[column].to_pylist()))
    # Without backticks, Lance of 2024 reads a name in lower case.
    return f"`{column}` in ({', '.join(map(_quoted, values))})" if values else "false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


JOINS: dict[str, type[Join]] = {
    "pandas": PandasJoin,
    "duckdb": DuckDbJoin,
    "lancedb through duckdb": LanceDbAndDuckDbJoin,
    "lancedb merge": LanceDbMergeJoin,
}
