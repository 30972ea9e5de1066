"""Every format that is measured: one line each. Nothing else in platebench names a format.

A format's file is imported when one of its stores is asked for, so that a library that is not
installed stands in nobody's way.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from platebench.errors import Unsupported, UserError
from platebench.optional import how_to_get, missing
from platebench.stores.contract import Store


@dataclass(frozen=True)
class Format:
    """A storage format: what it is called, where its store is, and what it takes.

    `store` is `module:Class`; `variants` are the tunings of each layout, the layout that suits it
    best first; `needs` are the distributions on PyPI whose versions decide what is measured, and
    `layout_needs` those that decide it of one layout only.
    """

    name: str
    store: str
    variants: Mapping[str, str]
    needs: tuple[str, ...]
    versioned: bool = False
    layout_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The full names of this format's stores."""
        return [
            f"{self.name}:{layout}:{tuning}"
            for layout, tunings in self.variants.items()
            for tuning in tunings.split()
        ]

    @property
    def all_needs(self) -> tuple[str, ...]:
        """The distributions that any layout needs."""
        return tuple(
            dict.fromkeys(name for layout in self.variants for name in self.needs_of(layout))
        )

    def needs_of(self, layout: str) -> tuple[str, ...]:
        """Return the distributions that this layout needs."""
        return (*self.needs, *self.layout_needs.get(layout, ()))


_ALL = "default fast small"

FORMATS: tuple[Format, ...] = (
    Format("floor", "bare_file:BareFile", {"pixels": "fast"}, ("numpy",), versioned=True),
    Format(
        "parquet",
        "parquet:Parquet",
        {"pixels": _ALL, "tiff": _ALL, "tensor": _ALL, "nested": _ALL},
        ("pyarrow",),
        versioned=True,
        layout_needs={"nested": ("awkward",)},
    ),
    Format(
        "arrow-ipc",
        "arrow_ipc:ArrowIpc",
        {"pixels": _ALL, "tiff": _ALL, "tensor": _ALL},
        ("pyarrow",),
        versioned=True,
    ),
    Format(
        "lancedb",
        "lancedb:LanceDb",
        {"pixels": _ALL, "tiff": _ALL, "tensor": _ALL},
        ("lancedb", "pylance", "pyarrow"),
        versioned=True,
    ),
    Format("zarr", "zarr:Zarr", {"tensor": _ALL}, ("zarr", "numcodecs")),
    Format("tiff-files", "tiff_files:TiffFiles", {"tiff": _ALL}, ("tifffile", "imagecodecs")),
    Format("ch5", "ch5:Ch5", {"tensor": "default fast"}, ("h5py",)),
)

FLOOR = "floor:pixels:fast"
"""The store every figure is also given as a multiple of."""


def names() -> list[str]:
    """Return the names of all stores, whether or not they can be measured here."""
    return [name for format_ in FORMATS for name in format_.names]


def format_of(name: str) -> Format:
    """Return the format of the store `name`; raise UserError for a store that is not known."""
    for format_ in FORMATS:
        if name in format_.names:
            return format_
    raise UserError(f"{name}: no such store; 'platebench stores' lists them")


def needs_of(name: str) -> tuple[str, ...]:
    """Return the distributions whose versions decide what is measured of the store `name`."""
    return format_of(name).needs_of(name.split(":")[1])


def why_not(name: str) -> str | None:
    """Return why the store `name` cannot be measured here, or None when it can."""
    absent = missing(*needs_of(name))
    return how_to_get(absent) if absent else None


def find(name: str) -> Store:
    """Return the store `name`. Raises UserError when unknown, Unsupported without its library."""
    reason = why_not(name)
    if reason is not None:
        raise Unsupported(reason)
    format_ = format_of(name)
    module_name, class_name = format_.store.split(":")
    module = importlib.import_module(f"platebench.stores.{module_name}")
    _, layout, tuning = name.split(":")
    store: Store = getattr(module, class_name)(layout, tuning)
    return store
