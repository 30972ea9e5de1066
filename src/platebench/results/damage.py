"""What stores say when files are damaged, writers are killed, or several programs use them.

An answer is that of `timing/damage.py`. Here each becomes an outcome, and the outcomes a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from platebench.stores.name import StoreName

Answer = Mapping[str, Any]
"""What a program said of one command; `{"died": ...}` or `{"hung": ...}` if it gave no answer."""


class Outcome(StrEnum):
    """What became of one trial."""

    NOTICED = "noticed"
    """An error says so."""

    HARMLESS = "harmless"
    """All images and their table came back as they were."""

    WRONG = "wrong"
    """Other pixels, other images or another table came back without a word."""

    CRASHED = "crashed"
    """The reading program was killed by a signal (SIGBUS, SIGSEGV)."""

    HUNG = "hung"
    """There was no answer in time."""

    ABSENT = "absent"
    """Nothing is there, as before the write."""

    BEFORE = "before"
    """The version before is there, whole."""

    RIGHT = "right"
    """All programs read or wrote what they should."""

    REFUSED = "refused"
    """A writer was told that another came first; nothing was lost."""

    MIXED = "mixed"
    """The images of all writers are there once, but those of one not together."""

    LOST = "lost"
    """Images of a writer that was told of no error are not there."""


class Kind(StrEnum):
    """What was tried."""

    FLIPPED = "flipped"
    ENDS = "ends"
    CUT = "cut"
    KILLED_WRITE = "killed write"
    KILLED_APPEND = "killed append"
    TWO_READERS = "two readers"
    READER_AND_WRITER = "reader and writer"
    TWO_WRITERS = "two writers"


DAMAGE = (Kind.FLIPPED, Kind.ENDS, Kind.CUT)
BAD = {Outcome.WRONG, Outcome.CRASHED, Outcome.HUNG, Outcome.LOST}
"""Outcomes that nobody is told of, or that end more than the read."""


@dataclass(frozen=True)
class Trial:
    """One trial with one store: what was done, what became of it, and what was said.

    Several with the same outcome may be kept as the first of them and their number, `times`.
    """

    store: StoreName
    kind: Kind
    what: str
    outcome: Outcome
    said: str = ""
    times: int = 1


def combined(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials with those of damage that have one kind and outcome in one."""
    found: dict[tuple[object, ...], Trial] = {}
    for number, trial in enumerate(trials):
        alike = () if trial.kind in DAMAGE else (number,)
        key = (trial.store, trial.kind, trial.outcome, *alike)
        before = found.get(key)
        found[key] = replace(before, times=before.times + trial.times) if before else trial
    return list(found.values())


def of_read(answer: Answer, images: int) -> tuple[Outcome, str]:
    """Return the outcome of reading a whole set of this many images, and what was said."""
    silent = _without_answer(answer)
    if silent is not None:
        return silent
    if "absent" in answer:
        return Outcome.ABSENT, "nothing is there"
    if "error" in answer:
        return Outcome.NOTICED, answer["error"]
    rows = list(answer["rows"])
    if rows == list(range(images)) and answer["table"]:
        return Outcome.HARMLESS, ""
    if len(rows) != images:
        return Outcome.WRONG, f"{len(rows)} of {images} images"
    changed = sum(row != place for place, row in enumerate(rows))
    return Outcome.WRONG, f"{changed} images differ" if changed else "another table"


def of_damage(answer: Answer, images: int) -> tuple[Outcome, str]:
    """Return the outcome of a change to files: a set that cannot be found is noticed, too."""
    outcome, said = of_read(answer, images)
    return (Outcome.NOTICED if outcome == Outcome.ABSENT else outcome), said


def of_killed_append(
    answer: Answer, before: Sequence[int], after: Sequence[int]
) -> tuple[Outcome, str]:
    """Return the outcome of a killed append: the rows before it, those after it, or others."""
    silent = _without_answer(answer)
    if silent is not None:
        return silent
    if "error" in answer:
        return Outcome.NOTICED, answer["error"]
    rows = list(answer.get("rows", ()))
    if answer.get("table") and rows == list(before):
        return Outcome.BEFORE, ""
    if answer.get("table") and rows == list(after):
        return Outcome.HARMLESS, "all images are there"
    return Outcome.WRONG, f"a mixture: {len(rows)} images, {len(before)} before the append"


def of_two_readers(answers: Sequence[Answer], images: int) -> tuple[Outcome, str]:
    """Return the outcome of two programs that scanned at once."""
    for answer in answers:
        outcome, said = of_read(answer, images)
        if outcome != Outcome.HARMLESS:
            return (Outcome.NOTICED if outcome == Outcome.ABSENT else outcome), said
    return Outcome.RIGHT, ""


def of_reader_and_writer(
    watched: Answer, written: Sequence[Answer], states: Sequence[Sequence[int]]
) -> tuple[Outcome, str]:
    """Return the outcome of a reader beside a writer; `states` are the rows of each version."""
    for answer in (watched, *written):
        silent = _without_answer(answer)
        if silent is not None:
            return silent
        if "error" in answer:
            return Outcome.NOTICED, answer["error"]
    whole = [list(state) for state in states]
    for seen in watched["seen"]:
        if "error" in seen:
            return Outcome.NOTICED, seen["error"]
        if list(seen.get("rows", ())) not in whole or not seen["table"]:
            return Outcome.WRONG, f"a mixture of {len(seen.get('rows', ()))} images was read"
    if not any(list(seen["rows"]) == whole[-1] for seen in watched["seen"]):
        return Outcome.LOST, "the reader never saw the last version"
    return Outcome.RIGHT, ""


def of_two_writers(
    read: Answer, base: Sequence[int], added: Sequence[Sequence[int]], answers: Sequence[Answer]
) -> tuple[Outcome, str]:
    """Return the outcome of two appends at once: each adds `added`, and was answered so."""
    for answer in (*answers, read):
        silent = _without_answer(answer)
        if silent is not None:
            return silent
    if "error" in read:
        return Outcome.LOST, f"the set cannot be read: {read['error']}"
    failed = [answer.get("refused") or answer.get("error") for answer in answers]
    succeeded = [rows for rows, why in zip(added, failed, strict=True) if not why]
    orders = [succeeded, succeeded[::-1]]
    wanted = [[*base, *(row for rows in order for row in rows)] for order in orders]
    found = list(read["rows"])
    if found not in wanted:
        if found[: len(base)] == list(base) and sorted(found) == sorted(wanted[0]):
            return Outcome.MIXED, "all images, those of the two writers in turns"
        return Outcome.LOST, f"{len(found)} images, not the {len(wanted[0])} that were written"
    reasons = [str(why) for why in failed if why]
    return (Outcome.REFUSED, reasons[0]) if reasons else (Outcome.RIGHT, "")


def _without_answer(answer: Answer) -> tuple[Outcome, str] | None:
    if "died" in answer:
        return Outcome.CRASHED, answer["died"]
    if "hung" in answer:
        return Outcome.HUNG, answer["hung"]
    return None


def is_met(trials: Sequence[Trial]) -> bool:
    """Return True if no version was a mixture, and programs at once lost and mistook nothing.

    What formats do of themselves is no failure: a flipped byte that nobody notices, or a write that
    was killed half-way.
    """
    own = (*DAMAGE, Kind.KILLED_WRITE)
    return not any(trial.outcome in BAD and trial.kind not in own for trial in trials)


def counts(trials: Sequence[Trial], kind: Kind) -> str:
    """Return how many trials of a kind had each outcome: `30 noticed, 2 wrong`."""
    found = Counter[Outcome]()
    for trial in trials:
        if trial.kind == kind:
            found[trial.outcome] += trial.times
    return ", ".join(f"{number} {outcome}" for outcome, number in found.most_common())


@dataclass(frozen=True)
class SafetyFacts:
    """What the trials of one page have in common, and their libraries."""

    images: int
    python: str
    libraries: Mapping[str, str]
    disk: str


def as_record(trials: Sequence[Trial], facts: SafetyFacts) -> dict[str, Any]:
    """Return trials and facts as a JSON-compatible dict."""
    return {
        "facts": asdict(facts),
        "trials": [{**asdict(trial), "store": str(trial.store)} for trial in trials],
    }


def from_record(record: Mapping[str, Any]) -> list[Trial]:
    """Return the trials of a record; none of a record without any."""
    return [
        Trial(
            StoreName.parse(trial["store"]),
            Kind(trial["kind"]),
            trial["what"],
            Outcome(trial["outcome"]),
            trial["said"],
            trial.get("times", 1),
        )
        for trial in record.get("trials", ())
    ]


_HEAD = """\
# Damaged files, killed writers, and several programs at once

What a store says when its files are not as they were written. *Noticed*: an error says so.
*Harmless*: every image and the table came back as they were. **Wrong**: other pixels, other images
or another table came back without a word. **Crashed**: a signal ended the program that read.

A package that `platebench pack` made has a SHA-256 of every file and of every image, and
`platebench check` finds what a format does not.
"""

_FLIPPED = """\
## A flipped byte

All bits of one byte are inverted in a copy, and all images and the table are read. *Anywhere*: at
even distances in all bytes, most of which are pixels. *Ends*: in the first and last 256 bytes of
the files, where headers and footers are. The number of trials is the sum of a row's four numbers.

A format without checksums returns wrong pixels where pixels are not compressed. Compressed ones
notice more, since much of what is damaged cannot be decompressed.
"""

_CHECKSUMS = """\
Some formats can keep checksums, which no tuning here does, since no quick start does: Parquet with
`write_page_checksum=True`, read with `page_checksum_verification=True`; Zarr with the codec
`crc32c`; HDF5 with `fletcher32=True`; TileDB with `ChecksumMD5Filter`.
"""

_CUT = """\
## A truncated or missing file

The largest file of a copy is cut to nothing, to a quarter, to half, to three quarters, and by its
last byte; and it is removed.
"""

_KILLED = """\
## A killed writer

The writer is killed (SIGKILL) when it asks for an image: the first, the middle one, the last. Then
the set is opened. *Write* is the format's own, to an empty place: **wrong** says that a part of the
images opens as if it were all; Zarr reads chunks that are not there as zeros. (`platebench pack`
writes beside the destination and renames what is complete, so its packages are whole or not there.)
*Append* adds a version to a set, natively or by platebench's part list: *before* says that the
version before is there, whole.
"""

_CONCURRENT = """\
## Several programs at once

One store per format. *Two readers* scan at once. *Reader and writer*: one program opens the newest
version again and again while another appends; each state that it reads must be a whole version.
*Two writers* append at once, several times, and both take theirs for the next rows: *right* if the
images of both are there, *mixed* if those of the two are there in turns, *refused* if one was told
so and lost nothing, **lost** if one was told of no error and its images are not there.
"""


def as_markdown(trials: Sequence[Trial], facts: SafetyFacts, command: str) -> str:
    """Return the page."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    said = f"{facts.images} images per store. {facts.disk}. Python {facts.python}, {libraries}."
    parts = [_HEAD, f"    {command}\n", said + "\n", _FLIPPED, _flipped(trials), _CHECKSUMS, _CUT]
    parts += [_counted(trials, Kind.CUT), _KILLED, _killed(trials), _CONCURRENT]
    parts += [_concurrent(trials), _bad(trials)]
    return "\n".join(part for part in parts if part)


_COUNTED = (Outcome.NOTICED, Outcome.HARMLESS, Outcome.WRONG, Outcome.CRASHED)


def _stores(trials: Sequence[Trial], *kinds: Kind) -> list[StoreName]:
    return list(dict.fromkeys(trial.store for trial in trials if trial.kind in kinds))


def _counts(trials: Sequence[Trial], store: StoreName, kind: Kind) -> list[str]:
    """Return the numbers of a row: crashes and hangs together, zeros as nothing."""
    found = Counter[Outcome]()
    for trial in trials:
        if (trial.store, trial.kind) == (store, kind):
            hung = trial.outcome == Outcome.HUNG
            found[Outcome.CRASHED if hung else trial.outcome] += trial.times
    return [_number(found[outcome], outcome) for outcome in _COUNTED]


def _number(count: int, outcome: Outcome) -> str:
    if not count:
        return ""
    return f"**{count}**" if outcome in BAD else str(count)


def _flipped(trials: Sequence[Trial]) -> str:
    heads = [f"{where}: {outcome}" for where in ("anywhere", "ends") for outcome in _COUNTED]
    rows = [
        [f"`{store}`", *_counts(trials, store, Kind.FLIPPED), *_counts(trials, store, Kind.ENDS)]
        for store in _stores(trials, Kind.FLIPPED, Kind.ENDS)
    ]
    return _table(["store", *heads], rows)


def _counted(trials: Sequence[Trial], kind: Kind) -> str:
    rows = [[f"`{store}`", *_counts(trials, store, kind)] for store in _stores(trials, kind)]
    return _table(["store", *_COUNTED], rows)


def _killed(trials: Sequence[Trial]) -> str:
    kinds = (Kind.KILLED_WRITE, Kind.KILLED_APPEND)
    rows = [
        [f"`{store}`", *(_outcomes(trials, store, kind) for kind in kinds)]
        for store in _stores(trials, *kinds)
    ]
    return _table(["store", "write", "append"], rows)


def _outcomes(trials: Sequence[Trial], store: StoreName, kind: Kind) -> str:
    """Return the outcomes of a store's trials in order, equal neighbours once."""
    found = [trial.outcome for trial in trials if (trial.store, trial.kind) == (store, kind)]
    words = [f"**{each}**" if each in BAD else str(each) for each in found]
    return ", ".join(word for place, word in enumerate(words) if words[place - 1 : place] != [word])


def _concurrent(trials: Sequence[Trial]) -> str:
    kinds = (Kind.TWO_READERS, Kind.READER_AND_WRITER, Kind.TWO_WRITERS)
    rows = [
        [f"`{store}`", *(_outcomes(trials, store, kind) for kind in kinds)]
        for store in _stores(trials, *kinds)
    ]
    return _table(["store", *kinds], rows)


def _bad(trials: Sequence[Trial]) -> str:
    """Return what was said of crashes, hangs and losses, and of wrong answers that are no flips."""
    told = [
        trial
        for trial in trials
        if trial.outcome in BAD and not (trial.kind in DAMAGE and trial.outcome == Outcome.WRONG)
    ]
    if not told:
        return ""
    rows = [
        [f"`{trial.store}`", trial.kind, trial.what, trial.outcome, trial.said] for trial in told
    ]
    heads = ["store", "tried", "where", "outcome", "what was said"]
    return "## What went worst\n\n" + _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    cells = ([str(cell).replace("|", "\\|") for cell in row] for row in rows)
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join(lines) + "\n"
