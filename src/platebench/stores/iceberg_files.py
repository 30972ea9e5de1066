"""Files of an Iceberg table that may be moved.

Iceberg's metadata names files by absolute paths, which no longer exist when the folder is moved or
copied. A store keeps all of them below one folder, `WAREHOUSE`, and this class looks for what comes
after that name in the folder where the store is now. Programs that read Iceberg otherwise need the
store where it was written.
"""

from __future__ import annotations

from pathlib import Path

from pyiceberg.io import InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

WAREHOUSE = "warehouse"
HERE = "platebench.warehouse"
"""The property with the folder where the warehouse is now."""


def place_of(location: str, here: str) -> str:
    """Return where a file of the metadata is now."""
    _, _, below = location.rpartition(f"/{WAREHOUSE}/")
    return str(Path(here) / below)


class MovableFiles(PyArrowFileIO):
    """Files that are found from the warehouse's folder, whatever the metadata says."""

    def new_input(self, location: str) -> PyArrowFile:
        """Return a file to read."""
        return self._file(location)

    def new_output(self, location: str) -> PyArrowFile:
        """Return a file to write."""
        return self._file(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file."""
        name = location if isinstance(location, str) else location.location
        Path(place_of(name, self.properties[HERE])).unlink()

    def _file(self, location: str) -> PyArrowFile:
        place = place_of(location, self.properties[HERE])
        return PyArrowFile(
            fs=self.fs_by_scheme("file", None), location=location, path=place, buffer_size=1 << 20
        )
