"""Each step of the talk comes out as it should, on the libraries that are said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from platebench.talk.constants import ARROW, LANCEDB, PANDAS
from platebench.talk.outcome import Outcome, Talk
from platebench.talk.search import EXACT_RECALL, REFINED_RECALL

Step = Callable[[int], Outcome]


def version(talk: Talk, library: str) -> tuple[int, ...]:
    return tuple(int(part) for part in talk.libraries[library].split(".")[:2])


def test_there_are_nine_steps_in_order(talk: Talk) -> None:
    assert [outcome.step for outcome in talk.outcomes] == list(range(1, 10))


@pytest.mark.parametrize("number", range(1, 10))
def test_what_a_step_expects_holds(step: Step, number: int) -> None:
    wrong = [each for each in step(number).expected if not each.holds and not each.timed]
    assert wrong == []


@pytest.mark.parametrize("number", range(1, 10))
def test_a_step_says_what_it_did_what_happened_then_and_what_happens_now(
    step: Step, number: int
) -> None:
    outcome = step(number)
    assert outcome.done
    assert outcome.then
    assert all(outcome.now)
    assert outcome.expected


def test_files_are_those_of_the_talk(step: Step) -> None:
    facts = step(1).facts
    assert facts["filesize_bytes"] == 1_376_512
    assert facts["first_bytes"].startswith(b"II*\0\x08".hex())
    assert facts["shape"] == [1024, 1344]
    assert facts["dtype"] == "uint8"
    assert facts["equal"]


def test_text_in_a_frame_is_str_from_pandas_3_on(talk: Talk, step: Step) -> None:
    assert step(2).facts["text_dtype"] == ("str" if version(talk, "pandas") >= (3,) else "object")


def test_a_frame_of_images_prints_the_first_pixels(step: Step) -> None:
    assert "[[" in step(2).facts["printed"]


def test_pandas_refuses_paths_and_arrays_and_leaves_nothing(step: Step) -> None:
    facts = step(3).facts
    assert facts["paths"].startswith("ArrowInvalid: Could not convert PosixPath")
    assert facts["arrays"].startswith("ArrowInvalid: Can only convert 1-dimensional array values")
    assert facts["left"] == []


def test_awkward_takes_eight_times_the_memory_unless_told_to_keep_the_type(step: Step) -> None:
    facts = step(4).facts
    assert (facts["widened"], facts["kept"]) == ("int64", "uint8")
    assert round(facts["memory_times"]) == 8
    assert facts["equal"]


def test_lancedb_takes_awkwards_table_from_0_14_on(talk: Talk, step: Step) -> None:
    assert version(talk, "lancedb") >= (0, 14)
    assert step(5).facts["from_arrow"] is None


def test_lancedb_refuses_two_dimensional_arrays(step: Step) -> None:
    assert step(5).facts["from_arrays"].startswith("ArrowInvalid: Can only convert 1-dimensional")


def test_a_frame_through_lancedb_comes_back_equal_but_for_text_from_pandas_3_on(
    talk: Talk, step: Step
) -> None:
    differences = step(5).facts["differences"]
    assert differences["arrow"] is None
    if version(talk, "pandas") >= (3,):
        assert 'column name="path"' in differences["pandas"]
    else:
        assert differences["pandas"] is None
    assert step(5).facts["equal"]


def test_lance_files_are_nine_times_the_pixels_until_version_2_1_compresses_them(
    talk: Talk, step: Step
) -> None:
    facts = step(6).facts
    times = facts["stored_bytes"] / facts["pixel_bytes"]
    if version(talk, "lancedb") == (0, 14):
        assert facts["file_version"] == "2.0"
        assert 8 < times < 10
    else:
        assert version(talk, "lancedb") >= (0, 40)
        assert facts["file_version"] > "2.0"
        assert times < 2


def test_three_reads_are_timed_as_often_as_one_another(step: Step) -> None:
    samples = step(6).facts["samples_s"]
    assert list(samples) == [PANDAS, ARROW, LANCEDB]
    assert len({len(each) for each in samples.values()}) == 1


def test_checkout_moves_its_own_handle_only(step: Step) -> None:
    assert step(7).facts["opened_anew_rows"] == 4
    assert step(7).facts["add_refused"] is not None


def test_version_1_is_empty_in_lancedb_0_14_and_has_the_rows_since(talk: Talk, step: Step) -> None:
    facts = step(7).facts
    seen = (facts["created"], facts["added"], facts["checked_out_rows"])
    assert seen == ((2, 3, 0) if version(talk, "lancedb") == (0, 14) else (1, 2, 2))


def test_searches_without_an_index_are_exact_and_a_refined_index_nearly_so(step: Step) -> None:
    recalls = step(8).facts["recall"]
    assert min(recalls[name] for name in ("numpy", "duckdb", "lancedb")) >= EXACT_RECALL
    assert recalls["lancedb ivf-pq refined"] >= REFINED_RECALL


def test_all_joins_are_equal(step: Step) -> None:
    facts = step(9).facts
    assert set(facts["differences"].values()) == {None}
    assert facts["rows"] == 168


def test_nothing_in_the_facts_names_a_folder_of_this_machine(talk: Talk) -> None:
    assert "/tmp" not in repr([outcome.facts for outcome in talk.outcomes])
