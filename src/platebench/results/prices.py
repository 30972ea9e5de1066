"""Prices of storage, from a file of the package or of the user.

    [[price]]
    name = "Our file server"
    per_tb_month = 12.5
    currency = "EUR"                # default: "$"
    source = "price list of IT"     # or an address
    date = 2026-11-01

A TB is 10^12 bytes. The first price is the one that is shown.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from platebench.errors import UserError

OWN = Path(__file__).with_name("prices.toml")
"""The list prices that come with platebench, with their sources and dates."""

_LARGEST = 1_000_000
"""Bytes of a file of prices. Anything larger is another file."""


@dataclass(frozen=True)
class Price:
    """What a TB (10^12 bytes) costs per month, where that is said, and of which day it is."""

    name: str
    per_tb_month: float
    currency: str
    source: str
    day: date

    def of(self, stored_bytes: float) -> float:
        """Return the price of so many bytes per month."""
        return self.per_tb_month * stored_bytes / 1e12


def read_prices(file: Path = OWN) -> list[Price]:
    """Return the prices in a file, at least one.

    Raises UserError, which names the file and what is wrong with it.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file}: too large for a file of prices")
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # no TOML, or no UTF-8
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: is not a TOML file of prices ({reason})") from error
    entries = content.get("price")
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{file}: has no [[price]]; {_FORM}")
    return [_price(entry, number, file) for number, entry in enumerate(entries, 1)]


_FORM = 'each needs name = "...", per_tb_month = 12.5, source = "..." and date = 2026-11-01'


def _price(entry: Any, number: int, file: Path) -> Price:
    where = f"{file}: price {number}"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is not a table; {_FORM}")
    amount, day = entry.get("per_tb_month"), entry.get("date")
    texts = [entry.get("name"), entry.get("source"), entry.get("currency", "$")]
    if not all(isinstance(text, str) and text.strip() and text.isprintable() for text in texts):
        raise UserError(f"{where} has no name or source; {_FORM}")
    if (
        not isinstance(amount, int | float)
        or isinstance(amount, bool)
        or not 0 <= amount < math.inf
    ):
        raise UserError(f"{where} ({texts[0]}): per_tb_month is not a price; {_FORM}")
    if type(day) is not date:  # a TOML date and time is one too
        raise UserError(f"{where} ({texts[0]}): date is not a day; {_FORM}")
    name, source, currency = texts
    return Price(name, float(amount), currency, source, day)
