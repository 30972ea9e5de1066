"""The outcomes kept in docs/ for three environments are complete and can be displayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.talk.claims import claim_rows, facts_of
from platebench.talk.outcome import Talk

KEPT = Path(__file__).parents[2] / "docs" / "then_and_now.json"


@pytest.fixture(scope="module")
def talks() -> dict[str, Talk]:
    return {
        environment: Talk.from_json(each)
        for environment, each in json.loads(KEPT.read_text()).items()
    }


def test_every_step_held_in_three_environments(talks: dict[str, Talk]) -> None:
    assert list(talks) == ["then", "between", "today"]
    assert all(talk.holds for talk in talks.values())
    assert [talk.libraries["lancedb"] for talk in talks.values()][:2] == ["0.14.0", "0.24.0"]


def test_ratio_of_lancedb_to_pandas_has_reversed(talks: dict[str, Talk]) -> None:
    ratios = {environment: facts_of(talk)[6] for environment, talk in talks.items()}
    assert ratios["then"]["ratio_q75"] < 0.5
    assert ratios["today"]["ratio_q25"] > 1


def test_every_claim_has_a_result_in_every_environment(talks: dict[str, Talk]) -> None:
    assert all(len(row) == 6 and all(row.values()) for row in claim_rows(talks))


def test_kept_outcomes_contain_no_local_paths() -> None:
    assert "/tmp" not in KEPT.read_text()
