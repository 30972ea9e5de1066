"""The command `platebench advise`."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.answer import program
from platebench.commands.shared import Results, errors, say, split, tell
from platebench.errors import UserError

MINUTES = 3.0
INTERRUPTED = 130
NOTHING = 1
"""Exit status if no store could be measured."""


def advise_command(
    source: Annotated[Path, typer.Argument(help="A folder of TIFF and CH5 files, or one of them.")],
    reads: Annotated[
        float, typer.Option(help="Of 100 images used, those read in order, all of them.")
    ] = 80.0,
    random: Annotated[float, typer.Option(help="Those read at random, one here and there.")] = 15.0,
    crops: Annotated[
        float, typer.Option(help="Those of which a part is read: 224 x 224 pixels.")
    ] = 0.0,
    parallel: Annotated[
        float, typer.Option(help="Those read at random by two processes at the same time.")
    ] = 0.0,
    writes: Annotated[float, typer.Option(help="Those written.")] = 5.0,
    versions: Annotated[
        bool, typer.Option("--versions", help="Earlier states must stay readable.")
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(help="Pixels to keep in all, such as 5TB. Default: those of the source."),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="TOML file of prices per TB and month. Default: list prices."),
    ] = None,
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: those that led in the"
            " reference run."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.5, max=60, help="Time from start to answer.")
    ] = MINUTES,
    results: Results = None,
) -> None:
    """Measure stores on a sample of your images, and name the fastest, a balanced, the smallest.

    The weights make 100. The answer has at most 15 lines. Nothing in the source is changed.
    """
    from platebench.packages import advise
    from platebench.packages.default_store import keep_advice
    from platebench.results.advice import reasons_in_words
    from platebench.results.advice_lines import Asked, advice_lines, ties_in_words
    from platebench.results.kept_figures import kept_text
    from platebench.results.needs import Needs, bytes_of
    from platebench.results.prices import OWN, read_prices
    from platebench.running.places import home, kept_advice, own_results
    from platebench.running.progress import RunBar
    from platebench.running.settings import stores_to_measure

    ends = time.monotonic() + 60 * minutes - advise.RESERVE_S
    pixel_bytes = None if size is None else bytes_of(size)
    needs = Needs(reads, random, writes, versions, pixel_bytes, crops, parallel)
    price = read_prices(OWN if prices is None else prices)[0]
    chosen = advise.candidates(needs) if stores is None else stores_to_measure(split(stores))
    advise.require_source(source)
    try:
        with (
            RunBar(errors) as bar,
            advise.place_for(source, home()) as place,
            advise.until(ends),
        ):
            outcome = advise.measure_for_advice(
                source, place, own_results(results), chosen, needs, ends, bar
            )
    except advise.TimeIsOver:
        raise UserError(
            f"{minutes:g} minutes were over before the images of {source} were read; give more"
            " --minutes, or a folder with fewer files"
        ) from None
    basis = outcome.basis
    decision = basis.decide(needs)
    if decision.choices:
        day = datetime.now(UTC).date().isoformat()
        text = kept_text(day, str(source), needs, basis.figures, basis.pair)
        keep_advice(kept_advice(), source, text)
    dropped = outcome.dropped & decision.left_out.keys()
    if dropped:
        named = ", ".join(map(str, sorted(dropped)))
        tell(f"Too slow or too large to be chosen, by the first rounds: {named}")
    others = {store: why for store, why in decision.left_out.items() if store not in dropped}
    for line in (*reasons_in_words(others), *ties_in_words(decision.choices)):
        tell(line)
    if outcome.stopped:
        tell(f"{outcome.stopped}; this is what was measured")
    asked = Asked(needs, shlex.quote(str(source)), outcome.found, price, program())
    for line in advice_lines(basis, outcome.source, asked):
        say(line)
    if outcome.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if not decision.choices:
        raise typer.Exit(NOTHING)
