"""The talk run with the installed libraries, and with those of 2024 if there is such a Python."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from platebench.images.fixtures import make_fixtures
from platebench.talk.dataset import Dataset, generated_dataset
from platebench.talk.environments import give_talk_with
from platebench.talk.outcome import Outcome, Talk
from platebench.talk.steps import give_talk

TALK_PYTHON = "PLATEBENCH_TALK_PYTHON"
"""Environment variable: an interpreter from `platebench talk --over then`."""


@pytest.fixture(scope="session", params=["today", "then"])
def talk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """The complete talk on two generated images, run once for all test processes."""
    if request.param == "today":
        return _once("today", _today, tmp_path_factory)
    python = os.environ.get(TALK_PYTHON)
    if python is None:
        pytest.skip(f"set {TALK_PYTHON} to an interpreter with the libraries of 2024")
    return _once("then", lambda folder: _then(Path(python), folder), tmp_path_factory)


def _once(name: str, give: Callable[[Path], Talk], factory: pytest.TempPathFactory) -> Talk:
    folder = factory.mktemp(name)
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    kept = shared / f"talk-{name}.json"
    with (shared / f"talk-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(asdict(give(folder))))
    return Talk.from_json(json.loads(kept.read_text()))


def _today(folder: Path) -> Talk:
    return give_talk(generated_dataset(folder / "images"), folder)


def _then(python: Path, folder: Path) -> Talk:
    return give_talk_with(python, make_fixtures(folder / "images", 2, tables=True, processes=1))


@pytest.fixture
def step(talk: Talk) -> Callable[[int], Outcome]:
    """Function that returns the outcome of a step by its number."""
    return lambda number: talk.outcomes[number - 1]


@pytest.fixture(scope="session")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two generated images and their cells. Tests must not change them."""
    return generated_dataset(tmp_path_factory.mktemp("plate") / "images")


@pytest.fixture(scope="session")
def cells(plate: Dataset) -> pa.Table:
    """Table of the cells of two generated images, one row per cell."""
    return plate.cells


def write_images(folder: Path, *arrays: np.ndarray) -> Path:
    """Write each array as a TIFF file."""
    folder.mkdir(exist_ok=True)
    for number, array in enumerate(arrays):
        tifffile.imwrite(folder / f"image_{number}.tif", array, photometric="minisblack")
    return folder


@pytest.fixture
def small(tmp_path: Path, plate: Dataset) -> Dataset:
    """Two small images of 12 bits, and cells of other images."""
    random = np.random.default_rng(1)
    arrays = random.integers(0, 4096, (2, 24, 36), dtype=np.uint16)
    return Dataset(
        "small",
        sorted(write_images(tmp_path / "small", *arrays).iterdir()),
        plate.cells,
        plate.cell_images,
        cells_belong_to_images=False,
    )
