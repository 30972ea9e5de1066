"""The claims of the talk are shown as a table and a chart over library versions."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from platebench.talk.claims import CLAIMS, TALK, as_markdown, as_table, claim_rows, save_chart
from platebench.talk.dataset import Dataset
from platebench.talk.outcome import Talk
from platebench.talk.steps import give_talk


@pytest.fixture
def talks(small: Dataset, tmp_path: Path) -> dict[str, Talk]:
    given = give_talk(small, tmp_path / "given")
    return {"then": given, "today": given}


def test_talk_round_trips_through_json(talks: dict[str, Talk]) -> None:
    assert Talk.from_json(asdict(talks["today"])) == talks["today"]


def test_claims_are_shown_for_every_environment_in_table_markdown_and_chart(
    talks: dict[str, Talk], tmp_path: Path
) -> None:
    rows = claim_rows(talks)
    assert len(rows) == len(CLAIMS)
    assert list(rows[0])[2] == TALK
    assert all(all(row.values()) for row in rows)
    assert as_markdown(talks).count("\n") == len(CLAIMS) + 2

    console = Console(width=80, record=True, file=io.StringIO())
    console.print(as_table(talks))
    printed = console.export_text()
    assert "feels fast!" in printed
    assert max(map(len, printed.splitlines())) <= 80

    save_chart(talks, tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text()
    assert drawn.startswith("<svg")
    assert "milliseconds" in drawn
    assert [file.name for file in tmp_path.glob("chart*")] == ["chart.svg"]
