"""Tunings and candidates: no two tunings store the same bytes, and every candidate keeps images."""

from __future__ import annotations

import hashlib
import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile

from platebench.errors import Unsupported, UserError
from platebench.images.imageset import ImageSet, digest
from platebench.results.store_words import TUNINGS
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.tiff_codec import CODECS, CompressedTiffs
from platebench.stores.variants import Variants
from platebench.timing.page_cache import files_of
from tests.conftest import ArrayImages, noise

LAYOUTS = [
    (format_, layout)
    for format_ in registry.FORMATS
    if format_.name != registry.FLOOR.format
    for layout in format_.variants
]
every_layout = pytest.mark.parametrize(
    ("format_", "layout"), LAYOUTS, ids=[f"{format_.name}-{layout}" for format_, layout in LAYOUTS]
)


LOGS = {".manifest", ".txn", ".json", ".avro", ".db"}
ICECHUNK_LOGS = {"snapshots", "manifests", "transactions", "overwritten"}


class DescribedImages(ArrayImages):
    """Smooth images, so that codecs differ, in TIFF files with a description, as microscopes do."""

    def __init__(self) -> None:
        ramp = np.add.outer(np.arange(64), np.arange(96)) // 4
        super().__init__([(ramp + grain).astype(np.uint8) for grain in _grains(18)])

    def file(self, row: int) -> bytes:
        sink = io.BytesIO()
        tifffile.imwrite(sink, self.pixels(row), description="a microscope")
        return sink.getvalue()


def _grains(number: int) -> list[np.ndarray]:
    chance = np.random.default_rng(number)
    return [chance.integers(0, 8, (64, 96)) for _ in range(number)]


def skip_without_libraries(format_: registry.Format, layout: str) -> None:
    reason = registry.why_not(StoreName(format_.name, layout, format_.variants[layout].split()[0]))
    if reason is not None:
        pytest.skip(reason)


def stored(name: StoreName, images: ImageSet, path: Path) -> list[str]:
    """Return digests of the stored files.

    Of formats with versions of their own the sizes: Lance writes columns in any order, and Delta
    rows. Manifests, logs and transactions hold times and random names. The tests below check that
    nothing else varies.
    """
    registry.find_candidate(name).write(images, path)
    native = any(each.native_versions for each in registry.FORMATS if each.name == name.format)
    files = [file for file in files_of(path) if not (native and is_log(file))]
    # TileDB's metadata of a fragment holds the time.
    files = [file for file in files if file.name != "__fragment_metadata.tdb"]
    return sorted(of_file(file, native) for file in files)


def is_log(file: Path) -> bool:
    return file.suffix in LOGS or file.parent.name in ICECHUNK_LOGS or file.name == "repo"


def of_database(file: Path) -> str:
    """Return codecs and sizes of images in a DuckDB database, whose bytes have times and ids."""
    import duckdb

    with duckdb.connect(file, read_only=True) as database:
        codecs = database.execute(
            "SELECT DISTINCT column_name, compression FROM pragma_storage_info('images')"
            " ORDER BY ALL"
        ).fetchall()
        sizes = database.execute("SELECT octet_length(image) FROM images ORDER BY id").fetchall()
    return f"{codecs} {sizes}"


def of_file(file: Path, native: bool) -> str:
    if file.suffix == ".duckdb":
        return of_database(file)
    if not native:
        return hashlib.blake2b(file.read_bytes()).hexdigest()
    if file.suffix != ".parquet":
        return str(file.stat().st_size)
    metadata = pq.read_metadata(file)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return str(
        sorted(
            group.column(place).total_compressed_size
            for group in groups
            for place in range(metadata.num_columns)
        )
    )


def same_bytes(format_: registry.Format, layout: str, names: list[str], path: Path) -> list[str]:
    """Return the pairs of tunings that store the same bytes."""
    images = DescribedImages()
    bytes_of = {
        name: stored(StoreName(format_.name, layout, name), images, path / str(number))
        for number, name in enumerate(names)
    }
    return [
        f"{one}, {other}"
        for one, other in combinations(names, 2)
        if bytes_of[one] == bytes_of[other]
    ]


@every_layout
def test_no_two_tunings_store_the_same_bytes(
    format_: registry.Format, layout: str, tmp_path: Path
) -> None:
    skip_without_libraries(format_, layout)
    tunings = format_.variants[layout].split()
    assert same_bytes(format_, layout, tunings, tmp_path) == []


@every_layout
def test_a_tuning_written_twice_stores_the_same_bytes(
    format_: registry.Format, layout: str, tmp_path: Path
) -> None:
    """So the test above would find a pair that is no different."""
    skip_without_libraries(format_, layout)
    variants = registry.variants_of(format_, layout)
    for number, tuning in enumerate(format_.variants[layout].split()):
        pair = [tuning, variants.variant(tuning)]
        assert same_bytes(format_, layout, pair, tmp_path / str(number)) == [", ".join(pair)]


@every_layout
def test_tunings_of_the_registry_are_those_of_the_format(
    format_: registry.Format, layout: str
) -> None:
    skip_without_libraries(format_, layout)
    variants = registry.variants_of(format_, layout)
    assert list(variants.tunings) == format_.variants[layout].split()
    assert set(variants.tunings.values()) <= set(variants.settings)
    assert len(set(variants.tunings.values())) == len(variants.tunings)
    assert set(variants.tunings) <= set(TUNINGS)
    assert set(variants.barred) <= set(variants.settings) - set(variants.tunings.values())


@every_layout
@pytest.mark.parametrize("images", [noise(18), noise(3, (40, 30), "<u2")], ids=["u1", "u2"])
def test_every_candidate_keeps_the_images(
    format_: registry.Format, layout: str, images: ImageSet, tmp_path: Path
) -> None:
    skip_without_libraries(format_, layout)
    for variant in registry.variants_of(format_, layout).settings:
        store = registry.find_candidate(StoreName(format_.name, layout, variant))
        store.write(images, tmp_path / variant)
        with store.open(tmp_path / variant) as opened:
            assert [digest(image) for image in opened.scan()] == images.digests(), variant
            taken = [digest(image) for image in opened.take([2, 0])]
            assert taken == [images.digests()[2], images.digests()[0]], variant
            assert opened.table().equals(images.table), variant


@pytest.mark.parametrize("name", ["sqlite:pixels:zstd-99", "sqlite:tensor:default", "n5:a:b"])
def test_a_candidate_that_does_not_exist_is_a_user_error(name: str) -> None:
    with pytest.raises(UserError, match="no such"):
        registry.find_candidate(StoreName.parse(name))


def test_a_candidate_is_no_registered_store() -> None:
    name = StoreName.parse("sqlite:tiff:tiff-zstd-1")
    assert registry.find_candidate(name).name == name
    with pytest.raises(UserError):
        registry.find(name)


def test_a_tuning_is_its_variant() -> None:
    variants = Variants({"plain": 1, "zstd": 2}, {"fast": "plain"})
    assert variants.of("fast") == variants.of("plain") == 1
    assert (variants.variant("fast"), variants.variant("zstd")) == ("plain", "zstd")
    with pytest.raises(UserError, match="slow: no such tuning; choose from plain, zstd"):
        variants.of("slow")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["|u1", "<u2", "|i1", "<i4", "<u8", "<f4", "<f8"])
def test_compressed_tiff_files_hold_the_pixels(codec: str, dtype: str) -> None:
    image = noise(1, (30, 40), dtype).pixels(0)
    data = CODECS[codec].encode(image)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert len(file.pages) == 1
        assert digest(file.asarray()) == digest(image)


def test_files_compressed_ahead_are_those_of_their_rows() -> None:
    images = noise(9)
    compressed = CompressedTiffs(images, CODECS["zstd-1"])
    for row in [*range(9), 4, 0, 8, 8]:
        with tifffile.TiffFile(io.BytesIO(compressed.file(row))) as file:
            assert digest(file.asarray()) == images.digests()[row]
        assert set(compressed._coming) <= set(range(row + 1, row + 1 + compressed._ahead))


def test_images_that_tiff_cannot_hold_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    images = ArrayImages([np.zeros((3, 4), np.complex64)])
    for format_, layout in LAYOUTS:
        if layout != "tiff" or "balanced" not in format_.variants[layout].split():
            continue
        if registry.why_not(StoreName(format_.name, layout, "balanced")):
            continue
        store = registry.find(StoreName(format_.name, layout, "balanced"))
        with pytest.raises(Unsupported, match="TIFF cannot hold complex64"):
            store.write(images, tmp_path / format_.name)
        assert not (tmp_path / format_.name).exists()
