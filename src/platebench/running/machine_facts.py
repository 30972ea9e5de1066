"""What a figure depends on besides the code: the disk, the filesystem, the load, the processor.

Everything is read from Linux' own files below /proc and /sys. What a machine does not tell is None:
a container may hide its disk, and a virtual machine has no frequency governor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import asv.machine

USUAL_READ_AHEAD_KIB = 128
"""How far Linux reads ahead on a disk unless somebody sets `read_ahead_kb`.

It decides how much a store that maps its files fetches for one image: with 8 MiB, several images.
"""

BUSY = 0.25
"""Share of the cores: if more are busy, other work competes with the measurement."""

_SECONDS_WATCHED = 0.5

_GIB = 2**30


@cache
def _asv_facts() -> dict[str, str]:
    # asv asks the system with several processes; nothing of it changes during a run.
    return {key: str(value) for key, value in asv.machine.Machine.get_defaults().items()}


def this_machine() -> dict[str, str]:
    """Return asv's facts of this machine under a name that tells it from others of its host name.

    The name is asv's, a dash, and eight digits that depend on the CPU model, the number of cores,
    the memory in GiB and the operating system's release.
    """
    facts = _asv_facts()
    memory = facts.get("ram", "")
    # The kernel keeps some of the memory for itself, and not always as much.
    gib = str(round(int(memory) / _GIB)) if memory.isdecimal() else memory
    known = [facts.get("cpu", ""), facts.get("num_cpu", ""), gib, facts.get("os", "")]
    digest = hashlib.sha256("\0".join(known).encode()).hexdigest()[:8]
    return {**facts, "machine": f"{facts['machine']}-{digest}"}


def machine_facts(folder: Path, root: Path = Path("/")) -> dict[str, Any]:
    """Return the state of this machine, and of the disk that `folder` is on.

    `load` is the average number of running processes in the last 1, 5 and 15 minutes. It still
    counts what ended a minute ago, such as an installation. `busy_cores` is how many cores work at
    this moment, measured for half a second, in which this process waits. Sizes are
    bytes. Paths are left out: the facts are published. `root` is another place to read from, for
    tests.
    """
    mount = _mount_of(folder, root)
    memory = _meminfo(root)
    return {
        "disk": _disk_fact(mount, root, "device/model", "device/name"),
        "rotational": _rotational(mount, root),
        "read_ahead_kib": _read_ahead_kib(mount, root),
        "filesystem": mount.get("filesystem"),
        "mount_options": mount.get("options"),
        "load": _load(root),
        "busy_cores": _busy_cores(root),
        "cores": len(os.sched_getaffinity(0)),
        "governor": _text(
            root / "sys" / "devices" / "system" / "cpu" / "cpu0" / "cpufreq" / "scaling_governor"
        ),
        "memory_bytes": memory.get("MemTotal"),
        "memory_available_bytes": memory.get("MemAvailable"),
        "swap_bytes": memory.get("SwapTotal"),
        "kernel": platform.release(),
    }


def one_line(facts: Mapping[str, Any] | None) -> str:
    """Return the disk, the filesystem, the load and the governor in one line; "" of no facts."""
    if not facts:
        return ""
    turns = facts.get("rotational")
    kinds = (facts.get("filesystem"), {True: "rotational", False: "not rotational"}.get(turns))  # type: ignore[arg-type]
    kind = ", ".join(str(each) for each in kinds if each)
    ahead = facts.get("read_ahead_kib")
    if isinstance(ahead, int) and ahead != USUAL_READ_AHEAD_KIB:
        kind += f", read-ahead {ahead:,} KiB"
    disk = facts.get("disk") or "unknown disk"
    load, cores = _load_1(facts), facts.get("cores")
    said = [f"{disk} ({kind})" if kind else disk]
    said.append("load unknown" if load is None else f"load {load:g} on {cores or '?'} cores")
    working = _number(facts.get("busy_cores"))
    if working is not None:
        said[-1] += f", {working:.1f} of them busy"
    governor = facts.get("governor")
    said.append(f"CPU governor {governor}" if governor else "CPU governor unknown")
    return "; ".join(said)


def busy(facts: Mapping[str, Any] | None) -> str:
    """Return a warning when the machine has other work to do, else ""."""
    how = how_busy(facts)
    return how and (
        f"warning: this machine is busy ({how}), so times will vary more;"
        " stop other work for reliable figures"
    )


def how_busy(facts: Mapping[str, Any] | None) -> str:
    """Return how busy the machine is with other work, "" if it is hardly.

    Facts of older runs have no `busy_cores`; then the load decides.
    """
    facts = facts or {}
    load, cores = _load_1(facts), facts.get("cores")
    working = _number(facts.get("busy_cores"))
    much = load if working is None else working
    if much is None or not isinstance(cores, int) or much <= BUSY * cores:
        return ""
    if working is None:
        return f"load {load:g} on {cores} cores"
    return f"{working:.1f} of {cores} cores"


def _load_1(facts: Mapping[str, Any]) -> float | None:
    load = facts.get("load")
    return _number(load[0]) if isinstance(load, list) and load else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _mount_of(folder: Path, root: Path) -> dict[str, Any]:
    """Return the device, filesystem and options of the mount that holds `folder`; {} if unknown."""
    place = folder.resolve()
    found: tuple[int, dict[str, Any]] = (-1, {})
    for line in (_text(root / "proc" / "self" / "mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        mounted, fields = left.split(), right.split()
        if len(mounted) < 6 or len(fields) < 2:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mounted[4]))
        # Of two mounts at one place, the later one covers the other.
        if place.is_relative_to(point) and len(point.parts) >= found[0]:
            options = [*mounted[5].split(","), *(fields[2].split(",") if len(fields) > 2 else [])]
            told = {
                "device": mounted[2],
                "source": fields[1],
                "filesystem": fields[0],
                # overlay lists its folders here, which say more of a person than of the disk
                "options": ",".join(dict.fromkeys(each for each in options if "/" not in each)),
            }
            found = (len(point.parts), told)
    return found[1]


def _block_device(mount: Mapping[str, Any], root: Path) -> Path | None:
    """Return the folder in /sys of the disk below a mount; None where none is told.

    A partition leads to its disk, a mapped device (LVM, encryption) to the one disk it lies on.
    """
    device = str(mount.get("device", ""))
    if device.startswith("0:"):  # btrfs and the like number no device of their own
        try:
            number = Path(str(mount.get("source"))).stat().st_rdev
        except (OSError, ValueError):
            return None
        device = f"{os.major(number)}:{os.minor(number)}"
    folder = (root / "sys" / "dev" / "block" / device).resolve()
    if not device or not folder.is_dir():
        return None
    if (folder / "partition").exists():
        folder = folder.parent
    slaves = list((folder / "slaves").glob("*"))
    while len(slaves) == 1:
        folder = slaves[0].resolve()
        folder = folder.parent if (folder / "partition").exists() else folder
        slaves = list((folder / "slaves").glob("*"))
    return folder


def _disk_fact(mount: Mapping[str, Any], root: Path, *files: str) -> str | None:
    """Return the disk's model, or the name of its device where it has no model."""
    folder = _block_device(mount, root)
    if folder is None:
        return None
    if _is_virtual(folder):
        return f"virtual disk {folder.name}"
    return next((text for file in files if (text := _text(folder / file))), folder.name)


def _rotational(mount: Mapping[str, Any], root: Path) -> bool | None:
    folder = _block_device(mount, root)
    if folder is None or _is_virtual(folder):
        return None
    return {"0": False, "1": True}.get(_text(folder / "queue" / "rotational") or "")


def _read_ahead_kib(mount: Mapping[str, Any], root: Path) -> int | None:
    folder = _block_device(mount, root)
    said = None if folder is None else _text(folder / "queue" / "read_ahead_kb")
    return int(said) if said is not None and said.isdecimal() else None


def _is_virtual(folder: Path) -> bool:
    # virtio and Xen report 1 whatever the host's disk is.
    return re.fullmatch(r"x?vd[a-z]+", folder.name) is not None


def _load(root: Path) -> list[float] | None:
    try:
        return [
            float(each) for each in (_text(root / "proc" / "loadavg") or "").split()[:3]
        ] or None
    except ValueError:
        return None


def _busy_cores(root: Path) -> float | None:
    """Return how many processors work while this process waits; stolen time counts as work."""
    before = _ticks(root)
    if before is None:
        return None
    time.sleep(_SECONDS_WATCHED)
    after = _ticks(root) or before
    passed = [end - start for start, end in zip(before.times, after.times, strict=True)]
    idle = sum(passed[3:5])  # idle, and waiting for a disk
    return round((1 - idle / sum(passed)) * before.processors, 2) if sum(passed) > 0 else None


class _Ticks(NamedTuple):
    times: list[int]
    processors: int


def _ticks(root: Path) -> _Ticks | None:
    """Return the first line of /proc/stat, which is for all processors, and how many there are."""
    lines = (_text(root / "proc" / "stat") or "").splitlines()
    try:
        times = [int(each) for each in lines[0].split()[1:9]]  # guests are counted as users too
    except (IndexError, ValueError):
        return None
    return _Ticks(times, sum(re.match(r"cpu\d", line) is not None for line in lines))


def available_memory() -> int | None:
    """Return the bytes that processes can have without swapping, as the kernel estimates them."""
    return _meminfo(Path("/")).get("MemAvailable")


def _meminfo(root: Path) -> dict[str, int]:
    """Return the figures of /proc/meminfo in bytes."""
    lines = (_text(root / "proc" / "meminfo") or "").splitlines()
    found = (re.fullmatch(r"(\w+):\s+(\d+) kB", line.strip()) for line in lines)
    return {each[1]: int(each[2]) * 1024 for each in found if each}


def _text(file: Path) -> str | None:
    """Return what a file of the system says; None where it is absent, unreadable or empty."""
    try:
        return file.read_text(errors="replace").strip() or None
    except OSError:
        return None
