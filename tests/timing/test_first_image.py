"""The first image is read by its own process and compared like any other."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from platebench.errors import Mismatch
from platebench.images.decoded_cache import DecodedImages
from platebench.stores import one_image
from platebench.timing.cell import Cell
from platebench.timing.workspace import Workspace
from tests.timing.conftest import SET, STORE

FirstImage = importlib.import_module("benchmarks.first_image").FirstImage
Sample = Callable[[], Cell]


@pytest.fixture
def sample(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cell]:
    """Run samples of the cell in this process, as asv does."""
    monkeypatch.setattr(FirstImage, "workspace", workspace)

    def run(samples: int = 1, **replaced: object) -> Cell:
        cell = FirstImage()
        for name, value in replaced.items():
            setattr(cell, name, value)
        for _ in range(samples):
            try:
                cell.setup(STORE, SET)
                cell.timer()
                cell.time_first(STORE, SET)
                cell.timer()
            finally:
                cell.teardown(STORE, SET)
        return cell

    return run


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The programs that were started."""
    run, started = subprocess.run, []

    def noting(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noting)
    return started


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the program that reads an image by another one."""
    run = subprocess.run

    def replace(text: str) -> None:
        def other(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
            return run([command[0], "-c", text, *command[3:]], **options)

        monkeypatch.setattr(subprocess, "run", other)

    return replace


def test_each_sample_starts_a_new_interpreter(sample, commands) -> None:
    cell = sample(3)
    assert len(cell.timer.wall_s) == 3
    assert {tuple(command[:4]) for command in commands} == {
        (sys.executable, "-m", "platebench.stores.one_image", STORE)
    }
    assert len(commands) == 3 + 1, "and once untimed"


def test_rows_differ_between_samples_and_repeat_between_cells(sample, commands) -> None:
    sample(5)
    rows = [int(command[-1]) for command in commands]
    commands.clear()
    sample(5)
    assert rows == [int(command[-1]) for command in commands]
    assert len(set(rows)) > 1
    assert all(0 <= row < 21 for row in rows)


def test_program_prints_only_the_digest_of_the_image(
    workspace: Workspace, held: DecodedImages, capsys, monkeypatch
) -> None:
    path = workspace.root / "stores" / SET / STORE.replace(":", ".") / "data"
    for row in (0, 20):
        monkeypatch.setattr(sys, "argv", ["one_image", STORE, str(path), str(row)])
        one_image.main()
        assert capsys.readouterr().out == f"{held.digests()[row]}\n"


def test_program_imports_only_what_the_store_needs() -> None:
    imported = subprocess.run(
        [sys.executable, "-c", f"import sys, {one_image.__name__}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for heavy in ("asv", "rich", "typer", "scipy", "pandas", "lance", "zarr", "h5py", "awkward"):
        assert heavy not in imported, "start-up must be the store's own"
    for room in ("timing", "results", "cli", "talk"):
        assert f"platebench.{room}" not in imported


def test_changed_image_fails(sample, program) -> None:
    program(
        "import sys; from platebench.stores import one_image, registry\n"
        "from tests.timing.broken_stores import BrokenStore, one_flipped_byte\n"
        "whole = registry.find\n"
        "flip = lambda rows, given: one_flipped_byte([5 for _ in rows], given)\n"
        "registry.find = lambda name: BrokenStore(whole(name), arrays=flip)\n"
        "one_image.main()"
    )
    with pytest.raises(Mismatch, match=r"image \d+ came back changed"):
        sample()


@pytest.mark.parametrize("said", ["", "0" * 32, "warning: deprecated"])
def test_program_that_prints_no_digest_fails(said: str, sample, program) -> None:
    program(f"print({said!r})")
    with pytest.raises(Mismatch, match="came back changed"):
        sample()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError('the file is cut off')", "OSError: the file is cut off"),
        ("import os; os.kill(os.getpid(), 9)", "the process ended by SIGKILL without a message"),
        ("import os; os._exit(3)", "the process ended with status 3 without a message"),
    ],
)
def test_failed_program_is_quoted(text: str, message: str, sample, program) -> None:
    program(text)
    with pytest.raises(Mismatch, match=f"^{message}$"):
        sample()


def test_cpu_time_includes_the_program(sample, program, held: DecodedImages) -> None:
    program(
        "import sys, time\n"
        "while time.process_time() < 0.3: pass\n"
        f"print({list(held.digests())!r}[int(sys.argv[-1])])"
    )
    cell = sample()
    assert cell.timer.cpu_s[-1] >= 0.3, "this process itself only waits"


def test_record_counts_one_image(sample, held: DecodedImages) -> None:
    cell = sample()
    assert cell.record["images"] == 1
    assert cell.record["pixel_bytes"] == np.prod(held.shapes[0])
