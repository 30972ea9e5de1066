"""A section of the page, and the templates of all sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from platebench.results.report import figure, percent, seconds


@dataclass(frozen=True)
class Section:
    """One part of the page.

    `anchor` is its id and its entry in the list of contents; `html` is the text below the title.
    `files` are further files of the page by their path in the site's folder.
    """

    anchor: str
    title: str
    html: Markup
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
    """Return a filled template; values that are not Markup are escaped."""
    return Markup(_templates.get_template(template).render(**values))
