"""Prices of storage: those that come with platebench, and those of a user."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.prices import OWN, read_prices

GOOD = """
[[price]]
name = "Our server"
per_tb_month = 12.5
currency = "EUR"
source = "price list of IT"
date = 2026-11-01
"""


def test_own_prices_have_a_source_and_a_day() -> None:
    prices = read_prices()
    assert prices
    for price in prices:
        assert price.source.startswith("https://")
        assert price.per_tb_month > 0
        assert date(2020, 1, 1) < price.day <= date.today()
    assert "package-data" in (OWN.parents[3] / "pyproject.toml").read_text()


def test_price_is_of_a_tb_of_a_million_million_bytes(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(GOOD)
    (price,) = read_prices(file)
    assert (price.name, price.currency, price.day) == ("Our server", "EUR", date(2026, 11, 1))
    assert price.of(2e12) == 25


@pytest.mark.parametrize(
    ("found", "other", "says"),
    [
        ("[[price]]", "price = [1]\n[more]", "price 1 is not a table"),
        ("[[price]]", "[[prices]]", r"has no \[\[price\]\]"),
        ("[[price]]", "[[price", "is not a TOML file"),
        ("12.5", '"12.5"', "per_tb_month is not a price"),
        ("12.5", "-1", "per_tb_month is not a price"),
        ("12.5", "nan", "per_tb_month is not a price"),
        ("12.5", "inf", "per_tb_month is not a price"),
        ("12.5", "true", "per_tb_month is not a price"),
        ("2026-11-01", '"2026"', "date is not a day"),
        ("2026-11-01", "2026-11-01T10:00:00", "date is not a day"),
        ('"Our server"', '" "', "has no name or source"),
        ('"Our server"', '"a\\u001bb"', "has no name or source"),
        ('source = "price list of IT"', "", "has no name or source"),
    ],
)
def test_file_that_has_no_prices_is_refused_by_name(
    found: str, other: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "prices.toml"
    assert found in GOOD
    file.write_text(GOOD.replace(found, other))
    with pytest.raises(UserError, match=rf"prices\.toml.*{says}") as refused:
        read_prices(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[[price]]\n" * 200_000, b""])
def test_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"prices\.toml: "):
        read_prices(file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")
