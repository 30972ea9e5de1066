"""A TIFF file is read without tifffile only if there is no doubt of its shape."""

from __future__ import annotations

import io
import itertools
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from platebench.images.imageset import digest
from platebench.images.tiff import header_of
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.plain_tiff import decode_page, plain_page, read_tiff
from platebench.timing.drain import Drain
from tests.conftest import noise

IMAGE = noise(1, (30, 40)).pixels(0)
SAMPLES = noise(1, (5, 9, 7)).pixels(0)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    sink = io.BytesIO()
    tifffile.imwrite(sink, array, **({"photometric": "minisblack"} | options))
    return sink.getvalue()


OF_TIFFFILE: dict[str, bytes] = {
    "a leading axis of one": tiff(IMAGE[None]),
    "three pages": tiff(noise(1, (3, 30, 40)).pixels(0)),
    "RGB": tiff(noise(1, (30, 40, 3)).pixels(0), photometric="rgb"),
    "ImageJ": tiff(IMAGE, imagej=True),
    "OME": tiff(IMAGE, ome=True),
    "BigTIFF": tiff(IMAGE, bigtiff=True),
    "big-endian": tiff(IMAGE.astype(">u2"), byteorder=">"),
    "tiles": tiff(IMAGE, tile=(16, 16)),
    "compressed samples": tiff(SAMPLES, planarconfig="separate", compression="zlib"),
    "samples side by side": tiff(noise(1, (9, 7, 5)).pixels(0), planarconfig="contig"),
    "a bit per pixel": tiff(IMAGE > 99, bitspersample=1),
}
PLAIN: dict[str, bytes] = {
    "one strip": tiff(IMAGE),
    "strips": tiff(IMAGE, rowsperstrip=7),
    "no description": tiff(IMAGE, metadata=None),
    "16 bits": tiff(noise(1, (9, 7), "<u2").pixels(0)),
    "float": tiff(noise(1, (9, 7), "<f4").pixels(0)),
    "signed": tiff(noise(1, (9, 7), "|i1").pixels(0)),
    "white is zero": tiff(IMAGE, photometric="miniswhite"),
    "samples one after the other": tiff(SAMPLES, planarconfig="separate"),
    "samples of 16 bits": tiff(noise(1, (2, 9, 7), "<u2").pixels(0), planarconfig="separate"),
    "a crop": header_of((5, 9, 7), np.dtype("|u1")) + SAMPLES.tobytes(),
    "zlib": tiff(IMAGE, compression="zlib", predictor=True),
    "LZW": tiff(IMAGE, compression="lzw"),
    "zstd in strips": tiff(IMAGE, compression="zstd", rowsperstrip=4),
}


def expected(data: bytes) -> np.ndarray:
    array = np.asarray(tifffile.imread(io.BytesIO(data)))
    return array.astype(array.dtype.newbyteorder("="))


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_plain_files_are_read_as_tifffile_reads_them(data: bytes) -> None:
    assert plain_page(data) is not None
    assert digest(read_tiff(data)) == digest(expected(data))
    assert digest(read_tiff(memoryview(data).cast("b").cast("B"))) == digest(expected(data))


@pytest.mark.parametrize("data", OF_TIFFFILE.values(), ids=OF_TIFFFILE)
def test_other_files_are_left_to_tifffile(data: bytes) -> None:
    assert plain_page(data) is None
    assert digest(read_tiff(data)) == digest(expected(data))


def test_a_known_shape_makes_other_descriptions_plain() -> None:
    data = tiff(IMAGE, metadata=None, description="exposure 20 ms")
    kind = (IMAGE.shape, IMAGE.dtype)
    assert plain_page(data) is None
    assert plain_page(data, kind) == plain_page(tiff(IMAGE, metadata=None), kind).__class__(
        (30, 40), IMAGE.dtype, plain_page(data, kind).offset
    )
    assert digest(read_tiff(data, kind)) == digest(IMAGE)


@pytest.mark.parametrize("kind", [((40, 30), "|u1"), ((1, 30, 40), "|u1"), ((30, 40), "|i1")])
def test_a_page_of_another_shape_or_dtype_is_not_read_as_the_known_one(kind: Any) -> None:
    shape, dtype = kind
    for data in (tiff(IMAGE), tiff(IMAGE, compression="zlib")):
        assert plain_page(data, (shape, np.dtype(dtype))) is None
        assert digest(read_tiff(data, (shape, np.dtype(dtype)))) == digest(IMAGE)


def test_decoding_into_another_shape_is_refused() -> None:
    data = tiff(IMAGE, compression="zlib")
    page = plain_page(data)
    assert page is not None
    with pytest.raises(AssertionError):
        decode_page(data, page, np.empty((40, 30), np.uint8))


@pytest.mark.parametrize("length", [0, 3, 100, 300, 1455])
def test_a_truncated_file_is_not_read(length: int) -> None:
    with pytest.raises((tifffile.TiffFileError, ValueError, IndexError, OSError, struct.error)):
        read_tiff(tiff(IMAGE)[:length])


def test_any_change_of_the_tags_is_read_as_tifffile_reads_it() -> None:
    """Change each byte before the pixels: the answer is tifffile's, or tifffile has none."""
    wrong = []
    for data, place in itertools.product((tiff(IMAGE), PLAIN["a crop"]), range(256)):
        for value in (0, 2, 3):
            changed = bytearray(data)
            changed[place] = value
            page = plain_page(bytes(changed))
            if page is None or page.offset is None or page.offset + page.size > len(data):
                continue
            with suppress(Exception):  # tifffile raises any
                if digest(expected(bytes(changed))) != digest(read_tiff(bytes(changed))):
                    wrong.append((place, value))
    assert not wrong


# The folder of files, which keeps the beginning of the file before


@pytest.mark.parametrize("tuning", ["fast", "small"])
@pytest.mark.parametrize(
    "other",
    [
        noise(1, (40, 30)).pixels(0),
        noise(1, (10, 10)).pixels(0),
        noise(1, (3, 30, 40)).pixels(0),
        noise(1, (1, 30, 40)).pixels(0),
        noise(1, (30, 40), "|i1").pixels(0),
        noise(1, (15, 40), "<u2").pixels(0),
    ],
    ids=["turned", "smaller", "volume", "one plane", "signed", "16 bits"],
)
def test_a_file_of_another_shape_is_read_right(
    tuning: str, other: np.ndarray, tmp_path: Path
) -> None:
    images = noise(3, (30, 40))
    store = registry.find(StoreName("tiff-files", "tiff", tuning))
    store.write(images, tmp_path / "store")
    (tmp_path / "store" / "000001.tif").write_bytes(tiff(other))
    right = [images.digests()[0], digest(other), images.digests()[2]]
    memory = Drain(images).memory
    with store.open(tmp_path / "store") as opened:
        assert [digest(image) for image in opened.scan_into(memory)] == right
        assert [digest(image) for image in opened.scan()] == right


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    images = noise(3, (30, 40))
    store = registry.find(StoreName("tiff-files", "tiff", "fast"))
    store.write(images, tmp_path / "store")
    file = tmp_path / "store" / "000001.tif"
    file.write_bytes(file.read_bytes()[:-1])
    memory = Drain(images).memory
    with (
        store.open(tmp_path / "store") as opened,
        pytest.raises((tifffile.TiffFileError, ValueError, EOFError)),
    ):
        list(opened.scan_into(memory))


@pytest.mark.parametrize(("room", "shared"), [(4096, True), (IMAGE.size, True), (99, False)])
def test_compressed_file_is_decoded_into_memory_with_room(room: int, shared: bool) -> None:
    memory = np.zeros(room, np.uint8)
    found = read_tiff(tiff(IMAGE, compression="zlib"), memory=memory)
    assert np.shares_memory(found, memory) == shared
    assert digest(found) == digest(IMAGE)


def test_page_of_a_file_is_its_own_after_files_with_about_the_same_header() -> None:
    taller, wider = tiff(noise(1, (41, 30)).pixels(0)), tiff(noise(1, (30, 41)).pixels(0))
    signed = tiff(noise(1, (30, 41), "|i1").pixels(0))
    for _ in range(2):
        assert read_tiff(taller).shape == (41, 30)
        assert read_tiff(wider).shape == (30, 41)
        assert read_tiff(signed).dtype == "i1"
        assert plain_page(wider, ((30, 41), np.dtype("u1"))) is not None
        assert plain_page(wider, ((41, 30), np.dtype("u1"))) is None
        assert plain_page(wider[:100]) is None


def test_header_at_the_end_of_a_file_is_read_each_time() -> None:
    plain = tiff(IMAGE)
    moved = bytearray(plain)
    start = int.from_bytes(plain[4:8], "little")
    length = 2 + 12 * int.from_bytes(plain[start : start + 2], "little") + 4
    end = len(plain) + 4096
    moved += bytes(4096) + plain[start : start + length]
    moved[4:8] = end.to_bytes(4, "little")
    assert digest(read_tiff(bytes(moved))) == digest(IMAGE)
    moved[end + 2 :] = bytes(len(moved) - end - 2)
    assert plain_page(bytes(moved)) is None
