"""Amounts of what there is to keep, in words. The script `decide.js` has the same words."""

from __future__ import annotations

from dataclasses import dataclass

from platebench.limits import gigabytes
from platebench.results.report import figure


@dataclass(frozen=True)
class Amount:
    """An amount that may grow with the images: `fixed`, and `per_tb` for each TB of pixels.

    `kind` is bytes (kept), money (the price of so many bytes), hours, rate (images per second),
    count, or memory (bytes at a peak).
    """

    kind: str
    per_tb: float = 0.0
    fixed: float = 0.0

    def of(self, tb: float) -> float:
        """Return the amount for so many TB of pixels, from factors as the page has them.

        With more digits than the script's, 1.75 TB would be 1.7 here and 1.8 there.
        """
        return float(written(self.per_tb)) * tb + float(written(self.fixed))


def written(factor: float) -> str:
    """Return a factor of an amount with the digits that it has in the page."""
    return f"{factor:.7g}"


def amount_words(amount: Amount, tb: float, per_tb_month: float, currency: str) -> str:
    """Return an amount with its unit, such as `1.8 TB`, `$34` or `5.20 hours`."""
    value = amount.of(tb)
    if amount.kind == "money":
        return money(value / 1e12 * per_tb_month, currency)
    if amount.kind == "hours":
        return duration(value)
    if amount.kind == "rate":
        return figure(value)
    if amount.kind == "count":
        return f"{value / 1e6:,.1f} million" if value >= 1e6 else f"{value:,.0f}"
    if amount.kind == "memory" and value < 1e6:
        return "under 1 MB"
    return gigabytes(round(value))


def money(value: float, currency: str) -> str:
    """Return a price: whole units from 10 on, hundredths below."""
    number = f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
    return f"{currency}{number}" if len(currency) == 1 else f"{number} {currency}"


def duration(hours: float) -> str:
    """Return hours in the largest unit of which there are two."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("min", 1 / 60)):
        if hours >= 2 * size:
            return f"{figure(hours / size)} {unit}"
    return f"{figure(hours * 3600)} s"
