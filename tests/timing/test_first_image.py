"""The first image is read by a process of its own, and is compared as any other is."""

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
    """Start another program in the place of the one that reads an image."""
    run = subprocess.run

    def replace(text: str) -> None:
        def other(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
            return run([command[0], "-c", text, *command[3:]], **options)

        monkeypatch.setattr(subprocess, "run", other)

    return replace


def test_each_sample_is_a_fresh_interpreter_that_reads_one_image(sample, commands) -> None:
    cell = sample(3)
    assert len(cell.timer.wall_s) == 3
    assert {tuple(command[:4]) for command in commands} == {
        (sys.executable, "-m", "platebench.stores.one_image", STORE)
    }
    assert len(commands) == 3 + 1, "and once untimed"


def test_rows_change_from_sample_to_sample_and_are_the_same_for_every_store(
    sample, commands
) -> None:
    sample(5)
    rows = [int(command[-1]) for command in commands]
    commands.clear()
    sample(5)
    assert rows == [int(command[-1]) for command in commands]
    assert len(set(rows)) > 1
    assert all(0 <= row < 21 for row in rows)


def test_the_program_prints_the_images_digest_and_nothing_else(
    workspace: Workspace, held: DecodedImages, capsys, monkeypatch
) -> None:
    path = workspace.root / "stores" / SET / STORE.replace(":", ".") / "data"
    for row in (0, 20):
        monkeypatch.setattr(sys, "argv", ["one_image", STORE, str(path), str(row)])
        one_image.main()
        assert capsys.readouterr().out == f"{held.digests()[row]}\n"


def test_the_program_imports_nothing_that_times_or_reports() -> None:
    imported = subprocess.run(
        [sys.executable, "-c", f"import sys, {one_image.__name__}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for heavy in ("asv", "rich", "typer", "scipy", "pandas", "lance", "zarr", "h5py", "awkward"):
        assert heavy not in imported, "its start is to be the store's own"
    for room in ("timing", "results", "cli", "talk"):
        assert f"platebench.{room}" not in imported


def test_an_image_that_comes_back_changed_fails_the_cell(sample, program) -> None:
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
def test_a_program_that_prints_no_digest_fails_the_cell(said: str, sample, program) -> None:
    program(f"print({said!r})")
    with pytest.raises(Mismatch, match="came back changed"):
        sample()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError('the file is cut off')", "OSError: the file is cut off"),
        ("import os; os.kill(os.getpid(), 9)", "the process ended by SIGKILL and said nothing"),
        ("import os; os._exit(3)", "the process ended with status 3 and said nothing"),
    ],
)
def test_a_program_that_fails_says_why(text: str, message: str, sample, program) -> None:
    program(text)
    with pytest.raises(Mismatch, match=f"^{message}$"):
        sample()


def test_cpu_time_is_that_of_the_program_too(sample, program, held: DecodedImages) -> None:
    program(
        "import sys, time\n"
        "while time.process_time() < 0.3: pass\n"
        f"print({list(held.digests())!r}[int(sys.argv[-1])])"
    )
    cell = sample()
    assert cell.timer.cpu_s[-1] >= 0.3, "this process itself only waits"


def test_one_image_is_what_the_figure_counts(sample, held: DecodedImages) -> None:
    cell = sample()
    assert cell.record["images"] == 1
    assert cell.record["pixel_bytes"] == np.prod(held.shapes[0])
