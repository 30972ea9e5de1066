"""The formats: a page each, and a table of all that leads to them.

A page has the figures of every published run, what is known against the format, how to write and
read it, and its description, which is the docstring of its store. All of it comes from the
registry, the stores, the findings and the results: a format that is added later has a page without
any change here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import groupby
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from platebench.errors import Unsupported, UserError
from platebench.findings.finding import Finding
from platebench.findings.registry import FINDINGS
from platebench.packages.readme import reading_of
from platebench.results.metadata import from_record, sentence
from platebench.results.questions import (
    COLD_SCAN,
    COLD_TAKE,
    SCAN,
    TAKE,
    WRITE,
    Question,
    answering,
    headline_image_set,
    in_order,
    measured,
    of_image_set,
)
from platebench.results.ranking import rank
from platebench.results.ratios import typical
from platebench.results.report import figure, seconds
from platebench.results.store_words import LAYOUTS, format_title
from platebench.results.strict_json import read_object
from platebench.results.tidy import CellResult
from platebench.site.drawing.size_and_speed import size_and_speed
from platebench.site.drawing.views import View
from platebench.site.lessons import first_measured
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores import registry
from platebench.stores.left_out import LEFT_OUT
from platebench.stores.name import StoreName
from platebench.stores.part_list import NAME, with_versions
from platebench.stores.registry import FLOOR, FORMATS, Format

FOLDER = "formats"
"""The folder of the formats' pages in the site."""

REVIEW = "review.md"
"""In docs/: how a maintainer objects. The site has a page of it."""

MANY = "metadata.json"
"""In docs/: what `platebench calibrate metadata` measured."""

RECOMMENDED = ("balanced", "fast", "default")
"""The tunings of a format's recipe: the first that it has."""

_STORES = "platebench.stores"
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
_LOCAL_LINK = re.compile(r'<a href="(?!https?://)[^"]*">(.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Module:
    """A file of `src/platebench/stores`: its name without suffix, and its text."""

    name: str
    source: str

    @property
    def says(self) -> str:
        """The file's docstring, which is Markdown."""
        return ast.get_docstring(ast.parse(self.source)) or ""

    @property
    def html(self) -> Markup:
        """The docstring as HTML; HTML in it is escaped."""
        return as_html(self.says)

    @property
    def path(self) -> str:
        """The file's path in the repository."""
        return f"src/{_STORES.replace('.', '/')}/{self.name}.py"

    @property
    def copy(self) -> str:
        """The path of its copy in the site, as text that a browser shows."""
        return f"stores/{self.name}.py.txt"


@dataclass(frozen=True)
class Listed:
    """A format in the table of all, with its page and the versions of the run's libraries.

    A version is None for a missing library.
    """

    format: Format
    title: str
    page: str
    libraries: Mapping[str, str | None]


@dataclass(frozen=True)
class Timed:
    """The time of one store for one question, per image: its interval, rank and ratio to the floor.

    `text` says why there is none.
    """

    text: str
    ends: str = ""
    rank: str = ""
    floor: str = ""


@dataclass(frozen=True)
class StoreRow:
    """The figures of one store in one run; `size` is "" if it is not known."""

    store: StoreName
    size: str
    files: str
    timed: Sequence[Timed]
    read_memory: str
    write_memory: str


@dataclass(frozen=True)
class RunFigures:
    """The figures of a format in the newest run of one machine, on one image set.

    `limits` are the messages of failed and skipped cells, on any image set, each with its stores.
    """

    machine: str
    page: str
    day: str
    images: str
    questions: Sequence[Question]
    rows: Sequence[StoreRow]
    view: View | None
    limits: Sequence[tuple[str, Sequence[StoreName]]]
    libraries: Mapping[str, str | None]


@dataclass(frozen=True)
class Recipe:
    """How to write one layout, and how programs read its first image; `why_not` if unknown here."""

    store: StoreName
    layout: str
    reading: Mapping[str, str]
    why_not: str = ""


def section(published: Published) -> Section:
    """Return a table of all registered formats, with the versions of the run's libraries.

    Measured formats that are no longer registered are listed with their stores, and at the end
    those that were left out.
    """
    listed = [_listed(format_, published) for format_ in FORMATS]
    part_list = _module("part_list")
    known = {format_.name for format_ in FORMATS}
    removed = in_order([cell.store for cell in published.cells if cell.format not in known])
    modules = [part_list, *(module_of(format_) for format_ in FORMATS)]
    return Section(
        anchor="formats",
        title="The formats",
        html=render(
            "formats.html",
            listed=listed,
            part_list=part_list,
            part_list_name=NAME,
            layouts=LAYOUTS,
            left_out=LEFT_OUT,
            removed={name: list(stores) for name, stores in groupby(removed, lambda s: s.format)},
        ),
        files={module.copy: module.source.encode() for module in modules},
    )


def pages(runs: Mapping[str, Published], docs: Path, question: str, version: str) -> dict[str, str]:
    """Return the page of every registered format by its path, and that of docs/review.md.

    `runs` are the published runs by the page of their machine, the newest first.
    """
    review = docs / REVIEW
    many = [each for each in from_record(read_object(docs / MANY) or {})[0] if each.cells]
    shared = {"question": question, "version": version, "root": "../"}
    named = [(format_title(each.name), page_name(each), each) for each in FORMATS]
    found: dict[str, str] = {}
    for format_ in FORMATS:
        figures = (_figures(format_, run, page) for page, run in runs.items())
        found[page_of(format_)] = render(
            "format.html",
            **shared,
            format=format_,
            title=format_title(format_.name),
            module=module_of(format_),
            formats=named,
            runs=[each for each in figures if each is not None],
            findings=findings_of(format_),
            recipes=recipes_of(format_),
            many=[each for each in many if each.store.format == format_.name],
            sentence=sentence,
            part_list_name=NAME,
            review="review.html" if review.exists() else None,
            is_floor=format_.name == FLOOR.format,
        )
    if review.exists():
        html = _LOCAL_LINK.sub(r"\1", as_html(_without_title(review.read_text("utf-8"))))
        found["review.html"] = render(
            "review.html", question=question, version=version, html=Markup(html)
        )
    return found


def page_name(format_: Format) -> str:
    """Return the file name of a format's page."""
    return f"{format_.name}.html"


def page_of(format_: Format) -> str:
    """Return the path of a format's page in the site."""
    return f"{FOLDER}/{page_name(format_)}"


def module_of(format_: Format) -> Module:
    """Return the file of the format's store. Its library need not be installed."""
    return _module(format_.module)


def as_html(text: str) -> Markup:
    """Return Markdown as HTML; HTML in it is escaped. The keyboard reaches what may be wide."""
    html = _markdown.render(text).replace("<pre>", '<pre tabindex="0">')
    html = html.replace("<table>", '<div class="wide" tabindex="0"><table>')
    return Markup(html.replace("</table>", "</table></div>"))


def findings_of(format_: Format) -> list[Finding]:
    """Return the findings about a format."""
    return [finding for finding in FINDINGS if format_.name in finding.formats]


def recipes_of(format_: Format) -> list[Recipe]:
    """Return how each layout is written and read, the layout that suits the format best first."""
    found = []
    for layout, tunings in format_.variants.items():
        has = tunings.split()
        tuning = next((each for each in RECOMMENDED if each in has), has[0])
        found.append(_recipe(StoreName(format_.name, layout, tuning)))
    return found


@cache
def _recipe(store: StoreName) -> Recipe:
    words = LAYOUTS.get(store.layout, store.layout)
    try:
        return Recipe(store, words, reading_of(with_versions(registry.find(store))))
    except (Unsupported, UserError) as reason:
        return Recipe(store, words, {}, str(reason))


def _listed(format_: Format, published: Published) -> Listed:
    return Listed(
        format_, format_title(format_.name), page_of(format_), _libraries(format_, published)
    )


def _libraries(format_: Format, published: Published) -> dict[str, str | None]:
    return {name: published.info.libraries.get(name) for name in format_.all_needs}


def _figures(format_: Format, published: Published, page: str) -> RunFigures | None:
    """Return a format's figures in one run; None if the run has nothing of it."""
    every = [cell for cell in published.cells if cell.format == format_.name]
    if not every:
        return None
    images = headline_image_set(published.cells)
    cells = of_image_set(published.cells, images)
    questions = [
        first_measured(cells, pair) or pair[0]
        for pair in ((COLD_TAKE, TAKE), (COLD_SCAN, SCAN), (WRITE,))
    ]
    mine = in_order([cell.store for cell in cells if cell.format == format_.name])
    ranks = [rank(answering(cells, question)).ranks() for question in questions]
    rows = [_row(store, cells, questions, ranks) for store in mine]
    view = size_and_speed(cells, questions[0], published.machine, format_.name)
    return RunFigures(
        published.machine,
        page,
        published.info.started[:10],
        images or "",
        questions,
        rows,
        view if view.panels else None,
        limits_of(every),
        _libraries(format_, published),
    )


def limits_of(cells: Iterable[CellResult]) -> list[tuple[str, list[StoreName]]]:
    """Return the messages of failed and skipped cells, each with the stores it is about."""
    found: dict[str, list[StoreName]] = {}
    for cell in cells:
        if cell.status != "ok":
            stores = found.setdefault(f"{cell.operation} {cell.status}: {cell.message}", [])
            if cell.store not in stores:
                stores.append(cell.store)
    return list(found.items())


def _row(
    store: StoreName,
    cells: Sequence[CellResult],
    questions: Sequence[Question],
    ranks: Sequence[Mapping[StoreName, str]],
) -> StoreRow:
    mine = [cell for cell in cells if cell.store == store]
    stored = next((cell for cell in mine if cell.bytes_per_pixel_byte is not None), None)
    return StoreRow(
        store,
        "" if stored is None else figure(stored.bytes_per_pixel_byte),
        "" if stored is None or not stored.stored_files else f"{stored.stored_files:,}",
        [
            _timed(answering(mine, question), placed.get(store, ""))
            for question, placed in zip(questions, ranks, strict=True)
        ],
        _memory(cell.peak_bytes for cell in mine if cell.operation in ("scan", "take")),
        _memory(cell.peak_bytes for cell in mine if cell.operation == "write"),
    )


def _timed(cells: Sequence[CellResult], placed: str) -> Timed:
    if not cells:
        return Timed("not measured")
    (cell,) = cells[:1]
    if not measured([cell]) or cell.median_s is None:
        return Timed(cell.status)
    count = cell.read_images or cell.images or 1
    repeat = typical(cell.wall.blocks)
    ends = ""
    if repeat.low is not None and repeat.high is not None:
        ends = f"{seconds(repeat.low / count)} to {seconds(repeat.high / count)}"
    floor = "" if cell.floor_ratio is None else f"{figure(cell.floor_ratio)}× a bare file"
    return Timed(seconds(cell.median_s / count), ends, placed, floor)


def _memory(peaks: Iterable[int | None]) -> str:
    known = [peak for peak in peaks if peak is not None]
    return f"{max(known) / 1e6:,.0f} MB" if known else ""


def _without_title(text: str) -> str:
    """Return a document without its first heading, which the page has as its own."""
    return text.partition("\n")[2] if text.startswith("# ") else text


def _module(name: str) -> Module:
    return Module(name, resources.files(_STORES).joinpath(f"{name}.py").read_text("utf-8"))
