"""A read counts if all its bytes were copied and are right."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platebench.errors import Mismatch
from platebench.stores.contract import copied_into
from platebench.timing.drain import Drain, check, check_table
from tests.conftest import ArrayImages, noise

ALL = range(21)


class Lazy:
    """An object that decodes only when it is accessed."""

    dtype = np.dtype("u1")
    shape = (24, 36)

    def __array__(self) -> np.ndarray:
        return np.zeros(self.shape, self.dtype)


def received(images: ArrayImages, arrays: Iterable[np.ndarray]) -> Drain:
    """Copy arrays into a drain's memory as a store does, and receive them."""
    drain = Drain(images)
    drain(copied_into(drain.memory, arrays))
    return drain


def test_drain_counts_every_byte_and_keeps_the_last_image(images: ArrayImages) -> None:
    drain = Drain(images)
    assert drain(copied_into(drain.memory, images)) == images.pixel_bytes
    assert drain.last is not None
    assert (drain.last == images.pixels(20)).all()


def test_memory_begins_at_a_page_and_has_room_for_16_images(images: ArrayImages) -> None:
    memory = Drain(images).memory
    assert memory.ctypes.data % mmap.PAGESIZE == 0
    assert memory.size == 16384, "16 * 864, in whole pages"


def test_transposed_view_of_the_memory_is_copied_in_its_own_order() -> None:
    memory = np.arange(6, dtype=np.uint8)
    (copy,) = copied_into(memory, [memory.reshape(2, 3).T])
    assert copy.flags.c_contiguous
    assert copy.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_no_images_give_no_bytes(images: ArrayImages) -> None:
    assert Drain(images)([]) == 0
    check([], images, [])


def test_copy_is_kept_when_the_store_reuses_its_buffer(images: ArrayImages) -> None:
    buffer = np.empty((24, 36), np.uint8)

    def through_one_buffer() -> Iterator[np.ndarray]:
        for row in ALL:
            buffer[:] = images.pixels(row)
            yield buffer

    drain = received(images, through_one_buffer())
    buffer.fill(0)
    assert drain.last is not None
    assert (drain.last == images.pixels(20)).all()
    check(through_one_buffer(), images, ALL)


def test_images_outside_the_memory_fail(images: ArrayImages) -> None:
    with pytest.raises(Mismatch, match="read 0 did not arrive in the suite's memory"):
        Drain(images)(images)
    drain = Drain(images)
    beyond = np.lib.stride_tricks.as_strided(drain.memory, (drain.memory.size + 1,))
    with pytest.raises(Mismatch, match="read 0 did not arrive"):
        drain([beyond])


def test_a_view_that_repeats_bytes_fails(images: ArrayImages) -> None:
    drain = Drain(images)
    repeated = np.broadcast_to(drain.memory[:36], (24, 36))
    with pytest.raises(Mismatch, match="read 0 did not arrive"):
        drain([repeated])


def test_memory_left_by_an_earlier_sample_fails(images: ArrayImages) -> None:
    drain = received(images, images)
    drain.spoil()
    assert drain.last is None
    left = drain.memory[:864].reshape(24, 36)
    drain([left])
    with pytest.raises(Mismatch, match="image 20 came back with 1 of 864 values changed"):
        check([left], images, [20])


def test_views_of_an_overwritten_buffer_fail(images: ArrayImages) -> None:
    buffer = np.empty((24, 36), np.uint8)
    views = []
    for row in ALL:
        buffer[:] = images.pixels(row)
        views.append(buffer[:])
    with pytest.raises(Mismatch, match="image 20 came back in place of image 0"):
        check(views, images, ALL)


@pytest.mark.parametrize("transform", [np.asfortranarray, lambda each: np.flip(each.copy())])
def test_memory_order_does_not_change_values(images, transform) -> None:
    arrays = [transform(each) for each in images]
    drain = received(images, arrays)
    assert (drain.last == arrays[-1]).all()


def test_non_contiguous_images_are_equal(images: ArrayImages) -> None:
    check([np.asfortranarray(each) for each in images], images, ALL)
    spread = [np.repeat(each, 2, axis=1)[:, ::2] for each in images]
    check(spread, images, ALL)


def test_memory_map_is_copied_as_an_array(images, tmp_path) -> None:
    file = tmp_path / "image.bin"
    file.write_bytes(images.pixels(0).tobytes())
    mapped = np.memmap(file, np.uint8, "r", shape=(24, 36))
    drain = received(images, [mapped])
    assert (drain.last == images.pixels(0)).all()
    check([mapped], images, [0])


@pytest.mark.parametrize(
    "given",
    [memoryview(bytes(864)), bytes(864), [[0] * 36] * 24, Lazy(), pa.array([1]), None],
    ids=lambda given: type(given).__name__,
)
def test_objects_that_are_not_arrays_fail(images: ArrayImages, given: object) -> None:
    name = type(given).__name__
    for receive in (Drain(images), lambda arrays: received(images, arrays)):
        with pytest.raises(Mismatch, match=f"read 0 gave a {name}, not an array of pixels"):
            receive([given])  # type: ignore[list-item]
    with pytest.raises(Mismatch, match=f"image 4 came back as a {name}, not an array of pixels"):
        check([given], images, [4])  # type: ignore[list-item]


def test_image_larger_than_the_memory_fails_with_its_size(images: ArrayImages) -> None:
    with pytest.raises(
        Mismatch,
        match=r"read 0 gave float64 of \(24, 72, 2\), 27648 bytes; there is room for 16384",
    ):
        received(images, [np.zeros((24, 72, 2))])


def test_missing_image_is_named(images: ArrayImages) -> None:
    with pytest.raises(Mismatch, match="20 of the 21 images asked for came back, image 20 did not"):
        check(list(images)[:-1], images, ALL)


def test_surplus_image_fails(images: ArrayImages) -> None:
    with pytest.raises(Mismatch, match="more than the 21 images asked for came back"):
        check([*images, images.pixels(20)], images, ALL)


def test_duplicate_rows_are_returned_twice(images: ArrayImages) -> None:
    rows = [3, 3, 5]
    check([images.pixels(row) for row in rows], images, rows)
    with pytest.raises(Mismatch, match="image 5 came back in place of image 3"):
        check([images.pixels(3), images.pixels(5)], images, rows)


@given(row=st.integers(0, 20), value=st.integers(0, 863), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found_and_its_image_named(row: int, value: int, bit: int) -> None:
    images = noise(21)
    arrays = [each.copy() for each in images]
    arrays[row].flat[value] ^= 1 << bit
    with pytest.raises(Mismatch, match=f"image {row} came back with 1 of 864 values changed"):
        check(arrays, images, ALL)


@given(st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_any_other_order_fails(order: list[int]) -> None:
    images = noise(5)
    first = next(row for row in range(5) if order[row] != row)
    with pytest.raises(Mismatch, match=f"image {order[first]} came back in place of image {first}"):
        check([images.pixels(row) for row in order], images, range(5))


@pytest.mark.parametrize("dtype", ["i8", "i1", "u2", "f4", "bool", ">u2"])
def test_other_dtype_with_equal_values_fails(dtype: str) -> None:
    images = ArrayImages([np.ones((4, 5), np.uint8)])
    with pytest.raises(Mismatch, match=r"image 0 came back as \S+, not uint8"):
        check([np.ones((4, 5), dtype)], images, [0])


@pytest.mark.parametrize("shape", [(36, 24), (864,), (1, 24, 36), (24, 36, 1)])
def test_other_shape_with_equal_bytes_fails(images, shape) -> None:
    with pytest.raises(Mismatch, match="image 2 came back with shape"):
        check([images.pixels(2).reshape(shape)], images, [2])


def test_table_is_compared_in_every_column_and_row(images: ArrayImages) -> None:
    check_table(images.table, images)
    wells = images.table["well"].to_pylist()
    wells[7] = "A01"
    position = images.table.schema.get_field_index("well")
    changed = images.table.set_column(
        position, images.table.schema.field("well"), pa.array(wells, pa.string())
    )
    with pytest.raises(Mismatch, match="the table row of image 7"):
        check_table(changed, images)


@pytest.mark.parametrize(
    "broken",
    [
        lambda table: table.slice(0, 20),
        lambda table: table.drop_columns(["well"]),
        lambda table: table.set_column(0, "row", table["row"].cast(pa.int32())),
    ],
    ids=["row lost", "column lost", "column narrowed"],
)
def test_table_with_other_rows_or_columns_fails(images, broken) -> None:
    with pytest.raises(Mismatch, match="not the one of 21 images"):
        check_table(broken(images.table), images)
