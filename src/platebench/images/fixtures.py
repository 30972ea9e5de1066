"""The fixture generator: a small screen in a folder, the same bytes from the same seed.

out/tiff/LT0001_02.LT0001_02_15_43_IC.tif    an image a file, named and tagged as the talk's
out/ch5/LT0001_02/hdf5/00015_01.ch5          a movie a file, as idr0013 names them
out/tables/cells.csv (.tsv, .txt, each .gz)  a row a cell
out/manifest.json                            settings, and a digest an image
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from platebench.errors import UserError
from platebench.images.camera import Profile, take_frame
from platebench.images.imageset import digest
from platebench.images.manifest import (
    MANIFEST,
    Entry,
    Manifest,
    Settings,
    read_manifest,
    write_manifest,
)
from platebench.images.movie import HEIGHT, WIDTH, movie
from platebench.images.names import Place
from platebench.images.tiff import header

FIRST_FRAME = 43
"""The frame of the talk's image, LT0001_02_15_43, which every fixture begins with."""

FRAMES_A_MOVIE = 32
"""Few enough that 64 images come from two wells, enough that nuclei can be tracked."""

WELLS_A_PLATE = 16
FIRST_WELL = 15
SITE = "01"

_FRAMES_A_TASK = 16
_OWN = {"tiff", "ch5", "tables", MANIFEST}


class Shot(NamedTuple):
    """One image of a fixture: its number in it, and the movie and frame it shows."""

    number: int
    movie: int
    frame: int


def make_fixtures(
    out: Path,
    images: int,
    profile: Profile = "raw",
    seed: int = 1,
    *,
    ch5: bool = False,
    tables: bool = False,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Make a fixture of `images` images in the folder `out`, and return `out`.

    A whole fixture with these settings that is there already is kept; one with other settings is
    replaced when the new one is whole. `processes` is the processor count unless given; it does
    not change a byte. `progress` is called with the images done and to do.

    Raises UserError if a setting makes no sense, `out` holds something else, or the disk is full;
    nothing half-made is left then, nor after an interrupt.
    """
    settings = _checked(Settings(images, profile, seed, ch5, tables), processes)
    out = out.absolute()
    _refuse_foreign(out)
    present = read_manifest(out)
    if present is not None and present.settings == settings:
        return out
    part = out.with_name(out.name + ".part")
    _refuse_foreign(part)
    shutil.rmtree(part, ignore_errors=True)
    try:
        _make(part, settings, processes or _processors(), progress)
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{out}: the disk is full; nothing was kept") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def shots(images: int) -> Iterator[Shot]:
    """Yield the images of a fixture in their order."""
    for number in range(images):
        yield Shot(number, number // FRAMES_A_MOVIE, FIRST_FRAME + number % FRAMES_A_MOVIE)


def place_of_shot(shot: Shot) -> Place:
    """Return where and when a shot was taken."""
    plate, well = divmod(shot.movie, WELLS_A_PLATE)
    return Place(f"LT{plate + 1:04d}_02", str(FIRST_WELL + well), SITE, shot.frame)


def tiff_name(shot: Shot) -> str:
    """Return the name of a shot's TIFF file, as the talk's were named."""
    place = place_of_shot(shot)
    return f"{place.plate}.{place.plate}_{place.well}_{place.frame}_IC.tif"


def _checked(settings: Settings, processes: int | None) -> Settings:
    if settings.images < 1:
        raise UserError(f"{settings.images} images cannot be made; ask for 1 or more")
    if settings.profile not in ("raw", "ic"):
        raise UserError(f"unknown profile {settings.profile!r}; choose raw or ic")
    if settings.seed < 0:
        raise UserError(f"the seed {settings.seed} is negative; choose 0 or more")
    if processes is not None and processes < 1:
        raise UserError(f"{processes} processes cannot make anything; ask for 1 or more")
    return settings


def _refuse_foreign(folder: Path) -> None:
    """Raise UserError if `folder` is a file, or holds anything that no fixture has."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for the fixtures")
    names = {path.name for path in folder.iterdir()}
    if names - _OWN or (names and not folder.name.endswith(".part") and MANIFEST not in names):
        raise UserError(f"{folder}: holds files that are not fixtures; name an empty folder")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _make(
    part: Path, settings: Settings, processes: int, progress: Callable[[int, int], None]
) -> None:
    part.joinpath("tiff").mkdir(parents=True)
    everything = list(shots(settings.images))
    chunks = [
        everything[first : first + _FRAMES_A_TASK]
        for first in range(0, settings.images, _FRAMES_A_TASK)
    ]
    tasks = [TiffTask(part / "tiff", chunk, settings.seed, settings.profile) for chunk in chunks]
    digests: dict[int, str] = {}
    for made in _run(tasks, processes):
        digests.update(made)
        progress(len(digests), settings.images)
    entries = [
        Entry(f"tiff/{tiff_name(shot)}", place_of_shot(shot), digests[shot.number])
        for shot in everything
    ]
    write_manifest(Manifest(settings, entries), part)


@dataclass(frozen=True)
class TiffTask:
    """The TIFF files of some neighbouring shots, to be written to `folder`."""

    folder: Path
    shots: list[Shot]
    seed: int
    profile: Profile

    def run(self) -> dict[int, str]:
        """Write the files, and return the digest of each image by its number."""
        digests = {}
        start = header(HEIGHT, WIDTH)
        for shot in self.shots:
            image = take_frame(movie(self.seed, shot.movie), shot.frame, self.profile)
            with (self.folder / tiff_name(shot)).open("wb") as file:
                file.write(start)
                file.write(image.data)
            digests[shot.number] = digest(image)
        return digests


def _run(tasks: Sequence[TiffTask], processes: int) -> Iterator[dict[int, str]]:
    """Yield what each task returns, in any order, over `processes` processes."""
    if processes == 1 or len(tasks) == 1:
        for task in tasks:
            yield task.run()
        return
    # Forked processes are at work in milliseconds; elsewhere forking is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(min(processes, len(tasks)), context, initializer=_start_worker)
    try:
        for future in as_completed([pool.submit(task.run) for task in tasks]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, which cleans up, and end when the parent has been killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
