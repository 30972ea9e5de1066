"""Links of the documents lead to files, and their commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from platebench import __version__, cli
from platebench.commands.reference import reference_run_command
from platebench.running.reference import ROUNDS
from tests.scratch_checkout import REPOSITORY

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/advise.md", "docs/glossary.md")
FOLDERS = re.compile(r"`((?:src|docs|tests|benchmarks|results)/[\w/.-]+)`")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_paths_exist(name: str) -> None:
    document = REPOSITORY / name
    text = document.read_text()
    links = re.findall(r"\]\((?!https?://)([^)#]+)", text)
    for link in links:
        assert (document.parent / link).exists(), link
    for path in FOLDERS.findall(text):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/glossary.md"])
def test_readme_links_the_documents(name: str) -> None:
    assert f"({name})" in (REPOSITORY / "README.md").read_text()


# The changelog also names commands of the past.
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_documented_commands_exist(name: str) -> None:
    group = get_command(cli.app)
    for line in re.findall(r"platebench ((?:[a-z]+-?[a-z]*)(?: [^`\n#]*)?)", _code(name)):
        command = group
        for word in shlex.split(line.replace("'", "")):
            if not isinstance(command, TyperGroup):
                break
            assert word in command.commands, line
            command = command.commands[word]


def _code(name: str) -> str:
    """Return the code of a document: indented lines, and what is between back quotes."""
    text = (REPOSITORY / name).read_text()
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    return "\n".join([*indented, *re.findall(r"`([^`\n]+)`", text)])


def test_citation_is_valid_and_has_this_version() -> None:
    schema = ["--builtin-schema", "vendor.citation-file-format", "--force-filetype", "yaml"]
    program = [sys.executable, "-m", "check_jsonschema", *schema, str(REPOSITORY / "CITATION.cff")]
    said = subprocess.run(program, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert cited["version"] == __version__


def test_help_of_reference_run_has_the_planned_rounds() -> None:
    assert f"{ROUNDS} rounds" in str(reference_run_command.__doc__)


def test_ci_script_makes_what_the_tests_need() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    for needed in ("make talk-python", "chromium", "make bioformats"):
        assert script.index(needed) < script.index("make test\n")
    assert script.endswith("make test-long\n")
    assert Path(REPOSITORY / ".ci" / "run").stat().st_mode & 0o100
