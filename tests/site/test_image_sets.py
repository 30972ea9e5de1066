from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Unsupported
from platebench.site import file_trees as trees_module
from platebench.site.file_trees import StoredAs, TreeLine, file_trees, shortened, tree
from platebench.site.image_sets import (
    LEVELS,
    compression,
    entropy,
    profiles_in,
    section,
    show,
)
from platebench.site.published import Published, published
from platebench.stores.name import StoreName
from platebench.timing.workspace import Workspace
from tests.conftest import ArrayImages
from tests.results.made_up_runs import ok, run_file
from tests.site.made_up import reference

STORES = [
    StoreName.parse(name)
    for name in (
        "floor:pixels:fast",
        "parquet:pixels:fast",
        "lancedb:pixels:fast",
        "zarr:tensor:default",
    )
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Published:
    results = tmp_path_factory.mktemp("results")
    reference(results, image_sets=["raw-2", "ic-128", "raw16-2"], stores=STORES, rounds=1)
    return published(results)[0]


def test_images_of_every_profile_that_was_measured_are_shown_in_words_and_pictures(
    run: Published, workspace: Workspace
) -> None:
    html = section(run, workspace).html
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', html)
    assert len(pictures) == 6
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture, _ in pictures)
    assert len({alt for _, alt in pictures}) == 6
    assert len(html) < 250_000


def test_histogram_has_a_line_of_all_levels_for_every_profile(
    run: Published, workspace: Workspace
) -> None:
    html = section(run, workspace).html
    lines = dict(re.findall(r'class="levels (\w+)"><path d="([^"]+)"', html))
    assert set(lines) == {"raw", "ic", "raw16"}
    assert {path.count("L") + 1 for path in lines.values()} == {2 * LEVELS}
    shown = show(workspace.images("raw-2"), "raw")
    assert shown.levels.sum() == workspace.images("raw-2").pixel_bytes


def test_entropy_and_compression_are_those_of_the_pixels() -> None:
    halves = np.zeros((32, 32), np.uint8)
    halves[16:] = 255
    shown = show(ArrayImages([halves]), "raw")
    assert shown.entropy == pytest.approx(1.0)
    assert shown.counts.sum() == halves.size
    assert all(ratio > 5 for ratio in shown.ratios.values())


def test_twelve_bits_are_counted_whole_and_shown_as_256_levels() -> None:
    images = ArrayImages([np.arange(4096, dtype=np.uint16).reshape(64, 64)])
    shown = show(images, "raw16")
    assert shown.entropy == pytest.approx(12)
    assert shown.counts.tolist() == [1] * 4096
    assert shown.levels.tolist() == [16] * 256


def test_entropy_is_that_of_what_is_known_beforehand() -> None:
    assert entropy(np.array([8, 0, 0])) == 0
    assert entropy(np.full(256, 3)) == pytest.approx(8)


def test_noise_cannot_be_compressed() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
    assert compression([noise], "zstd", 9) == pytest.approx(1, abs=0.05)


def test_files_of_each_store_that_was_measured_are_listed_with_their_bytes(
    run: Published, workspace: Workspace
) -> None:
    images = workspace.images("raw-2")
    formats = file_trees(STORES, images, workspace)
    assert [each.format for each in formats] == ["floor", "parquet", "lancedb", "zarr"]
    for each in formats:
        for store in each.stores:
            sizes = [line.size for line in store.lines if line.size is not None]
            assert sum(sizes) == store.total_bytes > 0
            assert store.text in section(run, workspace).html


def test_no_random_name_is_shown(workspace: Workspace) -> None:
    images = workspace.images("raw-2")
    names = [
        line.name
        for format_ in file_trees(STORES, images, workspace)
        for store in format_.stores
        for line in store.lines
    ]
    assert not any(re.search("[0-9a-f]{24}", name) for name in names)
    assert any(name.startswith("….") for name in names)


def test_name_without_a_random_part_stays_whole() -> None:
    assert shortened("18446744073709551614.manifest") == "18446744073709551614.manifest"
    assert shortened("0-96cc1bf3-7241-4df1-9499-bb42c184f60a.txn") == "0-….txn"
    assert shortened("c2eef2ea297e4c9591e461149585a5b0.parquet") == "….parquet"


def test_file_tree_of_a_one_file_store(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(1500))
    assert list(tree(tmp_path / "data")) == [TreeLine(0, "data", 1500)]
    assert StoredAs("some", list(tree(tmp_path / "data")), 1500).text == "data  1,500"


def test_tree_has_folders_first_and_one_line_for_folders_in_folders(tmp_path: Path) -> None:
    for name in ("a.txt", "deep/er/b.bin"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    assert list(tree(tmp_path)) == [
        TreeLine(0, "deep/er/", None),
        TreeLine(1, "b.bin", 5),
        TreeLine(0, "a.txt", 5),
    ]
    lines = StoredAs("some", list(tree(tmp_path)), 10).text.splitlines()
    assert lines[0] == "deep/er/"
    assert lines[1].split() == ["b.bin", "5"]
    assert len(lines[1]) == len(lines[2])


def test_store_that_cannot_be_written_here_says_why(
    run: Published, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise Unsupported("zarr is not installed")

    monkeypatch.setattr(trees_module.registry, "find", missing)
    html = section(run, workspace).html
    assert html.count("Not written here: zarr is not installed.") == len(STORES)


def test_images_of_a_user_are_named_but_not_shown(tmp_path: Path) -> None:
    run_file(tmp_path, [ok([0.1], image_set="mine-abc123")], images=["mine-abc123"])
    run = published(tmp_path)[0]
    made = section(run, Workspace(tmp_path / "work"))
    assert profiles_in(run) == []
    assert "mine-abc123: of a user's own files" in made.html
    assert "<img" not in made.html
    assert "histogram" not in made.html
    assert not (tmp_path / "work").exists()


def test_run_without_cells_shows_images_and_no_files(run: Published, workspace: Workspace) -> None:
    html = section(replace(run, cells=[], records=[]), workspace).html
    assert "<img" in html
    assert "<pre" not in html


def test_sets_of_sites_are_described_in_words(tmp_path: Path) -> None:
    sets = ["channels-60", "crops-9"]
    run_file(tmp_path, [ok([0.1], image_set=each) for each in sets], images=sets)
    run = published(tmp_path)[0]
    made = section(run, Workspace(tmp_path / "work"))
    assert "<code>channels-60</code> are sites of five channels" in made.html
    assert "<code>crops-9</code> are cells in five channels" in made.html
    assert not (tmp_path / "work").exists(), "nothing is drawn for it"
