from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import ndimage

from platebench.images.cellh5 import (
    FRAMES_BESIDE_EVENT,
    pack_contour,
    unpack_contour,
    write_cellh5,
)
from platebench.images.cellh5_planes import planes_of
from platebench.images.features import SHAPE_AND_INTENSITY
from platebench.images.movie import FRAMES
from platebench.images.nuclei import CLASSES
from platebench.images.screen import (
    FIRST_FRAME,
    FRAMES_PER_MOVIE,
    place_of_shot,
    segment,
    shots,
)

G = "/sample/0/plate/LT0001_02/experiment/00015/position/01"
F = f"{G}/feature/primary__primary"
D = "/definition/feature/primary__primary"
I4, U4, F8 = "<i4", "<u4", "<f8"

# Every dataset of the layout, with its dtype and number of axes.
LAYOUT = {
    f"{G}/image/channel": ("|u1", 5),
    f"{G}/image/region": ("<u2", 5),
    f"{G}/image/time_lapse": (
        [("frame", I4), ("timestamp_abs", I4), ("timestamp_rel", I4)],
        1,
    ),
    f"{G}/object/primary__primary": ([("time_idx", I4), ("obj_label_id", I4)], 1),
    f"{G}/object/tracking": ([("obj_idx1", U4), ("obj_idx2", U4)], 1),
    f"{G}/object/event": ([("obj_id", U4), ("idx1", U4), ("idx2", U4)], 1),
    f"{F}/bounding_box": ([("left", I4), ("right", I4), ("top", I4), ("bottom", I4)], 1),
    f"{F}/center": ([("x", I4), ("y", I4)], 1),
    f"{F}/orientation": ([("angle", F8), ("eccentricity", F8)], 1),
    f"{F}/object_features": (F8, 2),
    f"{F}/crack_contour": ("|O", 1),
    f"{F}/object_classification/prediction": ([("label_idx", I4)], 1),
    f"{F}/object_classification/probability": (F8, 2),
    "/definition/image/channel": (
        [
            ("channel_name", "S50"),
            ("description", "S100"),
            ("is_physical", "?"),
            ("voxel_size", F8, (3,)),
            ("color", "S7"),
        ],
        1,
    ),
    "/definition/image/region": ([("region_name", "S50"), ("channel_idx", I4)], 1),
    "/definition/image/time_lapse": ("S12", 1),
    "/definition/object/primary__primary": (
        [("name", "S512"), ("type", "S512"), ("source1", "S512"), ("source2", "S512")],
        1,
    ),
    "/definition/object/tracking": (
        [("name", "S512"), ("type", "S512"), ("source1", "S512"), ("source2", "S512")],
        1,
    ),
    "/definition/object/event": (
        [("name", "S512"), ("type", "S512"), ("source1", "S512"), ("source2", "S512")],
        1,
    ),
    f"{D}/bounding_box": ([("name", "S16")], 1),
    f"{D}/center": ([("name", "S16")], 1),
    f"{D}/orientation": ([("name", "S16")], 1),
    f"{D}/crack_contour": ([("name", "S512")], 1),
    f"{D}/object_features": ([("name", "S256")], 1),
    f"{D}/object_classification/class_labels": (
        [("label", I4), ("name", "S100"), ("color", "S9")],
        1,
    ),
}

# Datasets with one row per object and frame, which can grow.
TABLES = [
    f"{G}/object/primary__primary",
    f"{F}/bounding_box",
    f"{F}/center",
    f"{F}/orientation",
    f"{F}/object_features",
    f"{F}/crack_contour",
    f"{F}/object_classification/prediction",
    f"{F}/object_classification/probability",
]


@pytest.fixture(scope="module")
def movie_file(screen):
    return screen / "ch5" / "LT0001_02" / "hdf5" / "00015_01.ch5"


@pytest.fixture
def movie(movie_file):
    with h5py.File(movie_file) as file:
        yield file


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(
        lambda _, item: (
            found.__setitem__(item.name, item) if isinstance(item, h5py.Dataset) else None
        )
    )
    return found


def test_file_has_exactly_the_datasets_of_the_layout(movie):
    assert set(datasets(movie)) == set(LAYOUT)


@pytest.mark.parametrize("path", LAYOUT)
def test_dataset_has_dtype_and_axes_of_the_layout(movie, path):
    dtype, axes = LAYOUT[path]
    assert movie[path].dtype == np.dtype(dtype)
    assert movie[path].ndim == axes


def test_dtype_comparison_detects_a_wrong_dtype(movie):
    assert movie[f"{G}/image/region"].dtype != np.dtype("|u1")
    assert movie[f"{F}/center"].dtype != np.dtype([("x", F8), ("y", F8)])


@pytest.mark.parametrize("name", ["channel", "region"])
def test_images_are_gzipped_in_chunks_of_a_quarter_of_each_side(movie, name):
    images = movie[f"{G}/image/{name}"]
    assert images.shape == (1, FRAMES, 1, 1024, 1344)
    assert images.chunks == (1, 1, 1, 256, 336)
    assert images.compression == "gzip"


@pytest.mark.parametrize("name", ["channel", "region"])
def test_attribute_valid_marks_the_written_frames(movie, name):
    attributes = movie[f"{G}/image/{name}"].attrs
    assert list(attributes) == ["valid"]
    assert attributes["valid"].dtype == np.dtype("<f8")
    written = np.flatnonzero(attributes["valid"])
    assert written.tolist() == list(range(FIRST_FRAME, FIRST_FRAME + FRAMES_PER_MOVIE))


def test_only_images_and_class_labels_have_attributes(movie):
    labels = f"{D}/object_classification/class_labels"
    for path, dataset in datasets(movie).items():
        if path != labels and "/image/" not in path:
            assert list(dataset.attrs) == []
    attributes = movie[labels].attrs
    assert set(attributes) == {"UNPREDICED_LABEL", "UNPREDICED_PROB"}
    assert (attributes["UNPREDICED_LABEL"], attributes["UNPREDICED_LABEL"].dtype) == (-99, "i4")
    assert np.isnan(attributes["UNPREDICED_PROB"])
    assert attributes["UNPREDICED_PROB"].dtype == "f4"


def test_tables_have_equal_length_and_can_grow(movie):
    rows = len(movie[TABLES[0]])
    for path in TABLES:
        assert len(movie[path]) == rows
        assert movie[path].maxshape[0] is None
    for path in (f"{G}/object/tracking", f"{G}/object/event"):
        assert movie[path].maxshape == (None,)
    assert movie[f"{F}/object_features"].compression == "gzip"
    assert movie[f"{G}/image/time_lapse"].compression == "gzip"


def test_definitions_match_the_position(movie):
    kinds = {name: item["type"][0] for name, item in movie["/definition/object"].items()}
    assert kinds == {"primary__primary": b"region", "tracking": b"relation", "event": b"object"}
    assert movie["/definition/image/region"]["region_name"][0] == b"region___primary__primary"
    assert movie["/definition/image/channel"]["color"][0] == b"#00ff00"
    names = [name.decode() for name in movie[f"{D}/object_features"]["name"]]
    assert names == list(SHAPE_AND_INTENSITY)
    assert movie[f"{F}/object_features"].shape[1] == len(names)
    labels = movie[f"{D}/object_classification/class_labels"]
    assert [name.decode() for name in labels["name"]] == list(CLASSES)
    assert labels["label"].tolist() == list(range(len(CLASSES)))
    assert movie[f"{F}/object_classification/probability"].shape[1] == len(CLASSES)
    for name in ("bounding_box", "center", "orientation"):
        columns = [column.decode() for column in movie[f"{D}/{name}"]["name"]]
        assert columns == list(movie[f"{F}/{name}"].dtype.names)


def test_frames_are_half_an_hour_apart(movie):
    lapse = movie[f"{G}/image/time_lapse"][:]
    assert lapse["frame"].tolist() == list(range(FRAMES))
    assert set(np.diff(lapse["timestamp_rel"])) == set(np.diff(lapse["timestamp_abs"])) == {1800}


def test_objects_are_sorted_by_time_then_label(movie):
    objects = movie[f"{G}/object/primary__primary"][:]
    keys = list(zip(objects["time_idx"], objects["obj_label_id"], strict=True))
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("frame", [FIRST_FRAME, FIRST_FRAME + 20])
def test_tables_labels_and_pixels_agree(movie, frame):
    labels = movie[f"{G}/image/region"][0, frame, 0]
    pixels = movie[f"{G}/image/channel"][0, frame, 0].astype(np.float64)
    rows = np.flatnonzero(movie[f"{G}/object/primary__primary"]["time_idx"] == frame)
    assert len(rows) == labels.max()
    boxes, centers = movie[f"{F}/bounding_box"][:], movie[f"{F}/center"][:]
    mean = SHAPE_AND_INTENSITY.index("Intensity_MeanIntensity_DNA")
    for label, (row, window) in enumerate(
        zip(rows, ndimage.find_objects(labels), strict=True), start=1
    ):
        own = labels == label
        box, center = boxes[row], centers[row]
        vertical, horizontal = window
        assert (box["left"], box["right"] + 1) == (horizontal.start, horizontal.stop)
        assert (box["top"], box["bottom"] + 1) == (vertical.start, vertical.stop)
        assert box["left"] <= center["x"] <= box["right"]
        assert box["top"] <= center["y"] <= box["bottom"]
        assert movie[f"{F}/object_features"][row, mean] == pytest.approx(pixels[own].mean())
        corners = unpack_contour(movie[f"{F}/crack_contour"][row])
        assert min(corners[1::2]) == box["top"]
        assert set(corners[::2]) <= set(range(box["left"], box["right"] + 2))


def test_predictions_are_the_most_probable_classes(movie):
    prediction = movie[f"{F}/object_classification/prediction"]["label_idx"]
    probability = movie[f"{F}/object_classification/probability"][:]
    assert np.array_equal(probability.argmax(axis=1), prediction)


def test_tracks_connect_nearby_objects_of_successive_frames(movie):
    tracking = movie[f"{G}/object/tracking"][:]
    times = movie[f"{G}/object/primary__primary"]["time_idx"]
    centers = movie[f"{F}/center"][:]
    before, after = tracking["obj_idx1"], tracking["obj_idx2"]
    assert (times[after] == times[before] + 1).all()
    assert np.abs(centers["x"][after] - centers["x"][before]).max() < 60
    assert len(set(after)) == len(after)
    assert set(np.bincount(before)) == {0, 1, 2}


def branches(event: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """Return both tracks of every event, computed as the cellh5 package does.

    The tracks split at the row that occurs twice in `idx1`. The first track is everything before
    its second occurrence; the other one is everything up to its first and after its second.
    """
    found = []
    for number in np.unique(event["obj_id"]):
        steps = event[event["obj_id"] == number]
        before, after = steps["idx1"].tolist(), steps["idx2"].tolist()
        (split,) = {row for row in before if before.count(row) > 1}
        one, other = (place for place, row in enumerate(before) if row == split)
        first = [*before[:other], after[other - 1]]
        second = [*before[: one + 1], *after[other:]]
        found.append((first, second))
    return found


def test_events_are_divisions_along_tracks(movie):
    event = movie[f"{G}/object/event"][:]
    tracking = movie[f"{G}/object/tracking"][:]
    tracks = set(tracking[["obj_idx1", "obj_idx2"]].tolist())
    assert set(event[["idx1", "idx2"]].tolist()) <= tracks
    numbers = np.unique(event["obj_id"])
    assert numbers.tolist() == list(range(len(numbers)))
    assert len(numbers) > 0
    for number in numbers:
        assert len(event[event["obj_id"] == number]) <= 3 * FRAMES_BESIDE_EVENT
    classes = movie[f"{F}/object_classification/prediction"]["label_idx"]
    assert CLASSES.index("Anaphase") in classes[event["idx2"]]


def test_event_tracks_are_in_time_order_and_share_the_mother(movie):
    times = movie[f"{G}/object/primary__primary"]["time_idx"]
    classes = movie[f"{F}/object_classification/prediction"]["label_idx"]
    for first, second in branches(movie[f"{G}/object/event"][:]):
        for track in (first, second):
            assert max(track) < len(times)
            assert set(np.diff(times[track])) == {1}
        shared = [one for one, other in zip(first, second, strict=False) if one == other]
        assert 0 < len(shared) < min(len(first), len(second))
        assert not set(first[len(shared) :]) & set(second[len(shared) :])
        assert CLASSES[classes[shared[-1]]] == "Metaphase"
        for track in (first, second):
            assert CLASSES[classes[track[len(shared)]]] == "Anaphase"


def test_division_is_an_event_if_both_daughters_are_visible(movie):
    tracking = movie[f"{G}/object/tracking"][:]
    splits = np.flatnonzero(np.bincount(tracking["obj_idx1"]) == 2)
    shared = {
        max(set(first) & set(second)) for first, second in branches(movie[f"{G}/object/event"][:])
    }
    assert shared == set(splits.tolist())


def test_planes_equal_the_images_of_the_tiff_files(screen, movie_file):
    planes = planes_of(movie_file, "movie.ch5")
    assert [plane.place.frame for plane in planes] == list(range(43, 43 + FRAMES_PER_MOVIE))
    folder = screen / "tiff"
    assert {(plane.place.channel, plane.place.z) for plane in planes} == {("H2B-GFP", 0)}
    for plane in planes[::10]:
        name = f"LT0001_02.LT0001_02_15_{plane.place.frame}_IC.tif"
        assert plane.file() == (folder / name).read_bytes()
        assert plane.filesize == (folder / name).stat().st_size


def test_movie_of_one_frame_has_all_tables(tmp_path):
    (shot,) = shots(1)
    path = tmp_path / "one.ch5"
    write_cellh5(path, place_of_shot(shot), [segment(1, shot, "ic")])
    with h5py.File(path) as file:
        assert set(datasets(file)) == set(LAYOUT)
        assert len(file[f"{G}/object/tracking"]) == 0
    assert len(planes_of(path, "one.ch5")) == 1


def test_unpack_contour_inverts_pack_contour():
    assert unpack_contour(pack_contour([3, 4, 10, 4])) == [3, 4, 10, 4]
