"""Formats with a Parquet row group per image write several files if the images are many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platebench.images.imageset import digest
from platebench.packages.parts import PART_IMAGES
from platebench.stores import delta, parquet, registry, split_images
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.stores.where import Condition
from platebench.timing.metadata import TinyImages
from tests.conftest import ArrayImages, noise

BOUND = 8
"""The 21 images of the tests are then 3 files."""

SPLIT = [
    *(f"parquet:pixels:{tuning}" for tuning in ("fast", "balanced", "small")),
    "parquet:tiff:balanced",
    "parquet:tensor:fast",
    "parquet:nested:balanced",
]


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_ROW_GROUPS", BOUND)


def written(name: str, images: ArrayImages, path: Path) -> Store:
    store = registry.find(StoreName.parse(name))
    store.write(images, path)
    return store


def files(path: Path) -> list[str]:
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


@pytest.mark.parametrize("name", SPLIT)
def test_images_in_several_files_come_back_in_any_order(name, bound, images, tmp_path) -> None:
    path = tmp_path / "new" / "store"
    store = written(name, images, path)
    assert files(path) == [
        "images/000000000-of-000000021.parquet",
        "images/000000008-of-000000021.parquet",
        "images/000000016-of-000000021.parquet",
    ]
    memory = np.empty(images.image_bytes(0), np.uint8)
    rows = [20, 0, 1, 8, 7, 7, 15, 16]
    expected = [images.digests()[row] for row in rows]
    with store.open(path) as opened:
        assert len(opened) == 21
        assert [digest(image) for image in opened.scan()] == images.digests()
        assert [digest(image) for image in opened.scan_into(memory)] == images.digests()
        assert [digest(image) for image in opened.take(rows)] == expected
        assert [digest(image) for image in opened.take_into(rows, memory)] == expected
        assert opened.table().equals(images.table)
        for outside in (-1, 21):
            with pytest.raises(IndexError, match=f"row {outside} of 21 images"):
                list(opened.take([0, outside]))


def test_images_of_different_shapes_are_split_too(bound, tmp_path) -> None:
    arrays = [np.full((row + 1, 3), row, np.uint16) for row in range(10)]
    images = ArrayImages(arrays)
    store = written("parquet:pixels:fast", images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert [digest(image) for image in opened.take([9, 0, 8])] == [
            images.digests()[row] for row in (9, 0, 8)
        ]


@pytest.mark.parametrize("name", ["parquet:pixels:fast", "parquet:tiff:balanced"])
def test_up_to_the_bound_nothing_changes(name, tmp_path, monkeypatch) -> None:
    images = noise(BOUND)
    written(name, images, tmp_path / "before")
    monkeypatch.setattr(parquet, "MOST_ROW_GROUPS", BOUND)
    written(name, images, tmp_path / "after")
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()


def test_default_of_one_row_group_stays_one_file(bound, images, tmp_path) -> None:
    written("parquet:pixels:default", images, tmp_path / "store")
    assert (tmp_path / "store").is_file()


def test_tables_stand_beside_several_files(bound, tmp_path) -> None:
    images = noise(21)
    images.tables = {"marks": pa.table({"well": ["00001", "00000"], "mark": [1, 2]})}
    path = tmp_path / "store"
    store = written("parquet:pixels:fast", images, path)
    store.append_rows("marks", pa.table({"well": ["00009"], "mark": [3]}), path)
    with store.open(path) as opened:
        found = opened.read_table("marks", where=(Condition("mark", ">", 1),))
        assert found.to_pydict() == {"well": ["00000", "00009"], "mark": [2, 3]}
        assert len(list(opened.scan())) == 21


def test_version_that_is_split_is_a_part_like_any_other(bound, images, tmp_path) -> None:
    store = with_versions(registry.find(StoreName.parse("parquet:pixels:fast")))
    store.write(noise(2), tmp_path / "store")
    assert store.append(images, tmp_path / "store") == 2
    with store.open(tmp_path / "store") as opened:
        assert [digest(image) for image in opened.take([22, 1, 2])] == [
            images.digests()[20],
            noise(2).digests()[1],
            images.digests()[0],
        ]


def test_few_files_stay_open(images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parquet, "MOST_ROW_GROUPS", 2)
    store = written("parquet:pixels:fast", images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert isinstance(opened, split_images.SplitImages)
        assert not opened._opened, "none is read to open the store"
        assert [digest(image) for image in opened.take([20, 0])] == [
            images.digests()[20],
            images.digests()[0],
        ]
        assert len(opened._opened) == 2
        list(opened.scan())
        assert len(opened._opened) == split_images.MOST_OPEN


@pytest.mark.parametrize("missing", [8, 16])
def test_missing_file_is_noticed(missing, bound, images, tmp_path) -> None:
    store = written("parquet:pixels:fast", images, tmp_path / "store")
    (tmp_path / "store" / "images" / f"{missing:09d}-of-000000021.parquet").unlink()
    with store.open(tmp_path / "store") as opened:
        with pytest.raises(EOFError, match="a file is damaged or missing"):
            list(opened.scan())
        with pytest.raises(EOFError, match=r"has 8 images, not 1[36]"):
            list(opened.take([missing]))


def test_first_file_missing_and_files_of_another_set_are_noticed(bound, images, tmp_path) -> None:
    store = written("parquet:pixels:fast", images, tmp_path / "store")
    first = tmp_path / "store" / "images" / "000000000-of-000000021.parquet"
    first.rename(first.with_name("000000000-of-000000022.parquet"))
    with pytest.raises(EOFError, match="are not those of one image set"):
        store.open(tmp_path / "store")
    first.with_name("000000000-of-000000022.parquet").unlink()
    with pytest.raises(EOFError, match="the file with row 0 is missing"):
        store.open(tmp_path / "store")


def test_parts_of_packages_are_never_split() -> None:
    """Their README says how to read the file of a part."""
    assert PART_IMAGES <= parquet.MOST_ROW_GROUPS


def test_files_of_delta_have_a_bounded_number_of_row_groups(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        delta, "MOST_ROW_GROUPS", 1
    )  # delta-rs ends a file after 1,024 rows or more
    images = TinyImages(3_000)
    store = written("delta:pixels:fast", images, tmp_path / "store")
    counts = [pq.read_metadata(file).num_row_groups for file in tmp_path.rglob("images/*.parquet")]
    assert sum(counts) == 3_000
    assert max(counts) <= 2_048
    with store.open(tmp_path / "store") as opened:
        rows = [2_999, 0, 1_024]
        expected = [images.pixels(row).tolist() for row in rows]
        assert [image.tolist() for image in opened.take(rows)] == expected
