"""Every finding is so on the libraries installed here, and is written down as it was seen."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.findings.dataset import CountingFile, noise
from platebench.findings.finding import Finding
from platebench.findings.registry import FINDINGS, findings_named
from platebench.findings.run import show

SOURCES = Path(__file__).parents[2] / "src" / "platebench" / "findings"
NO_FINDING = {"__init__", "commands", "finding", "dataset", "printed", "registry", "run"}


@pytest.mark.parametrize(
    "finding", [each for each in FINDINGS if each.show], ids=lambda finding: finding.name
)
def test_a_finding_is_so_on_the_libraries_installed_here(finding: Finding) -> None:
    shown = show(finding)
    assert shown.holds, shown.why_not or shown.facts


def test_every_finding_says_what_happens_what_to_do_instead_and_how_to_see_it_again() -> None:
    for finding in FINDINGS:
        assert finding.happens.endswith("."), finding.name
        assert finding.instead.endswith("."), finding.name
        assert finding.libraries, finding.name
        assert finding.commands, finding.name
        assert bool(finding.show) == bool(finding.done), finding.name


def test_titles_fit_a_line_and_name_no_end() -> None:
    for finding in FINDINGS:
        assert len(finding.title) <= 88, finding.name
        assert not finding.title.endswith("."), finding.name


def test_names_are_those_of_the_files_and_no_file_is_forgotten() -> None:
    files = {path.stem for path in SOURCES.glob("*.py")} - NO_FINDING
    assert {finding.name.replace("-", "_") for finding in FINDINGS} == files
    assert len(FINDINGS) == len(files)


def test_findings_of_a_kind_stand_together() -> None:
    kinds = [kind for kind, _ in groupby(FINDINGS, key=lambda finding: finding.kind)]
    assert len(kinds) == len(set(kinds))


def test_a_source_is_an_address_of_the_issue_it_names() -> None:
    for finding in FINDINGS:
        for source in finding.sources:
            number = re.search(r"#(\d+)$", source.says)
            assert source.address.startswith("https://github.com/"), source
            assert number is None or source.address.endswith(f"/{number[1]}"), source


def test_what_is_seen_holds_no_time_and_no_folder_of_this_machine() -> None:
    for finding in findings_named(["lancedb-nested-lists", "zarr-guessed-chunks"]):
        for label, fact in show(finding).facts.items():
            assert not isinstance(fact, float), label
            assert "platebench-" not in str(fact), label


def test_a_name_that_is_none_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match="no-such: no such finding"):
        findings_named(["zarr-guessed-chunks", "no-such"])


def test_noise_is_the_same_each_time_and_of_all_values() -> None:
    assert (noise(2) == noise(2)).all()
    assert len(set(noise(2).ravel().tolist())) == 256


def test_a_counting_file_counts_what_is_read_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    with CountingFile(path) as file:
        file.read(100)
        file.readinto(bytearray(50))
        assert file.bytes_read == 150
        file.read()
        assert file.bytes_read == 1000
