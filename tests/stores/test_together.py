"""Several processes write one image set into one store, and each image is in its place."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from platebench.errors import Mismatch, Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.together import shares
from platebench.stores.together_parts import together_of
from platebench.timing.drain import check_stored
from tests.conftest import noise
from tests.stores.one_file import OneFile
from tests.stores.test_contract import find

IMAGES = noise(6)

WAYS = {
    "floor:pixels:fast": "one file, each image at its place",
    "npy:tensor:default": "one file, rows of a memory map",
    "tiff-files:tiff:default": "one folder, files of its own",
    "tiff-files:tiff:balanced": "one folder, files of its own",
    "zarr:tensor:fast": "one array, regions of whole chunks",
    "zarrs:tensor:balanced": "one array, regions of whole chunks",
    "zarr-codecs:tensor:default": "one array, regions of whole chunks",
    "parquet:pixels:fast": "one part each, platebench's part list",
    "hdf5:tensor:fast": "one part each, platebench's part list",
    "sqlite:tiff:default": "one part each, platebench's part list",
    "lance:pixels:fast": "fragments, one commit",
    "lance:tiff:default": "fragments, one commit",
    "lancedb:pixels:fast": "fragments, one commit",
    "delta:pixels:fast": "appends at once, one commit each",
    "delta:pixels:default": "appends at once, one commit each",
    "icechunk:tensor:fast": "forks of one session, one commit",
}


def written(name: str, path: Path, images: ImageSet, order: list[int]) -> None:
    """Write shares in an order, by workers that know only what they would be sent."""
    coordinator = together_of(find(name))
    begun = coordinator.begin(images, path)
    asked = shares(len(images), len(order), begun.unit)
    done = {}
    for place in order:
        worker, state = together_of(find(name)), pickle.loads(pickle.dumps(begun.state))
        done[place] = pickle.dumps(worker.share(images, path, asked[place], state))
    coordinator.end(images, path, [pickle.loads(done[place]) for place in range(len(order))])
    check_stored(coordinator, path, images)


@pytest.mark.parametrize(
    "name",
    [
        *WAYS,
        pytest.param("iceberg:pixels:fast", marks=pytest.mark.long),
        pytest.param("iceberg:pixels:default", marks=pytest.mark.nightly),
    ],
)
def test_images_are_in_their_places_whoever_is_first(name: str, tmp_path: Path) -> None:
    written(name, tmp_path / "store", IMAGES, [2, 0, 1])
    assert together_of(find(name)).way == WAYS.get(name, together_of(find(name)).way)


@pytest.mark.parametrize("name", ["floor:pixels:fast", "parquet:pixels:fast", "lance:pixels:fast"])
def test_one_writer_writes_what_write_does(name: str, tmp_path: Path) -> None:
    written(name, tmp_path / "store", IMAGES, [0])


def test_shards_are_not_divided(tmp_path: Path) -> None:
    store = registry.find(StoreName.parse("zarr-sharded:tensor:fast"))
    begun = together_of(store).begin(noise(40), tmp_path / "store")
    assert shares(40, 2, begun.unit) == [range(16), range(16, 40)]


def test_share_that_is_lost_is_found(tmp_path: Path) -> None:
    together = together_of(registry.find(registry.FLOOR))
    begun = together.begin(IMAGES, tmp_path / "store")
    together.share(IMAGES, tmp_path / "store", range(3), begun.state)
    together.end(IMAGES, tmp_path / "store", [None])
    with pytest.raises(Mismatch, match="image 3 came back with"):
        check_stored(together, tmp_path / "store", IMAGES)


def test_shares_cover_all_rows_once() -> None:
    for images, writers, unit in ((6, 4, 1), (100, 3, 16), (32, 2, 16), (7, 7, 1)):
        found = shares(images, writers, unit)
        assert [row for share in found for row in share] == list(range(images))
        assert len(found) == writers
        assert all(share.start % unit == 0 and len(share) > 0 for share in found)


def test_too_few_blocks_for_the_writers_are_refused_with_the_numbers() -> None:
    with pytest.raises(
        Unsupported, match="20 images in blocks of 16 cannot be divided among 4 writers"
    ):
        shares(20, 4, 16)


def test_format_with_versions_and_no_way_of_its_own_is_refused() -> None:
    with pytest.raises(Unsupported, match="one-file has no way for several writers"):
        together_of(OneFile("pixels", "fast"))
