from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zstandard

from platebench.images.camera import label_frame, take_frame
from platebench.images.imageset import digest
from platebench.images.movie import FRAMES, HEIGHT, WIDTH, Movie
from platebench.images.nuclei import BRIGHTEST, CLASSES, LARGEST_REACH, draw
from tests.images.field_statistics import entropy, looks_raw, lz4_ratio, roughness, zstd_ratio

GOLDEN = {
    "raw": "3c8c554a5e716d75b967e78d0803f3aa",
    "ic": "83b641167e5ad1c897366ac7891689bc",
}


@pytest.mark.parametrize("profile", ["raw", "ic"])
def test_seed_gives_the_recorded_digest(profile):
    assert digest(take_frame(Movie(1, 0), 43, profile)) == GOLDEN[profile]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("number", [0, 3, 11])
def test_raw_images_have_the_statistics_of_real_fields(seed, number):
    assert looks_raw(take_frame(Movie(seed, number), 50, "raw"))


def test_noise_and_blank_images_fail_the_statistics_of_fields():
    random = np.random.default_rng(1)
    assert not looks_raw(random.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8))
    assert not looks_raw(random.normal(13, 2.2, (HEIGHT, WIDTH)).astype(np.uint8))
    assert not looks_raw(np.full((HEIGHT, WIDTH), 13, np.uint8))


def test_real_fields_scaled_to_eight_bits_have_the_statistics_of_raw_images(real_images):
    for path in real_images.glob("*.tif"):
        field = tifffile.imread(path) >> 8
        image = field.astype(np.uint8)
        assert 2.7 <= entropy(image) <= 3.3
        assert 0.32 <= zstd_ratio(image) <= 0.38
        assert 0.54 <= lz4_ratio(image) <= 0.60
        assert 2.4 <= roughness(image) <= 3.6


@pytest.mark.parametrize("number", [0, 5])
def test_corrected_images_are_mostly_zero_and_sometimes_one(number):
    image = take_frame(Movie(1, number), 60, "ic")
    assert np.median(image) == 0
    assert np.mean(image == 0) > 0.5
    assert 0.1 < np.mean(image == 1) < 0.4


def test_raw_illumination_is_uneven():
    frames = [take_frame(Movie(1, 0), frame, "raw") for frame in range(43, 63)]
    darkest = np.min(frames, axis=0).astype(np.float64)
    middle = np.median(darkest[400:600, 500:800])
    assert middle > np.median(darkest[:64, :64]) + 1


def test_both_profiles_show_the_same_nuclei():
    raw, corrected = (take_frame(Movie(1, 0), 43, profile) for profile in ("raw", "ic"))
    labels, _ = label_frame(Movie(1, 0), 43)
    assert np.corrcoef(raw[labels > 0], corrected[labels > 0])[0, 1] > 0.99


def test_seed_movie_and_frame_change_the_image():
    images = [
        take_frame(Movie(1, 0), 43, "raw"),
        take_frame(Movie(2, 0), 43, "raw"),
        take_frame(Movie(1, 1), 43, "raw"),
        take_frame(Movie(1, 0), 44, "raw"),
    ]
    assert len({digest(image) for image in images}) == 4


def gain_of_joint_compression(images: list[np.ndarray]) -> float:
    """Return the share of bytes saved by compressing images together, with a long window."""
    settings = zstandard.ZstdCompressionParameters.from_level(1, window_log=27, enable_ldm=True)
    size = [
        len(zstandard.ZstdCompressor(compression_params=settings).compress(data))
        for data in (b"".join(image.tobytes() for image in images), images[0].tobytes())
    ]
    return 1 - size[0] / (size[1] * len(images))


def test_noise_does_not_repeat_across_frames():
    frames = [take_frame(Movie(1, 0), frame, "raw") for frame in range(43, 51)]
    assert abs(gain_of_joint_compression(frames)) < 0.02
    assert gain_of_joint_compression([*frames[:7], frames[0]]) > 0.1


def test_frame_does_not_depend_on_earlier_frames():
    movie = Movie(1, 2)
    for frame in (10, 90):
        take_frame(movie, frame, "raw")
    assert np.array_equal(take_frame(movie, 50, "raw"), take_frame(Movie(1, 2), 50, "raw"))


def test_frames_do_not_share_memory():
    movie = Movie(1, 0)
    first = take_frame(movie, 43, "raw")
    kept = first.copy()
    take_frame(movie, 44, "raw")
    assert np.array_equal(first, kept)


def test_labels_are_consecutive_from_one():
    for frame in (0, 43, FRAMES - 1):
        labels, numbers = label_frame(Movie(1, 0), frame)
        assert labels.dtype == np.uint16
        assert sorted(np.unique(labels)) == list(range(len(numbers) + 1))


def test_nuclei_are_brighter_than_the_background():
    image = take_frame(Movie(1, 0), 43, "raw")
    labels, _ = label_frame(Movie(1, 0), 43)
    assert np.median(image[labels > 0]) > 3 * np.median(image[labels == 0])


def test_nuclei_persist_and_drift():
    movie = Movie(1, 0)
    for nucleus in movie.nuclei:
        assert np.abs(np.diff(nucleus.x[nucleus.first : nucleus.last + 1])).max(initial=0) <= 6
    survivors = [nucleus for nucleus in movie.nuclei if nucleus.fate == "none"]
    moved = [abs(int(nucleus.x[80] - nucleus.x[43])) for nucleus in survivors]
    assert max(moved) > 5


def test_division_leaves_two_daughters_near_the_mother():
    movie = Movie(1, 0)
    mothers = [nucleus for nucleus in movie.nuclei if nucleus.fate == "division"]
    assert mothers
    for mother in mothers:
        daughters = [nucleus for nucleus in movie.nuclei if nucleus.mother == mother.number]
        assert [daughter.first for daughter in daughters] == [mother.last + 1] * 2
        for daughter in daughters:
            assert abs(int(daughter.x[daughter.first] - mother.x[mother.last])) < 25
            assert daughter.phenotype(daughter.first) == "Anaphase"
        assert mother.phenotype(mother.last) == "Metaphase"


def test_every_class_is_drawn_within_brightness_limits():
    movies = [Movie(1, number) for number in range(12)]
    seen = {
        nucleus.phenotype(frame)
        for movie in movies
        for nucleus in movie.nuclei
        for frame in range(nucleus.first, nucleus.last + 1)
    }
    assert seen == set(CLASSES)
    for nucleus in movies[0].nuclei:
        for phenotype in CLASSES:
            patch = draw(nucleus.shape, phenotype)
            assert patch.reach <= LARGEST_REACH
            assert patch.light.max() <= BRIGHTEST
            assert patch.light.min() >= 0
            assert patch.mask.any()


def test_brightest_light_does_not_overflow():
    # Nucleus, background and noise together give at most 255; see camera._expose.
    light, noise = BRIGHTEST + 255, 15
    assert (light + ((noise * ((light >> 3) + 31)) >> 5) + 8) >> 4 <= 255
