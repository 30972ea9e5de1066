"""Write the README's figure, and the texts with numbers in README.md and docs/, from results/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import vl_convert

from platebench.atomic_files import write_whole
from platebench.errors import UserError
from platebench.results.advice import Basis
from platebench.results.answer import answers
from platebench.results.kept_figures import kept_text
from platebench.results.needs import Needs
from platebench.results.questions import COLD_TAKE, TAKE, headline_image_set, of_image_set
from platebench.results.records import RecordFile, RunInfo, record_files
from platebench.results.ten_lines import ten_lines
from platebench.results.tidy import CellResult, tidy
from platebench.running.selfcheck import kept
from platebench.site.drawing.default_and_fast import default_and_fast
from platebench.site.lessons import first_measured, lessons
from platebench.site.sentences import (
    FIGURE,
    answers_text,
    first_screen,
    selfcheck_text,
    talk_text,
)
from platebench.site.then_and_now import talks_in

KEPT = "src/platebench/results/kept_figures.json"
README, RESULTS, COMPARE, TALK = "README.md", "docs/results.md", "docs/compare.md", "docs/talk.md"


def figures(checkout: Path) -> list[Path]:
    """Write the figure and the text between the markers of each document; return the files.

    Raises UserError, and writes nothing, if results/ holds no reference run, or a document or a
    marker is missing, or a marker is doubled.
    """
    made = _made(checkout)
    for file, text in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    return list(made)


def current(checkout: Path) -> list[Path]:
    """Return the files that differ from what results/ gives; none if all are current."""
    made = _made(checkout)
    return [file for file, text in made.items() if not file.exists() or file.read_text() != text]


def between(name: str, document: str, marker: str, text: str) -> str:
    """Return the document called `name` with `text` between the marker's two comments.

    Raises UserError unless the document has each comment once, in order.
    """
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    for each in (begin, end):
        if document.count(each) != 1:
            said = "is missing" if each not in document else "is there more than once"
            raise UserError(f"{name}: {each.strip()} {said}; give it one line")
    before, _, rest = document.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise UserError(f"{name}: {end} comes before {begin.strip()}; put it after")
    return f"{before}{begin}{text}{end}{after}"


def reference_run(results: Path) -> RecordFile | None:
    """Return the newest finished reference run, None if there is none.

    Other runs never change the documents.
    """
    files = [
        file
        for file in record_files(results)
        if "reference" in file.info().settings and file.finished
    ]
    return files[-1] if files else None


def _made(checkout: Path) -> dict[Path, str]:
    """Return the text of every file that results/ and docs/then_and_now.json determine."""
    results = checkout / "results"
    run = reference_run(results)
    if run is None:
        raise UserError(
            f"{results}: no finished reference run; 'platebench reference run' makes one,"
            " 'platebench reference keep' keeps it"
        )
    cells = tidy(run)
    found = answers(cells)
    mine = of_image_set(cells, headline_image_set(cells))
    drawn = _svg(mine)
    if found is None or drawn is None:
        raise UserError(f"{run.file}: fewer than two formats have a time with both tunings")
    info = run.info()
    texts = {
        (README, "found"): first_screen(found, lessons(mine), info),
        (README, "report"): _indented(ten_lines(cells)),
        (RESULTS, "answers"): answers_text(found, info),
        (COMPARE, "selfcheck"): selfcheck_text(kept(results, info.machine)),
        (TALK, "talk"): talk_text(talks_in(checkout / "docs")),
    }
    return {
        checkout / FIGURE: drawn,
        checkout / KEPT: _kept(mine, info),
        **_documents(checkout, texts),
    }


def _documents(checkout: Path, texts: Mapping[tuple[str, str], str]) -> dict[Path, str]:
    """Return the documents with these texts, by document and marker, between their markers."""
    made: dict[Path, str] = {}
    for (name, marker), text in texts.items():
        file = checkout / name
        if not file.is_file():
            raise UserError(f"{name}: no such file; git has it: 'git checkout -- {name}'")
        made[file] = between(name, made.get(file) or file.read_text(), marker, text)
    return made


def _kept(cells: Sequence[CellResult], info: RunInfo) -> str:
    """Return the figures by which `platebench pack` chooses a store."""
    basis = Basis(cells)
    return kept_text(info.started[:10], cells[0].image_set, Needs(), basis.figures, basis.pair)


def _indented(lines: Sequence[str]) -> str:
    """Return lines as a code block in Markdown."""
    return "".join(f"    {line}\n" for line in lines)


def _svg(cells: Sequence[CellResult]) -> str | None:
    """Return the figure as SVG: each format's default settings and its fast ones."""
    question = first_measured(cells, (COLD_TAKE, TAKE))
    chart = None if question is None else default_and_fast(cells, question)
    if chart is None:
        return None
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return f"{drawn.rstrip()}\n"
