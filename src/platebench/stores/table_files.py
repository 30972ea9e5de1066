"""Tables in files of their own, in the folder `tables` beside the images.

A format whose images are one file becomes a folder if there are tables:

    images.<ending>             the images, as without tables
    tables/<name>.<ending>      a table, of a format with `TableFiles`
    tables/<name>/<n>.<ending>  the same with `TableFolders`: one more file for each addition
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from platebench.errors import Unsupported
from platebench.stores.tables import StoredTables
from platebench.stores.where import Where

TABLES = "tables"


def images_place(path: Path, tables: Mapping[str, pa.Table], ending: str) -> Path:
    """Return where a format of one file writes its images, and create the folder for it."""
    place = path / f"images{ending}" if tables else path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def make_folder(tables: Path, name: str) -> None:
    """Create the folder `tables`. Raises Unsupported if the images are one file without tables."""
    if tables.parent.is_file():
        raise Unsupported(
            f"table {name!r}: these images are one file, which was written without tables; write"
            " them again with a table"
        )
    tables.mkdir(parents=True, exist_ok=True)


def stored_images(path: Path, ending: str) -> Path:
    """Return where `images_place` was."""
    return path / f"images{ending}" if path.is_dir() else path


class TableFiles(StoredTables):
    """One file for each table."""

    ending: str
    """The end of each file's name: `.parquet`."""

    def __init__(self, folder: Path) -> None:
        """Keep tables in `folder`, which need not exist."""
        self._folder = folder

    @abstractmethod
    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write a table to a file that does not exist."""

    @abstractmethod
    def read_file(self, file: Path, columns: list[str], where: Where) -> pa.Table:
        """Return columns of the rows that match fitted conditions."""

    @abstractmethod
    def schema_of(self, file: Path) -> pa.Schema:
        """Return the schema of a table."""

    def file(self, name: str) -> Path:
        """Return the file of a table."""
        return self._folder / f"{name}{self.ending}"

    def create(self, name: str, table: pa.Table) -> None:
        """Write one file."""
        make_folder(self._folder, name)
        self.write_file(table, self.file(name))

    def names(self) -> list[str]:
        """List the files in the folder."""
        if not self._folder.is_dir():
            return []
        found = (file.name for file in self._folder.iterdir() if file.name.endswith(self.ending))
        return sorted(name.removesuffix(self.ending) for name in found)

    def schema(self, name: str) -> pa.Schema:
        """Read the schema from the file."""
        if not self.file(name).is_file():
            raise KeyError(name)
        return self.schema_of(self.file(name))

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Read the file."""
        return self.read_file(self.file(name), columns, where)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Write the whole table again, with the rows, and rename it to its name."""
        file = self.file(name)
        stored = self.read_file(file, rows.column_names, ())
        draft = file.with_name(f".{file.name}-draft")
        try:
            self.write_file(pa.concat_tables([stored, rows]), draft)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


class TableFolders(StoredTables):
    """One folder for each table, with a file for what was written and for each addition.

    Such a folder is what pyarrow's datasets, pandas, Polars and DuckDB read as one table.
    """

    ending: str
    """The end of each file's name: `.parquet`."""

    def __init__(self, folder: Path) -> None:
        """Keep tables in `folder`, which need not exist."""
        self._folder = folder

    @abstractmethod
    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write a table to a file that does not exist."""

    @abstractmethod
    def read_files(
        self, files: list[Path], schema: pa.Schema, columns: list[str], where: Where
    ) -> pa.Table:
        """Return columns of the rows that match fitted conditions, of one file after another."""

    @abstractmethod
    def schema_of(self, file: Path) -> pa.Schema:
        """Return the schema of a file."""

    def files(self, name: str) -> list[Path]:
        """Return the files of a table, oldest first. Raises KeyError if there is none."""
        found = sorted((self._folder / name).glob(f"[0-9]*{self.ending}"))
        if not found:
            raise KeyError(name)
        return found

    def create(self, name: str, table: pa.Table) -> None:
        """Write the first file."""
        make_folder(self._folder, name)
        (self._folder / name).mkdir()
        self.write_file(table, self._file(name, 0))

    def names(self) -> list[str]:
        """List the folders."""
        if not self._folder.is_dir():
            return []
        return sorted(folder.name for folder in self._folder.iterdir() if folder.is_dir())

    def schema(self, name: str) -> pa.Schema:
        """Read the schema of the first file, which all files share."""
        return self.schema_of(self.files(name)[0])

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Read all files."""
        files = self.files(name)
        return self.read_files(files, self.schema_of(files[0]), columns, where)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Write one more file, and rename it to its name when it is complete."""
        number = int(self.files(name)[-1].name.removesuffix(self.ending)) + 1
        draft = self._folder / name / ".draft"
        try:
            self.write_file(rows, draft)
            draft.rename(self._file(name, number))
        finally:
            draft.unlink(missing_ok=True)

    def _file(self, name: str, number: int) -> Path:
        return self._folder / name / f"{number:06d}{self.ending}"
