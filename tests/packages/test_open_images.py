"""`platebench.open` gives images as a lazy sequence, whatever store they are in."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import platebench
from platebench.errors import UserError
from platebench.packages import reader
from platebench.packages.lazy_images import Images
from platebench.packages.opened import OpenPackage
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.part_list import PartList
from tests.conftest import ArrayImages, noise
from tests.packages.opening import STORE, mixed, plate, same, stored

IMAGES = plate()
ONE_PER_FORMAT = [
    "parquet:tiff:fast",
    "arrow-ipc:pixels:default",
    "lancedb:tiff:fast",
    "zarr:tensor:fast",
    "tiff-files:tiff:fast",
    "hdf5:tensor:fast",
    "sqlite:pixels:fast",
]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[OpenPackage]:
    with platebench.open(stored(IMAGES, tmp_path), store=STORE) as opened:
        yield opened


@pytest.mark.parametrize("store", ONE_PER_FORMAT)
def test_images_and_tables_of_every_format_are_those_written(store: str, tmp_path: Path) -> None:
    with platebench.open(stored(IMAGES, tmp_path, store), store=store) as package:
        assert len(package) == len(package.images) == 3
        assert all(map(same, package.images, IMAGES))
        assert all(map(same, package.images[[2, 0, 2]], [IMAGES.pixels(row) for row in (2, 0, 2)]))
        assert package.table.equals(IMAGES.table)
        assert package.tables == ["features", "objects", "treatments"]
        assert package.read_table("objects").equals(IMAGES.tables["objects"])
        seen = []
        thread = threading.Thread(target=lambda: seen.append(package.images[1]))
        thread.start()
        thread.join()
        assert same(seen[0], IMAGES.pixels(1))


def test_index_slice_list_and_mask_select_images(package: OpenPackage) -> None:
    images = package.images
    assert same(images[1], IMAGES.pixels(1))
    assert same(images[np.int64(-1)], IMAGES.pixels(2))
    selections = {
        (0, 1): images[:2],
        (2, 1, 0): images[::-1],
        (2, 0): images[[-1, 0]],
        (1,): images[np.array([False, True, False])],
        (1, 2): images[pa.array([1, 2]).to_pandas()],
        (2,): images[1:][[1]],
        (): images[[]],
    }
    for rows, selected in selections.items():
        assert isinstance(selected, Images)
        assert (len(selected), selected.rows) == (len(rows), list(rows))
        assert all(map(same, selected, [IMAGES.pixels(row) for row in rows]))
        assert selected.table["path"].to_pylist() == [
            IMAGES.table["path"][row].as_py() for row in rows
        ]
    assert repr(images) == "<3 images, 12 × 20 uint16>"
    assert images.nbytes == 3 * 12 * 20 * 2


@pytest.mark.parametrize("key", [3, -4, [0, 3], [-4], [True, False]])
def test_row_that_does_not_exist_is_an_index_error(package: OpenPackage, key: object) -> None:
    with pytest.raises(IndexError, match=r"image -?\d of 3|2 truth values for 3 images"):
        package.images[key]  # type: ignore[call-overload]


@pytest.mark.parametrize("key", [1.0, "1", None, [[0]], ["a"], True])
def test_what_is_no_row_is_a_type_error(package: OpenPackage, key: object) -> None:
    with pytest.raises(TypeError, match="a number, a slice, or a list"):
        package.images[key]  # type: ignore[call-overload]


def test_arrays_belong_to_their_caller(package: OpenPackage) -> None:
    kept = list(package.images)
    kept[0][...] = 0
    assert same(package.images[0], IMAGES.pixels(0))
    assert same(kept[1], IMAGES.pixels(1))
    assert all(image.flags.writeable and image.flags.c_contiguous for image in kept)


def test_loop_reads_images_as_it_needs_them(
    package: OpenPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    opened = type(package._reader.opened)
    take = opened.take
    monkeypatch.setattr(
        opened, "take", lambda self, rows: asked.append(list(rows)) or take(self, rows)
    )
    monkeypatch.setattr(reader, "TOGETHER", 2 * 12 * 20 * 2)
    chosen = iter(package.images[[2, 1, 0]])
    assert asked == []
    next(chosen)
    assert asked == [[2, 1]]
    assert len(list(chosen)) == 2
    assert asked == [[2, 1], [0]]


def test_images_of_one_shape_become_one_array(package: OpenPackage, tmp_path: Path) -> None:
    whole = np.asarray(package.images)
    assert (whole.shape, whole.dtype) == ((3, 12, 20), np.uint16)
    assert same(whole[2], IMAGES.pixels(2))
    assert np.asarray(package.images[1:], np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(package.images, copy=False)


def test_images_of_several_shapes_are_read_and_refuse_to_be_one_array(tmp_path: Path) -> None:
    images = mixed()
    with platebench.open(stored(images, tmp_path), store=STORE) as package:
        assert all(map(same, package.images, images))
        assert repr(package.images) == "<4 images, 2 shapes or dtypes>"
        with pytest.raises(UserError) as said:
            np.asarray(package.images)
        assert str(said.value).endswith(
            "an array needs images of one shape and dtype; image 0 is 4 × 6 uint8, image 1"
            " 5 × 3 uint16: choose with rows=, or use package.images"
        )
        assert np.asarray(package.images[::2]).shape == (2, 4, 6)


def test_more_than_half_of_memory_is_refused_before_it_is_taken(
    package: OpenPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "memory_bytes", lambda: 2000)
    for attempt in (package.images.read, package.to_pandas, lambda: np.asarray(package.images)):
        with pytest.raises(UserError, match=r"the images take 0\.0 MB, of 0\.0 MB that"):
            attempt()
    assert len(package.images[:2].read()) == 2


def test_image_that_claims_more_than_memory_is_refused(tmp_path: Path) -> None:
    images = noise(2)
    records = images.table.to_pylist()
    records[1]["shape"] = [2**30, 2**30]
    lying = ArrayImages([images.pixels(0), images.pixels(1)])
    place = stored(lying, tmp_path)
    _retable(place, records)
    with platebench.open(place, store=STORE) as package:
        assert same(package.images[0], images.pixels(0))
        with pytest.raises(UserError, match=r"image 1: claims an image of 1,153 PB"):
            package.images[1]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("shape", [12, 72], "image 1 is 24 × 36 uint8, but 12 × 72 uint8 in the table"),
        ("shape", [-24, 36], "image 1 has no valid shape and dtype"),
        ("dtype", "|i1", "image 1 is 24 × 36 uint8, but 24 × 36 int8 in the table"),
        ("dtype", "|O", "image 1 has no valid shape and dtype"),
        ("dtype", "(2,", "image 1 has no valid shape and dtype"),
    ],
)
def test_image_that_is_not_as_its_table_says_is_refused(
    column: str, value: object, message: str, tmp_path: Path
) -> None:
    images = noise(2)
    place = stored(images, tmp_path)
    records = images.table.to_pylist()
    records[1][column] = value
    _retable(place, records)
    with (
        platebench.open(place, store=STORE) as package,
        pytest.raises(UserError, match=message),
    ):
        package.images[1]


def _retable(place: Path, records: list[dict[str, object]]) -> None:
    """Replace the columns of a stored Arrow file that are not pixels."""
    with pa.OSFile(str(place)) as source:
        whole = pa.ipc.open_file(source).read_all()
    for name in ("shape", "dtype"):
        column = pa.array([record[name] for record in records], whole.schema.field(name).type)
        number = whole.schema.get_field_index(name)
        whole = whole.set_column(number, whole.schema.field(number), column)
    with pa.OSFile(str(place), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as out:
        for row in range(whole.num_rows):
            out.write_batch(whole.slice(row, 1).combine_chunks().to_batches()[0])


def test_store_with_versions_opens_each(tmp_path: Path) -> None:
    store = PartList(registry.find(StoreName.parse(STORE)))
    store.write(IMAGES, tmp_path / "stored")
    store.append(IMAGES.select([0, 1], first_row=3), tmp_path / "stored")
    with platebench.open(tmp_path / "stored", store=STORE) as package:
        assert [version.number for version in package.versions] == [1, 2]
        assert len(package.images) == 5
        assert same(package.images[4], IMAGES.pixels(1))
    with platebench.open(tmp_path / "stored", 1, store=STORE) as package:
        assert len(package.images) == 3
    with pytest.raises(UserError, match="has no version 3"):
        platebench.open(tmp_path / "stored", 3, store=STORE)


def test_name_of_the_folder_tells_its_store(tmp_path: Path) -> None:
    place = tmp_path / "parquet.pixels.balanced"
    registry.find(StoreName.parse("parquet:pixels:balanced")).write(IMAGES, place / "data")
    for folder in (place / "data", str(place / "data")):
        with platebench.open(folder) as package:
            assert package.store == "parquet:pixels:balanced"
            assert len(package) == 3
    with pytest.raises(UserError, match="keeps no versions"):
        platebench.open(place / "data", 2)


def test_closed_package_says_so_and_its_arrays_stay_open(tmp_path: Path) -> None:
    with platebench.open(stored(IMAGES, tmp_path), store=STORE) as package:
        images, batches = package.images, package.to_arrow()
        images[0]
    with pytest.raises(UserError, match="is closed; open it again"):
        images[0]
    assert batches.read_all().num_rows == 3


def test_pickled_images_open_the_package_again(package: OpenPackage) -> None:
    again = pickle.loads(pickle.dumps(package.images[[2, 0]]))
    package.close()
    assert all(map(same, again, [IMAGES.pixels(2), IMAGES.pixels(0)]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_forked_process_opens_the_package_again(package: OpenPackage) -> None:
    before = package._reader.opened
    child = os.fork()
    if child == 0:
        fresh = package._reader.opened is not before
        os._exit(0 if fresh and same(package.images[1], IMAGES.pixels(1)) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert package._reader.opened is before


def test_error_of_a_library_is_one_line_that_names_the_package(tmp_path: Path) -> None:
    place = stored(IMAGES, tmp_path, "parquet:tiff:fast")
    file = place / "images.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError) as said:
        platebench.open(place, store="parquet:tiff:fast")
    assert str(said.value).startswith(f"{place}: cannot be read (ArrowInvalid: ")
    assert "\n" not in str(said.value)


def test_arrow_has_tensors_or_raw_bytes(package: OpenPackage, tmp_path: Path) -> None:
    table = package.to_arrow().read_all()
    assert isinstance(table.schema.field("image").type, pa.FixedShapeTensorType)
    assert same(table["image"].chunk(1).to_numpy_ndarray()[0], IMAGES.pixels(1))
    assert table.drop_columns(["image"]).equals(IMAGES.table)
    images = mixed()
    with platebench.open(stored(images, tmp_path / "mixed"), store=STORE) as other:
        raw = other.to_arrow(rows=[3, 0]).read_all()
    assert raw["image"][0].as_py() == images.pixels(3).tobytes()
    assert raw["row"].to_pylist() == [3, 0]
