"""What continuous integration runs is what a person can run here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from platebench.results.record_lines import is_plain_name
from tests.command_lines import check_command, is_ours, words_of
from tests.scratch_checkout import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
FOREIGN = re.compile(r"https?://|pypi|index-url|find-links", re.IGNORECASE)


class Line(NamedTuple):
    """One line that a workflow runs, and the variables it has."""

    workflow: str
    command: str
    variables: dict[str, str]


def schema_check(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "check_jsonschema", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def steps(workflow: Path) -> Iterator[dict[str, object]]:
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield from job["steps"]


def lines(workflow: Path) -> Iterator[Line]:
    for step in steps(workflow):
        for command in str(step.get("run", "")).splitlines():
            yield Line(workflow.name, command, dict(step.get("env", {})))


LINES = [line for workflow in WORKFLOWS for line in lines(workflow)]


def test_expected_workflows_exist() -> None:
    names = {workflow.stem for workflow in WORKFLOWS}
    assert names == {"tests", "compare", "nightly", "newest", "publish"}


def test_workflows_are_valid() -> None:
    said = schema_check("--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    assert said.returncode == 0, said.stdout


def test_schema_check_refuses_an_invalid_workflow(tmp_path: Path) -> None:
    whole = (REPOSITORY / ".github" / "workflows" / "tests.yml").read_text()
    broken = tmp_path / "broken.yml"
    broken.write_text(whole.replace("runs-on:", "runs_on:"))
    assert schema_check("--builtin-schema", "vendor.github-workflows", str(broken)).returncode == 1


def test_schema_is_part_of_the_installed_checker() -> None:
    carried = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    assert (carried / "github-workflows.json").is_file()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_jobs_have_a_timeout_and_declared_permissions(workflow: Path) -> None:
    whole = yaml.safe_load(workflow.read_text())
    assert "permissions" in whole
    for job in whole["jobs"].values():
        assert job["timeout-minutes"] <= 360
    assert not FOREIGN.search(workflow.read_text()), "nothing names an index's host"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_checkout_fetches_the_whole_history(workflow: Path) -> None:
    first = next(steps(workflow))
    assert str(first["uses"]).startswith("actions/checkout@")
    assert first["with"]["fetch-depth"] == 0  # type: ignore[index]


def test_nightly_history_adds_to_the_results_of_nights_before() -> None:
    nightly = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "nightly.yml").read_text())
    job = nightly["jobs"]["history"]
    mine = job["steps"]
    (cached,) = (step["with"] for step in mine if "actions/cache@" in str(step.get("uses")))
    (command,) = (step["run"] for step in mine if "reference history" in str(step.get("run")))
    words = words_of(command)
    assert "--resume" in words
    assert words[words.index("--results") + 1] == cached["path"]
    assert float(words[words.index("--minutes") + 1]) < job["timeout-minutes"]
    assert cached["key"].startswith(cached["restore-keys"])
    commands = [str(step.get("run")) for step in mine]
    named = next(place for place, each in enumerate(commands) if "hostname" in each)
    assert named < commands.index(command), "the results are kept by host name"


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.workflow}: {line.command[:40]}")
def test_workflow_commands_exist(line: Line) -> None:
    check_line(line)


@pytest.mark.parametrize(
    "command",
    [
        "make everything",
        "platebench compare . HEAD",
        "pip install platebench",
        ".venv/bin/platebench measure",
        ".venv/bin/platebench run --fast",
        ".venv/bin/platebench compare HEAD --operations write,fly . ",
        ".venv/bin/platebench compare HEAD",
        ".venv/bin/asv publsh",
        ".venv/bin/asv publish --nowhere",
        '.venv/bin/platebench compare "$NOT_SET" HEAD',
        "cat not-written.md",
        "sudo make install",
        ".venv/bin/platebench reference history --every week",
        ".venv/bin/platebench reference history --from yesterday",
    ],
)
def test_command_check_refuses_an_unknown_command(command: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        check_line(Line("tests.yml", command, {}))


def check_line(line: Line) -> None:
    """Raise for a command that would fail before it begins."""
    unset = set(re.findall(r"\$([A-Z_]+)", line.command)) - {*line.variables, "GITHUB_STEP_SUMMARY"}
    assert not unset, f"{unset} is not set"
    words = words_of(re.split(r"\|\||>>", line.command)[0])
    program, arguments = words[0], words[1:]
    if is_ours(words):
        assert program == "make" or line.command.startswith(".venv/bin/"), "not on a job's PATH"
        check_command(words)
    elif program == ".ci/run":
        assert os.access(REPOSITORY / program, os.X_OK)
    elif program == "sudo":
        assert arguments[0] == "hostname" and is_plain_name(arguments[1]), "names the runner only"
    else:
        assert program == "cat", f"{program}: not a command of this project"
        written = [other.command for other in LINES if other.workflow == line.workflow]
        options = (f"--markdown {arguments[0]}", f"--out {arguments[0]}")
        assert any(option in command for option in options for command in written)
