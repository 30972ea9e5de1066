"""Arms: one source revision in one set of pinned libraries, ready to be measured.

An arm is written as a git revision, as pins, or as both:

    HEAD~1
    lancedb==0.14.0,pyarrow==16.1.0,numpy<2
    main with pyarrow==25.0.1
    .                                   this checkout as it is, changes included
    newest                              the newest release of every library, as of today
    as of 2025-06-08                    every library as it was on that day (see `as_of`)
    main as of 2025-06-08
    main with python<3.13, as of 2025-06-08

Old libraries may not run on a new Python. A pin on `python`, such as python<3.13, chooses one of
the interpreters on PATH.

The source is a copy of that revision's files, found through PYTHONPATH. The libraries are in a
virtual environment, which is made once for each set of pins and shared by all revisions.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from platebench.drafts import made_anew
from platebench.errors import UserError
from platebench.images.decoded_cache import SCHEMA, DecodedImages
from platebench.locks import in_turn
from platebench.ownership import FolderKind, claim, is_ours, remove
from platebench.results.commit import Commit
from platebench.running import older
from platebench.running.as_of import AsOf, Resolver, one_line, split_day
from platebench.running.checkout import commit_at, commit_of
from platebench.stores.name import StoreName
from platebench.timing import protocol
from platebench.timing.failure import why_failed
from platebench.timing.protocol import WORK
from platebench.timing.workspace import MARK, Workspace

HERE = "."
NEWEST = "newest"
CHECKOUT = FolderKind("checkout", "a copy of a revision")
ENVIRONMENT = FolderKind("environment", "an environment")
"""Kinds of marked folders that this module makes, and may remove."""

_READY = "ready"
"""Marks an environment as complete; written last."""

_OPERATORS = re.compile(r"[<>=!~]=|[<>]|===")

Say = Callable[[str], None]


@dataclass(frozen=True)
class ArmSpec:
    """An arm as the user wrote it. `revision` is None for the checkout with its changes.

    `day` is the day of its libraries; None for those of the revision's constraints.
    """

    text: str
    revision: str | None
    pins: tuple[str, ...]
    day: date | None = None


@dataclass(frozen=True)
class Arm:
    """An arm that is ready to run: its source, and an interpreter with its libraries."""

    name: str
    commit: Commit
    checkout: Path
    python: Path
    python_version: str
    libraries: dict[str, str]
    variables: dict[str, str]
    is_older: bool = False
    """True for revisions from before `timing.protocol`."""
    as_of: AsOf | None = None
    """The libraries of a day, for an arm that names one."""

    def why_not(self, store: StoreName) -> str | None:
        """Return why a store cannot be measured with the libraries of the arm's day.

        None if it can, or if the arm names no day.
        """
        return None if self.as_of is None else self.as_of.why_not(store)

    def as_settings(self) -> dict[str, Any]:
        """Return what the first line of its record file says of the arm beside its libraries."""
        return {"name": self.name} | ({} if self.as_of is None else self.as_of.as_settings())

    @property
    def takes_turns(self) -> bool:
        """True if its processes take turns with those of other arms."""
        return not self.is_older or older.takes_turns(self.checkout)

    @property
    def work(self) -> Path:
        """Its own work folder for stored files."""
        return Path(self.variables[WORK])

    def give(self, images: DecodedImages) -> None:
        """Make the arm measure exactly these images."""
        if self.is_older:
            older.give_images(images, self.work)

    def clear_scratch(self) -> None:
        """Remove temporary files of its processes."""
        Workspace(self.work).clear_scratch()
        if self.is_older:
            older.clear_scratch(self.work)


def parse_arm(text: str) -> ArmSpec:
    """Parse a revision, pins, or both, and a day. Raises UserError for anything else."""
    before, day = split_day(text)
    revision, separator, pins = before.partition(" with ")
    if not separator and (_OPERATORS.search(before) or before.strip() == NEWEST):
        revision, pins = HERE, before
    revision = revision.strip() or (HERE if day is not None and not separator else "")
    if not revision or (separator and not pins.strip()):
        raise UserError(f"{text!r}: give a revision, pins, or REVISION with PINS")
    found = _parse_pins(pins)
    if day is not None and NEWEST in found:
        raise UserError(f"{text!r}: give {NEWEST} or a day, not both")
    return ArmSpec(text, None if revision == HERE else revision, found, day)


def _parse_pins(text: str) -> tuple[str, ...]:
    """Split at commas, except between two conditions on one library."""
    pins: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if _OPERATORS.match(part) and pins:
            pins[-1] += f",{part}"
        else:
            pins.append(part)
    for pin in pins:
        try:
            if pin != NEWEST:
                Requirement(pin)
        except InvalidRequirement as error:
            raise UserError(f"{pin!r}: not a pin such as pyarrow==16.1.0") from error
    return tuple(sorted(pins))


def check_revision(spec: ArmSpec, checkout: Path) -> None:
    """Raise UserError for an unknown revision, before anything is made for other arms."""
    if spec.revision is not None:
        commit_at(checkout, spec.revision)


def make_arm(spec: ArmSpec, checkout: Path, work: Path, say: Say) -> Arm:
    """Copy the source and make the environment, unless they exist.

    Raises UserError for a revision that is unknown or has no benchmarks, and for pins that do not
    resolve.
    """
    if spec.revision is None:
        commit, source = commit_of(checkout), checkout
    else:
        commit = commit_at(checkout, spec.revision)
        claim(work, MARK)
        source = _copy_of(checkout, commit, work / "checkouts")
    for file in ("pyproject.toml", "asv.conf.json", "benchmarks"):
        if not (source / file).exists():
            raise UserError(
                f"{spec.text}: this revision has no {file}, so there is nothing to measure"
            )
    python, as_of = _environment(spec, source, checkout, work, say)
    is_older = older.is_older(source)
    told = _ask(python, source, older.question() if is_older else protocol.question())
    if not is_older and told["images"] != SCHEMA:
        raise UserError(
            f"{spec.text}: this revision stores image sets in another format ({told['images']},"
            f" here {SCHEMA}), so it cannot measure the same images"
        )
    key = _digest(str(source), json.dumps(told["libraries"]), told["python"])
    own = work_folder(work, key, shares_images=not is_older)
    return Arm(
        spec.text,
        commit,
        source,
        python,
        told["python"],
        told["libraries"],
        {**_source_path(source), WORK: str(own)},
        is_older,
        as_of,
    )


def apart(arms: Sequence[Arm], work: Path) -> list[Arm]:
    """Give each arm its own work folder.

    Otherwise two arms of the same source and libraries would read the same files, and empty each
    other's page cache.
    """
    used: set[Path] = set()
    found = []
    for arm in arms:
        own, copy = arm.work, 1
        while own in used:
            copy += 1
            own = work_folder(work, f"{arm.work.name}-{copy}", shares_images=not arm.is_older)
        used.add(own)
        found.append(replace(arm, variables={**arm.variables, WORK: str(own)}))
    return found


def _source_path(source: Path) -> dict[str, str]:
    """Return variables that make Python import platebench from there; asv uses only its own."""
    path = str(source / "src")
    return {"PYTHONPATH": path, "ASV_PYTHONPATH": path}


def work_folder(work: Path, key: str, shares_images: bool = True) -> Path:
    """Return an arm's own work folder for stored files, which shares all image sets."""
    claim(work, MARK)
    folder = claim(work / "arms" / key, MARK)
    link = folder / "images"
    (work / "images").mkdir(exist_ok=True)
    if shares_images and not link.is_symlink():
        link.symlink_to(work / "images", target_is_directory=True)
    return folder


def _copy_of(checkout: Path, commit: Commit, folder: Path) -> Path:
    """Return a folder with the files of a commit, without its results."""
    copy = folder / commit.hash
    if is_ours(copy, CHECKOUT):
        return copy
    archive = subprocess.run(
        ["git", "-C", str(checkout), "archive", commit.hash, "--", ".", ":(exclude)results"],
        capture_output=True,
        check=True,
    )
    with (
        made_anew(copy, CHECKOUT) as draft,
        tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files,
    ):
        files.extractall(draft, filter="data")
    return copy


def _environment(
    spec: ArmSpec, source: Path, checkout: Path, work: Path, say: Say
) -> tuple[Path, AsOf | None]:
    """Return an interpreter with the arm's libraries, and what its day resolved to.

    It is the current one if the arm has no pins and no day, and its revision has the same
    constraints as this checkout. Otherwise an environment is made, and kept for the next time.
    """
    constraints = _read(source / "constraints.txt")
    here = not spec.pins and spec.day is None
    if here and constraints == _read(checkout / "constraints.txt"):
        return Path(sys.executable), None
    base = _interpreter(spec)
    version = _version_of(base)
    wanted = [*_required(source), *(pin for pin in spec.pins if not _is_python(pin))]
    as_of = None
    if NEWEST in spec.pins:
        wanted.remove(NEWEST)
        constraints = f"# no version is preferred to the newest of {datetime.now(UTC):%Y-%m-%d}\n"
    if spec.day is not None:
        say(f"resolving the libraries of {spec.day}")
        as_of = libraries_of(spec, source)
        for reason in as_of.absent.values():
            say(f"{spec.text}: {reason}; its stores are skipped")
        wanted, constraints = list(as_of.pins), ""
    key = _digest(version, constraints, *wanted)
    made = work / "environments" / key
    claim(work, MARK)
    with in_turn(
        work / "locks" / f"environment-{key}.lock",
        lambda who: say(f"waiting: {who} is making the same environment"),
    ):
        if not (made / _READY).exists():
            say(f"making an environment for {spec.text}")
            remove(made, ENVIRONMENT)
            claim(made, ENVIRONMENT)
            try:
                if as_of is None:
                    _make_environment(made, base, spec, wanted, constraints, say)
                else:
                    _make_environment_of(as_of, made, base)
            except BaseException:
                remove(made, ENVIRONMENT)
                raise
            (made / _READY).touch()
    return made / "bin" / "python", as_of


def libraries_of(spec: ArmSpec, source: Path) -> AsOf:
    """Return what an arm's day resolves to, for the source in this folder.

    Raises UserError for a day without these libraries, and without uv.
    """
    assert spec.day is not None, "only days are resolved"
    uv = _uv()
    if uv is None:
        raise UserError(f"as of {spec.day}: needs uv, which is not on PATH; type: pip install uv")
    base = _interpreter(spec)
    version = _version_of(base).partition(" ")[0]
    pins = [pin for pin in spec.pins if not _is_python(pin)]
    constraints = _read(source / "constraints.txt")
    return Resolver(uv, base, version).resolve(spec.day, _required(source), pins, constraints)


def _required(source: Path) -> list[str]:
    """Return the requirements of a revision."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def _is_python(pin: str) -> bool:
    return pin != NEWEST and Requirement(pin).name == "python"


def _interpreter(spec: ArmSpec) -> str:
    """Return the interpreter of an arm: the one running this, unless a pin rules it out.

    Raises UserError when no other is found.
    """
    pins = [pin for pin in spec.pins if _is_python(pin)]
    wanted = SpecifierSet(",".join(str(Requirement(pin).specifier) for pin in pins))
    if not pins or wanted.contains(platform.python_version(), prereleases=True):
        return sys.executable
    uv = _uv()
    if uv is not None:
        asking = [uv, "python", "find", "--no-python-downloads", "--no-project"]
        found = subprocess.run(
            [*asking, "--system", str(wanted)],
            capture_output=True,
            text=True,
            check=False,
            cwd=os.sep,
        ).stdout.strip()
        if found:
            return found
    raise UserError(f"python{wanted}: no such Python found; install one and add it to PATH")


def _version_of(python: str) -> str:
    if python == sys.executable:
        return sys.version
    asking = [python, "-c", "import sys; print(sys.version, end='')"]
    return subprocess.run(asking, capture_output=True, text=True, check=True).stdout


def _uv() -> str | None:
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def _make_environment(
    made: Path, base: str, spec: ArmSpec, wanted: list[str], constraints: str, say: Say
) -> None:
    """Install the wanted libraries, and the constraints' versions of the rest where they fit."""
    python = made / "bin" / "python"
    listed, pinned = made / "wanted.in", made / "pinned.txt"
    listed.write_text("\n".join(wanted) + "\n")
    pinned.write_text(re.sub(r"\s*\\\n\s*--hash=\S+", "", constraints))
    uv = _uv()
    if uv is None:
        _run([base, "-m", "venv", str(made)])
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # pip can require versions but not prefer them, and the pins may contradict some.
        held = [] if spec.pins else ["-c", str(pinned)]
        if spec.pins:
            say("uv is not on PATH, so libraries without a pin get their newest version that fits")
        _run([*install, "-r", str(listed), *held])
        return
    # uv prefers the versions that the output file already names, where they fit.
    compiling = ["--python", base, "--no-header", "--no-annotate", "--quiet"]
    _run([uv, "pip", "compile", *compiling, str(listed), "-o", str(pinned)])
    installing = ["--quiet", "--compile-bytecode"]
    _run([uv, "venv", "--quiet", "--allow-existing", "--python", base, str(made)])
    _run([uv, "pip", "install", *installing, "--python", str(python), "-r", str(pinned)])


def _make_environment_of(as_of: AsOf, made: Path, base: str) -> None:
    """Install exactly the pins of a day."""
    uv = _uv()
    assert uv is not None, "the day was resolved with it"
    pinned = made / "pinned.txt"
    pinned.write_text("\n".join(as_of.pins) + "\n")
    _run([uv, "venv", "--quiet", "--allow-existing", "--python", base, str(made)])
    # --no-deps: uv resolved them together, and would now look for newer ones.
    installing = ["--quiet", "--compile-bytecode", "--no-deps", "--no-build"]
    python = made / "bin" / "python"
    _run([uv, "pip", "install", *installing, "--python", str(python), "-r", str(pinned)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"the pins do not resolve or install: {one_line(done.stderr)}")


def _ask(python: Path, source: Path, question: Sequence[str]) -> Any:
    """Return the arm's description of itself: see `protocol.answer`."""
    done = subprocess.run(
        [str(python), *question],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **_source_path(source)},
        cwd=os.sep,
    )
    if done.returncode != 0:
        said = why_failed(done.stderr, done.returncode)
        raise UserError(f"platebench at this revision does not run with these libraries: {said}")
    return json.loads(done.stdout)


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
