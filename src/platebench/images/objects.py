"""Generate the table `objects` of an image set: features and a phenotype of each segmented object.

A row is an object. It has the keys of its image (plate, well, site, frame) and its number in the
image, so it links to the image as tables of CellProfiler do. Features follow from a few latent
variables per object (size, aspect, stain) and a stain factor per image, so they are correlated as
measured ones are: area with perimeter and axes, intensities with each other and with the image.
Names are those of CellProfiler and scikit-image, in lower case.

In an `ARRESTED` share of the images cells do not pass mitosis, as after silencing KIF11 or PLK1.
These images hold most mitotic objects, and all large ones. So a question such as "the images with
large mitotic cells" selects few images, at any number of rows.

Only integers and elementwise IEEE operations (+ - * / sqrt) are used, so every machine gives the
same values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.images.randomness import generator, random_integers

OBJECTS = "objects"
"""The name of the table."""

VERSION = 1
"""Version of the generated values; tables and stored files with another one are made again."""

KEYS = ("plate", "well", "site", "frame")
"""Columns that an object shares with its image."""

OBJECT = "object"
PHENOTYPE = "phenotype"

PHENOTYPES = (
    "interphase",
    "large",
    "elongated",
    "binuclear",
    "polylobed",
    "mitotic",
    "apoptotic",
    "debris",
)
MITOTIC = "mitotic"

LARGE = 1040.0
"""Area in pixels that no mitotic object reaches outside the arrested images."""

ARRESTED = 6
"""One image of so many is arrested, at least one of a set."""

FEATURES = (
    "center_x",
    "center_y",
    "area",
    "perimeter",
    "eccentricity",
    "solidity",
    "extent",
    "form_factor",
    "major_axis_length",
    "minor_axis_length",
    "orientation",
    "equivalent_diameter",
    "mean_dna",
    "std_dna",
    "min_dna",
    "max_dna",
    "integrated_dna",
    "mean_tubulin",
    "std_tubulin",
    "integrated_tubulin",
    "mean_actin",
    "std_actin",
    "integrated_actin",
    "contrast_dna",
    "homogeneity_dna",
    "entropy_dna",
    "neighbour_distance",
    "cell_area",
)
"""float64 columns: lengths in pixels, angles in degrees, intensities in grey levels."""

COLUMNS = (*KEYS, OBJECT, PHENOTYPE, *FEATURES)

_IMAGE_STREAM, _OBJECT_STREAM = 6, 7
_PI = 3.141592653589793
_WORDS = 20
"""Random integers per object: the phenotype, uniform and normal variables."""

# Of 1,000 objects: how many there are of each phenotype, in the order of PHENOTYPES.
_USUAL = (790, 50, 50, 30, 30, 10, 30, 10)
_AFTER_ARREST = (590, 60, 40, 60, 50, 130, 50, 20)

# Radius in pixels, ratio of short to long axis, mean grey level, solidity.
_RADIUS = (18.5, 25.0, 18.0, 21.0, 19.0, 15.0, 9.0, 4.0)
_ASPECT = (0.82, 0.84, 0.45, 0.62, 0.75, 0.70, 0.85, 0.70)
_LIGHT = (62.0, 50.0, 60.0, 64.0, 66.0, 118.0, 140.0, 45.0)
_SOLIDITY = (0.97, 0.97, 0.95, 0.90, 0.82, 0.92, 0.94, 0.80)
_ARRESTED_RADIUS = 20.5


def objects_of(images: ImageSet, rows: int, seed: int = 1) -> pa.Table:
    """Return `rows` objects, in the order of their images.

    A key that no image has is missing in every row. Raises Unsupported if the keys of two images
    are equal, or if some images lack a key: their objects would have no image.
    """
    return _objects(images, rows, rows, seed, 0)


def more_objects_of(images: ImageSet, rows: int, more: int, seed: int = 1) -> pa.Table:
    """Return `more` objects to append to `objects_of` of so many rows, with new numbers."""
    return _objects(images, more, rows, seed, 1)


def with_objects(images: ImageSet, rows: int, table: pa.Table | None = None) -> ImageSet:
    """Return the images with the table `objects` of so many rows, and no other table.

    `table` saves generating it again.
    """
    return _WithObjects(images, rows, objects_of(images, rows) if table is None else table)


class _WithObjects(ImageSet):
    """An image set with one table, whatever tables it has of its own."""

    def __init__(self, images: ImageSet, rows: int, objects: pa.Table) -> None:
        self._images = images
        self.name = images.name
        self.table = images.table
        self.tables = {OBJECTS: objects}
        # Hashing a million rows takes seconds. They follow from the images and their number.
        self.fingerprint = f"{images.fingerprint} {OBJECTS} {VERSION} {rows}"

    def pixels(self, row: int) -> np.ndarray:
        return self._images.pixels(row)

    def file(self, row: int) -> bytes | memoryview:
        return self._images.file(row)

    def digests(self) -> Sequence[str]:
        return self._images.digests()


def _objects(images: ImageSet, rows: int, before: int, seed: int, part: int) -> pa.Table:
    """Return objects whose numbers follow those of part 0, which has `before` rows."""
    _require_keys(images)
    weights, arrested, stain = _per_image(len(images), seed)
    image = np.repeat(np.arange(len(images)), _counts(weights, rows))
    first = np.cumsum(_counts(weights, rows)) - _counts(weights, rows)
    number = np.arange(rows) - first[image] + 1
    if part:
        number += _counts(weights, before)[image]
    words = random_integers(
        generator(_OBJECT_STREAM, seed, len(images), rows, part), (rows, _WORDS)
    )
    phenotype = _phenotypes(words[:, 0], arrested[image])
    features = _features(words[:, 1:], phenotype, arrested[image], stain[image])
    heights = np.array([shape[-2] if len(shape) > 1 else 1 for shape in images.shapes])
    widths = np.array([shape[-1] for shape in images.shapes])
    features["center_x"] = _uniform(words[:, 1]) * widths[image]
    features["center_y"] = _uniform(words[:, 2]) * heights[image]
    keys = images.table.select(list(KEYS)).take(pa.array(image)).combine_chunks()
    columns: dict[str, pa.Array | pa.ChunkedArray] = dict(zip(KEYS, keys.columns, strict=True))
    columns[OBJECT] = pa.array(number, pa.int32())
    columns[PHENOTYPE] = pa.array(PHENOTYPES).take(pa.array(phenotype))
    columns |= {name: pa.array(features[name]) for name in FEATURES}
    return pa.table({name: columns[name] for name in COLUMNS}).combine_chunks()


def _require_keys(images: ImageSet) -> None:
    keys = images.table.select(list(KEYS))
    unknown = [name for name in KEYS if 0 < keys[name].null_count < len(images)]
    if unknown or keys.group_by(list(KEYS)).aggregate([]).num_rows < len(images):
        why = f"some have no {unknown[0]}" if unknown else "some are equal"
        raise Unsupported(
            f"{', '.join(KEYS)} do not identify the images of {images.name} ({why}), so no table"
            " of objects can be linked to them"
        )


def _per_image(images: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the relative number of objects (int64), whether arrested, and the stain factor."""
    drawn = random_integers(generator(_IMAGE_STREAM, seed, images), (images, 3))
    weights = 64 + drawn[:, 0] % 96
    arrested = np.zeros(images, bool)
    arrested[np.argsort(drawn[:, 1], kind="stable")[: max(1, (images + 2) // ARRESTED)]] = True
    stain = 0.85 + (drawn[:, 2] % 1024) / 1024 * 0.3
    return weights, arrested, stain


def _counts(weights: np.ndarray, rows: int) -> np.ndarray:
    """Divide `rows` among the images in proportion to the weights, int64."""
    ends = np.cumsum(weights) * rows // weights.sum()
    return np.asarray(np.diff(ends, prepend=0))


def _phenotypes(words: np.ndarray, arrested: np.ndarray) -> np.ndarray:
    """Return an index of PHENOTYPES per object, int64."""
    chance = words % 1000
    usual, after = (
        np.searchsorted(np.cumsum(shares), chance, side="right")
        for shares in (_USUAL, _AFTER_ARREST)
    )
    return np.where(arrested, after, usual)


def _uniform(words: np.ndarray) -> np.ndarray:
    """Return numbers from 0 to below 1, float64."""
    return words / float(1 << 31)


def _normal(words: np.ndarray) -> np.ndarray:
    """Return roughly normal numbers, float64, each from two words; none is beyond 3.5.

    They are sums of four uniform integers of 15 bits, scaled to a variance of 1.
    """
    low, high = words & 0x7FFF, words >> 15 & 0x7FFF
    total = (low + high).reshape(len(words), -1, 2).sum(axis=2)
    return np.asarray((total - 65534.0) / 18918.6)


def _features(
    words: np.ndarray, phenotype: np.ndarray, arrested: np.ndarray, stain: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the features by name, without the centre. `words` int64 (n, 19)."""
    size, slant, dye, cell, rough, grain, other, space = _normal(words[:, 3:19]).T
    mitotic = phenotype == PHENOTYPES.index(MITOTIC)
    radius = np.array(_RADIUS)[phenotype]
    radius = np.where(mitotic & arrested, _ARRESTED_RADIUS, radius)
    radius = radius * (1.0 + np.where(mitotic, 0.05, 0.11) * size)
    aspect = np.minimum(np.array(_ASPECT)[phenotype] * (1.0 + 0.08 * slant), 0.99)
    area = np.floor(_PI * radius * radius)
    root = np.sqrt(aspect)
    long, short = radius / root, radius * root  # half axes
    smooth = _PI * (3.0 * (long + short) - np.sqrt((3.0 * long + short) * (long + 3.0 * short)))
    perimeter = smooth * (1.06 + 0.015 * rough)
    mean = np.array(_LIGHT)[phenotype] * stain * (1.0 + 0.12 * dye - 0.05 * size)
    deviation = mean * (0.22 + 0.03 * grain)
    darkest = np.maximum(mean - deviation * (2.1 + 0.1 * other), 0.0)
    contrast = deviation * deviation / mean * (1.0 + 0.1 * other)
    tubulin = 40.0 * stain * (1.0 + 0.2 * cell + 0.05 * dye)
    actin = 55.0 * (1.0 + 0.15 * cell - 0.06 * other)
    cell_area = area * (3.4 + 0.4 * cell + 0.2 * space)
    return {
        "area": area,
        "perimeter": perimeter,
        "eccentricity": np.sqrt(1.0 - aspect * aspect),
        "solidity": np.minimum(np.array(_SOLIDITY)[phenotype] - 0.012 * rough, 1.0),
        "extent": 0.76 + 0.02 * slant - 0.01 * rough,
        "form_factor": 4.0 * _PI * area / (perimeter * perimeter),
        "major_axis_length": 2.0 * long,
        "minor_axis_length": 2.0 * short,
        "orientation": _uniform(words[:, 2]) * 180.0 - 90.0,
        "equivalent_diameter": np.sqrt(area * 4.0 / _PI),
        "mean_dna": mean,
        "std_dna": deviation,
        "min_dna": darkest,
        "max_dna": mean + deviation * (2.6 + 0.2 * grain),
        "integrated_dna": mean * area,
        "mean_tubulin": tubulin,
        "std_tubulin": tubulin * (0.3 + 0.04 * grain),
        "integrated_tubulin": tubulin * cell_area,
        "mean_actin": actin,
        "std_actin": actin * (0.35 + 0.05 * rough),
        "integrated_actin": actin * cell_area,
        "contrast_dna": contrast,
        "homogeneity_dna": 1.0 / (1.0 + contrast),
        "entropy_dna": 4.2 + 0.35 * grain + 0.1 * dye,
        "neighbour_distance": radius * (2.6 + 0.5 * space),
        "cell_area": cell_area,
    }
