"""Without a store, pack takes what advise says of the source, else of the reference run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.images.folder import open_images
from platebench.packages import default_store
from platebench.packages.default_store import choose, keep_advice, why_not_held
from platebench.packages.manifest import read_manifest
from platebench.results import kept_figures
from platebench.results.decision import StoreFigures
from platebench.results.kept_figures import KeptFigures, kept_text, read_kept
from platebench.results.needs import AT_RANDOM, IN_ORDER, WRITES, Needs
from platebench.results.ratios import Ratio
from platebench.results.robust_mean import RobustMean
from platebench.stores import registry
from platebench.stores.name import StoreName
from tests.packages.odd_tiffs import odd_tiffs

ZARR = StoreName.parse("zarr:tensor:balanced")
SQLITE = StoreName.parse("sqlite:pixels:fast")
IPC = StoreName.parse("arrow-ipc:pixels:balanced")


def advice(**seconds: float) -> str:
    """Figures of stores of one size, and their seconds per image."""
    stores = {"zarr": ZARR, "sqlite": SQLITE, "ipc": IPC}
    uses = (IN_ORDER, AT_RANDOM, WRITES)
    figures = [
        StoreFigures(stores[name], 0.5, dict.fromkeys(uses, each)) for name, each in seconds.items()
    ]
    times = {each.store: each.seconds[IN_ORDER] for each in figures}

    def pair(one: StoreName, other: StoreName, use: str) -> Ratio:
        centre = times[one] - times[other]
        return Ratio(RobustMean(centre, 0.01, 4, 0, 20.0), 0.01)

    return kept_text("2026-11-30", "plate", Needs(), figures, pair)


def test_kept_figures_decide_as_the_reference_run_does() -> None:
    kept = read_kept()
    decision = kept.decide()
    assert decision.balanced is not None
    best = min(
        (each for each in kept.figures if each.store not in decision.left_out),
        key=lambda each: (
            (each.size or 0)
            * sum(weight * each.seconds[use] for use, weight in Needs().weights.items())
        ),
    )
    assert decision.balanced.store == best.store
    assert {each.store.tuning for each in kept.figures} >= {"fast", "balanced"}


def test_figures_are_the_same_after_they_were_kept(tmp_path: Path) -> None:
    kept = read_kept()
    text = kept_text(kept.day, kept.images, kept.needs, kept.figures, kept._pair)
    (tmp_path / "again.json").write_text(text)
    again = read_kept(tmp_path / "again.json")
    assert again.decide() == kept.decide()
    assert text == kept_figures.OWN.read_text()


def test_advice_on_the_source_goes_before_the_reference_run(plate: Path, tmp_path: Path) -> None:
    images = open_images(plate)
    before = choose([plate], images, tmp_path / "advice")
    assert before is not None
    assert "in the reference run of" in before.why
    assert f"takes minutes: platebench advise {plate}" in before.why
    keep_advice(tmp_path / "advice", plate, advice(sqlite=0.1, zarr=0.5, ipc=0.7))
    chosen = choose([plate], images, tmp_path / "advice")
    assert chosen is not None
    assert chosen.store == SQLITE
    assert chosen.why == (
        "sqlite:pixels:fast: the balanced choice by 'platebench advise' of 2026-11-30. --store"
        " names another store"
    )
    other = choose([tmp_path], images, tmp_path / "advice")
    assert other == before or "platebench advise" in str(other)


def test_ties_are_named(plate: Path, tmp_path: Path) -> None:
    keep_advice(tmp_path, plate, advice(sqlite=0.1, zarr=0.101, ipc=0.7))
    chosen = choose([plate], open_images(plate), tmp_path)
    assert chosen is not None
    assert chosen.why.startswith("sqlite:pixels:fast, in a tie with zarr:tensor:balanced: the")


def test_store_that_cannot_hold_the_images_is_not_chosen(tmp_path: Path) -> None:
    odd = odd_tiffs(tmp_path / "odd")
    for name in odd.refused:
        (odd.folder / name).unlink()
    keep_advice(tmp_path, odd.folder, advice(zarr=0.1, ipc=0.2, sqlite=0.3))
    chosen = choose([odd.folder], open_images(odd.folder), tmp_path)
    assert chosen is not None
    assert chosen.store == IPC
    assert "of the stores that hold these images (not zarr:tensor:balanced)" in chosen.why


def test_store_without_its_library_is_not_chosen(
    plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_advice(tmp_path, plate, advice(zarr=0.1, ipc=0.2))
    monkeypatch.setattr(
        default_store.registry, "why_not", lambda store: "no" if store == ZARR else None
    )
    chosen = choose([plate], open_images(plate), tmp_path)
    assert chosen is not None
    assert chosen.store == IPC


@pytest.mark.parametrize("content", ["", "{}", '{"day": 1}', "[]", '{"stores": 3}'])
def test_damaged_advice_is_none(content: str, plate: Path, tmp_path: Path) -> None:
    keep_advice(tmp_path, plate, content)
    chosen = choose([plate], open_images(plate), tmp_path)
    assert chosen is not None
    assert "in the reference run" in chosen.why


def test_nothing_is_chosen_between_no_stores(
    plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = KeptFigures("", "", Needs(), [], {})
    monkeypatch.setattr(default_store, "read_kept", lambda *file: nothing)
    assert choose([plate], open_images(plate), tmp_path) is None


@pytest.mark.parametrize("name", [each.stores[-1] for each in registry.FORMATS], ids=str)
def test_stores_that_hold_images_say_so_by_the_headers(
    name: StoreName, mixed: Path, tmp_path: Path
) -> None:
    if registry.why_not(name) is not None:
        pytest.skip("not installed")
    assert why_not_held(name, open_images(mixed)) is None  # all are 12 x 16, uint8


def test_files_that_are_smaller_than_the_choice_are_kept_as_they_are(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        image = np.zeros((100, 100), np.uint16)
        tifffile.imwrite(tmp_path / name, image, photometric="minisblack", compression="zlib")
    chosen = choose([tmp_path], open_images(tmp_path), tmp_path / "advice")
    assert chosen is not None
    assert chosen.store == StoreName.parse("parquet:tiff:fast")
    assert re.search(r"files are compressed, 0\.0 MB; .* would take about 0\.0 MB\.", chosen.why)
    keep_advice(tmp_path / "advice", tmp_path, advice(zarr=0.1, ipc=0.2))
    measured = choose([tmp_path], open_images(tmp_path), tmp_path / "advice")
    assert measured is not None
    assert measured.store == ZARR


def test_store_that_is_no_more_is_not_chosen(plate: Path, tmp_path: Path) -> None:
    text = advice(zarr=0.1, ipc=0.2).replace(str(ZARR), "zarr:tensor:quaint")
    keep_advice(tmp_path, plate, text)
    chosen = choose([plate], open_images(plate), tmp_path)
    assert chosen is not None
    assert (chosen.store, "quaint" in chosen.why) == (IPC, False)


def test_pack_says_which_store_it_took(plate: Path, tmp_path: Path, platebench) -> None:
    done = platebench("pack", str(plate), str(tmp_path / "package"))
    assert done.status == 0
    store = read_manifest(tmp_path / "package").store
    assert f"Store {store}" in done.out
    assert "--store names another store" in done.out
    named = platebench("pack", str(plate), str(tmp_path / "other"), "--store", "parquet:tiff:fast")
    assert "the balanced choice" not in named.out
