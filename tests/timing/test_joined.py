"""Objects go with their own image, in the order of the table."""

from __future__ import annotations

import pyarrow as pa

from platebench.timing.joined import objects_by_image
from tests.images.test_objects import keyed

IMAGES = keyed(4).table


def parts_of(keys: list[tuple[str, int]]) -> list[list[int]]:
    objects = pa.table(
        {
            "plate": ["LT0001_02"] * len(keys),
            "well": [well for well, _ in keys],
            "frame": pa.array([frame for _, frame in keys], pa.int32()),
            "object": list(range(len(keys))),
            "area": [float(number) for number in range(len(keys))],
        }
    )
    parts = objects_by_image(objects, IMAGES, ["object", "area"])
    assert all(part.column_names == ["object", "area"] for part in parts)
    return [part["object"].to_pylist() for part in parts]


def test_objects_go_with_their_image() -> None:
    assert parts_of([("15", 0), ("15", 0), ("15", 2), ("15", 3)]) == [[0, 1], [], [2], [3]]


def test_objects_in_another_order_are_sorted_by_image() -> None:
    assert parts_of([("15", 3), ("15", 0), ("15", 3), ("15", 1)]) == [[1], [3], [], [0, 2]]


def test_objects_of_no_image_are_left_out() -> None:
    assert parts_of([("15", 0), ("16", 0), ("15", 9), ("15", 1)]) == [[0], [3], [], []]
    assert parts_of([]) == [[], [], [], []]
