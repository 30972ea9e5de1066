from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images import fixtures
from platebench.images.camera import Profile, take_frame
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.imageset import digest
from platebench.images.manifest import read_manifest
from platebench.images.movie import FRAMES, Movie
from platebench.images.screen import FIRST_FRAME, place_of_shot, shots, tiff_name

FIRST = "LT0001_02.LT0001_02_15_43_IC.tif"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_fixture_has_the_files_of_a_screen(screen):
    paths = {path.relative_to(screen).as_posix() for path in screen.rglob("*") if path.is_file()}
    assert {path for path in paths if not path.startswith("tiff/")} == {
        ".platebench-fixture",
        "manifest.json",
        "ch5/LT0001_02/hdf5/00015_01.ch5",
        "ch5/LT0001_02/hdf5/00016_01.ch5",
        "tables/cells.csv",
        "tables/cells.csv.gz",
        "tables/cells.tsv",
        "tables/cells.tsv.gz",
        "tables/cells.txt",
        "tables/cells.txt.gz",
    }
    assert f"tiff/{FIRST}" in paths
    assert len([path for path in paths if path.startswith("tiff/")]) == 34


def test_tiff_files_have_names_and_tags_of_the_talk(screen, tmp_path):
    path = screen / "tiff" / FIRST
    content = path.read_bytes()
    assert len(content) == 1_376_512
    assert content[:10] == b"II*\0\x08\0\0\0\x0e\0"
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.shape == (1024, 1344)
        assert page.dataoffsets == (256,)
        assert page.compression == 1
        assert file.byteorder == "<"
        image = page.asarray()
    tifffile.imwrite(tmp_path / "again.tif", image)
    assert (tmp_path / "again.tif").read_bytes() == content


def test_twelve_bit_fixture_has_tiff_and_ch5_files_of_uint16_that_read_back_equal(tmp_path):
    out = make_fixtures(tmp_path / "out", 3, "raw16", ch5=True, tables=True, processes=1)
    expected = [take_frame(Movie(1, shot.movie), shot.frame, "raw16") for shot in shots(3)]
    images = open_images(out)
    assert images.name == "raw16-3"
    assert images.dtypes == [np.dtype(np.uint16)] * 3
    assert images.digests() == [digest(image) for image in expected]
    planes = open_images(out / "ch5")
    assert planes.dtypes == [np.dtype(np.uint16)] * 3
    for row, image in enumerate(expected):
        assert np.array_equal(images.pixels(row), image)
        assert np.array_equal(planes.pixels(row), image)
    path = out / "tiff" / FIRST
    tifffile.imwrite(tmp_path / "again.tif", tifffile.imread(path))
    assert (tmp_path / "again.tif").read_bytes() == path.read_bytes()
    cells = images.tables["cells"]
    brightest = cells["CP__Intensity_MaxIntensity_DNA"].to_numpy()
    assert 255 < brightest.max() == max(image.max() for image in expected) < 4096


@pytest.mark.parametrize("profile", get_args(Profile))
def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path, profile):
    made = [
        contents(make_fixtures(tmp_path / str(n), 6, profile, ch5=True, tables=True, processes=n))
        for n in (1, 2, 4)
    ]
    assert made[0] == made[1] == made[2]


def test_seed_changes_the_bytes(tmp_path):
    one = make_fixtures(tmp_path / "one", 1, seed=1)
    two = make_fixtures(tmp_path / "two", 1, seed=2)
    assert (one / "tiff" / FIRST).read_bytes() != (two / "tiff" / FIRST).read_bytes()


def test_larger_fixture_contains_the_smaller_one(screen, tmp_path):
    small = contents(make_fixtures(tmp_path / "small", 2) / "tiff")
    large = contents(screen / "tiff")
    assert all(large[name] == content for name, content in small.items())


def test_manifest_has_the_digest_of_every_image(screen):
    manifest = read_manifest(screen)
    assert manifest is not None
    assert len(manifest.entries) == manifest.settings.images == 34
    for entry in manifest.entries[::11]:
        assert entry.digest == digest(tifffile.imread(screen / entry.path))
    image = take_frame(Movie(1, 0), FIRST_FRAME, "raw")
    assert manifest.entries[0].digest == digest(image)


@pytest.mark.parametrize("images", [1, 2, 31, 32, 33, 2048, 6000])
def test_names_and_places_of_images_are_unique(images):
    everything = list(shots(images))
    assert tiff_name(everything[0]) == FIRST
    assert len({tiff_name(shot) for shot in everything}) == images
    assert len({place_of_shot(shot) for shot in everything}) == images
    assert max(shot.frame for shot in everything) < FRAMES


def test_complete_fixture_is_kept(tmp_path):
    out = make_fixtures(tmp_path / "out", 2, processes=1)
    before = (out / "tiff" / FIRST).stat().st_mtime_ns
    make_fixtures(out, 2, processes=1)
    assert (out / "tiff" / FIRST).stat().st_mtime_ns == before


def test_fixture_with_other_settings_is_replaced(tmp_path):
    out = make_fixtures(tmp_path / "out", 3, processes=1)
    make_fixtures(out, 2, "ic", processes=1)
    assert len(open_images(out)) == 2
    assert len(list((out / "tiff").iterdir())) == 2


def test_empty_folder_is_filled(tmp_path):
    make_fixtures(tmp_path, 1)
    assert open_images(tmp_path).name == "raw-1"


@pytest.mark.parametrize("name", ["thesis.txt", "tiff"])
def test_folder_with_other_files_is_refused_and_unchanged(tmp_path, name):
    (tmp_path / name).write_text("years of work")
    with pytest.raises(UserError, match="holds files that platebench did not make"):
        make_fixtures(tmp_path, 1)
    assert contents(tmp_path) == {name: b"years of work"}


def test_fixture_with_an_added_file_is_refused_and_unchanged(tmp_path):
    out = make_fixtures(tmp_path / "out", 1)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="was not made by platebench"):
        make_fixtures(out, 2)
    assert (out / "notes.txt").read_text() == "mine"


def test_existing_file_is_refused_and_unchanged(tmp_path):
    path = tmp_path / "out"
    path.write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        make_fixtures(path, 1)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"images": 0}, "0 images cannot be generated"),
        ({"images": -3}, "-3 images cannot be generated"),
        ({"images": 1, "profile": "jpeg"}, "unknown profile 'jpeg'"),
        ({"images": 1, "seed": -1}, "the seed -1 is negative"),
        ({"images": 1, "processes": 0}, "0 processes"),
    ],
)
def test_invalid_settings_are_refused_in_one_line(tmp_path, settings, fault):
    with pytest.raises(UserError, match=fault) as raised:
        make_fixtures(tmp_path / "out", **settings)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_full_disk_is_reported_and_leaves_nothing(tmp_path, monkeypatch, processes):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fixtures, "digest", full)
    with pytest.raises(UserError, match="the disk is full"):
        make_fixtures(tmp_path / "out", 4, processes=processes)
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []


def test_full_disk_that_hdf5_finds_is_reported(tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("Can't decrement id ref count (unable to close file)")

    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr("platebench.images.cellh5.write_cellh5", full)
    monkeypatch.setattr(fixtures, "require_room", lambda *_: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="the disk is full"):
        make_fixtures(tmp_path / "out", 1, ch5=True, processes=1)
    assert list(tmp_path.iterdir()) == []


def test_more_images_than_disk_space_are_refused_at_once(tmp_path):
    with pytest.raises(UserError, match=r"100,000,000 images need 138 TB of disk"):
        make_fixtures(tmp_path / "out", 100_000_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/fixtures", "/proc/self/a/b", "/dev/null", "/dev/null/a"])
def test_unwritable_place_is_named(place):
    with pytest.raises(UserError, match=r"/(proc|dev)/") as raised:
        make_fixtures(Path(place), 1)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("letters", [256, 5000])
def test_overlong_name_is_refused_in_one_line(tmp_path, letters):
    with pytest.raises(UserError, match="File name too long") as raised:
        make_fixtures(tmp_path / ("n" * letters), 1)
    assert "\n" not in str(raised.value)


def test_damaged_fixture_is_regenerated(tmp_path):
    out = make_fixtures(tmp_path / "out", 1)
    (out / "manifest.json").write_text("{")
    assert len(open_images(make_fixtures(out, 1))) == 1


def test_other_disk_errors_are_not_reported_as_full(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fixtures, "digest", broken)
    with pytest.raises(OSError, match="Input/output"):
        make_fixtures(tmp_path / "out", 1)
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_the_existing_fixture(tmp_path, monkeypatch):
    out = make_fixtures(tmp_path / "out", 2)
    before = contents(out)
    monkeypatch.setattr(fixtures, "digest", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_fixtures(out, 3)
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_path_with_dots_is_resolved(tmp_path):
    (tmp_path / "inner").mkdir()
    out = make_fixtures(tmp_path / "inner" / ".." / "out", 1)
    assert out == tmp_path / "out"


MAKE = """
import sys
from pathlib import Path
from platebench.images.fixtures import make_fixtures
make_fixtures(Path(sys.argv[1]), 4000, processes=2, progress=lambda *_: print(flush=True))
"""


def start(out: Path) -> subprocess.Popen[bytes]:
    source = Path(fixtures.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(out)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def session_ends(leader: int) -> bool:
    """True if every process of the session ends within 30 s."""
    for _ in range(300):
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_interrupt_leaves_nothing_and_ends_the_workers(tmp_path):
    process = start(tmp_path / "out")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode != 0
    assert said.count(b"Traceback") == 1
    assert session_ends(process.pid)
    assert list(tmp_path.iterdir()) == []


def test_workers_end_when_the_parent_is_killed(tmp_path):
    process = start(tmp_path / "out")
    process.kill()
    process.communicate()
    assert session_ends(process.pid)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.platebench-")
    make_fixtures(tmp_path / "out", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_progress_reports_images_done_and_total(tmp_path):
    reported: list[tuple[int, int]] = []
    make_fixtures(
        tmp_path / "out", 3, tables=True, processes=1, progress=lambda *now: reported.append(now)
    )
    assert reported[-1] == (6, 6)
    assert [done for done, _ in reported] == sorted({done for done, _ in reported})
