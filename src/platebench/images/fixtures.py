"""Generate fixtures: a small screen in a folder, with the same bytes for the same seed.

out/tiff/LT0001_02.LT0001_02_15_43_IC.tif    one image per file, named and tagged as in the talk
out/ch5/LT0001_02/hdf5/00015_01.ch5          one movie per file, named as in idr0013
out/tables/cells.csv (.tsv, .txt, each .gz)  one row per nucleus and frame
out/manifest.json                            settings, and one digest per image

Profiles of sites (`channels`, `zstack`, `mixed`; see `sites`) have tiff/CP0001_A01_s1_DNA.tif, one
image per file too, and ch5/CP0001/hdf5/A01_1.ch5, one site per file.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_args

import pyarrow as pa

from platebench.drafts import made_anew
from platebench.errors import UserError
from platebench.images.crops import file_of as crop_file
from platebench.images.generated_crops import generated_crops
from platebench.images.imageset import digest
from platebench.images.manifest import (
    Entry,
    Manifest,
    Settings,
    read_manifest,
    write_manifest,
)
from platebench.images.movie import FRAMES
from platebench.images.names import Place
from platebench.images.pool import interrupts_held, new_pool, processors
from platebench.images.screen import FRAMES_PER_MOVIE, Segmented, Shot
from platebench.images.set_profiles import (
    SetProfile,
    images_per_site,
    is_field,
    require_whole_sites,
    set_bytes,
)
from platebench.images.sites import file_names, images_of, places, segment, shots, site_place
from platebench.images.tables import CELLS, COLUMNS, cell_lines, join_pieces, write_piece
from platebench.images.tiff import PIXELS_AT, header_of
from platebench.images.walk import shown
from platebench.limits import require_room
from platebench.optional import require
from platebench.ownership import FolderKind, refuse_others
from platebench.workers import Workers, require_seen

FIXTURE = FolderKind("fixture", "fixtures")
_CH5_SHARE = 0.55
_CH5_BYTES = 60_000
_TABLE_BYTES = 400_000
"""Size of an image in CH5, as a share of its pixels and bytes for labels and objects; size of its
part of the tables, with their pieces. Measured and rounded up."""

_PIECES = "tables.pieces"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_PLACE = {
    errno.EACCES,
    errno.EINVAL,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
_NEARLY_FULL = 1 << 20
"""Free bytes below which an error of HDF5 is taken to mean a full disk."""


def make_fixtures(
    out: Path,
    images: int,
    profile: SetProfile = "raw",
    seed: int = 1,
    *,
    ch5: bool = False,
    tables: bool = False,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    workers: Workers | None = None,
) -> Path:
    """Generate a fixture of `images` images in the folder `out`, and return `out`.

    An existing complete fixture with these settings is kept; one with other settings is replaced
    once the new one is complete. `processes` defaults to the number of processors; the bytes do
    not depend on it. With `workers` of a Dask cluster, they write the files. `progress` is called
    with the number of images done and the total; with CH5 files or tables, each image counts twice.

    Raises UserError if a setting is invalid, `out` contains other files, or the disk is full or too
    small. Neither an error nor an interrupt leaves a partial fixture.
    """
    settings = _checked(Settings(images, profile, seed, ch5, tables), processes)
    if profile == "crops" and workers is not None:
        raise UserError("crops are drawn in processes of this machine; leave out Dask workers")
    if ch5:
        require("CH5 files", "h5py")
    try:
        out = out.resolve()
        refuse_others(out, FIXTURE)
        if _present(out) == settings:
            return out
        require_room(out, _bytes_of(settings), f"{images:,} images")
        with made_anew(out, FIXTURE, with_list=True) as part, _naming_full(out):
            _make(part, settings, processes or processors(), progress, workers)
    except OSError as error:
        if error.errno in _FULL:
            raise _disk_full(out) from error
        if error.errno not in _NO_PLACE:
            raise
        reason = f"cannot be created ({error.strerror}); name another folder"
        raise UserError(f"{shown(out)}: {reason}") from error
    return out


def _disk_full(out: Path) -> UserError:
    return UserError(f"{out}: the disk is full, so nothing was kept; make room and run again")


@contextmanager
def _naming_full(out: Path) -> Iterator[None]:
    """Raise UserError for a full disk, which HDF5 reports as other errors."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None)
        from_hdf5 = number is None and shutil.disk_usage(out.parent).free < _NEARLY_FULL
        if number in _FULL or from_hdf5 or "No space left" in str(error):
            raise _disk_full(out) from error
        raise


def _present(out: Path) -> Settings | None:
    """Return the settings of the fixture in `out`; None if it is missing, damaged or outdated."""
    try:
        manifest = read_manifest(out)
    except UserError:
        # The folder is platebench's own, so a damaged fixture is generated again.
        return None
    return None if manifest is None else manifest.settings


def _bytes_of(settings: Settings) -> int:
    """Estimate the size of a fixture in bytes."""
    pixels = set_bytes(settings.profile, settings.images)
    ch5 = int(pixels * _CH5_SHARE) + settings.images * _CH5_BYTES
    each = PIXELS_AT + settings.tables * _TABLE_BYTES
    return pixels + settings.images * each + settings.ch5 * ch5


def _checked(settings: Settings, processes: int | None) -> Settings:
    if settings.images < 1:
        raise UserError(f"{settings.images} images cannot be generated; ask for 1 or more")
    if settings.profile not in get_args(SetProfile):
        known = ", ".join(get_args(SetProfile))
        raise UserError(f"unknown profile {settings.profile!r}; choose one of {known}")
    require_whole_sites(settings.profile, settings.images)
    if settings.profile == "crops" and settings.ch5:
        raise UserError("crops have no CH5 files; the fields they are cut from have: channels")
    if settings.seed < 0:
        raise UserError(f"the seed {settings.seed} is negative; choose 0 or more")
    if processes is not None and processes < 1:
        raise UserError(f"{processes} processes cannot generate images; ask for 1 or more")
    return settings


def _make(
    part: Path,
    settings: Settings,
    processes: int,
    progress: Callable[[int, int], None],
    workers: Workers | None,
) -> None:
    part.joinpath("tiff").mkdir(parents=True)
    if settings.profile == "crops":
        _make_crops(part, settings, processes, progress)
        return
    everything = shots(settings.profile, settings.images)
    tasks: list[Task] = [
        *_movie_tasks(part, everything, settings),
        *_tiff_tasks(part, everything, settings, processes),
    ]
    each = images_per_site(settings.profile)
    total, done = sum(len(task.shots) for task in tasks) * each, 0
    digests: dict[int, str] = {}
    made_ones = _run(tasks, processes) if workers is None else _in_workers(tasks, part, workers)
    # An interrupt between two results must end the workers before the draft is removed.
    with closing(made_ones):
        for made in made_ones:
            digests.update(made.digests)
            done += made.images
            progress(done, total)
    if settings.tables:
        _finish_tables(part, everything)
    images = (
        image
        for shot in everything
        for image in zip(
            file_names(shot, settings.profile), places(shot, settings.profile), strict=True
        )
    )
    entries = [
        Entry(f"tiff/{name}", place, digests[number]) for number, (name, place) in enumerate(images)
    ]
    write_manifest(Manifest(settings, entries), part)


def _make_crops(
    part: Path, settings: Settings, processes: int, progress: Callable[[int, int], None]
) -> None:
    """Write crops, which are drawn in several processes, from this one."""
    crops = generated_crops(settings.images, settings.seed, processes)
    entries = []
    with closing(crops.__iter__()) as drawn:
        for row, crop in zip(_rows(crops.table), drawn, strict=True):
            (part / row["path"]).write_bytes(crop_file(crop))
            place = Place(**{key: row[key] for key in Place._fields})
            entries.append(Entry(row["path"], place, digest(crop)))
            progress(len(entries), settings.images)
    if settings.tables:
        objects = crops.tables[CELLS]
        lines = ("\t".join(map(str, row.values())) for row in _rows(objects))
        part.joinpath(_PIECES).mkdir()
        write_piece("\t".join(objects.column_names) + "\n", part / _PIECES, "columns")
        write_piece("".join(f"{line}\n" for line in lines), part / _PIECES, _piece(0))
        part.joinpath("tables").mkdir()
        join_pieces(part / _PIECES, ["columns", _piece(0)], part / "tables")
        shutil.rmtree(part / _PIECES)
    write_manifest(Manifest(settings, entries), part)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, a few at a time: as Python objects, they are 20 times as large."""
    for batch in table.to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


class Made(NamedTuple):
    """Result of a task: the number of images processed, and digests by image number."""

    images: int
    digests: dict[int, str]


class Task(Protocol):
    """A part of the fixture that one process generates."""

    @property
    def shots(self) -> list[Shot]:
        """The shots to generate."""

    def run(self) -> Made:
        """Generate the files."""


@dataclass(frozen=True)
class TiffTask:
    """TIFF files of consecutive shots, written to `folder`."""

    folder: Path
    shots: list[Shot]
    settings: Settings

    def run(self) -> Made:
        """Write the files."""
        digests = {}
        profile = self.settings.profile
        each = images_per_site(profile)
        for shot in self.shots:
            images = images_of(self.settings.seed, shot, profile)
            named = zip(file_names(shot, profile), images, strict=True)
            for number, (name, image) in enumerate(named, shot.number * each):
                stored = image.astype(image.dtype.newbyteorder("<"), copy=False)
                with (self.folder / name).open("wb") as file:
                    file.write(header_of(image.shape, stored.dtype))
                    file.write(stored.data)
                digests[number] = digest(image)
        return Made(len(self.shots) * each, digests)


@dataclass(frozen=True)
class MovieTask:
    """CH5 file of one movie or site and its part of the tables, below the fixture's `folder`."""

    folder: Path
    shots: list[Shot]
    settings: Settings

    def run(self) -> Made:
        """Write the files that the settings ask for. Each frame is segmented once."""
        lines: list[str] = []
        frames = self._segmented(lines)
        if self.settings.ch5:
            from platebench.images.cellh5 import well_name, write_cellh5  # h5py is optional

            profile = self.settings.profile
            place = site_place(self.shots[0], profile)
            path = self.folder / f"ch5/{place.plate}/hdf5/{well_name(place)}_{place.site}.ch5"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_cellh5(path, place, frames, FRAMES if is_field(profile) else 1)
        else:
            for _ in frames:
                pass
        if self.settings.tables:
            write_piece("".join(lines), self.folder / _PIECES, _piece(self.shots[0].movie))
        return Made(len(self.shots) * images_per_site(self.settings.profile), {})

    def _segmented(self, lines: list[str]) -> Iterator[Segmented]:
        """Yield the frames, and append the lines of their table to `lines`."""
        for shot in self.shots:
            frame = segment(self.settings.seed, shot, self.settings.profile)
            if self.settings.tables:
                lines.append(cell_lines(frame, self.settings.seed))
            yield frame


def _tiff_tasks(
    part: Path, everything: list[Shot], settings: Settings, processes: int
) -> Iterator[TiffTask]:
    """Yield tasks of one movie, or of fewer frames so that each process gets two tasks.

    Nuclei are drawn once per task.
    """
    frames = FRAMES_PER_MOVIE
    while frames > 1 and len(everything) < 2 * processes * frames:
        frames //= 2
    for first in range(0, len(everything), frames):
        yield TiffTask(part / "tiff", everything[first : first + frames], settings)


def _movie_tasks(part: Path, everything: list[Shot], settings: Settings) -> Iterator[MovieTask]:
    if settings.tables:
        part.joinpath(_PIECES).mkdir(parents=True)
    if settings.ch5 or settings.tables:
        for _, chunk in groupby(everything, key=lambda shot: shot.movie):
            yield MovieTask(part, list(chunk), settings)


def _piece(number: int) -> str:
    return f"{number:08d}"


def _finish_tables(part: Path, everything: list[Shot]) -> None:
    write_piece("\t".join(COLUMNS) + "\n", part / _PIECES, "columns")
    movies = sorted({shot.movie for shot in everything})
    part.joinpath("tables").mkdir()
    join_pieces(part / _PIECES, ["columns", *map(_piece, movies)], part / "tables")
    shutil.rmtree(part / _PIECES)


def _run(tasks: Sequence[Task], processes: int) -> Generator[Made]:
    """Run tasks in `processes` processes and yield their results in any order."""
    if processes == 1 or len(tasks) == 1:
        for task in tasks:
            yield task.run()
        return
    pool = new_pool(min(processes, len(tasks)))
    try:
        with interrupts_held():
            futures = [pool.submit(task.run) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Sent:
    """A task for a Dask worker. If it runs twice, it writes the same bytes twice."""

    task: Task
    folder: Path

    def __len__(self) -> int:
        return len(self.task.shots)

    def run(self, count: Callable[[int], None]) -> Made:
        require_seen(self.folder)
        made = self.task.run()
        count(made.images)
        return made


def _in_workers(tasks: Sequence[Task], part: Path, workers: Workers) -> Generator[Made]:
    for _, made in workers.run([_Sent(task, part) for task in tasks]):
        yield made
