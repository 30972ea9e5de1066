"""Write CellH5 files: HDF5 in the layout of CellCognition, one movie of one position per file.

A position is the group /sample/0/plate/{plate}/experiment/{well}/position/{site}; /definition
describes its datasets. The layout is the one that the CellH5 library, CellCognition's exporter and
Bio-Formats' CellH5Reader agree on.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from pathlib import Path

import h5py
import imagecodecs
import numpy as np

from platebench.images.features import SHAPE_AND_INTENSITY, outline
from platebench.images.movie import FRAMES
from platebench.images.names import Place
from platebench.images.nuclei import CLASSES
from platebench.images.screen import Segmented

REGION = "primary__primary"
"""Name of the only object type: nuclei, segmented in the first channel."""

UNPREDICTED = -99
MINUTES_PER_FRAME = 30
FIRST_TIMESTAMP = 1132142400
"""16 November 2005, 12:00 UTC, in seconds: the date of plate LT0001_02 in idr0013."""

FRAMES_BESIDE_EVENT = 4
"""Number of frames of the mother, and of each daughter, that an event contains."""

_GZIP = {"compression": "gzip", "compression_opts": 4}
_DEFLATE_LEVEL = 1
_CLASS_COLOURS = (
    "#00ff00",
    "#0080ff",
    "#80ff00",
    "#ff80ff",
    "#8000ff",
    "#ffff00",
    "#ff8000",
    "#ff0000",
    "#808080",
)

_TIME_LAPSE = np.dtype([("frame", "<i4"), ("timestamp_abs", "<i4"), ("timestamp_rel", "<i4")])
_OBJECT = np.dtype([("time_idx", "<i4"), ("obj_label_id", "<i4")])
_TRACKING = np.dtype([("obj_idx1", "<u4"), ("obj_idx2", "<u4")])
_EVENT = np.dtype([("obj_id", "<u4"), ("idx1", "<u4"), ("idx2", "<u4")])
_BOUNDING_BOX = np.dtype([(side, "<i4") for side in ("left", "right", "top", "bottom")])
_CENTER = np.dtype([("x", "<i4"), ("y", "<i4")])
_ORIENTATION = np.dtype([("angle", "<f8"), ("eccentricity", "<f8")])
_PREDICTION = np.dtype([("label_idx", "<i4")])
_CLASS_LABEL = np.dtype([("label", "<i4"), ("name", "S100"), ("color", "S9")])
_CHANNEL = np.dtype(
    [
        ("channel_name", "S50"),
        ("description", "S100"),
        ("is_physical", "?"),
        ("voxel_size", "<f8", (3,)),
        ("color", "S7"),
    ]
)
_REGION = np.dtype([("region_name", "S50"), ("channel_idx", "<i4")])
_OBJECT_KIND = np.dtype([(name, "S512") for name in ("name", "type", "source1", "source2")])


def write_cellh5(
    path: Path, place: Place, frames: Iterable[Segmented], length: int = FRAMES
) -> None:
    """Write a movie of `length` frames: `frames` in time order, each at its index.

    Frames that are not given stay unwritten; the attribute `valid` is 0 for them. A site without
    frames is a movie of one frame.
    """
    with h5py.File(path, "w") as file:
        position = file.create_group(_position(place))
        objects = _Objects()
        images, regions = None, None
        channels: tuple[str, ...] = ()
        for frame in frames:
            if images is None or regions is None:
                images = _planes(position, "image/channel", frame.planes, length)
                regions = _planes(position, "image/region", frame.labels[None, None], length)
                channels = frame.channels
            _write_frame(images, frame.time, frame.planes)
            _write_frame(regions, frame.time, frame.labels[None, None])
            objects.append(frame)
        _write_time_lapse(position, length)
        _write_objects(position, objects)
        _write_definition(file.create_group("definition"), channels)


def well_name(place: Place) -> str:
    """Return the name of a well in CH5: 00015 of a number, A01 of a row and a column."""
    well = place.well or "0"
    return f"{int(well):05d}" if well.isdigit() else well


def _position(place: Place) -> str:
    well = well_name(place)
    return f"/sample/0/plate/{place.plate}/experiment/{well}/position/{place.site}"


def _planes(position: h5py.Group, name: str, like: np.ndarray, frames: int) -> h5py.Dataset:
    """Create a dataset (c, frames, z, y, x) with chunks a quarter as high and as wide.

    `like` are the planes of a frame, (c, z, y, x).
    """
    channels, slices, height, width = like.shape
    planes = position.create_dataset(
        name,
        shape=(channels, frames, slices, height, width),
        dtype=like.dtype.newbyteorder("<"),
        chunks=(1, 1, 1, -(-height // 4), -(-width // 4)),
        **_GZIP,
    )
    planes.attrs["valid"] = np.zeros(frames, np.float64)
    return planes


def _write_frame(planes: h5py.Dataset, frame: int, images: np.ndarray) -> None:
    """Write the planes of a frame, (c, z, y, x)."""
    for channel, slices in enumerate(images):
        for depth, plane in enumerate(slices):
            _write_plane(planes, (channel, frame, depth), plane)
    valid = planes.attrs["valid"]
    valid[frame] = 1
    planes.attrs["valid"] = valid


def _write_plane(planes: h5py.Dataset, index: tuple[int, int, int], plane: np.ndarray) -> None:
    """Write one plane, compressed with libdeflate: HDF5's own zlib takes 1.5 times as long."""
    height, width = planes.chunks[-2:]
    for top in range(0, plane.shape[0], height):
        for left in range(0, plane.shape[1], width):
            chunk = np.zeros((height, width), planes.dtype)
            part = plane[top : top + height, left : left + width]
            chunk[: part.shape[0], : part.shape[1]] = part
            packed = imagecodecs.deflate_encode(chunk.tobytes(), level=_DEFLATE_LEVEL)
            planes.id.write_direct_chunk((*index, top, left), packed)


def _write_time_lapse(position: h5py.Group, frames: int) -> None:
    lapse = np.zeros(frames, _TIME_LAPSE)
    lapse["frame"] = np.arange(frames)
    lapse["timestamp_rel"] = lapse["frame"] * MINUTES_PER_FRAME * 60
    lapse["timestamp_abs"] = FIRST_TIMESTAMP + lapse["timestamp_rel"]
    position.create_dataset("image/time_lapse", data=lapse, **_GZIP)


@dataclass
class _Objects:
    """Object and feature tables of a movie, one array per frame; all have the same row order."""

    objects: list[np.ndarray] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    centers: list[np.ndarray] = field(default_factory=list)
    orientations: list[np.ndarray] = field(default_factory=list)
    features: list[np.ndarray] = field(default_factory=list)
    contours: list[str] = field(default_factory=list)
    classes: list[np.ndarray] = field(default_factory=list)
    probabilities: list[np.ndarray] = field(default_factory=list)
    rows: dict[tuple[int, int], int] = field(default_factory=dict)
    mothers: dict[int, int | None] = field(default_factory=dict)

    def append(self, frame: Segmented) -> None:
        """Append the objects of a frame."""
        measured, time = frame.objects, frame.time
        objects = np.zeros(len(frame.nuclei), _OBJECT)
        objects["time_idx"] = time
        objects["obj_label_id"] = np.arange(1, len(frame.nuclei) + 1)
        for label, nucleus in enumerate(frame.nuclei, 1):
            self.rows[time, nucleus.number] = len(self.contours)
            self.mothers[nucleus.number] = nucleus.mother
            corners = outline(frame.labels, label, measured.bounding_box[label - 1])
            self.contours.append(pack_contour(corners))
        self.objects.append(objects)
        self.boxes.append(_as_records(measured.bounding_box, _BOUNDING_BOX))
        self.centers.append(_as_records(measured.center, _CENTER))
        self.orientations.append(_as_records(measured.orientation, _ORIENTATION))
        self.features.append(measured.features)
        self.classes.append(_as_records(frame.classes[:, np.newaxis], _PREDICTION))
        self.probabilities.append(frame.probabilities)

    def tracking(self) -> np.ndarray:
        """Return pairs of rows of one nucleus in successive frames, or of mother and daughter."""
        pairs = [
            (before, row) for key, row in self.rows.items() if (before := self._before(*key)) >= 0
        ]
        return np.array(pairs, _TRACKING)

    def events(self) -> np.ndarray:
        """Return the divisions: the steps of the mother's track, then those of each daughter's.

        Both daughters' tracks begin at the mother's last row; readers find the split by it. A
        division is included if both daughters are in the frame after the mother's last one.
        """
        divisions = [
            (mother, daughters)
            for mother in sorted({each for each in self.mothers.values() if each is not None})
            if len(daughters := self._seen_daughters(mother)) == 2
        ]
        steps = [
            (event, before, after)
            for event, (mother, daughters) in enumerate(divisions)
            for before, after in self._steps(mother, daughters)
        ]
        return np.array(steps, _EVENT)

    def _before(self, time: int, number: int) -> int:
        """Return the row of this nucleus, or of its mother, in the previous frame, or -1."""
        before = self.rows.get((time - 1, number), -1)
        mother = self.mothers[number]
        if before < 0 and mother is not None:
            before = self.rows.get((time - 1, mother), -1)
        return before

    def _last_time(self, number: int) -> int:
        """Return the last frame with this nucleus, or -2 if there is none."""
        return max((time for time, nucleus in self.rows if nucleus == number), default=-2)

    def _seen_daughters(self, mother: int) -> list[int]:
        born = self._last_time(mother) + 1
        return [
            number
            for number, other in sorted(self.mothers.items())
            if other == mother and (born, number) in self.rows
        ]

    def _steps(self, mother: int, daughters: list[int]) -> Iterator[tuple[int, int]]:
        """Yield pairs of successive rows of the mother's track, then of each daughter's."""
        split = self._last_time(mother)
        track = self._track(mother, range(split, split - FRAMES_BESIDE_EVENT, -1))[::-1]
        yield from pairwise(track)
        for daughter in daughters:
            after = range(split + 1, split + 1 + FRAMES_BESIDE_EVENT)
            yield from pairwise([track[-1], *self._track(daughter, after)])

    def _track(self, number: int, times: Iterable[int]) -> list[int]:
        """Return the rows of a nucleus at these times, up to the first time without it."""
        keys = takewhile(self.rows.__contains__, ((time, number) for time in times))
        return [self.rows[key] for key in keys]


def _as_records(columns: np.ndarray, dtype: np.dtype) -> np.ndarray:
    records = np.empty(len(columns), dtype)
    for place, name in enumerate(dtype.names or ()):
        records[name] = columns[:, place]
    return records


def _write_objects(position: h5py.Group, objects: _Objects) -> None:
    _write_table(position, f"object/{REGION}", np.concatenate(objects.objects))
    _write_table(position, "object/tracking", objects.tracking())
    _write_table(position, "object/event", objects.events())
    feature = position.create_group(f"feature/{REGION}")
    _write_table(feature, "bounding_box", np.concatenate(objects.boxes))
    _write_table(feature, "center", np.concatenate(objects.centers))
    _write_table(feature, "orientation", np.concatenate(objects.orientations))
    _write_table(feature, "object_features", np.concatenate(objects.features), **_GZIP)
    contours = np.array(objects.contours, dtype=h5py.string_dtype("ascii"))
    _write_table(feature, "crack_contour", contours)
    guess = feature.create_group("object_classification")
    _write_table(guess, "prediction", np.concatenate(objects.classes))
    _write_table(guess, "probability", np.concatenate(objects.probabilities))


def _write_table(group: h5py.Group, name: str, rows: np.ndarray, **options: object) -> None:
    """Write rows as a dataset that can grow along its first axis."""
    shape = (None, *rows.shape[1:])
    chunks = (1024, *rows.shape[1:])
    group.create_dataset(name, data=rows, maxshape=shape, chunks=chunks, **options)


def _write_definition(definition: h5py.Group, channels: tuple[str, ...]) -> None:
    described = [(name.encode(), b"stain") for name in channels] or [(b"H2B-GFP", b"chromatin")]
    rows = [(*each, True, (1.0, 1.0, 1.0), b"#00ff00") for each in described]
    definition["image/channel"] = np.array(rows, _CHANNEL)
    definition["image/region"] = np.array([(f"region___{REGION}", 0)], _REGION)
    definition["image/time_lapse"] = np.array(_TIME_LAPSE.names, "S12")
    kinds = {
        REGION: ("region", f"region___{REGION}", ""),
        "tracking": ("relation", REGION, REGION),
        "event": ("object", "tracking", ""),
    }
    for name, kind in kinds.items():
        definition[f"object/{name}"] = np.array([(name, *kind)], _OBJECT_KIND)
    feature = definition.create_group(f"feature/{REGION}")
    for name, dtype in (
        ("bounding_box", _BOUNDING_BOX),
        ("center", _CENTER),
        ("orientation", _ORIENTATION),
    ):
        feature[name] = np.array([(column,) for column in dtype.names or ()], [("name", "S16")])
    feature["crack_contour"] = np.array([("contour_polygon",)], [("name", "S512")])
    names = [(name,) for name in SHAPE_AND_INTENSITY]
    feature["object_features"] = np.array(names, [("name", "S256")])
    labels = [
        (label, name, colour)
        for label, (name, colour) in enumerate(zip(CLASSES, _CLASS_COLOURS, strict=True))
    ]
    feature["object_classification/class_labels"] = np.array(labels, _CLASS_LABEL)
    attributes = feature["object_classification/class_labels"].attrs
    attributes["UNPREDICED_LABEL"] = np.int32(UNPREDICTED)
    attributes["UNPREDICED_PROB"] = np.float32(np.nan)


def pack_contour(corners: list[int]) -> str:
    """Encode corners (x, y, x, y, ...) as CellH5 stores them: base64 of zlib of decimal text."""
    return base64.b64encode(zlib.compress(",".join(map(str, corners)).encode())).decode()


def unpack_contour(text: str | bytes) -> list[int]:
    """Decode the corners that `pack_contour` encoded."""
    return [int(number) for number in zlib.decompress(base64.b64decode(text)).split(b",")]
