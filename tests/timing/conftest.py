"""A workspace with a small image set, and cells that run in the test's own process."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.images.held import HeldImages, hold
from platebench.timing.workspace import Workspace
from tests.conftest import noise

SET = "noise-21"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace that holds 21 small images under the name `noise-21`."""
    made = Workspace(tmp_path / "work")
    hold(noise(21), made.root / "images" / SET)
    return made


@pytest.fixture
def held(workspace: Workspace) -> HeldImages:
    return workspace.images(SET)
