"""The numbers of the first screen, computed again from raw samples by code of its own.

Nothing here is imported from the results or the timing of platebench: the kept records are read as
JSON, and a statistic is written down as docs/method.md and the docstrings say it. The page under
test is the first screen of the newest kept run, with the inputs it opens with. The intervals, which
a reader asks for, are tested in tests/results.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import combinations_with_replacement

import pytest

from platebench.site import decide
from platebench.site.published import published
from tests.scratch_checkout import REPOSITORY

RESULTS = REPOSITORY / "results"
TB, WEIGHTS = 5, {"scan": 0.80, "take": 0.15, "write": 0.05}
CELLS = {
    "scan": ("full_scan.ColdFullScan.time_scan", []),
    "take": ("random_rows.ColdRandomRows.time_take", ["16 scattered"]),
    "write": ("write.Write.time_write", []),
    "crop": ("crop.ColdCrop.time_crop", []),
    "parallel": ("readers.Readers.time_readers", ["2 processes"]),
}
FURTHER = {"crop": "Crops/s", "parallel": "Images/s, 2 readers"}
"""Rows of a card that a run may lack."""
TIFF = "tiff-files:tiff:default"
NEAR = 1.03
"""How far a choice by ratios to the TIFF folder may be from one by all pairs of stores."""


class Raw:
    """The samples of one run and image set, from its file."""

    def __init__(self, lines: list[str]) -> None:
        records = [json.loads(line) for line in lines[1:]]
        records = [each for each in records if "cell" in each]
        statuses: dict[str, dict[tuple, set[str]]] = defaultdict(lambda: defaultdict(set))
        for each in records:
            store, name, *details = each["cell"]["params"]
            if re.fullmatch(r"raw-\d+", name):
                cell = (store, each["cell"]["benchmark"], *details)
                statuses[name][cell].add(each["status"])
        measured = {
            name: len({cell[0] for cell, found in cells.items() if found == {"ok"}})
            for name, cells in statuses.items()
        }
        self.images = max(measured, key=lambda name: (measured[name], int(name[4:])))
        self.records: dict[tuple[str, str], dict[tuple, dict]] = defaultdict(dict)
        for each in records:
            store, images, *details = each["cell"]["params"]
            for use, wanted in CELLS.items():
                if (images, each["cell"]["benchmark"], details) == (self.images, *wanted):
                    self.records[store, use][each["round"], each.get("group")] = each
        self.files: dict[str, dict[int, int]] = defaultdict(dict)
        for each in records:
            name, noted = each["cell"]["params"][1], each["record"]
            kind = each["cell"]["benchmark"].partition(".")[0]
            if name in measured and kind in ("full_scan", "write") and noted.get("stored_files"):
                self.files[each["cell"]["params"][0]][int(name[4:])] = noted["stored_files"]

    def of(self, store: str, use: str) -> dict[tuple, dict]:
        found = self.records.get((store, use), {})
        return found if all(each["status"] == "ok" for each in found.values()) else {}

    def noted(self, store: str, use: str, what: str) -> list[int]:
        return [
            each["record"][what]
            for each in self.of(store, use).values()
            if each["record"].get(what)
        ]

    def stores(self) -> list[str]:
        named = {store for store, _ in self.records if not store.startswith("floor:")}
        return [store for store in named if all(self.of(store, use) for use in WEIGHTS)]

    def size(self, store: str) -> float:
        for use in ("scan", "write"):
            if found := self.noted(store, use, "stored_bytes"):
                return found[0] / self.noted(store, use, "set_pixel_bytes")[0]
        raise LookupError(store)

    def seconds(self, store: str, use: str) -> float:
        """The typical time of one sample: the pooled medians of the rounds."""
        by_round: dict[int, list[float]] = defaultdict(list)
        for (number, _), each in self.of(store, use).items():
            by_round[number].append(math.log(statistics.median(each["samples_s"])))
        return math.exp(pooled([statistics.fmean(logs) for logs in by_round.values()]))

    def ratio(self, one: str, other: str, use: str) -> float:
        """How many times as long one store takes: pooled over rounds, from neighbouring samples."""
        by_round: dict[int, list[float]] = defaultdict(list)
        mine, others = self.of(one, use), self.of(other, use)
        for block in mine.keys() & others.keys():
            pairs = zip(mine[block]["samples_s"], others[block]["samples_s"], strict=False)
            logs = [math.log(a / b) for a, b in pairs]
            if block[1] is None:
                medians = [statistics.median(each[block]["samples_s"]) for each in (mine, others)]
                by_round[block[0]].append(math.log(medians[0] / medians[1]))
                continue
            means = [(a + b) / 2 for a, b in combinations_with_replacement(logs, 2)]
            by_round[block[0]].append(statistics.median(means))
        return math.exp(pooled([statistics.fmean(each) for each in by_round.values()]))

    def weighted(self, store: str) -> float:
        """Seconds per image of the uses that the page opens with."""
        return sum(
            weight
            * self.seconds(TIFF, use)
            / self.noted(TIFF, use, "images")[0]
            * self.ratio(store, TIFF, use)
            for use, weight in WEIGHTS.items()
        )


def pooled(logs: list[float]) -> float:
    """The median of fewer than six rounds; else the mean of all but outliers."""
    middle = statistics.median(logs)
    if len(logs) < 6:
        return middle
    away = [abs(each - middle) for each in logs]
    scale = 1.482602218505602 * statistics.median(away)
    return statistics.fmean(
        each for each, far in zip(logs, away, strict=True) if scale == 0 or far <= 6 * scale
    )


class Cards(HTMLParser):
    """The cards as a reader sees them: titles and rows of texts by store."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, dict[str, str]] = {}
        self.prices: list[float] = []
        self._store, self._name, self._hidden, self._into = "", "", 0, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "template":
            self._hidden += 1
        if tag == "input" and given.get("name") == "price":
            self.prices.append(float(given["value"] or "nan"))
        if self._hidden:
            return
        if tag == "article":
            self._store = given["data-store"] or ""
            self.cards[self._store] = {"title": ""}
        if self._store and tag in ("h3", "dt", "dd"):
            self._into = tag
            self._name = "" if tag == "dt" else "title" if tag == "h3" else self._name

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._hidden -= 1
        if tag in ("h3", "dt", "dd"):
            self._into = ""
        if tag == "article" and not self._hidden:
            self._store = ""

    def handle_data(self, data: str) -> None:
        if self._hidden or not self._into:
            return
        if self._into == "dt":
            self._name += data
        else:
            said = self.cards[self._store].get(self._name, "")
            self.cards[self._store][self._name] = said + data


UNITS = {
    "TB": 1e12, "GB": 1e9, "MB": 1e6, "days": 24, "hours": 1, "min": 1 / 60, "s": 1 / 3600, "$": 1,
    "": 1, "million": 1e6,
}  # fmt: skip


def shows(text: str, value: float) -> bool:
    """True if a text shows a value, to the digits that it has."""
    if text.startswith("under 1 MB"):
        return value < 1e6
    found = re.match(r"(\$?)([\d,]+(\.\d+)?)\s*([A-Za-z]*)", text)
    assert found is not None, text
    unit = UNITS.get(found[1] or found[4], 1)
    digits = len(found[3] or ".") - 1
    return abs(float(found[2].replace(",", "")) - value / unit) <= 0.5001 * 10**-digits


def against(text: str) -> float | None:
    found = re.search(r"([\d.,]+)× now", text)
    return float(found[1].replace(",", "")) if found else None


def expected(raw: Raw, store: str, price: float) -> dict[str, float | None]:
    """Every number of a card by its row."""
    pixel_bytes = raw.noted(store, "write", "set_pixel_bytes")[0]
    images = raw.noted(store, "write", "set_images")[0]
    kept = raw.size(store) * TB * 1e12

    def peak(*uses: str) -> float:
        return max(max(raw.noted(store, use, "peak_bytes"), default=0) for use in uses)

    return {
        "Kept": kept,
        "A month": kept / 1e12 * price,
        "To write all": raw.seconds(store, "write") * TB * 1e12 / pixel_bytes / 3600,
        "Images/s in order": raw.noted(store, "scan", "images")[0] / raw.seconds(store, "scan"),
        "Images/s at random": raw.noted(store, "take", "images")[0] / raw.seconds(store, "take"),
        f"Files of {images} images": raw.noted(store, "scan", "stored_files")[0],
        "Files": modelled_files(raw, store, images, TB * 1e12 / pixel_bytes),
        "Memory to read": peak("scan", "take"),
        "Memory to write": peak("write"),
        **{
            row: raw.noted(store, use, "images")[0] / raw.seconds(store, use)
            for use, row in FURTHER.items()
            if raw.of(store, use)
        },
    }


def modelled_files(raw: Raw, store: str, images: int, times: float) -> float:
    """The files of so many times the images: those that grew with the images grow further."""
    files = raw.files[store]
    few, many = min(files), max(files)
    now = raw.noted(store, "scan", "stored_files")[0]
    grow = round(images * (files[many] - files[few]) / (many - few)) if many > few else 0
    return now if grow < 2 else now - grow + grow * times


def ratios(raw: Raw, store: str) -> dict[str, float]:
    """Every "times now" of a card by its row."""
    return {
        "Kept": raw.size(store) / raw.size(TIFF),
        "A month": raw.size(store) / raw.size(TIFF),
        "To write all": raw.ratio(store, TIFF, "write"),
        "Images/s in order": raw.ratio(TIFF, store, "scan"),
        "Images/s at random": raw.ratio(TIFF, store, "take"),
        **{row: raw.ratio(TIFF, store, use) for use, row in FURTHER.items() if raw.of(store, use)},
    }


@pytest.fixture(scope="module")
def raw() -> Raw:
    """The newest kept run that is neither a comparison nor a history."""
    newest, lines = "", [""]
    for file in RESULTS.glob("*/*.run.jsonl"):
        read = file.read_text().splitlines()
        first = json.loads(read[0])
        if "reference" in first["settings"] and first["started"] > newest:
            newest, lines = first["started"], read
    return Raw(lines)


@pytest.fixture(scope="module")
def cards() -> Cards:
    section = decide.section(published(RESULTS)[0])
    assert section is not None
    read = Cards()
    read.feed(str(section.html))
    return read


def test_every_number_of_every_card_follows_from_the_samples(raw: Raw, cards: Cards) -> None:
    (price,) = cards.prices
    checked = 0
    for store, card in cards.cards.items():
        texts = {name.strip(): " ".join(text.split()) for name, text in card.items()}
        values = expected(raw, store, price)
        known = {name for name in texts if re.search(r"\d", texts[name]) and name != "title"}
        assert known <= values.keys(), "a number that nothing here recomputes"
        for name in known:
            assert shows(texts[name], values[name]), (store, name, texts[name], values[name])
            checked += 1
    assert checked >= 7 * len(cards.cards)


def test_every_comparison_with_now_follows_from_the_samples(raw: Raw, cards: Cards) -> None:
    checked = 0
    for store, card in cards.cards.items():
        for name, text in card.items():
            shown = against(text)
            assert (shown is None) == (store == TIFF or name.strip() not in ratios(raw, store))
            if shown is not None:
                assert shown == pytest.approx(
                    ratios(raw, store)[name.strip()], rel=0.006, abs=0.006
                )
                checked += 1
    assert checked >= 5 * (len(cards.cards) - 1)


def test_shown_stores_are_the_best_by_the_rule_of_the_page(raw: Raw, cards: Cards) -> None:
    scores: dict[str, Callable[[str], float]] = {
        "fastest": raw.weighted,
        "balanced": lambda store: raw.weighted(store) * raw.size(store),
        "smallest": raw.size,
    }
    titles = {
        title.strip().lower(): store
        for store, card in cards.cards.items()
        for title in card["title"].split(",")
    }
    for title, score in scores.items():
        best = min(map(score, raw.stores()))
        assert score(titles[title]) <= best * NEAR, title


def test_changed_number_would_be_seen(raw: Raw, cards: Cards) -> None:
    assert not shows("5.0 TB", 5.06e12)
    assert not shows("54.0 min", 54.1 / 60)
    assert shows("under 1 MB", 1e5) and not shows("under 1 MB", 2e6)
    assert shows("1.2 million", 1_180_000) and not shows("$93", 94.0)
    assert against("extrapolated, 0.33× now") == 0.33
