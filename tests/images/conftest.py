"""Fixtures for the tests of images, generated once per test process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platebench.images.fixtures import make_fixtures

IMAGES = 34
"""More than one movie."""


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete small fixture with CH5 files and tables. Tests must not change it."""
    out = tmp_path_factory.mktemp("fixtures") / "screen"
    return make_fixtures(out, IMAGES, ch5=True, tables=True, processes=1)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder with three real fields."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
    folder = Path(os.environ.get("PLATEBENCH_REAL_IMAGES", beside))
    if not folder.is_dir():
        pytest.skip(f"no real images in {folder}; set PLATEBENCH_REAL_IMAGES")
    return folder
