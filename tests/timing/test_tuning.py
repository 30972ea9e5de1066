"""A candidate answers requests, and one that returns other images is never timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Mismatch, Unsupported
from platebench.images.decoded_cache import decode_to_cache
from platebench.stores import registry, sqlite
from platebench.stores.name import StoreName
from platebench.timing.tuning import COLD_ROWS, OPERATIONS, Candidate
from platebench.timing.workspace import Workspace
from tests.conftest import noise

STORE = StoreName("sqlite", "tiff", "tiff-zstd-1")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "work").own()
    decode_to_cache(noise(18), made.root / "images" / "noise-18")
    return made


def left(workspace: Workspace) -> list[Path]:
    """Return what lies in the scratch folder."""
    return list((workspace.root / "scratch").iterdir())


def test_every_operation_is_timed_and_nothing_is_left(workspace: Workspace) -> None:
    candidate = Candidate(workspace, STORE, "noise-18")
    assert candidate.size[0] > 0
    assert candidate.size[1] == 1
    try:
        for operation in OPERATIONS:
            assert candidate.seconds(operation, [3, 3, 17, 0]) > 0
    except Unsupported as reason:
        pytest.skip(str(reason))
    finally:
        candidate.close()
    assert left(workspace) == []


def test_rows_are_those_that_were_asked_for(workspace: Workspace) -> None:
    candidate = Candidate(workspace, STORE, "noise-18")
    try:
        candidate.seconds(COLD_ROWS, [3, 5])
        last = candidate._drain.last
        assert last is not None
        assert np.array_equal(last, candidate.images.pixels(5))
    except Unsupported as reason:
        pytest.skip(str(reason))
    finally:
        candidate.close()


def test_a_candidate_that_returns_other_images_is_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = sqlite._value
    monkeypatch.setattr(
        sqlite, "_value", lambda images, row, layout: value(images, max(row, 1), layout)
    )
    with pytest.raises(Mismatch, match="image 1 came back in place of image 0"):
        Candidate(workspace, STORE, "noise-18")
    assert left(workspace) == []


def test_a_registered_store_is_a_candidate_too(workspace: Workspace) -> None:
    candidate = Candidate(workspace, StoreName("sqlite", "tiff", "fast"), "noise-18")
    candidate.close()
    assert candidate.store == registry.find(candidate.store.name)
