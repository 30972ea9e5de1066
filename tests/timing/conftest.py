"""A work folder with a small image set and the stored files of one store."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from platebench.errors import Unsupported
from platebench.images.decoded_cache import DecodedImages, decode_to_cache
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing import page_cache
from platebench.timing.workspace import PixelKind, Workspace
from tests.conftest import noise

SET = "noise-21"
STORE = "arrow-ipc:pixels:fast"


DYING = """
import os, pathlib, signal, sys
from platebench.timing.workspace import Workspace
lent = Workspace(pathlib.Path(sys.argv[1])).lend()
(lent.path / "file").touch()
print(lent.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_scratch(root: Path) -> Path:
    """Return the scratch folder that a killed process left in a work folder."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(root)], stdout=subprocess.PIPE, check=False
    )
    left = Path(done.stdout.decode().strip())
    assert left.is_dir()
    return left


@pytest.fixture(autouse=True)
def quick_collections() -> None:
    """Spare the garbage collector what is there before a test.

    Peak memory is measured after a collection, which takes 0.2 s with all that pytest and the
    libraries hold.
    """
    gc.freeze()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with 21 small images and the files of STORE."""
    made = Workspace(tmp_path_factory.mktemp("prepared")).own()
    held = decode_to_cache(noise(21), made.root / "images" / SET)
    for kind in get_args(PixelKind):
        made.stored(registry.find(StoreName.parse(STORE)), held, kind)
    return made.root


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Workspace:
    """A copy of the prepared work folder for one test."""
    return Workspace(Path(shutil.copytree(prepared, tmp_path / "work")))


@pytest.fixture
def held(workspace: Workspace) -> DecodedImages:
    return workspace.images(SET)


@pytest.fixture
def on_disk(workspace: Workspace) -> None:
    """Skip cold cells if the temporary folder is in memory."""
    held = next((workspace.root / "images").glob("*/held.json"))
    try:
        page_cache.empty(held)
    except Unsupported as reason:
        pytest.skip(str(reason))
