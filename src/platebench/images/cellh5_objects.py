"""Read the segmented objects of CellH5 files, with their features, as one table.

A row is an object in a frame: plate, well, site, frame, region (the kind of object), object (its
label in the frame), then what CellH5 keeps of it: bounding box, centre, orientation, the features
that the file names, the predicted class and its probability. Contours, tracks and events are left
out: they are not one value per object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images.cellh5_planes import positions_of
from platebench.images.names import Place
from platebench.limits import refuse_larger_than_memory

OBJECTS = "objects"
"""The name of the table."""

KEYS = {
    "plate": pa.string(),
    "well": pa.string(),
    "site": pa.string(),
    "frame": pa.int32(),
    "region": pa.string(),
    "object": pa.int32(),
}

_RECORDS = {
    "bounding_box": ("left", "right", "top", "bottom"),
    "center": ("x", "y"),
    "orientation": ("angle", "eccentricity"),
}
"""Datasets of records, and the fields that become columns: `center_x`."""


class MovieTables(Mapping[str, pa.Table]):
    """The table `objects` of CH5 files, if any of them has objects. It is read on access."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    @cached_property
    def _names(self) -> list[str]:
        return [OBJECTS] if any(_has_objects(file) for file in self._files) else []

    def __getitem__(self, name: str) -> pa.Table:
        if name not in self._names:
            raise KeyError(name)
        return pa.concat_tables(
            [table for file in self._files for table in _tables_in(file)],
            promote_options="default",
        ).combine_chunks()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_objects(file: Path) -> pa.Table:
    """Return the objects of one CH5 file. Raises KeyError if it has none, UserError if damaged."""
    return MovieTables([file])[OBJECTS]


def _has_objects(path: Path) -> bool:
    with _reading(path) as file:
        return any(
            True for name, _ in positions_of(file) for _ in _regions(file[name].get("object"))
        )


def _tables_in(path: Path) -> list[pa.Table]:
    with _reading(path) as file:
        return [
            _read(path, file, position, place, region)
            for position, place in positions_of(file)
            for region in _regions(file[position].get("object"))
        ]


@contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    """Open a CH5 file. Whatever HDF5 raises on damaged bytes becomes a UserError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0][:200] or type(error).__name__
        raise UserError(f"{path}: its objects cannot be read ({reason})") from error


def _regions(objects: object) -> Iterator[str]:
    """Yield the kinds of objects that were segmented, not the relations between objects."""
    if isinstance(objects, h5py.Group):
        for name in objects:
            found = objects.get(name)
            if isinstance(found, h5py.Dataset) and "obj_label_id" in (found.dtype.names or ()):
                yield name


def _read(path: Path, file: h5py.File, position: str, place: Place, region: str) -> pa.Table:
    group = file[position]
    objects = _whole(path, group[f"object/{region}"])
    rows = len(objects)
    keys = {
        "plate": [place.plate] * rows,
        "well": [place.well] * rows,
        "site": [place.site] * rows,
        "frame": objects["time_idx"],
        "region": [region] * rows,
        "object": objects["obj_label_id"],
    }
    columns = {name: pa.array(values, KEYS[name]) for name, values in keys.items()}
    features = group.get(f"feature/{region}")
    definition = file.get(f"definition/feature/{region}")
    for name, values in _features(path, features, definition):
        if len(values) != rows:
            raise UserError(
                f"{path}: {position}/feature/{region} has {len(values)} values of {name!r} for"
                f" {rows} objects"
            )
        columns.setdefault(name, pa.array(values))
    return pa.table(columns)


def _features(path: Path, features: Any, definition: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the values of each feature."""
    if not isinstance(features, h5py.Group):
        return
    for name, fields in _RECORDS.items():
        if name in features:
            records = _whole(path, features[name])
            for field in fields:
                yield f"{name}_{field}", np.ascontiguousarray(records[field])
    if "object_features" in features:
        values = _whole(path, features["object_features"])
        names = _texts(path, definition, "object_features", "name")
        for place in range(values.shape[1]):
            name = names[place] if place < len(names) else f"feature_{place}"
            yield name, np.ascontiguousarray(values[:, place])
    if "object_classification/prediction" in features:
        labels = _texts(path, definition, "object_classification/class_labels", "name")
        predicted = _whole(path, features["object_classification/prediction"])["label_idx"]
        # -99 is CellH5's mark of an object without a prediction.
        yield "class", [labels[each] if 0 <= each < len(labels) else None for each in predicted]
    if "object_classification/probability" in features:
        yield "probability", _whole(path, features["object_classification/probability"]).max(axis=1)


def _texts(path: Path, group: Any, name: str, field: str) -> list[str]:
    if not isinstance(group, h5py.Group) or name not in group:
        return []
    return [each.decode() for each in _whole(path, group[name])[field].tolist()]


def _whole(path: Path, data: h5py.Dataset) -> np.ndarray:
    """Read a dataset whose claimed size has been checked."""
    refuse_larger_than_memory(f"{path}: {data.name}", data.nbytes)
    values: np.ndarray = data[()]
    return values
