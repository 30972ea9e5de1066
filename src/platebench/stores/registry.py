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
from platebench.optional import how_to_get, installed_version, lacks_module, missing
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
    (docs/review.md). `opened_by` are programs and languages that open the stored files without
    platebench, those for images first; `opened_by_tuning` those of a tuning that fewer of them
    open. `needs_modules` are modules that older versions of a needed library lack. `no_package`
    says why `platebench pack` cannot make a package of the format; "" if it can. `in_overview`: a
    run of five minutes measures the format, unless it is told which.
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
    needs_modules: Mapping[str, str] = field(default_factory=dict)
    no_package: str = ""
    in_overview: bool = False

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
        in_overview=True,
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
        in_overview=True,
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
        in_overview=True,
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
        in_overview=True,
    ),
    Format(
        "lance",
        "lance:Lance",
        {"pixels": "default fast balanced", "tiff": _ALL},
        ("pylance", "pyarrow"),
        Colour.VERMILION,
        Mark.TRIANGLE_DOWN,
        native_versions=True,
        layout_needs=_TIFF,
        title="Lance",
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
        in_overview=True,
    ),
    Format(
        "zarr-sharded",
        "zarr_sharded:ZarrSharded",
        {"tensor": "default fast balanced"},
        ("zarr", "numcodecs"),
        Colour.ORANGE,
        Mark.SQUARE,
        title="Zarr, sharded",
        opened_by=("Python", "Neuroglancer", "Rust"),
    ),
    Format(
        "zarrs",
        "zarrs:Zarrs",
        {"tensor": _ALL},
        ("zarrs", "zarr", "numcodecs"),
        Colour.ORANGE,
        Mark.TRIANGLE_RIGHT,
        title="Zarr through zarrs",
        opened_by=("Python", "C++", "Rust"),
    ),
    Format(
        "tensorstore",
        "tensorstore:TensorStore",
        {"tensor": _ALL},
        ("tensorstore", "zarr", "numcodecs"),
        Colour.ORANGE,
        Mark.CIRCLE,
        title="Zarr through TensorStore",
        opened_by=("Python", "C++", "Rust"),
    ),
    Format(
        "zarr-codecs",
        "zarr_codecs:ZarrCodecs",
        {"tensor": "default fast small"},
        ("zarr", "imagecodecs"),
        Colour.ORANGE,
        Mark.TRIANGLE_DOWN,
        title="Zarr with image codecs",
        opened_by=("Python",),
        needs_modules={"imagecodecs": "zarr"},
    ),
    Format(
        "ome-zarr",
        "ome_zarr:OmeZarr",
        {"tensor": _ALL},
        ("ngff-zarr", "zarr", "numcodecs"),
        Colour.ORANGE,
        Mark.TRIANGLE_UP,
        title="OME-Zarr",
        opened_by=("napari", "Fiji", "QuPath"),
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
        in_overview=True,
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
        in_overview=True,
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
        in_overview=True,
    ),
    Format(
        "blosc2",
        "blosc2:Blosc2",
        {"tensor": _ALL},
        ("blosc2",),
        Colour.SKY_BLUE,
        Mark.CIRCLE,
        title="Blosc2",
        opened_by=("Python", "C"),
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
    Format(
        "npy",
        "npy:Npy",
        {"tensor": "default"},
        ("numpy",),
        Colour.BLACK,
        Mark.SQUARE,
        title="NumPy file",
        opened_by=("NumPy", "Julia", "Rust"),
    ),
    Format(
        "lmdb",
        "lmdb:Lmdb",
        {"pixels": "default", "tiff": "default balanced small"},
        ("lmdb",),
        Colour.VERMILION,
        Mark.CROSS,
        layout_needs=_TIFF,
        title="LMDB",
        opened_by=("Python", "C", "Julia"),
    ),
    Format(
        "vortex",
        "vortex:Vortex",
        {"tensor": "fast", "pixels": "default small"},
        ("vortex-data", "pyarrow"),
        Colour.GREEN,
        Mark.TRIANGLE_RIGHT,
        title="Vortex",
        opened_by=("Python", "DuckDB", "Rust"),
    ),
    Format(
        "webdataset",
        "webdataset:WebDataset",
        {"tiff": _ALL},
        ("webdataset",),
        Colour.SKY_BLUE,
        Mark.CROSS,
        layout_needs=_TIFF,
        title="WebDataset",
        opened_by=("tar", "PyTorch", "TensorFlow"),
    ),
    Format(
        "tiff-index",
        "tiff_index:TiffIndex",
        {"tiff": "default"},
        ("virtualizarr", "virtual-tiff", "zarr", "numcodecs", "xarray", "pandas"),
        Colour.BLACK,
        Mark.TRIANGLE_DOWN,
        title="Index over TIFF files",
        opened_by=("xarray", "Fiji", "napari"),
    ),
    Format(
        "hf-datasets",
        "hf_datasets:HfDatasets",
        {"tiff": _ALL},
        ("datasets", "pandas", "pyarrow"),
        Colour.ORANGE,
        Mark.CROSS,
        layout_needs=_TIFF,
        title="Hugging Face Parquet",
        opened_by=("datasets", "pandas", "DuckDB"),
    ),
    Format(
        "tiledb",
        "tiledb:TileDb",
        {"tensor": _ALL},
        ("tiledb",),
        Colour.PURPLE,
        Mark.CROSS,
        title="TileDB",
        opened_by=("Python", "R", "C++"),
    ),
    Format(
        "icechunk",
        "icechunk:Icechunk",
        {"tensor": _ALL},
        ("icechunk", "zarr", "numcodecs"),
        Colour.VERMILION,
        Mark.CIRCLE,
        native_versions=True,
        title="Icechunk",
        opened_by=("Python", "Rust", "JavaScript"),
        no_package="its tables can only be written together with the images",
    ),
    Format(
        "duckdb",
        "duckdb:DuckDb",
        {"pixels": "default fast", "tiff": _ALL},
        ("duckdb", "pyarrow"),
        Colour.BLUE,
        Mark.SQUARE,
        layout_needs=_TIFF,
        title="DuckDB",
        opened_by=("DuckDB", "Python", "R"),
    ),
    Format(
        "delta",
        "delta:Delta",
        {"pixels": _ALL},
        ("deltalake", "pyarrow"),
        Colour.GREEN,
        Mark.DIAMOND,
        native_versions=True,
        title="Delta Lake",
        opened_by=("pandas", "DuckDB", "Spark"),
    ),
    Format(
        "iceberg",
        "iceberg:Iceberg",
        {"pixels": _ALL},
        ("pyiceberg", "sqlalchemy", "pyarrow"),
        Colour.SKY_BLUE,
        Mark.DIAMOND,
        native_versions=True,
        title="Iceberg",
        opened_by=("pandas", "DuckDB", "Spark"),
        no_package="its metadata names files by their whole paths, so a package could not be moved",
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
    return _why_not(format_of(name), name.layout)


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
    reason = _why_not(format_, name.layout)
    if reason is not None:
        raise Unsupported(reason)
    store: Store = getattr(_module(format_), format_.class_name)(name.layout, name.tuning)
    return store


def _why_not(format_: Format, layout: str) -> str | None:
    absent = missing(*format_.needs_of(layout))
    if absent:
        return how_to_get(absent)
    for library, module in format_.needs_modules.items():
        if lacks_module(library, module):
            return f"{library} {installed_version(library)} has no {module} codecs; newer ones do"
    return None


def _module(format_: Format) -> Any:
    return importlib.import_module(f"platebench.stores.{format_.module}")
