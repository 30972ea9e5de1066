from __future__ import annotations

from pathlib import Path

import pytest

from platebench.site import formats
from platebench.site.formats import Module, module_of
from platebench.site.published import Published, published
from platebench.stores.registry import FORMATS, Format
from tests.site.made_up import reference

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Published:
    reference(tmp_path, rounds=1, image_sets=["raw-2"], stores=["floor:pixels:fast"])
    return published(tmp_path)[0]


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


def test_every_format_is_described_with_its_source_and_the_libraries_of_the_run(
    run: Published,
) -> None:
    section = formats.section(run)
    for format_ in FORMATS:
        module = module_of(format_)
        assert f'id="format-{format_.name}"' in section.html
        assert module.path in section.html
        assert section.files[module.copy] == (REPOSITORY / module.path).read_bytes()
    assert f"pyarrow {run.info.libraries['pyarrow']}" in section.html
    assert "zarr (not installed)" in section.html


def test_internal_links_have_a_target(run: Published) -> None:
    section = formats.section(run)
    targets = [part.partition('"')[0] for part in section.html.split('href="')[1:]]
    assert targets
    for target in targets:
        assert target in section.files or f'id="{target.removeprefix("#")}"' in section.html


def test_lists_in_a_docstring_become_lists(run: Published) -> None:
    assert "<li><code>fast</code>: uncompressed" in formats.section(run).html


def test_html_in_docstrings_is_escaped() -> None:
    module = Module("made_up", '"""<script>alert(1)</script> [here](javascript:alert(1))"""')
    assert "<script>" not in module.html
    assert "<a " not in module.html


def test_formats_whose_versions_are_not_their_own_say_where_they_come_from(run: Published) -> None:
    html = formats.section(run).html
    own = [format_.name for format_ in FORMATS if format_.native_versions]
    assert html.count("Versions:\nnative") == len(own)
    assert html.count('href="#part_list"') == len(FORMATS) - len(own)
