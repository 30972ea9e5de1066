"""The exponent of what grows with the number of images, from made-up cells of a known one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from platebench.results.growth import (
    BYTES,
    MEMORY,
    NOTHING,
    TIME,
    Exponent,
    Growth,
    as_markdown,
    as_records,
    exponent_of,
    fields,
    from_records,
    growth_of,
    page,
)
from platebench.results.tidy import tidy
from platebench.stores.name import StoreName
from tests.results.made_up_runs import IPC, SCAN, TAKE, ok, run_file

SIZES = (32, 128, 512, 2048)
NAME = StoreName("a", "pixels", "fast")


def noisy(exponent: float, noise: float, seed: int) -> list[tuple[int, float]]:
    errors = np.random.default_rng(seed).normal(0, noise, len(SIZES))
    return [
        (images, float(0.01 * images**exponent * np.exp(error)))
        for images, error in zip(SIZES, errors, strict=True)
    ]


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.1, 1.0, 2.0])
def test_exact_power_law_is_found(exponent: float) -> None:
    found = exponent_of(noisy(exponent, 0.0, 0))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx([exponent] * 3, abs=1e-9)


def test_interval_holds_the_true_exponent_in_95_of_100_fits() -> None:
    fits = [exponent_of(noisy(0.3, 0.1, seed)) for seed in range(400)]
    inside = sum(each is not None and each.low <= 0.3 <= each.high for each in fits)
    assert 365 <= inside <= 392, "0.95 of 400, give or take three standard deviations"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([(32, 1.0), (64, 1.0)], "two sizes"),
        ([(32, 1.0), (32, 1.1), (64, 1.0)], "a size twice"),
        ([(32, 1.0), (64, 0.0), (128, 1.0)], "zero has no logarithm"),
    ],
)
def test_too_little_has_no_exponent(values: list[tuple[int, float]], why: str) -> None:
    assert exponent_of(values) is None, why


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.2, 0.1, "flat"), (0.11, 0.3, "grows"), (0.0, 0.3, "open")]
)
def test_verdict_is_about_a_tenth(low: float, high: float, verdict: str) -> None:
    assert Exponent(0.05, low, high).verdict == verdict


def test_growth_is_that_of_the_time_per_image_read(tmp_path: Path) -> None:
    """Reads of 16 rows count 16 images, opening counts once, and a failed size is left out."""
    runs = []
    for images in SIZES:
        name, size = f"raw-{images}", {"set_images": images, "set_pixel_bytes": 1000 * images}
        scan = {**size, "images": images, "stored_bytes": 900 * images, "peak_bytes": 10 * images}
        runs += [
            ok([0.001 * images], benchmark=SCAN, image_set=name, **scan),
            ok([0.02 * images**0.5], benchmark=TAKE, image_set=name,
               details=("16 scattered", "kept"), **{**scan, "images": 16}),
            ok([0.001 * images], benchmark="opening.Open.time_open", image_set=name,
               **{**scan, "images": 0}),
        ]  # fmt: skip
    found = {(each.what, each.title): each for each in growth_of(tidy(run_file(tmp_path, runs)))}
    assert {each.store for each in found.values()} == {IPC}
    exponents = {key: round(each.exponent.value, 6) for key, each in found.items() if each.exponent}
    assert exponents == {
        (TIME, "scan, warm"): 0,
        (TIME, "take, 16 scattered, kept, warm"): 0.5,
        (TIME, "open, warm"): 1,
        (MEMORY, "scan, warm"): 1,
        (BYTES, "stored"): 0,
    }
    assert found[TIME, "take, 16 scattered, kept, warm"].values[0] == (
        32,
        pytest.approx(0.02 * 32**0.5 / 16),
    )


def test_sizes_of_different_profiles_are_not_mixed(tmp_path: Path) -> None:
    runs = [
        ok([0.1], image_set=f"{profile}-{images}", set_images=images)
        for profile, images in (("raw", 32), ("raw", 64), ("ic", 128), ("raw16", 256))
    ]
    assert growth_of(tidy(run_file(tmp_path, runs))) == []


def growth(exponent: float, store: StoreName = NAME) -> Growth:
    return Growth("raw", "scan, cold", TIME, store, tuple(noisy(exponent, 0.001, 1)))


def test_row_has_the_ends_and_the_verdict() -> None:
    row = fields(growth(1.0))
    assert row[:4] == ["a:pixels:fast", "32 to 2,048", "320 ms", "20.5 s"]
    assert row[4].startswith("1.00 (")
    assert row[5] == "grows"
    assert fields(growth(0.0))[5] == "flat"


def test_page_counts_verdicts_and_has_a_table_per_operation() -> None:
    written = page([growth(0.0), growth(1.0, StoreName("b", "c", "fast"))], "a disk", "the command")
    assert "of 2 stores and operations: 1 are flat" in written
    assert "1 grow, 0 are open" in written
    assert "### raw images: time per image, scan, cold" in written
    assert as_markdown([]) == ""
    assert "sizes of image set" in NOTHING


def test_records_are_read_back() -> None:
    grown = [growth(0.2)]
    assert from_records(json.loads(json.dumps(as_records(grown)))) == grown
