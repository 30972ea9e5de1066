"""The profiles `channels` and `zstack`: five stains of the same cells, and planes of focus."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from platebench.images import focus, painting
from platebench.images.camera import label_frame
from platebench.images.focus import PLANES, SHARPEST, depth, stack
from platebench.images.imageset import digest
from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.nuclei import BRIGHTEST
from platebench.images.painting import CHANNELS, STAINS, paint
from platebench.images.screen import FIRST_FRAME
from tests.images.field_statistics import (
    background,
    contrast,
    entropy,
    looks_raw,
    lz4_ratio,
    roughness,
    zstd_ratio,
)
from tests.images.test_camera import gain_of_joint_compression
from tests.images.test_photon_camera import eight_bits

GOLDEN = "32934077c68c695902e2f28c4091c48c"
GOLDEN_STACK = "0cb38f550858dcc98aff27e4a2406461"


@pytest.fixture(scope="module")
def site() -> dict[str, np.ndarray]:
    """The channels of one site."""
    return dict(zip(CHANNELS, paint(Movie(1, 5), FIRST_FRAME), strict=True))


@pytest.fixture(scope="module")
def planes() -> list[np.ndarray]:
    """The planes of one site."""
    return list(stack(Movie(1, 5), FIRST_FRAME))


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """The nuclei of that site."""
    return label_frame(Movie(1, 5), FIRST_FRAME)[0]


def coarse(image: np.ndarray, side: int = 32) -> np.ndarray:
    """Return the means of blocks, in which only the places of cells are left."""
    blocks = image.reshape(HEIGHT // side, side, WIDTH // side, side)
    return blocks.mean(axis=(1, 3)).ravel()


def fine(image: np.ndarray) -> np.ndarray:
    """Return what differs from the mean of four neighbours: structures of a few pixels."""
    values = image.astype(np.float64)
    around = (values[1:-1, :-2] + values[1:-1, 2:] + values[:-2, 1:-1] + values[2:, 1:-1]) / 4
    return values[1:-1, 1:-1] - around


def sharpness(image: np.ndarray) -> float:
    return float(fine(image).var())


def test_seed_gives_the_recorded_channels_and_planes(site, planes):
    assert digest(np.stack(list(site.values()))) == GOLDEN
    assert digest(np.stack(planes)) == GOLDEN_STACK


def test_channels_and_planes_are_uint16_of_twelve_bits_of_one_shape(site, planes):
    for image in [*site.values(), *planes]:
        assert image.dtype == np.uint16
        assert image.shape == (HEIGHT, WIDTH)
        assert 0 < image.min() < image.max() < 4096


def test_dna_has_the_statistics_of_real_fields_of_dna(site):
    image = eight_bits(site["DNA"])
    assert looks_raw(image)
    assert 13 <= background(image) <= 14
    assert 6 <= contrast(image) <= 10


@pytest.mark.parametrize("statistic", [entropy, zstd_ratio, lz4_ratio, roughness, contrast])
def test_dna_and_the_sharpest_plane_are_like_the_real_fields(statistic, site, planes, real_images):
    real = [
        statistic((tifffile.imread(path) >> 8).astype(np.uint8))
        for path in sorted(real_images.glob("*.tif"))
    ]
    for image in (site["DNA"], planes[SHARPEST]):
        assert 0.8 * min(real) <= statistic(eight_bits(image)) <= 1.15 * max(real)
    blurred = statistic(eight_bits(planes[0]))
    if statistic in (roughness, contrast):
        assert blurred < 0.8 * min(real)


def test_other_stains_fail_the_statistics_of_real_fields_of_dna(site):
    assert not [name for name in CHANNELS[1:] if looks_raw(eight_bits(site[name]))]


def test_channels_compress_neither_like_noise_nor_like_drawings(site):
    for image in site.values():
        assert 0.55 < zstd_ratio(image) < 0.66  # DNA of raw16 has 0.5 to 0.6


def test_channels_show_the_same_cells(site):
    places = np.corrcoef([coarse(image) for image in site.values()])
    assert places.min() > 0.6


def test_channels_have_structures_of_their_own(site):
    structure = np.corrcoef([fine(image).ravel() for image in site.values()])
    assert np.abs(structure - np.eye(len(CHANNELS))).max() < 0.25


def test_channels_differ_in_brightness_and_background(site):
    backgrounds = [float(np.percentile(image, 10)) for image in site.values()]
    assert max(backgrounds) > min(backgrounds) + 80
    bright = [float(np.percentile(image, 99)) for image in site.values()]
    assert max(bright) > 1.5 * min(bright)


def test_stains_are_where_they_belong(site, labels):
    nuclei = labels > 0
    grown = np.zeros_like(nuclei)
    for shift in (-12, 12):
        for axis in (0, 1):
            grown |= np.roll(nuclei, shift, axis)
    rim = grown & ~nuclei
    inside, around = (
        {name: float(image[mask].mean()) for name, image in site.items()} for mask in (nuclei, rim)
    )
    assert inside["DNA"] > 2 * around["DNA"]
    assert all(around[name] > 1.2 * inside[name] for name in ("ER", "Mito"))
    nucleoli = np.percentile(site["RNA"][nuclei], 99)
    assert nucleoli > 1.8 * np.median(site["RNA"][nuclei])


def test_brightest_light_of_every_stain_stays_below_that_of_nuclei():
    for stain in STAINS.values():
        assert stain.light + stain.background < BRIGHTEST


def test_noise_repeats_in_no_channel_or_plane(site, planes):
    assert abs(gain_of_joint_compression([site["DNA"], planes[0], planes[-1]])) < 0.02
    assert gain_of_joint_compression([planes[0], planes[1], planes[0]]) > 0.1


def test_planes_are_sharpest_in_the_middle_and_fall_off_to_both_sides(planes, labels):
    bare = [sharpness(np.where(labels > 0, plane, 0)[200:800, 200:1000]) for plane in planes]
    assert bare.index(max(bare)) == SHARPEST
    inner = [roughness(eight_bits(plane)) for plane in planes]
    assert inner[: SHARPEST + 1] == sorted(inner[: SHARPEST + 1])
    assert inner[SHARPEST:] == sorted(inner[SHARPEST:], reverse=True)


def test_sharpest_plane_has_the_statistics_of_real_fields(planes):
    image = eight_bits(planes[SHARPEST])
    assert 2.8 <= entropy(image) <= 3.3
    assert 0.32 <= zstd_ratio(image) <= 0.38
    assert 0.54 <= lz4_ratio(image) <= 0.60
    assert 13 <= background(image) <= 14
    assert 6 <= contrast(image) <= 8
    assert roughness(eight_bits(planes[0])) < 0.7 * roughness(image)


def test_defocus_spreads_light_and_loses_none(planes):
    means = [float(plane.mean()) for plane in planes]
    assert max(means) < 1.02 * min(means)
    brightest = [np.percentile(plane, 99.5) for plane in planes]
    assert brightest[0] < 0.95 * brightest[SHARPEST]


def test_nuclei_lie_at_depths_of_their_own():
    depths = {depth(nucleus.shape) for nucleus in Movie(1, 5).nuclei}
    assert len(depths) > 10
    assert SHARPEST - 1 <= min(depths) < max(depths) <= SHARPEST + 1


def test_stack_without_defocus_fails(monkeypatch):
    monkeypatch.setattr(focus, "SPREAD", 0.0)
    monkeypatch.setattr(focus, "PLANES", 2)
    same = [roughness(eight_bits(plane)) for plane in stack(Movie(1, 5), FIRST_FRAME)]
    assert same[0] == pytest.approx(same[1], rel=0.01)


def test_one_texture_for_all_stains_fails_the_test_of_structures(monkeypatch):
    body = painting._Body
    for name in ("_rna", "_agp", "_mito"):
        monkeypatch.setattr(body, name, body._er)
    images = list(paint(Movie(1, 5), FIRST_FRAME))[1:]
    structure = np.corrcoef([fine(image).ravel() for image in images])
    assert np.abs(structure - np.eye(4)).max() > 0.25


def test_the_stack_has_eight_planes(planes):
    assert len(planes) == PLANES == 8
