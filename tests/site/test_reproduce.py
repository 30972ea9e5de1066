"""Limits, other machines, how to measure again, and how to cite."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from platebench.site.published import Published, published
from platebench.site.reproduce import cited, section
from tests.scratch_checkout import REPOSITORY
from tests.site.made_up import reference

STORES = ("floor:pixels:fast", "parquet:pixels:fast", "tiff-files:tiff:default")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Published]:
    results = tmp_path_factory.mktemp("results")
    for machine in ("bench-pc", "other-pc"):
        reference(results, machine, image_sets=["raw-8"], rounds=2, stores=STORES)
    return published(results)


def words(run: Published, runs: list[Published]) -> str:
    return unescape(" ".join(section(run, runs, REPOSITORY).html.split()))


def test_commands_are_those_of_the_run(runs: list[Published]) -> None:
    first = runs[0]
    said = words(first, runs)
    assert f"git checkout {first.info.commit[:12]} make install PYTHON=python3.11 " in said
    assert "platebench run platebench report" in said
    settings = {"reference": {"parts": [], "left_out": []}}
    named = replace(first, info=replace(first.info, settings=settings))
    assert "platebench reference run # --help" in words(named, runs)
    assert "<code>platebench findings --all</code>" in said


def test_second_machine_is_shown_beside_the_first(runs: list[Published]) -> None:
    said = words(runs[0], runs)
    assert '<th scope="col">bench-pc</th>' in said
    assert '<th scope="col">other-pc</th>' in said
    assert said.count("Parquet, raw bytes, tuned for speed") >= 4
    assert "TIFF folder: 1." in said
    assert "Other machines" not in words(runs[0], runs[:1])


def test_limits_say_what_was_not_the_newest_and_that_the_machine_was_busy(
    runs: list[Published],
) -> None:
    facts = {"cores": 2, "busy_cores": 1.9, "load": [2.0, 2.0, 2.0]}
    info = replace(runs[0].info, newest={"pyarrow": "99.0.0"}, machine_facts=facts)
    said = words(replace(runs[0], info=info), runs)
    assert "pyarrow 99.0.0 (measured: 23.0.0)" in said
    assert "The machine had other work when the run began (1.9 of 2 cores)" in said


def test_citation_is_that_of_the_checkout(runs: list[Published], tmp_path: Path) -> None:
    found = cited(REPOSITORY)
    assert found is not None
    assert (found.version, found.licence) == ("0.1.0", "BSD-3-Clause")
    assert found.title.startswith("platebench: ")
    said = words(runs[0], runs)
    assert f"title = {{{found.title}}}," in said
    assert "author = {{The platebench developers}}," in said
    assert cited(tmp_path) is None
    assert "@software" not in section(runs[0], runs, tmp_path).html
