"""The page has the talk's claims over library versions, as kept in docs/."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
import vl_convert

from platebench.errors import UserError
from platebench.results.report import figure
from platebench.site.then_and_now import KEPT, ratios, reads, section, talks_in
from platebench.talk.charts import TALK
from platebench.talk.claims import CLAIMS, as_chart, claim_rows, facts_of

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


def test_both_charts_fit_the_page_and_can_be_drawn() -> None:
    made = section(DOCS)
    assert made is not None
    assert list(made.charts) == ["then-reads", "then-ratio"]
    for name, spec in made.charts.items():
        assert f'<div id="{name}"></div>' in made.html
        assert spec["width"] == "container"
        drawn = vl_convert.vegalite_to_svg(dict(spec))
        assert "today:" in drawn, "an age's name is broken before its libraries"


def test_tables_hold_the_kept_figures() -> None:
    talks = talks_in(DOCS)
    by_age = {row[0]: row[1] for row in ratios(talks).rows}
    assert len(by_age) == len(talks) + 1
    for row, talk in zip(list(by_age.values())[1:], talks.values(), strict=True):
        assert row == figure(facts_of(talk)[6]["ratio"])
    assert [row[0] for row in reads(talks).rows[:3]] == [TALK] * 3
    assert len(reads(talks).rows) == 3 * len(by_age)


def test_bars_are_quartiles_and_the_talk_has_none() -> None:
    first, *others = ratios(talks_in(DOCS)).rows
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


def test_page_and_the_talks_chart_show_the_same_figures() -> None:
    talks = talks_in(DOCS)
    left, right = as_chart(talks).to_dict()["hconcat"]
    for mine, drawing, key in ((left, reads(talks), "ms"), (right, ratios(talks), "times")):
        drawn = drawing.chart.to_dict()
        assert encodings(mine) == encodings(drawn)
        shown = {row[key] for rows in drawn["datasets"].values() for row in rows}
        kept = as_chart(talks).to_dict()["datasets"]
        assert shown <= {row[key] for rows in kept.values() for row in rows if key in row}


def encodings(chart: dict) -> list[dict]:
    """The channels of each layer, without tooltips."""
    return [
        {name: each for name, each in layer["encoding"].items() if name != "tooltip"}
        for layer in chart["layer"]
    ]
