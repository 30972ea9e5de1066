"""The README's figure, and the texts with numbers in README.md and docs/, come from results/."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.answer import answers
from platebench.results.records import RecordFile
from platebench.results.tidy import tidy
from platebench.running.selfcheck import Finding, SelfCheck
from platebench.site.readme import (
    COMPARE,
    KEPT,
    README,
    RESULTS,
    TALK,
    between,
    current,
    figures,
    reference_run,
)
from platebench.site.sentences import (
    FIGURE,
    answer_rows,
    how_sure,
    measured_on,
    selfcheck_text,
    talk_text,
)
from platebench.site.then_and_now import talks_in
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, floor, ok, run_file
from tests.site.made_up import reference

HERE = Path(__file__).parents[2]
STORES = (
    FLOOR,
    StoreName.parse("parquet:pixels:default"),
    StoreName.parse("parquet:pixels:fast"),
    StoreName.parse("zarr:tensor:default"),
    StoreName.parse("zarr:tensor:fast"),
    StoreName.parse("tiff-files:tiff:default"),
)
TEXT = """# project

<!-- found -->
<!-- /found -->

kept

<!-- report -->
<!-- /report -->
"""
OTHERS = {
    RESULTS: "<!-- answers -->\n<!-- /answers -->\n",
    COMPARE: "<!-- selfcheck -->\nstale\n<!-- /selfcheck -->\n",
    TALK: "<!-- talk -->\n<!-- /talk -->\n",
}


def called_reference(file: RecordFile) -> RecordFile:
    """Mark a made-up run as the reference run, in its first line."""
    first, _, rest = file.file.read_text().partition("\n")
    info = json.loads(first)
    info["settings"]["reference"] = {"parts": [], "left_out": []}
    file.file.write_text(f"{json.dumps(info)}\n{rest}")
    return file


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    called_reference(reference(folder, image_sets=("raw-32",), stores=STORES))
    return folder


@pytest.fixture
def checkout(tmp_path: Path, results: Path) -> Path:
    write_documents(tmp_path)
    shutil.copytree(results, tmp_path / "results")
    return tmp_path


def write_documents(folder: Path) -> None:
    (folder / "docs").mkdir()
    for name, text in {README: TEXT, **OTHERS}.items():
        (folder / name).write_text(text)
    shutil.copy(HERE / "docs" / "then_and_now.json", folder / "docs")


def files_in(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_figure_and_documents_are_current() -> None:
    if reference_run(HERE / "results") is None:
        pytest.skip("results/ holds no reference run yet")
    assert current(HERE) == []


def test_figures_writes_figure_and_documents(checkout: Path) -> None:
    before = files_in(checkout)
    every = [checkout / name for name in (FIGURE, KEPT, README, *OTHERS)]
    assert current(checkout) == every
    assert figures(checkout) == every
    assert current(checkout) == []
    assert files_in(checkout) - before == {FIGURE, KEPT}
    text = (checkout / README).read_text()
    assert f"]({FIGURE})" in text
    assert "\nkept\n" in text
    assert "\n    32 images (raw-32)" in text, "the ten lines of the run"
    none = OTHERS[COMPARE].replace("stale\n", selfcheck_text(None))
    assert (checkout / COMPARE).read_text() == none
    assert "| feels fast! |" in (checkout / TALK).read_text()
    assert (checkout / FIGURE).read_text().startswith("<svg")


def test_figures_is_idempotent(checkout: Path) -> None:
    figures(checkout)
    before = {name: (checkout / name).read_bytes() for name in (README, FIGURE)}
    figures(checkout)
    assert {name: (checkout / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("name", [README, FIGURE, RESULTS, TALK])
def test_manual_change_is_not_current(checkout: Path, name: str) -> None:
    figures(checkout)
    file = checkout / name
    file.write_text(re.sub(r"\d", "8", file.read_text(), count=400))
    assert current(checkout) == [file]


def test_other_words_of_the_readme_may_change(checkout: Path) -> None:
    figures(checkout)
    file = checkout / README
    file.write_text(file.read_text().replace("kept", "changed"))
    assert current(checkout) == []


def test_answers_have_the_stores_and_figures_of_the_answers(checkout: Path) -> None:
    run = reference_run(checkout / "results")
    assert run is not None
    found = answers(tidy(run))
    assert found is not None
    assert measured_on(found, run.info()).startswith(
        "Measured on 32 images (44 MB, `raw-32`) with Python 3.11.7 on 1 March 2026."
    )
    heading, *rows = answer_rows(found)
    assert len(rows) == len(found.fastest) + 2
    by_question = {row[0].removesuffix(", from memory"): row for row in rows}
    for answer in found.fastest:
        _, best, _, floor_ratio, folder = by_question[answer.question.words]
        assert f"(`{answer.best.store}`)" in best
        assert floor_ratio == str(answer.of_floor)
        assert folder.startswith(str(answer.lab_takes or ""))
    assert f"(`{found.smallest.best.store}`)" in rows[-2][1]
    assert f"(`{found.balanced.best.store}`)" in rows[-1][1]
    figures(checkout)
    said = (checkout / RESULTS).read_text()
    assert all(f"| {' | '.join(row)} |\n" in said for row in (heading, *rows))


def test_answers_from_the_disk_come_first(checkout: Path) -> None:
    found = answers(tidy(reference_run(checkout / "results")))
    assert found is not None
    disk = ["from the disk" in row[0] for row in answer_rows(found)[1:]]
    assert disk[0]
    assert disk == sorted(disk, reverse=True)


def test_answers_name_stores_that_tie(tmp_path: Path) -> None:
    other = StoreName.parse("parquet:pixels:fast")
    rounds = [
        [floor([1.0]), ok([2.0 * noise]), ok([2.0 * (2.03 - noise)], other)]
        for noise in (1.0, 1.02, 0.98, 1.03)
    ]
    found = answers(tidy(run_file(tmp_path, *rounds)))
    assert found is not None
    (tied,) = found.fastest[0].tied
    assert answer_rows(found)[1][2] == f"`{tied.store}`"
    assert {tied.store, found.fastest[0].best.store} == {IPC, other}


def test_one_round_has_no_reliable_order(tmp_path: Path) -> None:
    found = answers(tidy(run_file(tmp_path, [floor([1.0]), ok([2.0])])))
    assert found is not None
    assert how_sure(found) == "There was one round, so the order of stores is not reliable."


def test_talk_is_a_table_of_claims_by_libraries() -> None:
    table = talk_text(talks_in(HERE / "docs")).splitlines()
    assert table[0].startswith("| claim | measured | the talk, 2024 | then: lancedb 0.14.0")
    assert len({line.count("|") for line in table}) == 1
    assert talk_text({}) == ""


def test_later_runs_do_not_change_the_readme(checkout: Path) -> None:
    figures(checkout)
    later = "2027-01-01T00:00:00.000001+00:00"
    runs = [floor([1.0]), ok([2.0])]
    run_file(checkout / "results", runs, started=later, machine="my-pc").finish()
    run_file(checkout / "results", runs, started=later).finish()
    assert current(checkout) == []


def test_unfinished_reference_run_is_ignored(tmp_path: Path) -> None:
    called_reference(run_file(tmp_path / "results", [floor([1.0]), ok([2.0])]))
    assert reference_run(tmp_path / "results") is None
    write_documents(tmp_path)
    with pytest.raises(UserError, match="'platebench reference run' makes one"):
        figures(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (TEXT.replace("<!-- found -->\n", ""), "<!-- found --> is missing"),
        (TEXT.replace("<!-- /report -->", ""), "<!-- /report --> is missing"),
        (f"{TEXT}\n<!-- found -->\n", "<!-- found --> is there more than once"),
        (f"<!-- /found -->\n{TEXT}", "<!-- /found --> is there more than once"),
        (
            "<!-- /found -->\n<!-- found -->\n<!-- report -->\n<!-- /report -->\n",
            "<!-- /found --> comes before <!-- found -->",
        ),
    ],
)
def test_bad_marker_is_refused_before_writing(checkout: Path, wrong: str, says: str) -> None:
    (checkout / README).write_text(wrong)
    before = files_in(checkout)
    with pytest.raises(UserError) as raised:
        figures(checkout)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert files_in(checkout) == before
    assert (checkout / README).read_text() == wrong


def test_failed_write_leaves_no_partial_file(checkout, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise KeyboardInterrupt

    before = files_in(checkout)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyboardInterrupt):
        figures(checkout)
    assert files_in(checkout) == before
    assert (checkout / README).read_text() == TEXT


@pytest.mark.parametrize("name", OTHERS)
def test_missing_document_is_refused_before_writing(checkout: Path, name: str) -> None:
    (checkout / name).unlink()
    before = files_in(checkout)
    with pytest.raises(UserError, match=f"{name}: no such file"):
        figures(checkout)
    assert files_in(checkout) == before


def test_text_between_markers_is_replaced() -> None:
    stale = OTHERS[COMPARE]
    once = between(COMPARE, stale, "selfcheck", "new\n")
    assert once == stale.replace("stale\n", "new\n")
    assert between(COMPARE, once, "selfcheck", "new\n") == once


def test_selfcheck_is_a_table_of_limits_and_results() -> None:
    findings = [
        Finding("the same arm twice: called slower or faster", "at most 1%", 0.0, 40, True),
        Finding("10% slower, 16 rounds: found", "at least 95%", 0.9756, 40, True),
    ]
    text = selfcheck_text(SelfCheck(findings, 0.021, 0.034, 40, 16))
    assert "| the same arm twice: called slower or faster | at most 1% | 0.0% |\n" in text
    assert "| 10% slower, 16 rounds: found | at least 95% | 97.6% |\n" in text
    assert "40 cells in 16 rounds" in text
    assert "varies by 3%" in " ".join(text.split())
    assert selfcheck_text(None).startswith("No self-check of the reference machine is kept yet.")
