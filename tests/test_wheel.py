"""The wheel measures: from any folder, without a checkout, into the user's own folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

import platebench
from platebench.results.records import record_files
from tests.scratch_checkout import REPOSITORY

PARTS = ("src", "benchmarks")
FILES = ("asv.conf.json", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


class Installed(NamedTuple):
    """The `platebench` of a virtual environment, an empty folder to start it in, and a home."""

    program: Path
    folder: Path
    home: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PLATEBENCH", "XDG", "PYTHON", "ASV"))
        }
        return subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**environment, "HOME": str(self.home)},
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy so that the checkout stays clean."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PARTS:
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    for name in FILES:
        shutil.copy(REPOSITORY / name, source)
    command = ["pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--wheel-dir", str(out), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own, which sees the libraries of this one.

    A path in a .pth file is not searched for further .pth files, so a platebench that is installed
    here by such a file stays unseen.
    """
    root = tmp_path_factory.mktemp("installed")
    venv.create(root / "venv", with_pip=False, symlinks=True)
    paths = {"base": str(root / "venv"), "platbase": str(root / "venv")}
    library = Path(sysconfig.get_path("purelib", "venv", paths))
    (library / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    with ZipFile(wheel) as archive:
        archive.extractall(library)
    program = root / "venv" / "bin" / "platebench"
    program.write_text(f"#!{root}/venv/bin/python\nfrom platebench.__main__ import main\nmain()\n")
    program.chmod(0o755)
    for name in ("anywhere", "home"):
        (root / name).mkdir()
    return Installed(program, root / "anywhere", root / "home")


def test_wheel_holds_the_list_prices(wheel: Path) -> None:
    own = REPOSITORY / "src" / "platebench" / "results" / "prices.toml"
    with ZipFile(wheel) as archive:
        assert archive.read("platebench/results/prices.toml") == own.read_bytes()


def test_wheel_holds_the_benchmarks_of_the_checkout(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        shipped = {
            name.removeprefix("platebench/_suite/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("platebench/_suite/")
        }
    files = [REPOSITORY / "asv.conf.json", *sorted((REPOSITORY / "benchmarks").glob("*.py"))]
    assert shipped == {str(file.relative_to(REPOSITORY)): file.read_bytes() for file in files}


def test_installed_wheel_measures_from_an_empty_folder(installed: Installed) -> None:
    said = installed.run("run", "--images", "2", "--stores", "parquet:pixels:fast", "--quick")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.split("\n\n")[-1].splitlines()
    assert lines[0].startswith("2 images (raw-2), 2.8 MB.")
    assert lines[-1].startswith("Your images ")
    results = installed.home / ".local" / "share" / "platebench" / "results"
    (file,) = record_files(results)
    assert file.info().commit == platebench.__version__
    assert {str(record.run.cell.store) for record in file.records()} == {
        "floor:pixels:fast", "tiff-files:tiff:default", "parquet:pixels:fast",
    }  # fmt: skip
    assert not [record.run for record in file.records() if record.run.status == "failed"]
    assert (installed.home / ".cache" / "platebench" / "work" / "stores" / "raw-2").is_dir()
    assert list(installed.folder.iterdir()) == []
    told = installed.run("report")
    assert told.returncode == 0, told.stderr
    assert said.stdout.split("\n\n")[-1].strip() in told.stdout
    freed = installed.run("clean", "--yes")
    assert freed.returncode == 0, freed.stderr
    assert "freed" in freed.stdout


def test_comparison_needs_a_checkout_and_says_so_in_one_line(installed: Installed) -> None:
    said = installed.run("compare", "HEAD~1", ".")
    assert said.returncode == 2
    (line,) = said.stderr.splitlines()
    assert "not in a checkout of platebench; clone it and run there" in line
