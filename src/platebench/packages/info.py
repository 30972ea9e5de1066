"""What a package is, in at most 20 lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.limits import gigabytes
from platebench.packages.manifest import PackageManifest, StoredTable
from platebench.packages.stored import Package, open_package
from platebench.stores import registry
from platebench.stores.part_list import NAME as PART_LIST

MOST_LINES = 20
_MOST_TABLES = 4
_MOST_KINDS = 3
_PLACES = ("plate", "well", "site", "frame", "channel", "z")


def info(folder: Path) -> list[str]:
    """Return what there is to say of a package. Only the manifest and the image list are read.

    Raises UserError if it is none, or if it is damaged.
    """
    package = open_package(folder)
    manifest = package.manifest
    newest = manifest.newest
    size = sum(file.size for file in manifest.files)
    raw = manifest.pixel_bytes
    share = f", {size / raw:.2f} of the pixels" if raw else ""
    versions = f"version {newest.number} of {len(manifest.versions)} ({newest.note})"
    lines = [
        f"{manifest.name}: {manifest.images:,} images, {gigabytes(raw)} of pixels",
        _line("Store", f"{manifest.store}"),
        _line("Gives back", _gives_back(package)),
        _line("On disk", f"{gigabytes(size)} in {len(manifest.files) + 1:,} files{share}"),
        *_about_images(package.images()),
        *_about_tables(manifest.tables),
        _line("Other files", f"{len(newest.sources):,}, byte for byte in sources/"),
        _line("Versions", f"{versions}, kept by {_kept_by(manifest)}"),
        _line("Made", f"{manifest.created} with {_libraries(manifest)}"),
    ]
    if manifest.left_out:
        first = manifest.left_out[0]
        count = len(manifest.left_out)
        lines.append(_line("Left out", f"{count:,}, such as {first.path} ({first.reason})"))
    for what, text in (
        ("Licence", manifest.licence),
        ("Citation", manifest.citation),
        ("Author", manifest.author),
    ):
        if text:
            lines.append(_line(what, text))
    return lines[:MOST_LINES]


def _line(what: str, text: str) -> str:
    printable = "".join(each if each.isprintable() else " " for each in text)
    return f"{what:<12}{printable[:200]}"


def _gives_back(package: Package) -> str:
    if package.manifest.digest_of == "file":
        return "the TIFF files, byte for byte"
    return "the pixels, as TIFF files"


def _kept_by(manifest: PackageManifest) -> str:
    format_ = registry.format_of(manifest.store)
    return (format_.title or format_.name) if format_.native_versions else PART_LIST


def _libraries(manifest: PackageManifest) -> str:
    return ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())


def _about_images(images: pa.Table) -> list[str]:
    shapes, dtypes = images["shape"].to_pylist(), images["dtype"].to_pylist()
    kinds = Counter(
        f"{' x '.join(map(str, shape))} {np.dtype(dtype).name}"
        for shape, dtype in zip(shapes, dtypes, strict=True)
    )
    said = [f"{count:,} of {kind}" for kind, count in kinds.most_common(_MOST_KINDS)]
    more = len(kinds) - len(said)
    if more:
        said.append(f"{more} more kinds")
    counts = {name: len(images[name].drop_null().unique()) for name in _PLACES}
    places = [
        f"{count:,} {name}{'' if count == 1 or name == 'z' else 's'}"
        for name, count in counts.items()
        if count
    ]
    lines = [_line("Images", ", ".join(said))]
    if places:
        lines.append(_line("Known", ", ".join(places)))
    return lines


def _about_tables(tables: tuple[StoredTable, ...]) -> list[str]:
    if not tables:
        return [_line("Tables", "none")]
    lines: list[str] = []
    for table in tables[:_MOST_TABLES]:
        keys = f"joined by {', '.join(table.keys)}" if table.keys else "no key of an image"
        lines.append(
            _line(
                "" if lines else "Tables",
                f"{table.name}: {table.rows:,} rows, {len(table.columns):,} columns, {keys}",
            )
        )
    more = len(tables) - _MOST_TABLES
    return [*lines, _line("", f"and {more:,} more")] if more > 0 else lines
