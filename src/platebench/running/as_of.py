"""The libraries of a day: each in its newest release up to the end of that day, UTC.

uv leaves out files that were uploaded later (`--exclude-newer`). So the package index must tell
upload times, as PEP 700 defines them. Only wheels count: a build of an old pyarrow from its source
takes an hour, and its speed depends on the compiler.

Three kinds of libraries may have no release by that day that platebench accepts:

- `REQUIRED`: without them nothing can be measured, so the day is refused.
- what only some formats need: it is left out, and the stores of these formats are skipped with the
  reason.
- the tools that measure, such as asv_runner: they are taken from a later day, in the version of
  the revision's constraints if it fits. No figure depends on them.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from platebench.errors import UserError
from platebench.stores.name import StoreName
from platebench.stores.registry import FORMATS, needs_of

REQUIRED = ("imagecodecs", "numpy", "pyarrow", "tifffile")
"""Libraries without which no cell can be measured."""

_WRITTEN = re.compile(r"(?:^|[\s,])as\s+of(?:\s+(?P<day>.*))?$", re.DOTALL)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AT_ONCE = 8
"""Questions to the index at the same time."""


@dataclass(frozen=True)
class AsOf:
    """What a day resolved to: `pins` such as `numpy==2.3.0`, of every library.

    `absent` has the reason for each library that was left out, by its canonical name.
    """

    day: date
    pins: tuple[str, ...]
    absent: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, store: StoreName) -> str | None:
        """Return why a store could not be measured on that day; None if it could."""
        try:
            needs = needs_of(store)
        except UserError:  # a store of another revision only
            return None
        return next((self.absent[name] for name in needs if name in self.absent), None)

    def as_settings(self) -> dict[str, Any]:
        """Return the day and the pins as JSON, for the first line of a record file."""
        return {
            "as_of": self.day.isoformat(),
            "pins": list(self.pins),
            "absent": dict(self.absent),
        }


def split_day(text: str) -> tuple[str, date | None]:
    """Split an arm into what stands before `as of DAY`, and the day; None without one.

    Raises UserError for a day that is malformed or in the future.
    """
    found = _WRITTEN.search(text)
    if found is None:
        return text, None
    return text[: found.start()].rstrip(" ,"), read_day((found["day"] or "").strip())


def read_day(text: str) -> date:
    """Return the day of a text such as 2025-06-08.

    Raises UserError for another text, and for a day in the future.
    """
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise UserError(f"{text!r}: not a day; write one such as 2025-06-08")
    if day > today():
        raise UserError(f"{day}: is in the future; give today or an earlier day")
    return day


def today() -> date:
    """Return the current day, UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class Resolver:
    """Resolves days with uv for one interpreter. `version` is its Python version, for messages."""

    uv: str
    python: str
    version: str

    def resolve(
        self, day: date, required: Sequence[str], pins: Sequence[str], constraints: str
    ) -> AsOf:
        """Return the libraries of a day.

        `required` are the requirements of a revision and `pins` those of the user. `constraints`
        is the text of the revision's constraints.txt. Raises UserError if there are none, with the
        reason.
        """
        wanted = [*required, *pins]
        said = self._compile(day, wanted)
        if said.returncode == 0:
            return AsOf(day, _pins_in(said.stdout))
        absent = self._absent(day, wanted)
        refused = [each for each in absent if each in pins or _name(each) in REQUIRED]
        if refused:
            raise UserError(
                f"as of {day}: {self._none_of(refused[0], day)},"
                " and nothing can be measured without it; give a later day, or an older Python:"
                f" 'python<3.13, as of {day}'"
            )
        left_out = [each for each in absent if _name(each) in _OF_FORMATS]
        tools = [each for each in absent if each not in left_out]
        kept = [each for each in wanted if each not in left_out]
        said = self._compile(day, kept, tools, _preferred(constraints, tools))
        if said.returncode != 0:
            raise UserError(f"as of {day}: the libraries do not resolve: {one_line(said.stderr)}")
        reasons = {_name(each): self._none_of(each, day) for each in left_out}
        return AsOf(day, _pins_in(said.stdout), reasons)

    def _none_of(self, requirement: str, day: date) -> str:
        return f"no {requirement} for Python {self.version} was released by {day}"

    def _absent(self, day: date, wanted: Sequence[str]) -> list[str]:
        """Return the requirements that have no release by that day.

        Raises UserError if the index cannot tell.
        """
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            alone = threads.map(lambda each: self._compile(day, [each], alone=True), wanted)
            answers = list(zip(wanted, alone, strict=True))
        failed = [(each, said.stderr) for each, said in answers if said.returncode != 0]
        for _, stderr in failed:
            if _NO_TIMES in stderr:
                raise UserError(
                    f"as of {day}: the package index does not tell when its files were uploaded,"
                    " so the libraries of a day are unknown; UV_DEFAULT_INDEX names another index"
                )
            if _NO_SOLUTION not in stderr or _OFFLINE in stderr:
                raise UserError(f"as of {day}: the libraries do not resolve: {one_line(stderr)}")
        return [each for each, _ in failed]

    def _compile(
        self,
        day: date,
        wanted: Sequence[str],
        later: Sequence[str] = (),
        preferred: Sequence[str] = (),
        alone: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Resolve requirements; `later` are those whose releases after the day count too.

        `preferred` are versions to take where they fit. `alone`: without their dependencies.
        """
        end = f"{day + timedelta(days=1)}T00:00:00Z"  # a bare day would be in local time
        now = f"{today() + timedelta(days=1)}T00:00:00Z"
        with tempfile.TemporaryDirectory() as folder:
            listed, pinned = Path(folder) / "wanted.in", Path(folder) / "pinned.txt"
            listed.write_text("\n".join(wanted) + "\n")
            pinned.write_text("\n".join(preferred) + "\n")
            command = [self.uv, "pip", "compile", "--python", self.python, "--no-build"]
            command += ["--no-header", "--no-annotate", "--color", "never"]
            command += ["--exclude-newer", end, *(["--no-deps"] if alone else [])]
            for each in later:
                command += ["--exclude-newer-package", f"{_name(each)}={now}"]
            # uv prefers the versions that the output file already names.
            command += [str(listed), "-o", str(pinned)]
            return subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.sep)


_NO_SOLUTION = "No solution found"
_NO_TIMES = "is missing an upload date"
_OFFLINE = "network was disabled"
"""Parts of what uv says (0.13)."""


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


_OF_FORMATS = {
    canonicalize_name(name) for format_ in FORMATS for name in format_.all_needs
}.difference(REQUIRED)


def _pins_in(text: str) -> tuple[str, ...]:
    """Return the pins in what uv prints."""
    found = (line.strip() for line in text.splitlines())
    return tuple(sorted(line for line in found if "==" in line and not line.startswith("#")))


def _preferred(constraints: str, wanted: Sequence[str]) -> list[str]:
    """Return the pins of these libraries, with their markers, in the text of constraints."""
    names = {_name(each) for each in wanted}
    lines = (line.rstrip(" \\") for line in constraints.splitlines() if "==" in line)
    return [line for line in lines if canonicalize_name(line.partition("==")[0]) in names]


def one_line(stderr: str) -> str:
    """Return what uv said in one line of at most 300 characters, without its drawing."""
    lines = [line.strip(" ×╰─▶│") for line in stderr.splitlines()]
    return " ".join(line for line in lines if line)[:300]
