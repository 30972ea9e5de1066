"""All ways are compared, timed and tabled, and the quickest is chosen."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from platebench.errors import Mismatch, Unsupported, UserError
from platebench.images.decoded_cache import decode_to_cache
from platebench.running import floor_calibration
from platebench.running.floor_calibration import (
    CHOSEN,
    FEWEST_PASSES,
    OPERATIONS,
    Calibration,
    Samples,
    _choose,
    _quickest,
    calibrate,
)
from platebench.running.floor_table import as_markdown, as_table
from platebench.stores.floor import variants
from platebench.stores.floor.choice import Choice
from platebench.timing import page_cache
from platebench.timing.workspace import Workspace, no_progress
from tests.conftest import noise

FACTS = {"kernel": "6.18", "disk": "a disk", "load": [0.0], "cores": 2}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("work") / "platebench").own()
    with workspace.lend() as lent:
        file = lent.path / "file"
        file.write_bytes(bytes(4096))
        try:
            page_cache.empty(file)
        except Unsupported as reason:
            pytest.skip(str(reason))
    return workspace


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return decode_to_cache(noise(20, (64, 64)), tmp_path_factory.mktemp("images") / "set")


@pytest.fixture(scope="module")
def calibration(workspace, images) -> Calibration:
    return calibrate(workspace, images, 0.1, no_progress)


def test_every_way_of_every_operation_is_in_the_table(calibration):
    for operation in OPERATIONS:
        ways = {row.variant for row in calibration.rows[operation.name]} - {CHOSEN}
        left_out = {way for kind, way in calibration.left_out if kind == operation.kind}
        assert ways == set(operation.variants) - left_out
    assert calibration.passes == FEWEST_PASSES


def test_no_way_is_quicker_than_the_first_row(calibration):
    for rows in calibration.rows.values():
        ways = [row for row in rows if row.variant != CHOSEN]
        assert ways[0].ratio.estimate <= 1
        assert ways == sorted(ways, key=lambda row: row.ratio.estimate)


def test_one_way_of_each_operation_is_chosen(calibration):
    for operation in OPERATIONS:
        chosen = [row.variant for row in calibration.rows[operation.name] if row.chosen]
        assert chosen == [getattr(calibration.choice, operation.decides)]


def test_reads_end_with_the_store_as_chosen(calibration):
    for operation in OPERATIONS:
        last = calibration.rows[operation.name][-1].variant
        assert (last == CHOSEN) == (operation.decides != "write")


def test_no_file_is_left(calibration, workspace):
    assert list((workspace.root / "scratch").iterdir()) == []


def test_quickest_way_is_chosen_over_both_takes():
    seconds = {"pread": (2.0, 2.0), "pread-4": (1.0, 5.0), "pread-16": (1.5, 1.5)}
    timed = {}
    for operation in OPERATIONS:
        for way in operation.variants:
            both = seconds.get(way, (9.0, 9.0))
            time = both[operation.rows == 1]
            timed[operation.name, way] = Samples({0: [time], 1: [time]}, [time])
    choice = _choose(timed)
    assert (choice.scan, choice.take) == ("pread-4", "pread-16")
    del timed["scan", "pread-4"]
    assert _choose(timed).scan == "pread-16"


def test_quickest_of_a_circle_is_one_of_it():
    circle = {("a", "b"): 0.9, ("b", "c"): 0.9, ("c", "a"): 0.9}
    assert _quickest("abc", lambda way, base: circle.get((way, base), 1.1)) in "abc"


def test_way_that_this_disk_does_not_have_is_left_out(workspace, images, monkeypatch):
    def refused(*_):
        raise Unsupported("no such thing")

    monkeypatch.setitem(variants.WRITERS, "direct", refused)
    monkeypatch.setitem(variants.READERS, "map", refused)
    found = calibrate(workspace, images, 0.1, no_progress)
    assert found.left_out == {
        ("write", "direct"): "no such thing",
        ("read", "map"): "no such thing",
    }
    assert "map" not in {row.variant for row in found.rows["scan"]}
    if ("read", "direct") not in found.left_out:
        assert "direct" in {row.variant for row in found.rows["cold scan"]}


def test_way_that_gives_back_other_images_stops_the_calibration(workspace, images, monkeypatch):
    def wrong(places, file, rows, memory):
        for image in variants.pread(places, file, rows, memory):
            image[0, 0] += 1
            yield image

    monkeypatch.setitem(variants.READERS, "pread-16", wrong)
    with pytest.raises(Mismatch, match="values changed"):
        calibrate(workspace, images, 0.1, no_progress)
    assert list((workspace.root / "scratch").iterdir()) == []


def test_disk_whose_page_cache_stays_full_is_an_error(workspace, images, monkeypatch):
    def stays(path):
        raise Unsupported("4096 bytes of read stay in the page cache")

    monkeypatch.setattr(page_cache, "empty", stays)
    with pytest.raises(UserError, match="cold reads cannot be timed: 4096 bytes of read stay"):
        calibrate(workspace, images, 0.1, no_progress)


def test_fewer_images_than_a_take_are_refused(workspace, tmp_path):
    few = decode_to_cache(noise(15), tmp_path / "few")
    with pytest.raises(UserError, match="give 16 images or more"):
        calibrate(workspace, few, 0.1, no_progress)


def test_ctrl_c_leaves_no_file(workspace, images, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(floor_calibration._Bench, "_timed_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        calibrate(workspace, images, 0.1, no_progress)
    assert list((workspace.root / "scratch").iterdir()) == []


def test_markdown_says_where_it_was_measured_and_how(calibration):
    text = as_markdown(calibration, FACTS, "platebench calibrate floor --seconds 9")
    assert "`platebench calibrate floor --seconds 9`" in text
    assert "a disk" in text
    assert "Linux 6.18" in text
    assert str(calibration.choice) in text
    for operation, rows in calibration.rows.items():
        table = text.partition(f"## {operation.capitalize()}\n")[2].partition("##")[0]
        assert table.count("\n| ") == len(rows) + 1
        assert table.count("**") == 2


def test_markdown_says_what_each_way_does():
    assert variants.says(variants.READERS["pread-16"]) == (
        "Read neighbouring images with one call, up to so many. (most 16)"
    )
    assert variants.says(variants.WRITERS["allocated-direct"]) == (
        "Reserve the file's blocks at once, then write in another way."
        " Write with O_DIRECT, an image per call."
    )


def test_table_has_a_row_per_way(calibration):
    rows = sum(len(rows) for rows in calibration.rows.values())
    assert as_table(calibration).row_count == rows


def test_times_are_finite(calibration):
    for rows in calibration.rows.values():
        assert all(0 < row.wall.estimate < math.inf and row.cpu_s >= 0 for row in rows)


def test_every_part_of_the_choice_is_decided_by_an_operation():
    assert {each.name for each in fields(Choice)} == {each.decides for each in OPERATIONS}
