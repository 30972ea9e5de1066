"""How small a slowdown this machine can detect: `platebench calibrate selfcheck`, an A/A test.

Four arms of the same revision are measured side by side: two unchanged, one with every operation
slowed down by 10%, one by 25%. The slowdown is real: after each operation the process stays busy
for that share of its time. Then the verdicts are compared with the truth.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from platebench.errors import UserError
from platebench.results.blocks import log_median
from platebench.results.measurement import CellName
from platebench.results.operations import choose, in_brief_run
from platebench.results.ratios import Ratio, Timing, log_ratios
from platebench.results.records import RecordFile, record_files
from platebench.results.verdicts import Judgement, Plan, Verdict, judge, single_look
from platebench.running.arms import make_arm, parse_arm, work_folder
from platebench.running.compare import Measured, SideBySide, arm_files, digest_of
from platebench.running.floor_choice import floor_choice
from platebench.running.image_sets import image_sets
from platebench.running.machine_facts import machine_facts
from platebench.running.rounds import shuffled
from platebench.running.run import recording
from platebench.running.settings import brief_stores
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer
from platebench.running.watcher import Watcher
from platebench.timing.cell import SAMPLES
from platebench.timing.protocol import SLOWER, WORK
from platebench.timing.workspace import Workspace

CELLS = 40
ROUNDS = 16
FEW_ROUNDS = 6
_FEWEST_ROUNDS = 2
"""A verdict needs at least two rounds."""

IMAGES = "16"
_STARTS_MORE = "FirstImage"
"""Left out: each sample starts a process, which takes a fifth of the time for few cells."""

RELABELLINGS = 250
_SLOWDOWNS = (0.0, 0.0, 0.10, 0.25)

Sides = Mapping[str, Timing]


@dataclass(frozen=True)
class Finding:
    """One figure, the value that is required, and the value that was measured, as shares of 1."""

    what: str
    asked: str
    measured: float
    trials: int
    met: bool


@dataclass(frozen=True)
class SelfCheck:
    """The findings and the machine's noise, as standard deviations of logarithms.

    `process_noise` is of a cell's median from process to process, `pair_noise` of the ratio of two
    processes that ran side by side.
    """

    findings: list[Finding]
    process_noise: float
    pair_noise: float
    cells: int
    rounds: int

    @property
    def met(self) -> bool:
        """Whether every figure is as required."""
        return all(finding.met for finding in self.findings)


def selfcheck(
    checkout: Path, results: Path, rounds: int, cells: int, watcher: Watcher
) -> SelfCheck:
    """Measure the four arms, and return how reliable the verdicts are.

    The records are kept in `results`. An interrupted self-check is continued.
    """
    workspace = Workspace.of(checkout)
    with workspace.measuring():
        return _selfcheck(checkout, results, rounds, cells, workspace, watcher)


def _selfcheck(
    checkout: Path, results: Path, rounds: int, cells: int, workspace: Workspace, watcher: Watcher
) -> SelfCheck:
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts  # before drawing images, which is load too
    arm = make_arm(parse_arm("."), checkout, workspace.root, watcher.says)
    names = image_sets(workspace, [IMAGES], watcher)
    watcher.starts(facts)
    owns = [own | floor.variables for own in _own_variables(workspace.root)]
    with TurnServer.open() as turns:
        suites = [
            Suite(arm.checkout, names, arm.python, arm.variables | own | turns.variables)
            for own in owns
        ]
        chosen = _some_cells(suites[0], cells)
        key = digest_of([arm], chosen, rounds)
        each = [
            (arm, {"selfcheck": place, "key": key}, {"slower": share})
            for place, share in enumerate(_SLOWDOWNS)
        ]
        files = arm_files(results, names, each, facts, watcher)
        measured = Measured(files)
        bench = SideBySide(suites, measured, turns, watcher)
        with recording(files, watcher, "repeat the command to continue"):
            try:
                for number in range(1, rounds + 1):
                    arms = range(len(suites) if number <= FEW_ROUNDS else len(suites) - 1)
                    for cell in shuffled(chosen, number):
                        if not any(measured.fails(arm, cell) for arm in range(len(suites))):
                            bench.measure(cell, arms, SAMPLES, number, rounds)
                for file in files:
                    file.finish()
            finally:
                for own in owns:
                    Workspace(Path(own[WORK])).clear_scratch()
    found = _found(measured, chosen, rounds)
    if found is None:
        reasons = [record.run.message for file in files for record in file.records()]
        raise UserError(f"none of the {len(chosen)} cells could be measured: {reasons[0]}")
    return found


def kept(results: Path, machine: str) -> SelfCheck | None:
    """Return what the newest finished self-check of a machine found, None without one."""
    files = newest_files(results, machine)
    if not files:
        return None
    first = list(files[0].records())
    cells = list(dict.fromkeys(record.run.cell for record in first))
    rounds = max((record.round for record in first), default=0)
    if rounds < _FEWEST_ROUNDS:
        return None
    try:
        return _found(Measured(files), cells, rounds)
    except ValueError:  # the arms share no round
        return None


def newest_files(results: Path, machine: str) -> list[RecordFile]:
    """Return the files of the newest finished self-check of a machine, one per arm; [] if none."""
    files = [
        file
        for file in record_files(results, machine)
        if "selfcheck" in file.info().settings and file.finished
    ][-len(_SLOWDOWNS) :]
    places = [file.info().settings["selfcheck"] for file in files]
    return files if places == list(range(len(_SLOWDOWNS))) else []


def _found(measured: Measured, cells: Sequence[CellName], rounds: int) -> SelfCheck | None:
    """Assess the arms' records; None if no cell was measured in all of them."""
    sides = [measured.sides(place, cells) for place in range(len(_SLOWDOWNS))]
    return assess(sides, rounds) if sides[0] else None


def assess(arms: Sequence[Sides], rounds: int) -> SelfCheck:
    """Compare the verdicts on the measured arms with the truth.

    The arms are: unchanged, unchanged, 10% slower, 25% slower.
    """
    first, same, tenth, quarter = arms
    plan = _plan(rounds)
    few = _only(first, range(1, FEW_ROUNDS + 1))
    few_plan = single_look(min(rounds, FEW_ROUNDS))
    changed = {Verdict.SLOWER, Verdict.FASTER}
    called = _share(judge(_pairs(first, same), plan), changed)
    relabelled = statistics.fmean(_relabelled(first, same, plan))
    tenths = _share(judge(_pairs(first, tenth), plan), {Verdict.SLOWER})
    quarters = _share(judge(_pairs(few, quarter), few_plan), {Verdict.SLOWER})
    inside = [*_second_run_inside(first, same), *_second_run_inside(first, tenth)]
    count = len(first)
    findings = [
        _at_most(0.01, called, "the same arm twice: called slower or faster", count),
        _at_most(0.01, relabelled, "the same, labels by chance", count * RELABELLINGS),
        _at_least(0.95, tenths, f"10% slower, {rounds} rounds: found", count),
        _at_least(0.95, quarters, f"25% slower, {few_plan.looks[0]} rounds: found", count),
        _at_least(0.90, statistics.fmean(inside), "second run in the interval", len(inside)),
    ]
    return SelfCheck(findings, _process_noise(first), _pair_noise(first, same), count, rounds)


def _at_most(asked: float, measured: float, what: str, trials: int) -> Finding:
    return Finding(what, f"at most {asked:.0%}", measured, trials, measured <= asked)


def _at_least(asked: float, measured: float, what: str, trials: int) -> Finding:
    return Finding(what, f"at least {asked:.0%}", measured, trials, measured >= asked)


def _plan(rounds: int) -> Plan:
    return Plan() if rounds == ROUNDS else single_look(rounds)


def _own_variables(work: Path) -> list[dict[str, str]]:
    """Return the environment variables of each arm: its slowdown, and its own stored files."""
    return [
        {WORK: str(work_folder(work, f"selfcheck-{place}"))}
        | ({SLOWER: str(share)} if share else {})
        for place, share in enumerate(_SLOWDOWNS)
    ]


def _some_cells(suite: Suite, number: int) -> list[CellName]:
    """Return a fixed sample of the cells of an overview, of all operations."""
    cells = [
        cell
        for cell in choose(suite.cells(), brief_stores(), [])
        if in_brief_run(cell) and cell.kind != _STARTS_MORE
    ]
    return random.Random(number).sample(cells, min(number, len(cells)))


def _pairs(first: Sides, second: Sides) -> dict[str, tuple[Timing, Timing]]:
    return {name: (first[name], second[name]) for name in first if name in second}


def _share(judgements: Mapping[str, Judgement], wanted: set[Verdict]) -> float:
    verdicts = [judgement.verdict for judgement in judgements.values()]
    return sum(verdict in wanted for verdict in verdicts) / len(verdicts)


def _relabelled(first: Sides, same: Sides, plan: Plan) -> list[float]:
    """Return the rate of false alarms for random labels of the two equal arms.

    The arms do not differ, so in every round either process may carry either label. 40 cells with
    their own labels are too few to show a rate of 1 in 100.
    """
    chance = random.Random(RELABELLINGS)
    shares = []
    for _ in range(RELABELLINGS):
        pairs: dict[str, tuple[Timing, Timing]] = {}
        for name in first:
            flips = {number: chance.random() < 0.5 for number in sorted(first[name].rounds)}
            pairs[name] = (
                _mixed(first[name], same[name], flips),
                _mixed(same[name], first[name], flips),
            )
        shares.append(_share(judge(pairs, plan), {Verdict.SLOWER, Verdict.FASTER}))
    return shares


def _mixed(mine: Timing, other: Timing, flips: Mapping[int, bool]) -> Timing:
    """Return a timing with the other's samples in the rounds that are flipped."""
    blocks = {
        block: (other if flips[block.round] else mine).blocks[block]
        for block in mine.blocks
        if block in other.blocks
    }
    return replace(mine, blocks=blocks)


def _second_run_inside(first: Sides, second: Sides) -> list[bool]:
    """For each cell, check whether the interval of half of its rounds contains the other's ratio.

    Both directions count: earlier against later rounds, and later against earlier. The interval is
    the one that `compare` prints for this number of rounds.
    """
    numbers = sorted({number for timing in first.values() for number in timing.rounds})
    half = len(numbers) // 2
    earlier, later = (
        judge(_pairs(_only(first, part), _only(second, part)), single_look(len(part)))
        for part in (numbers[:half], numbers[half:])
    )
    return [
        _holds(one.ratio, other[name].ratio)
        for told, other in ((earlier, later), (later, earlier))
        for name, one in told.items()
    ]


def _holds(told: Ratio | None, again: Ratio | None) -> bool:
    assert told is not None and again is not None, "both arms have every round"
    assert told.low is not None and told.high is not None, "each half has two rounds or more"
    return told.low <= again.estimate <= told.high


def _only(side: Sides, numbers: Sequence[int]) -> dict[str, Timing]:
    return {
        name: replace(
            timing,
            blocks={block: each for block, each in timing.blocks.items() if block.round in numbers},
        )
        for name, timing in side.items()
    }


def _process_noise(arm: Sides) -> float:
    return statistics.median(
        float(np.std([log_median(each.seconds) for each in timing.blocks.values()], ddof=1))
        for timing in arm.values()
    )


def _pair_noise(first: Sides, same: Sides) -> float:
    return statistics.median(
        float(np.std(log_ratios(same[name].blocks, first[name].blocks), ddof=1)) for name in first
    )
