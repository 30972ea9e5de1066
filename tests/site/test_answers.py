"""The first screen agrees with the data and with `platebench report`."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from platebench.results.answer import LAB, Answers, Fastest, Smallest, answers
from platebench.results.questions import (
    QUESTIONS,
    SCAN,
    TAKE,
    answering,
    fastest_first,
    headline_image_set,
    of_floor,
    of_image_set,
)
from platebench.results.report import as_json, as_markdown, figure, seconds
from platebench.results.store_words import in_words
from platebench.results.tidy import CellResult, tidy
from platebench.site.answers import costs, section
from platebench.site.published import Published, published
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, failed, floor, ok, run_file
from tests.results.made_up_runs import SCAN as SCANS
from tests.site.made_up import reference

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
def whole(tmp_path_factory) -> Published:
    results = tmp_path_factory.mktemp("results")
    reference(results, image_sets=("raw-2", "raw-32", "ic-32"), rounds=4, stores=STORES)
    return published(results)[0]


@pytest.fixture(scope="module")
def found(whole: Published) -> Answers:
    answered = answers(whole.cells)
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


def smallest(found: Answers) -> Smallest:
    assert found.smallest is not None
    return found.smallest


def said_by(run: Published) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", section(run).html)).split())


def run_of(results: Path, *rounds: list) -> Published:
    run_file(results, *rounds)
    return published(results)[0]


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


def test_answers_agree_with_the_report(whole: Published, found: Answers) -> None:
    for answer in found.fastest:
        rows = report_rows(whole.cells, answer.best)
        (row,) = [row for row in rows if row[0] == str(answer.best.store)]
        assert row[2] == seconds(answer.best.median_s or 0)
        assert row[3] == figure(answer.of_floor.estimate if answer.of_floor else None)
        assert rows[0][0] == str(FLOOR)
        assert rows[1][0] == str(answer.best.store)
        tied = {each[0] for each in rows if each[1] == "=1"}
        assert tied == {str(cell.store) for cell in (answer.best, *answer.tied)} or not answer.tied


def test_intervals_agree_with_the_report(whole: Published, found: Answers) -> None:
    reported = json.loads(as_json(whole.cells))
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
        float(row[10])
        for row in report_rows(whole.cells, best)
        if row[0] != FLOOR and len(row) > 10
    ]
    assert float(figure(best.bytes_per_pixel_byte)) == min(sizes)
    assert smallest(found).lab_takes is not None
    assert smallest(found).lab_takes.low is None


def test_page_has_the_figures_of_the_answers(whole: Published, found: Answers) -> None:
    said = said_by(whole)
    for answer in found.fastest:
        store = answer.best.store
        finding = f"{answer.question.asked.finding} {in_words(store)} ({store}): "
        assert f"{finding}{answer.of_floor} times a bare file" in said
    assert f"Smallest {in_words(smallest(found).best.store)} (" in said
    assert "raw-32, 32 images, 44.0 MB of pixels" in said


def test_lab_and_default_stores_are_compared_in_shared_rounds(
    whole: Published, found: Answers
) -> None:
    answer = found.to(TAKE)
    assert answer is not None
    mine = [cell for cell in whole.cells if cell.image_set == "raw-32"]
    stores = {cell.store: cell for cell in answering(mine, TAKE)}
    formed = stores[LAB].wall.over(answer.best.wall)
    assert answer.lab_takes is not None
    assert (answer.lab_takes.estimate, answer.lab_takes.high) == (formed.estimate, formed.high)
    typed = [cell for cell in fastest_first(mine, TAKE).order if cell.tuning == "default"]
    assert answer.typed == typed[0]


def test_headline_is_the_raw_set_with_most_cells(tmp_path) -> None:
    few = [floor([1.0], image_set="raw-64", set_images=64)]
    more = [
        ok([2.0], image_set="raw-8", set_images=8),
        floor([1.0], image_set="raw-8", set_images=8),
    ]
    other = [ok([1.0], store, image_set="ic-64") for store in STORES]
    assert headline_image_set(tidy(run_file(tmp_path / "a", few + more + other))) == "raw-8"


def test_headline_is_the_larger_of_equal_raw_sets(tmp_path) -> None:
    runs = [ok([1.0], image_set=f"raw-{n}", set_images=n) for n in (8, 128, 32)]
    assert headline_image_set(tidy(run_file(tmp_path, runs))) == "raw-128"


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


def test_page_names_stores_that_tie(tmp_path) -> None:
    rounds = [
        [floor([1.0]), ok([2.0 * noise]), ok([2.0 * (2.03 - noise)], OTHER), ok([9.0], LAB)]
        for noise in (1.0, 1.02, 0.98, 1.03)
    ]
    run = run_of(tmp_path, *rounds)
    answer = to_scan(answers(run.cells))
    assert {answer.best.store, *(cell.store for cell in answer.tied)} == {IPC, OTHER}
    assert "Tie with " in said_by(run)
    assert f"Tie with {answer.tied[0].store}." in said_by(run)


def test_one_round_has_no_interval_and_no_reliable_order(tmp_path) -> None:
    run = run_of(tmp_path, [floor([1.0]), ok([2.0]), ok([2.001], LAB)])
    answer = to_scan(answers(run.cells))
    assert str(answer.of_floor) == "2.00"
    assert answer.tied == ()
    assert said_by(run).count("There was one round, so the order of stores is not reliable.") == 1


def test_single_question_with_one_round_is_marked(tmp_path) -> None:
    cold = ok([2.0], benchmark="full_scan.ColdFullScan.time_scan")
    run = run_of(tmp_path, [floor([1.0]), ok([2.0]), cold], [floor([1.0]), ok([2.0])])
    said = said_by(run)
    assert said.index("from the disk") < said.index("There was one round, so this order")


def test_failed_store_is_never_the_answer(tmp_path) -> None:
    quick = [[floor([1.0]), ok([3.0], OTHER), ok([1.1])] for _ in range(3)]
    quick[1][2] = failed("Mismatch: image 3 differs")
    run = run_of(tmp_path, *quick)
    assert to_scan(answers(run.cells)).best.store == OTHER
    assert smallest(answers(run.cells)).best.store == OTHER
    assert "1 store measured, 1 failed" in said_by(run)


def test_stores_within_one_percent_of_the_smallest_tie(tmp_path) -> None:
    sizes = {IPC: 1000, OTHER: 1009, LAB: 1011}
    runs = [ok([1.0], store, stored_bytes=size) for store, size in sizes.items()]
    found = smallest(of_rounds(tmp_path, runs))
    assert (found.best.store, [cell.store for cell in found.tied]) == (IPC, [OTHER])
    assert found.typed is not None
    assert found.typed.store == LAB


def test_page_names_questions_that_were_not_measured(tmp_path) -> None:
    said = said_by(run_of(tmp_path, [ok([1.0], LAB)]))
    assert "Not measured: read single images at random; " in said
    assert "the floor was not measured" in said
    assert "This is a folder of TIFF files as most labs have it." in said


def test_page_of_a_failed_run_says_so(tmp_path) -> None:
    run = run_of(tmp_path, [failed("no"), failed("no", LAB, SCANS)])
    assert answers(run.cells) is None
    assert said_by(run).startswith("No measurement of this run succeeded")


def test_page_has_the_best_store_of_each_format(whole: Published, found: Answers) -> None:
    best = costs(of_image_set(whole.cells, found.images))
    assert [cost.format for cost in best][:4] == ["parquet", "arrow-ipc", "lancedb", "zarr"]
    said = said_by(whole)
    for cost in best:
        assert cost.smallest is not None
        cells = [f"{of_floor(cell)}{cell.store}" for _, cell in cost.fastest]
        size = f"{figure(cost.smallest.bytes_per_pixel_byte)}{cost.smallest.store}"
        assert " ".join([cost.format, *cells, size]) in said
        assert len(cost.fastest) == 3
