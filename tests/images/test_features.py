from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from platebench.images.features import (
    GRID_SIDE,
    SHAPE_AND_INTENSITY,
    _arctangent,
    measure,
    outline,
)
from platebench.images.screen import FIRST_FRAME, Shot, segment


def column(measured, name):
    return measured.features[:, SHAPE_AND_INTENSITY.index(name)]


@pytest.fixture(scope="module")
def frame():
    return segment(1, Shot(0, 0, FIRST_FRAME), "raw")


def test_bounding_boxes_match_the_labels(frame):
    for label, window in enumerate(ndimage.find_objects(frame.labels), 1):
        rows, columns = window
        box = [columns.start, columns.stop - 1, rows.start, rows.stop - 1]
        assert frame.objects.bounding_box[label - 1].tolist() == box


def test_centers_are_inside_the_bounding_boxes(frame):
    left, right, top, bottom = frame.objects.bounding_box.T
    x, y = frame.objects.center.T
    assert ((left <= x) & (x <= right) & (top <= y) & (y <= bottom)).all()


def test_intensities_match_the_labelled_pixels(frame):
    labels = np.arange(1, len(frame.nuclei) + 1)
    for name, function in (
        ("Mean", ndimage.mean),
        ("Min", ndimage.minimum),
        ("Max", ndimage.maximum),
        ("Std", ndimage.standard_deviation),
    ):
        expected = function(frame.image.astype(np.float64), frame.labels, labels)
        assert np.allclose(column(frame.objects, f"Intensity_{name}Intensity_DNA"), expected)


def test_areas_match_the_labelled_pixels(frame):
    areas = np.bincount(frame.labels.ravel())[1:]
    assert np.array_equal(column(frame.objects, "AreaShape_Area"), areas)


def test_area_comparison_detects_one_missing_pixel(frame):
    labels = frame.labels.copy()
    labels[tuple(np.argwhere(labels == 1)[0])] = 0
    areas = np.bincount(labels.ravel())[1:]
    assert not np.array_equal(column(frame.objects, "AreaShape_Area"), areas)


def test_axes_and_angle_match_a_tilted_ellipse():
    y, x = np.mgrid[:200, :200] - 100.0
    angle = math.radians(30)
    along, across = (
        x * math.cos(angle) + y * math.sin(angle),
        y * math.cos(angle) - x * math.sin(angle),
    )
    labels = ((along / 60) ** 2 + (across / 30) ** 2 <= 1).astype(np.uint16)
    measured = measure(labels.astype(np.uint8), labels, 1)
    assert measured.orientation[0] == pytest.approx([angle, math.sqrt(0.75)], abs=0.01)
    assert column(measured, "AreaShape_MajorAxisLength") == pytest.approx(120, rel=0.01)
    assert column(measured, "AreaShape_MinorAxisLength") == pytest.approx(60, rel=0.01)


def test_angle_of_an_upright_bar_is_a_right_angle():
    labels = np.zeros((20, 20), np.uint16)
    labels[2:18, 9:11] = 1
    assert measure(labels.astype(np.uint8), labels, 1).orientation[0, 0] == pytest.approx(
        math.pi / 2
    )


def test_frame_without_objects_has_no_features():
    measured = measure(np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16), 0)
    assert measured.features.shape == (0, len(SHAPE_AND_INTENSITY))
    assert measured.grid.shape == (0, GRID_SIDE**2)


@given(st.floats(-1e12, 1e12))
def test_arctangent_is_accurate_to_1e_14(tangent):
    assert float(_arctangent(np.array([tangent]))[0]) == pytest.approx(
        math.atan(tangent), rel=1e-14
    )


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3))
def test_outline_of_a_rectangle_visits_each_corner_once(width, height, left, top):
    labels = np.zeros((12, 12), np.uint16)
    labels[top : top + height, left : left + width] = 7
    corners = outline(labels, 7, np.array([left, left + width - 1, top, top + height - 1]))
    points = list(zip(corners[::2], corners[1::2], strict=True))
    assert len(points) == len(set(points)) == 2 * (width + height)
    assert points[0] == (left, top)
    assert {x for x, _ in points} == set(range(left, left + width + 1))


def test_outlines_enclose_the_area_of_connected_objects(frame):
    for label in range(1, len(frame.nuclei) + 1):
        filled = ndimage.binary_fill_holes(frame.labels == label, np.ones((3, 3)))
        _, count = ndimage.label(filled)
        if count > 1:
            continue
        corners = outline(frame.labels, label, frame.objects.bounding_box[label - 1])
        x, y = np.array(corners[::2]), np.array(corners[1::2])
        area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
        assert area == filled.sum()


def test_probabilities_are_highest_for_the_drawn_class(frame):
    assert np.array_equal(frame.probabilities.argmax(axis=1), frame.classes)
    assert np.allclose(frame.probabilities.sum(axis=1), 1)
