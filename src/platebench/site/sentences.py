"""The texts with numbers in README.md and docs/, as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime

from platebench.limits import gigabytes
from platebench.results.answer import Answers, Chosen, Fastest
from platebench.results.questions import SCAN, TAKE
from platebench.results.records import RunInfo
from platebench.results.report import figure
from platebench.results.store_words import in_words
from platebench.results.tidy import CellResult
from platebench.running.selfcheck import SelfCheck
from platebench.site.lessons import TB
from platebench.talk.claims import claim_rows
from platebench.talk.outcome import Talk

FIGURE = "docs/figures/default-and-fast.svg"
ALT = (
    "A chart of each format: milliseconds to read 16 single images, with its default settings and"
    " with those chosen for single images"
)
WIDTH = 100
"""Characters in a line of a document."""

TOO_NOISY = "\nA figure outside its limit: this machine is too noisy to detect so small a change.\n"

NAMED = 2
"""The number of tied stores that are named; others are counted."""


def first_screen(found: Answers, learned: Sequence[str], info: RunInfo) -> str:
    """Return the figure, the points to remember, and what was measured where."""
    said = f"{measured_on(found, info)} {how_sure(found)} Sizes are scaled up to {TB} TB."
    return f"![{ALT}]({FIGURE})\n\n{points(learned)}\n\n{_wrapped(said)}\n"


def answers_text(found: Answers, info: RunInfo) -> str:
    """Return a table with an answer per question, and what was measured where."""
    said = (
        f"{measured_on(found, info)} Times are relative to one bare file with the same bytes (the"
        f" floor). {how_sure(found)}"
    )
    return f"{_wrapped(said)}\n\n{_table(answer_rows(found))}"


def measured_on(found: Answers, info: RunInfo) -> str:
    """Return what was measured, where and when."""
    size = "" if found.pixel_bytes is None else f"{gigabytes(found.pixel_bytes)}, "
    count = "" if found.count is None else f"{found.count:,} images "
    facts = info.machine_facts or {}
    ahead = facts.get("read_ahead_kib")
    kinds = (facts.get("filesystem"), f"read-ahead {ahead:,} KiB" if ahead else None)
    kind = f" ({', '.join(filter(None, kinds))})" if any(kinds) else ""
    disk = f" Disk: {facts['disk']}{kind}." if facts.get("disk") else ""
    day = datetime.fromisoformat(info.started)
    return (
        f"Measured on {count}({size}`{found.images}`) with Python {info.python} on"
        f" {day.day} {day:%B %Y}.{disk}"
    )


def how_sure(found: Answers) -> str:
    """Return how the figures are to be read."""
    if found.one_round:
        return "There was one round, so the order of stores is not reliable."
    return (
        "Brackets hold a 95% interval for a repeat run. Stores tie if a repeat run may show the"
        " other order."
    )


def points(said: Sequence[str]) -> str:
    """Return a list in Markdown."""
    return "\n".join(map(_point, said))


def answer_rows(found: Answers) -> list[tuple[str, ...]]:
    """Return the heading and a row per question, reads from the disk first, then those of size."""
    balanced = None if found.one_round else found.balanced
    asked = sorted(found.fastest, key=lambda each: each.question.cache != "cold")
    return [
        ("to", "best store", "ties with it", "times a bare file", "a TIFF folder takes"),
        *(_fastest(each, found.elsewhere(each)) for each in asked),
        *([] if found.smallest is None else [_chosen("keep few bytes", found.smallest)]),
        *([] if balanced is None else [_chosen("keep few bytes and read fast", balanced)]),
    ]


def selfcheck_text(found: SelfCheck | None) -> str:
    """Return how small a change the machine detects, as a Markdown table; for None, that."""
    if found is None:
        said = "No self-check of the reference machine is kept yet."
        return f"{_wrapped(f'{said} Run it on your own machine, where your comparisons run.')}\n"
    rows = [
        ("test", "limit", "measured"),
        *((each.what, each.asked, f"{each.measured:.1%}") for each in found.findings),
    ]
    said = (
        f"Measured on the reference machine, {found.cells} cells in {found.rounds} rounds. The"
        f" ratio of two processes side by side varies by {found.pair_noise:.0%} (one standard"
        " deviation)."
    )
    return f"{_wrapped(said)}\n\n{_table(rows)}{'' if found.met else TOO_NOISY}"


def talk_text(talks: Mapping[str, Talk]) -> str:
    """Return the talk's claims over the libraries, as a Markdown table; nothing without talks."""
    rows = claim_rows(talks) if talks else []
    if not rows:
        return ""
    return _table([list(rows[0]), *(list(row.values()) for row in rows)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, whose first row is the heading."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def _fastest(answer: Fastest, elsewhere: str) -> tuple[str, ...]:
    memory = ", from memory" if answer.question in (TAKE, SCAN) else ""
    return (
        f"{answer.question.words}{memory}{f' ({elsewhere})' if elsewhere else ''}",
        _store(answer.best),
        _names(answer.tied),
        "" if answer.of_floor is None else str(answer.of_floor),
        "" if answer.lab_takes is None else f"{answer.lab_takes} times as long",
    )


def _chosen(words: str, answer: Chosen) -> tuple[str, ...]:
    lab = answer.lab_takes
    return (
        words,
        f"{_store(answer.best)}, {figure(answer.best.bytes_per_pixel_byte)} of the raw size",
        _names(answer.tied),
        "",
        "" if lab is None else f"{lab} times the bytes",
    )


def _store(cell: CellResult) -> str:
    return f"{in_words(cell.store)} (`{cell.store}`)"


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
