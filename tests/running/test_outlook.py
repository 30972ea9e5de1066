"""What a run says before it starts: its measurements, minutes and room, and its sample."""

from __future__ import annotations

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images import folder
from platebench.results.operations import OPERATIONS
from platebench.running.estimate import FEWEST_IMAGES, Plan, Size, evenly_spread
from platebench.running.outlook import Outlook, look_ahead, tell_cost
from platebench.running.settings import Settings, brief_stores, stores_to_measure
from platebench.stores.registry import FLOOR, REFERENCES
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace
from tests.results.made_up_runs import IPC
from tests.running.made_up_suites import Silent

BRIEF = Settings([*REFERENCES, IPC], [], [], rounds=2, brief=True, minutes=5, more=True)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(WORK, raising=False)
    return Workspace.here(tmp_path / "work")


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Sixty images of three channels, each with values of its own."""
    made = tmp_path / "plate"
    made.mkdir()
    for number in range(60):
        values = np.full((40, 50), number, np.uint8)
        tifffile.imwrite(made / f"s{number // 3:02d}_c{number % 3}.tif", values)
    return made


def looked(workspace: Workspace, settings: Settings, *images: object) -> tuple[Outlook, list[str]]:
    watcher = Silent()
    changed = Settings(**{**vars(settings), "images": list(map(str, images))})
    return look_ahead(workspace, changed, watcher), watcher.said


# The estimate


def test_cells_are_those_of_the_questions(workspace: Workspace) -> None:
    plan = Plan.of(brief_stores(), [], brief=True)
    asked = [operation for operation in OPERATIONS.values() if operation.in_brief]
    assert plan.cells == len(brief_stores()) * len(asked)


def test_everything_is_more_than_the_answer_needs() -> None:
    stores = stores_to_measure(["*"])
    assert Plan.of(stores, [], brief=False).cells > 2 * Plan.of(stores, [], brief=True).cells


def test_reference_store_is_counted_in_every_group_but_once_as_a_cell() -> None:
    every = stores_to_measure(["parquet", "arrow-ipc"])
    plan = Plan.of(every, ["scan"], brief=True)
    assert plan.cells == 2 * len(every)
    assert len(plan.operations) > plan.cells
    assert plan.stored == len(every)


def test_named_operation_outside_the_answer_is_counted_with_all_details() -> None:
    assert Plan.of([FLOOR, IPC], ["first-image"], brief=True).cells == 2
    assert Plan.of([FLOOR, IPC], ["list-versions"], brief=True).cells == 1


def test_single_cell_is_counted_beside_the_references() -> None:
    assert Plan.of([FLOOR, IPC], [], True, ["ColdRandomRows 16 scattered"]).cells == 2


def test_more_images_take_longer_and_more_room() -> None:
    plan = Plan.of(brief_stores(), [], brief=True)
    small, large = Size(32, 44_000_000), Size(320, 440_000_000)
    assert plan.seconds(small, 2) < plan.seconds(large, 2) < 10 * plan.seconds(small, 2)
    assert plan.disk_bytes(large) == 10 * plan.disk_bytes(small)
    assert plan.seconds(small, 1) < plan.seconds(small, 2)


def test_cells_that_write_need_room_for_their_copies_too() -> None:
    stores = stores_to_measure(["parquet:pixels:fast"])
    assert Plan.of(stores, ["scan"], brief=True).copies == 0
    assert Plan.of(stores, ["write", "scan"], brief=True).copies == len(stores)
    assert Plan.of(stores, ["update"], brief=True).copies == 2 * len(stores)
    many = stores_to_measure(["*"])
    assert Plan.of(many, ["convert"], brief=True).copies == 18


def test_set_that_the_copies_of_an_update_would_not_fit_beside_is_refused(
    workspace, monkeypatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 23 * 10**9))
    assert looked(workspace, Settings([FLOOR], [], ["scan"]), 4096)
    with pytest.raises(UserError, match=r"2 measurements need 2\d GB of disk; .* has 23 GB free"):
        looked(workspace, Settings([FLOOR], [], ["update"]), 4096)


@pytest.mark.parametrize("size", [Size(100_000, 10**12), Size(5000, 10**10), Size(10**6, 10**9)])
def test_images_that_fit_take_the_time_that_there_is(size: Size) -> None:
    plan = Plan.of(brief_stores(), [], brief=True)
    number = plan.images_that_fit(size, 2, 600)
    share = Size(number, number * size.pixel_bytes // size.images)
    assert number == FEWEST_IMAGES or 500 < plan.seconds(share, 2) <= 600


def test_all_images_of_a_small_folder_fit() -> None:
    plan = Plan.of(brief_stores(), [], brief=True)
    assert plan.images_that_fit(Size(3, 4_000_000), 2, 300) == 3


# The sample


@pytest.mark.parametrize(("images", "number"), [(4812, 32), (96, 33), (33, 32), (7, 7), (10**6, 9)])
def test_sample_has_one_row_of_each_equal_part(images: int, number: int) -> None:
    rows = evenly_spread(images, number)
    assert len(set(rows)) == number
    for place, row in enumerate(rows):
        assert place * images // number <= row < (place + 1) * images // number


@pytest.mark.parametrize("channels", range(2, 9))
def test_sample_holds_every_channel_of_a_regular_plate(channels: int) -> None:
    rows = evenly_spread(4800, 32)
    assert {row % channels for row in rows} == set(range(channels))


def test_large_folder_is_sampled_and_the_run_says_so(workspace, plate, monkeypatch) -> None:
    monkeypatch.setattr("platebench.running.estimate.PER_IMAGE", 1.0)
    decoded: list[int] = []
    pixels = folder.TiffSource.pixels

    def counted(source: folder.TiffSource) -> np.ndarray:
        decoded.append(1)
        return pixels(source)

    monkeypatch.setattr(folder.TiffSource, "pixels", counted)
    outlook, said = looked(workspace, BRIEF, plate)
    assert said[:2] == [
        "plate: 60 files, 60 images",
        "a sample of 20 of your 60 images, evenly spread;"
        " --minutes 30 takes more, --rounds 2 all of them",
    ]
    assert decoded == []
    held = outlook.hold(workspace, Silent())
    assert len(decoded) <= 2 * 20, "other images are not decoded"
    ((name, source),) = held.items()
    assert source.sampled_from == 60
    images = workspace.images(name)
    assert [int(image[0, 0]) for image in images] == source.rows == evenly_spread(60, 20)
    again, _ = looked(workspace, BRIEF, plate)
    assert list(again.hold(workspace, Silent())) == [name]


def test_sample_and_whole_folder_are_kept_side_by_side(workspace, plate) -> None:
    rows = evenly_spread(60, 20)
    sample = workspace.hold_folder(plate, rows=rows)
    whole = workspace.hold_folder(plate)
    assert sample != whole
    assert (len(workspace.images(sample)), len(workspace.images(whole))) == (20, 60)
    assert workspace.hold_folder(plate, rows=rows) == sample
    tifffile.imwrite(plate / "s00_c0.tif", np.full((40, 50), 99, np.uint8))
    workspace.hold_folder(plate)
    assert not (workspace.root / "images" / sample).exists(), "it is of a folder that changed"


def test_crops_of_a_folder_are_announced_and_held(workspace, tmp_path) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    for channel in ("DNA", "ER"):
        tifffile.imwrite(plate / f"x-B02-1-{channel}.tif", np.ones((70, 80), np.uint8))
    table = "well,site,center_x,center_y\nB02,1,40,40\nB02,1,9,9\nC03,1,9,9\n"
    (plate / "cells.csv").write_text(table)
    settings = Settings(
        **{**vars(BRIEF), "crops": True, "file_pattern": "x-{well}-{site}-{channel}.tif"}
    )
    outlook, said = looked(workspace, settings, plate)
    assert said[1] == "2 cells, 64 x 64 pixels each; left out: 1 row that belongs to no image"
    ((name, source),) = outlook.hold(workspace, Silent()).items()
    assert source.size.images == len(workspace.images(name)) == 2
    assert workspace.images(name).shapes[0] == (2, 64, 64)
    assert workspace.images(name).table["well"].to_pylist() == ["B02"] * 2


def test_without_a_time_limit_a_folder_is_measured_whole(workspace, plate, monkeypatch) -> None:
    monkeypatch.setattr("platebench.running.estimate.PER_IMAGE", 1.0)
    unlimited = Settings([*REFERENCES, IPC], [], [], rounds=2, brief=True)
    outlook, said = looked(workspace, unlimited, plate)
    assert outlook.sources[0].rows is None
    assert len(said) == 2


# What it says


def test_run_says_measurements_minutes_and_room(workspace: Workspace) -> None:
    outlook, said = looked(workspace, BRIEF, 32)
    assert said == [
        f"18 measurements in 2 rounds or more: about 5 minutes, 484 MB in {workspace.root}"
    ]
    assert outlook.stores_first


def test_run_that_exceeds_its_time_says_when_it_stops(workspace: Workspace, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**12))
    outlook, (said,) = looked(workspace, BRIEF, 1024)
    assert said.endswith(f"minutes, but it stops after 5, 16 GB in {workspace.root}")
    assert not outlook.stores_first, "or the time would be over before the first measurement"


def test_several_image_sets_are_added_up(workspace: Workspace) -> None:
    _, (one,) = looked(workspace, BRIEF, 32)
    _, (both,) = looked(workspace, BRIEF, 32, "ic-32")
    assert one.startswith("18 measurements")
    assert both.startswith("36 measurements")


def test_dry_run_says_the_cost_of_all_sets_and_of_each_and_makes_nothing(
    workspace: Workspace,
) -> None:
    watcher = Silent()
    tell_cost(workspace.root, replace(BRIEF, images=["32", "ic-32"], minutes=None), watcher)
    assert watcher.said == [
        f"36 measurements in 2 rounds or more: about 2 minutes, 969 MB in {workspace.root}",
        "raw-32: 18 measurements, about a minute, 484 MB",
        "ic-32: 18 measurements, about a minute, 484 MB",
        "Nothing was measured: --dry-run",
    ]
    assert not workspace.root.exists()


def test_dry_run_says_that_there_is_too_little_room(workspace, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    watcher = Silent()
    tell_cost(workspace.root, replace(BRIEF, images=["32"]), watcher)
    assert watcher.said[1].startswith("The run would be refused. 18 measurements need ")


def test_dry_run_of_nothing_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="reed: no such operation"):
        tell_cost(workspace.root, replace(BRIEF, images=["32"], operations=["reed"]), Silent())
    few = replace(BRIEF, images=["32"], patterns=("NoClass",))
    with pytest.raises(UserError, match="nothing to measure"):
        tell_cost(workspace.root, few, Silent())


def test_tidy_run_needs_room_for_the_stores_of_one_set_at_a_time() -> None:
    plan = Plan.of(brief_stores(), [], brief=True)
    sizes = [Size(32, 44_000_000), Size(64, 88_000_000)]
    assert plan.disk_bytes_of_all(sizes, tidy=False) == sum(map(plan.disk_bytes, sizes))
    images = 2 * (44_000_000 + 88_000_000)
    assert plan.disk_bytes_of_all(sizes, tidy=True) == images + plan.stored * 88_000_000


def test_run_without_room_on_the_disk_does_not_start(workspace, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    with pytest.raises(
        UserError, match=r"18 measurements need 617 MB of disk; .* has 1\.0 MB free"
    ):
        looked(workspace, BRIEF, 32)
    assert not workspace.root.exists()
