"""Each step of the talk has the outcome expected of its library versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from platebench.talk.constants import ARROW, LANCEDB, PANDAS
from platebench.talk.dataset import PLATE_IMAGES
from platebench.talk.joins import MOST_CELLS
from platebench.talk.outcome import Outcome, Talk
from platebench.talk.search import EXACT_RECALL, QUERIES, REFINED_RECALL

Step = Callable[[int], Outcome]


def version(talk: Talk, library: str) -> tuple[int, ...]:
    return tuple(int(part) for part in talk.libraries[library].split(".")[:2])


def test_talk_has_nine_steps_in_order(talk: Talk) -> None:
    assert [outcome.step for outcome in talk.outcomes] == list(range(1, 10))


@pytest.mark.parametrize("number", range(1, 10))
def test_expectations_of_a_step_hold(step: Step, number: int) -> None:
    wrong = [each for each in step(number).expected if not each.holds and not each.timed]
    assert wrong == []


@pytest.mark.parametrize("number", range(1, 10))
def test_step_describes_calls_then_and_now(step: Step, number: int) -> None:
    outcome = step(number)
    assert outcome.calls
    assert outcome.then
    assert all(outcome.now)
    assert outcome.expected


def test_files_equal_those_of_the_talk(step: Step) -> None:
    facts = step(1).facts
    assert facts["filesize_bytes"] == 1_376_512
    assert facts["first_bytes"].startswith(b"II*\0\x08".hex())
    assert facts["shape"] == [1024, 1344]
    assert facts["dtype"] == "uint8"
    assert facts["equal"]


def test_text_in_a_frame_has_dtype_str_since_pandas_3(talk: Talk, step: Step) -> None:
    assert step(2).facts["text_dtype"] == ("str" if version(talk, "pandas") >= (3,) else "object")


def test_frame_of_images_prints_the_first_pixels(step: Step) -> None:
    assert "[[" in step(2).facts["printed"]


def test_to_parquet_refuses_paths_and_arrays_and_leaves_nothing(step: Step) -> None:
    facts = step(3).facts
    assert facts["paths"].startswith("ArrowInvalid: Could not convert PosixPath")
    assert facts["arrays"].startswith("ArrowInvalid: Can only convert 1-dimensional array values")
    assert facts["left"] == []


def test_awkward_widens_records_to_int64_and_keeps_arrays(step: Step) -> None:
    facts = step(4).facts
    assert (facts["widened"], facts["kept"]) == ("int64", "uint8")
    assert round(facts["memory_times"]) == 8
    assert facts["equal"]


def test_lancedb_accepts_awkward_tables_since_0_14(talk: Talk, step: Step) -> None:
    assert version(talk, "lancedb") >= (0, 14)
    assert step(5).facts["from_arrow"] is None


def test_lancedb_refuses_two_dimensional_arrays(step: Step) -> None:
    assert step(5).facts["from_arrays"].startswith("ArrowInvalid: Can only convert 1-dimensional")


def test_lancedb_returns_equal_frames_except_text_since_pandas_3(talk: Talk, step: Step) -> None:
    differences = step(5).facts["differences"]
    assert differences["arrow"] is None
    if version(talk, "pandas") >= (3,):
        assert 'column name="path"' in differences["pandas"]
    else:
        assert differences["pandas"] is None
    assert step(5).facts["equal"]


def test_lance_files_are_compressed_since_version_2_1(talk: Talk, step: Step) -> None:
    facts = step(6).facts
    times = facts["stored_bytes"] / facts["pixel_bytes"]
    if version(talk, "lancedb") == (0, 14):
        assert facts["file_version"] == "2.0"
        assert 8 < times < 10
    else:
        assert version(talk, "lancedb") >= (0, 40)
        assert facts["file_version"] > "2.0"
        assert times < 2


def test_three_reads_have_equally_many_samples(step: Step) -> None:
    samples = step(6).facts["samples_s"]
    assert list(samples) == [PANDAS, ARROW, LANCEDB]
    assert len({len(each) for each in samples.values()}) == 1


def test_checkout_affects_only_its_own_handle(step: Step) -> None:
    assert step(7).facts["opened_anew_rows"] == 4
    assert step(7).facts["add_refused"] is not None


def test_version_1_is_empty_in_lancedb_0_14_only(talk: Talk, step: Step) -> None:
    facts = step(7).facts
    seen = (facts["created"], facts["added"], facts["checked_out_rows"])
    assert seen == ((2, 3, 0) if version(talk, "lancedb") == (0, 14) else (1, 2, 2))


def test_recall_of_exact_and_refined_searches_is_high(step: Step) -> None:
    recalls = step(8).facts["recall"]
    assert min(recalls[name] for name in ("numpy", "duckdb", "lancedb")) >= EXACT_RECALL
    assert recalls["lancedb ivf-pq refined"] >= REFINED_RECALL


def test_vectors_belong_to_cells_of_the_plate_of_step_9(step: Step) -> None:
    assert step(8).facts["cells"] == step(9).facts["rows"] - QUERIES
    assert step(8).facts["images"] == step(9).facts["pixels"]["images"] == PLATE_IMAGES


def test_all_joins_are_equal_without_and_with_pixels(step: Step) -> None:
    facts = step(9).facts
    assert set(facts["differences"].values()) == {None}
    assert set(facts["pixels"]["differences"].values()) == {None}
    assert facts["rows"] == 1356
    assert 0 < facts["pixels"]["rows"] <= MOST_CELLS


def test_facts_contain_no_local_paths(talk: Talk) -> None:
    assert "/tmp" not in repr([outcome.facts for outcome in talk.outcomes])
