"""The page has the talk's claims over library versions, as kept in docs/."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.report import figure
from platebench.site.then_and_now import DRAWING, KEPT, ratios, reads, section, talks_in
from platebench.talk.charts import TALK
from platebench.talk.claims import CLAIMS, claim_rows, facts_of

DOCS = Path(__file__).parents[2] / "docs"


def test_every_claim_is_shown_by_age() -> None:
    made = section(DOCS)
    assert made is not None
    said = html.unescape(made.html)
    rows = claim_rows(talks_in(DOCS))
    assert len(rows) == len(CLAIMS)
    for row in rows:
        for text in row.values():
            assert f">{text}<" in said


def test_drawing_of_the_talk_is_beside_the_page_and_folded() -> None:
    made = section(DOCS)
    assert made is not None
    assert made.files == {DRAWING: (DOCS / DRAWING).read_bytes()}
    assert f'src="{DRAWING}"' in made.html.partition("<details>")[2]


def test_without_a_drawing_there_are_tables_only(tmp_path: Path) -> None:
    (tmp_path / KEPT).write_text((DOCS / KEPT).read_text())
    made = section(tmp_path)
    assert made is not None
    assert not made.files
    assert "<img" not in made.html
    assert made.html.count("<table>") == 3


def test_tables_hold_the_kept_figures() -> None:
    talks = talks_in(DOCS)
    by_age = {row[0]: row[1] for row in ratios(talks)}
    assert len(by_age) == len(talks) + 1
    for row, talk in zip(list(by_age.values())[1:], talks.values(), strict=True):
        assert row == figure(facts_of(talk)[6]["ratio"])
    assert [row[0] for row in reads(talks)[:3]] == [TALK] * 3
    assert len(reads(talks)) == 3 * len(by_age)


def test_bars_are_quartiles_and_the_talk_has_none() -> None:
    first, *others = ratios(talks_in(DOCS))
    assert first[2] == ""
    assert all(re.fullmatch(r"[\d.]+ to [\d.]+", row[2]) for row in others)


def test_without_kept_figures_there_is_no_section(tmp_path: Path) -> None:
    assert section(tmp_path) is None
    (tmp_path / KEPT).write_text("{}")
    assert section(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", '{"then": {}}', '{"then": 3}'])
def test_file_with_other_content_is_refused_in_one_line(tmp_path, content) -> None:
    (tmp_path / KEPT).write_text(content)
    with pytest.raises(UserError) as raised:
        section(tmp_path)
    assert str(tmp_path / KEPT) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_markup_in_a_talk_is_escaped(tmp_path: Path) -> None:
    kept = json.loads((DOCS / KEPT).read_text())
    kept["then"]["libraries"]["lancedb"] = "<b>0.14</b>"
    (tmp_path / KEPT).write_text(json.dumps(kept))
    made = section(tmp_path)
    assert made is not None
    assert "<b>" not in made.html
