"""Build the site: a page per machine, its sections in order, written as one folder.

It needs no server. Scripts, styles and figures are beside the pages, and each page's policy forbids
the browser to load anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from platebench.drafts import made_anew
from platebench.errors import UserError
from platebench.ownership import FolderKind, refuse_others
from platebench.running import selfcheck
from platebench.running.machine_facts import one_line
from platebench.running.newest import newer_releases
from platebench.site import (
    charts,
    compare,
    completeness,
    decide,
    downloads,
    findings,
    formats,
    history,
    image_sets,
    method,
    then_and_now,
)
from platebench.site.published import Published, published
from platebench.site.section import Section, render
from platebench.timing.workspace import Progress, Workspace, no_progress

QUESTION = "In which storage format should microscopy images be kept?"
SITE = FolderKind("site", "a site")
"""The kind of folder, for its marker file and for messages."""


@dataclass(frozen=True)
class Sources:
    """The sources of a site.

    `checkout` has the git history and the figures kept in docs/. Example images are generated and
    stored in `workspace`.
    """

    checkout: Path
    results: Path
    workspace: Workspace

    @property
    def docs(self) -> Path:
        """The folder of kept figures."""
        return self.checkout / "docs"


_SHARED = ("style.css", "charts.css", "decide.js", "compare.js", "page.js")
_TEMPLATES = Path(__file__).parent / "templates"


def build(sources: Sources, out: Path, progress: Progress = no_progress) -> Path:
    """Write the site into the folder `out`, and return its first page.

    An existing site is replaced when the new one is complete. Raises UserError without results, or
    if `out` is not a site or holds a foreign file.
    """
    if not sources.results.is_dir():
        raise UserError(f"{sources.results}: no such folder of results")
    refuse_others(out, SITE)
    pages = _pages(sources, progress)
    with made_anew(out, SITE, with_list=True) as folder:
        for path, content in _files(pages, sources.docs).items():
            file = _below(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return out / "index.html"


def page_of(machine: str, machines: Sequence[str]) -> str:
    """Return the name of a machine's page; the first machine has the site's first page."""
    return "index.html" if machine == machines[0] else f"machine-{machine}.html"


def _pages(sources: Sources, progress: Progress) -> dict[str, tuple[Published, list[Section]]]:
    """Return the run and the sections of each page, by the page's name."""
    runs = published(sources.results)
    if not runs:
        return {}
    asv_pages = history.make_history(
        sources.checkout, sources.results, sources.checkout / ".platebench"
    )
    machines = [run.machine for run in runs]
    return {
        page_of(run.machine, machines): (
            run,
            _sections(run, sources, asv_pages, progress, _places(run, runs)),
        )
        for run in runs
    }


def _places(run: Published, runs: Sequence[Published]) -> list[tuple[str, str]]:
    """Return the other machines: where each measured, and its page."""
    machines = [each.machine for each in runs]
    return [
        (compare.place_of(each), page_of(each.machine, machines))
        for each in runs
        if each.machine != run.machine
    ]


def _sections(
    run: Published,
    sources: Sources,
    asv_pages: history.History,
    progress: Progress,
    places: Sequence[tuple[str, str]],
) -> list[Section]:
    """Return the sections in the order of the page, without empty ones."""
    makers: dict[str, Callable[[], Section | None]] = {
        "decide": lambda: decide.section(run),
        "size and speed": lambda: charts.main_section(run),
        "compare": lambda: compare.section(run, places),
        "charts": lambda: charts.section(run),
        "then and now": lambda: then_and_now.section(sources.docs),
        "image sets": lambda: image_sets.section(run, sources.workspace),
        "findings": lambda: findings.section(sources.docs),
        "formats": lambda: formats.section(run),
        "method": lambda: method.section(run, selfcheck.kept(sources.results, run.machine)),
        "completeness": lambda: completeness.section(run),
        "downloads": lambda: downloads.section(run),
        "history": lambda: history.section(
            run, asv_pages, history.days_of(sources.results, run.machine)
        ),
    }
    made = []
    for number, (name, maker) in enumerate(makers.items()):
        progress(f"{run.machine}: {name}", number, len(makers))
        made.append(maker())
    return [section for section in made if section is not None]


def _files(pages: Mapping[str, tuple[Published, list[Section]]], docs: Path) -> dict[str, bytes]:
    """Return every file of the site by its path."""
    files = {name: (_TEMPLATES / name).read_bytes() for name in _SHARED}
    files[".nojekyll"] = b""
    if not pages:
        files["index.html"] = render("empty.html", question=QUESTION, version=_version()).encode()
    for name, (run, sections) in pages.items():
        others = [(other.machine, page) for page, (other, _) in pages.items() if page != name]
        files[name] = _page(run, sections, others).encode()
        for section in sections:
            files |= section.files
    runs = {name: run for name, (run, _) in pages.items()}
    if runs:
        described = formats.pages(runs, docs, QUESTION, _version())
        files |= {path: text.encode() for path, text in described.items()}
    return files


def _page(run: Published, sections: Sequence[Section], others: Sequence[tuple[str, str]]) -> str:
    return render(
        "page.html",
        question=QUESTION,
        version=_version(),
        published=run,
        sections=sections,
        others=others,
        started=f"{datetime.fromisoformat(run.info.started):%-d %B %Y}",
        hardware=_hardware(run.facts),
        state=one_line(run.info.machine_facts),
        libraries=newer_releases(run.info.libraries, run.info.newest),
        rounds=max(cell.rounds for cell in run.cells),
        failed=sum(cell.status == "failed" for cell in run.cells),
    )


def _hardware(facts: Mapping[str, Any]) -> str:
    """Return asv's facts of a machine in a few words."""
    ram = str(facts.get("ram", ""))
    said = [
        facts.get("cpu"),
        f"{facts['num_cpu']} processors" if facts.get("num_cpu") else None,
        f"{int(ram) / 1e9:.0f} GB of memory" if ram.isdecimal() else None,
        facts.get("os"),
    ]
    return ", ".join(str(each) for each in said if each)


def _version() -> str:
    return metadata.version("platebench")


def _below(folder: Path, path: str) -> Path:
    """Return the path of a file in the site. Raises UserError for a path outside of it."""
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise UserError(f"{path}: is outside the site's folder, so nothing was written")
    return file
