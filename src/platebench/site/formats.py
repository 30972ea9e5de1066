"""The formats and how each stores an image, from the docstrings of the stores."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import resources
from itertools import groupby

from markdown_it import MarkdownIt
from markupsafe import Markup

from platebench.results.questions import in_order
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.left_out import LEFT_OUT
from platebench.stores.part_list import NAME
from platebench.stores.registry import FORMATS, Format

_STORES = "platebench.stores"
_markdown = MarkdownIt("commonmark", {"html": False})


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
        """The docstring as HTML; HTML in it is escaped. The keyboard reaches wide tables."""
        return Markup(_markdown.render(self.says).replace("<pre>", '<pre tabindex="0">'))

    @property
    def path(self) -> str:
        """The file's path in the repository."""
        return f"src/{_STORES.replace('.', '/')}/{self.name}.py"

    @property
    def copy(self) -> str:
        """The path of its copy in the site, as text that a browser shows."""
        return f"stores/{self.name}.py.txt"


@dataclass(frozen=True)
class Described:
    """A format with its module.

    `libraries` are the versions of the run, None for a missing library.
    """

    format: Format
    module: Module
    libraries: dict[str, str | None]


def section(published: Published) -> Section:
    """Return every registered format, with the versions of the run's libraries.

    Measured formats that are no longer registered are listed with their stores, and at the end
    those that were left out.
    """
    described = [_described(format_, published) for format_ in FORMATS]
    part_list = _module("part_list")
    known = {format_.name for format_ in FORMATS}
    removed = in_order([cell.store for cell in published.cells if cell.format not in known])
    modules = [*(each.module for each in described), part_list]
    return Section(
        anchor="formats",
        title="The formats",
        html=render(
            "formats.html",
            described=described,
            part_list=part_list,
            part_list_name=NAME,
            left_out=LEFT_OUT,
            removed={name: list(stores) for name, stores in groupby(removed, lambda s: s.format)},
        ),
        files={module.copy: module.source.encode() for module in modules},
    )


def module_of(format_: Format) -> Module:
    """Return the file of the format's store. Its library need not be installed."""
    return _module(format_.module)


def _described(format_: Format, published: Published) -> Described:
    module = module_of(format_)
    return Described(
        format_,
        module,
        {name: published.info.libraries.get(name) for name in format_.all_needs},
    )


def _module(name: str) -> Module:
    return Module(name, resources.files(_STORES).joinpath(f"{name}.py").read_text("utf-8"))
