"""make takes the newest Python that runs, and keeps what cannot be made again."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scratch_checkout import REPOSITORY

RUNS = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
WITHOUT_VENV = "#!/bin/sh\nexit 1\n"


def make(folder: Path, *arguments: str, path: Path | None = None) -> str:
    # `make test PYTHON=python3.11` hands its variables on to the make that a test starts.
    handed = {"PYTHON", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"}
    environment = {name: value for name, value in os.environ.items() if name not in handed}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    command = ["make", "--no-print-directory", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile and what it depends on, where nothing is installed."""
    made = tmp_path / "checkout"
    made.mkdir()
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, made)
    return made


def programs(folder: Path, **content: str) -> Path:
    folder.mkdir()
    for name, text in content.items():
        program = folder / name.replace("_", ".")
        program.write_text(text)
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("content", "chosen"),
    [
        ({"python3_13": RUNS, "python3_12": RUNS, "python3_11": RUNS}, "python3.13"),
        ({"python3_13": SHIM, "python3_12": RUNS, "python3_11": RUNS}, "python3.12"),
        ({"python3_13": SHIM, "python3_12": WITHOUT_VENV, "python3_11": RUNS}, "python3.11"),
    ],
)
def test_make_uses_the_newest_python_that_runs(content, chosen, folder, tmp_path) -> None:
    said = make(folder, "--dry-run", "install", path=programs(tmp_path / "bin", **content))
    assert f"\n{chosen} -m venv" in f"\n{said}"


def test_variable_python_chooses_the_interpreter(folder: Path, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", python3_13=RUNS)
    assert "\n/my/python -m venv" in "\n" + make(
        folder, "--dry-run", "install", "PYTHON=/my/python", path=path
    )


def test_install_says_which_python_is_in_the_environment(folder: Path) -> None:
    (folder / ".venv").mkdir()
    programs(folder / ".venv" / "bin", python=RUNS)
    (folder / ".venv" / "installed").touch()
    said = make(folder, "install")
    assert said == f"Python {platform.python_version()} in .venv\n"


@pytest.mark.parametrize(("version", "again"), [("3.99", True), (sys.version, False)])
def test_another_python_than_the_installed_one_installs_again(version, again, folder) -> None:
    (folder / ".venv").mkdir()
    programs(folder / ".venv" / "bin", python=f"#!/bin/sh\ncat <<'END'\n{version}\nEND\n")
    (folder / ".venv" / "installed").touch()
    said = make(folder, "--dry-run", "install", f"PYTHON={sys.executable}")
    assert ("-m venv" in said) == again


def test_error_without_python_says_what_is_needed(folder: Path, tmp_path: Path) -> None:
    content = dict.fromkeys(("python3_13", "python3_12", "python3_11"), SHIM)
    said = make(folder, "install", path=programs(tmp_path / "bin", **content))
    assert "needs Python 3.11, 3.12 or 3.13" in said
    assert not (folder / ".venv").exists()


def test_clean_keeps_the_users_results(folder: Path) -> None:
    own = folder / ".platebench"
    for file in (own / "results/vm/1.run.jsonl", own / "work" / "x", folder / ".venv/x"):
        file.parent.mkdir(parents=True)
        file.touch()
    make(folder, "clean")
    left = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
    assert sorted(left) == sorted(
        [".platebench/results/vm/1.run.jsonl", "Makefile", "constraints.txt", "pyproject.toml"]
    )


def test_clean_of_a_clean_checkout_succeeds(folder: Path) -> None:
    assert "Error" not in make(folder, "clean")


def test_interpreter_of_the_talk_is_passed_to_the_tests_if_it_exists(folder: Path) -> None:
    show = 'show:\n\t@echo "[$$PLATEBENCH_TALK_PYTHON]"\n'
    with (folder / "Makefile").open("a") as file:
        file.write(show)
    unset = {name: value for name, value in os.environ.items() if "TALK" not in name}

    def shown() -> str:
        command = ["make", "--no-print-directory", "-C", str(folder), "show"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=unset)
        return done.stdout.strip()

    assert shown() == "[]"
    (folder / ".platebench").mkdir()
    (folder / ".platebench" / "talk-python").write_text(f"{sys.executable}\n")
    assert shown() == f"[{sys.executable}]"
    (folder / ".platebench" / "talk-python").write_text("/removed/by/clean/python\n")
    assert shown() == "[]"


def test_pins_differ_where_the_newest_release_needs_a_newer_python() -> None:
    pins = (REPOSITORY / "constraints.txt").read_text()
    assert re.search(r"\nzarr==\S+ ; python_full_version < '3\.12'", pins)
    assert pins.count("\nzarr==") == 2


def test_bench_is_the_run_that_a_stranger_types(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "installed").touch()
    assert make(folder, "--dry-run", "bench").splitlines()[-1] == ".venv/bin/platebench run"
