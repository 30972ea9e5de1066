"""A cell runs in a new process that asv starts. Each outcome is a result with a reason."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.running.suite import Suite
from platebench.stores.name import StoreName
from platebench.timing.protocol import IMAGES, RECORD

REPOSITORY = Path(__file__).parents[2]
WAYS = ["full", "well", "skipped", "quoted", "failed", "long", "killed", "slow", "exits", "chatty"]
BENCHMARKS = f"""
import json, os, signal, sys, time

class Mismatch(Exception):
    pass

class Way:
    params = [{[f"made-up:{way}:fast" for way in WAYS]!r}, ["raw-2", "ic-2"]]
    param_names = ["store", "images"]
    number, rounds, warmup_time, repeat, timeout, version = 1, 1, 0, (3, 3, 10.0), 5, "1"

    def setup(self, store, images):
        way = store.split(":")[1]
        if way == "skipped":
            raise NotImplementedError("no versions")
        if way == "quoted":
            raise NotImplementedError("the folder 'a' has \\"no\\" images")
        if way == "failed":
            raise Mismatch("image 3 came back as int64, not uint8")
        if way == "full":
            raise OSError(28, "No space left on device")
        if way == "long":
            raise ValueError("first line\\nlast line")
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if way == "slow":
            time.sleep(60)
        if way == "exits":
            os._exit(3)
        if way == "chatty":
            print("a library says something")
            print("and warns", file=sys.stderr)

    def teardown(self, store, images):
        noted = {{"wall_s": [9.0, 1.0, 2.0, 3.0], "cpu_s": [9.0, 0.1, 0.2, 0.3]}}
        noted["images"] = os.environ[{IMAGES!r}]
        noted["variable"] = os.environ.get("OF_MINE")
        with open(os.environ[{RECORD!r}], "w") as file:
            json.dump(noted, file)

    def time_it(self, store, images):
        pass

class NotTimed:
    def track_number(self):
        return 1
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    repository = tmp_path_factory.mktemp("repository")
    shutil.copy(REPOSITORY / "asv.conf.json", repository)
    (repository / "benchmarks").mkdir()
    (repository / "benchmarks" / "__init__.py").touch()
    (repository / "benchmarks" / "ways.py").write_text(BENCHMARKS)
    return Suite(repository, ["raw-2", "ic-2"], variables={"OF_MINE": "set"})


def cell(way: str) -> CellName:
    return CellName("ways.Way.time_it", StoreName("made-up", way, "fast"), "raw-2")


def test_cells_are_all_parameters_of_the_timed_benchmarks(suite: Suite) -> None:
    cells = suite.cells()
    assert len(cells) == len(WAYS) * 2
    assert cell("well") in cells
    assert str(cell("well")) == "ways.Way.time_it(made-up:well:fast, raw-2)"
    assert cell("well").kind == "Way"


def test_full_disk_is_not_a_failure_of_the_store(suite: Suite) -> None:
    with pytest.raises(OSError, match="No space left on device") as stopped:
        suite.run(cell("full"))
    assert stopped.value.errno == errno.ENOSPC


@pytest.mark.parametrize("way", ["well", "chatty"])
def test_successful_cell_has_samples_and_record(way: str, suite: Suite) -> None:
    run = suite.run(cell(way))
    assert (run.status, run.message) == ("ok", "")
    assert len(run.samples_s) == 3
    assert run.record["cpu_s"] == [0.1, 0.2, 0.3], "of the samples, not of what warmed up"
    assert run.record["wall_s"] == [1.0, 2.0, 3.0]
    assert run.record["images"] == "raw-2,ic-2"
    assert run.record["variable"] == "set"


@pytest.mark.parametrize(
    ("way", "status", "message"),
    [
        ("skipped", "skipped", "no versions"),
        ("quoted", "skipped", "the folder 'a' has \"no\" images"),
        ("failed", "failed", "Mismatch: image 3 came back as int64, not uint8"),
        ("long", "failed", "last line"),
        ("killed", "failed", "the process ended by SIGKILL without a message"),
        ("exits", "failed", "the process ended with status 3 without a message"),
        ("slow", "failed", "asv: benchmark timed out (timeout 5s)"),
    ],
)
def test_failure_is_described_in_one_line(way, status, message, suite: Suite) -> None:
    run = suite.run(cell(way))
    assert (run.status, run.message, run.samples_s) == (status, message, [])


def test_quick_takes_fewer_samples(suite: Suite) -> None:
    assert len(suite.run(cell("well"), (1, 1, 0.05)).samples_s) == 1


def test_this_process_and_its_environment_do_not_change(suite: Suite, capfd) -> None:
    before = dict(os.environ)
    suite.run(cell("chatty"))
    suite.run(cell("failed"))
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


def test_unimportable_benchmarks_raise_user_error(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "asv.conf.json", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("import nothing_of_the_kind")
    with pytest.raises(UserError):
        Suite(tmp_path, ["raw-2"])


def test_interrupt_ends_the_cell_and_the_run(suite: Suite, tmp_path: Path) -> None:
    repository = suite._benchmark_dir.parent
    program = f"""
import pathlib
from platebench.running.suite import Suite
from platebench.results.measurement import CellName
suite = Suite(pathlib.Path({str(repository)!r}), ["raw-2", "ic-2"])
print("ready", flush=True)
try:
    suite.run(CellName.from_params("ways.Way.time_it", ("made-up:slow:fast", "raw-2")))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        time.sleep(1)
        os.killpg(running.pid, signal.SIGINT)
        assert running.stdout.read() == "interrupted\n"
