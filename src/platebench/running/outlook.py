"""What a run will take: its images, or a sample of them, its minutes and its room on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from platebench.errors import UserError
from platebench.images.crops import CroppedImages, crops_of
from platebench.images.generated import generated
from platebench.images.imageset import ImageSet
from platebench.images.set_profiles import CROP_SIDE
from platebench.limits import gigabytes, require_room
from platebench.results.operations import check_operations
from platebench.running.estimate import Plan, Size, evenly_spread, rough_time
from platebench.running.image_sets import check_images
from platebench.running.places import shown
from platebench.running.settings import Settings
from platebench.running.watcher import Watcher
from platebench.timing.workspace import Workspace, expected_bytes

SHARE = 0.9
"""Of the time that a run may take, what its first rounds should take by the estimate."""


@dataclass(frozen=True)
class Source:
    """Images that a user named: the name of a generated set, or a folder with its headers read.

    `size` is of the images that are measured, `rows` which of the folder's they are, None for all.
    `read_as` says how the folder was read, if not as it is usual.
    """

    wanted: str | Path
    size: Size
    opened: ImageSet | None = None
    rows: list[int] | None = None
    read_as: dict[str, object] = field(default_factory=dict)

    @property
    def sampled_from(self) -> int | None:
        """The number of images of the folder, None if all of them are measured."""
        return None if self.rows is None or self.opened is None else len(self.opened)

    def hold(self, workspace: Workspace, watcher: Watcher) -> str:
        """Make or load the images, and return the name of the set."""
        if isinstance(self.wanted, Path):
            return workspace.hold_folder(
                self.wanted,
                watcher.preparing,
                opened=self.opened,
                rows=self.rows,
                read_as=self.read_as,
            )
        workspace.images(self.wanted, watcher.preparing)
        return self.wanted


@dataclass(frozen=True)
class Outlook:
    """The sources of a run's images. `stores_first`: there is time to write all stores first."""

    sources: tuple[Source, ...]
    stores_first: bool

    def hold(self, workspace: Workspace, watcher: Watcher) -> dict[str, Source]:
        """Make or load the image sets, and return their sources by the names of the sets."""
        return {source.hold(workspace, watcher): source for source in self.sources}


def look_ahead(workspace: Workspace, settings: Settings, watcher: Watcher) -> Outlook:
    """Read what there is, choose samples of large folders, and say what the run will take.

    A sample is taken if the run has a time limit that the whole folder would exceed. Raises
    UserError if there is too little room on the disk.
    """
    outlook, cells, stored = _said(workspace, settings, watcher)
    require_room(workspace.root, stored, f"{cells} measurements")
    return outlook


def _said(workspace: Workspace, settings: Settings, watcher: Watcher) -> tuple[Outlook, int, int]:
    """Say what the run will take; return this with its cells and the bytes that it needs."""
    plan = Plan.of(settings.stores, settings.operations, settings.brief, settings.patterns)
    wanted = check_images(settings.images)
    _refuse_options(wanted, settings)
    every = [_surveyed(each, workspace, settings, watcher) for each in wanted]
    limit = None if settings.minutes is None else 60 * settings.minutes
    share = None if limit is None else SHARE * limit / len(every)
    sources = tuple(_sampled(each, plan, settings.rounds, share, watcher) for each in every)
    seconds = sum(plan.seconds(each.size, settings.rounds) for each in sources)
    one_round = sum(plan.seconds(each.size, 1) for each in sources)
    stored = plan.disk_bytes_of_all([each.size for each in sources], settings.tidy)
    cells = plan.cells * len(sources)
    rounds = "1 round" if settings.rounds == 1 else f"{settings.rounds} rounds"
    more = " or more" if settings.more or settings.until is not None else ""
    watcher.says(
        f"{cells} measurements in {rounds}{more}: {_minutes(seconds, one_round, settings)},"
        f" {gigabytes(stored)} in {shown(workspace.root)}"
    )
    # Image sets are measured one after another, so their copies are not there at once.
    needed = stored + max(plan.copies * each.size.pixel_bytes for each in sources)
    first = settings.brief and (limit is None or seconds <= limit)
    return Outlook(sources, stores_first=first), cells, needed


def tell_cost(work: Path, settings: Settings, watcher: Watcher) -> None:
    """Say what a run with these settings takes, of all image sets and of each, and make nothing.

    It also says if the run would be refused for too little room. Raises UserError for what cannot
    be measured at all.
    """
    check_operations(settings.operations)
    plan = Plan.of(settings.stores, settings.operations, settings.brief, settings.patterns)
    if not plan.cells:
        raise UserError("nothing to measure: no benchmark has these stores and operations")
    workspace = Workspace.here(work)
    outlook, cells, stored = _said(workspace, settings, watcher)
    for each in outlook.sources if len(outlook.sources) > 1 else ():
        minutes = rough_time(plan.seconds(each.size, settings.rounds) / 60)
        watcher.says(
            f"{each.wanted}: {plan.cells} measurements, about {minutes},"
            f" {gigabytes(plan.disk_bytes(each.size))}"
        )
    try:
        require_room(workspace.root, stored, f"{cells} measurements")
    except UserError as reason:
        watcher.says(f"The run would be refused. {reason}")
    watcher.says("Nothing was measured: --dry-run")


def _refuse_options(wanted: Sequence[str | Path], settings: Settings) -> None:
    """Raise UserError for an option that is about the files of a folder, without one."""
    made = next((each for each in wanted if isinstance(each, str)), None)
    if made is not None and settings.crops:
        raise UserError(f"--crops cuts cells from your own images; for {made} give crops-1000")
    if made is not None and settings.file_pattern is not None:
        raise UserError(f"--pattern is for the names of your own files; {made} is generated")


def _surveyed(
    wanted: str | Path, workspace: Workspace, settings: Settings, watcher: Watcher
) -> Source:
    if isinstance(wanted, Path):
        found = workspace.open_folder(
            wanted, watcher.preparing, watcher.says, settings.file_pattern
        )
        read_as: dict[str, object] = {}
        if settings.file_pattern is not None:
            read_as["pattern"] = settings.file_pattern
        opened: ImageSet = found
        if settings.crops:
            opened = crops = crops_of(found)
            read_as["crops"] = CROP_SIDE
            watcher.says(_in_words(crops))
        return Source(wanted, Size(len(opened), opened.pixel_bytes), opened, read_as=read_as)
    made = generated(wanted)
    return Source(wanted, Size(0 if made is None else made[1], expected_bytes(wanted)))


def _in_words(crops: CroppedImages) -> str:
    """Say how many crops there are, and how many rows of the table give none."""
    line = f"{len(crops):,} cells, {CROP_SIDE} x {CROP_SIDE} pixels each"
    without = crops.rows_without_image
    if not without:
        return line
    many = "1 row that belongs" if without == 1 else f"{without:,} rows that belong"
    return f"{line}; left out: {many} to no image"


def _sampled(
    source: Source, plan: Plan, rounds: int, seconds: float | None, watcher: Watcher
) -> Source:
    """Return a sample of a folder that cannot be measured whole in so many seconds."""
    whole = source.size
    if source.opened is None or seconds is None:
        return source
    number = plan.images_that_fit(whole, rounds, seconds)
    if number == whole.images:
        return source
    rows = evenly_spread(whole.images, number)
    size = Size(number, sum(source.opened.image_bytes(row) for row in rows))
    watcher.says(
        f"a sample of {number:,} of your {whole.images:,} images, evenly spread;"
        " --minutes 30 takes more, --rounds 2 all of them"
    )
    return replace(source, size=size, rows=rows)


def _minutes(seconds: float, one_round: float, settings: Settings) -> str:
    """Return about how long a run takes, in words."""
    limit = settings.minutes
    if limit is not None and settings.more and seconds <= 60 * limit:
        return f"about {limit:g} minutes"
    about = f"about {rough_time(seconds / 60)}"
    if limit is not None and settings.whole_round and one_round > 60 * limit:
        return f"about {rough_time(one_round / 60)} for the first round, with which it stops"
    if limit is not None and seconds > 60 * limit:
        return f"{about}, but it stops after {limit:g}"
    return about
