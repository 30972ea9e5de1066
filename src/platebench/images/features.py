"""Measure the nuclei of a frame from its label image and its pixels.

Sums are integer sums, and all else is elementwise IEEE arithmetic, so results are bit-identical on
every machine. Names follow CellProfiler, which measured the nuclei of Mitocheck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPE_AND_INTENSITY = (
    "AreaShape_Area",
    "AreaShape_BoundingBoxArea",
    "AreaShape_Center_X",
    "AreaShape_Center_Y",
    "AreaShape_Eccentricity",
    "AreaShape_EquivalentDiameter",
    "AreaShape_Extent",
    "AreaShape_FormFactor",
    "AreaShape_MajorAxisLength",
    "AreaShape_MinorAxisLength",
    "AreaShape_Orientation",
    "AreaShape_Perimeter",
    "Intensity_IntegratedIntensity_DNA",
    "Intensity_MaxIntensity_DNA",
    "Intensity_MeanIntensity_DNA",
    "Intensity_MinIntensity_DNA",
    "Intensity_StdIntensity_DNA",
    "Intensity_MassDisplacement_DNA",
    "Location_CenterMassIntensity_X",
    "Location_CenterMassIntensity_Y",
)
"""Lengths in pixels, angles in degrees, intensities in grey levels."""

GRID_SIDE = 6
GRID = tuple(f"Grid_{row}_{column}" for row in range(GRID_SIDE) for column in range(GRID_SIDE))
"""Mean grey level of the nucleus in each square of a grid over its bounding box."""

_PI = 3.141592653589793


@dataclass(frozen=True)
class ObjectFeatures:
    """Features of the n objects of a frame, in the order of their labels.

    `bounding_box` int32 (n, 4): left, right, top, bottom in pixels, inclusive. `center` int32
    (n, 2): x, y. `orientation` float64 (n, 2): angle in radians, eccentricity. `features` float64
    (n, len(SHAPE_AND_INTENSITY)). `grid` float64 (n, len(GRID)).
    """

    bounding_box: np.ndarray
    center: np.ndarray
    orientation: np.ndarray
    features: np.ndarray
    grid: np.ndarray


class _Pixels:
    """Pixels with labels 1 to `count`, sorted by label."""

    def __init__(self, image: np.ndarray, labels: np.ndarray, count: int) -> None:
        places = np.flatnonzero(labels)
        places = places[np.argsort(labels.ravel()[places], kind="stable")]
        self.count = count
        self.object = labels.ravel()[places].astype(np.int64) - 1
        self.y, self.x = np.divmod(places, labels.shape[1])
        self.value = image.ravel()[places].astype(np.int64)
        self._starts = np.searchsorted(self.object, np.arange(count))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values` per object: int64, or float64 of whole numbers."""
        return np.asarray(np.add.reduceat(values, self._starts))

    def least(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.minimum.reduceat(values, self._starts))

    def most(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum.reduceat(values, self._starts))


def measure(image: np.ndarray, labels: np.ndarray, count: int) -> ObjectFeatures:
    """Measure objects 1 to `count` of `labels` in `image`. Each object needs at least one pixel."""
    if count == 0:
        return _nothing()
    pixels = _Pixels(image, labels, count)
    left, right = pixels.least(pixels.x), pixels.most(pixels.x)
    top, bottom = pixels.least(pixels.y), pixels.most(pixels.y)
    area, light = pixels.sum(np.ones_like(pixels.x)), pixels.sum(pixels.value)
    sum_x, sum_y = pixels.sum(pixels.x), pixels.sum(pixels.y)
    long, short, angle = _axes(pixels, area, sum_x, sum_y)
    eccentricity = np.sqrt(np.maximum(1.0 - (short * short) / (long * long), 0.0))
    perimeter = _perimeter(pixels, labels)
    box = (right - left + 1) * (bottom - top + 1)
    mean_x, mean_y, mean = sum_x / area, sum_y / area, light / area
    # The centre of mass of an object without light is its geometric centre.
    lit = np.maximum(light, 1)
    light_x = np.where(light > 0, pixels.sum(pixels.x * pixels.value) / lit, mean_x)
    light_y = np.where(light > 0, pixels.sum(pixels.y * pixels.value) / lit, mean_y)
    variance = (area * pixels.sum(pixels.value * pixels.value) - light * light) / (area * area)
    shift_x, shift_y = light_x - mean_x, light_y - mean_y
    columns = {
        "AreaShape_Area": area,
        "AreaShape_BoundingBoxArea": box,
        "AreaShape_Center_X": mean_x,
        "AreaShape_Center_Y": mean_y,
        "AreaShape_Eccentricity": eccentricity,
        "AreaShape_EquivalentDiameter": np.sqrt(area * 4.0 / _PI),
        "AreaShape_Extent": area / box,
        "AreaShape_FormFactor": 4.0 * _PI * area / (perimeter * perimeter),
        "AreaShape_MajorAxisLength": long,
        "AreaShape_MinorAxisLength": short,
        "AreaShape_Orientation": angle * 180.0 / _PI,
        "AreaShape_Perimeter": perimeter,
        "Intensity_IntegratedIntensity_DNA": light,
        "Intensity_MaxIntensity_DNA": pixels.most(pixels.value),
        "Intensity_MeanIntensity_DNA": mean,
        "Intensity_MinIntensity_DNA": pixels.least(pixels.value),
        "Intensity_StdIntensity_DNA": np.sqrt(variance),
        "Intensity_MassDisplacement_DNA": np.sqrt(shift_x * shift_x + shift_y * shift_y),
        "Location_CenterMassIntensity_X": light_x,
        "Location_CenterMassIntensity_Y": light_y,
    }
    return ObjectFeatures(
        bounding_box=np.stack([left, right, top, bottom], axis=1).astype(np.int32),
        center=np.stack([sum_x // area, sum_y // area], axis=1).astype(np.int32),
        orientation=np.stack([angle, eccentricity], axis=1),
        features=np.stack([columns[name] for name in SHAPE_AND_INTENSITY], axis=1).astype("f8"),
        grid=_grid(pixels, left, right, top, bottom),
    )


def _nothing() -> ObjectFeatures:
    return ObjectFeatures(
        np.zeros((0, 4), np.int32),
        np.zeros((0, 2), np.int32),
        np.zeros((0, 2)),
        np.zeros((0, len(SHAPE_AND_INTENSITY))),
        np.zeros((0, len(GRID))),
    )


def _axes(
    pixels: _Pixels, area: np.ndarray, sum_x: np.ndarray, sum_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return major axis, minor axis and angle of the ellipse with the same second moments.

    The angle is between the major axis and the x axis, in radians, from -pi/2 to pi/2.
    """
    square = area * area
    # A pixel is a square of side 1; its second moment is 1/12.
    xx = (area * pixels.sum(pixels.x * pixels.x) - sum_x * sum_x) / square + 1.0 / 12.0
    yy = (area * pixels.sum(pixels.y * pixels.y) - sum_y * sum_y) / square + 1.0 / 12.0
    xy = (area * pixels.sum(pixels.x * pixels.y) - sum_x * sum_y) / square
    difference = xx - yy
    spread = np.sqrt(difference * difference + 4.0 * xy * xy)
    long = 4.0 * np.sqrt((xx + yy + spread) / 2.0)
    short = 4.0 * np.sqrt(np.maximum(xx + yy - spread, 0.0) / 2.0)
    # Tangent of half the angle with sine 2 xy and cosine `difference`. It is infinite if upright.
    run = spread + difference
    upright = run <= spread * 1e-12
    slope = np.where(upright, 0.0, 2.0 * xy / np.where(upright, 1.0, run))
    angle = np.where(upright & (spread > 0), _PI / 2.0, _arctangent(slope))
    return long, short, angle


def _arctangent(tangent: np.ndarray) -> np.ndarray:
    """Return the arctangent: halve the angle four times, then sum the Taylor series.

    Implementations in different libraries may differ in the last bit.
    """
    for _ in range(4):
        tangent = tangent / (1.0 + np.sqrt(1.0 + tangent * tangent))
    square = tangent * tangent
    series = np.zeros_like(tangent)
    for power in range(15, 0, -2):
        series = 1.0 / power - square * series
    return np.asarray(16.0 * tangent * series)


def _perimeter(pixels: _Pixels, labels: np.ndarray) -> np.ndarray:
    """Return the number of pixel edges on the boundary of each object, float64."""
    padded = np.pad(labels, 1)
    width, flat = padded.shape[1], padded.ravel()
    places = (pixels.y + 1) * width + pixels.x + 1
    edges = np.zeros(len(places), np.int64)
    for neighbour in (-1, 1, -width, width):
        edges += flat[places + neighbour] != flat[places]
    return pixels.sum(edges).astype(np.float64)


def _grid(
    pixels: _Pixels, left: np.ndarray, right: np.ndarray, top: np.ndarray, bottom: np.ndarray
) -> np.ndarray:
    column = (pixels.x - left[pixels.object]) * GRID_SIDE // (right - left + 1)[pixels.object]
    row = (pixels.y - top[pixels.object]) * GRID_SIDE // (bottom - top + 1)[pixels.object]
    field = (pixels.object * GRID_SIDE + row) * GRID_SIDE + column
    fields = pixels.count * len(GRID)
    light = np.bincount(field, weights=pixels.value, minlength=fields)
    area = np.bincount(field, minlength=fields)
    return np.asarray((light / np.maximum(area, 1)).reshape(pixels.count, len(GRID)))


def outline(labels: np.ndarray, label: int, box: np.ndarray) -> list[int]:
    """Trace the outer boundary of an object along pixel edges; return corners x, y, x, y, ...

    `box` is left, right, top, bottom. Pixel (x, y) has the corners (x, y) to (x + 1, y + 1). The
    path starts at the leftmost corner of the top row and keeps the object on its right.
    """
    left, right, top, bottom = (int(side) for side in box)
    inside = np.pad(labels[top : bottom + 1, left : right + 1] == label, 1)
    width = inside.shape[1]
    solid = inside.tobytes()
    start = inside[1].tobytes().index(1) + width
    # A corner has the index of the padded pixel to its lower right. Steps: right, down, left, up.
    steps = (1, width, -1, -width)
    ahead_left, ahead_right = (-width, 0, -1, -width - 1), (0, -1, -width - 1, -width)
    corner, direction, path = start, 0, []
    while True:
        path += [corner % width + left - 1, corner // width + top - 1]
        corner += steps[direction]
        if corner == start:
            return path
        if not solid[corner + ahead_right[direction]]:
            direction = (direction + 1) % 4
        elif solid[corner + ahead_left[direction]]:
            direction = (direction - 1) % 4
