"""Command lines of documents and workflows, parsed without running anything."""

from __future__ import annotations

import re
import shlex

from asv.commands import make_argparser as asv_arguments
from typer.core import TyperGroup
from typer.main import get_command

from platebench import cli
from platebench.commands.shared import split
from platebench.results.operations import patterns_of
from platebench.running.as_of import read_day
from platebench.running.history import months_of
from platebench.running.settings import stores_to_measure
from tests.scratch_checkout import REPOSITORY

PROGRAMS = ("platebench", "make", "asv")


def words_of(line: str) -> list[str]:
    """The words of a shell's line, without its comment and the folder of its program."""
    words = shlex.split(line, comments=True)
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


def is_ours(words: list[str]) -> bool:
    """Whether this project provides the program."""
    return bool(words) and words[0] in PROGRAMS


def check_command(words: list[str]) -> None:
    """Raise for a command that would fail before it begins."""
    program, *arguments = words
    if program == "make":
        check_make(arguments)
    elif program == "asv":
        asv_arguments()[0].parse_args(arguments)
    else:
        check_platebench(arguments)


def check_make(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    wanted = [word for word in arguments if not word.startswith("PYTHON=")]
    assert set(wanted) <= set(targets), f"make {' '.join(wanted)}"


def check_platebench(arguments: list[str]) -> None:
    """Parse as the command line does, and check stores and operations."""
    group = get_command(cli.app)
    name, *rest = arguments
    command = group.commands[name]  # type: ignore[attr-defined]
    if isinstance(command, TyperGroup):
        name, *rest = rest
        command = command.commands[name]
    given = command.make_context(name, rest).params
    if given.get("operations") and name != "adapters":
        patterns_of(split(given["operations"]), brief=True)
    if given.get("stores") and "<" not in given["stores"]:  # <format> stands for a new one
        stores_to_measure(split(given["stores"]))
    if "arms" in given:
        assert len(given["arms"]) >= 2
    if "every" in given:
        months_of(given["every"])
        read_day(given["begin"])


def check_name(words: list[str]) -> None:
    """Raise unless text such as `platebench reference keep`, without arguments, is a command."""
    command = get_command(cli.app)
    for word in words[1:]:
        if not isinstance(command, TyperGroup):
            raise AssertionError(f"{' '.join(words)}: {word} is an argument")
        command = command.commands[word]
