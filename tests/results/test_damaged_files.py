"""Damaged results files are ignored, with a message in one line each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platebench.results.asv_files import read_asv_file, write_asv_results
from platebench.results.commit import Commit
from platebench.results.records import RecordFile, record_files
from platebench.results.report import as_csv, as_json, as_markdown
from platebench.results.strict_json import read_object
from platebench.results.tidy import tidy
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import INFO, SCAN, failed, floor, ok, run_file

IPC = "arrow-ipc:pixels:fast"

REPOSITORY = Path(__file__).parents[2]
LATER = "2027-03-01T00:00:00.000001+00:00"
HEADER = {
    "started": LATER,
    "commit": "0" * 40,
    "machine": "bench-pc",
    "python": "3.11.7",
    "libraries": {"numpy": "2.4.2"},
    "images": ["raw-64"],
    "settings": {},
}
CELL = {
    "round": 1,
    "cell": {"benchmark": SCAN, "params": [IPC, "raw-64"]},
    "status": "ok",
    "message": "",
    "started": LATER,
    "samples_s": [0.25, 0.5],
    "record": {"set_images": 64, "set_pixel_bytes": 64_000, "cpu_s": [0.1, 0.2]},
}
DEEP = "[" * 100_000

HEADERS: dict[str, object] = {
    "no text": b"",
    "an empty line": b"\n",
    "no end of line": json.dumps(HEADER).encode(),
    "no JSON": b"{started\n",
    "a list": b"[]\n",
    "null": b"null\n",
    "zeros": b"\0" * 512 + b"\n",
    "not UTF-8": b'{"started": "\xff"}\n',
    "too deep": DEEP.encode() + b"\n",
    "nothing in it": {},
    "no machine": {key: value for key, value in HEADER.items() if key != "machine"},
    **{
        f"{key} is {value!r:.20}": {**HEADER, key: value}
        for key in ("started", "commit", "machine", "python")
        for value in (None, 7, [], {})
    },
    **{f"machine {name!r:.20}": {**HEADER, "machine": name} for name in ("", "..", "../../x", "a")},
    **{
        f"started {said!r}": {**HEADER, "started": said}
        for said in ("", "yesterday", "2026-03-01T10:20:30", "0001-01-01T00:00:00+00:00")
    },
    "libraries a list": {**HEADER, "libraries": ["numpy"]},
    "a version null": {**HEADER, "libraries": {"numpy": None}},
    "images a text": {**HEADER, "images": "raw-64"},
    "images numbers": {**HEADER, "images": [64]},
    "settings a list": {**HEADER, "settings": []},
    "half a character": b'{"started": "\\ud800"}\n',
}

LINES: dict[str, object] = {
    "no JSON": b"{\n",
    "an empty line": b"\n",
    "null": b"null\n",
    "a list": b"[]\n",
    "too deep": DEEP.encode() + b"\n",
    "neither cell nor end": {"round": 1},
    "finished is null": {"finished": None},
    **{f"round {value!r}": {**CELL, "round": value} for value in (None, 0, -1, 1.5, True, 10**30)},
    **{f"cell {value!r}": {**CELL, "cell": value} for value in (None, "scan", [], {})},
    **{
        f"params {value!r}": {**CELL, "cell": {"benchmark": SCAN, "params": value}}
        for value in (None, IPC, [IPC, 64], [[IPC], "raw-64"])
    },
    **{
        f"benchmark {value!r}": {**CELL, "cell": {"benchmark": value, "params": [IPC, "raw-64"]}}
        for value in (None, 7, "", "scan")
    },
    **{f"status {value!r}": {**CELL, "status": value} for value in (None, 1, "OK", "fine")},
    **{f"message {value!r}": {**CELL, "message": value} for value in (None, 1, [])},
    **{f"started {value!r}": {**CELL, "started": value} for value in (None, 1, "then")},
    **{
        f"samples {value!r:.30}": {**CELL, "samples_s": value}
        for value in (
            *(None, 1.0, "1.0", [], [None], ["1.0"], [True], [0], [-1.0], [1e-300], [1e300]),
            *([10**400], [[1.0]]),
        )
    },
    "NaN": json.dumps({**CELL, "samples_s": [float("nan")]}).encode() + b"\n",
    "Infinity": json.dumps({**CELL, "samples_s": [float("inf")]}).encode() + b"\n",
    **{f"record {value!r}": {**CELL, "record": value} for value in (None, [], "none")},
    **{
        f"noted {key} {value!r:.20}": {**CELL, "record": {key: value}}
        for key in ("set_images", "pixel_bytes", "peak_bytes", "stored_bytes", "stored_files")
        for value in ("1", -1, 1.5, [1], True, 10**30)
    },
    **{
        f"noted {key} {value!r:.20}": {**CELL, "record": {key: value}}
        for key in ("cpu_s", "wall_s")
        for value in ("1", [None], [-1.0], {"a": 1})
    },
    **{
        f"versions {value!r:.20}": {**CELL, "record": {"version_bytes": value}}
        for value in (7, "many", [None], [0], [-1])
    },
}


def line_of(given: object) -> bytes:
    return given if isinstance(given, bytes) else json.dumps(given).encode() + b"\n"


def results_with(folder: Path, content: bytes) -> Path:
    """Results of a valid run, and a later file with this content."""
    run_file(folder, [floor([1.0]), ok([2.0])]).finish()
    file = folder / "bench-pc" / "20270301T000000.000001+0000.run.jsonl"
    file.write_bytes(content)
    return file


def read_all(results: Path) -> tuple[list[RecordFile], list[str]]:
    """Read everything like `report`, and return the files and the messages."""
    said: list[str] = []
    files = record_files(results, say=said.append)
    for file in files:
        cells = tidy(file)
        assert isinstance(file.finished, bool)
        for write in (as_json, as_csv, as_markdown):
            write(cells).encode()
    return files, said


def is_left_out(file: Path, results: Path, number: int) -> bool:
    files, said = read_all(results)
    assert len(files) == 1
    assert len(said) == 1
    return said[0].startswith(f"{file}, line {number}: ") and said[0].endswith("left out")


@pytest.mark.parametrize("given", HEADERS.values(), ids=HEADERS.keys())
def test_file_with_damaged_first_line_is_ignored(given: object, tmp_path: Path) -> None:
    file = results_with(tmp_path, line_of(given))
    assert is_left_out(file, tmp_path, 1)


@pytest.mark.parametrize("given", LINES.values(), ids=LINES.keys())
def test_file_with_damaged_line_is_ignored(given: object, tmp_path: Path) -> None:
    lines = [HEADER, CELL, given, {"finished": LATER}]
    file = results_with(tmp_path, b"".join(map(line_of, lines)))
    assert is_left_out(file, tmp_path, 3)


@pytest.mark.parametrize("given", LINES.values(), ids=LINES.keys())
def test_incomplete_last_line_is_ignored(given: object, tmp_path) -> None:
    lines = line_of(HEADER) + line_of(CELL) + line_of(given).removesuffix(b"\n")
    results_with(tmp_path, lines)
    files, said = read_all(tmp_path)
    assert (len(files), said) == (2, [])
    assert len(list(files[1].records())) == 1


UNKNOWN = {
    "operation": ("rotate.Rotate.time_rotate", [IPC, "raw-64"]),
    "store of two parts": (SCAN, ["parquet:pixels", "raw-64"]),
    "store of four parts": (SCAN, ["parquet:pixels:fast:s3", "raw-64"]),
    "store with a space": (SCAN, ["par quet:pixels:fast", "raw-64"]),
    "no store": (SCAN, []),
    "no images": (SCAN, [IPC]),
    "something else than a store": ("talk.Reads.time_read", ["LanceDB", "raw-2"]),
}


@pytest.mark.parametrize(("benchmark", "params"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_cell_is_ignored_and_reported(benchmark, params, tmp_path) -> None:
    other = {**CELL, "cell": {"benchmark": benchmark, "params": params}}
    file = results_with(tmp_path, b"".join(map(line_of, [HEADER, CELL, other, other])))
    files, said = read_all(tmp_path)
    assert len(list(files[1].records())) == 1
    assert said == [
        f"{file}: 2 cells unknown to this version are left out: {benchmark}({', '.join(params)})"
    ]


def test_keys_of_newer_versions_are_accepted(tmp_path: Path) -> None:
    more = {"requests": {"get": 3}}
    cell = {**CELL, **more, "record": {**CELL["record"], **more}}
    results_with(tmp_path, line_of({**HEADER, **more}) + line_of(cell))
    files, said = read_all(tmp_path)
    assert (len(files), said) == (2, [])


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_failed_or_skipped_cell_has_no_times(status, tmp_path) -> None:
    noted = {"wall_s": [1.0], "cpu_s": [2.0], "stored_bytes": 7}
    run = replace(ok([1.0], **noted), status=status, message="killed")
    (record,) = run_file(tmp_path, [run]).records()
    assert record.run.samples_s == []
    assert record.run.record.keys().isdisjoint({"wall_s", "cpu_s"})
    (cell,) = tidy(RecordFile(next(tmp_path.rglob("*.run.jsonl"))))
    assert (cell.median_s, cell.cpu_s, cell.samples) == (None, None, 0)
    assert (cell.status, cell.stored_bytes) == (status, 7)


@pytest.mark.parametrize("cpu", [[], [1.0], [1.0] * 3, None])
def test_times_of_another_count_than_the_samples_are_dropped(cpu, tmp_path) -> None:
    (record,) = run_file(tmp_path, [ok([1.0, 2.0], cpu_s=cpu)]).records()
    assert record.run.samples_s == [1.0, 2.0]
    assert "cpu_s" not in record.run.record


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _to_nothing(file: Path) -> None:
    file.symlink_to("gone")


@pytest.mark.parametrize("make", [Path.mkdir, _pipe, _to_nothing])
def test_special_files_are_ignored(make: Callable[[Path], None], tmp_path: Path) -> None:
    run_file(tmp_path, [ok([1.0])])
    file = tmp_path / "bench-pc" / "x.run.jsonl"
    make(file)
    files, said = read_all(tmp_path)
    assert len(files) == 1
    assert len(said) == 1
    assert said[0].startswith(f"{file}: ")


def test_damaged_file_is_reported_once_per_process_in_one_line(tmp_path, capsys) -> None:
    folder = tmp_path / "two\nlines \x1b[31m"
    results_with(folder, b"{}\n")
    for _ in range(3):
        assert len(record_files(folder)) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err


@pytest.mark.parametrize("machine", ["..", ".", "", "a/../bench-pc", "*", "bench-*"])
def test_machine_option_takes_plain_names_only(machine: str, tmp_path: Path) -> None:
    run_file(tmp_path, [ok([1.0])])
    assert record_files(tmp_path, machine) == []


@pytest.mark.long
def test_all_kept_results_are_read() -> None:
    kept = REPOSITORY / "results"
    files, said = read_all(kept)
    assert (len(files), said) == (len(list(kept.rglob("*.run.jsonl"))), [])
    assert all(file.finished for file in files)


def test_draft_of_a_killed_process_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    file = run_file(tmp_path, [ok([1.0])])
    monkeypatch.undo()
    assert len(list(file.file.parent.iterdir())) == 2
    files, said = read_all(tmp_path)
    assert ([each.file for each in files], said) == ([file.file], [])


# Any JSON

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KEYS = {
    "header": [(key,) for key in HEADER],
    "cell": [
        *((key,) for key in CELL),
        *(("cell", key) for key in ("benchmark", "params")),
        *(
            ("record", key)
            for key in (
                *("set_images", "set_pixel_bytes", "images", "pixel_bytes", "peak_bytes"),
                *("stored_bytes", "stored_files", "version_bytes", "wall_s", "cpu_s", "kind"),
            )
        ),
    ],
}


def changed(line: dict[str, Any], key: tuple[str, ...], value: object) -> dict[str, Any]:
    first, *rest = key
    return {**line, first: changed(line[first], tuple(rest), value) if rest else value}


def assert_read_or_left_out(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = results_with(Path(name), content)
        files, said = read_all(Path(name))
        assert len(files) + len(said) >= 2
        assert len(said) <= 1
        assert all(line.startswith(str(file)) for line in said)


@settings(deadline=None, max_examples=200)
@given(key=st.sampled_from(KEYS["header"]), value=JSON)
def test_any_header_is_read_or_reported_in_one_line(key, value) -> None:
    assert_read_or_left_out(line_of(changed(HEADER, key, value)) + line_of(CELL))


@settings(deadline=None, max_examples=300)
@given(key=st.sampled_from(KEYS["cell"]), value=JSON)
def test_any_line_is_read_or_reported_in_one_line(key, value) -> None:
    odd = line_of(changed(CELL, key, value))
    assert_read_or_left_out(line_of(HEADER) + line_of(CELL) + odd + line_of(CELL))


@settings(deadline=None, max_examples=200)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.binary(max_size=4), gone=st.integers(0, 30))
def test_any_damage_is_read_or_reported_in_one_line(place, bits, gone) -> None:
    whole = b"".join(map(line_of, [HEADER, CELL, CELL, {"finished": LATER}]))
    at = int(place * len(whole))
    assert_read_or_left_out(whole[:at] + bits + whole[at + gone :])


# machine.json and asv's files

MACHINE = {"machine": "bench-pc", "cpu": "a processor", "num_cpu": "4", "os": "Linux 6.1"}
COMMIT = Commit(INFO.commit, 1_772_000_000_000, False)
BENCHMARKS = {
    SCAN: {
        "name": SCAN,
        "type": "time",
        "version": "1",
        "unit": "seconds",
        "params": [[repr(FLOOR), repr(IPC)], ["'raw-64'"]],
        "param_names": ["store", "images"],
    }
}
NOT_ASVS = {
    "empty": b"",
    "cut off": b'{"machine": "ben',
    "zeros": b"\0" * 64,
    "a list": b"[1, 2]",
    "something else": b'{"molecules": 7}',
    "something else of a version": b'{"version": 1, "molecules": 7}',
    "not UTF-8": b"\xff\xfe{}",
}


def asv_files_of(results: Path) -> dict[str, Path]:
    run = run_file(results, [floor([1.0]), failed("killed")])
    write_asv_results(results, MACHINE, BENCHMARKS, COMMIT, [run])
    (measured,) = (results / "bench-pc").glob("*-*.json")
    return {
        "machine.json": results / "bench-pc" / "machine.json",
        "benchmarks.json": results / "benchmarks.json",
        "results": measured,
    }


@pytest.mark.parametrize("which", ["machine.json", "benchmarks.json", "results"])
@pytest.mark.parametrize("content", NOT_ASVS.values(), ids=NOT_ASVS.keys())
def test_foreign_file_is_never_overwritten(which, content, tmp_path) -> None:
    file = asv_files_of(tmp_path)[which]
    file.write_bytes(content)
    said: list[str] = []
    run = record_files(tmp_path)[0]
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [run], said.append)
    assert file.read_bytes() == content
    assert len(said) == 1
    assert said[0].startswith(f"{file}: ")
    assert said[0].endswith("move it")


@pytest.mark.parametrize("make", [Path.mkdir, _pipe, _to_nothing])
def test_special_file_is_never_overwritten(make, tmp_path: Path) -> None:
    files = asv_files_of(tmp_path)
    for file in files.values():
        file.unlink()
        make(file)
    said: list[str] = []
    run = record_files(tmp_path)[0]
    write_asv_results(tmp_path, MACHINE, BENCHMARKS, COMMIT, [run], said.append)
    assert len(said) == 3
    assert not any(file.is_file() for file in files.values())


def test_other_files_in_the_results_folder_stay_unchanged(tmp_path: Path) -> None:
    mine = {
        tmp_path / "notes.txt": b"mine",
        tmp_path / "bench-pc" / "figures.json": b"{",
        tmp_path / ".asv.platebench-mine" / "thesis.tex": b"years of work",
        tmp_path / "bench-pc" / "x.run.draft": b"",
    }
    for file, content in mine.items():
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(content)
    for _ in range(2):
        asv_files_of(tmp_path)
        shutil.rmtree(tmp_path / "bench-pc" / "none", ignore_errors=True)
        next((tmp_path / "bench-pc").glob("*.run.jsonl")).unlink()
    assert {file: file.read_bytes() for file in mine} == mine


@pytest.mark.parametrize("content", NOT_ASVS.values(), ids=NOT_ASVS.keys())
def test_damaged_json_is_reported_and_ignored(content: bytes, tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "machine.json"
    assert read_object(file, said.append) is None
    assert said == []
    file.write_bytes(content)
    read = read_object(file, said.append)
    assert (read is None) == (len(said) == 1)


def test_kept_asv_files_are_read() -> None:
    kept = list((REPOSITORY / "results").rglob("*.json"))
    assert {"machine.json", "benchmarks.json"} <= {file.name for file in kept}
    assert all(read_asv_file(file) for file in kept)
