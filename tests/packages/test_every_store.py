"""Every store that can hold the images gives back what was packed."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.folder import open_images
from platebench.packages.check import check
from platebench.packages.pack import PackSettings, pack
from platebench.packages.readme import reading_of
from platebench.packages.stored import versioned
from platebench.packages.unpack import tiff_path, unpack
from platebench.stores import registry
from platebench.stores.name import StoreName
from tests.packages.made_up import real_fields

STORES = [
    str(name)
    for name in registry.names()
    if registry.why_not(name) is None and not registry.format_of(name).no_package
]

REFUSING = {"tiff-index"}
"""Formats that need not hold every image: virtual-tiff has no strip that is shorter than others."""


def different(one: Path, other: Path) -> list[str]:
    """Return what `diff -r` would name: paths that differ or are in one folder only."""
    here, there = (
        {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
        for folder in (one, other)
    )
    return sorted(here ^ there) + [
        path
        for path in sorted(here & there)
        if not filecmp.cmp(one / path, other / path, shallow=False)
    ]


# The talk's Python records take ten seconds per field; small images go through them below.
@pytest.mark.parametrize("store", [each for each in STORES if each != "parquet:nested:default"])
def test_real_fields_come_back(store: str, tmp_path: Path) -> None:
    source = real_fields()
    if source is None:
        pytest.skip("no real fields beside the checkout; set PLATEBENCH_REAL_IMAGES")
    name = StoreName.parse(store)
    try:
        pack([source], tmp_path / "package", PackSettings(store=name, part_bytes=5_000_000))
    except UserError as refused:
        assert "cannot hold these images" in str(refused)
        assert not (tmp_path / "package").exists()
        assert name.format in REFUSING, refused
        pytest.skip(str(refused))
    assert check(tmp_path / "package", [source]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    changed = different(source, tmp_path / "out")
    if versioned(name).keeps_files:
        assert changed == []
    else:
        assert not [path for path in changed if not path.endswith(".tif")]
        for file in source.glob("*.tif"):
            back = tifffile.imread(tmp_path / "out" / file.name)
            np.testing.assert_array_equal(back, tifffile.imread(file))


@pytest.mark.parametrize("store", STORES)
def test_images_of_movies_and_stacks_come_back_as_planes(
    store: str, mixed: Path, tmp_path: Path
) -> None:
    name = StoreName.parse(store)
    packed = pack([mixed], tmp_path / "package", PackSettings(store=name, part_bytes=700))
    assert {table.name for table in packed.package.manifest.tables} == {"cells", "wells", "objects"}
    assert check(tmp_path / "package", [mixed]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    images = open_images(mixed)
    paths = images.table["path"].to_pylist()
    for row, path in enumerate(paths):
        back = tifffile.imread(tmp_path / "out" / tiff_path(path))
        np.testing.assert_array_equal(back, images.pixels(row))
    for path in ("cells.csv", "wells.tsv.gz", "README.txt"):
        assert (tmp_path / "out" / path).read_bytes() == (mixed / path).read_bytes()
    if versioned(name).keeps_files:
        single = [path for path in paths if path.startswith("fields/")]
        assert not set(single) & set(different(mixed, tmp_path / "out"))


@pytest.mark.parametrize(
    "store", ["parquet:tiff:fast", "zarr:tensor:balanced", "lancedb:tiff:fast"]
)
def test_every_byte_comes_back_with_originals(store: str, mixed: Path, tmp_path: Path) -> None:
    settings = PackSettings(store=StoreName.parse(store), originals=True)
    packed = pack([mixed], tmp_path / "package", settings)
    assert packed.planes_only == ()
    unpack(tmp_path / "package", tmp_path / "out")
    assert different(mixed, tmp_path / "out") == []
    assert check(tmp_path / "package", [mixed]) == []


READABLE = [
    store
    for store in STORES
    if "Python" in reading_of(versioned(StoreName.parse(store))) and ":small" not in store
]


@pytest.mark.parametrize("store", READABLE)
def test_lines_of_the_readme_print_the_first_image(store: str, plate: Path, tmp_path: Path) -> None:
    pack([plate], tmp_path / "package", PackSettings(store=StoreName.parse(store)))
    code = reading_of(versioned(StoreName.parse(store)))["Python"]
    assert code in (tmp_path / "package" / "README.md").read_text()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "package",
        capture_output=True,
        text=True,
        check=False,
    )
    first = tifffile.imread(next(iter(sorted((plate / "fields").iterdir()))))
    assert done.stdout == f"{first}\n", done.stderr
