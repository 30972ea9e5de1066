"""A contributed folder of results is whole, or the check says what is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from platebench.stores.name import StoreName
from platebench.stores.registry import REFERENCES
from tests.scratch_checkout import REPOSITORY, Command

KEPT = REPOSITORY / "results"
MACHINES = [each.name for each in KEPT.iterdir() if each.is_dir()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a kept machine's results, with one round of each cell."""
    machine = min(MACHINES, key=lambda name: len(list((KEPT / name).iterdir())))
    copied = tmp_path / machine
    shutil.copytree(KEPT / machine, copied)
    shutil.copy(KEPT / "benchmarks.json", tmp_path)
    return copied


def run_of(folder: Path) -> Path:
    return next(folder.glob("*.run.jsonl"))


@pytest.mark.long
@pytest.mark.parametrize("machine", MACHINES)
def test_kept_folder_is_whole(machine: str, platebench: Command) -> None:
    said = platebench("reference", "check", str(KEPT / machine))
    assert (said.status, said.err) == (0, "")
    assert re.search(r"whole\. [1-9] reference runs? of ", said.out)


def cut(folder: Path) -> None:
    run = run_of(folder)
    run.write_bytes(run.read_bytes()[:-40])


def without_a_cell(folder: Path) -> None:
    run = run_of(folder)
    lines = run.read_text().splitlines(keepends=True)
    gone = json.loads(lines[1])["cell"]
    kept = [line for line in lines if json.loads(line).get("cell") != gone]
    run.write_text("".join(kept))


def without_a_round(folder: Path) -> None:
    run = run_of(folder)
    lines = run.read_text().splitlines(keepends=True)
    # Reference stores are measured in several groups of a round, others once.
    gone = next(
        line
        for line in lines[1:]
        if StoreName.parse(json.loads(line)["cell"]["params"][0]) not in REFERENCES
    )
    lines.remove(gone)
    run.write_text("".join(lines))


def without_the_floor_of_a_group(folder: Path) -> None:
    run = run_of(folder)
    lines = run.read_text().splitlines(keepends=True)
    lines.remove(next(line for line in lines[1:] if '"floor:pixels:fast"' in line))
    run.write_text("".join(lines))


def changed(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        run = run_of(folder)
        text = run.read_text()
        assert old in text
        run.write_text(text.replace(old, new))

    return change


def without(name: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        parent = folder.parent if name.startswith("../") else folder
        next(parent.glob(name.removeprefix("../"))).unlink()

    return remove


def with_file(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


OTHER_MACHINE = '{"version": 1, "machine": "a-pc"}'


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "is not finished"),
        (without_a_cell, "planned cells were measured of "),
        (without_a_round, "1 planned rounds of cells are missing"),
        (without_the_floor_of_a_group, "lacks floor:pixels:fast"),
        (changed('"commit": "', '"commit": "f'), "is missing; 'platebench reference keep'"),
        (changed('"reference": {', '"other": {'), "no reference run"),
        (changed('{"round": 2,', '{"round": "x",'), "no readable record file"),
        (without("machine.json"), "machine.json is missing"),
        (without("*-py*.json"), "'platebench reference keep' writes it"),
        (without("../benchmarks.json"), "../benchmarks.json is missing"),
        (with_file("notes.txt", "x"), "notes.txt: is not a file of results"),
        (with_file("machine.json", OTHER_MACHINE), "machine.json: names the machine a-pc"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_missing_and_wrong_files_are_named(
    damage: Callable[[Path], object], says: str, folder: Path, platebench: Command
) -> None:
    damage(folder)
    said = platebench("reference", "check", str(folder))
    assert said.status == 2
    assert says in said.err
    assert "not whole: " in said.err.splitlines()[-1]


def test_missing_folder_is_refused(tmp_path: Path, platebench: Command) -> None:
    said = platebench("reference", "check", str(tmp_path / "none"))
    assert said.status == 2
    assert "no such folder; give the folder of a machine in results/" in said.err
