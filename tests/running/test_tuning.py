"""`calibrate tuning` writes a page, continues it, and leaves out what a format cannot hold."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.images.decoded_cache import decode_to_cache
from platebench.running import tuning
from platebench.running.tuning import TuningSettings, check_settings, layouts, measure_tunings
from platebench.stores import registry, sqlite
from platebench.stores.name import StoreName
from platebench.stores.variants import Variants
from platebench.timing.page_cache import empty
from platebench.timing.protocol import WORK
from platebench.timing.tuning import OPERATIONS
from platebench.timing.workspace import Workspace
from tests.conftest import noise
from tests.running.test_adapters import Told

TIFF = "sqlite:tiff"
FEW = {"default", "large-pages", "tiff-zstd-1", "tiff-jpeg-xl-2"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuningSettings:
    """Settings for one format with few candidates, with 16 small images in the work folder."""
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    workspace = Workspace.of(tmp_path).own()
    images = noise(16)
    images.name = "raw-16"
    decode_to_cache(images, workspace.root / "images" / "raw-16")
    (tmp_path / "probe").write_bytes(b"x")
    try:
        empty(tmp_path / "probe")
    except Exception as reason:  # as on tmpfs
        pytest.skip(str(reason))
    known = sqlite.CANDIDATES["tiff"]
    few = {name: each for name, each in known.settings.items() if name in FEW}
    monkeypatch.setitem(sqlite.CANDIDATES, "tiff", Variants(few, known.tunings))
    return TuningSettings(["sqlite"], 16, 0.01, tmp_path / "page.md", False, "the command")


def test_page_has_every_candidate_and_is_continued(
    settings: TuningSettings, tmp_path: Path
) -> None:
    measured = measure_tunings(tmp_path, settings, Told())
    assert {str(each.store) for each in measured.candidates} == {f"{TIFF}:{one}" for one in FEW}
    assert {tuning for each in measured.candidates for tuning in each.tunings} == {
        *registry.format_of(StoreName.parse(f"{TIFF}:fast")).variants["tiff"].split()
    }
    for each in measured.candidates:
        assert tuple(each.times) == OPERATIONS
        assert all(timed.ms > 0 for timed in each.times.values())
        if "fast" in each.tunings:
            assert {timed.ratio.estimate for timed in each.times.values()} == {1.0}
    page = settings.out.read_text()
    assert "## sqlite, tiff" in page
    assert "the command" in page
    assert not measured.left_out

    again = Told()
    resumed = measure_tunings(tmp_path, dataclasses.replace(settings, resume=True), again)
    assert resumed.candidates == measured.candidates
    assert not again.shown
    scratch = tmp_path / "work" / "platebench" / "scratch"
    assert list(scratch.iterdir()) == []


def test_a_layout_without_fast_is_compared_with_its_default(
    settings: TuningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = sqlite.CANDIDATES["tiff"]
    tunings = {name: each for name, each in known.tunings.items() if name != "fast"}
    monkeypatch.setitem(sqlite.CANDIDATES, "tiff", Variants(known.settings, tunings))
    measured = measure_tunings(tmp_path, settings, Told())
    (default,) = (each for each in measured.candidates if "default" in each.tunings)
    assert {timed.ratio.estimate for timed in default.times.values()} == {1.0}
    page = settings.out.read_text()
    assert "times default" in page
    assert "times fast" not in page


def test_a_candidate_that_cannot_hold_the_images_is_left_out(
    settings: TuningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tuning._Worker.start

    def refusing(worker: tuning._Worker):
        if worker.store.tuning != "tiff-jpeg-xl-2":
            return start(worker)
        start(worker)
        worker.unsupported = "no JPEG XL here"
        return None

    monkeypatch.setattr(tuning._Worker, "start", refusing)
    measured = measure_tunings(tmp_path, settings, Told())
    assert measured.left_out == {f"{TIFF}:tiff-jpeg-xl-2": "no JPEG XL here"}
    assert "- `sqlite:tiff:tiff-jpeg-xl-2`: no JPEG XL here." in settings.out.read_text()
    record = json.loads(settings.out.with_suffix(".json").read_text())
    assert len(record["candidates"]) == len(FEW) - 1


def test_a_candidate_that_fails_is_named(
    settings: TuningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import tifffile\n"
        "def broken(*given, **more): raise OSError('the disk is full')\n"
        "tifffile.imwrite = broken\n"
    )
    told = Told()
    measured = measure_tunings(tmp_path, settings, told)
    (reason,) = measured.failed.values()
    assert reason == "sqlite:tiff:tiff-zstd-1: OSError: the disk is full"
    assert told.said == [f"{TIFF} failed: {reason}"]
    assert not measured.candidates
    assert not settings.out.exists()


def test_layouts_are_those_with_a_choice() -> None:
    found = [(format_.name, layout) for format_, layout in layouts([])]
    assert ("sqlite", "tiff") in found
    assert ("sqlite", "pixels") not in found
    chosen = {"balanced"}
    with_choice = {
        each.name for each in registry.FORMATS for name in each.stores if name.tuning in chosen
    }
    assert {name for name, _ in found} == with_choice


@pytest.mark.parametrize("wrong", [{"formats": ["n5"]}, {"out": Path("/missing/folder/page.md")}])
def test_unusable_settings_are_refused_before_measuring(settings: TuningSettings, wrong) -> None:
    with pytest.raises(UserError):
        check_settings(dataclasses.replace(settings, **wrong))
