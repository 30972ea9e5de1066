"""The page has all findings, with their versions and commands."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platebench.findings.finding import Kind
from platebench.findings.registry import FINDINGS
from platebench.site.findings import KEPT, section

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def kept() -> list[dict[str, Any]]:
    return json.loads((DOCS / KEPT).read_text())


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


def test_page_has_every_finding_with_text_and_commands() -> None:
    text = text_of(section(DOCS).html)
    for finding in FINDINGS:
        for part in (finding.title, finding.happens, finding.instead, *finding.commands):
            assert part in text, finding.name


def test_findings_are_grouped_by_kind() -> None:
    headings = re.findall(r"<h3>(.*?)</h3>", section(DOCS).html)
    assert headings == [kind.value.capitalize() for kind in Kind]


def test_finding_has_its_versions(kept: list[dict[str, Any]]) -> None:
    text = text_of(section(DOCS).html)
    for record in kept:
        if record["facts"]:
            versions = ", ".join(f"{name} {of}" for name, of in record["versions"].items())
            assert f"Seen with {versions}" in text, record["name"]


def test_kept_results_match_the_current_findings(kept: list[dict[str, Any]]) -> None:
    assert [record["name"] for record in kept] == [finding.name for finding in FINDINGS]
    for record, finding in zip(kept, FINDINGS, strict=True):
        assert record["kind"] == finding.kind.value
        assert record["title"] == finding.title
        assert record["happens"] == finding.happens
        assert record["instead"] == finding.instead
        assert record["done"] == finding.done
        assert record["commands"] == finding.commands
        assert list(record["versions"]) == list(finding.libraries)


def test_kept_findings_hold(kept: list[dict[str, Any]]) -> None:
    for record, finding in zip(kept, FINDINGS, strict=True):
        assert record["holds"] is (True if finding.show else None), record["name"]
        assert bool(record["facts"]) == bool(finding.show), record["name"]


def test_kept_results_are_from_the_pinned_versions(kept: list[dict[str, Any]]) -> None:
    pins = set(re.findall(r"^([\w-]+==[\w.]+)", (ROOT / "constraints.txt").read_text(), re.M))
    seen = {f"{name}=={of}" for record in kept for name, of in record["versions"].items()}
    assert seen <= pins


def test_kept_findings_have_no_local_path(kept: list[dict[str, Any]]) -> None:
    assert "/tmp" not in json.dumps(kept)


def test_finding_without_kept_facts_says_so(tmp_path: Path) -> None:
    page = section(tmp_path)
    assert all(finding.happens in text_of(page.html) for finding in FINDINGS)
    assert "Not reproduced: no result is kept." in text_of(page.html)
    assert "<details>" not in page.html


def rewritten(folder: Path, change: Mapping[str, Any]) -> str:
    records = json.loads((DOCS / KEPT).read_text())
    records[0].update(change)
    (folder / KEPT).write_text(json.dumps(records))
    return section(folder).html


def test_finding_that_did_not_hold_has_its_versions(tmp_path: Path) -> None:
    text = text_of(rewritten(tmp_path, {"holds": False, "versions": {"lancedb": "0.99.0"}}))
    assert "It did not hold with lancedb 0.99.0." in text


def test_finding_that_was_not_reproduced_has_its_reason(tmp_path: Path) -> None:
    change = {"holds": None, "facts": {}, "why_not": "lancedb not installed here"}
    assert "Not reproduced: lancedb not installed here." in text_of(rewritten(tmp_path, change))


def test_messages_of_libraries_are_escaped(tmp_path: Path) -> None:
    page = rewritten(tmp_path, {"facts": {"read back": "<script>alert(1)</script>"}})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_headings_are_nested_and_ids_unique() -> None:
    page = section(DOCS).html
    identifiers = re.findall(r'id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers)) == len(FINDINGS)
    assert re.findall(r"<h(\d)", page)[0] == "3"
    assert set(re.findall(r"<h(\d)", page)) == {"3", "4"}
