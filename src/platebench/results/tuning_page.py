"""The page of `platebench calibrate tuning`, docs/tuning.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from platebench.results import tuning
from platebench.results.adapters import AdapterFacts
from platebench.results.tuning import (
    TunedCandidate,
    best_balanced,
    best_small,
    may_be_balanced,
    pareto_front,
    with_tuning,
)
from platebench.stores.variants import baseline

_HEADS = ("candidate", "of raw size", "files")


def as_markdown(
    candidates: Sequence[TunedCandidate],
    left_out: Mapping[str, str],
    facts: AdapterFacts,
    date: str,
    command: str,
) -> str:
    """Return the page: how it was measured, and one table per format and layout."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    lines = [
        "# How the tunings `balanced` and `small` were chosen",
        "",
        "Each format was written and read with several codecs, levels and chunks. Candidates of one"
        " table took turns in processes of their own, in random order. What each returned was"
        " compared with the images before it was timed. Cold reads come from the disk: the files"
        " were dropped from the page cache, and mincore confirmed it. A write ends with fsync.",
        "",
        f"    {command}",
        "",
        f"{date}. {facts.images} generated images of 1024 x 1344 uint8 (`raw-{facts.images}`)."
        f" {facts.cpu}; {facts.disk}. Python {facts.python}, {libraries}.",
        "",
        "A time is the median, in milliseconds. After it stands the median ratio to the format's"
        " `fast` in the same turns (to its `default` where it has no `fast`), with its interval of"
        " order statistics (95%). *Rows* are 16 random images, *scan* is all of them. In front of a"
        " candidate, ◆ marks the Pareto front: no other is both as small and as fast in cold rows.",
        "",
        f"**The rule for `balanced`**: at most {tuning.MOST_BYTES:g} of the raw size"
        f" ({tuning.MOST_BYTES_LZ4:g} with LZ4); cold rows at most {tuning.MOST_ROWS:g} times and"
        f" writing at most {tuning.MOST_WRITE:g} times `fast`; on the front of these candidates;"
        f" the smallest product of size and cold rows, within {tuning.TIE - 1:.0%}; of those that"
        " tie, the quickest to write.",
        "",
        "**The rule for `small`**: the smallest that writes at least"
        f" {tuning.LEAST_WRITE / 1e6:g} MB of pixels per second, about what an automated microscope"
        f" makes, and reads cold rows at {tuning.LEAST_ROWS / 1e6:g} MB/s or more, so that a viewer"
        " follows.",
        "",
        "Where measurement and choice differ, the lines below a table say so. They also name each"
        " candidate that may be no tuning, with the reason.",
    ]
    for place, some in groupby(candidates, key=lambda each: (each.store.format, each.store.layout)):
        lines += ["", f"## {place[0]}, {place[1]}", "", *_section(list(some))]
    if left_out:
        lines += ["", "## Left out", ""]
        lines += [f"- `{name}`: {reason}." for name, reason in left_out.items()]
    return "\n".join(lines) + "\n"


def _section(candidates: Sequence[TunedCandidate]) -> list[str]:
    front = pareto_front(candidates)
    operations = list(candidates[0].times)
    compared_with = baseline({tuning for each in candidates for tuning in each.tunings})
    heads = [*_HEADS, *(f"{name}, ms | times {compared_with}" for name in operations)]
    lines = [f"| {' | '.join(heads)} |", "|---|--:|--:|" + "--:|---|" * len(operations)]
    lines += [
        _line(each, each in front, operations, compared_with)
        for each in sorted(candidates, key=lambda each: each.bytes_per_pixel_byte)
    ]
    return [*lines, "", *_choices(candidates)]


def _line(
    candidate: TunedCandidate, on_front: bool, operations: Sequence[str], compared_with: str
) -> str:
    name = f"`{candidate.variant}`"
    if candidate.tunings:
        name = f"**{name}** = {', '.join(f'`{each}`' for each in candidate.tunings)}"
    cells = [
        f"{'◆ ' if on_front else ''}{name}",
        f"{candidate.bytes_per_pixel_byte:.3f}",
        str(candidate.files),
    ]
    for operation in operations:
        timed = candidate.times[operation]
        times = f"{timed.ratio.estimate:.2f} ({timed.ratio.interval})"
        cells += [f"{timed.ms:.3g}", "1" if compared_with in candidate.tunings else times]
    return f"| {' | '.join(cells)} |"


def _choices(candidates: Sequence[TunedCandidate]) -> list[str]:
    """Say which limits `balanced` misses, and what the rules would choose instead."""
    lines = []
    for name, best in (
        ("balanced", best_balanced(candidates)),
        ("small", best_small(candidates)),
    ):
        chosen = with_tuning(candidates, name)
        if chosen is None:
            suggested = f"; the rule would take `{best.variant}`" if best else ""
            lines.append(f"- No `{name}`{suggested}.")
            continue
        notes = []
        if name == "balanced" and chosen.misses:
            notes.append(f"misses {', '.join(chosen.misses)}")
        if name == "small" and not chosen.bearable:
            notes.append("is below the least speed")
        if best is not None and best is not chosen:
            noise = name == "balanced" and may_be_balanced(chosen, best)
            notes.append(
                f"here the rule would take `{best.variant}`"
                f"{', and the intervals leave both possible' if noise else ''}"
            )
        lines.append(f"- `{name}` is `{chosen.variant}`{': ' if notes else ''}{'; '.join(notes)}.")
    lines += [
        f"- `{each.variant}` is no choice. {each.barred}" for each in candidates if each.barred
    ]
    return lines
