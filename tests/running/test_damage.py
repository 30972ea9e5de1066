"""All trials with one store, by programs that are made up or are processes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platebench.results.damage import Answer, Kind, Outcome, is_met
from platebench.running import damage
from platebench.running.damage import Program, trials_of
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.timing.damage import IMAGES, Worker
from tests.conftest import noise
from tests.stores.checksums import Careful, Careless

STORE = StoreName.parse("npy:tensor:default")
"""A name that the registry has. What answers is another store."""


class InProcess:
    """A program in this process. Where it would be killed, it leaves what it has written."""

    def __init__(self, store: Store, half_written: bool = True) -> None:
        self._worker = Worker(store, noise(IMAGES))
        self._half_written = half_written
        self._command: dict[str, Any] = {}

    def begin(self, command: Mapping[str, Any]) -> None:
        self._command = dict(command)

    def answer(self) -> Answer:
        if "deadly" in self._command:
            self._be_killed()
            return {"died": "the program ended by SIGKILL"}
        if self._command["do"] == "watch":
            self._command["seconds"] = 0.01
        return self._worker.answer(self._command)

    def _be_killed(self) -> None:
        path = Path(self._command["path"])
        if self._half_written and self._command["do"] == "write":
            self._worker.answer({"do": "write", "path": str(path)})
            path.write_bytes(path.read_bytes()[:-40])


def outcomes(store: Store, folder: Path) -> dict[Kind, Counter[Outcome]]:
    found: dict[Kind, Counter[Outcome]] = {}
    pair = [InProcess(store), InProcess(store)]
    for trial in trials_of(STORE, pair, folder, flips=12):
        assert trial.store == STORE
        found.setdefault(trial.kind, Counter())[trial.outcome] += 1
    return found


def test_store_with_a_checksum_notices_all_damage(tmp_path: Path) -> None:
    found = outcomes(Careful("pixels", "fast"), tmp_path)
    assert set(found) == set(Kind)
    assert found[Kind.FLIPPED] == found[Kind.ENDS] == {Outcome.NOTICED: 12}
    assert set(found[Kind.CUT]) == {Outcome.NOTICED}
    assert found[Kind.KILLED_WRITE] == {Outcome.NOTICED: 3}
    assert found[Kind.KILLED_APPEND] == {Outcome.BEFORE: 3}
    assert found[Kind.TWO_READERS] == {Outcome.RIGHT: 1}
    assert found[Kind.TWO_WRITERS] == {Outcome.RIGHT: 5}


def test_store_without_a_checksum_returns_wrong_pixels(tmp_path: Path) -> None:
    found = outcomes(Careless("pixels", "fast"), tmp_path)
    assert found[Kind.FLIPPED][Outcome.WRONG] > 6
    assert not list(tmp_path.glob("changed*"))


def test_reader_that_never_sees_the_last_version_is_a_failure(tmp_path: Path) -> None:
    class Blind(InProcess):
        def begin(self, command: Mapping[str, Any]) -> None:
            super().begin(command)
            self._stale = (
                self._worker.answer({**command, "seconds": 0}) if "until" in command else 0
            )

        def answer(self) -> Answer:
            return (
                {"seen": [{"rows": [0, 1, 2, 3], "table": True}]}
                if self._stale
                else super().answer()
            )

    store = Careful("pixels", "fast")
    trials = list(trials_of(STORE, [InProcess(store), Blind(store)], tmp_path, flips=1))
    (watched,) = [trial for trial in trials if trial.kind == Kind.READER_AND_WRITER]
    assert watched.outcome == Outcome.LOST
    assert not is_met(trials)


def test_store_that_refuses_the_images_has_no_trial(tmp_path: Path) -> None:
    class Refusing(InProcess):
        def answer(self) -> Answer:
            return {"unsupported": "no such images"}

    pair = [Refusing(Careful("pixels", "fast"))] * 2
    assert list(trials_of(STORE, pair, tmp_path)) == []


def test_writer_that_is_not_killed_is_an_error(tmp_path: Path) -> None:
    class Immortal(InProcess):
        def answer(self) -> Answer:
            self._command.pop("deadly", None)
            return super().answer()

    pair = [Immortal(Careful("pixels", "fast")) for _ in range(2)]
    with pytest.raises(RuntimeError, match="the writer was not killed"):
        list(trials_of(STORE, pair, tmp_path, flips=1))


SAYS = """
import os, signal, sys, time
print("{}", flush=True)
for line in sys.stdin:
    if "die" in line: os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in line: time.sleep(60)
    if "fail" in line: sys.exit(3)
    print('{"pid": %d}' % os.getpid(), flush=True)
"""


def test_program_that_dies_or_hangs_is_told_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "WAITS_S", 5.0)
    with Program(tmp_path, STORE) as program:
        program._command = [sys.executable, "-c", SAYS]
        first = damage.asked(program, do="say")
        assert first == damage.asked(program, do="say")
        assert damage.asked(program, do="die") == {"died": "the program ended by SIGSEGV"}
        second = damage.asked(program, do="say")
        assert first != second
        with pytest.raises(RuntimeError, match="its program ended with status 3"):
            damage.asked(program, do="fail")
        damage.asked(program, do="say")
        monkeypatch.setattr(damage, "WAITS_S", 0.05)
        assert damage.asked(program, do="hang") == {"hung": "no answer in 0.05 s"}
