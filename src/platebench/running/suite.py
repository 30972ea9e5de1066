"""Run asv's benchmarks of one checkout in one interpreter, cell by cell.

asv runs all benchmarks in its own order, but rounds and arms need to choose the next cell. So this
module calls asv's runner for single cells. asv starts a fresh process for each one and returns its
result.
"""

from __future__ import annotations

import ast
import errno
import json
import logging
import math
import re
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count, product
from pathlib import Path
from typing import Any

import asv.benchmarks
import asv.config
import asv.console
import asv.environment
import asv.repo
import asv.runner
import asv.util

from platebench import interrupts
from platebench.errors import UserError
from platebench.results.measurement import CellName, Measurement
from platebench.temporary import lent_temporary
from platebench.timing.failure import why_failed
from platebench.timing.parent import variables_for_a_child
from platebench.timing.protocol import IMAGES, RECORD, TURNS

QUICK = (1, 2, 0.05)
"""asv's repeat for a quick comparison: one sample, or two if they are short."""

_WAITING = 3
"""asv's limit of a process's time is so many times longer if it waits for others."""

_DISK_FULL = re.compile(r"No space left on device|[Dd]isk quota exceeded")


class Suite:
    """The benchmarks of a checkout, for these image sets, in this interpreter."""

    def __init__(
        self,
        repository: Path,
        images: Sequence[str],
        python: Path = Path(sys.executable),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        # Allow compiled modules to be written, or every process would compile them again.
        keeping = {"PYTHONDONTWRITEBYTECODE": ""}
        lent = lent_temporary()
        weakref.finalize(self, lent.close)
        self._notes = lent.path
        self._calls = count()
        self._waits = TURNS in (variables or {})
        own = {IMAGES: ",".join(images)}
        every = {**(variables or {}), **keeping, **own}
        self._benchmark_dir = repository / "benchmarks"
        asv.console.log.enable(verbose=False)
        # asv prints what every library logs. pandas imports numexpr if Blosc2 brought it, and that
        # tells how many threads it has.
        logging.getLogger("numexpr").setLevel(logging.WARNING)
        config = asv.config.Config.load(str(repository / "asv.conf.json"))
        config.benchmark_dir = str(self._benchmark_dir)
        self._environment = asv.environment.ExistingEnvironment(
            config, str(python), {}, {("nobuild", name): value for name, value in every.items()}
        )
        with _quietly():
            self.benchmarks: dict[str, dict[str, Any]] = asv.benchmarks.Benchmarks.discover(
                config, asv.repo.NoRepository(), [self._environment], [None]
            )

    def cells(self) -> list[CellName]:
        """Return every timed cell of every benchmark that measures stores."""
        return [
            CellName.from_params(name, [str(ast.literal_eval(value)) for value in values])
            for name, benchmark in self.benchmarks.items()
            if benchmark["type"] == "time" and benchmark["param_names"][:2] == ["store", "images"]
            for values in product(*benchmark["params"])
        ]

    def run(self, cell: CellName, repeat: Sequence[float] | None = None) -> Measurement:
        """Measure a cell in a fresh process. A cell that fails is a result, not an error.

        Several threads may do so at the same time.
        """
        interrupts.check()
        benchmark = self.benchmarks[cell.benchmark]
        if self._waits:
            benchmark = {**benchmark, "timeout": _WAITING * benchmark["timeout"]}
        wanted = [repr(value) for value in cell.params]
        index = list(map(list, product(*benchmark["params"]))).index(wanted)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        extra = {} if repeat is None else {"repeat": list(repeat)}
        note = self._notes / f"{next(self._calls)}.json"
        spawner = asv.runner.Spawner(_Noting(self._environment, note), str(self._benchmark_dir))
        with _errors():
            result = asv.runner.run_benchmark(
                benchmark, spawner, profile=False, selected_idx={index}, extra_params=extra
            )
        noted = json.loads(note.read_text()) if note.exists() else {}
        note.unlink(missing_ok=True)
        run = _measurement(cell, started, result, index, noted)
        if run.status == "failed" and _DISK_FULL.search(run.message):
            # No fault of the store's, and the next cells would fail alike.
            raise OSError(errno.ENOSPC, "No space left on device", str(cell))
        return run


class _Noting:
    """An environment of asv in which one process writes its record to a file of its own."""

    def __init__(self, environment: Any, note: Path) -> None:
        self.env_vars = {**environment.env_vars, RECORD: str(note), **variables_for_a_child()}
        self.run = environment.run


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence asv, and add what it would have printed to its errors."""
    logger = asv.console.log._logger
    handlers, logger.handlers = logger.handlers, [said := _Said()]
    try:
        with _errors(said.reason):
            yield
    finally:
        logger.handlers = handlers


@contextmanager
def _errors(reason: Callable[[], str] = str) -> Iterator[None]:
    """Turn asv's errors into UserError."""
    try:
        yield
    except asv.util.UserError as error:
        if str(error) == "Interrupted.":
            raise KeyboardInterrupt from None
        raise UserError(f"asv: {str(error).rstrip('.')}{reason()}") from error


class _Said(logging.Handler):
    """Collects what asv would have printed, to find the reason of a failure."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines += record.getMessage().splitlines()

    def reason(self) -> str:
        """Return the last line that names an exception, after a colon; "" if there is none."""
        named = [
            line.strip() for line in self._lines if re.match(r"\s*[\w.]+(Error|Exception): ", line)
        ]
        return f": {named[-1]}" if named else ""


def _measurement(
    cell: CellName, started: str, result: Any, index: int, noted: dict[str, Any]
) -> Measurement:
    samples = result.samples[index] or []
    value = result.result[index]
    if result.errcode != 0 or value is None:
        return Measurement(
            cell, "failed", why_failed(result.stderr, result.errcode), started, [], noted
        )
    if not samples and isinstance(value, float) and math.isnan(value):
        return Measurement(cell, "skipped", _why_skipped(result.stderr), started, [], noted)
    for times in ("wall_s", "cpu_s"):  # leave out warm-up calls
        noted[times] = noted[times][-len(samples) :]
    return Measurement(cell, "ok", "", started, samples, noted)


def _why_skipped(output: str) -> str:
    found = re.search(r"asv: skipped: NotImplementedError\((['\"].*['\"])\)", output)
    return str(ast.literal_eval(found.group(1))) if found else output.strip()
