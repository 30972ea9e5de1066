"""Unusual TIFF files go through every store that can hold them, and nothing is lost in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.folder import sources_in
from platebench.packages.check import check
from platebench.packages.pack import PackSettings, pack
from platebench.packages.plain_source import plain_source
from platebench.packages.stored import versioned
from platebench.packages.unpack import unpack
from platebench.stores.name import StoreName
from tests.packages.odd_tiffs import Odd, alike, odd_tiffs
from tests.packages.test_every_store import STORES, different

QUICK = ["parquet:tiff:fast", "arrow-ipc:pixels:balanced", "sqlite:tiff:small"]
QUICK_ALIKE = ["zarr:tensor:balanced", "hdf5:tensor:fast", "ch5:tensor:fast"]


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    """Every kind of TIFF file. Tests must not change it."""
    return odd_tiffs(tmp_path_factory.mktemp("odd") / "odd")


@pytest.fixture(scope="session")
def same(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    """Files of one shape and dtype. Tests must not change it."""
    return alike(tmp_path_factory.mktemp("alike") / "alike")


def quick(stores: list[str]) -> list[object]:
    """All stores, those that are not in `stores` for `make test-nightly`."""
    return [
        pytest.param(each, marks=() if each in stores else pytest.mark.nightly) for each in STORES
    ]


def assert_comes_back(odd: Odd, store: StoreName, out: Path) -> None:
    """Compare what was unpacked with what was written."""
    for path, image in odd.images.items():
        back = tifffile.imread(out / path)
        assert (back.shape, back.dtype) == (image.shape, image.dtype), path
        np.testing.assert_array_equal(back, image, err_msg=path)
    if versioned(store).keeps_files:
        assert not odd.whole & set(different(odd.folder, out))
    files = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert files == set(odd.images)


@pytest.mark.parametrize("store", quick(QUICK_ALIKE))
def test_files_of_one_kind_come_back(store: str, same: Odd, tmp_path: Path) -> None:
    name = StoreName.parse(store)
    if name.format == "tiff-index":
        pytest.skip("the index refuses files whose last strip is shorter than the others")
    pack([same.folder], tmp_path / "package", PackSettings(store=name))
    assert check(tmp_path / "package", [same.folder]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    assert_comes_back(same, name, tmp_path / "out")


@pytest.mark.parametrize("store", quick([*QUICK, "zarr:tensor:small"]))
def test_files_of_all_kinds_come_back_or_one_is_named(store: str, odd: Odd, tmp_path: Path) -> None:
    name, package = StoreName.parse(store), tmp_path / "package"
    settings = PackSettings(store=name, on_error="skip")
    of_one_shape = name.layout in ("tensor", "nested") or name.format == "tiff-index"
    if of_one_shape and name.format != "ome-zarr":
        named = rf"^{store} cannot hold.*(\.tif|image \d).*--store$"
        with pytest.raises(UserError, match=named) as raised:
            pack([odd.folder], package, settings)
        assert "\n" not in str(raised.value)
        assert list(tmp_path.iterdir()) == []
        return
    packed = pack([odd.folder], package, settings)
    assert [each.path for each in packed.refused] == odd.refused
    manifest = packed.package.manifest
    assert [(each.path, each.reason) for each in manifest.left_out[:-2]] == odd.left_out
    assert check(package) == []
    unpack(package, tmp_path / "out")
    assert_comes_back(odd, name, tmp_path / "out")


def test_every_file_comes_back_with_originals(odd: Odd, tmp_path: Path) -> None:
    settings = PackSettings(
        store=StoreName.parse("parquet:tiff:fast"), on_error="skip", originals=True
    )
    pack([odd.folder], tmp_path / "package", settings)
    unpack(tmp_path / "package", tmp_path / "out")
    assert different(odd.folder, tmp_path / "out") == sorted(odd.refused)


def test_command_names_every_page_that_it_leaves_out(odd: Odd, tmp_path: Path, platebench) -> None:
    done = platebench("pack", str(odd.folder), str(tmp_path / "package"), "--on-error", "skip")
    assert done.status == 1
    for path, reason in odd.left_out:
        assert f"  {path}: {reason}\n" in done.out
    for path in odd.refused:
        assert f"  {path}: " in done.err


def test_plain_files_are_known_by_their_first_bytes_as_tifffile_knows_them(
    odd: Odd, tmp_path: Path
) -> None:
    known = set()
    for file in sorted(odd.folder.glob("*.tif")):
        found = plain_source(file, file.name, None)
        if found is not None:
            known.add(file.name)
            (other,) = sources_in(file, file.name, [], None)
            for name in ("path", "file_path", "is_file", "place", "shape", "dtype", "filesize"):
                assert getattr(found, name) == getattr(other, name), (file.name, name)
            np.testing.assert_array_equal(found.pixels(), other.pixels())
            assert found.pixels().dtype.isnative
    assert {"plain.tif", "strips.tif", "float32.tif"} <= known <= odd.whole
    (tmp_path / "short.tif").write_bytes((odd.folder / "plain.tif").read_bytes()[:-1])
    assert plain_source(tmp_path / "short.tif", "short.tif", None) is None
    assert plain_source(tmp_path / "gone.tif", "gone.tif", None) is None
