"""OME-Zarr images and plates are sources: level 0 is taken, and all else is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from platebench.errors import UserError
from platebench.images.folder import open_images
from platebench.packages.check import check
from platebench.packages.convert import convert
from platebench.packages.pack import PackSettings, pack
from platebench.packages.source import find
from platebench.packages.unpack import unpack
from platebench.packages.versions import add
from platebench.stores.name import StoreName
from tests.packages.test_every_store import different

VERSIONS = ["0.4", "0.5"]
SHAPE = (12, 16)
WELLS = "Metadata_Well,Site,Gene\nB2,0,PLK1\nB3,1,AURKB\n"
HDF5 = StoreName.parse("hdf5:tensor:fast")


def group(folder: Path, version: str, ome: dict[str, Any]) -> zarr.Group:
    """Make a group with OME metadata as the version has them."""
    attributes = ome if version == "0.4" else {"ome": {"version": version, **ome}}
    return zarr.open_group(
        folder, mode="w", zarr_format=2 if version == "0.4" else 3, attributes=attributes
    )


def write_image(
    folder: Path, version: str, pixels: np.ndarray, axes: str = "tczyx", **options: Any
) -> None:
    """Write an image with two levels and one label image."""
    ome: dict[str, Any] = {
        "multiscales": [
            {
                **({"version": version} if version == "0.4" else {}),
                "axes": [{"name": axis, "type": "space"} for axis in axes],
                "datasets": [{"path": "0"}, {"path": "1"}],
            }
        ],
    }
    if "c" in axes:
        channels = pixels.shape[axes.index("c")]
        ome["omero"] = {"channels": [{"label": f"dye{number}"} for number in range(channels)]}
    made = group(folder, version, ome)
    options = {"chunks": (1,) * (pixels.ndim - 2) + SHAPE, **options}
    made.create_array("0", data=pixels, **options)
    made.create_array("1", data=pixels[..., ::2, ::2])
    (folder / "labels").mkdir()
    labels = group(folder / "labels", version, {"labels": ["nuclei"]})
    labels.create_array("nuclei/0", data=pixels[..., :1, :1])


def write_plate(folder: Path, version: str, wells: list[str], fields: int) -> np.ndarray:
    """Write a plate of random fields, uint16 (wells, fields, channels 2, y, x), and return them."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 2**16, (len(wells), fields, 2, *SHAPE), np.uint16)
    group(folder, version, {"plate": {"name": "P7", "wells": [{"path": well} for well in wells]}})
    for place, well in enumerate(wells):
        (folder / well).mkdir(parents=True)
        images = [{"path": str(field)} for field in range(fields)]
        group(folder / well, version, {"well": {"images": images}})
        for field in range(fields):
            write_image(folder / well / str(field), version, pixels[place, field], "cyx")
    return pixels


@pytest.mark.parametrize("version", VERSIONS)
def test_plate_comes_back_as_planes_joined_with_its_tables(version: str, tmp_path: Path) -> None:
    source = tmp_path / "screen"
    pixels = write_plate(source / "plate.zarr", version, ["B/02", "B/03"], 2)
    (source / "wells.csv").write_text(WELLS)
    packed = pack([source], tmp_path / "package", PackSettings(store=HDF5, part_bytes=900))
    assert packed.planes_only == ("plate.zarr",)
    images = packed.package.images()
    places = images.select(["plate", "well", "site", "channel", "z", "frame"]).to_pylist()
    assert [tuple(each.values()) for each in places] == [
        ("P7", well, site, channel, None, None)
        for well in ("B02", "B03")
        for site in ("0", "1")
        for channel in ("dye0", "dye1")
    ]
    (table,) = packed.package.manifest.tables
    assert table.keys == ("Metadata_Well", "Site")
    left_out = [(each.path, each.reason) for each in packed.package.manifest.left_out]
    fields = [f"plate.zarr/B/{well}/{field}" for well in ("02", "03") for field in (0, 1)]
    assert left_out == [
        each
        for field in fields
        for each in (
            (f"{field}/1", "pyramid level"),
            (f"{field}/labels/nuclei", "label image"),
        )
    ]
    assert check(tmp_path / "package", [source]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    back = [
        tifffile.imread(tmp_path / "out" / f"{path}.tif") for path in images["path"].to_pylist()
    ]
    np.testing.assert_array_equal(np.stack(back), pixels.reshape(-1, *SHAPE))
    assert (tmp_path / "out" / "wells.csv").read_text() == WELLS


LAYOUTS: dict[str, dict[str, Any]] = {
    "plane chunks": {},
    "chunks of several planes": {"chunks": (2, 2, 3, 7, 9)},
    "one chunk": {"chunks": (2, 2, 5, *SHAPE)},
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_stacks_of_five_axes_are_read(layout: str, version: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(-99, 99, (2, 2, 5, *SHAPE), np.int16)
    write_image(tmp_path / "stack.zarr", version, pixels, **LAYOUTS[layout])
    images = open_images(tmp_path / "stack.zarr")
    np.testing.assert_array_equal(np.stack(list(images)), pixels.reshape(-1, *SHAPE))
    last = images.table.slice(19).to_pylist()[0]
    found = tuple(last[key] for key in ("path", "frame", "channel", "z"))
    assert found == ("stack.zarr/0/1/1/4", 1, "dye1", 4)


def test_shards_other_byte_orders_and_series_are_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 99, (4, *SHAPE)).astype(">f4")
    group(tmp_path / "a.zarr", "0.5", {"bioformats2raw.layout": 3})
    for number in (0, 2, 10):
        write_image(
            tmp_path / "a.zarr" / str(number), "0.5", pixels + number, "zyx",
            shards=(4, *SHAPE),
        )  # fmt: skip
    (tmp_path / "a.zarr" / "OME").mkdir()
    found = find([tmp_path])
    assert [each.path for each in found.images][::4] == [f"a.zarr/{n}/0/0" for n in (0, 2, 10)]
    assert ("a.zarr/OME", "no image of the OME-Zarr") in [
        tuple(vars(e).values()) for e in found.left_out
    ]
    assert found.images[-1].pixels().dtype == np.dtype("f4")
    np.testing.assert_array_equal(found.images[-1].pixels(), pixels[-1] + 10)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_file_comes_back_with_originals(version: str, tmp_path: Path) -> None:
    source = tmp_path / "screen"
    write_plate(source / "plate.zarr", version, ["B/2"], 1)
    settings = PackSettings(store=HDF5, originals=True)
    packed = pack([source], tmp_path / "package", settings)
    assert packed.planes_only == ()
    assert check(tmp_path / "package", [source]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    assert different(source, tmp_path / "out") == []
    convert(tmp_path / "package", tmp_path / "other", StoreName.parse("parquet:tiff:fast"))
    assert check(tmp_path / "other") == []


def test_plate_is_added_as_a_version(plate: Path, tmp_path: Path) -> None:
    pack([plate], tmp_path / "package")
    write_plate(tmp_path / "second.zarr", "0.4", ["C/1"], 1)
    add(tmp_path / "package", [tmp_path / "second.zarr"], originals=True)
    assert check(tmp_path / "package") == []


def test_folder_of_zarr_without_ome_is_kept_as_files(plate: Path, tmp_path: Path) -> None:
    zarr.create_array(plate / "weights.zarr", data=np.ones(4), zarr_format=2)
    packed = pack([plate], tmp_path / "package")
    assert packed.package.manifest.images == 4
    unpack(tmp_path / "package", tmp_path / "out")
    assert different(plate, tmp_path / "out") == []


def change(file: Path, **values: object) -> None:
    read = json.loads(file.read_text())
    file.write_text(json.dumps({**read, **values}))


def pickled(image: Path) -> None:
    change(image / "0" / ".zarray", filters=[{"id": "pickle"}])


def leaving(image: Path) -> None:
    change(image / ".zattrs", multiscales=[{"axes": ["y", "x"], "datasets": [{"path": "../../a"}]}])


def huge_plane(image: Path) -> None:
    change(image / "0" / ".zarray", shape=[2, 10**9, 10**9])


def huge_chunk(image: Path) -> None:
    change(image / "0" / ".zarray", chunks=[1, 10**9, 10**9])


def many_planes(image: Path) -> None:
    change(image / "0" / ".zarray", shape=[10**12, 12, 16])


def no_level(image: Path) -> None:
    (image / "0" / ".zarray").unlink()


def other_axes(image: Path) -> None:
    level = [{"path": "0"}]
    change(image / ".zattrs", multiscales=[{"axes": ["y", "x", "c"], "datasets": level}])


def no_json(image: Path) -> None:
    (image / ".zattrs").write_text("{")


def complex_pixels(image: Path) -> None:
    change(image / "0" / ".zarray", dtype="<c8")


def lists(image: Path) -> None:
    change(image / ".zattrs", multiscales=[[]])


def damaged_chunk(image: Path) -> None:
    (image / "0" / "1.0.0").write_bytes(b"no blosc")


BROKEN = [
    pickled, leaving, huge_plane, huge_chunk, many_planes, no_level, other_axes, no_json,
    complex_pixels, lists, damaged_chunk,
]  # fmt: skip


@pytest.mark.parametrize("break_it", BROKEN)
def test_broken_image_is_named_and_can_be_left_out(break_it, plate: Path, tmp_path: Path) -> None:
    write_image(plate / "stack.zarr", "0.4", np.ones((2, *SHAPE), np.uint8), "zyx")
    break_it(plate / "stack.zarr")
    with pytest.raises(UserError, match=r"stack\.zarr") as raised:
        pack([plate], tmp_path / "package")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "package").exists()
    packed = pack([plate], tmp_path / "package", PackSettings(on_error="skip"))
    assert packed.package.manifest.images == 4
    assert [each.path for each in packed.refused] == ["stack.zarr"]


def test_well_that_is_missing_is_named(tmp_path: Path) -> None:
    write_plate(tmp_path / "plate.zarr", "0.5", ["B/2", "B/3"], 1)
    (tmp_path / "plate.zarr" / "B" / "3").rename(tmp_path / "away")
    with pytest.raises(UserError, match=r"plate\.zarr/B/3: a group without an OME-Zarr image"):
        open_images(tmp_path / "plate.zarr")
