"""What the three sets of libraries came to, as kept in docs/, is whole and can be shown again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.talk.claims import claim_rows, facts_of
from platebench.talk.outcome import Talk

KEPT = Path(__file__).parents[2] / "docs" / "then_and_now.json"


@pytest.fixture(scope="module")
def talks() -> dict[str, Talk]:
    return {age: Talk.from_json(each) for age, each in json.loads(KEPT.read_text()).items()}


def test_there_are_three_ages_in_which_every_step_held(talks: dict[str, Talk]) -> None:
    assert list(talks) == ["then", "between", "today"]
    assert all(talk.holds for talk in talks.values())
    assert [talk.libraries["lancedb"] for talk in talks.values()][:2] == ["0.14.0", "0.24.0"]


def test_the_ratio_has_turned_round(talks: dict[str, Talk]) -> None:
    ratios = {age: facts_of(talk)[6] for age, talk in talks.items()}
    assert ratios["then"]["ratio_q75"] < 0.5
    assert ratios["today"]["ratio_q25"] > 1


def test_every_claim_can_be_shown(talks: dict[str, Talk]) -> None:
    assert all(len(row) == 6 and all(row.values()) for row in claim_rows(talks))


def test_it_names_no_folder_of_a_machine() -> None:
    assert "/tmp" not in KEPT.read_text()
