"""The contract suite of tables: every store keeps the tables that belong to its images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from platebench.images.imageset import digest
from platebench.stores.where import Condition
from tests.conftest import ArrayImages, noise
from tests.stores.test_contract import every_store, written


def with_tables(tables: Mapping[str, pa.Table], images: int = 6) -> ArrayImages:
    """Return images with these tables."""
    made = noise(images)
    made.tables = tables
    return made


NUCLEI = pa.table(
    {
        "well": ["00001", "00000", "0", "1", None, "1", "7"],
        "frame": pa.array([1, None, 3, 5, 5, 1, 1], pa.int32()),
        "area": [10.5, None, float("nan"), 60.0, 70.0, 50.0, float("-inf")],
        "class": ["mitotic", "inter'phase", "", None, "mitotic", "mitotic", "NA"],
    }
)
MITOTIC = (Condition("class", "==", "mitotic"),)


@every_store
def test_table_comes_back_equal(name, tmp_path):
    store = written(name, with_tables({"nuclei": NUCLEI}), tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert opened.tables() == ["nuclei"]
        assert opened.read_table("nuclei").schema.equals(NUCLEI.schema)


@every_store
def test_images_where_returns_the_images_of_the_matching_rows(name, tmp_path):
    images = with_tables({"nuclei": NUCLEI})
    store = written(name, images, tmp_path / "store")
    memory = np.empty(images.pixel_bytes, np.uint8)
    with store.open(tmp_path / "store") as opened:
        found = [digest(image) for image in opened.images_where("nuclei", MITOTIC)]
        assert found == [images.digests()[1]]
        into = opened.images_where_into("nuclei", (), memory)
        assert [digest(image) for image in into] == [images.digests()[row] for row in (1, 5)]
