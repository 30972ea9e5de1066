"""The method: rules, machine, noise, library versions, date and commit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from platebench.results.commit import CHANGES
from platebench.running.extending import pieces_of
from platebench.running.newest import newer_releases
from platebench.running.selfcheck import SelfCheck
from platebench.site.published import Published
from platebench.site.section import Section, render

_FACTS = {
    "os": "operating system",
    "arch": "architecture",
    "cpu": "processor",
    "num_cpu": "logical processors",
    "ram": "memory",
}
"""asv's facts of a machine, by the words on the page."""


class Done(NamedTuple):
    """The amount and the time of measuring, from the first process's start to the last's."""

    begun: datetime
    ended: datetime
    processes: int
    samples: int
    rounds: int


def section(published: Published, selfcheck: SelfCheck | None) -> Section:
    """Return the method; `selfcheck` is the machine's, None if none is kept."""
    info = published.info
    return Section(
        anchor="method",
        title="Method",
        html=render(
            "method.html",
            machine=published.machine,
            facts=machine_facts(published.facts) | state_facts(info.machine_facts or {}),
            recorded=info.machine_facts is not None,
            newer=newer_releases(info.libraries, info.newest),
            newest=info.newest or {},
            python=info.python,
            libraries=sorted(info.libraries.items()),
            commit=info.commit.removesuffix(CHANGES),
            changed=info.commit.endswith(CHANGES),
            done=done(published),
            pieces=pieces_of(info),
            selfcheck=selfcheck,
        ),
    )


def machine_facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the machine's facts by name. asv records memory in bytes."""
    known = {name: str(facts[key]) for key, name in _FACTS.items() if facts.get(key)}
    if known.get("memory", "").isdecimal():
        known["memory"] = f"{int(known['memory']) / 1e9:.1f} GB"
    return known


def state_facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the disk and the state of the machine when the run began, by name."""
    load, ahead = facts.get("load"), facts.get("read_ahead_kib")
    kind = {True: "rotational", False: "not rotational"}.get(facts.get("rotational"))  # type: ignore[arg-type]
    said = {
        "disk": ", ".join(str(each) for each in (facts.get("disk"), kind) if each),
        "read-ahead": f"{ahead:,} KiB" if isinstance(ahead, int) else None,
        "filesystem": facts.get("filesystem"),
        "mount options": str(facts.get("mount_options") or "").replace(",", ", "),
        "load at the start": ", ".join(map(str, load)) if isinstance(load, list) else None,
        "cores busy at the start": facts.get("busy_cores"),
        "CPU governor": facts.get("governor"),
        "free memory": _gigabytes(facts.get("memory_available_bytes")),
        "kernel": facts.get("kernel"),
        "way of the floor": str(facts.get("floor") or "").replace(",", ", "),
    }
    return {name: str(value) for name, value in said.items() if value not in (None, "")}


def _gigabytes(number: object) -> str | None:
    return f"{number / 1e9:.1f} GB" if isinstance(number, int) else None


def done(published: Published) -> Done | None:
    """Return the amount and the time of measuring, None if nothing was measured."""
    if not published.records:
        return None
    moments = [datetime.fromisoformat(record.run.started) for record in published.records]
    return Done(
        begun=min(moments),
        ended=max(moments),
        processes=len(published.records),
        samples=sum(len(record.run.samples_s) for record in published.records),
        rounds=max(record.round for record in published.records),
    )
