"""The charts: size against speed, scaling, growth, warm against cold, CPU against wall time."""

from __future__ import annotations

from platebench.results.questions import (
    RAW,
    SCAN,
    TAKE,
    WRITE,
    headline_image_set,
    of_image_set,
)
from platebench.site.drawing.growth import growth
from platebench.site.drawing.processor_time import processor_time
from platebench.site.drawing.scaling import scaling
from platebench.site.drawing.size_and_speed import size_and_speed
from platebench.site.drawing.style import Drawing, specs
from platebench.site.drawing.warm_and_cold import warm_and_cold
from platebench.site.published import Published
from platebench.site.section import Section, render


def section(published: Published) -> Section:
    """Return all charts, each with a table of its figures."""
    drawings = charts_of(published)
    images = headline_image_set(published.cells)
    html = render("charts.html", drawings=drawings, images=images)
    return Section("figures", "Figures", html, specs(drawings))


def charts_of(published: Published) -> list[Drawing]:
    """Return the charts of a run in the order of the page."""
    images = headline_image_set(published.cells)
    cells = of_image_set(published.cells, images)
    profile = cells[0].profile if cells else RAW
    return [
        *(size_and_speed(cells, question) for question in (TAKE, SCAN)),
        *(scaling(published.cells, question, profile) for question in (TAKE, SCAN, WRITE)),
        growth(published.records, images),
        *(warm_and_cold(cells, question) for question in (TAKE, SCAN)),
        *(processor_time(cells, question) for question in (SCAN, WRITE)),
    ]
