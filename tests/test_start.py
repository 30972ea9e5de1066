"""The command begins at once: nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from platebench.commands import calibrate
from platebench.running import selfcheck

HEAVY = (
    "altair",
    "asv",
    "awkward",
    "h5py",
    "lancedb",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "zarr",
)

LOADED = f"""
import json, sys
try:
    sys.argv = ["platebench", *sys.argv[1:]]
    from platebench.__main__ import main
    main()
finally:
    found = [name for name in {HEAVY} if name in sys.modules]
    sys.stderr.write("\\n" + json.dumps(found))
"""


def loaded(*arguments: str) -> list[str]:
    """Run a command line in a process of its own, and return the heavy libraries it imported."""
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["site", "--help"], ["findings"]], ids=" ".join
)
def test_help_and_findings_list_import_no_heavy_library(arguments: list[str]) -> None:
    assert loaded(*arguments) == []


def test_package_imports_no_heavy_library() -> None:
    code = "import sys, platebench, platebench.__main__; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in (*HEAVY, "typer", "rich") if f"'{name}'" in done.stdout]


def test_look_at_parquet_does_not_import_lancedb(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": [[[1, 2], [3, 4]]]}), file)
    out = tmp_path / "page.html"
    found = loaded("look", str(file), "-o", str(out))
    assert out.exists()
    assert not {"lancedb", "asv", "zarr", "awkward", "h5py"} & set(found)


def test_help_shows_the_defaults_of_selfcheck() -> None:
    assert (calibrate.ROUNDS, calibrate.CELLS) == (selfcheck.ROUNDS, selfcheck.CELLS)


def test_installed_command_starts_in_main_module() -> None:
    settings = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert 'platebench = "platebench.__main__:main"' in settings


def test_ctrl_c_during_import_prints_one_line() -> None:
    interrupted_import = """
import os, signal, sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Pressed())
sys.argv = ["platebench", "stores"]
from platebench.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", interrupted_import], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, "")
    assert done.stderr.splitlines() == ["platebench: interrupted"]


INTERRUPTED_COMMANDS = [["findings", "--all"], ["talk"], ["look", "nowhere.parquet"], ["stores"]]


@pytest.mark.parametrize("arguments", INTERRUPTED_COMMANDS, ids=lambda each: each[0])
def test_ctrl_c_while_a_command_imports_libraries_prints_one_line(arguments: list[str]) -> None:
    interrupted = f"""
import os, signal, sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name in ("platebench.stores.registry", "platebench.findings.run", "pandas"):
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Pressed())
sys.argv = ["platebench", *{arguments}]
from platebench.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", interrupted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGINT
    (line,) = done.stderr.splitlines()
    assert line.startswith("platebench: interrupted")


STORES = ("parquet", "arrow_ipc", "bare_file", "tiff_files", "hdf5", "ch5", "sqlite", "zarr")


def test_reading_images_does_not_import_what_only_tables_need() -> None:
    """`pyarrow.compute` takes 30 ms, in the time to the first image."""
    imports = ", ".join(f"platebench.stores.{module}" for module in STORES)
    code = f"import sys, {imports}; print('pyarrow.compute' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
