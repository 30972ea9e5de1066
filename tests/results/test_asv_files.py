"""asv reads the results; the files have no local paths."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import asv.results
import pytest

from platebench.results import asv_files
from platebench.results.asv_files import environment_name, write_asv_results
from platebench.results.commit import Commit
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import (
    INFO,
    IPC,
    SCAN,
    TAKE,
    failed,
    floor,
    ok,
    run_file,
    skipped,
)

MACHINE = {"machine": "bench-pc", "cpu": "a processor", "num_cpu": "4", "os": "Linux 6.1"}
COMMIT = Commit(INFO.commit, 1_772_000_000_000, False)
OTHER = StoreName.parse("zarr:tensor:fast")
STORES = [str(store) for store in (FLOOR, IPC, OTHER)]


def benchmark(name: str, *details: list[str]) -> dict[str, object]:
    params = [STORES, ["raw-64"], *details]
    return {
        "name": name,
        "type": "time",
        "version": "1",
        "unit": "seconds",
        "params": [[repr(value) for value in values] for values in params],
        "param_names": ["store", "images", "rows", "handle"][: len(params)],
    }


BENCHMARKS = {
    SCAN: benchmark(SCAN),
    TAKE: benchmark(TAKE, ["1", "16 scattered"], ["kept"]),
}


def read_back(results: Path) -> asv.results.Results:
    (found,) = asv.results.iter_results(str(results))
    return found


def by_cell(results: asv.results.Results, name: str) -> dict[tuple[str, ...], float]:
    params = results.get_result_params(name)
    values = results.get_result_value(name, params)
    return dict(zip(product(*params), values, strict=True))


def test_asv_reads_equal_medians_and_samples(tmp_path) -> None:
    runs = [[floor([1.0, 3.0]), ok([5.0])], [floor([2.0]), ok([7.0, 9.0])]]
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [run_file(tmp_path, *runs)])
    read = read_back(tmp_path)
    values = by_cell(read, SCAN)
    assert values[repr(str(FLOOR)), "'raw-64'"] == 2.0
    assert values[repr(str(IPC)), "'raw-64'"] == 7.0
    assert math.isnan(values[repr(str(OTHER)), "'raw-64'"])
    samples = read.get_result_samples(SCAN, BENCHMARKS[SCAN]["params"])
    assert samples == [[1.0, 3.0, 2.0], [5.0, 7.0, 9.0], None]
    assert (read.commit_hash, read.date) == (COMMIT.hash, COMMIT.date_ms)


def test_failed_cell_is_null_and_skipped_cell_is_nan(tmp_path) -> None:
    runs = [floor([1.0]), failed("Mismatch"), skipped("no versions", OTHER)]
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [run_file(tmp_path, runs)])
    values = by_cell(read_back(tmp_path), SCAN)
    assert values[repr(str(IPC)), "'raw-64'"] is None
    assert math.isnan(values[repr(str(OTHER)), "'raw-64'"])


def test_further_parameters_keep_their_order(tmp_path) -> None:
    runs = [
        ok([1.0], benchmark=TAKE, details=("1", "kept")),
        ok([16.0], benchmark=TAKE, details=("16 scattered", "kept")),
    ]
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [run_file(tmp_path, runs)])
    values = by_cell(read_back(tmp_path), TAKE)
    assert values[repr(str(IPC)), "'raw-64'", "'1'", "'kept'"] == 1.0
    assert values[repr(str(IPC)), "'raw-64'", "'16 scattered'", "'kept'"] == 16.0


def test_runs_of_several_image_sets_are_merged(tmp_path) -> None:
    files = [
        run_file(tmp_path, [ok([1.0])]),
        run_file(
            tmp_path,
            [ok([2.0], image_set="real-3f9a1c"), ok([4.0])],
            started="2026-03-02T00:00:00.000001+00:00",
            images=["real-3f9a1c", "raw-64"],
        ),
    ]
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, files)
    values = by_cell(read_back(tmp_path), SCAN)
    assert values[repr(str(IPC)), "'raw-64'"] == 2.5
    assert values[repr(str(IPC)), "'real-3f9a1c'"] == 2.0
    known = json.loads((tmp_path / "benchmarks.json").read_text())
    assert known[SCAN]["params"][1] == ["'raw-64'", "'real-3f9a1c'"]


def test_second_run_replaces_the_file_and_leaves_no_draft(tmp_path) -> None:
    file = run_file(tmp_path, [ok([1.0])])
    for _ in range(2):
        written = write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [file])
    files = (each for each in tmp_path.rglob("*") if each.is_file())
    assert sorted(str(each.relative_to(tmp_path)) for each in files) == [
        "bench-pc/" + written.name,
        "bench-pc/" + file.file.name,
        "bench-pc/machine.json",
        "benchmarks.json",
    ]  # fmt: skip


def test_failed_write_keeps_the_existing_file(tmp_path, monkeypatch) -> None:
    file = run_file(tmp_path, [ok([1.0])])
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [file])
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(asv_files.asv.results.Results, "save", full)
    with pytest.raises(OSError, match="No space"):
        write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [file])
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


def test_no_file_has_a_path_of_this_machine(tmp_path) -> None:
    write_asv_results(
        tmp_path, MACHINE, BENCHMARKS, COMMIT, [run_file(tmp_path, [ok([1.0]), failed("Mismatch")])]
    )
    for file in tmp_path.rglob("*.json*"):
        said = file.read_text() + file.name
        for place in (str(tmp_path), str(Path.home()), sys.prefix, str(Path.cwd())):
            assert place not in said


def test_environment_name_depends_on_libraries() -> None:
    name = environment_name(INFO)
    assert name.startswith("py3.11.7-")
    assert environment_name(replace(INFO, started="later", images=["ic-2"])) == name
    assert environment_name(replace(INFO, libraries={**INFO.libraries, "numpy": "1.26"})) != name
