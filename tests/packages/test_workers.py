"""Dask workers make the same packages as one process, and a dead one loses and doubles nothing.

`PLATEBENCH_KILLS=30 python -m pytest -n0 tests/packages/test_workers.py -k killed` kills thirty.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from platebench import workers as workers_module
from platebench.errors import UserError
from platebench.images.fixtures import make_fixtures
from platebench.packages.check import check
from platebench.packages.convert import convert
from platebench.packages.draft import Interrupted
from platebench.packages.manifest import read_manifest
from platebench.packages.pack import PackSettings, pack
from platebench.packages.unpack import unpack
from platebench.stores.name import StoreName
from platebench.workers import Unseen, WorkerDied, Workers
from tests.packages.made_up import mixed_folder, plate_folder

KILLS = int(os.environ.get("PLATEBENCH_KILLS", "2"))


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    """Two workers of this machine."""
    with Workers(workers=2) as started:
        yield started


def digests(package: Path) -> tuple[bytes, Counter[tuple[int, str]]]:
    """Return the list of images with their digests, and sizes and digests of the data's files.

    Names of parts are random, and so is all that contains them.
    """
    files = read_manifest(package).files
    data = Counter(
        (file.size, file.sha256) for file in files if file.path.startswith("data/parts/")
    )
    assert data
    return (package / "images.csv").read_bytes(), data


def drafts(place: Path) -> list[Path]:
    return sorted(place.glob(".*"))


@pytest.mark.parametrize("store", ["parquet:tiff:fast", "zarr:tensor:balanced"])
def test_digests_equal_those_of_one_process(store: str, tmp_path: Path, two: Workers) -> None:
    name = StoreName.parse(store)
    plate = plate_folder(tmp_path / "plate", images=6)
    found = []
    for number, how in enumerate([{"jobs": 1}, {"jobs": 2}, {"workers": two}]):
        package = tmp_path / f"package-{number}"
        pack([plate], package, PackSettings(store=name, part_bytes=1, **how))
        assert check(package, [plate]) == []
        found.append(digests(package))
    assert found[0] == found[1] == found[2]
    assert drafts(tmp_path) == []


def test_workers_check_unpack_and_convert_as_one_process_does(tmp_path: Path, two: Workers) -> None:
    folder, package = mixed_folder(tmp_path / "mixed"), tmp_path / "package"
    pack([folder], package, PackSettings(workers=two, originals=True))
    assert check(package, [folder], workers=two) == []
    unpack(package, tmp_path / "one")
    unpack(package, tmp_path / "other", workers=two)
    assert same_trees(tmp_path / "one", tmp_path / "other")
    store = StoreName.parse("arrow-ipc:pixels:fast")
    convert(package, tmp_path / "alone", store, most=1)
    convert(package, tmp_path / "divided", store, most=1, workers=two)
    assert digests(tmp_path / "alone") == digests(tmp_path / "divided")
    assert drafts(tmp_path) == []


def same_trees(one: Path, other: Path) -> bool:
    def files(tree: Path) -> dict[Path, bytes]:
        return {
            file.relative_to(tree): file.read_bytes() for file in tree.rglob("*") if file.is_file()
        }

    return files(one) == files(other) != {}


def test_workers_find_the_same_differences_as_one_process(package: Path, two: Workers) -> None:
    source = package.parent / "source"
    unpack(package, source)
    tiff = next(source.rglob("*.tif"))
    data = bytearray(tiff.read_bytes())
    data[-1] ^= 1
    tiff.write_bytes(data)
    text = package / "images.csv"
    lines = text.read_text().splitlines(keepends=True)
    digest = lines[1].rstrip().rsplit(",", 1)[1].strip('"')
    text.write_text("".join(lines).replace(digest, digest[::-1]))
    alone = check(package, [source])
    assert len(alone) >= 3
    assert sorted(map(str, check(package, [source], workers=two))) == sorted(map(str, alone))
    with pytest.raises(UserError, match="differs from its SHA-256"):
        unpack(package, package.parent / "again", workers=two)
    assert drafts(package.parent) == []


def test_fixtures_of_workers_have_the_same_content(tmp_path: Path, two: Workers) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    make_fixtures(one, 2, ch5=True, tables=True, processes=1)
    make_fixtures(other, 2, ch5=True, tables=True, workers=two)
    (movie,) = one.rglob("*.ch5")
    assert datasets(movie) == datasets(other / movie.relative_to(one))
    # In some runs the bytes of the two CH5 files differ, though all datasets are equal.
    for tree in (one, other):
        (tree / movie.relative_to(one)).unlink()
    assert same_trees(one, other)


def contents(values: np.ndarray) -> object:
    """Return texts as a list: the bytes of their array are addresses."""
    return values.tolist() if values.dtype.hasobject else values.tobytes()


def datasets(movie: Path) -> dict[str, object]:
    found: dict[str, object] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = contents(item[()])

    with h5py.File(movie) as file:
        file.visititems(note)
    assert len(found) > 5
    return found


def test_native_versions_are_written_by_one_process_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    plate = plate_folder(tmp_path / "plate", images=2)
    name = StoreName.parse("lancedb:tiff:fast")
    with Workers(workers=2, say=said.append) as started:
        pack([plate], tmp_path / "package", PackSettings(store=name, workers=started))
        assert started._cluster is None
    assert said == [
        "lancedb:tiff:fast keeps versions of its own, so one process writes it; the Dask workers"
        " have nothing to do"
    ]


SLOW = """
import os, sys, time
from pathlib import Path
from platebench.images.folder import FolderImages
if os.environ.get("PLATEBENCH_TEST_SLOW"):
    file = FolderImages.file
    def slowly(self, row):
        time.sleep(float(os.environ["PLATEBENCH_TEST_SLOW"]))
        return file(self, row)
    FolderImages.file = slowly
"""


@pytest.mark.timeout(120 + 20 * KILLS)
def test_killed_worker_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is killed while it writes: between its first image and its last one."""
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PLATEBENCH_TEST_SLOW", "0.05")
    source = plate_folder(tmp_path / "plate", images=12)
    size = 3 * 12 * 16  # three images a part
    pack([source], tmp_path / "first", PackSettings(part_bytes=size))
    generator = random.Random(KILLS)
    hits = 0
    for kill in range(KILLS):
        package = tmp_path / f"package-{kill}"
        with Workers(workers=2) as started:
            started._started()
            nannies = list(started._cluster.workers.values())
            before = [nanny.pid for nanny in nannies]
            victim, after = generator.choice(before), generator.uniform(0.02, 0.4)
            killer = threading.Timer(after, os.kill, (victim, signal.SIGKILL))
            killer.start()
            pack([source], package, PackSettings(part_bytes=size, workers=started))
            hits += not killer.is_alive()
            killer.cancel()
            killer.join()
        assert check(package, [source]) == []
        assert digests(package) == digests(tmp_path / "first")
        assert drafts(tmp_path) == []
        shutil.rmtree(package)
    assert hits >= KILLS / 2


class Deadly:
    """A task that ends its worker."""

    def __len__(self) -> int:
        return 1

    def run(self, count: object) -> None:
        os._exit(1)


def test_task_that_kills_each_worker_is_given_up() -> None:
    with Workers(workers=1) as started, pytest.raises(WorkerDied, match="4 Dask workers have died"):
        list(started.run([Deadly()]))


def test_interrupted_pack_leaves_a_draft_and_no_worker(plate: Path, tmp_path: Path) -> None:
    def show(what: str, done: int, total: int) -> None:
        if any(tmp_path.glob(".*/done/*.json")):
            raise KeyboardInterrupt

    package = tmp_path / "package"
    with Workers(workers=1) as started:
        started._started()
        pids = [nanny.pid for nanny in started._cluster.workers.values()]
        with pytest.raises(Interrupted):
            pack([plate], package, PackSettings(part_bytes=1, workers=started), show)
        assert not package.exists()
    assert all(gone(pid) for pid in pids)
    counts: list[int] = []
    pack(
        [plate],
        package,
        PackSettings(part_bytes=1, resume=True),
        lambda what, done, total: counts.append(done) if what == "packing" else None,
    )
    assert counts[0] >= 1
    assert check(package, [plate]) == []
    assert drafts(tmp_path) == []


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one worker that runs already, on loopback: its address."""
    place = tmp_path_factory.mktemp("scheduler")
    code = (
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    c = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None,"
        " host='127.0.0.1', local_directory='.')\n"
        "    print(c.scheduler_address, flush=True)\n"
        "    input()\n"
        "    c.close()\n"
    )
    (place / "cluster.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "cluster.py"],
        cwd=place,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DASK_TEMPORARY_DIRECTORY": str(place)},
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.communicate("\n")


def test_running_cluster_packs_and_a_worker_that_sees_no_source_is_named(
    scheduler: str, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platebench
) -> None:
    package = tmp_path / "package"
    done = platebench("pack", str(plate), str(package), "--scheduler", scheduler)
    assert done.status == 0, done.err
    assert check(package, [plate]) == []
    run = Workers.run

    def run_without_source(*arguments):
        """Hide the source from the worker, as if it were on another machine."""
        plate.rename(tmp_path / "away")
        return run(*arguments)

    monkeypatch.setattr(Workers, "run", run_without_source)
    unseen = r"worker tcp://127.* cannot read .*tif \(No such file"
    with Workers(scheduler=scheduler) as started, pytest.raises(Unseen, match=unseen):
        pack([plate], tmp_path / "other", PackSettings(workers=started))
    assert drafts(tmp_path) == []
    assert not (tmp_path / "other").exists()


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:{port}", "tcp://127.0.0.1:wrong", "nothing://here", "no-file"]
)
def test_wrong_scheduler_is_one_line(
    address: str, plate: Path, tmp_path: Path, platebench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "SECONDS_TO_CONNECT", 1)
    address = address.format(port=free_port())
    done = platebench("pack", str(plate), str(tmp_path / "package"), "--scheduler", address)
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert line.startswith(f"platebench: --scheduler {address}: ")
    assert drafts(tmp_path) == []


def test_ways_to_divide_the_work_exclude_each_other(
    plate: Path, tmp_path: Path, platebench
) -> None:
    done = platebench(
        "pack", str(plate), str(tmp_path / "package"), "--workers", "2", "--jobs", "2"
    )
    assert done.status == 2
    assert done.err == "platebench: --jobs and --workers exclude each other; give one of them\n"


@pytest.mark.parametrize("option", ["--workers=1", "--scheduler=tcp://127.0.0.1:1"])
def test_missing_library_is_one_line(
    option: str, plate: Path, tmp_path: Path, platebench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platebench.optional.installed_version", lambda library: None)
    done = platebench("unpack", str(tmp_path), str(tmp_path / "other"), option)
    assert done.status == 2
    assert done.err == (
        f"platebench: {option.partition('=')[0]} needs distributed, not installed here; type:"
        ' pip install "platebench[dask]"\n'
    )
