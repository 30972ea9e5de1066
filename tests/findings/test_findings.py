"""Every finding holds with the installed libraries, and is documented completely."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.findings.dataset import CountingFile, noise
from platebench.findings.finding import Finding
from platebench.findings.registry import FINDINGS, findings_named
from platebench.findings.run import run_finding

SOURCES = Path(__file__).parents[2] / "src" / "platebench" / "findings"
NO_FINDING = {"__init__", "commands", "finding", "dataset", "printed", "registry", "run"}


@pytest.mark.parametrize(
    "finding", [each for each in FINDINGS if each.show], ids=lambda finding: finding.name
)
def test_finding_holds_with_the_installed_libraries(finding: Finding) -> None:
    shown = run_finding(finding)
    assert shown.holds, shown.why_not or shown.facts


def test_findings_have_description_workaround_and_command() -> None:
    for finding in FINDINGS:
        assert finding.happens.endswith("."), finding.name
        assert finding.instead.endswith("."), finding.name
        assert finding.libraries, finding.name
        assert finding.commands, finding.name
        assert bool(finding.show) == bool(finding.done), finding.name


def test_titles_fit_one_line_without_a_full_stop() -> None:
    for finding in FINDINGS:
        assert len(finding.title) <= 88, finding.name
        assert not finding.title.endswith("."), finding.name


def test_every_file_is_registered_under_its_name() -> None:
    files = {path.stem for path in SOURCES.glob("*.py")} - NO_FINDING
    assert {finding.name.replace("-", "_") for finding in FINDINGS} == files
    assert len(FINDINGS) == len(files)


def test_findings_are_grouped_by_kind() -> None:
    kinds = [kind for kind, _ in groupby(FINDINGS, key=lambda finding: finding.kind)]
    assert len(kinds) == len(set(kinds))


def test_source_address_matches_its_label() -> None:
    for finding in FINDINGS:
        for source in finding.sources:
            number = re.search(r"#(\d+)$", source.says)
            assert source.address.startswith("https://github.com/"), source
            assert number is None or source.address.endswith(f"/{number[1]}"), source


def test_facts_contain_no_times_and_no_local_paths() -> None:
    for finding in findings_named(["lancedb-nested-lists", "zarr-guessed-chunks"]):
        for label, fact in run_finding(finding).facts.items():
            assert not isinstance(fact, float), label
            assert "platebench-" not in str(fact), label


def test_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no-such: no such finding"):
        findings_named(["zarr-guessed-chunks", "no-such"])


def test_noise_is_reproducible_and_uses_all_values() -> None:
    assert (noise(2) == noise(2)).all()
    assert len(set(noise(2).ravel().tolist())) == 256


def test_counting_file_counts_bytes_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    with CountingFile(path) as file:
        file.read(100)
        file.readinto(bytearray(50))
        assert file.bytes_read == 150
        file.read()
        assert file.bytes_read == 1000
