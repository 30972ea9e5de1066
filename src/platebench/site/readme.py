"""The README's figure and the sentences in it that hold numbers, made from results/."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import vl_convert

from platebench.errors import UserError
from platebench.ownership import write_whole
from platebench.results.records import RecordFile, record_files
from platebench.results.report import figure
from platebench.results.tidy import CellResult, tidy
from platebench.running.selfcheck import SelfCheck, kept
from platebench.site.answers import LAB, Answers, Quickest, answers
from platebench.site.chosen import (
    APPEND,
    OLD,
    SCAN,
    TAKE,
    WRITE,
    Question,
    headline_image_set,
    of_images,
)
from platebench.site.drawing.size_and_speed import picture

README = "README.md"
FIGURE = "docs/figures/size-and-speed.svg"
ALT = (
    "Two charts of every store: bytes a byte of pixels, against times the floor; of reading 16"
    " scattered images, and of reading every image in order"
)
FOUND, SELFCHECK = "found", "selfcheck"
WIDTH = 100
"""Of a line of the README."""

TOO_NOISY = (
    "\nWhere a figure is not as asked, the machine is too noisy to tell a difference so small.\n"
)

NAMED = 2
"""How many stores are named beside the quickest, before the rest are counted."""

CLAUSES: Mapping[Question, str] = {
    TAKE: "16 taken at random are read soonest from",
    SCAN: "all are read in order soonest from",
    WRITE: "all are written soonest to",
    APPEND: "a version is added soonest to",
    OLD: "an old version is opened soonest in",
}


def figures(checkout: Path) -> list[Path]:
    """Write the README's figure and what stands between its markers; return what was written.

    Raises UserError when results/ hold no run, or a marker is missing or doubled; nothing is
    written then.
    """
    made = _made(checkout)
    for file, text in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    return list(made)


def current(checkout: Path) -> list[Path]:
    """Return the files that are not as results/ give them: none when all are current."""
    made = _made(checkout)
    return [file for file, text in made.items() if not file.exists() or file.read_text() != text]


def between(readme: str, marker: str, text: str) -> str:
    """Return a README with `text` between the marker's two comments.

    Raises UserError unless each stands there once, in order.
    """
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    for each in (begin, end):
        if readme.count(each) != 1:
            said = "is missing" if each not in readme else "stands there more than once"
            raise UserError(f"{README}: {each.strip()} {said}; it must be a line there once")
    before, _, rest = readme.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise UserError(f"{README}: {end} comes before {begin.strip()}; put it after")
    return f"{before}{begin}{text}{end}{after}"


def reference_run(results: Path) -> RecordFile | None:
    """Return the newest reference run that reached its end, None where there is none.

    Whoever measures on a machine of their own changes nothing in the README.
    """
    files = [
        file
        for file in record_files(results)
        if "reference" in file.info().settings and file.finished
    ]
    return files[-1] if files else None


def found_text(found: Answers) -> str:
    """Return the figure and the sentences of what was found, as Markdown."""
    return f"![{ALT}]({FIGURE})\n\n{_wrapped(' '.join(sentences(found)))}\n"


def sentences(found: Answers) -> list[str]:
    """Return what was found, in three sentences: reading, keeping, and versions and the lab."""
    count = "" if found.count is None else f"{found.count:,} "
    unsure = ", one round, in which no order is settled" if found.one_round else ""
    of_these = f"of {count}images (`{found.images}`{unsure}), "
    reading = _clauses(found, TAKE, SCAN)
    keeping = [*_clauses(found, WRITE), *_smallest(found)]
    versions = _clauses(found, APPEND, OLD)
    parts = [
        of_these + _joined(reading) if reading else "",
        _joined(keeping),
        "; ".join(each for each in (_joined(versions), _lab(found)) if each),
    ]
    return [f"{part[0].upper()}{part[1:]}." for part in parts if part]


def selfcheck_text(found: SelfCheck | None) -> str:
    """Return what a machine is able to tell, as a Markdown table; nothing where none is kept."""
    if found is None:
        return ""
    rows = [
        ("what was done", "asked", "measured"),
        ("---", "---", "---"),
        *((each.what, each.asked, f"{each.measured:.1%}") for each in found.findings),
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    said = (
        f"The reference machine, {found.cells} cells in {found.rounds} rounds; the ratio of two "
        f"processes side by side varies by {found.pair_noise:.0%} (one standard deviation):"
    )
    return f"{_wrapped(said)}\n\n{table}{'' if found.met else TOO_NOISY}"


def _made(checkout: Path) -> dict[Path, str]:
    """Return the text of every file that is made from results/."""
    results, readme = checkout / "results", checkout / README
    run = reference_run(results)
    if run is None:
        raise UserError(
            f"{results}: no whole reference run; 'platebench reference run' makes one,"
            " 'platebench reference keep' keeps it"
        )
    cells = tidy(run)
    found, drawn = answers(cells), _svg(cells)
    if found is None or drawn is None:
        raise UserError(f"{run.file}: no store in it has both a size and a time to draw")
    text = between(readme.read_text(), FOUND, found_text(found))
    told = selfcheck_text(kept(results, run.info().machine))
    return {checkout / FIGURE: drawn, readme: between(text, SELFCHECK, told)}


def _svg(cells: Sequence[CellResult]) -> str | None:
    """Return the figure: size against speed, on the image set that the sentences speak of."""
    images = headline_image_set(cells)
    chart = picture(of_images(cells, images)) if images else None
    if chart is None:
        return None
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return f"{drawn.rstrip()}\n"


def _clauses(found: Answers, *questions: Question) -> list[str]:
    quickest = ((question, found.to(question)) for question in questions)
    return [f"{CLAUSES[question]} {_store(each)}" for question, each in quickest if each]


def _store(answer: Quickest) -> str:
    """Return the store that answers, those not settled against it, and its time."""
    times = answer.of_floor
    of_floor = "" if times is None else f", in {times} times the floor's time"
    level = _names(answer.level)
    unsettled = f" (not settled against {level})" if level else ""
    return f"`{answer.best.store}`{unsettled}{of_floor}"


def _smallest(found: Answers) -> list[str]:
    if found.smallest is None:
        return []
    best, level = found.smallest.best, _names(found.smallest.level)
    as_small = f" (within a hundredth of {level})" if level else ""
    size = figure(best.bytes_per_pixel_byte)
    return [f"`{best.store}` is smallest{as_small}, at {size} bytes a byte of pixels"]


def _lab(found: Answers) -> str:
    """Return how the lab's folder stands to the quickest and smallest, where it was measured."""
    said = [
        f"{answer.lab_takes} times as long to {words}"
        for question, words in ((TAKE, "read at random"), (SCAN, "read in order"))
        if (answer := found.to(question)) is not None and answer.lab_takes is not None
    ]
    if found.smallest is not None and found.smallest.lab_takes is not None:
        said.append(f"{found.smallest.lab_takes} times the bytes")
    if not said:
        return ""
    return f"against the best, a lab's folder of TIFFs (`{LAB}`) takes {_listed(said)}"


def _names(cells: Sequence[CellResult]) -> str:
    """Return the first stores by name and how many more there are."""
    named = [f"`{cell.store}`" for cell in cells[:NAMED]]
    more = len(cells) - len(named)
    return _listed([*named, *([f"{more} more"] if more else [])])


def _listed(parts: Sequence[str]) -> str:
    """Return parts as a sentence lists them; nothing for none."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _joined(clauses: Sequence[str]) -> str:
    return ", and ".join(clauses)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)
