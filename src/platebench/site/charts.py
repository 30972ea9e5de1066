"""The charts: size and speed, warm against cold, growth, and settings against formats."""

from __future__ import annotations

from platebench.results.questions import (
    COLD_SCAN,
    COLD_TAKE,
    RAW,
    SCAN,
    TAKE,
    Question,
    headline_image_set,
    of_image_set,
)
from platebench.results.tidy import CellResult
from platebench.site.drawing.growth import growth
from platebench.site.drawing.how_written import how_written
from platebench.site.drawing.size_and_speed import size_and_speed
from platebench.site.drawing.views import Chart
from platebench.site.drawing.warm_and_cold import warm_and_cold
from platebench.site.lessons import first_measured
from platebench.site.published import Published
from platebench.site.section import Section, render

RANDOM, ORDERED = "Random rows", "In order"


def main_section(published: Published) -> Section | None:
    """Return the main chart, right after the choice of a store; None if it has nothing to draw."""
    images = headline_image_set(published.cells)
    chart = main_chart(of_image_set(published.cells, images))
    if not any(view.panels for view in chart.views):
        return None
    html = render("charts.html", charts=[chart], images=images)
    return Section("size-and-speed", "Size against speed", html)


def section(published: Published) -> Section:
    """Return the other charts, each with a table of its figures."""
    images = headline_image_set(published.cells)
    html = render("charts.html", charts=charts_of(published), images=images)
    return Section("figures", "What decides the speed", html)


def main_chart(cells: list[CellResult]) -> Chart:
    """Return the main chart for the cells of one image set: from the disk, if that was measured."""
    views = (
        size_and_speed(cells, _measured(cells, COLD_TAKE, TAKE), RANDOM),
        size_and_speed(cells, _measured(cells, COLD_SCAN, SCAN), ORDERED),
    )
    return Chart("size-against-speed", "Size against speed", views)


def charts_of(published: Published) -> list[Chart]:
    """Return the other charts of a run in the order of the page."""
    images = headline_image_set(published.cells)
    cells = of_image_set(published.cells, images)
    profile = cells[0].profile if cells else RAW
    written = [
        how_written(cells, _measured(cells, COLD_TAKE, TAKE), RANDOM),
        how_written(cells, _measured(cells, COLD_SCAN, SCAN), ORDERED),
    ]
    both = [warm_and_cold(published.cells, question, name) for question, name in _READS]
    return [
        Chart("how-written", "How images are written against the format", tuple(written)),
        Chart("warm-and-cold", "Warm against cold", tuple(both)),
        Chart("growth", "Growth with the number of images", growth(published.cells, profile)),
    ]


_READS = ((TAKE, RANDOM), (SCAN, ORDERED))


def _measured(cells: list[CellResult], from_disk: Question, from_memory: Question) -> Question:
    """Return the question about the disk if a store answers it, else the one about memory."""
    return first_measured(cells, (from_disk, from_memory)) or from_disk
