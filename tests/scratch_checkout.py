"""A checkout of its own for a test, and the command line run in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

from platebench import cli
from platebench.timing.protocol import WORK

REPOSITORY = Path(__file__).parents[1]


class Said(NamedTuple):
    """What a command line printed, and its exit status."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def platebench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["platebench", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            sys.exit(0)
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person who has told it their name, and return what it prints."""
    identity = ["-c", "user.name=A Person", "-c", "user.email=person@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one commit, which tests copy. They must not change it."""
    folder = tmp_path_factory.mktemp("committed") / "checkout"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "benchmarks"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignore)
    for name in ("asv.conf.json", "pyproject.toml", "setup.py", ".gitignore"):
        shutil.copy(REPOSITORY / name, folder)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    git(folder, "repack", "-a", "-d", "--quiet")  # one file is copied sooner than hundreds
    return folder


@pytest.fixture
def checkout(
    committed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:
    """A checkout of its own with one commit; a test may give a file, a text and what replaces it.

    The work folder is beside it.
    """
    folder = tmp_path / "checkout"
    shutil.copytree(committed, folder, symlinks=True)
    if hasattr(request, "param"):
        file, text, other = request.param
        whole = (folder / file).read_text()
        assert whole.count(text) == 1, f"{file} no longer has {text}"
        (folder / file).write_text(whole.replace(text, other))
        git(folder, "commit", "--quiet", "--all", "--amend", "--no-edit")
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
    monkeypatch.setenv("ASV_PYTHONPATH", str(folder / "src"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.chdir(folder)
    return folder


PROGRAM = [sys.executable, "-c", "from platebench.__main__ import main; main()"]


def in_a_process(*arguments: str) -> Said:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A folder of two small TIFF files."""
    folder = tmp_path / "plate"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(2):
        values = random.integers(0, 255, (40, 50), np.uint8)
        tifffile.imwrite(folder / f"{number}.tif", values)
    return folder
