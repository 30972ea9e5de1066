"""Properties of the contract: any images come back as they were, or are refused with a reason."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from platebench.errors import Unsupported
from platebench.images.imageset import digest
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.drain import Drain
from tests.conftest import ArrayImages

STORES = [
    "parquet:pixels:fast",
    "parquet:tensor:balanced",
    "arrow-ipc:tensor:fast",
    "zarr:tensor:balanced",
    "hdf5:tensor:fast",
    "sqlite:pixels:fast",
    "tiff-files:tiff:balanced",
    "npy:tensor:default",
    "lmdb:pixels:default",
    "vortex:tensor:fast",
    "vortex:pixels:small",
    "webdataset:tiff:fast",
    "tiff-index:tiff:default",
    "hf-datasets:tiff:fast",
    "tiledb:tensor:balanced",
]
DTYPES = ["|u1", "<u2", "<i2", "<f4", "|b1"]


@st.composite
def image_sets(draw: st.DrawFn) -> ArrayImages:
    """Draw one to four images, of one shape and dtype or each of its own."""
    kinds = st.tuples(
        st.sampled_from(DTYPES), st.lists(st.integers(1, 6), min_size=2, max_size=3).map(tuple)
    )
    count = draw(st.integers(1, 4))
    alike = draw(st.booleans())
    drawn = [draw(kinds)] * count if alike else [draw(kinds) for _ in range(count)]
    return ArrayImages([draw(arrays(dtype, shape)) for dtype, shape in drawn])


@pytest.mark.parametrize("name", STORES)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(images=image_sets(), data=st.data())
def test_any_images_come_back_as_they_were_or_are_refused(
    name: str, images: ArrayImages, data: st.DataObject
) -> None:
    store_name = StoreName.parse(name)
    if registry.why_not(store_name):
        pytest.skip(str(registry.why_not(store_name)))
    store = registry.find(store_name)
    rows = data.draw(st.lists(st.integers(0, len(images) - 1), max_size=5))
    wanted = [images.digests()[row] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        try:
            store.write(images, path)
        except Unsupported as reason:
            assert str(reason)
            assert not path.exists()
            return
        memory = Drain(images).memory
        with store.open(path) as opened:
            assert len(opened) == len(images)
            assert [digest(image) for image in opened.scan()] == images.digests()
            assert [digest(image) for image in opened.take(rows)] == wanted
            assert [digest(image) for image in opened.take_into(rows, memory)] == wanted
            assert opened.table().equals(images.table)


def test_the_property_would_find_a_changed_sign_of_zero() -> None:
    assert digest(np.float32([0.0])) != digest(np.float32([-0.0]))
