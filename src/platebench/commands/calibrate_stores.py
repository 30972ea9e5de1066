"""The commands `platebench calibrate ...` that make a table of stores in docs/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from platebench.commands.calibrate import calibrate_app
from platebench.commands.shared import (
    FAILED,
    Results,
    console,
    errors,
    say,
    say_where,
    split,
    split_images,
)


@calibrate_app.command(
    "adapters", epilog="Example: platebench calibrate adapters --stores 'parquet,zarr:*:fast'"
)
def adapters_command(
    stores: Annotated[
        str | None,
        typer.Option(help="Formats, stores or patterns, separated by commas. Default: all."),
    ] = None,
    operations: Annotated[
        str | None,
        typer.Option(help="Such as 'write,take kept,cold scan'. Default: all."),
    ] = None,
    images: Annotated[int, typer.Option(min=16, help="Number of generated images.")] = 32,
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Seconds per cell; six turns at least.")
    ] = 1.0,
    out: Annotated[
        Path,
        typer.Option(
            help="Page to write. It keeps earlier cells of the same machine and libraries."
        ),
    ] = Path("docs/adapters.md"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure only the cells that the page lacks.")
    ] = False,
) -> None:
    """Measure each store against the best direct calls known of its library.

    It takes about ten minutes; leave the machine idle meanwhile. Exit status: 1 if a store failed,
    or takes significantly more than 1.05 times as long as the direct call without a stated reason;
    0 otherwise.
    """
    from platebench.running.adapters import AdapterSettings, check_settings, measure_adapters
    from platebench.running.checkout import find_checkout
    from platebench.running.progress import Bar
    from platebench.running.settings import stores_to_measure
    from platebench.timing.adapters import OPERATIONS

    settings = AdapterSettings(
        stores=stores_to_measure(split(stores) or ["*"], references=False),
        operations=split(operations) or OPERATIONS,
        images=images,
        seconds=seconds,
        out=out,
        resume=resume,
        command="platebench calibrate adapters"
        + (f" --images {images}" if images != 32 else "")
        + (f" --seconds {seconds:g}" if seconds != 1 else ""),
    )
    check_settings(settings)
    with Bar(errors) as bar:
        measured = measure_adapters(find_checkout(Path.cwd()), settings, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("store", "operation", "ms", "best direct call", "its ms", "ratio", "interval"):
        table.add_column(head, justify="right" if head in {"ms", "its ms", "ratio"} else "left")
    for cell in measured.cells:
        times = [f"{cell.adapter_ms:.3g}", cell.call, f"{cell.call_ms:.3g}", f"{cell.ratio:.2f}"]
        style = "red" if cell.unexplained else ""
        table.add_row(str(cell.store), cell.operation, *times, cell.interval, style=style)
    console.print(table)
    for cell in measured.cells:
        if cell.slower:
            why = cell.reason or "slower, and no reason is given"
            say(f"{cell.store}, {cell.operation}: {why}")
    say_where(out)
    raise typer.Exit(0 if measured.met else FAILED)


@calibrate_app.command(
    "access", epilog="Example: platebench calibrate access --stores 'zarr,parquet:*:fast'"
)
def access_command(
    stores: Annotated[
        str | None,
        typer.Option(help="Formats, stores or patterns, separated by commas. Default: all."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Page to write. It keeps earlier stores of the same libraries.")
    ] = Path("docs/access.md"),
) -> None:
    """Count the bytes that each store asks for to read one image of 256.

    Nothing is timed, so the machine need not be idle. It takes about five minutes. Exit status: 1
    if a store failed, or one tuned fast or balanced asks for more than 4 images' bytes without a
    stated reason; 0 otherwise.
    """
    from platebench.running.access import count_access
    from platebench.running.checkout import find_checkout
    from platebench.running.progress import Bar
    from platebench.running.settings import stores_to_measure

    chosen = stores_to_measure(split(stores) or ["*"], references=False)
    with Bar(errors) as bar:
        counted = count_access(find_checkout(Path.cwd()), chosen, out, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("store", "one image, KiB", "in images", "another, KiB", "from the disk, KiB"):
        table.add_column(head, justify="left" if head == "store" else "right")
    for cell in counted.cells:
        asked, another, disk = (
            f"{each / 1024:,.0f}" for each in (cell.asked, cell.another, cell.from_disk)
        )
        style = "red" if cell.unexplained else ""
        table.add_row(str(cell.store), asked, f"{cell.images:.1f}", another, disk, style=style)
    console.print(table)
    say_where(out)
    raise typer.Exit(0 if counted.met else FAILED)


@calibrate_app.command(
    "damage", epilog="Example: platebench calibrate damage --stores 'parquet,zarr:*:fast'"
)
def damage_command(
    stores: Annotated[
        str | None,
        typer.Option(help="Formats, stores or patterns, separated by commas. Default: all."),
    ] = None,
    flips: Annotated[
        int, typer.Option(min=1, help="Bytes to flip anywhere, and as many in the ends of files.")
    ] = 32,
    out: Annotated[
        Path, typer.Option(help="Page to write. It keeps the trials of other stores.")
    ] = Path("docs/safety.md"),
) -> None:
    """Damage stored files, kill writers, and use stores from several programs at once.

    Tells which formats notice a flipped byte or a truncated file, what a killed writer leaves, and
    whether readers and writers disturb one another. Works on copies of generated images in the work
    folder. It takes about fifteen minutes. Exit status: 1 if images were lost, a version was a
    mixture, or two programs at once got anything wrong; 0 otherwise.
    """
    from platebench.results.damage import Kind, counts, is_met
    from platebench.running.checkout import find_checkout
    from platebench.running.damage import SafetySettings, measure_damage
    from platebench.running.progress import Bar
    from platebench.running.settings import stores_to_measure

    chosen = stores_to_measure(split(stores) or ["*"], references=False)
    command = "platebench calibrate damage" + (f" --flips {flips}" if flips != 32 else "")
    settings = SafetySettings(chosen, out, flips, command)
    with Bar(errors) as bar:
        measured = measure_damage(find_checkout(Path.cwd()), settings, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("store", "tried", "outcomes"):
        table.add_column(head)
    for store in chosen:
        for kind in Kind:
            counted = counts([each for each in measured.trials if each.store == store], kind)
            if counted:
                table.add_row(str(store), kind, counted)
    console.print(table)
    say_where(out)
    raise typer.Exit(0 if is_met(measured.trials) else FAILED)


@calibrate_app.command(
    "versions", epilog="Example: platebench calibrate versions --stores parquet,lancedb --resume"
)
def versions_command(
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: one of each format."
        ),
    ] = None,
    number: Annotated[int, typer.Option(min=8, help="Versions to append to each store.")] = 1000,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds per store; then no version is appended.")
    ] = 600.0,
    out: Annotated[
        Path, typer.Option(help="Page to write. It keeps earlier stores of the same libraries.")
    ] = Path("docs/versions.md"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure only the stores that the page lacks.")
    ] = False,
) -> None:
    """Append 1,000 small images to each store, one by one, and measure what the versions cost.

    Bytes, files, and the times to append, open, list and read, as the versions grow, after the
    format's compaction, and after all versions but the newest were removed. It takes about an hour.
    Exit status: 1 if a store failed or returned a wrong image; 0 otherwise.
    """
    from platebench.running.checkout import find_checkout
    from platebench.running.many_versions import VersionsSettings, measure_versions, one_of_each
    from platebench.running.progress import Bar
    from platebench.running.settings import stores_to_measure

    asked = split(stores)
    settings = VersionsSettings(
        stores_to_measure(asked, references=False) if asked else one_of_each(),
        out,
        number,
        seconds,
        resume,
        "platebench calibrate versions"
        + (f" --number {number}" if number != 1000 else "")
        + (f" --seconds {seconds:g}" if seconds != 600 else ""),
    )
    with Bar(errors) as bar:
        measured = measure_versions(find_checkout(Path.cwd()), settings, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("store", "versions", "MB", "files", "append, ms", "open, ms", "pruned, MB"):
        table.add_column(head, justify="left" if head == "store" else "right")
    failed = bool(measured.failed)
    for cell in measured.cells:
        grown, pruned = cell.grown, cell.after("pruned")
        failed = failed or pruned is None
        if grown is None:
            continue
        figures = [f"{grown.versions:,}", f"{grown.bytes / 1e6:,.1f}", f"{grown.files:,}"]
        figures += [f"{grown.seconds * 1e3:,.1f}", f"{grown.open_s * 1e3:,.1f}"]
        figures.append("-" if pruned is None else f"{pruned.bytes / 1e6:,.1f}")
        table.add_row(str(cell.store), *figures, style="red" if pruned is None else "")
    console.print(table)
    say_where(out)
    raise typer.Exit(FAILED if failed else 0)


@calibrate_app.command(
    "tuning", epilog="Example: platebench calibrate tuning --formats parquet,zarr --resume"
)
def tuning_command(
    formats: Annotated[
        str | None, typer.Option(help="Formats, separated by commas. Default: all.")
    ] = None,
    images: Annotated[int, typer.Option(min=16, help="Number of generated images.")] = 32,
    seconds: Annotated[
        float,
        typer.Option(min=0.01, help="Seconds per operation and candidate; six turns at least."),
    ] = 3.0,
    out: Annotated[
        Path,
        typer.Option(
            help="Page to write. It keeps earlier formats of the same machine and libraries."
        ),
    ] = Path("docs/tuning.md"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure only the formats that the page lacks.")
    ] = False,
) -> None:
    """Measure codecs, levels and chunks of each format, from which the tunings are chosen.

    Writes a page with the size and times of every candidate, the Pareto front of size against cold
    random reads, and what the tunings balanced and small are. It takes about an hour; leave
    the machine idle meanwhile. Exit status: 1 if a store tuned balanced misses its limits, or a
    format failed; 0 otherwise.
    """
    from platebench.results.tuning import with_tuning
    from platebench.running.checkout import find_checkout
    from platebench.running.progress import Bar
    from platebench.running.tuning import TuningSettings, check_settings, measure_tunings

    command = "platebench calibrate tuning"
    command += f" --images {images}" if images != 32 else ""
    command += f" --seconds {seconds:g}" if seconds != 3 else ""
    settings = TuningSettings(split(formats), images, seconds, out, resume, command)
    check_settings(settings)
    with Bar(errors) as bar:
        measured = measure_tunings(find_checkout(Path.cwd()), settings, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = ("format", "layout", "tuning", "candidate", "of raw size", "write", "cold rows")
    for head in heads:
        table.add_column(head, justify="left" if head in heads[:4] else "right")
    missed = bool(measured.failed)
    for each in measured.candidates:
        for tuning in each.tunings:
            times = [f"{each.times[name].ratio.estimate:.2f}" for name in heads[-2:]]
            store, size = each.store, f"{each.bytes_per_pixel_byte:.3f}"
            table.add_row(store.format, store.layout, tuning, store.tuning, size, *times)
        if each is with_tuning([each], "balanced") and each.misses:
            missed = True
            say(f"{each.store}, tuned balanced, misses its limits: {', '.join(each.misses)}")
    console.print(table)
    console.print("Times are relative to each format's fast; to its default without one.")
    say_where(out)
    raise typer.Exit(FAILED if missed else 0)


@calibrate_app.command(
    "metadata", epilog="Example: platebench calibrate metadata --stores 'parquet,zarr:*:fast'"
)
def metadata_command(
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: the tuning fast of"
            " each format's first layout, or default where there is no fast."
        ),
    ] = None,
    images: Annotated[
        str, typer.Option(help="Numbers of images of 4 x 4 pixels, separated by commas.")
    ] = "1000,10000,100000,1000000",
    seconds: Annotated[
        float,
        typer.Option(
            min=0.01, help="Leave a number of images out where a store would take longer."
        ),
    ] = 60.0,
    out: Annotated[
        Path, typer.Option(help="Page to write. It keeps earlier stores of the same libraries.")
    ] = Path("docs/metadata.md"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure only the stores that the page lacks.")
    ] = False,
) -> None:
    """Measure the bytes and seconds that grow with the number of images, with many tiny ones.

    Writes a page with what each store keeps beside the pixels, what it costs to open it and to read
    one image, and from how many images on that takes over 1 s or 100 MB. It takes about thirty
    minutes; leave the machine idle meanwhile. Exit status: 1 if a store failed, 0 otherwise.
    """
    from platebench.running.checkout import find_checkout
    from platebench.running.metadata import (
        IMAGES,
        SECONDS,
        MetadataSettings,
        measure_metadata,
        numbers_of,
    )
    from platebench.running.progress import Bar
    from platebench.running.settings import most_direct_stores, stores_to_measure

    numbers = numbers_of(split(images))
    named = split(stores)
    command = "platebench calibrate metadata"
    command += f" --stores '{','.join(named)}'" if named else ""
    command += f" --images {','.join(map(str, numbers))}" if tuple(numbers) != IMAGES else ""
    command += f" --seconds {seconds:g}" if seconds != SECONDS else ""
    chosen = stores_to_measure(named, references=False) if named else most_direct_stores()
    settings = MetadataSettings(chosen, numbers, seconds, out, resume, command)
    with Bar(errors) as bar:
        measured = measure_metadata(find_checkout(Path.cwd()), settings, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = ("store", "images", "bytes beside", "open + first, ms", "MB", "stops working from")
    for head in heads:
        table.add_column(head, justify="left" if head == "store" else "right")
    for each in measured.stores:
        last, per_image = each.cells[-1], each.per_image
        table.add_row(
            str(each.store),
            f"{last.images:,}",
            "" if per_image is None else f"{per_image:,.0f}",
            f"{last.seconds * 1e3:,.3g}",
            f"{last.bytes_read / 1e6:,.3g}",
            "-" if each.stops is None else str(each.stops),
        )
    console.print(table)
    say_where(out)
    raise typer.Exit(FAILED if measured.failed else 0)


@calibrate_app.command(
    "growth", epilog="Example: platebench calibrate growth --images 32,128,512 --stores parquet"
)
def growth_command(
    images: Annotated[
        str, typer.Option(help="Numbers of generated images, three or more, separated by commas.")
    ] = "32,128,512,2048",
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: the tunings fast"
            " and balanced of each format."
        ),
    ] = None,
    operations: Annotated[
        str | None,
        typer.Option(
            help="As of 'platebench run'. Default: write, and from the disk scan, take 16, open and"
            " table."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Number of passes over all cells.")] = 2,
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("docs/growth.md"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the same measurement where it stopped.")
    ] = False,
    results: Results = None,
) -> None:
    """Measure image sets of several sizes, and fit how time, memory and bytes grow with them.

    It tells first how long it takes and how much disk it needs. The files of one size at a time are
    on the disk. 'platebench report --growth' shows the same of any run.
    """
    from platebench.results.growth import as_tables
    from platebench.results.operations import patterns_of
    from platebench.running.growth import OPERATIONS, SIZES, GrowthSettings, measure_growth
    from platebench.running.places import home, own_results
    from platebench.running.progress import RunBar
    from platebench.running.settings import at_their_best, stores_to_measure
    from platebench.stores.registry import REFERENCES

    named, sizes, typed = split(stores), split_images(images), split(operations)
    command = "platebench calibrate growth"
    command += f" --images {','.join(sizes)}" if tuple(sizes) != SIZES else ""
    command += f" --stores '{','.join(named)}'" if named else ""
    command += f" --operations '{','.join(typed)}'" if typed else ""
    command += f" --rounds {rounds}" if rounds != 2 else ""
    settings = GrowthSettings(
        stores_to_measure(named) if named else list(dict.fromkeys([*REFERENCES, *at_their_best()])),
        sizes,
        typed,
        patterns_of(typed, brief=True) if typed else OPERATIONS,
        rounds,
        out,
        resume,
        command,
    )
    with RunBar(errors) as bar:
        _, grown = measure_growth(home(), own_results(results), settings, bar)
    console.print(as_tables(grown))
    say_where(out)
