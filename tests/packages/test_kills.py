"""A pack that is killed leaves a whole package or none, and can be taken up again.

`PLATEBENCH_KILLS=100 python -m pytest -n0 tests/packages/test_kills.py` kills a hundred.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.packages.check import check
from platebench.packages.draft import Interrupted
from platebench.packages.pack import PackSettings, pack
from tests.packages.made_up import plate_folder

KILLS = int(os.environ.get("PLATEBENCH_KILLS", "3"))

CODE = """
import sys, time
from pathlib import Path
from platebench.packages.pack import PackSettings, pack
if __name__ == "__main__":
    print("ready", flush=True)
    begun = time.perf_counter()
    pack([Path(sys.argv[1])], Path(sys.argv[2]), PackSettings(jobs=int(sys.argv[3]), part_bytes=1))
    print(time.perf_counter() - begun, flush=True)
"""


def started(place: Path, jobs: int) -> subprocess.Popen[str]:
    script = place / "script.py"  # spawned workers import it
    script.write_text(CODE)
    command = [sys.executable, str(script), "plate", "package", str(jobs)]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def only_shells_are_left(place: Path) -> bool:
    """Say whether no draft with a package is left, and the next command removes all others.

    A process may be killed after it has made the folder of a draft and before it has marked it, and
    after it has renamed the package and before it has removed the draft's folder.
    """
    for draft in drafts(place):
        if (draft / "package").exists():
            return False
        os.utime(draft, (0, 0))  # one without a mark is removed when it is a minute old
    with pytest.raises(UserError, match="exists and is not empty"):
        pack([place / "plate"], place / "package")
    return drafts(place) == []


def drafts(place: Path) -> list[Path]:
    return sorted(place.glob(".*"))


@pytest.mark.timeout(300 + 10 * KILLS)
@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_leaves_a_whole_package_or_none(jobs: int, tmp_path: Path) -> None:
    source, package = plate_folder(tmp_path / "plate"), tmp_path / "package"
    process = started(tmp_path, jobs)
    lasts = float(process.communicate()[0])
    assert check(package, [source]) == []
    package.rename(tmp_path / "first")
    generator = random.Random(KILLS)
    for _ in range(KILLS):
        process = started(tmp_path, jobs)
        time.sleep(generator.uniform(0, 1.1 * lasts))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if package.exists():
            assert check(package, [source]) == []
        else:
            pack([source], package, PackSettings(resume=True, part_bytes=1))
            assert check(package, [source]) == []
        assert only_shells_are_left(tmp_path)
        assert (package / "images.csv").read_bytes() == (
            tmp_path / "first" / "images.csv"
        ).read_bytes()
        package.rename(tmp_path / f"killed-{generator.random()}")


def stopping_after(parts: int):
    """Return what shows progress and raises Ctrl-C after some images."""

    def show(what: str, done: int, total: int) -> None:
        if what == "packing" and done == parts:
            raise KeyboardInterrupt

    return show


def test_stopped_pack_is_taken_up_where_it_was(plate: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    with pytest.raises(Interrupted):
        pack([plate], package, PackSettings(part_bytes=1), stopping_after(4))
    assert not package.exists()
    (draft,) = drafts(tmp_path)
    before = {file.name for file in (draft / "package" / "data" / "parts").glob("0*")}
    counts = []
    pack(
        [plate],
        package,
        PackSettings(part_bytes=1, resume=True),
        lambda what, done, total: counts.append(done) if what == "packing" else None,
    )
    assert counts[0] >= 2  # not from the beginning
    assert counts[-1] == 4
    assert check(package, [plate]) == []
    after = {file.name for file in (package / "data" / "parts").glob("0*")}
    assert len(after & before) == counts[0]
    assert len(after) == 4
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("step", ["_copied", "finish"])
def test_pack_that_was_stopped_after_its_parts_is_taken_up(
    step: str, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    package = tmp_path / "package"
    with monkeypatch.context() as patched:
        patched.setattr(f"platebench.packages.pack.{step}", stop)
        with pytest.raises(Interrupted):
            pack([plate], package, PackSettings(part_bytes=1))
    (draft,) = drafts(tmp_path)
    assert (draft / "package" / "data" / "000001.json").exists()
    for place in ("data/.0123.draft", ".platebench-package.json.platebench-part"):
        (draft / "package" / place).write_text("half of it")
    pack([plate], package, PackSettings(part_bytes=1, resume=True))
    assert check(package, [plate]) == []
    assert drafts(tmp_path) == []


def test_part_whose_source_has_changed_is_written_again(plate: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    with pytest.raises(Interrupted):
        pack([plate], package, PackSettings(part_bytes=1), stopping_after(4))
    file = plate / "fields" / "B02_s1_DNA.tif"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, (1, 1))
    pack([plate], package, PackSettings(part_bytes=1, resume=True))
    assert check(package, [plate]) == []


def test_damaged_part_of_a_draft_is_written_again(plate: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    with pytest.raises(Interrupted):
        pack([plate], package, PackSettings(part_bytes=1), stopping_after(4))
    (draft,) = drafts(tmp_path)
    next((draft / "package" / "data" / "parts").glob("00000-*")).write_bytes(b"short")
    pack([plate], package, PackSettings(part_bytes=1, resume=True))
    assert check(package, [plate]) == []


@pytest.mark.parametrize("change", ["store", "source", "without resume"])
def test_draft_of_another_pack_is_not_taken_up(change: str, plate: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    with pytest.raises(Interrupted):
        pack([plate], package, PackSettings(part_bytes=1), stopping_after(4))
    other = plate_folder(tmp_path / "other") if change == "source" else plate
    settings = PackSettings(
        part_bytes=2 if change == "store" else 1, resume=change != "without resume"
    )
    counts = []
    pack(
        [other],
        package,
        settings,
        lambda what, done, total: counts.append(done) if what == "packing" else None,
    )
    assert counts[0] == 0
    assert drafts(tmp_path) == []


def test_interrupted_command_tells_how_to_go_on(
    plate: Path, tmp_path: Path, platebench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platebench.packages.pack.part_bytes", lambda name, most: 1)
    monkeypatch.setattr("platebench.running.progress.Bar.show", stopping_bar)
    package = tmp_path / "package"
    done = platebench("pack", str(plate), str(package))
    assert done.status == 130
    assert f"To go on: platebench pack {plate} {package} --resume" in done.err
    monkeypatch.undo()


def stopping_bar(bar: object, what: str, done: int, total: int) -> None:
    stopping_after(4)(what, done, total)


FULL = """
import resource, sys
from pathlib import Path
from platebench.packages.pack import PackSettings, pack
from platebench.stores.name import StoreName
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
pack([Path("plate")], Path("package"), PackSettings(store=StoreName.parse(sys.argv[1])))
"""


@pytest.mark.parametrize(
    "store", ["parquet:tiff:fast", "arrow-ipc:tiff:fast", "zarr:tensor:fast", "lancedb:tiff:fast"]
)
def test_full_disk_leaves_nothing(store: str, tmp_path: Path) -> None:
    plate_folder(tmp_path / "plate", images=2, shape=(300, 400))
    done = subprocess.run(
        [sys.executable, "-c", FULL, store],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "UserError: the disk is full" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["plate"]
