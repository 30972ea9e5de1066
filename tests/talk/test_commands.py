"""`platebench talk` prints the steps in 80 columns, and exits with status 1 on a failure."""

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
from platebench.talk import dataset as talk_dataset
from platebench.talk import steps
from platebench.talk.dataset import Dataset
from platebench.talk.environments import give_talk_with
from platebench.talk.images_and_frame import list_images, show_frame
from platebench.talk.outcome import Expected, Outcome
from platebench.talk.parquet_and_awkward import write_with_pandas

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `platebench talk` with a few fast steps."""
    monkeypatch.setattr(steps, "STEPS", (list_images, show_frame, write_with_pandas))
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["talk", *arguments])
        if isinstance(result.exception, UserError):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return invoke


def test_talk_prints_then_and_now_in_80_columns(run: Run, small: Dataset) -> None:
    status, printed, _ = run(str(small.files[0].parent))
    assert status == 0
    assert "1,376,512 bytes" in printed
    assert "left on disk: nothing" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_failed_expectation_is_reported_with_status_1(
    run: Run, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(dataset: Dataset, folder: Path) -> Outcome:
        outcome = show_frame(dataset, folder)
        return replace(outcome, expected=[Expected("text is Latin", "pandas 9", holds=False)])

    monkeypatch.setattr(steps, "STEPS", (failing,))
    status, printed, said = run(str(small.files[0].parent))
    assert status == 1
    assert "does not hold: text is Latin (pandas 9)" in printed
    assert "step 2: text is Latin (pandas 9)" in said


def test_json_has_outcomes_by_environment(run: Run, small: Dataset) -> None:
    status, printed, _ = run(str(small.files[0].parent), "--json")
    assert status == 0
    assert [each["step"] for each in json.loads(printed)["today"]["outcomes"]] == [1, 2, 3]


def test_chart_without_other_libraries_is_refused_at_once(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs --over"):
        run("--chart", str(tmp_path / "chart.svg"))


def test_pipes_devices_and_folders_are_refused_as_chart(
    run: Run, terminal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused before anything is generated or installed."""
    monkeypatch.setattr(talk_dataset, "generated_dataset", None)
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


def test_unknown_libraries_are_refused_before_images_are_generated(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_dataset, "generated_dataset", None)
    with pytest.raises(UserError, match="yesterday: give then, between, or pins"):
        run("--over", "then", "--over", "yesterday")


def test_unknown_environment_is_refused(run: Run, small: Dataset) -> None:
    with pytest.raises(UserError, match="give then, between, or pins"):
        run(str(small.files[0].parent), "--over", "yesterday")


def test_missing_folder_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder") as said:
        run(str(tmp_path / "nowhere"))
    assert "\n" not in str(said.value)


def test_failing_interpreter_is_reported_in_one_line(
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match="the talk failed with this interpreter") as said:
        give_talk_with(Path(sys.executable), tmp_path / "nowhere")
    assert "\n" not in str(said.value)
