"""A section of the page, and the templates that all sections are written with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from platebench.results.report import figure, percent, seconds


@dataclass(frozen=True)
class Section:
    """One part of the page.

    `anchor` is its id and its place in the list of contents; `html` is what stands under the
    title; `charts` are Vega-Lite specifications by the id of the element that each is drawn in.
    `files` are further files of the page by their path in the site's folder.
    """

    anchor: str
    title: str
    html: Markup
    charts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


_templates = Environment(
    loader=PackageLoader("platebench.site"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["percent"] = percent
_templates.filters["seconds"] = seconds
_templates.filters["figure"] = figure


def render(template: str, **values: object) -> Markup:
    """Return a template filled in; whatever is not Markup is escaped."""
    return Markup(_templates.get_template(template).render(**values))
