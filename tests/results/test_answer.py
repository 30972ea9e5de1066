"""Answers agree with the data and with `platebench report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.results.advice import Basis
from platebench.results.answer import LAB, Answers, Chosen, Fastest, answers
from platebench.results.needs import Needs
from platebench.results.questions import (
    COLD_SCAN,
    COLD_TAKE,
    QUESTIONS,
    SCAN,
    TAKE,
    WRITE,
    answering,
    headline_image_set,
    of_image_set,
)
from platebench.results.records import record_files
from platebench.results.report import as_json, as_markdown, figure, seconds
from platebench.results.store_words import short_name
from platebench.results.ten_lines import ten_lines
from platebench.results.tidy import CellResult, tidy
from platebench.site.lessons import lessons
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, failed, floor, ok, run_file
from tests.results.made_up_runs import SCAN as SCAN_NAME
from tests.results.made_up_runs import WRITE as WRITE_NAME
from tests.scratch_checkout import REPOSITORY
from tests.site.made_up import reference

COLD_SCAN_NAME = "full_scan.ColdFullScan.time_scan"
STORES = (
    FLOOR,
    StoreName.parse("parquet:pixels:default"),
    StoreName.parse("parquet:pixels:fast"),
    StoreName.parse("arrow-ipc:pixels:small"),
    StoreName.parse("lancedb:pixels:fast"),
    StoreName.parse("zarr:tensor:fast"),
    LAB,
    StoreName.parse("ch5:tensor:fast"),
)
OTHER = StoreName.parse("parquet:pixels:fast")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[CellResult]:
    results = tmp_path_factory.mktemp("results")
    return tidy(
        reference(results, image_sets=("raw-2", "raw-32", "ic-32"), rounds=4, stores=STORES)
    )


@pytest.fixture(scope="module")
def found(whole: list[CellResult]) -> Answers:
    answered = answers(whole)
    assert answered is not None
    return answered


def of_rounds(results: Path, *rounds: list) -> Answers:
    answered = answers(tidy(run_file(results, *rounds)))
    assert answered is not None
    return answered


def to_scan(found: Answers) -> Fastest:
    answer = found.to(SCAN)
    assert answer is not None
    return answer


def smallest(found: Answers) -> Chosen:
    assert found.smallest is not None
    return found.smallest


def test_every_question_is_answered_without_the_floor(found: Answers) -> None:
    assert [each.question for each in found.fastest] == list(QUESTIONS)
    assert FLOOR not in [each.best.store for each in found.fastest]
    assert smallest(found).best.store != FLOOR


def report_rows(cells: list[CellResult], best: CellResult) -> list[list[str]]:
    """The fields of the report's table with a cell, in its order."""
    mine = [cell for cell in cells if cell.image_set == best.image_set]
    operation, detail, cache = best.operation, best.detail, best.cache
    same = [c for c in mine if (c.operation, c.detail, c.cache) == (operation, detail, cache)]
    lines = [line for line in as_markdown(same).splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_answers_agree_with_the_report(whole: list[CellResult], found: Answers) -> None:
    for answer in found.fastest:
        rows = report_rows(whole, answer.best)
        (row,) = [row for row in rows if row[0] == str(answer.best.store)]
        assert row[2] == seconds(answer.best.median_s or 0)
        assert row[3] == figure(answer.of_floor.estimate if answer.of_floor else None)
        assert rows[0][0] == str(FLOOR)
        assert rows[1][0] == str(answer.best.store)
        tied = {each[0] for each in rows if each[1] == "=1"}
        assert tied == {str(cell.store) for cell in (answer.best, *answer.tied)} or not answer.tied


def test_intervals_agree_with_the_report(whole: list[CellResult], found: Answers) -> None:
    reported = json.loads(as_json(whole))
    keys = ("store", "operation", "detail", "cache", "images", "profile")
    for answer in found.fastest:
        (cell,) = [
            each for each in reported if all(each[k] == answer.best.as_dict()[k] for k in keys)
        ]
        times = answer.of_floor
        assert times is not None
        assert (times.low, times.high) == (cell["floor_low"], cell["floor_high"])


def test_size_agrees_with_the_report_and_has_no_interval(whole, found: Answers) -> None:
    best = smallest(found).best
    sizes = [
        float(row[10]) for row in report_rows(whole, best) if row[0] != FLOOR and len(row) > 10
    ]
    assert float(figure(best.bytes_per_pixel_byte)) == min(sizes)
    assert smallest(found).lab_takes is not None
    assert smallest(found).lab_takes.low is None


def test_lab_is_compared_in_shared_rounds(whole: list[CellResult], found: Answers) -> None:
    answer = found.to(TAKE)
    assert answer is not None
    mine = [cell for cell in whole if cell.image_set == "raw-32"]
    stores = {cell.store: cell for cell in answering(mine, TAKE)}
    formed = stores[LAB].wall.over(answer.best.wall)
    assert answer.lab_takes is not None
    assert (answer.lab_takes.estimate, answer.lab_takes.high) == (formed.estimate, formed.high)


def test_headline_is_the_raw_set_with_most_stores(tmp_path) -> None:
    few = [
        floor([1.0], image_set="raw-64", set_images=64, benchmark=benchmark)
        for benchmark in (SCAN_NAME, COLD_SCAN_NAME, WRITE_NAME)
    ]
    more = [
        ok([2.0], image_set="raw-8", set_images=8),
        floor([1.0], image_set="raw-8", set_images=8),
    ]
    other = [ok([1.0], store, image_set="ic-64") for store in STORES]
    assert headline_image_set(tidy(run_file(tmp_path / "a", few + more + other))) == "raw-8"


def test_headline_is_the_larger_of_equal_raw_sets(tmp_path) -> None:
    runs = [ok([1.0], image_set=f"raw-{n}", set_images=n) for n in (8, 128, 32)]
    assert headline_image_set(tidy(run_file(tmp_path, runs))) == "raw-128"


def test_question_that_the_headline_set_leaves_open_is_answered_on_another(tmp_path) -> None:
    runs = [
        *(ok([1.0], store, COLD_SCAN_NAME, "raw-64", set_images=64) for store in STORES),
        *(ok([1.0], store, WRITE_NAME, "raw-8", set_images=8) for store in STORES[-2:]),
        *(ok([1.0], store, SCAN_NAME, name, set_images=8) for store in STORES[-1:]
          for name in ("raw-8", "raw-64")),
    ]  # fmt: skip
    found = answers(tidy(run_file(tmp_path, runs)))
    assert found is not None and found.images == "raw-64"
    written, scanned = found.to(WRITE), found.to(SCAN)
    assert written is not None and scanned is not None
    assert written.best.image_set == "raw-8"
    assert found.elsewhere(written) == "8 images"
    assert found.elsewhere(scanned) == "", "the headline set has an answer"


def test_headline_without_a_raw_set_is_another_set(tmp_path) -> None:
    cells = tidy(run_file(tmp_path, [ok([1.0], image_set="my-plate-0123ab", set_images=5)]))
    assert headline_image_set(cells) == "my-plate-0123ab"


def test_fast_moment_of_the_machine_does_not_make_the_fastest_store(tmp_path) -> None:
    def speed(number: int) -> float:
        return 1.0 if number % 2 else 3.0

    rounds = [
        [floor([speed(n)]), ok([1.5 * speed(n)]), *([ok([1.6], OTHER)] if n % 2 else [])]
        for n in range(1, 7)
    ]
    answer = to_scan(of_rounds(tmp_path, *rounds))
    assert (answer.best.median_s or 0) > 2, "its median is above the other's 1.6 s"
    assert answer.best.store == IPC


def test_one_round_has_no_interval_and_no_reliable_order(tmp_path) -> None:
    found = of_rounds(tmp_path, [floor([1.0]), ok([2.0]), ok([2.001], LAB)])
    answer = to_scan(found)
    assert str(answer.of_floor) == "2.00"
    assert answer.tied == ()
    assert found.one_round


def test_failed_store_is_never_the_answer(tmp_path) -> None:
    quick = [[floor([1.0]), ok([3.0], OTHER), ok([1.1])] for _ in range(3)]
    quick[1][2] = failed("Mismatch: image 3 differs")
    found = of_rounds(tmp_path, *quick)
    assert to_scan(found).best.store == OTHER
    assert smallest(found).best.store == OTHER


def test_of_stores_as_small_within_one_percent_the_fastest_is_smallest(tmp_path) -> None:
    given = {IPC: (1000, 2.0), OTHER: (1009, 1.0), LAB: (1011, 0.5)}
    rounds = [
        [ok([time * wobble], store, stored_bytes=size) for store, (size, time) in given.items()]
        for wobble in (1.0, 1.01, 0.99)
    ]
    found = smallest(of_rounds(tmp_path / "a", *rounds))
    assert (found.best.store, found.tied) == (OTHER, ())
    one = smallest(of_rounds(tmp_path / "b", rounds[0]))
    assert [cell.store for cell in one.tied] == [IPC], "one round settles nothing"


# One rule: the page, `advise`, `report`, the ten lines and the README choose the same stores

SINGLE = {COLD_TAKE: Needs(0, 100, 0), COLD_SCAN: Needs(100, 0, 0), WRITE: Needs(0, 0, 100)}


@pytest.mark.parametrize("kept", [True, False])
def test_ten_lines_and_decision_agree_on_each_use_and_on_size(kept: bool, whole) -> None:
    runs = [file for file in record_files(REPOSITORY / "results") if file.info().is_run]
    cells = tidy(runs[-1]) if kept else whole
    found = answers(cells)
    assert found is not None
    mine = of_image_set(cells, found.images)
    basis = Basis(mine)
    for question, needs in SINGLE.items():
        choice, answer = basis.decide(needs).fastest, found.to(question)
        assert choice is not None
        assert answer is not None
        assert choice.store == answer.best.store
        assert set(choice.ties) == {cell.store for cell in answer.unsettled}
    usual = basis.decide(Needs())
    said = [" ".join(ten_lines(cells)), " ".join(lessons(mine))]
    for chosen, choice in ((found.smallest, usual.smallest), (found.balanced, usual.balanced)):
        assert chosen is not None
        assert choice is not None
        assert chosen.best.store == choice.store
        assert tuple(cell.store for cell in chosen.tied) == choice.ties
        assert all(short_name(choice.store) in text for text in said)
