"""A DataFrame is shown with thumbnails of its images, and the data are not changed."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from typer.testing import CliRunner

import platebench
from platebench.cli import app
from platebench.errors import UserError
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.viewing.look import ROWS, THUMBNAILS, Look
from platebench.viewing.opened import open_table
from platebench.viewing.thumbnails import SIDE, image_of, thumbnail
from tests.conftest import ArrayImages, noise

STORES = [
    "arrow-ipc:tensor:fast",
    "ch5:tensor:default",
    "lancedb:pixels:fast",
    "lancedb:tiff:default",
    "parquet:nested:default",
    "parquet:pixels:default",
    "sqlite:pixels:default",
    "tiff-files:tiff:default",
    "zarr:tensor:default",
]


def pictures(page: str) -> list[np.ndarray]:
    """Decode the thumbnails of a page."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [imagecodecs.png_decode(base64.b64decode(each)) for each in found]


def frame_of(images: ArrayImages) -> pd.DataFrame:
    return pd.DataFrame({"name": images.table["path"].to_pylist(), "image": list(images)})


def test_look_shows_every_image_of_a_small_frame() -> None:
    images = noise(3)
    shown = pictures(platebench.look(frame_of(images))._repr_html_())
    assert all(np.array_equal(one, image) for one, image in zip(shown, images, strict=True))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(24, dtype=np.uint8).reshape(4, 6),
        np.arange(24, dtype=np.uint8).reshape(4, 6).tolist(),
        noise(1, (4, 6)).file(0),
    ],
    ids=["array", "nested lists", "TIFF file"],
)
def test_arrays_nested_lists_and_tiff_bytes_are_images(value: object) -> None:
    assert Look(pd.DataFrame({"value": [value]})).image_columns == ["value"]


def test_nested_arrays_from_pandas_are_an_image() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(4, 6)
    nested = pa.table({"image": [image.tolist()]}).to_pandas()["image"][0]
    returned = image_of(nested)
    assert returned is not None
    assert np.array_equal(returned, image)


@pytest.mark.parametrize(
    "value",
    [
        "a path.tif",
        b"raw bytes",
        b"II*\0 and then no TIFF",
        np.arange(4),
        np.zeros((2, 3, 4)),
        np.zeros((0, 3)),
        [[1, 2], [3]],
        [],
        7,
        None,
    ],
    ids=str,
)
def test_other_values_are_not_images(value: object) -> None:
    assert image_of(value) is None


def test_images_of_16_bits_are_scaled_in_the_thumbnail_only() -> None:
    image = np.linspace(500, 4000, 64, dtype=np.uint16).reshape(8, 8)
    frame = pd.DataFrame({"image": [image.copy()]})
    page = platebench.look(frame)._repr_html_()
    (shown,) = pictures(page)
    assert (shown.min(), shown.max()) == (0, 255)
    assert "8 × 8 uint16, shown from 503.465 to 3996.47" in page
    assert frame["image"][0].dtype == np.uint16
    assert np.array_equal(frame["image"][0], image)


def test_hot_pixel_does_not_darken_the_thumbnail() -> None:
    image = np.linspace(0, 100, 4096, dtype=np.uint16).reshape(64, 64)
    image[0, 0] = 65535
    shown = imagecodecs.png_decode(thumbnail(image).png)
    assert shown[32, 32] > 100


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float32, np.bool_]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=300),
    )
)
def test_thumbnail_is_no_larger_than_the_image_or_the_limit(image: np.ndarray) -> None:
    before = image.copy()
    shown = imagecodecs.png_decode(thumbnail(image).png)
    assert shown.dtype == np.uint8
    assert shown.shape[0] <= min(SIDE, image.shape[0])
    assert shown.shape[1] <= min(SIDE, image.shape[1])
    assert np.array_equal(image, before, equal_nan=image.dtype.kind == "f")


def test_page_of_many_rows_is_small_and_says_what_it_omits(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 4096, (256, 256), dtype=np.uint16)
    frame = pd.DataFrame({"number": range(10_000), "image": [image] * 10_000})
    page = platebench.look(frame).save(tmp_path / "page.html")
    assert page.stat().st_size < 10e6
    text = page.read_text()
    assert len(pictures(text)) == ROWS
    assert "Rows 1 to 100 of 10,000" in text


def test_many_image_columns_reduce_the_number_of_rows() -> None:
    frame = pd.DataFrame({f"channel {number}": list(noise(60)) for number in range(5)})
    assert platebench.look(frame).rows == THUMBNAILS // 5


def test_values_are_escaped_in_html() -> None:
    frame = pd.DataFrame({"<b>": ["<script>alert(1)</script>"], "image": list(noise(1))})
    page = platebench.look(frame)._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page


def test_page_has_no_external_resources(tmp_path: Path) -> None:
    page = platebench.look(frame_of(noise(2))).save(tmp_path / "page.html").read_text()
    assert not re.search(r"https?://", page)
    assert page.startswith("<!doctype html>")


def test_save_refuses_a_missing_folder_and_leaves_nothing_on_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = platebench.look(frame_of(noise(2)))
    with pytest.raises(UserError, match="folder does not exist"):
        looked.save(tmp_path / "nowhere" / "page.html")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        looked.save(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_as_files_writes_images_as_tiff_files(tmp_path: Path) -> None:
    images = noise(2, dtype="<u2")
    page = platebench.look(frame_of(images)).as_files(tmp_path / "files")
    assert list(page["image"]) == ["image_00000.tiff", "image_00001.tiff"]
    for name, image in zip(page["image"], images, strict=True):
        assert np.array_equal(tifffile.imread(tmp_path / "files" / name), image)


def test_cytodataframe_finds_the_files(tmp_path: Path) -> None:
    cytodataframe = pytest.importorskip("cytodataframe", reason="cytodataframe is not installed")
    page = platebench.look(frame_of(noise(2))).as_files(tmp_path)
    made = cytodataframe.CytoDataFrame(data=page, data_context_dir=str(tmp_path))
    assert made.find_image_columns() == ["image"]


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("inside", ["", "data"], ids=["named", "in a work folder"])
def test_stored_file_or_folder_is_opened_by_its_name(
    name: str, inside: str, tmp_path: Path
) -> None:
    images = noise(5)
    named = tmp_path / StoreName.parse(name).folder
    registry.find(StoreName.parse(name)).write(images, named / inside)
    for path in {named, named / inside}:
        frame, rows = open_table(path, 3)
        assert rows == 5
        assert len(frame) == 3
        for row in range(3):
            assert np.array_equal(frame["image"][row], images.pixels(row))


@pytest.mark.parametrize(
    "name",
    ["parquet:pixels:default", "parquet:nested:small", "arrow-ipc:tensor:fast",
     "arrow-ipc:pixels:small", "lancedb:pixels:default", "lancedb:tiff:default"],
)  # fmt: skip
def test_table_file_is_opened_by_its_suffix(name: str, tmp_path: Path) -> None:
    images = noise(5)
    suffix = {"parquet": ".parquet", "arrow-ipc": ".arrow"}.get(StoreName.parse(name).format, "")
    file = tmp_path / f"stored{suffix}"
    registry.find(StoreName.parse(name)).write(images, file)
    if not suffix:
        (file,) = file.glob("*.lance")
    frame, rows = open_table(file, 3)
    assert (rows, len(frame)) == (5, 3)
    shown = image_of(frame["image"][2])
    assert shown is not None
    assert np.array_equal(shown, images.pixels(2))


def test_unreadable_table_is_refused_in_one_line(tmp_path: Path) -> None:
    spoilt = tmp_path / "images.parquet"
    spoilt.write_bytes(b"not Parquet")
    for path, says in [
        (tmp_path / "nowhere", "no such file"),
        (spoilt, "not a readable table"),
        (tmp_path, "contains no TIFF"),
    ]:
        with pytest.raises(UserError, match=says) as said:
            open_table(path, 3)
        assert "\n" not in str(said.value)


def test_command_look_writes_a_page(tmp_path: Path) -> None:
    file = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": [array.tolist() for array in noise(3)]}), file)
    out = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["look", str(file), "-o", str(out), "--rows", "2"])
    assert done.exit_code == 0
    assert "2 of 3 rows" in done.stdout
    assert len(pictures(out.read_text())) == 2
