"""The section on what was measured: the plan, what is missing, failed, skipped or left out."""

from __future__ import annotations

from platebench.results.completeness import completeness
from platebench.site.published import Published
from platebench.site.section import Section, render


def section(published: Published) -> Section:
    """Return the plan and the counts, by image set and operation."""
    found = completeness(published.info, published.records)
    return Section(
        anchor="completeness",
        title="What was measured",
        html=render("completeness.html", finished=published.finished, found=found),
    )
