"""`platebench talk` prints what happens in 80 columns, and its exit status says whether it held."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platebench.cli import app
from platebench.errors import UserError
from platebench.talk import dataset as material
from platebench.talk import steps
from platebench.talk.dataset import Material
from platebench.talk.environments import give_talk_with
from platebench.talk.images_and_frame import list_images, show_frame
from platebench.talk.outcome import Expected, Outcome
from platebench.talk.parquet_and_awkward import write_with_pandas

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `platebench talk` with a few quick steps."""
    monkeypatch.setattr(steps, "STEPS", (list_images, show_frame, write_with_pandas))
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["talk", *arguments])
        if isinstance(result.exception, UserError):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return invoke


def test_it_prints_then_and_now_in_80_columns(run: Run, small: Material) -> None:
    status, printed, _ = run(str(small.files[0].parent))
    assert status == 0
    assert "1,376,512 bytes" in printed
    assert "left on disk: nothing" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_step_that_does_not_come_out_is_said_and_the_status_is_1(
    run: Run, small: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(material: Material, folder: Path) -> Outcome:
        outcome = show_frame(material, folder)
        return replace(outcome, expected=[Expected("text is Latin", "pandas 9", holds=False)])

    monkeypatch.setattr(steps, "STEPS", (failing,))
    status, printed, said = run(str(small.files[0].parent))
    assert status == 1
    assert "not so here: text is Latin (pandas 9)" in printed
    assert "step 2: text is Latin (pandas 9)" in said


def test_json_holds_the_outcomes_by_age(run: Run, small: Material) -> None:
    status, printed, _ = run(str(small.files[0].parent), "--json")
    assert status == 0
    assert [each["step"] for each in json.loads(printed)["today"]["outcomes"]] == [1, 2, 3]


def test_a_chart_without_other_libraries_is_refused_at_once(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs --over"):
        run("--chart", str(tmp_path / "chart.svg"))


def test_a_chart_is_written_over_no_pipe_device_or_folder(
    run: Run, terminal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is refused before anything is drawn or installed."""
    monkeypatch.setattr(material, "generated_material", None)
    pipe, device, folder = (tmp_path / f"{name}.svg" for name in ("pipe", "device", "folder"))
    os.mkfifo(pipe)
    device.symlink_to(terminal)
    folder.mkdir()
    for chart in (pipe, device, folder, tmp_path / "nowhere" / "chart.svg"):
        with pytest.raises(UserError, match=chart.name) as said:
            run("--over", "then", "--chart", str(chart))
        assert "\n" not in str(said.value)
    assert pipe.is_fifo()
    assert device.is_char_device()


def test_unknown_libraries_are_refused_before_an_image_is_drawn(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "generated_material", None)
    with pytest.raises(UserError, match="yesterday: neither then nor between"):
        run("--over", "then", "--over", "yesterday")


def test_other_libraries_are_ages_or_pins(run: Run, small: Material) -> None:
    with pytest.raises(UserError, match="neither then nor between, nor pins"):
        run(str(small.files[0].parent), "--over", "yesterday")


def test_a_folder_that_is_not_there_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder") as said:
        run(str(tmp_path / "nowhere"))
    assert "\n" not in str(said.value)


def test_another_interpreter_that_cannot_give_the_talk_is_said_in_one_line(
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match="the talk stopped there") as said:
        give_talk_with(Path(sys.executable), tmp_path / "nowhere")
    assert "\n" not in str(said.value)
