"""Every format that platebench measures, one entry each. Nothing else names a format.

To add a format, write one module beside this one and add one entry to `FORMATS`. The module is
imported only when one of the format's stores is asked for, so a library that is not installed
disturbs nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platebench.errors import Unsupported, UserError
from platebench.optional import how_to_get, missing
from platebench.stores.appearance import Colour, Mark
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.stores.variants import Variants


@dataclass(frozen=True)
class Format:
    """A storage format: its name, its store class, and what it needs.

    `store` is `module:Class`, in `platebench.stores`. `variants` maps each layout to its tunings,
    the layout that suits the format best first. `needs` are the libraries whose versions decide
    what is measured: distributions on PyPI, or names that `platebench.optional` knows otherwise
    (`sqlite3`). `layout_needs` are those of one layout only. `colour` and `mark` are the format's
    in every chart; no two formats share both. `native_versions`: the format keeps versions
    itself; all others are measured with platebench's part list (`part_list`). `title` is the name
    in sentences, as the format's makers write it; "" if that is `name`. `document` is the address
    of the format's own description, `reviewed_by` who of its makers reviewed its figures and when
    (docs/review.md). `opened_by` are programs
    and languages that open the stored files without platebench, those for images first;
    `opened_by_tuning` those of a tuning that fewer of them open.
    """

    name: str
    store: str
    variants: Mapping[str, str]
    needs: tuple[str, ...]
    colour: Colour
    mark: Mark
    native_versions: bool = False
    layout_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    title: str = ""
    document: str = ""
    reviewed_by: tuple[str, ...] = ()
    opened_by: tuple[str, ...] = ()
    opened_by_tuning: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module of the store, without its package: `parquet`."""
        return self.store.partition(":")[0]

    @property
    def class_name(self) -> str:
        """The name of the store's class in its module."""
        return self.store.partition(":")[2]

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts, the one that suits the format best first."""
        return tuple(self.variants)

    @property
    def stores(self) -> list[StoreName]:
        """The names of this format's stores."""
        return [
            StoreName(self.name, layout, tuning)
            for layout, tunings in self.variants.items()
            for tuning in tunings.split()
        ]

    @property
    def all_needs(self) -> tuple[str, ...]:
        """The libraries that any layout needs."""
        return tuple(
            dict.fromkeys(name for layout in self.variants for name in self.needs_of(layout))
        )

    def openers(self, store: StoreName) -> tuple[str, ...]:
        """Return what opens the files of one of this format's stores."""
        return self.opened_by_tuning.get(store.tuning, self.opened_by)

    def needs_of(self, layout: str) -> tuple[str, ...]:
        """Return the libraries that this layout needs."""
        return (*self.needs, *self.layout_needs.get(layout, ()))


_ALL = "default fast balanced small"
_TIFF = {"tiff": ("tifffile", "imagecodecs")}

FORMATS: tuple[Format, ...] = (
    Format(
        "floor",
        "bare_file:BareFile",
        {"pixels": "fast"},
        ("numpy",),
        Colour.BLACK,
        Mark.CROSS,
        opened_by=("NumPy",),
    ),
    Format(
        "parquet",
        "parquet:Parquet",
        {"pixels": _ALL, "tiff": _ALL, "tensor": _ALL, "nested": _ALL},
        ("pyarrow",),
        Colour.BLUE,
        Mark.CIRCLE,
        layout_needs={**_TIFF, "nested": ("awkward",)},
        title="Parquet",
        document="https://parquet.apache.org/docs/file-format/",
        opened_by=("pandas", "DuckDB", "R"),
    ),
    Format(
        "arrow-ipc",
        "arrow_ipc:ArrowIpc",
        {"pixels": _ALL, "tiff": _ALL, "tensor": _ALL},
        ("pyarrow",),
        Colour.GREEN,
        Mark.SQUARE,
        layout_needs=_TIFF,
        title="Arrow IPC",
        document="https://arrow.apache.org/docs/format/Columnar.html",
        opened_by=("pandas", "Polars", "R"),
    ),
    Format(
        "lancedb",
        "lancedb:LanceDb",
        {"pixels": "default fast balanced", "tiff": _ALL, "tensor": "default"},
        ("lancedb", "pylance", "pyarrow"),
        Colour.VERMILION,
        Mark.TRIANGLE_UP,
        native_versions=True,
        layout_needs=_TIFF,
        title="LanceDB",
        document="https://lance.org/format/",
        opened_by=("Python", "DuckDB", "Rust"),
    ),
    Format(
        "zarr",
        "zarr:Zarr",
        {"tensor": _ALL},
        ("zarr", "numcodecs"),
        Colour.ORANGE,
        Mark.DIAMOND,
        title="Zarr",
        document="https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html",
        opened_by=("Python", "C++", "Rust"),
    ),
    Format(
        "tiff-files",
        "tiff_files:TiffFiles",
        {"tiff": _ALL},
        ("tifffile", "imagecodecs"),
        Colour.SKY_BLUE,
        Mark.TRIANGLE_DOWN,
        title="TIFF folder",
        document="https://www.loc.gov/preservation/digital/formats/fdd/fdd000022.shtml",
        opened_by=("Fiji", "napari", "QuPath"),
        opened_by_tuning={"balanced": ("Python", "GDAL"), "small": ("Python", "few viewers")},
    ),
    Format(
        "hdf5",
        "hdf5:Hdf5",
        {"tensor": _ALL},
        ("h5py", "imagecodecs"),
        Colour.PURPLE,
        Mark.SQUARE,
        title="HDF5",
        document="https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html",
        opened_by=("Fiji", "MATLAB", "R"),
        opened_by_tuning={"small": ("Python", "HDF5 + szip")},
    ),
    Format(
        "ch5",
        "ch5:Ch5",
        {"tensor": "default fast balanced"},
        ("h5py", "imagecodecs"),
        Colour.PURPLE,
        Mark.TRIANGLE_RIGHT,
        title="CellH5",
        document="https://doi.org/10.1093/bioinformatics/btt175",
        opened_by=("Fiji", "R", "Python"),
    ),
    Format(
        "sqlite",
        "sqlite:Sqlite",
        {"pixels": "default fast", "tiff": _ALL},
        ("sqlite3",),
        Colour.BLUE,
        Mark.DIAMOND,
        layout_needs=_TIFF,
        title="SQLite",
        document="https://www.sqlite.org/fileformat2.html",
        opened_by=("DB Browser", "DuckDB", "R"),
    ),
)

FLOOR = StoreName("floor", "pixels", "fast")
"""The store that every figure is shown relative to."""

TIFF_FOLDER = StoreName("tiff-files", "tiff", "default")
"""What most labs have."""

REFERENCES = (FLOOR, TIFF_FOLDER)
"""The reference stores. They are measured beside any other, so that all can be compared."""


def names() -> list[StoreName]:
    """Return the names of all stores, whether or not they can be measured here."""
    return [name for format_ in FORMATS for name in format_.stores]


def format_of(name: StoreName) -> Format:
    """Return the format of a store. Raises UserError for a store that is not registered."""
    for format_ in FORMATS:
        if name in format_.stores:
            return format_
    raise UserError(f"{name}: no such store; 'platebench stores' lists them")


def needs_of(name: StoreName) -> tuple[str, ...]:
    """Return the libraries whose versions decide what is measured of a store."""
    return format_of(name).needs_of(name.layout)


def why_not(name: StoreName) -> str | None:
    """Return why a store cannot be measured here, or None when it can."""
    absent = missing(*needs_of(name))
    return how_to_get(absent) if absent else None


def find(name: StoreName) -> Store:
    """Return a store. Raises UserError if it is not registered, Unsupported without its library."""
    return _made(format_of(name), name)


def find_candidate(name: StoreName) -> Store:
    """Return a store whose tuning may also be a variant of `variants_of`: `zarr:tensor:zstd-3`.

    Raises as `find` does; a variant that does not exist is a UserError too.
    """
    format_ = next((each for each in FORMATS if each.name == name.format), None)
    if format_ is None or name.layout not in format_.variants:
        raise UserError(f"{name}: no such store; 'platebench stores' lists them")
    store = _made(format_, name)
    variants_of(format_, name.layout).of(name.tuning)
    return store


def variants_of(format_: Format, layout: str) -> Variants[object]:
    """Return the variants of a layout. The format's library must be installed."""
    found: Variants[object] = _module(format_).CANDIDATES[layout]
    return found


def _made(format_: Format, name: StoreName) -> Store:
    absent = missing(*format_.needs_of(name.layout))
    if absent:
        raise Unsupported(how_to_get(absent))
    store: Store = getattr(_module(format_), format_.class_name)(name.layout, name.tuning)
    return store


def _module(format_: Format) -> Any:
    return importlib.import_module(f"platebench.stores.{format_.module}")
