"""Write the README's figure and its sentences with numbers, from results/."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import vl_convert

from platebench.atomic_files import write_whole
from platebench.errors import UserError
from platebench.results.answer import LAB, Answers, Fastest, Smallest, answers
from platebench.results.questions import (
    COLD_TAKE,
    QUESTIONS,
    TAKE,
    headline_image_set,
    of_image_set,
)
from platebench.results.records import RecordFile, record_files
from platebench.results.report import figure
from platebench.results.store_words import in_words
from platebench.results.tidy import CellResult, tidy
from platebench.running.selfcheck import SelfCheck, kept
from platebench.site.drawing.default_and_fast import default_and_fast
from platebench.site.lessons import first_measured, lessons

README = "README.md"
FIGURE = "docs/figures/default-and-fast.svg"
ALT = (
    "A chart of each format: milliseconds to read 16 single images, with its default settings and"
    " with those chosen for single images"
)
FOUND, SELFCHECK = "found", "selfcheck"
WIDTH = 100
"""Characters in a line of the README."""

TOO_NOISY = "\nA figure outside its limit: this machine is too noisy to detect so small a change.\n"

NAMED = 2
"""The number of tied stores that are named; others are counted."""


def figures(checkout: Path) -> list[Path]:
    """Write the README's figure and the text between its markers; return the written files.

    Raises UserError, and writes nothing, if results/ holds no reference run, or a marker is missing
    or doubled.
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


def between(readme: str, marker: str, text: str) -> str:
    """Return the README with `text` between the marker's two comments.

    Raises UserError unless the README has each comment once, in order.
    """
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    for each in (begin, end):
        if readme.count(each) != 1:
            said = "is missing" if each not in readme else "is there more than once"
            raise UserError(f"{README}: {each.strip()} {said}; give it one line")
    before, _, rest = readme.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise UserError(f"{README}: {end} comes before {begin.strip()}; put it after")
    return f"{before}{begin}{text}{end}{after}"


def reference_run(results: Path) -> RecordFile | None:
    """Return the newest finished reference run, None if there is none.

    Other runs never change the README.
    """
    files = [
        file
        for file in record_files(results)
        if "reference" in file.info().settings and file.finished
    ]
    return files[-1] if files else None


def found_text(found: Answers, learned: Sequence[str] = ()) -> str:
    """Return the sentences to remember, the figure and the findings, as Markdown."""
    begins = "".join(f"{_wrapped(each)}\n\n" for each in learned)
    points = "\n".join(_point(each) for each in findings(found))
    return f"{begins}![{ALT}]({FIGURE})\n\n{_wrapped(introduction(found))}\n\n{points}\n"


def introduction(found: Answers) -> str:
    """Return what was measured, and how the figures are to be read."""
    count = "" if found.count is None else f"{found.count:,} images, "
    said = (
        f"Measured on {count}`{found.images}`. Times are relative to one bare file with the same"
        " bytes (the floor)"
    )
    if found.one_round:
        return f"{said}. There was one round, so the order of stores is not reliable."
    return (
        f"{said}; brackets hold a 95% interval for a repeat run. Stores tie if a repeat run may"
        " show the other order."
    )


def findings(found: Answers) -> list[str]:
    """Return a finding per question, then the smallest store, then a lab's folder of TIFF files."""
    return [
        *(_fastest(each) for each in found.fastest),
        *([] if found.smallest is None else [_smallest(found.smallest)]),
        *_lab(found),
    ]


def selfcheck_text(found: SelfCheck | None) -> str:
    """Return how small a change the machine detects, as a Markdown table; nothing for None."""
    if found is None:
        return ""
    rows = [
        ("test", "limit", "measured"),
        ("---", "---", "---"),
        *((each.what, each.asked, f"{each.measured:.1%}") for each in found.findings),
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    said = (
        f"Measured on the reference machine, {found.cells} cells in {found.rounds} rounds. The"
        f" ratio of two processes side by side varies by {found.pair_noise:.0%} (one standard"
        " deviation)."
    )
    return f"{_wrapped(said)}\n\n{table}{'' if found.met else TOO_NOISY}"


def _made(checkout: Path) -> dict[Path, str]:
    """Return the text of every file that results/ determines."""
    results, readme = checkout / "results", checkout / README
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
    text = between(readme.read_text(), FOUND, found_text(found, lessons(mine)))
    told = selfcheck_text(kept(results, run.info().machine))
    return {checkout / FIGURE: drawn, readme: between(text, SELFCHECK, told)}


def _svg(cells: Sequence[CellResult]) -> str | None:
    """Return the figure as SVG: each format's default settings and its fast ones."""
    question = first_measured(cells, (COLD_TAKE, TAKE))
    chart = None if question is None else default_and_fast(cells, question)
    if chart is None:
        return None
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return f"{drawn.rstrip()}\n"


def _fastest(answer: Fastest) -> str:
    """Return the finding, the number, its interval, and the ties."""
    times = "" if answer.of_floor is None else f", {answer.of_floor} times a bare file"
    return f"{answer.question.asked.finding}: {_store(answer.best)}{times}.{_tie(answer.tied)}"


def _smallest(answer: Smallest) -> str:
    size = figure(answer.best.bytes_per_pixel_byte)
    said = f"Smallest: {_store(answer.best)}, {size} of the raw size."
    if answer.tied:
        said += f" {_names(answer.tied)} {_are(answer.tied)} within 1% of it."
    if answer.speed_range is not None:
        said += f" Their times for random reads differ by a factor of {figure(answer.speed_range)}."
    return said


def _lab(found: Answers) -> list[str]:
    """Return a lab's folder of TIFF files relative to the best, if it was measured."""
    parts = [
        f"{answer.lab_takes} times as long to {question.words}"
        for question in QUESTIONS
        if (answer := found.to(question)) is not None and answer.lab_takes is not None
    ]
    if found.smallest is not None and found.smallest.lab_takes is not None:
        parts.append(f"{found.smallest.lab_takes} times the bytes of the smallest store")
    if not parts:
        return []
    takes = "; ".join(parts)
    return [f"A folder of TIFF files (`{LAB}`), relative to the best store, takes: {takes}."]


def _store(cell: CellResult) -> str:
    return f"{in_words(cell.store)} (`{cell.store}`)"


def _tie(cells: Sequence[CellResult]) -> str:
    return f" {_names(cells)} {'ties' if len(cells) == 1 else 'tie'} with it." if cells else ""


def _are(cells: Sequence[CellResult]) -> str:
    return "is" if len(cells) == 1 else "are"


def _names(cells: Sequence[CellResult]) -> str:
    """Return the first stores by name, and the number of others."""
    named = [f"`{cell.store}`" for cell in cells[:NAMED]]
    more = len(cells) - len(named)
    return _listed([*named, *([f"{more} more"] if more else [])])


def _listed(parts: Sequence[str]) -> str:
    """Return parts as a sentence lists them; nothing for none."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _point(text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)
