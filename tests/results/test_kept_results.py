"""The kept results are readable, with the figures that their raw lines have.

Figures are computed here from the JSON lines, without platebench.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platebench.results.commit import CHANGES
from platebench.results.records import record_files
from platebench.results.tidy import CellResult, tidy
from tests.results.made_up_runs import floor, ok, run_file

RESULTS = Path(__file__).parents[2] / "results"
OLD = Path(__file__).parent / "old_run"
"""A run of November 2026, in the form that records had then."""

REFERENCE = OLD / "vm" / "20261122T123735.827173+0000.run.jsonl"
HISTORY = ("ListVersions", "OpenVersion", "Restore", "Prune")

Lines = dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]]


def lines_of(file: Path) -> Lines:
    """The lines of a file by benchmark class and parameters."""
    found: Lines = defaultdict(list)
    for text in file.read_text().splitlines():
        line = json.loads(text)
        if "cell" in line:
            name = line["cell"]["benchmark"].split(".")[-2]
            found[name, tuple(line["cell"]["params"])].append(line)
    return found


@pytest.fixture(scope="module")
def raw() -> Lines:
    return lines_of(REFERENCE)


@pytest.fixture(scope="module")
def cells() -> list[CellResult]:
    (file,) = [file for file in record_files(OLD, "vm") if file.file == REFERENCE]
    return tidy(file)


def check_folder(folder: Path) -> None:
    """Raise unless the results of a machine are whole."""
    said: list[str] = []
    files = record_files(folder.parent, folder.name, said.append)
    assert said == []
    assert files
    assert [file.file.name for file in files] == sorted(
        file.name for file in folder.glob("*.run.jsonl")
    )
    assert json.loads((folder / "machine.json").read_text())["machine"] == folder.name
    for file in files:
        assert file.finished
        assert file.info().machine == folder.name
        assert not file.info().commit.endswith(CHANGES)
        lines = lines_of(file.file)
        assert len(list(file.records())) == sum(len(each) for each in lines.values())
        assert len(tidy(file)) == len(lines)


@pytest.mark.parametrize("machine", [each.name for each in RESULTS.iterdir() if each.is_dir()])
def test_every_kept_file_is_read_whole(machine: str) -> None:
    check_folder(RESULTS / machine)


def _cut(folder: Path) -> None:
    (file,) = folder.glob("*.run.jsonl")
    file.write_text(file.read_text()[:-40])


def _uncommitted(folder: Path) -> None:
    (file,) = folder.glob("*.run.jsonl")
    file.write_text(re.sub(r'"commit": "(\w+)"', rf'"commit": "\1{CHANGES}"', file.read_text()))


def _other_machine(folder: Path) -> None:
    (folder / "machine.json").write_text(json.dumps({"machine": "another-pc"}))


@pytest.mark.parametrize("damage", [_cut, _uncommitted, _other_machine])
def test_contributed_folder_that_is_not_whole_is_found(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    file = run_file(tmp_path, [floor([1.0]), ok([2.0])])
    file.finish()
    folder = file.file.parent
    (folder / "machine.json").write_text(json.dumps({"machine": folder.name}))
    check_folder(folder)
    damage(folder)
    with pytest.raises((AssertionError, ValueError)):
        check_folder(folder)


def test_cells_have_the_status_of_their_lines_but_own_limits_are_skipped(raw, cells) -> None:
    failed = {key for key, lines in raw.items() if "failed" in {line["status"] for line in lines}}
    assert {params[0] for _, params in failed} == {"parquet:nested:default"}
    assert all("are not waited for" in line["message"] for key in failed for line in raw[key])
    by_status = {
        status: sum(cell.status == status for cell in cells)
        for status in ("ok", "failed", "skipped")
    }
    assert by_status == {"ok": len(raw) - len(failed), "failed": 0, "skipped": len(failed)}


@pytest.mark.parametrize(
    ("name", "operation", "cache", "params"),
    [
        ("Write", "write", "warm", ("zarr:tensor:small", "raw-64")),
        ("ColdFullScan", "scan", "cold", ("ch5:tensor:fast", "raw-64")),
        ("RandomRows", "take", "warm", ("parquet:tiff:fast", "raw-64", "16 scattered", "reopened")),
        ("Prune", "prune", "warm", ("arrow-ipc:pixels:fast", "raw-64")),
    ],
)
def test_figures_are_those_of_the_raw_lines(name, operation, cache, params, raw, cells) -> None:
    store, images, *details = params
    key = (operation, cache, store, images, ", ".join(details))
    (cell,) = [
        each
        for each in cells
        if (each.operation, each.cache, str(each.store), each.image_set, each.detail) == key
    ]
    lines = raw[name, params]
    samples = [sample for line in lines for sample in line["samples_s"]]
    assert cell.median_s == pytest.approx(statistics.median(samples))
    assert (cell.samples, cell.rounds) == (len(samples), len(lines))
    assert cell.cpu_s == pytest.approx(
        statistics.median(second for line in lines for second in line["record"]["cpu_s"])
    )
    assert cell.peak_bytes == max(line["record"]["peak_bytes"] for line in lines)
    assert cell.stored_bytes == lines[0]["record"]["stored_bytes"]


def test_sizes_are_relative_to_the_pixels_that_a_store_holds(raw, cells) -> None:
    """A history holds a tenth more images than its set: 70 of 64."""
    for (name, params), lines in raw.items():
        if params[0] != "floor:pixels:fast" or name not in (*HISTORY, "Write"):
            continue
        noted = lines[0]["record"]
        images = noted["set_images"]
        held = images + max(1, images // 10) if name in HISTORY else images
        expected = noted["stored_bytes"] / (noted["set_pixel_bytes"] * held / images)
        assert expected == pytest.approx(1.0, abs=0.03)
        operation = {"ListVersions": "list-versions", "OpenVersion": "open-version"}.get(name)
        (cell,) = [
            each
            for each in cells
            if (each.operation, str(each.store), each.image_set)
            == (operation or name.lower(), params[0], params[1])
        ]
        assert cell.bytes_per_pixel_byte == pytest.approx(expected)
