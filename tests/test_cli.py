"""The command line as a person meets it: what it prints, what it refuses, what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import asv.results
import h5py
import pytest
import typer

from platebench.cli import app
from platebench.results.operations import OPERATIONS
from platebench.results.records import record_files
from platebench.results.ten_lines import MOST
from platebench.running.machine_facts import this_machine
from tests.results.made_up_runs import failed, ok, run_file
from tests.scratch_checkout import PROGRAM, REPOSITORY, Command, git, in_a_process


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all commands."""
    if not hasattr(command, "commands"):
        yield " ".join(path)
        return
    for name, each in command.commands.items():
        yield from walk(each, (*path, name))


COMMANDS = tuple(walk(typer.main.get_command(app)))


def left(folder: Path) -> list[str]:
    """Return the files below a folder, but for the mark of a work folder, and locks."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [
        str(file.relative_to(folder))
        for file in files
        if file.suffix != ".lock" and file.name != ".platebench-work"
    ]


# Help


def test_help_names_every_command(platebench: Command) -> None:
    assert {"run", "reference check", "versions add", "site build"} <= set(COMMANDS)
    said = platebench("--help")
    assert said.status == 0
    for command in COMMANDS:
        assert command.split()[0] in said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str, platebench: Command) -> None:
    said = platebench(*command.split(), "--help")
    assert said.status == 0
    assert re.search(rf"Examples?: platebench {command}\b", " ".join(said.out.split()))


@pytest.mark.parametrize("arguments", [["fly"], ["run", "--fast"], ["run", "--rounds", "0"]])
def test_unknown_command_or_option_has_status_2(arguments: list[str], platebench: Command) -> None:
    said = platebench(*arguments)
    assert (said.status, said.out) == (2, "")
    assert "Traceback" not in said.err


def test_help_groups_the_commands(platebench: Command) -> None:
    said = " ".join(platebench("--help").out.split())
    groups = [
        (
            "Keeping images",
            ["advise", "pack", "unpack", "check", "info", "look", "convert", "versions"],
        ),
        ("Measuring", ["run", "compare", "report", "stores", "make-fixtures", "clean"]),
        ("Publishing figures", ["reference", "calibrate", "site"]),
        ("The story", ["talk", "findings"]),
    ]
    places = [said.index(title) for title, _ in groups] + [len(said)]
    for (title, commands), begin in zip(groups, places, strict=False):
        end = min(place for place in places if place > begin)
        for command in commands:
            assert re.search(rf"\b{command}\b", said[begin:end]), (title, command)


@pytest.mark.parametrize(
    "command",
    ["advise", "run", "compare", "reference run", "calibrate selfcheck", "report", "site build"],
)
def test_commands_that_read_or_write_runs_have_option_results(command, platebench) -> None:
    assert "--results" in platebench(*command.split(), "--help").out


# Bad input


def truncated(folder: Path) -> str:
    file = folder / "1.tif"
    file.write_bytes(file.read_bytes()[:-100])
    return "1.tif"


def text_called_tif(folder: Path) -> str:
    (folder / "notes.tif").write_text("Dear diary\n")
    return "notes.tif"


def ch5_without_sample(folder: Path) -> str:
    with h5py.File(folder / "movie.ch5", "w") as file:
        file["definition"] = 1
    return "movie.ch5"


def emptied(folder: Path) -> str:
    for file in folder.iterdir():
        file.unlink()
    return "plate"


def removed(folder: Path) -> str:
    shutil.rmtree(folder)
    return "plate"


@pytest.mark.parametrize(
    "spoil", [truncated, text_called_tif, ch5_without_sample, emptied, removed]
)
def test_unusable_folder_is_a_one_line_error_and_leaves_nothing(
    spoil: Callable[[Path], str], checkout: Path, plate: Path, platebench: Command
) -> None:
    named = spoil(plate)
    said = platebench("run", "--images", str(plate), "--stores", "zarr")
    assert said.status == 2
    (line,) = said.err.splitlines()
    assert line.startswith("platebench: ")
    assert named in line
    assert said.out == ""
    assert left(checkout.parent / "work") == []
    assert not (checkout / ".platebench" / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "0"], "--images 0: give 1 image or more"),
        (["--images", "-1"], "--images -1: give 1 image or more"),
        (["--images", "raw-0"], "--images raw-0: give 1 image or more"),
        (["--images", "2,0"], "--images 0: give 1 image or more"),
        (
            ["--images", "1.5"],
            "1.5: neither a number of images, raw-N, ic-N, raw16-N, channels-N, zstack-N, mixed-N,"
            " crops-N, nor a folder",
        ),
        (
            ["--images", "abc"],
            "abc: neither a number of images, raw-N, ic-N, raw16-N, channels-N, zstack-N, mixed-N,"
            " crops-N, nor a folder",
        ),
        (["--images", ","], "--images: give a number of images or a folder"),
        (["--images", "channels-0"], "--images channels-0: give 1 image or more"),
        (
            ["--images", "channels-64"],
            "channels-64: a site has 5 images; give channels-60 or channels-65",
        ),
        (
            ["--images", "channels-5", "--crops"],
            "--crops cuts cells from your own images; for channels-5 give crops-1000",
        ),
        (
            ["--images", "3", "--pattern", "{well}"],
            "--pattern is for the names of your own files; raw-3 is generated",
        ),
        (["--stores", "parket"], "parket: no such store; 'platebench stores' lists them"),
        (["--stores", "parquet:pixels:quick"], "parquet:pixels:quick: no such store"),
        (["--stores", "zarr,nope:*:fast"], "nope:*:fast: no such store"),
        (["--operations", "reed"], "reed: no such operation; there are write, scan, take"),
    ],
)
def test_unusable_settings_are_a_one_line_error_and_leave_nothing(
    arguments: list[str], words: str, checkout: Path, platebench: Command
) -> None:
    said = platebench("run", *arguments)
    assert said.status == 2
    (line,) = said.err.splitlines()
    assert line.startswith(f"platebench: {words}")
    assert left(checkout.parent / "work") == []
    assert not (checkout / ".platebench" / "results").exists()


@pytest.mark.parametrize(
    "command", [["compare", "HEAD~1", "."], ["reference", "run"], ["site", "build"]], ids=" ".join
)
def test_command_that_needs_a_checkout_says_so_outside_of_one(
    command: list[str], tmp_path: Path, monkeypatch, platebench: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    said = platebench(*command)
    assert said.status == 2
    assert (
        said.err
        == f"platebench: {tmp_path}: not in a checkout of platebench; clone it and run there\n"
    )
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["HEAD"], "give two arms or more, such as HEAD~1 and ."),
        (["HEAD", ""], "'': give a revision, pins, or REVISION with PINS"),
        (["HEAD", ".", "nowhere"], "nowhere: no such revision in checkout"),
        (["HEAD", "main with pyarrow=1"], "'pyarrow=1': not a pin such as pyarrow==16.1.0"),
        ([".", ".", "--threshold", "inf"], "--threshold inf: give a share such as 0.1"),
        ([".", ".", "--markdown", "no/where.md"], "no/where.md: its folder does not exist"),
        ([".", ".", "--stores", "parket"], "parket: no such store"),
        ([".", ".", "--operations", "fly"], "fly: no such operation"),
        ([".", "HEAD with numpy<2", "--images", "0"], "--images 0: give 1 image or more"),
    ],
)
def test_unusable_arms_are_a_one_line_error(arguments, words, checkout, platebench) -> None:
    said = platebench("compare", *arguments)
    assert (said.status, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith(f"platebench: {words}")
    assert left(checkout.parent / "work") == []
    assert not (checkout / ".platebench" / "results").exists()


@pytest.mark.parametrize("images", ["0", "-3"])
def test_fixture_without_images_is_refused(
    images: str, tmp_path: Path, platebench: Command
) -> None:
    said = platebench("make-fixtures", "--images", images, "--out", str(tmp_path / "out"))
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert left(tmp_path) == []


def test_report_without_results_says_how_to_make_some(tmp_path, platebench) -> None:
    said = platebench("report", "--results", str(tmp_path))
    assert said.status == 2
    assert said.err == f"platebench: {tmp_path}: no results yet; 'platebench run' makes them\n"


def test_full_disk_is_a_one_line_error(checkout: Path, monkeypatch, platebench) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "held.json")

    monkeypatch.setattr("platebench.timing.workspace.decode_to_cache", full)
    said = platebench("run", "--images", "2", "--stores", "zarr")
    assert said.status == 2
    lines = said.err.splitlines()
    assert lines[-1] == ("platebench: the disk is full (held.json); make room and run again")
    assert left(checkout.parent / "work") == []


# Reports and lists


def test_report_without_own_runs_says_how_to_see_the_reference(checkout, platebench) -> None:
    said = platebench("report")
    assert said.status == 2
    assert said.err == (
        f"platebench: {checkout}/.platebench/results: no results yet; 'platebench run' makes them;"
        " the kept reference: platebench report --results results\n"
    )


def test_report_starts_with_disk_load_and_newest_releases(
    tmp_path: Path, platebench: Command
) -> None:
    facts = {"disk": "Fast 990", "filesystem": "ext4", "rotational": False, "cores": 2}
    facts |= {"load": [1.5, 1.0, 1.0], "governor": "powersave"}
    newest = {"numpy": "2.5.0", "pyarrow": "23.0.0"}
    run_file(tmp_path, [ok([1.0])], machine_facts=facts, newest=newest)
    lines = platebench("report", "--results", str(tmp_path)).out.splitlines()
    assert (
        lines[0] == "Fast 990 (ext4, not rotational); load 1.5 on 2 cores; CPU governor powersave"
    )
    assert lines[1].startswith("warning: this machine is busy (load 1.5 on 2 cores)")
    assert lines[2] == (
        "Newer releases existed on the day of the run: numpy 2.5.0 (measured: 2.4.2)."
    )


def test_report_says_that_the_newest_releases_are_unknown(tmp_path, platebench) -> None:
    run_file(tmp_path, [ok([1.0])], machine_facts={"filesystem": "ext4"})
    assert "It is not known whether newer releases" in (
        platebench("report", "--results", str(tmp_path)).out
    )


def test_report_shows_the_newest_run(tmp_path: Path, platebench: Command) -> None:
    run_file(tmp_path, [ok([1.0])], started="2026-03-01T00:00:00.000001+00:00")
    run_file(tmp_path, [ok([2.0])], started="2026-03-02T00:00:00.000001+00:00", machine="other")
    newest = json.loads(platebench("report", "--results", str(tmp_path), "--format", "json").out)
    assert [cell["median_s"] for cell in newest] == [2.0]
    other = platebench(
        "report", "--results", str(tmp_path), "--format", "json", "--machine", "bench-pc"
    )
    assert [cell["median_s"] for cell in json.loads(other.out)] == [1.0]


def test_report_ignores_arms_of_comparisons(tmp_path, platebench) -> None:
    run_file(tmp_path, [ok([1.0])], started="2026-03-01T00:00:00.000001+00:00")
    for day, settings in enumerate(({"compare": "0123", "arm": 1}, {"selfcheck": 3}), 2):
        started = f"2026-03-0{day}T00:00:00.000001+00:00"
        run_file(tmp_path, [ok([9.0])], started=started, settings=settings)
    newest = json.loads(platebench("report", "--results", str(tmp_path), "--format", "json").out)
    assert [cell["median_s"] for cell in newest] == [1.0]


def test_report_names_another_machine(tmp_path, platebench) -> None:
    run_file(tmp_path, [ok([1.0])])
    here = this_machine()["machine"]
    said = platebench("report", "--results", str(tmp_path), "--format", "json")
    assert said.err == f"These results are from the machine bench-pc; this one is {here}.\n"
    assert json.loads(said.out)
    asked_for = platebench("report", "--results", str(tmp_path), "--machine", "bench-pc")
    assert asked_for.err == ""
    run_file(tmp_path, [ok([1.0])], machine=here, started="2026-03-02T00:00:00.000001+00:00")
    assert platebench("report", "--results", str(tmp_path)).err == ""


@pytest.mark.parametrize("form", ["table", "csv", "markdown"])
def test_report_has_the_reason_of_a_failed_cell(form: str, tmp_path, platebench) -> None:
    run_file(tmp_path, [ok([1.0]), failed("Mismatch: image 3", "parquet:pixels:fast")])
    said = platebench("report", "--results", str(tmp_path), "--format", form)
    assert said.status == 0
    assert "Mismatch: image 3" in said.out


def test_stores_lists_missing_libraries(monkeypatch, platebench: Command) -> None:
    version = metadata.version

    def without_zarr(name: str) -> str:
        if name == "zarr":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_zarr)
    listed = {row["name"]: row for row in json.loads(platebench("stores", "--json").out)}
    assert listed["zarr:tensor:fast"]["why_not"] == "zarr is not installed; type: pip install zarr"
    assert listed["parquet:pixels:fast"]["why_not"] is None
    assert listed["lancedb:pixels:fast"]["native_versions"]
    assert all(row["opened_by"] for row in listed.values())
    assert (
        listed["tiff-files:tiff:small"]["opened_by"] != listed["tiff-files:tiff:fast"]["opened_by"]
    )
    assert not listed["parquet:pixels:fast"]["native_versions"]
    said = platebench("stores").out
    assert re.search(r"zarr:tensor:fast +part list +no ", said)
    assert re.search(
        r"zarr:tensor:default and \d+ more: zarr is not installed; type: pip install zarr\n", said
    )
    assert re.search(r"platebench stores --install icechunk,.*zarr", said)


# Whole runs


def test_run_does_not_change_published_results(checkout: Path) -> None:
    shutil.copytree(REPOSITORY / "results", checkout / "results")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Keep a reference")
    said = in_a_process(
        "run", "--images", "2", "--quick", "--stores", "floor", "--operations", "scan"
    )
    assert said.status == 0, said.err
    assert git(checkout, "status", "--porcelain") == "", "results/ is as it was"
    (file,) = record_files(checkout / ".platebench" / "results")
    table = file.file.relative_to(checkout).with_name(
        file.file.name.replace(".run.jsonl", ".table.txt")
    )
    assert f"report, or {table}\n" in said.out
    assert "scan, warm, 2 raw images" in table.read_text()
    assert re.search(r"; load \S+ on \d+ cores, \S+ of them busy; CPU governor ", said.err)
    assert file.info().machine_facts
    elsewhere = in_a_process(
        "run", "--images", "2", "--quick", "--stores", "floor", "--operations", "scan",
        "--results", "../mine",
    )  # fmt: skip
    assert elsewhere.status == 0, elsewhere.err
    assert len(record_files(checkout.parent / "mine")) == 1
    assert len(record_files(checkout / ".platebench" / "results")) == 1


def test_run_measures_every_operation_and_asv_reads_it(checkout: Path) -> None:
    store = "arrow-ipc:pixels:fast"
    said = in_a_process("run", "--images", "2", "--quick", "--stores", store)
    assert said.status == 0, said.err
    assert "…" not in said.out
    (file,) = record_files(checkout / ".platebench" / "results")
    assert file.info().images == ["raw-2"]
    cells = json.loads(in_a_process("report", "--format", "json").out)
    assert {(cell["operation"], cell["cache"]) for cell in cells} == {
        (operation.name, operation.cache) for operation in OPERATIONS.values() if operation.in_brief
    }
    references = {"floor:pixels:fast", "tiff-files:tiff:default"}
    assert {cell["store"] for cell in cells} == {store, *references}
    for cell in cells:
        assert (
            cell["status"] == "ok"
            or "page cache" in cell["message"]
            or (cell["operation"] == "take" and "16" in cell["message"])
        ), cell["message"]
        assert cell["commit"] == file.info().commit
    (read,) = asv.results.iter_results(str(checkout / ".platebench" / "results"))
    assert read.commit_hash == file.info().commit
    shown = asv_command("show", read.commit_hash[:8])
    assert "full_scan.FullScan.time_scan" in shown
    asv_command("publish", "--html-dir", str(checkout.parent / "html"))
    assert (checkout.parent / "html" / "index.html").is_file()
    assert not list((checkout.parent / "work" / "platebench").glob("scratch/*"))
    for place in (str(checkout), str(Path.home()), sys.prefix):
        for result in (checkout / ".platebench" / "results").rglob("*.json*"):
            assert place not in result.read_text() + result.name


def asv_command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "asv", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "checkout",
    [
        (
            "src/platebench/stores/tiff_files.py",
            "tifffile.imread(_file(self._path, row))) for row in rows",
            "tifffile.imread(_file(self._path, row ^ 1))) for row in rows",
        )
    ],
    indirect=True,
    ids=["rows swapped"],
)
def test_broken_store_fails_without_stopping_the_others(checkout: Path, plate: Path) -> None:
    stores = "tiff-files:tiff:default,arrow-ipc:pixels:fast"
    said = in_a_process(
        "run", "--images", str(plate), "--quick", "--stores", stores, "--operations", "write,scan"
    )
    message = "Mismatch: image 1 came back in place of image 0"
    assert said.status == 1
    assert "3 of 9 measurements failed" in said.out
    told = in_a_process("report").out
    assert f"tiff-files:tiff:default failed: {message}" in " ".join(told.split())
    assert said.err.splitlines()[-1] == (
        f"platebench: 3 of 9 cells failed; the first: write of tiff-files:tiff:default: {message}"
    )
    (file,) = record_files(checkout / ".platebench" / "results")
    found = {(each.run.cell.kind, str(each.run.cell.store)): each.run for each in file.records()}
    assert len(found) == 9
    for (_, store), run in found.items():
        assert (run.status == "failed") == (store == "tiff-files:tiff:default")
    (read,) = asv.results.iter_results(str(checkout / ".platebench" / "results"))
    assert None in read.get_result_value(
        "full_scan.FullScan.time_scan", read.get_result_params("full_scan.FullScan.time_scan")
    )


def test_changed_checkout_is_recorded_under_its_own_name(checkout: Path, plate: Path) -> None:
    with (checkout / "src" / "platebench" / "errors.py").open("a") as file:
        file.write("# changed\n")
    said = in_a_process(
        "run", "--images", str(plate), "--quick", "--stores", "floor", "--operations", "table"
    )
    assert said.status == 0, said.err
    (kept,) = record_files(checkout / ".platebench" / "results")
    assert kept.info().commit.endswith("+changes")
    assert list(asv.results.iter_results(str(checkout / ".platebench" / "results"))) == []


RUNNING = "arrow-ipc,parquet:pixels:*,tiff-files"


@pytest.fixture
def running(checkout: Path, plate: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of many cells, in a process group of its own."""
    with subprocess.Popen(
        [*PROGRAM, "run", "--images", str(plate), "--stores", RUNNING, "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            wait_for_records(checkout, process)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_records(checkout: Path, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        files = record_files(checkout / ".platebench" / "results")
        if files and any(files[0].records()):
            return
        time.sleep(0.1)
    raise AssertionError(process.communicate())


def test_interrupted_run_prints_its_answer_and_keeps_its_records(
    checkout: Path, plate: Path, running: subprocess.Popen[str]
) -> None:
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate()
    assert running.returncode == 130
    *lines, go_on = out.split("\n\n")[-1].splitlines()
    assert re.match(r"2 images|No measurement succeeded", lines[0])
    assert len(lines) <= MOST
    assert go_on.startswith("To continue: ")
    assert go_on.endswith(f"run --images {plate} --stores '{RUNNING}' --all --resume")
    assert err.splitlines()[-1] == "platebench: interrupted"
    assert re.search(r"^\d+ measured cells are kept in .*; --resume goes on$", err, re.MULTILINE)
    assert "Traceback" not in err
    (file,) = record_files(checkout / ".platebench" / "results")
    assert list(file.records())
    (read,) = asv.results.iter_results(str(checkout / ".platebench" / "results"))
    assert read.get_all_result_keys()
    assert not list((checkout.parent / "work" / "platebench").glob("scratch/*"))
    assert not [name for name in left(checkout / ".platebench" / "results") if "draft" in name]


def test_killed_run_keeps_its_records(
    checkout: Path, plate: Path, running: subprocess.Popen[str]
) -> None:
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    (file,) = record_files(checkout / ".platebench" / "results")
    assert list(file.records())
    said = in_a_process("report", "--format", "json")
    assert json.loads(said.out)
    again = in_a_process(
        "run", "--images", str(plate), "--quick", "--stores", "arrow-ipc:pixels:fast",
        "--operations", "scan",
    )  # fmt: skip
    assert again.status == 0, again.err
    assert not list((checkout.parent / "work" / "platebench").glob("scratch/*"))
