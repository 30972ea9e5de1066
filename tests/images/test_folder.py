from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from platebench.errors import UserError
from platebench.images.decoded_cache import decode_to_cache
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.imageset import IMAGE_SCHEMA, digest
from platebench.images.links import image_rows

KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
COMPRESSIONS = [None, "zlib", "lzma", "zstd", "lzw"]


@pytest.fixture
def image():
    return np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)


def write(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


@given(
    array=arrays.arrays(
        dtype=st.sampled_from(KINDS).map(np.dtype),
        shape=arrays.array_shapes(min_dims=2, max_dims=4, max_side=9),
    ),
    compression=st.sampled_from(COMPRESSIONS),
    byteorder=st.sampled_from("<>"),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_open_images_returns_any_array_unchanged(tmp_path, array, compression, byteorder):
    path = tmp_path / "any.tif"
    swapped = array.astype(array.dtype.newbyteorder(byteorder))
    tifffile.imwrite(
        path,
        swapped,
        photometric="minisblack",
        compression=compression,
        byteorder=byteorder,
        metadata={"axes": "QTYX"[-array.ndim :]},
    )
    images = open_images(path)
    with tifffile.TiffFile(path) as file:
        assert len(images) == len(file.pages)
    planes = array.reshape(len(images), -1)
    if len(images) == 1:
        assert images.shapes[0] == tifffile.imread(path).shape
        assert bytes(images.file(0)) == path.read_bytes()
    for row, plane in enumerate(planes):
        found = images.pixels(row)
        assert images.shapes[row] == found.shape
        assert images.dtypes[row] == found.dtype == array.dtype
        assert found.dtype.isnative and found.flags.c_contiguous
        assert found.tobytes() == plane.tobytes()
        assert images.digests()[row] == digest(found)
        assert len(images.file(row)) == images.table["filesize_bytes"][row].as_py()


def test_images_of_different_dtypes_form_one_set(tmp_path):
    written = {}
    for place, kind in enumerate(KINDS):
        array = np.arange((place + 1) * 12, dtype=kind).reshape(place + 1, 12)
        written[f"{place:02d}.tif"] = array
        write(tmp_path / f"{place:02d}.tif", array)
    images = open_images(tmp_path)
    assert images.table["path"].to_pylist() == list(written)
    assert images.table["dtype"].to_pylist() == [np.dtype(kind).str for kind in KINDS]
    for found, array in zip(images, written.values(), strict=True):
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)


def test_table_has_the_image_schema(tmp_path, image):
    path = write(tmp_path / "in" / "LT0001_02.LT0001_02_15_43_IC.tif", image)
    images = open_images(tmp_path)
    assert images.table.schema == IMAGE_SCHEMA
    assert images.table.to_pylist() == [
        {
            "row": 0,
            "path": "in/LT0001_02.LT0001_02_15_43_IC.tif",
            "filesize_bytes": path.stat().st_size,
            "plate": "LT0001_02",
            "well": "15",
            "site": None,
            "frame": 43,
            "channel": None,
            "z": None,
            "shape": [40, 60],
            "dtype": "<u2",
        }
    ]


def test_each_plane_of_a_stack_is_an_image(tmp_path):
    stack = np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30)
    write(tmp_path / "stack.tif", stack)
    images = open_images(tmp_path)
    assert np.array_equal(np.stack(list(images)), stack)
    assert images.table["path"].to_pylist() == [f"stack.tif/{n}" for n in range(5)]


def test_colour_axis_stays_in_place(tmp_path):
    colours = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    tifffile.imwrite(tmp_path / "rgb.tif", colours, photometric="rgb")
    assert np.array_equal(open_images(tmp_path).pixels(0), colours)


def test_single_file_is_an_image_set(tmp_path, image):
    images = open_images(write(tmp_path / "one.tiff", image))
    assert (len(images), images.name) == (1, "one")
    assert images.table["path"].to_pylist() == ["one.tiff"]


def test_other_files_are_left_out_and_suffixes_ignore_case(tmp_path, image):
    write(tmp_path / "ONE.TIF", image)
    (tmp_path / "notes.md").write_text("notes")
    assert open_images(tmp_path).table["path"].to_pylist() == ["ONE.TIF"]


def test_real_fields_are_read_unchanged(real_images):
    images = open_images(real_images)
    assert images.table["well"].to_pylist() == ["B7", "D6", "F7"]
    assert images.dtypes == [np.dtype(np.uint16)] * 3
    for row, path in enumerate(sorted(real_images.glob("*.tif"))):
        assert np.array_equal(images.pixels(row), tifffile.imread(path))
        assert bytes(images.file(row)) == path.read_bytes()


def test_fixture_has_the_images_of_its_manifest(screen):
    images = open_images(screen)
    assert (len(images), images.name) == (34, "raw-34")
    assert images.table["site"].unique().to_pylist() == ["01"]
    assert images.digests()[33] == digest(images.pixels(33))
    assert list(images.tables) == ["cells"]
    assert images.tables["cells"].num_rows > 34


def test_movies_have_the_same_images_as_the_tiff_files(screen):
    movies, files = open_images(screen / "ch5"), open_images(screen)
    assert len(movies) == len(files)
    for row in (0, 31, 33):
        assert np.array_equal(movies.pixels(row), files.pixels(row))
        assert bytes(movies.file(row)) == bytes(files.file(row))
    same = ["plate", "well", "site", "frame", "filesize_bytes", "shape", "dtype"]
    assert movies.table.select(same).equals(files.table.select(same))


def test_tiff_and_ch5_files_may_be_mixed(screen, tmp_path, image):
    shutil.copy(screen / "ch5" / "LT0001_02" / "hdf5" / "00016_01.ch5", tmp_path / "a.ch5")
    write(tmp_path / "b.tif", image)
    images = open_images(tmp_path)
    assert images.shapes == [(1024, 1344), (1024, 1344), (40, 60)]


def test_cached_set_has_the_fingerprint_of_the_folder(tmp_path, image):
    for name in ("a.tif", "b.tif"):
        write(tmp_path / "in" / name, image)
    images = open_images(tmp_path / "in")
    assert decode_to_cache(images, tmp_path / "held").fingerprint == images.fingerprint


def test_tables_in_the_folder_belong_to_the_set(tmp_path, image):
    write(tmp_path / "a.tif", image)
    (tmp_path / "features.csv").write_text("one\n1\n")
    assert open_images(tmp_path).tables["features"].to_pylist() == [{"one": 1}]


def test_pattern_gives_the_places_of_files(tmp_path, image):
    write(tmp_path / "DAPI-B02-f3.tif", image)
    assert open_images(tmp_path).table["well"].to_pylist() == [None]
    found = open_images(
        tmp_path, pattern=r"(?P<channel>\w+)-(?P<well>[A-P]\d+)-f(?P<site>\d+)"
    ).table
    assert found.select(["well", "site", "channel"]).to_pylist() == [
        {"well": "B02", "site": "3", "channel": "DAPI"}
    ]
    with pytest.raises(UserError, match="not a regular expression"):
        open_images(tmp_path, pattern="(")


def test_objects_of_movies_are_a_table(screen, tmp_path):
    movies, files = open_images(screen / "ch5"), open_images(screen)
    assert list(movies.tables) == ["objects"]
    objects, cells = movies.tables["objects"], files.tables["cells"]
    pairs = image_rows(objects, movies.table)
    assert pairs.equals(image_rows(cells, files.table))
    assert pairs["table_row"].to_pylist() == list(range(objects.num_rows))
    assert objects["class"].to_pylist() == cells["Mitocheck_Phenotypic_Class"].to_pylist()
    shutil.copy(screen / "ch5" / "LT0001_02" / "hdf5" / "00016_01.ch5", tmp_path / "a.ch5")
    (tmp_path / "objects.csv").write_text("one\n1\n")
    both = open_images(tmp_path).tables
    assert sorted(both) == ["objects", "objects.csv"]
    assert 0 < both["objects"].num_rows < objects.num_rows
    assert both["objects.csv"].num_rows == 1
    alone = open_images(tmp_path / "a.ch5").tables
    assert alone["objects"].equals(both["objects"])


def test_open_images_reads_headers_only(tmp_path, image, monkeypatch):
    write(tmp_path / "a.tif", image, compression="zlib")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: 1 / 0)
    assert open_images(tmp_path).shapes == [(40, 60)]


# Unusable files are named, in one line


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as raised:
        images = open_images(path)
        list(images)
    said = str(raised.value)
    assert "\n" not in said
    for word in words:
        assert word in said


def test_missing_folder_is_named(tmp_path):
    refused(tmp_path / "nowhere", "nowhere", "no such file or folder")


def test_empty_folder_is_named(tmp_path):
    refused(tmp_path, tmp_path.name, "contains no TIFF or CH5 file")


def test_file_of_another_format_is_named(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(b"\x89PNG")
    refused(path, "image.png", "neither a TIFF nor a CH5 file")


def test_text_file_with_suffix_tif_is_named(tmp_path, image):
    write(tmp_path / "a.tif", image)
    (tmp_path / "b.tif").write_text("Only words.\n")
    refused(tmp_path, "b.tif", "not a readable TIFF")


def test_empty_file_with_suffix_tif_is_named(tmp_path):
    (tmp_path / "b.tif").touch()
    refused(tmp_path, "b.tif", "not a readable TIFF")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tiles", [{}, {"tile": (16, 16)}, {"bigtiff": True}])
def test_open_images_refuses_a_truncated_tiff(tmp_path, image, compression, tiles):
    path = write(tmp_path / "cut.tif", image, compression=compression, **tiles)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match=r"cut\.tif: truncated"):
        open_images(tmp_path)


@pytest.mark.parametrize("left", [1, 7, 8, 40, 100, 200, 255, 256, 300])
def test_tiff_truncated_at_any_byte_is_named(tmp_path, image, left):
    path = write(tmp_path / "cut.tif", image)
    path.write_bytes(path.read_bytes()[:left])
    refused(tmp_path, "cut.tif")


def test_truncated_stack_is_named(tmp_path):
    path = write(tmp_path / "cut.tif", np.ones((6, 64, 64), np.uint8), compression="zlib")
    path.write_bytes(path.read_bytes()[:-200])
    refused(tmp_path, "cut.tif")


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzw"])
def test_undecodable_tiff_is_named(tmp_path, compression):
    noise = np.random.default_rng(1).integers(0, 9, (64, 64)).astype(np.uint8)
    path = write(tmp_path / "bad.tif", noise, compression=compression)
    with tifffile.TiffFile(path) as file:
        start, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    refused(tmp_path, "bad.tif", "cannot be decoded")


def test_deleted_file_is_named(tmp_path, image):
    path = write(tmp_path / "gone.tif", image)
    images = open_images(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"gone\.tif"):
        images.pixels(0)
    with pytest.raises(UserError, match=r"gone\.tif"):
        images.file(0)


def test_file_that_changed_size_is_named(tmp_path, image):
    path = write(tmp_path / "other.tif", image)
    images = open_images(tmp_path)
    write(path, image[:10])
    with pytest.raises(UserError, match=r"other\.tif"):
        images.pixels(0)


def test_complex_pixels_are_refused_by_name(tmp_path):
    write(tmp_path / "complex.tif", np.ones((8, 8), np.complex64))
    refused(tmp_path, "complex.tif", "complex64")


def test_ch5_without_sample_is_named(tmp_path):
    with h5py.File(tmp_path / "a.ch5", "w") as file:
        file.create_group("definition")
    refused(tmp_path, "a.ch5", "/sample")


def test_ch5_without_images_is_named(tmp_path):
    with h5py.File(tmp_path / "a.ch5", "w") as file:
        file.create_group("sample/0/plate/P/experiment/00001/position/01/image")
    refused(tmp_path, "a.ch5", "no written image")


def test_text_file_with_suffix_ch5_is_named(tmp_path):
    (tmp_path / "a.ch5").write_text("Only words.\n")
    refused(tmp_path, "a.ch5", "not a readable HDF5")


def test_truncated_ch5_is_named(screen, tmp_path):
    whole = (screen / "ch5" / "LT0001_02" / "hdf5" / "00016_01.ch5").read_bytes()
    (tmp_path / "a.ch5").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, "a.ch5")


def test_ch5_with_a_damaged_chunk_is_named(screen, tmp_path):
    path = tmp_path / "a.ch5"
    shutil.copy(screen / "ch5" / "LT0001_02" / "hdf5" / "00016_01.ch5", path)
    with h5py.File(path) as file:
        images = file["sample/0/plate/LT0001_02/experiment/00016/position/01/image/channel"]
        chunk = images.id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * 64)
    refused(path, "a.ch5")


def test_digest_detects_a_flipped_byte_in_a_fixture(tmp_path):
    out = make_fixtures(tmp_path / "out", 1)
    (path,) = (out / "tiff").iterdir()
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    refused(out, path.name, "differs from the digest in the manifest")


def test_missing_image_of_a_fixture_is_named(tmp_path):
    out = make_fixtures(tmp_path / "out", 1)
    (path,) = (out / "tiff").iterdir()
    path.unlink()
    refused(out, path.name, "missing")


def test_damaged_manifest_is_named(tmp_path):
    out = make_fixtures(tmp_path / "out", 1)
    (out / "manifest.json").write_text('{"platebench": 1, "images": [')
    refused(out, "manifest.json", "damaged")
