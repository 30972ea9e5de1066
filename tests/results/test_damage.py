"""Outcomes of damage, of killed writers and of several programs at once, and their page."""

from __future__ import annotations

import pytest

from platebench.results.damage import (
    Kind,
    Outcome,
    SafetyFacts,
    Trial,
    as_markdown,
    as_record,
    combined,
    counts,
    from_record,
    is_met,
    of_damage,
    of_killed_append,
    of_read,
    of_reader_and_writer,
    of_two_readers,
    of_two_writers,
)
from platebench.stores.name import StoreName

STORE = StoreName.parse("parquet:pixels:fast")
FACTS = SafetyFacts(3, "3.13.0", {"numpy": "2.5.5"}, "ext4")


def rows(*found: int, table: bool = True) -> dict[str, object]:
    return {"rows": list(found), "table": table}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (rows(0, 1, 2), Outcome.HARMLESS),
        (rows(0, -1, 2), Outcome.WRONG),
        (rows(0, 2, 1), Outcome.WRONG),
        (rows(0, 1), Outcome.WRONG),
        (rows(0, 1, 2, 2), Outcome.WRONG),
        (rows(0, 1, 2, table=False), Outcome.WRONG),
        ({"error": "OSError: no"}, Outcome.NOTICED),
        ({"absent": True}, Outcome.ABSENT),
        ({"died": "SIGBUS"}, Outcome.CRASHED),
        ({"hung": "60 s"}, Outcome.HUNG),
    ],
)
def test_outcome_of_a_read(answer: dict[str, object], outcome: Outcome) -> None:
    assert of_read(answer, 3)[0] == outcome


def test_removed_store_is_noticed() -> None:
    assert of_damage({"absent": True}, 3)[0] == Outcome.NOTICED
    assert of_damage(rows(0, -1, 2), 3) == (Outcome.WRONG, "1 images differ")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (rows(0, 1), Outcome.BEFORE),
        (rows(0, 1, 2, 3), Outcome.HARMLESS),
        (rows(0, 1, 2), Outcome.WRONG),
        (rows(0, 1, table=False), Outcome.WRONG),
        ({"absent": True}, Outcome.WRONG),
        ({"error": "no"}, Outcome.NOTICED),
        ({"died": "SIGSEGV"}, Outcome.CRASHED),
    ],
)
def test_outcome_of_a_killed_append(answer: dict[str, object], outcome: Outcome) -> None:
    assert of_killed_append(answer, [0, 1], [0, 1, 2, 3])[0] == outcome


def test_outcome_of_two_readers() -> None:
    assert of_two_readers([rows(0, 1), rows(0, 1)], 2)[0] == Outcome.RIGHT
    assert of_two_readers([rows(0, 1), rows(0, -1)], 2)[0] == Outcome.WRONG
    assert of_two_readers([rows(0, 1), {"died": "SIGBUS"}], 2)[0] == Outcome.CRASHED


@pytest.mark.parametrize(
    ("seen", "written", "outcome"),
    [
        ([rows(0), rows(0, 1, 2)], {}, Outcome.RIGHT),
        ([rows(0), rows(0, 1), rows(0, 1, 2)], {}, Outcome.RIGHT),
        ([rows(0), rows(0, 2), rows(0, 1, 2)], {}, Outcome.WRONG),
        ([rows(0), rows(0, 1, table=False), rows(0, 1, 2)], {}, Outcome.WRONG),
        ([rows(0), {"error": "no"}, rows(0, 1, 2)], {}, Outcome.NOTICED),
        ([rows(0), {"absent": True, "table": True}], {}, Outcome.WRONG),
        ([rows(0)], {}, Outcome.LOST),
        ([rows(0), rows(0, 1, 2)], {"error": "no"}, Outcome.NOTICED),
        ([rows(0), rows(0, 1, 2)], {"died": "SIGKILL"}, Outcome.CRASHED),
    ],
)
def test_outcome_of_a_reader_beside_a_writer(
    seen: list[dict[str, object]], written: dict[str, object], outcome: Outcome
) -> None:
    states = [[0], [0, 1], [0, 1, 2]]
    assert of_reader_and_writer({"seen": seen}, [written], states)[0] == outcome


@pytest.mark.parametrize(
    ("read", "answers", "outcome"),
    [
        (rows(0, 1, 2), [{}, {}], Outcome.RIGHT),
        (rows(0, 2, 1), [{}, {}], Outcome.RIGHT),
        (rows(0, 1), [{}, {}], Outcome.LOST),
        (rows(0, 1), [{}, {"refused": "came second"}], Outcome.REFUSED),
        (rows(0, 2), [{}, {"refused": "came second"}], Outcome.LOST),
        (rows(0), [{"error": "no"}, {"refused": "no"}], Outcome.REFUSED),
        ({"error": "cannot be read"}, [{}, {}], Outcome.LOST),
        (rows(0, 1, 2), [{}, {"hung": "60 s"}], Outcome.HUNG),
    ],
)
def test_outcome_of_two_writers(
    read: dict[str, object], answers: list[dict[str, object]], outcome: Outcome
) -> None:
    assert of_two_writers(read, [0], [[1], [2]], answers)[0] == outcome


def test_images_of_two_writers_in_turns_are_mixed_and_not_lost() -> None:
    added = [[1, 2], [3, 4]]
    assert of_two_writers(rows(0, 1, 3, 2, 4), [0], added, [{}, {}])[0] == Outcome.MIXED
    assert of_two_writers(rows(0, 1, 3, 2, 3), [0], added, [{}, {}])[0] == Outcome.LOST
    assert of_two_writers(rows(1, 0, 2, 3, 4), [0], added, [{}, {}])[0] == Outcome.LOST


def test_trials_survive_their_record() -> None:
    trials = [Trial(STORE, Kind.ENDS, "file: flip at 3", Outcome.WRONG, "1 images differ")]
    assert from_record(as_record(trials, FACTS)) == trials
    assert from_record({}) == []


def test_trials_of_damage_with_one_outcome_are_combined() -> None:
    flips = [Trial(STORE, Kind.ENDS, f"at {at}", Outcome.WRONG) for at in range(3)]
    kills = [Trial(STORE, Kind.KILLED_WRITE, f"at {at}", Outcome.WRONG) for at in range(2)]
    found = combined([*flips, Trial(STORE, Kind.ENDS, "", Outcome.NOTICED), *kills])
    assert [trial.times for trial in found] == [3, 1, 1, 1]
    assert counts(combined(found), Kind.ENDS) == "3 wrong, 1 noticed"
    assert from_record(as_record(found, FACTS)) == found


def test_page_counts_outcomes_and_tells_the_worst() -> None:
    trials = [
        Trial(STORE, Kind.FLIPPED, "", Outcome.WRONG),
        Trial(STORE, Kind.FLIPPED, "", Outcome.NOTICED),
        Trial(STORE, Kind.FLIPPED, "", Outcome.NOTICED),
        Trial(STORE, Kind.ENDS, "", Outcome.HARMLESS),
        Trial(STORE, Kind.CUT, "file: cut at 0", Outcome.CRASHED, "ended by SIGBUS"),
        Trial(STORE, Kind.KILLED_WRITE, "at image 0", Outcome.ABSENT),
        Trial(STORE, Kind.KILLED_WRITE, "at image 1", Outcome.ABSENT),
        Trial(STORE, Kind.KILLED_WRITE, "at image 2", Outcome.WRONG, "2 of 3 images"),
        Trial(STORE, Kind.KILLED_APPEND, "", Outcome.BEFORE),
        Trial(STORE, Kind.TWO_WRITERS, "race 1", Outcome.LOST, "2 images, not 3"),
    ]
    page = as_markdown(trials, FACTS, "platebench calibrate damage")
    assert f"| `{STORE}` | 2 |  | **1** |  |  | 1 |  |  |" in page
    assert f"| `{STORE}` |  |  |  | **1** |" in page
    assert f"| `{STORE}` | absent, **wrong** | before |" in page
    assert f"| `{STORE}` |  |  | **lost** |" in page
    assert f"| `{STORE}` | cut | file: cut at 0 | crashed | ended by SIGBUS |" in page
    assert "race 1 | lost | 2 images, not 3" in page
    assert counts(trials, Kind.FLIPPED) == "2 noticed, 1 wrong"


def test_lost_images_and_mixtures_fail_the_command_and_formats_own_ways_do_not() -> None:
    own = [
        Trial(STORE, Kind.FLIPPED, "", Outcome.WRONG),
        Trial(STORE, Kind.CUT, "", Outcome.CRASHED),
        Trial(STORE, Kind.KILLED_WRITE, "", Outcome.WRONG),
        Trial(STORE, Kind.TWO_WRITERS, "", Outcome.REFUSED),
    ]
    assert is_met(own)
    for kind in (Kind.KILLED_APPEND, Kind.TWO_READERS, Kind.READER_AND_WRITER, Kind.TWO_WRITERS):
        assert not is_met([*own, Trial(STORE, kind, "", Outcome.WRONG)])
    assert not is_met([Trial(STORE, Kind.TWO_WRITERS, "", Outcome.LOST)])
