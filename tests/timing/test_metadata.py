"""What a store keeps and reads beside tiny images is measured, and a wrong answer is noticed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import Mismatch, Unsupported
from platebench.stores import parquet, registry
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.timing import metadata
from platebench.timing.metadata import Found, TinyImages
from tests.timing.broken_stores import BrokenStore


def measured(store: Store, images: int, path: Path) -> Found:
    try:
        return metadata.measure(store, TinyImages(images), path / f"store-{images}")
    except Unsupported as reason:
        pytest.skip(str(reason))


def find(name: str) -> Store:
    return registry.find(StoreName.parse(name))


def test_tiny_images_are_an_image_set_whose_images_differ(tmp_path: Path) -> None:
    images = TinyImages(1000)
    assert len(set(images.digests())) == 1000
    assert images.table["row"].to_pylist() == list(range(1000))
    assert images.table["well"][383].as_py() == "P24"
    assert images.table["site"].to_pylist()[383:385] == ["1", "2"]
    assert images.table.to_pylist()[7]["shape"] == [4, 4]
    assert images.pixel_bytes == sum(image.nbytes for image in images) == 16_000
    assert images.shapes[999] == images.pixels(999).shape
    (tmp_path / "one.tif").write_bytes(images.file(7))
    assert np.array_equal(tifffile.imread(tmp_path / "one.tif"), images.pixels(7))
    assert len(images.file(7)) == images.table["filesize_bytes"][7].as_py()


def test_parquet_reads_a_footer_that_grows_with_row_groups(tmp_path: Path, monkeypatch) -> None:
    store = find("parquet:pixels:fast")
    few, many = (measured(store, images, tmp_path) for images in (50, 400))
    assert (few.files, many.files) == (1, 1)
    assert 600 < (many.stored_bytes - few.stored_bytes) / 350 < 1500
    assert many.open_bytes > 4 * few.open_bytes
    assert many.value_bytes == 400 * 16
    monkeypatch.setattr(parquet, "MOST_ROW_GROUPS", 50)
    split = measured(store, 400, tmp_path / "split")
    assert split.files == 8
    assert split.open_bytes + split.first_bytes < many.open_bytes / 2


def test_value_of_a_tiff_layout_is_the_file(tmp_path: Path) -> None:
    found = measured(find("tiff-files:tiff:default"), 20, tmp_path)
    assert found.value_bytes == 20 * 272
    assert found.files == 21


def test_wrong_number_of_images_is_a_mismatch(tmp_path: Path) -> None:
    store = BrokenStore(find("arrow-ipc:pixels:fast"), length=lambda given: given + 1)
    with pytest.raises(Mismatch, match="21 images were counted, not 20"):
        measured(store, 20, tmp_path)


def test_another_image_is_a_mismatch(tmp_path: Path) -> None:
    def other(rows, given):
        return (array + 1 for array in given)

    store = BrokenStore(find("arrow-ipc:pixels:fast"), arrays=other)
    with pytest.raises(Mismatch, match="row 11 is another image than was written"):
        measured(store, 20, tmp_path)


def test_program_prints_what_it_found_and_refuses_with_a_status(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(metadata, "end_with_parent", lambda: None)
    found = Found(1, 2, 3, 4.0, 5.0, 6, 7.0, 8, 9.0)
    monkeypatch.setattr(metadata, "measure", lambda store, images, path: found)
    arguments = ["metadata", str(tmp_path), "arrow-ipc:pixels:fast", "20"]
    monkeypatch.setattr("sys.argv", arguments)
    metadata.main()
    assert '"open_bytes": 6' in capsys.readouterr().out
    assert dataclasses.asdict(found)["first_bytes"] == 8

    def refuse(store, images, path):
        raise Unsupported("no cold reads here")

    monkeypatch.setattr(metadata, "measure", refuse)
    with pytest.raises(SystemExit, match="3"):
        metadata.main()
    assert capsys.readouterr().err == "no cold reads here\n"
