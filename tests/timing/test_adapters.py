"""Every direct call returns the images that its store returns, and both are timed in turns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Mismatch, Unsupported
from platebench.images.decoded_cache import decode_to_cache
from platebench.stores import registry
from platebench.stores.direct.calls import Calls, calls_of, has_calls, reason_for
from platebench.stores.name import StoreName
from platebench.timing import adapters
from platebench.timing.workspace import Workspace
from tests.conftest import noise
from tests.stores.test_contract import stores

WARM = [operation for operation in adapters.OPERATIONS if not operation.startswith("cold")]
STORES = [name for name in registry.names() if has_calls(name)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A work folder with twenty small images; stores are written in this process."""
    monkeypatch.setattr(adapters, "FEWEST_TURNS", 2)
    made = Workspace(tmp_path / "work").own()
    decode_to_cache(noise(20), made.root / "images" / "noise-20")
    monkeypatch.setattr(
        adapters, "prepare", lambda workspace, store, images, kind: workspace.stored(store, images)
    )
    return made


def measured(
    workspace: Workspace, store: StoreName, operations: list[str]
) -> Iterator[adapters.Timed]:
    reason = registry.why_not(store)
    if reason:
        pytest.skip(reason)
    return adapters.measure(workspace, store, "noise-20", 0.0, operations)


def test_every_format_but_the_floor_has_direct_calls() -> None:
    without = {name for name in registry.names() if name not in STORES}
    assert without <= {registry.FLOOR}


def of_layout(format_: registry.Format, layout: str) -> list[StoreName]:
    """Return a layout's store for speed: the measurement itself checks all tunings."""
    found = [name for name in format_.stores if name.layout == layout]
    return [name for name in found if name.tuning == "fast"] or found[:1]


CHECKED = [
    name
    for format_ in registry.FORMATS
    for layout in format_.layouts
    for name in of_layout(format_, layout)
    if name in STORES
]


@pytest.mark.parametrize("store", stores(CHECKED))
def test_direct_calls_return_the_images_and_every_turn_is_timed(
    store: str, workspace: Workspace
) -> None:
    name = StoreName.parse(store)
    times = list(measured(workspace, name, WARM))
    found = [timed.operation for timed in times]
    assert found == (WARM if calls_of(name).writings else WARM[1:])
    for timed in times:
        turns = {len(seconds) for seconds in [timed.adapter, *timed.direct.values()]}
        assert turns == {2}


@pytest.mark.parametrize("store", ["sqlite:pixels:fast", "arrow-ipc:pixels:fast"])
def test_cold_reads_are_timed(store: str, workspace: Workspace) -> None:
    cold = measured(workspace, StoreName.parse(store), ["cold scan", "cold take"])
    try:
        found = [each.operation for each in cold]
    except Unsupported as reason:
        pytest.skip(str(reason))
    assert found == ["cold scan", "cold take"]


def test_a_direct_call_that_returns_other_images_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = StoreName("sqlite", "pixels", "fast")
    calls = calls_of(name)
    first = calls.readings[0]

    def reversed_rows(handle, rows, about, memory: np.ndarray):
        assert first.take is not None
        return first.take(handle, rows[::-1], about, memory)

    wrong = dataclasses.replace(first, says="SELECT backwards", take=reversed_rows, scan=None)
    broken = Calls(calls.writings, [*calls.readings[1:], wrong], calls.tables)
    monkeypatch.setattr(adapters, "calls_of", lambda store: broken)
    with pytest.raises(Mismatch, match="SELECT backwards: image"):
        list(measured(workspace, name, ["take kept"]))


def test_a_direct_write_that_loses_an_image_is_found(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = StoreName("sqlite", "pixels", "fast")
    calls = calls_of(name)
    whole = calls.writings[0].write
    swapped = dataclasses.replace(
        calls.writings[0],
        write=lambda images, path: whole(images.select([1, 0, *range(2, len(images))]), path),
    )
    broken = Calls([swapped], calls.readings, calls.tables)
    monkeypatch.setattr(adapters, "calls_of", lambda store: broken)
    with pytest.raises(Mismatch):
        list(measured(workspace, name, ["write"]))


def test_reasons_are_sentences() -> None:
    for name in STORES:
        if registry.why_not(name):
            continue
        for operation in adapters.OPERATIONS:
            reason = reason_for(name, operation)
            assert not reason or (reason[0].isupper() and reason.endswith(".")), reason
