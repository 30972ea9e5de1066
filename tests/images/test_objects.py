"""The generated table of objects: its keys, its correlations, its rare class, and its bits."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.images.links import image_rows
from platebench.images.objects import (
    COLUMNS,
    FEATURES,
    KEYS,
    LARGE,
    MITOTIC,
    OBJECTS,
    PHENOTYPES,
    more_objects_of,
    objects_of,
    with_objects,
)
from tests.conftest import ArrayImages


def keyed(images: int) -> ArrayImages:
    """Return small images with the keys of a generated set: frames of movies, without a site."""
    made = ArrayImages([np.full((8, 12), number, np.uint8) for number in range(images)], "keyed")
    records = made.table.to_pylist()
    for row, record in enumerate(records):
        record |= {"plate": "LT0001_02", "well": str(15 + row // 8), "site": None, "frame": row % 8}
    made.table = pa.Table.from_pylist(records, made.table.schema)
    return made


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return keyed(32)


@pytest.fixture(scope="module")
def objects(images: ImageSet) -> pa.Table:
    return objects_of(images, 10_000)


def test_every_object_belongs_to_one_image_in_the_order_of_the_images(images, objects) -> None:
    pairs = image_rows(objects, images.table)
    assert pairs["table_row"].to_pylist() == list(range(10_000))
    rows = pairs["image_row"].to_numpy()
    assert (np.diff(rows) >= 0).all()
    assert set(rows.tolist()) == set(range(32))


def test_objects_are_numbered_in_each_image(images, objects) -> None:
    rows = image_rows(objects, images.table)["image_row"].to_numpy()
    numbers = objects["object"].to_numpy()
    for row in range(32):
        mine = numbers[rows == row]
        assert mine.tolist() == list(range(1, len(mine) + 1))


def test_columns_have_the_types_that_a_text_table_would_have(images, objects) -> None:
    assert tuple(objects.column_names) == COLUMNS
    assert all(objects[name].type == images.table[name].type for name in KEYS)
    assert all(objects[name].type == pa.float64() for name in FEATURES)
    assert 20 <= len(FEATURES) <= 30
    assert objects["phenotype"].type == pa.string()
    assert set(objects["phenotype"].to_pylist()) == set(PHENOTYPES)
    assert len(PHENOTYPES) == 8
    assert objects["site"].null_count == objects.num_rows
    assert all(np.isfinite(objects[name].to_numpy()).all() for name in FEATURES)


@pytest.mark.parametrize("count", [8, 16, 32, 64, 128])
def test_large_mitotic_objects_are_in_a_tenth_to_a_quarter_of_the_images(count) -> None:
    images = keyed(count)
    objects = objects_of(images, 10_000)
    mitotic = pc.equal(objects["phenotype"], MITOTIC)
    assert 0.015 < pc.mean(mitotic.cast(pa.int8())).as_py() < 0.045
    found = objects.filter(pc.and_(mitotic, pc.greater(objects["area"], LARGE)))
    holding = len(set(image_rows(found, images.table)["image_row"].to_pylist()))
    assert count / 10 <= holding <= count / 4


def test_large_mitotic_objects_are_in_few_images_also_of_many_objects(images) -> None:
    objects = objects_of(images, 300_000)
    found = objects.filter(
        pc.and_(pc.equal(objects["phenotype"], MITOTIC), pc.greater(objects["area"], LARGE))
    )
    assert len(set(image_rows(found, images.table)["image_row"].to_pylist())) == 5
    usual = objects.filter(pc.equal(objects["phenotype"], MITOTIC))
    assert len(set(image_rows(usual, images.table)["image_row"].to_pylist())) == 32


def test_features_are_correlated_as_measured_ones_are(objects) -> None:
    values = {name: objects[name].to_numpy() for name in FEATURES}

    def correlation(one: str, other: str) -> float:
        return float(np.corrcoef(values[one], values[other])[0, 1])

    assert correlation("area", "perimeter") > 0.9
    assert correlation("area", "cell_area") > 0.8
    assert 0.3 < correlation("area", "integrated_dna") < 0.95
    assert correlation("mean_dna", "max_dna") > 0.8
    assert correlation("mean_tubulin", "mean_actin") > 0.3
    assert correlation("area", "mean_dna") < -0.2
    assert abs(correlation("center_x", "area")) < 0.05
    spectrum = np.linalg.eigvalsh(np.corrcoef(np.stack(list(values.values()))))
    assert spectrum[-6:].sum() > 0.7 * len(FEATURES)  # few latent variables explain most


def test_features_lie_where_they_must(objects) -> None:
    area, perimeter = objects["area"].to_numpy(), objects["perimeter"].to_numpy()
    assert (4 * np.pi * area <= perimeter**2).all()
    assert (area == np.floor(area)).all()
    for name in ("eccentricity", "solidity", "extent", "form_factor", "homogeneity_dna"):
        values = objects[name].to_numpy()
        assert (values >= 0).all() and (values <= 1).all()
    assert (objects["min_dna"].to_numpy() >= 0).all()
    assert (objects["center_x"].to_numpy() < 12).all()
    assert (objects["center_y"].to_numpy() < 8).all()


def test_values_are_those_of_every_machine(objects) -> None:
    """Only exact operations are used. A change of the values needs a new VERSION."""
    state = hashlib.blake2b(digest_size=8)
    for name in FEATURES:
        state.update(objects[name].to_numpy().astype("<f8").tobytes())
    state.update(",".join(objects["phenotype"].to_pylist()).encode())
    assert state.hexdigest() == "26907f1a5c8cb5bd"


def test_other_seed_and_other_number_of_rows_give_other_objects(images, objects) -> None:
    assert objects_of(images, 10_000).equals(objects)
    assert not objects_of(images, 10_000, seed=2).equals(objects)
    assert not objects_of(images, 9_999).equals(objects.slice(0, 9_999))


def test_more_objects_have_new_numbers_and_the_same_columns(images, objects) -> None:
    more = more_objects_of(images, 10_000, 1000)
    assert more.schema == objects.schema
    assert more.num_rows == 1000
    keys = [*KEYS, "object"]
    every = pa.concat_tables([objects, more]).select(keys)
    assert every.group_by(keys).aggregate([]).num_rows == 11_000


def test_images_carry_this_table_alone(images) -> None:
    images.tables = {"Objects": pa.table({"well": ["15"]})}
    whole = with_objects(images, 500)
    assert list(whole.tables) == [OBJECTS]
    assert whole.tables[OBJECTS].num_rows == 500
    assert (len(whole), whole.name, whole.digests()) == (32, images.name, images.digests())
    assert np.array_equal(whole.pixels(3), images.pixels(3))
    assert whole.fingerprint != with_objects(images, 501).fingerprint != images.fingerprint


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([("P", "A1", "1", 0), ("P", "A1", "1", 0)], "some are equal"),
        ([("P", "A1", "1", 0), ("P", "A2", "1", None)], "some have no frame"),
        ([(None, None, None, None), (None, None, None, None)], "some are equal"),
    ],
)
def test_images_that_keys_do_not_tell_apart_have_no_objects(records, why) -> None:
    images = keyed(2)
    rows = images.table.to_pylist()
    for row, keys in zip(rows, records, strict=True):
        row |= dict(zip(KEYS, keys, strict=True))
    images.table = pa.Table.from_pylist(rows, images.table.schema)
    with pytest.raises(Unsupported, match=rf"do not identify the images of keyed \({why}\)"):
        objects_of(images, 10)
