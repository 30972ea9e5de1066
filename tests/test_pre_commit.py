"""The hooks for pre-commit run what `make lint types` runs, by programs that are installed."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scratch_checkout import REPOSITORY

CONFIG = (REPOSITORY / ".pre-commit-config.yaml").read_text()


def hooks(config: str) -> list[dict[str, Any]]:
    """The hooks; raises for one that needs a network, or a program that does not exist."""
    repositories = yaml.safe_load(config)["repos"]
    assert {each["repo"] for each in repositories} == {"local"}
    found = [hook for each in repositories for hook in each["hooks"]]
    for hook in found:
        assert hook["language"] == "system"
        program = Path(shlex.split(hook["entry"])[0])
        assert program.parts[:2] == (".venv", "bin")
        assert shutil.which(program.name, path=str(Path(sys.executable).parent)), program
    return found


def test_hooks_are_the_commands_of_make_lint_and_types() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    recipes = re.findall(r"^(?:lint|types): install\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    commands = [line.strip() for recipe in recipes for line in recipe.splitlines()]
    assert commands == [hook["entry"].replace(".venv/bin", "$(BIN)") for hook in hooks(CONFIG)]
    assert not any(hook["pass_filenames"] for hook in hooks(CONFIG))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (".venv/bin/mypy", ".venv/bin/not-a-checker"),
        (".venv/bin/mypy", "mypy"),
        ("repo: local", "repo: elsewhere"),
        ("language: system", "language: python"),
    ],
)
def test_wrong_hook_is_found(right: str, wrong: str) -> None:
    assert right in CONFIG
    with pytest.raises(AssertionError):
        hooks(CONFIG.replace(right, wrong))
