"""What is measured of the nuclei in a frame, from its label image and its pixels.

Sums are sums of integers, and the rest elementwise IEEE operations, so every machine measures
the same to the last bit. Names follow CellProfiler, which Mitocheck's nuclei were measured with.
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
"""Mean grey level of the nucleus in each field of a grid laid over its bounding box."""

_PI = 3.141592653589793


@dataclass(frozen=True)
class Measured:
    """The n objects of a frame, label 1 first.

    `bounding_box` int32 (n, 4): left, right, top, bottom, all inside the object. `center` int32
    (n, 2): x, y. `orientation` float64 (n, 2): angle in radians, eccentricity. `features` float64
    (n, len(SHAPE_AND_INTENSITY)), `grid` float64 (n, len(GRID)).
    """

    bounding_box: np.ndarray
    center: np.ndarray
    orientation: np.ndarray
    features: np.ndarray
    grid: np.ndarray


class _Pixels:
    """The pixels under labels 1 to `count`, sorted by label."""

    def __init__(self, image: np.ndarray, labels: np.ndarray, count: int) -> None:
        places = np.flatnonzero(labels)
        places = places[np.argsort(labels.ravel()[places], kind="stable")]
        self.count = count
        self.object = labels.ravel()[places].astype(np.int64) - 1
        self.y, self.x = np.divmod(places, labels.shape[1])
        self.value = image.ravel()[places].astype(np.int64)
        self._starts = np.searchsorted(self.object, np.arange(count))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values` for each object: int64, or float64 of whole numbers."""
        return np.asarray(np.add.reduceat(values, self._starts))

    def least(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.minimum.reduceat(values, self._starts))

    def most(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum.reduceat(values, self._starts))


def measure(image: np.ndarray, labels: np.ndarray, count: int) -> Measured:
    """Measure objects 1 to `count` of `labels`, each of which has a pixel, in `image`."""
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
    # Where an object is black all over, its centre of light is its centre.
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
    return Measured(
        bounding_box=np.stack([left, right, top, bottom], axis=1).astype(np.int32),
        center=np.stack([sum_x // area, sum_y // area], axis=1).astype(np.int32),
        orientation=np.stack([angle, eccentricity], axis=1),
        features=np.stack([columns[name] for name in SHAPE_AND_INTENSITY], axis=1).astype("f8"),
        grid=_grid(pixels, left, right, top, bottom),
    )


def _nothing() -> Measured:
    return Measured(
        np.zeros((0, 4), np.int32),
        np.zeros((0, 2), np.int32),
        np.zeros((0, 2)),
        np.zeros((0, len(SHAPE_AND_INTENSITY))),
        np.zeros((0, len(GRID))),
    )


def _axes(
    pixels: _Pixels, area: np.ndarray, sum_x: np.ndarray, sum_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the long and short axis of the ellipse of equal second moments, and its angle.

    The angle is that of the long axis from the x axis, in radians, from -pi/2 to pi/2.
    """
    square = area * area
    # A pixel is a square of side 1, whose own second moment is 1/12.
    xx = (area * pixels.sum(pixels.x * pixels.x) - sum_x * sum_x) / square + 1.0 / 12.0
    yy = (area * pixels.sum(pixels.y * pixels.y) - sum_y * sum_y) / square + 1.0 / 12.0
    xy = (area * pixels.sum(pixels.x * pixels.y) - sum_x * sum_y) / square
    difference = xx - yy
    spread = np.sqrt(difference * difference + 4.0 * xy * xy)
    long = 4.0 * np.sqrt((xx + yy + spread) / 2.0)
    short = 4.0 * np.sqrt(np.maximum(xx + yy - spread, 0.0) / 2.0)
    # tan of half an angle of sine 2 xy and cosine `difference`; upright where that is infinite.
    run = spread + difference
    upright = run <= spread * 1e-12
    slope = np.where(upright, 0.0, 2.0 * xy / np.where(upright, 1.0, run))
    angle = np.where(upright & (spread > 0), _PI / 2.0, _arctangent(slope))
    return long, short, angle


def _arctangent(tangent: np.ndarray) -> np.ndarray:
    """Return the arctangent by halving the angle four times, and then its series.

    A library's own may differ in the last bit from another's.
    """
    for _ in range(4):
        tangent = tangent / (1.0 + np.sqrt(1.0 + tangent * tangent))
    square = tangent * tangent
    series = np.zeros_like(tangent)
    for power in range(15, 0, -2):
        series = 1.0 / power - square * series
    return np.asarray(16.0 * tangent * series)


def _perimeter(pixels: _Pixels, labels: np.ndarray) -> np.ndarray:
    """Return how many pixel edges part each object from what is not that object, float64."""
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
    """Return the corners of the pixel edges around an object, once round: x, y, x, y, ...

    `box` is left, right, top, bottom. Pixel (x, y) has the corners (x, y) to (x + 1, y + 1). The
    way begins at the leftmost corner of the top row and has the object on its right.
    """
    left, right, top, bottom = (int(side) for side in box)
    inside = np.pad(labels[top : bottom + 1, left : right + 1] == label, 1)
    width = inside.shape[1]
    solid = inside.tobytes()
    start = inside[1].tobytes().index(1) + width
    # Corners are numbered like the padded pixel to their lower right; steps: right, down, left, up.
    steps = (1, width, -1, -width)
    ahead_left, ahead_right = (-width, 0, -1, -width - 1), (0, -1, -width - 1, -width)
    corner, way, path = start, 0, []
    while True:
        path += [corner % width + left - 1, corner // width + top - 1]
        corner += steps[way]
        if corner == start:
            return path
        if not solid[corner + ahead_right[way]]:
            way = (way + 1) % 4
        elif solid[corner + ahead_left[way]]:
            way = (way - 1) % 4
