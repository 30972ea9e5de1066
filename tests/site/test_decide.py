"""The first screen: the page decides as `platebench advise` does, and every control works."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from scipy import special

from platebench.commands.answer import program
from platebench.results.advice import Basis, growing_files, sample_of
from platebench.results.advice_lines import Asked, advice_lines
from platebench.results.decision import Decision, Pairs, StoreFigures, decide
from platebench.results.measurement import Measurement
from platebench.results.needs import CROPS, OPTIONS, PARALLEL, USES, Needs
from platebench.results.prices import read_prices
from platebench.results.questions import headline_image_set, of_image_set
from platebench.results.ratios import Ratio
from platebench.results.robust_mean import RobustMean
from platebench.results.store_words import readable
from platebench.site import decide as section_of
from platebench.site.amounts import Amount, amount_words
from platebench.site.build import _SHARED, _TEMPLATES, _page
from platebench.site.decide import (
    NEEDS,
    PRESETS,
    TB,
    cards_of,
    depths_of,
    plain,
    table_of,
)
from platebench.site.published import Published, published
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER
from tests.results.made_up_runs import PIXEL_BYTES, failed, ok, run_file
from tests.scratch_checkout import REPOSITORY, Command
from tests.site.conftest import Look
from tests.site.test_browser import violations

COLD_SCAN = "full_scan.ColdFullScan.time_scan"
COLD_TAKE = "random_rows.ColdRandomRows.time_take"
COLD_CROP = "crop.ColdCrop.time_crop"
READERS = "readers.Readers.time_readers"
WRITE = "write.Write.time_write"
IPC = StoreName.parse("arrow-ipc:pixels:fast")
LANCE = StoreName.parse("lancedb:pixels:balanced")
PARQUET = StoreName.parse("parquet:pixels:balanced")
ZARR = StoreName.parse("zarr:tensor:small")
CH5 = StoreName.parse("ch5:tensor:fast")
MADE = {
    FLOOR: (1.0, 1.0, 1.0),
    TIFF_FOLDER: (1.0, 1.4, 1.4),
    IPC: (1.0, 1.0, 1.0),
    LANCE: (1.0, 1.01, 1.01),
    PARQUET: (0.4, 1.6, 1.6),
    ZARR: (0.3, 1.4, 20.0),
}
"""The size of each store, and its relative times in order and at random."""
ROUNDS = 5
IN_PARTS = ("raw-64",)
"""Image sets with crops and reads by several processes."""
GRID = [
    Needs(0, 0, 20, crops=80),
    Needs(10, 20, 0, crops=30, parallel=40),
    *(
        Needs(reads, round(100 - reads - writes, 6), writes, versions=versions)
        for reads in (0, 12.5, 55, 80, 100)
        for writes in (0, 5, 45)
        for versions in (False, True)
        if reads + writes <= 100
    ),
]


def round_of(number: int, images: str, smaller: float) -> list[Measurement]:
    chance = random.Random(number)
    runs = []
    for store, (size, in_order, at_random) in MADE.items():
        wobble = math.exp(chance.gauss(0, 0.02))
        noted: dict[str, Any] = {
            "stored_bytes": int(size * smaller * 64 * PIXEL_BYTES),
            "stored_files": 65 if store == TIFF_FOLDER else 2,
        }
        runs += [
            ok([0.064 * in_order * wobble], store, COLD_SCAN, images, **noted),
            ok(
                [0.016 * at_random * wobble], store, COLD_TAKE, images, ("16 scattered",),
                **{**noted, "images": 16, "pixel_bytes": 16 * PIXEL_BYTES},
            ),
            ok([0.1 * in_order * wobble], store, WRITE, images, **noted),
        ]  # fmt: skip
        if images in IN_PARTS:
            crops = {**noted, "images": 16, "pixel_bytes": 16 * 224 * 224}
            takes = {**noted, "images": 128, "pixel_bytes": 128 * PIXEL_BYTES}
            runs += [
                ok([0.008 * in_order * wobble], store, COLD_CROP, images, **crops),
                ok([0.2 * at_random * wobble], store, READERS, images, ("2 processes",), **takes),
            ]
    return [*runs, failed("other <b>values</b>", CH5, COLD_SCAN)]


def published_of(results: Path, **changed: float) -> Published:
    """Return the run of these image sets, each with how much smaller its stores are."""
    sets = {name.replace("_", "-"): smaller for name, smaller in changed.items()}
    rounds = [
        [run for name, smaller in sets.items() for run in round_of(number, name, smaller)]
        for number in range(ROUNDS)
    ]
    run_file(results, *rounds, images=list(sets)).finish()
    (run,) = published(results)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A run of images of 8 and of 16 bits."""
    return published_of(tmp_path_factory.mktemp("run") / "results", raw_64=1.0, raw16_64=0.5)


def page_with(run: Published, folder: Path) -> Path:
    """Write a page that has the first screen only."""
    section = section_of.section(run)
    assert section is not None
    for name in _SHARED:
        (folder / name).write_bytes((_TEMPLATES / name).read_bytes())
    (folder / "index.html").write_text(_page(run, [section], []))
    return folder


@pytest.fixture(scope="module")
def site(run: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_with(run, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def kept() -> Published:
    """The newest kept run."""
    return published(REPOSITORY / "results")[0]


def chosen(decision: Decision) -> dict[str, str]:
    return {name: str(choice.store) for name, choice in decision.choices.items()}


def as_page(decision: Decision) -> dict[str, Any]:
    """Return a decision as the script returns it."""
    return {
        "choices": {
            name: {"store": str(choice.store), "ties": list(map(str, choice.ties))}
            for name, choice in decision.choices.items()
        },
        "leftOut": {str(store): why for store, why in decision.left_out.items()},
        "unmeasured": list(decision.unmeasured),
    }


def decided_by(page: Page, table: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the script decides for each of the grid's needs."""
    asked = [[[each.weights.get(use, 0) for use in USES], each.versions] for each in GRID]
    found: list[dict[str, Any]] = page.evaluate(
        "([table, asked]) => asked.map((each) => decide.decide(table, ...each))",
        [json.loads(json.dumps(table)), asked],
    )
    return found


def shown(page: Page) -> dict[str, str]:
    """Return the stores of the page's cards by title, one entry for each title."""
    pairs = page.locator("#decide-cards article").evaluate_all(
        "all => all.map(each => [each.querySelector('h3').textContent, each.dataset.store])"
    )
    return {
        title.strip().capitalize(): store for titles, store in pairs for title in titles.split(",")
    }


# The rule in the browser

SETTLED = 3
"""Seed of several stores in a settled order."""


def made_up(seed: int) -> tuple[list[StoreFigures], Pairs]:
    """Return stores, some near one another, some with gaps, and their pairs."""
    chance = random.Random(seed)
    figures, noise = [], chance.choice([0.0, 0.003, 0.05, None])
    for number in range(chance.choice([1, 2, 9])):
        near = chance.choice([1.0, 1.0, 1.03, 4.0])
        uses = [use for use in USES if chance.random() > (0.5 if seed % 5 == 4 else 0.04)]
        seconds = {use: near * math.exp(chance.gauss(0, 0.03)) for use in uses}
        size = None if chance.random() < 0.06 else chance.choice([0.3, 0.302, 0.4, 1.0])
        store = StoreName(f"f{number}", "pixels", chance.choice(["fast", "small"]))
        figures.append(
            StoreFigures(store, size, seconds, chance.random() < 0.3, {USES[1]: "random: broke"})
        )
    apart = {each.store for each in figures if chance.random() < 0.06}
    by_store = {each.store: each for each in figures}

    def pairs(one: StoreName, other: StoreName, use: str) -> Ratio | None:
        if apart & {one, other}:
            return None
        log = math.log(by_store[one].seconds[use] / by_store[other].seconds[use])
        rounds = 1 if noise is None else 4
        freedom = math.inf if seed % 7 == 6 else 3.5 if noise is not None else 0.0
        return Ratio(RobustMean(log, noise, rounds, 0, freedom), 0.02 if seed % 3 else 0.0)

    return figures, pairs


def test_script_decides_as_python_does(site: Path, look: Look) -> None:
    page = look(site)
    seen = set()
    for seed in range(40):
        figures, pairs = made_up(seed)
        expected = [as_page(decide(figures, pairs, needs)) for needs in GRID]
        assert decided_by(page, plain(figures, pairs)) == expected, seed
        seen |= {len(each["ties"]) for found in expected for each in found["choices"].values()}
    assert {0, 1, 2} <= seen, "with ties and without"


def test_script_and_python_agree_on_the_kept_results(
    kept: Published, site: Path, look: Look
) -> None:
    page = look(site)
    basis = Basis(of_image_set(kept.cells, headline_image_set(kept.cells)))
    assert decided_by(page, table_of(basis)) == [as_page(basis.decide(needs)) for needs in GRID]


def test_changed_rule_would_be_noticed(site: Path, look: Look) -> None:
    page = look(site)
    figures, pairs = made_up(SETTLED)
    table = plain(figures, pairs)
    table["pairs"] = {use: [None for _ in its] for use, its in table["pairs"].items()}
    assert decided_by(page, table) != [as_page(decide(figures, pairs, needs)) for needs in GRID]


def test_page_has_one_direction_of_each_pair_and_the_other_is_its_inverse(run: Published) -> None:
    basis = Basis(of_image_set(run.cells, "raw-64"))
    stores = [each.store for each in basis.figures if each.seconds.keys() == set(USES)]
    for one, other in itertools.combinations(stores, 2):
        for use in USES:
            found, inverse = basis.pair(one, other, use), basis.pair(other, one, use)
            assert found is not None and inverse is not None
            assert inverse.mean.centre == pytest.approx(-found.mean.centre, abs=1e-12)
            assert inverse.mean.error == pytest.approx(found.mean.error)


def test_students_t_of_the_script_is_scipys(site: Path, look: Look) -> None:
    asked = [(t, freedom) for t in (0.0, 0.4, 1.96, 2.6, 9.0) for freedom in (1, 2.5, 30, 1e6)]
    found = look(site).evaluate("all => all.map((each) => decide.bothTails(...each))", asked)
    expected = [2 * special.stdtr(freedom, -t) for t, freedom in asked]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


# The answer


def test_page_advise_and_decide_choose_the_same_stores(
    kept: Published, look: Look, tmp_path: Path
) -> None:
    basis = Basis(of_image_set(kept.cells, headline_image_set(kept.cells)))
    advised = chosen(basis.decide(NEEDS))
    assert len(advised) == 3
    assert chosen(decide(basis.figures, basis.pair, NEEDS)) == advised
    on_page = shown(look(page_with(kept, tmp_path)))
    assert {name: on_page[name] for name in advised} == advised


ASKED = [
    ("tb=5&bits=16&reads=15&random=80&writes=5&versions=yes", "raw16-64"),
    ("tb=0.5&reads=100&random=0&writes=0", "raw-64"),
    ("tb=40&bits=16&reads=5&random=5&writes=90", "raw16-64"),
    ("tb=5&reads=50&random=50&writes=0&versions=yes", "raw-64"),
    ("tb=5&reads=10&random=0&crops=85&writes=5", "raw-64"),
    ("tb=5&reads=10&random=0&crops=25&parallel=60&writes=5", "raw-64"),
]
"""Needs as the page has them in its address, and the image set that stands for them."""


@pytest.mark.parametrize(("address", "images"), ASKED)
def test_page_advise_and_report_give_the_same_answer_from_the_same_results(
    address: str, images: str, run: Published, site: Path, look: Look, platebench: Command
) -> None:
    view = dict(each.split("=") for each in address.split("&"))
    tb = float(view["tb"])
    weights = {name: float(view[name]) for name in OPTIONS.values() if name in view}
    needs = Needs(**weights, versions="versions" in view, pixel_bytes=round(tb * 1e12))
    basis = Basis(of_image_set(run.cells, images))
    decision = basis.decide(needs)
    page = look(site, at=f"#decide?{address}")
    on_page = shown(page)
    assert {name: on_page[name] for name in decision.choices} == chosen(decision)
    source = sample_of(run.cells, images, needs.pixel_bytes)
    advised = advice_lines(basis, source, Asked(needs, "DIR", 64, read_prices()[0]))
    typed = [f"--{name}={share:g}" for name, share in weights.items()]
    typed += ["--versions"] if needs.versions else []
    folder = str(run.file.file.parents[1])
    said = platebench(
        "report", "--results", folder, "--images", images, f"--size={tb * 1000:g}GB", *typed
    )
    assert said.status == 0
    lines = [line.replace(program(), "platebench") for line in said.out.splitlines()]
    assert lines[-len(advised) :] == advised
    packed = [line.rsplit(" --store ", 1)[1] for line in advised if " --store " in line]
    assert set(packed) == set(chosen(decision).values())
    for name, choice in decision.choices.items():
        card = page.locator(f"#decide-cards article[data-store='{choice.store}']")
        tied = [text for text in card.locator(".ties li").all_inner_texts() if name in text]
        assert len(tied) == bool(choice.ties)
        for store in choice.ties:
            assert readable(store) in tied[0]
            assert str(store) in said.err


def test_page_says_the_same_without_its_script(site: Path, chromium: Browser) -> None:
    said = []
    for scripts in (True, False):
        page = chromium.new_page(java_script_enabled=scripts)
        page.goto((site / "index.html").as_uri())
        parts = page.locator("#decide-says, #decide-cards > article, #decide-own, #decide-left")
        said.append(["".join((text or "").split()) for text in parts.all_text_contents()])
        page.close()
    assert said[0] == said[1]
    assert len(said[0]) > 5


def test_cards_say_what_was_measured_and_what_is_extrapolated(run: Published) -> None:
    basis = Basis(of_image_set(run.cells, "raw-64"))
    cards = {each.store: each for each in cards_of(basis, sample_of(run.cells, "raw-64", TB))}
    figures = {each.name: each for each in cards[PARQUET].figures}
    kept, random_reads = figures["Kept"], figures["Images/s at random"]
    assert kept.value is not None and kept.against is not None and random_reads.against is not None
    assert kept.value.of(5) == pytest.approx(2e12, rel=1e-6)
    assert (kept.kind, kept.against.low) == ("extrapolated", None)
    assert kept.against.estimate == pytest.approx(0.4, rel=1e-6)
    assert random_reads.kind == "measured"
    assert random_reads.against.estimate == pytest.approx(1.4 / 1.6, rel=0.1)
    assert random_reads.low is not None and random_reads.value is not None
    assert random_reads.low.of(5) < random_reads.value.of(5) == random_reads.value.of(50)
    assert not any(each.against for each in cards[TIFF_FOLDER].figures)
    assert figures["Files of 64 images"].value == Amount("count", fixed=2)
    assert [each.name for each in cards[PARQUET].findings]


def test_files_are_modelled_from_image_sets_of_two_sizes(tmp_path: Path) -> None:
    runs = [
        ok([1.0], store, COLD_SCAN, f"raw-{count}", images=count, set_images=count,
           set_pixel_bytes=count * PIXEL_BYTES, pixel_bytes=count * PIXEL_BYTES, stored_files=files)
        for store, count, files in (
            (TIFF_FOLDER, 8, 9), (TIFF_FOLDER, 64, 65), (IPC, 8, 1), (IPC, 64, 1), (ZARR, 64, 66),
        )
    ]  # fmt: skip
    run_file(tmp_path, runs)
    (run,) = published(tmp_path)
    assert growing_files(run.cells, "raw-64", 64) == {TIFF_FOLDER: 64, IPC: 0}
    basis = Basis(of_image_set(run.cells, "raw-64"))
    cards = {each.store: each for each in cards_of(basis, sample_of(run.cells, "raw-64", TB))}
    (files,) = [each for each in cards[TIFF_FOLDER].figures if each.name == "Files"]
    assert files.kind == "modelled" and files.value is not None
    assert files.value.of(1) == pytest.approx(1e12 / PIXEL_BYTES + 1, abs=2)
    (few,) = [each for each in cards[IPC].figures if each.name == "Files"]
    assert few.value == Amount("count", fixed=1)
    assert "Files of 64 images" in [each.name for each in cards[ZARR].figures]


def test_bits_that_were_not_measured_have_a_reason(run: Published, tmp_path: Path) -> None:
    assert [each.images for each in depths_of(run.cells)] == ["raw-64", "raw16-64"]
    only = depths_of(published_of(tmp_path, raw_64=1.0).cells)
    assert [each.images for each in only] == ["raw-64", None]
    assert only[1].reason == "no images of 16 bits were measured in this run"


# The controls


def amounts(page: Page) -> list[tuple[Amount, str]]:
    found = page.locator("#decide-cards .amount").evaluate_all(
        "all => all.map(each => [each.dataset, each.textContent])"
    )
    return [
        (Amount(data["kind"], float(data.get("per", 0)), float(data.get("fixed", 0))), text)
        for data, text in found
    ]


def fill(page: Page, **values: float) -> None:
    for name, value in values.items():
        page.locator(f"#decide-form [name={name}]").fill(str(value))


@pytest.mark.parametrize(("tb", "price"), [(0.0137, 18.63), (5, 7.5), (43210, 0)])
def test_amounts_follow_size_and_price_as_python_says_them(
    tb: float, price: float, site: Path, look: Look
) -> None:
    page = look(site)
    fill(page, tb=tb, price=price)
    found = amounts(page)
    assert {each.kind for each, _ in found} >= {"bytes", "money", "hours", "rate", "count"}
    for amount, text in found:
        assert text == amount_words(amount, tb, price, "$")


def test_shares_change_the_choice_and_count_as_parts(site: Path, look: Look) -> None:
    page = look(site)
    assert shown(page)["Fastest"] == str(IPC)
    assert shown(page)["Balanced"] == str(PARQUET)
    fill(page, reads=400, random=0, writes=0)
    assert "100% reads in order:" in page.locator("#decide-says").inner_text()
    assert shown(page)["Balanced"] == str(ZARR)
    assert "--reads 100 --random 0 --writes 0" in page.locator("#decide-own").inner_text()
    fill(page, reads=1, random=1, writes=1)
    (said,) = re.findall("--reads .*", page.locator("#decide-own").inner_text())
    Needs(*map(float, said.split()[1::2]))
    fill(page, reads=0, random=0, writes=0, crops=3, parallel=1)
    assert "75% crops, 25% parallel reads: " in page.locator("#decide-says").inner_text()
    assert "parallel ones from memory" in page.locator("#decide-says").inner_text()
    assert "--crops 75 --parallel 25 --writes 0" in page.locator("#decide-own").inner_text()


def test_use_that_was_not_measured_cannot_be_given_a_share(look: Look, tmp_path: Path) -> None:
    run = published_of(tmp_path / "results", raw16_64=1.0)
    page = look(page_with(run, tmp_path), at="#decide?crops=50")
    assert page.locator("#decide-form [name=crops]").is_disabled()
    assert page.locator("#decide-form [name=crops]").input_value() == "0"
    assert page.get_by_text("(not measured in this run)").count() == 2
    assert page.get_by_role("button", name="Mostly crops").count() == 0


def test_crops_and_parallel_reads_have_their_rows(run: Published) -> None:
    basis = Basis(of_image_set(run.cells, "raw-64"))
    cards = {each.store: each for each in cards_of(basis, sample_of(run.cells, "raw-64", TB))}
    figures = {each.name: each for each in cards[PARQUET].figures}
    crops, parallel = figures["Crops/s"].value, figures["Images/s, 2 readers"].value
    assert crops is not None and parallel is not None
    assert crops.fixed == pytest.approx(16 / (0.008 * 1.6), rel=0.1)
    assert parallel.fixed == pytest.approx(128 / (0.2 * 1.6), rel=0.1)
    assert {CROPS, PARALLEL} <= basis.figures[0].seconds.keys()


@pytest.mark.parametrize(("title", "needs"), PRESETS)
def test_common_uses_set_the_shares(title: str, needs: Needs, site: Path, look: Look) -> None:
    page = look(site, at="#decide?reads=33&random=33&writes=34")
    button = page.get_by_role("button", name=title)
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for use, option in OPTIONS.items():
        value = page.locator(f"#decide-form [name={option}]").input_value()
        assert float(value) == needs.shares[use]


def test_needed_versions_choose_the_tied_native_store(site: Path, look: Look) -> None:
    page = look(site)
    page.get_by_label("earlier states").check()
    assert shown(page)["Fastest"] == str(LANCE)
    assert "in a tie with Arrow IPC" in page.locator("#decide-cards article").first.inner_text()
    assert page.locator("#decide-own").inner_text().endswith("--versions")


def test_bits_choose_the_image_set(site: Path, look: Look) -> None:
    page = look(site)
    kept = page.locator("#decide-cards article").first.locator(".amount").first
    assert kept.inner_text() == "5.0 TB"
    page.get_by_label("16 bit").check()
    assert kept.inner_text() == "2.5 TB"


def test_intervals_are_shown_on_demand(site: Path, look: Look) -> None:
    page = look(site)
    assert page.locator("#decide .reach:visible").count() == 0
    page.get_by_label("Show 95% intervals").check()
    assert page.locator("#decide .reach:visible").count() > 5


def test_choice_can_be_shared_by_its_address(site: Path, look: Look) -> None:
    page = look(site)
    fill(page, tb=0.7, reads=10, random=85, price=30)
    page.get_by_label("16 bit").check()
    page.get_by_label("earlier states").check()
    page.get_by_label("Show 95% intervals").check()
    again = look(site, at=f"#{page.url.partition('#')[2]}")
    assert amounts(again) == amounts(page)
    assert shown(again) == shown(page)
    assert again.locator("#decide .reach:visible").count() > 5


@pytest.mark.parametrize("choices", ["tb=-1&bits=9&versions=no", "reads=much&price=", "%"])
def test_unknown_values_in_the_address_are_ignored(choices: str, site: Path, look: Look) -> None:
    assert amounts(look(site, at=f"#decide?{choices}")) == amounts(look(site))


@pytest.mark.parametrize(
    ("values", "said"), [({"tb": 0}, "TB of pixels"), ({"reads": 0, "random": 0, "writes": 0}, "0")]
)
def test_needs_that_make_no_sense_have_no_answer(
    values: dict[str, float], said: str, site: Path, look: Look
) -> None:
    page = look(site)
    fill(page, **values)
    assert not page.locator("#decide-cards").is_visible()
    assert said in page.locator("#decide-says").inner_text()
    fill(page, tb=5, reads=1)
    assert page.locator("#decide-cards").is_visible()


def test_stores_that_were_left_out_have_their_reason(site: Path, look: Look) -> None:
    page = look(site)
    page.get_by_text("Stores that were left out").click()
    assert "other <b>values</b>" in page.locator("#decide-left").inner_text()


@pytest.mark.parametrize(("scheme", "width"), [("dark", 400), ("light", 1280)])
def test_first_screen_is_accessible(scheme: Any, width: int, site: Path, look: Look) -> None:
    page = look(site, width, at="#decide?intervals=yes")
    page.emulate_media(color_scheme=scheme)
    assert violations(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
