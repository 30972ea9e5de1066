"""The profile `raw16`: a 12-bit camera that is calibrated on real fields."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from platebench.images.camera import empty_field, take_frame
from platebench.images.imageset import digest
from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.nuclei import BRIGHTEST
from platebench.images.photon_camera import (
    BACKGROUND,
    COUNTS_PER_ELECTRON,
    OFFSET,
    READ_NOISE,
    expose,
    noise_bands,
)
from tests.images.field_statistics import (
    background,
    contrast,
    entropy,
    looks_raw,
    noise_deviation,
    zstd_ratio,
)
from tests.images.test_camera import gain_of_joint_compression

DARK, BRIGHT = (12, 15), (80, 140)
"""Levels of 8 bits: of the background, and of nuclei."""

REAL_DARK, REAL_BRIGHT = 0.49, 1.75
"""Standard deviations of noise in real fields, in levels of 8 bits, at DARK and at BRIGHT."""


def eight_bits(counts: np.ndarray) -> np.ndarray:
    return (counts >> 4).astype(np.uint8)


def flat(mean: int, deviations: int = 1) -> np.ndarray:
    """Return an exposure of a field that has the same mean everywhere, as float64."""
    ((one, other),) = noise_bands(1, 2, 3, 1, 64, WIDTH)
    band = np.full((64, WIDTH), mean - BACKGROUND, np.int16)
    return expose(band, one * deviations, other * deviations).astype(np.float64)


def test_seed_gives_the_recorded_digest():
    assert digest(take_frame(Movie(1, 0), 43, "raw16")) == "e6624d9e98fcf2ef725b604d54e53fa4"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("number", [0, 3, 11])
def test_upper_eight_bits_have_the_statistics_of_real_fields(seed, number):
    counts = take_frame(Movie(seed, number), 50, "raw16")
    image = eight_bits(counts)
    assert looks_raw(image)
    assert 13 <= background(image) <= 14
    assert 6 <= contrast(image) <= 8
    assert 1.1 <= noise_deviation(image, *DARK) / REAL_DARK <= 1.5
    assert 1.1 <= noise_deviation(image, *BRIGHT) / REAL_BRIGHT <= 1.5


def test_real_fields_have_the_recorded_statistics(real_images):
    for path in real_images.glob("*.tif"):
        field = tifffile.imread(path)
        assert field.dtype == np.uint16
        assert not (field % 257).any(), "more than 8 bits: calibrate the low bits with this field"
        image = (field >> 8).astype(np.uint8)
        assert 13 <= background(image) <= 14
        assert 8 <= contrast(image) <= 10
        assert noise_deviation(image, *DARK) == pytest.approx(REAL_DARK, rel=0.05)
        assert noise_deviation(image, *BRIGHT) == pytest.approx(REAL_BRIGHT, rel=0.08)


def test_other_gains_and_read_noises_fail_the_statistics(monkeypatch):
    from platebench.images import photon_camera

    for name, value in (("COUNTS_PER_ELECTRON", 0.3), ("READ_NOISE", 25.0), ("BACKGROUND", 90)):
        with monkeypatch.context() as changed:
            changed.setattr(photon_camera, name, value)
            photon_camera._amplitudes.cache_clear()
            image = eight_bits(take_frame(Movie(1, 0), 50, "raw16"))
            assert not (looks_raw(image) and 13 <= background(image) <= 14), name
        photon_camera._amplitudes.cache_clear()


@pytest.mark.parametrize("mean", [OFFSET, 220, 1000, 3500])
def test_noise_has_the_variance_of_photons_and_reading(mean):
    electrons = (mean - OFFSET) / COUNTS_PER_ELECTRON
    variance = (electrons + READ_NOISE**2) * COUNTS_PER_ELECTRON**2 + 1 / 12
    exposed = flat(mean)
    assert exposed.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / exposed.size))
    assert exposed.var() == pytest.approx(variance, rel=0.03)


def test_noise_is_symmetric_and_has_no_heavy_tails():
    around = flat(1000) - 1000
    assert abs((around**3).mean()) / around.std() ** 3 < 0.05
    assert (around**4).mean() / around.std() ** 4 == pytest.approx(3, abs=0.4)


def test_low_four_bits_are_noise():
    counts = take_frame(Movie(1, 0), 50, "raw16")
    low = (counts & 15).astype(np.uint8)
    assert entropy(low) > 3.99
    assert zstd_ratio(low) > 0.5
    assert 0.5 < zstd_ratio(counts) < 0.6


def test_values_have_twelve_bits_and_keep_off_both_limits():
    counts = take_frame(Movie(1, 11), 50, "raw16")
    assert counts.dtype == np.uint16
    assert counts.shape == (HEIGHT, WIDTH)
    assert 0 < counts.min() < counts.max() < 4095
    ((one, other),) = noise_bands(1, 2, 3, 1, 1, 2)
    extremes = np.array([[510, 0]], np.int32), np.array([[0, 510]], np.int32)
    brightest = np.full((1, 2), BRIGHTEST + 255, np.int16)
    darkest = np.full((1, 2), min(empty_field(seed, 0).min() for seed in range(40)), np.int16)
    assert expose(brightest, *extremes).max() <= 4095
    assert 0 < expose(darkest, *extremes).min() < OFFSET + BACKGROUND
    assert one.shape == other.shape == (1, 2)


def test_profiles_show_the_same_nuclei():
    pair = [take_frame(Movie(1, 0), 43, profile) for profile in ("raw", "raw16")]
    assert np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1] > 0.99


def test_noise_does_not_repeat_across_frames():
    frames = [take_frame(Movie(1, 0), frame, "raw16") for frame in range(43, 51)]
    assert abs(gain_of_joint_compression(frames)) < 0.02
