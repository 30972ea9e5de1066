"""Images of one shape as lazy arrays of dask and xarray, and as a dataset of PyTorch.

torch is not among the test requirements, because it takes 2 GB. A stand-in with the two names that
are used, `torch.from_numpy` and `torch.utils.data.Dataset`, takes its place here; so these tests
show what platebench gives to PyTorch, and not that PyTorch takes it.
"""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import platebench
from platebench.errors import UserError
from platebench.packages.arrays import ImageArray
from platebench.packages.lazy_images import Images
from platebench.packages.opened import OpenPackage
from platebench.packages.reader import Reader
from tests.packages.opening import STORE, mixed, plate, same, stored

IMAGES = plate(("DNA", "Actin"))
WHOLE = np.stack(list(IMAGES))


@pytest.fixture
def package(tmp_path: Path) -> Iterator[OpenPackage]:
    with platebench.open(stored(IMAGES, tmp_path), store=STORE) as opened:
        yield opened


@pytest.fixture
def several_shapes(tmp_path: Path) -> Iterator[OpenPackage]:
    with platebench.open(stored(mixed(), tmp_path), store=STORE) as opened:
        yield opened


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that are read, in order."""
    rows: list[int] = []
    read = Reader.read

    def counted(self: Reader, asked: Any) -> Iterator[np.ndarray]:
        rows.extend(map(int, asked))
        return read(self, asked)

    monkeypatch.setattr(Reader, "read", counted)
    return rows


@pytest.mark.parametrize(
    "key",
    [
        4,
        slice(1, 5, 2),
        [3, 0, 3],
        (slice(None), 2),
        (1, slice(2, 9), [3, 1]),
        ([5, 1], [2, 3], [7, 8, 9]),
        (slice(3, 3), 1),
        ([], slice(1, 2)),
        (-1, 0, 0),
    ],
    ids=str,
)
def test_image_array_gives_what_a_whole_array_gives(package: OpenPackage, key: Any) -> None:
    array = ImageArray(package.images, "this")
    assert (array.shape, array.dtype, array.ndim) == (WHOLE.shape, WHOLE.dtype, 3)
    parts = key if isinstance(key, tuple) else (key,)
    parts += (slice(None),) * (3 - len(parts))
    places = [np.arange(side)[part] for side, part in zip(WHOLE.shape, parts, strict=True)]
    expected = WHOLE[np.ix_(*(np.atleast_1d(each) for each in places))]
    assert same(array[key], expected.reshape([len(each) for each in places if each.ndim]))


def test_dask_array_has_a_chunk_per_image_and_reads_what_is_computed(
    package: OpenPackage, rows_read: list[int]
) -> None:
    array = package.to_dask()
    assert (array.shape, array.dtype) == (WHOLE.shape, WHOLE.dtype)
    assert array.chunks == ((1,) * 6, (12,), (20,))
    assert rows_read == []
    assert same(array[4, 2:5].compute(scheduler="sync"), WHOLE[4, 2:5])
    assert rows_read == [4]
    package.close()
    assert same(array[::-1].compute(scheduler="threads"), WHOLE[::-1])
    assert same(array.compute(scheduler="processes", num_workers=1), WHOLE)


def test_dask_array_of_chosen_rows(package: OpenPackage) -> None:
    array = package.to_dask(rows=package.rows_where("images", "channel == 'Actin'"))
    assert same(array.max(axis=(1, 2)).compute(), WHOLE[1::2].max(axis=(1, 2)))


def test_xarray_dataset_is_lazy_and_has_the_columns_as_coordinates(
    package: OpenPackage, rows_read: list[int]
) -> None:
    dataset = package.to_xarray()
    assert dict(dataset.sizes) == {"image": 6, "y": 12, "x": 20}
    assert dataset["image"].dtype == WHOLE.dtype
    assert dataset["channel"].values.tolist() == ["DNA", "Actin"] * 3
    assert dataset["row"].values.tolist() == list(range(6))
    assert "frame" not in dataset.coords  # it is not known of any image
    assert rows_read == []
    actin = dataset.isel(image=dataset["channel"].values == "Actin", y=slice(2, 5))
    assert rows_read == []
    package.close()
    assert same(actin["image"].values, WHOLE[1::2, 2:5])
    assert rows_read == [1, 3, 5]
    chunked = dataset.chunk({"image": 2})
    assert same(chunked["image"].mean("image").compute().values, WHOLE.mean(axis=0))
    again = pickle.loads(pickle.dumps(dataset.isel(image=[5, 0])))
    assert same(again["image"].values, WHOLE[[5, 0]])


def test_xarray_dataset_can_be_kept_as_a_file(package: OpenPackage, tmp_path: Path) -> None:
    import xarray

    package.to_xarray().to_zarr(tmp_path / "kept.zarr", consolidated=False)
    with xarray.open_zarr(tmp_path / "kept.zarr", consolidated=False) as again:
        assert same(again["image"].values, WHOLE)
        assert again["well"].values.tolist() == IMAGES.table["well"].to_pylist()


@pytest.mark.parametrize("method", ["to_dask", "to_xarray"])
def test_images_of_several_shapes_are_refused_unless_rows_choose(
    several_shapes: OpenPackage, method: str
) -> None:
    with pytest.raises(UserError) as said:
        getattr(several_shapes, method)()
    assert f"{method} needs images of one shape and dtype; image 0 is 4 × 6 uint8" in str(
        said.value
    )
    found = getattr(several_shapes, method)(rows=slice(1, None, 2))
    assert (found if method == "to_dask" else found["image"]).shape == (2, 5, 3)
    with pytest.raises(UserError, match="needs at least one image"):
        getattr(several_shapes, method)(rows=[])


@pytest.mark.parametrize(
    ("method", "library"),
    [("to_dask", "dask"), ("to_xarray", "xarray"), ("to_torch", "torch"), ("to_pandas", "pandas")],
)
def test_absent_library_is_named_with_what_to_type(
    package: OpenPackage, method: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platebench.optional.missing", lambda *names: list(names))
    with pytest.raises(UserError) as said:
        getattr(package, method)()
    typed = library if library == "pandas" else f'"platebench[{library}]"'
    assert str(said.value) == (
        f"{method} needs {library}, not installed here; type: pip install {typed}"
    )


TORCH = {
    "torch/__init__.py": "from numpy import asarray as from_numpy\n",
    "torch/utils/__init__.py": "",
    "torch/utils/data.py": (
        "class Dataset:\n    def __class_getitem__(cls, kind):\n        return cls\n"
    ),
    "torch-2.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.9\n",
}


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a stand-in be imported as torch, here and in processes that this one spawns."""
    for name, text in TORCH.items():
        file = tmp_path / "stand-in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "stand-in")
    yield
    for name in [each for each in sys.modules if each.partition(".")[0] == "torch"]:
        del sys.modules[name]
    sys.modules.pop("platebench.packages.torch_images", None)


@pytest.mark.usefixtures("torch")
def test_torch_dataset_has_images_targets_and_batches(
    package: OpenPackage, rows_read: list[int]
) -> None:
    dataset: Any = package.to_torch(rows=[5, 0, 3], targets=["a", "b", "c"])
    assert len(dataset) == 3
    assert rows_read == []
    image, target = dataset[1]
    assert same(image, WHOLE[0])
    assert (target, rows_read) == ("b", [0])
    batch = dataset.__getitems__([2, 0])
    assert [target for _, target in batch] == ["c", "a"]
    assert all(map(same, [image for image, _ in batch], WHOLE[[3, 5]]))
    assert rows_read == [0, 3, 5]
    with pytest.raises(IndexError):
        dataset[3]


@pytest.mark.usefixtures("torch")
def test_torch_dataset_applies_a_transform(package: OpenPackage) -> None:
    dataset: Any = package.to_torch(transform=np.mean)
    assert dataset[2] == WHOLE[2].mean()
    with pytest.raises(UserError, match="2 targets for 6 images; give one for each"):
        package.to_torch(targets=[0, 1])


@pytest.mark.usefixtures("torch")
def test_torch_dataset_works_in_spawned_workers(package: OpenPackage) -> None:
    dataset: Any = package.to_torch()
    package.images[0]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as workers:
        items = list(workers.map(dataset.__getitem__, range(len(dataset))))
    assert all(map(same, items, WHOLE))


def test_reader_of_another_process_is_opened_once(package: OpenPackage) -> None:
    one, other = (pickle.loads(pickle.dumps(package.images)) for _ in range(2))
    assert isinstance(one, Images)
    assert one._reader is other._reader
    assert one._reader is not package.images._reader
