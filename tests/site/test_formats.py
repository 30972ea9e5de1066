from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from platebench.results.metadata import (
    MetadataCell,
    MetadataFacts,
    StoreMetadata,
    as_record,
    sentence,
)
from platebench.results.report import figure, seconds
from platebench.site import formats
from platebench.site.formats import Module, module_of
from platebench.site.published import Published, published
from platebench.stores.name import StoreName
from platebench.stores.part_list import NAME
from platebench.stores.registry import FLOOR, FORMATS, Format
from tests.results.made_up_runs import failed, floor, run_file
from tests.site.made_up import reference

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Published:
    results = tmp_path_factory.mktemp("results")
    reference(results, rounds=1, image_sets=["raw-2"], stores=["floor:pixels:fast"])
    return published(results)[0]


@pytest.fixture(scope="module")
def made(run: Published) -> dict[str, str]:
    return pages(run)


def unnamed_tunings(format_: Format, says: str) -> set[str]:
    """Tunings missing from a docstring. A format with one store needs none."""
    if len(format_.stores) == 1:
        return set()
    tunings = {name.tuning for name in format_.stores}
    return {tuning for tuning in tunings if f"`{tuning}`" not in says}


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_every_format_and_tuning_has_a_description(format_: Format) -> None:
    says = module_of(format_).says
    assert len(says.split()) > 20
    assert not unnamed_tunings(format_, says)


def test_docstring_that_leaves_a_tuning_out_is_found() -> None:
    format_ = next(each for each in FORMATS if "small" in str(each.variants))
    says = module_of(format_).says.replace("`small`", "tiny")
    assert unnamed_tunings(format_, says) == {"small"}


def pages(run: Published, docs: Path = REPOSITORY / "docs") -> dict[str, str]:
    return formats.pages({"index.html": run}, docs, "Which?", "1.0")


def test_every_format_has_a_page_with_its_source_and_the_libraries_of_the_run(
    run: Published, made: dict[str, str]
) -> None:
    section = formats.section(run)
    for format_ in FORMATS:
        module = module_of(format_)
        page = made[formats.page_of(format_)]
        assert f'href="{formats.page_of(format_)}"' in section.html
        assert module.path in page
        assert section.files[module.copy] == (REPOSITORY / module.path).read_bytes()
        assert format_.document in page
        assert f"<h1>{formats.format_title(format_.name)}</h1>" in page
    assert f"pyarrow {run.info.libraries['pyarrow']}" in section.html
    assert "zarr (not installed)" in section.html
    assert "<li><code>fast</code>: uncompressed" in made["formats/parquet.html"]


def test_page_has_the_figures_of_each_store_with_interval_and_rank(tmp_path: Path) -> None:
    stores = [
        "floor:pixels:fast",
        "zarr:tensor:fast",
        "zarr:tensor:small",
        "tiff-files:tiff:default",
    ]
    reference(tmp_path, rounds=3, image_sets=["raw-8"], stores=stores)
    (run,) = published(tmp_path)
    page = unescape(pages(run)["formats/zarr.html"])
    for cell in run.cells:
        if (cell.operation, cell.cache, cell.format) == ("scan", "cold", "zarr"):
            assert f"{cell.layout}:{cell.tuning}</code>" in page
            assert seconds(cell.median_s / 8) in page
            assert f"rank {cell.rank}, {figure(cell.floor_ratio)}× a bare file" in page
    assert page.count("<svg") > 2, "the main chart's panel"
    assert "Nothing of it failed or was skipped" in page


def test_figures_of_two_machines_have_the_front_of_each(tmp_path: Path) -> None:
    stores = ["floor:pixels:fast", "zarr:tensor:fast", "tiff-files:tiff:default"]
    for machine in ("bench-pc", "other-pc"):
        reference(tmp_path, machine, rounds=1, image_sets=["raw-8"], stores=stores)
    runs = {f"{run.machine}.html": run for run in published(tmp_path)}
    page = formats.pages(runs, tmp_path, "Which?", "1.0")["formats/zarr.html"]
    fronts = re.findall(r'<g id="([^"]+)"', page)
    assert len(set(fronts)) == 2
    assert re.findall(r'<use href="#([^"]+)"', page) == fronts


def test_page_has_what_failed_as_limits(tmp_path: Path) -> None:
    wrong = [
        failed("<b>differs</b>", "zarr:tensor:fast"),
        failed("<b>differs</b>", "zarr:tensor:small"),
    ]
    run_file(tmp_path, [floor([1.0]), *wrong])
    (run,) = published(tmp_path)
    page = pages(run)["formats/zarr.html"]
    assert page.count("scan failed: &lt;b&gt;differs&lt;/b&gt;") == 1
    assert "<code>zarr:tensor:fast</code>, <code>zarr:tensor:small</code>" in page


def test_page_has_findings_and_the_recipe_of_every_layout(made: dict[str, str]) -> None:
    for format_ in FORMATS:
        page = unescape(made[formats.page_of(format_)])
        for finding in formats.findings_of(format_):
            assert f'href="../index.html#finding-{finding.name}"' in page
        recipes = formats.recipes_of(format_)
        assert [each.store.layout for each in recipes] == list(format_.variants)
        for recipe in recipes if format_.name != FLOOR.format else []:
            assert f"platebench pack DIR DEST --store {recipe.store}" in page
            assert all(text in page for text in recipe.reading.values())


def test_format_without_its_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platebench.stores.registry.missing", lambda *needs: ["zarr"])
    (format_,) = [each for each in FORMATS if each.name == "zarr"]
    formats._recipe.cache_clear()
    (recipe,) = formats.recipes_of(format_)
    formats._recipe.cache_clear()
    assert "zarr" in recipe.why_not
    assert not recipe.reading


def test_added_format_has_a_page(run: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    new = replace(FORMATS[1], name="new-db", title="NewDB", reviewed_by=("A. Maker, 2026-12-01",))
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, new))
    page = pages(run)["formats/new-db.html"]
    assert "Not measured in any published run" in page
    assert "Reviewed by A. Maker, 2026-12-01." in page


def test_who_reviewed_is_empty_and_leads_to_how_to_object(
    run: Published, made: dict[str, str], tmp_path: Path
) -> None:
    assert (
        "No maintainer of Parquet has reviewed these figures yet." in made["formats/parquet.html"]
    )
    assert 'href="../review.html"' in made["formats/parquet.html"]
    assert "Show the figure again" in made["review.html"]
    assert ".md" not in "".join(re.findall('href="([^"]+)"', made["review.html"]))
    without = pages(run, tmp_path)
    assert "review.html" not in without
    assert "review.html" not in without["formats/parquet.html"]


def test_formats_link_to_the_part_list_that_is_described(
    run: Published, made: dict[str, str]
) -> None:
    section = formats.section(run)
    assert 'id="part_list"' in section.html
    targets = [part.partition('"')[0] for part in section.html.split('href="')[1:]]
    assert all(target in section.files or target in made for target in targets)


def test_html_in_docstrings_is_escaped() -> None:
    module = Module("made_up", '"""<script>alert(1)</script> [here](javascript:alert(1))"""')
    assert "<script>" not in module.html
    assert "<a " not in module.html


def test_formats_say_who_keeps_their_versions(made: dict[str, str]) -> None:
    for format_ in FORMATS:
        said = "kept by the format" if format_.native_versions else f"kept by {NAME}"
        assert f"Versions: {said}." in unescape(made[formats.page_of(format_)])


def test_page_says_what_many_images_cost(run: Published, tmp_path: Path) -> None:
    cells = tuple(
        MetadataCell(16 * images, 20 * images, 1, 1.0, 0.01, 900 * images, 0.01, 99, 1.0, images)
        for images in (1_000, 3_000, 10_000)
    )
    many = [
        StoreMetadata(StoreName.parse("parquet:pixels:fast"), cells),
        StoreMetadata(StoreName.parse("zarr:tensor:fast"), (), "not measured"),
    ]
    record = as_record(many, MetadataFacts((1_000, 10_000), 60.0, "3.13.0", {}, "a disk"), "cmd")
    (tmp_path / "metadata.json").write_text(json.dumps(record))
    made = pages(run, tmp_path)
    assert sentence(many[0]) in unescape(made["formats/parquet.html"])
    assert "With many images" not in made["formats/zarr.html"]
    assert "With many images" not in pages(run, tmp_path / "none")["formats/parquet.html"]
