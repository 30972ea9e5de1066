"""How the commands print an answer: where the table is, and commands that can be typed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from platebench.commands import answer
from platebench.results.answer import LAB
from platebench.results.ten_lines import MOST, WIDTH
from tests.results.made_up_runs import INFO, IPC, SCAN, ok, run_file
from tests.scratch_checkout import Command

ROUNDS = [[ok([0.04], LAB, SCAN), ok([0.02 * each], IPC, SCAN)] for each in (1.0, 1.01, 0.99)]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `platebench` on PATH."""
    program = tmp_path / "bin" / "platebench"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_program_on_path_is_called_by_its_name(on_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(on_path), "run"])
    assert answer.program() == "platebench"


def test_program_that_path_does_not_have_is_called_as_it_was(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [".venv/bin/platebench", "run"])
    assert answer.program() == ".venv/bin/platebench"


def test_other_program_on_path_is_not_named(on_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["elsewhere/bin/platebench", "run"])
    assert answer.program() == "elsewhere/bin/platebench"


def test_module_without_a_program_is_called_as_a_module(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["/x/platebench/__main__.py", "run"])
    assert answer.program() == f"{Path(sys.executable).name} -m platebench"


@pytest.mark.parametrize("before", [[], ["--resume"]])
def test_command_that_goes_on_is_quoted_and_has_resume_once(before, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["p/platebench", "run", *before, "--images", "my plate"])
    assert answer.resume_command() == "p/platebench run --images 'my plate' --resume"


@pytest.mark.parametrize("samples", [None, "many", {"raw-64": "x"}, {}])
def test_odd_samples_in_a_file_count_as_none(samples: object) -> None:
    assert answer.samples_of(replace(INFO, settings={"samples": samples})) == {}


def test_report_leads_with_the_answer(tmp_path: Path, platebench: Command) -> None:
    run_file(tmp_path, *ROUNDS).finish()
    said = platebench("report", "--results", str(tmp_path))
    lines = said.out.strip().splitlines()
    assert lines[0].startswith("64 images (raw-64), 88 MB.")
    length = lines.index("")
    assert length <= MOST
    assert all(len(line) <= WIDTH for line in lines[:length])
    assert "scan, warm, 64 raw images" in lines[length + 1]


def test_markdown_leads_with_the_answer_as_it_is_printed(tmp_path: Path, platebench) -> None:
    run_file(tmp_path, *ROUNDS)
    said = platebench("report", "--results", str(tmp_path), "--format", "markdown")
    assert said.out.startswith("```\n64 images (raw-64), 88 MB.")
    assert said.out.index("```\n\n") < said.out.index("### scan")


def test_sample_is_named_in_the_report(tmp_path: Path, platebench: Command) -> None:
    run_file(tmp_path, *ROUNDS, settings={"samples": {"raw-64": 4812}})
    assert (
        platebench("report", "--results", str(tmp_path))
        .out.lstrip()
        .startswith("64 of 4,812 images, 88 MB.")
    )


def test_report_on_own_images_leaves_the_folder_to_the_reader(tmp_path: Path, platebench) -> None:
    rounds = [
        [replace(run, cell=replace(run.cell, images="plate-01")) for run in each] for each in ROUNDS
    ]
    run_file(tmp_path, *rounds, images=["plate-01"])
    assert " run --images DIR --all\n" in platebench("report", "--results", str(tmp_path)).out
