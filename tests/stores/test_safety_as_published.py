"""Each format takes damage, kills and several programs as docs/safety.json says, or better.

These are the parts of the store contract that only processes of their own can try. A bad outcome
that the table does not name is a new fault of a library or of a store.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.results.damage import BAD, from_record
from platebench.running.damage import Program, chosen, trials_of
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.damage import SOURCE
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace

TABLE = Path(__file__).parent.parent.parent / "docs" / "safety.json"
PUBLISHED = from_record(json.loads(TABLE.read_text()))
STORES = [chosen(format_.stores[0]) for format_ in registry.FORMATS]


@pytest.mark.nightly
@pytest.mark.parametrize("store", STORES, ids=str)
def test_store_has_no_bad_outcome_that_is_not_published(
    store: StoreName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = registry.why_not(store)
    if absent:
        pytest.skip(absent)
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    workspace = Workspace.of(tmp_path).own()
    workspace.images(SOURCE)
    folder = tmp_path / "trials"
    folder.mkdir()
    known = {(trial.kind, trial.outcome) for trial in PUBLISHED if trial.store == store}
    assert known, (
        f"{store} has no trials; 'platebench calibrate damage --stores {store}' makes them"
    )
    with Program(workspace.root, store) as one, Program(workspace.root, store) as other:
        for trial in trials_of(store, [one, other], folder, flips=4):
            if trial.outcome in BAD:
                assert (trial.kind, trial.outcome) in known, trial
