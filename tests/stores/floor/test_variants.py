"""Every way to write and to read the bare file gives back the same images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet, digest
from platebench.stores.bare_file import BareFile
from platebench.stores.contract import OpenStore
from platebench.stores.floor import residency, variants
from platebench.stores.floor.choice import DEFAULT
from platebench.stores.floor.places import PAGE, Places, padded, page_aligned
from platebench.stores.floor.variants import READERS, WRITERS
from platebench.timing import page_cache
from tests.conftest import ArrayImages, noise

pytestmark = pytest.mark.filterwarnings("ignore:.*zero-size array")

every_reader = pytest.mark.parametrize("reader", READERS)
every_writer = pytest.mark.parametrize("writer", WRITERS)

SHAPES = [(24, 36), (1, 1), (64, 64), (63, 65), (2, 50, 41), (0, 5), (128, 128)]
DTYPES = ["|u1", "<u2", "<f8", "<i4"]


@st.composite
def image_sets(draw: st.DrawFn) -> ArrayImages:
    """Sets of images that differ in shape and dtype, or share both, or are empty."""
    kinds = draw(st.lists(st.sampled_from([(s, d) for s in SHAPES for d in DTYPES]), max_size=12))
    if kinds and draw(st.booleans()):
        kinds = kinds[:1] * len(kinds)
    random = np.random.default_rng(len(kinds))
    return ArrayImages(
        [random.integers(0, 255, shape).astype(dtype) for shape, dtype in kinds], name="mixed"
    )


def store(*, reader: str = "pread", writer: str = "plain") -> BareFile:
    chosen = replace(
        DEFAULT, write=writer, scan=reader, take=reader, cold_scan=reader, cold_take=reader
    )
    return BareFile("pixels", "fast", chosen)


def written(images: ImageSet, path: Path, writer: str = "plain") -> Path:
    path.unlink(missing_ok=True)
    try:
        store(writer=writer).write(images, path)
    except Unsupported as reason:
        pytest.skip(str(reason))
    return path


def opened(path: Path, reader: str) -> OpenStore:
    with path.open("rb") as file:
        if "direct" in reader and not variants.has_direct(file.fileno()):
            pytest.skip("this file system has no O_DIRECT")
    return store(reader=reader).open(path)


@every_writer
@settings(max_examples=10, deadline=None)
@given(images=image_sets())
def test_every_writer_makes_the_same_file(writer, images, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    plain = written(images, folder / "plain.bin").read_bytes()
    assert written(images, folder / f"{writer}.bin", writer).read_bytes() == plain


@every_reader
@settings(max_examples=10, deadline=None)
@given(images=image_sets(), seed=st.integers(0, 99), room=st.integers(1, 20))
def test_every_reader_returns_the_images(reader, images, seed, room, tmp_path_factory):
    path = written(images, tmp_path_factory.getbasetemp() / f"{reader}.bin")
    memory = page_aligned(room * Places.of_images(images).slot)
    rows = [int(row) for row in np.random.default_rng(seed).integers(0, len(images) or 1, 9)]
    rows = rows if len(images) else []
    with opened(path, reader) as reading:
        assert [digest(image) for image in reading.scan_into(memory)] == images.digests()
        taken = [digest(image) for image in reading.take_into(rows, memory)]
        assert taken == [images.digests()[row] for row in rows]
        assert [digest(image) for image in reading.scan()] == images.digests()
        assert reading.table().equals(images.table)


@every_reader
def test_every_reader_fills_the_given_memory(reader, tmp_path):
    images = noise(9, (64, 64))
    memory = page_aligned(16 * PAGE)
    with opened(written(images, tmp_path / "a.bin"), reader) as reading:
        for image in reading.take_into([3, 4, 5, 1, 8], memory):
            assert np.shares_memory(image, memory)


@every_reader
def test_memory_without_room_for_whole_pages_is_filled_too(reader, tmp_path):
    images = noise(3)
    memory = np.zeros(24 * 36 + 1, np.uint8)[1:]
    with opened(written(images, tmp_path / "a.bin"), reader) as reading:
        assert [digest(image) for image in reading.scan_into(memory)] == images.digests()


def test_memory_smaller_than_an_image_is_an_error(tmp_path):
    with (
        opened(written(noise(3), tmp_path / "a.bin"), "pread") as reading,
        pytest.raises(ValueError, match="863 bytes for images of up to 864"),
    ):
        next(reading.scan_into(np.zeros(863, np.uint8)))


@every_reader
def test_truncated_image_is_an_error_that_names_it(reader, tmp_path):
    images = noise(5, (100, 100))
    path = written(images, tmp_path / "a.bin")
    memory = page_aligned(5 * padded(10_000))
    with opened(path, reader) as reading:
        os.truncate(path, 3 * padded(10_000) + PAGE)
        with pytest.raises(EOFError, match="image 3 is truncated"):
            list(reading.scan_into(memory))


@pytest.mark.parametrize("kept", [0, 5, 100, 3 * PAGE, -1])
def test_file_without_its_end_is_an_error_that_names_it(kept, tmp_path):
    path = written(noise(5), tmp_path / "a.bin")
    os.truncate(path, kept if kept >= 0 else path.stat().st_size + kept)
    with pytest.raises(EOFError, match=r"a\.bin is truncated"):
        store().open(path)


@every_reader
def test_short_reads_are_continued(reader, tmp_path, monkeypatch):
    images = noise(6, (100, 100))
    path = written(images, tmp_path / "a.bin")
    whole = os.preadv

    def short(file, buffers, start):
        return whole(file, [buffers[0][:PAGE]], start)

    with opened(path, reader) as reading:
        monkeypatch.setattr(os, "preadv", short)
        assert [digest(image) for image in reading.scan()] == images.digests()


@every_writer
def test_short_writes_are_continued(writer, tmp_path, monkeypatch):
    images = noise(6, (100, 100))
    plain = written(images, tmp_path / "plain.bin").read_bytes()
    whole = os.pwritev

    def short(file, buffers, start):
        return whole(file, [buffers[0][:PAGE]], start)

    monkeypatch.setattr(os, "pwritev", short)
    assert written(images, tmp_path / "a.bin", writer).read_bytes() == plain


@every_writer
def test_interrupted_write_leaves_no_file(writer, tmp_path):
    class Interrupted(ArrayImages):
        def pixels(self, row: int) -> np.ndarray:
            if row == 7:
                raise KeyboardInterrupt
            return super().pixels(row)

    images = Interrupted(list(noise(9)))
    with pytest.raises(KeyboardInterrupt):
        store(writer=writer).write(images, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


@every_reader
def test_reading_can_stop_early_and_start_again(reader, tmp_path):
    images = noise(9, (64, 64))
    with opened(written(images, tmp_path / "a.bin"), reader) as reading:
        scan = reading.scan()
        assert digest(next(scan)) == images.digests()[0]
        scan.close()
        assert [digest(image) for image in reading.scan()] == images.digests()


def test_image_stays_valid_until_the_next_is_requested(tmp_path):
    images = noise(40, (64, 64))
    memory = page_aligned(3 * PAGE)
    with opened(written(images, tmp_path / "a.bin"), "pread-4-threads") as reading:
        for image, wanted in zip(reading.scan_into(memory), images.digests(), strict=True):
            before = digest(image)
            os.sched_yield()
            assert digest(image) == before == wanted


def test_images_start_at_pages(tmp_path):
    images = ArrayImages([noise(1, (9, 9)).pixels(0), noise(1, (70, 70)).pixels(0)])
    places = Places.of_images(images)
    assert places.edges == [0, PAGE, 3 * PAGE]
    content = written(images, tmp_path / "a.bin").read_bytes()
    assert content[PAGE : PAGE + 4900] == images.pixels(1).tobytes()
    assert content[81:PAGE] == bytes(PAGE - 81)


def test_reader_knows_what_is_in_the_page_cache(tmp_path):
    images = noise(20, (64, 64))
    path = written(images, tmp_path / "a.bin")
    try:
        page_cache.empty(path)
    except Unsupported as reason:
        pytest.skip(str(reason))
    places = Places.of_images(images)
    with path.open("rb") as file:
        assert not residency.is_resident(file.fileno(), places, range(20))
    page_cache.renew(path)
    with path.open("rb") as file:
        assert residency.is_resident(file.fileno(), places, range(20))
        assert residency.is_resident(file.fileno(), places, [])


def test_file_system_without_o_direct_is_unsupported(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "O_DIRECT", 1 << 30)
    refused = OSError(22, "Invalid argument")

    def fcntl(file, command, flags=0):
        if flags & os.O_DIRECT:
            raise refused
        return 0

    monkeypatch.setattr(variants.fcntl, "fcntl", fcntl)
    with pytest.raises(Unsupported, match="no O_DIRECT"):
        store(writer="direct").write(noise(2), tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []
