"""Recorded facts of a machine. A fact that the machine hides is None."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.running import machine_facts as facts_
from platebench.running.machine_facts import busy, machine_facts, one_line, this_machine

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 259:2 / / rw,noatime shared:1 - ext4 /dev/nvme0n1p2 rw,discard
30 27 8:1 / /data\\040of\\040mine rw,relatime - xfs /dev/sda1 rw,attr2
31 27 0:40 / /joined rw - overlay overlay rw,lowerdir=/home/someone/secret,xino=off
32 27 254:0 / /cloud rw - ext4 /dev/vda rw
"""


def write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """System files of a machine with an NVMe disk, a rotating disk and a virtual disk."""
    root = tmp_path / "root"
    write(root, "proc/self/mountinfo", MOUNTS)
    write(root, "proc/loadavg", "0.40 1.50 2.25 1/345 6789\n")
    write(root, "proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\nSwapTotal: 0 kB\n")
    write(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
    for disk, part, number, model, rotational in (
        ("nvme0n1", "nvme0n1p2", "259:2", "Fast 990", "0"),
        ("sda", "sda1", "8:1", "Slow 4TB", "1"),
        ("vda", "", "254:0", "", "1"),
    ):
        folder = root / "sys" / "devices" / disk
        write(folder, "queue/rotational", f"{rotational}\n")
        write(folder, "device/model", f"{model}   \n")
        if part:
            write(folder / part, "partition", "1\n")
        link = root / "sys" / "dev" / "block" / number
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / part)
    return root


def test_facts_have_disk_filesystem_load_governor_and_memory(root: Path) -> None:
    facts = machine_facts(Path("/srv/work"), root)
    assert facts["disk"] == "Fast 990"
    assert facts["rotational"] is False
    assert facts["filesystem"] == "ext4"
    assert facts["mount_options"] == "rw,noatime,discard"
    assert facts["load"] == [0.4, 1.5, 2.25]
    assert facts["governor"] == "powersave"
    assert (facts["memory_bytes"], facts["swap_bytes"]) == (1_024_000, 0)
    assert json.loads(json.dumps(facts)) == facts


def test_the_innermost_mount_of_a_folder_is_found(root: Path) -> None:
    facts = machine_facts(Path("/data of mine/images"), root)
    assert (facts["disk"], facts["rotational"], facts["filesystem"]) == ("Slow 4TB", True, "xfs")


def test_rotation_of_a_virtual_disk_is_unknown(root: Path) -> None:
    facts = machine_facts(Path("/cloud"), root)
    assert (facts["disk"], facts["rotational"]) == ("virtual disk vda", None)


def test_read_ahead_is_told_where_it_is_not_the_usual_one(root: Path) -> None:
    for kib, said in ((8192, "virtual disk vda (ext4, read-ahead 8,192 KiB)"), (128, "(ext4)")):
        write(root, "sys/devices/vda/queue/read_ahead_kb", f"{kib}\n")
        facts = machine_facts(Path("/cloud"), root)
        assert facts["read_ahead_kib"] == kib
        assert said in one_line(facts)


def test_no_path_is_recorded(root: Path) -> None:
    facts = machine_facts(Path("/joined"), root)
    assert facts["filesystem"] == "overlay"
    assert facts["mount_options"] == "rw,xino=off"
    assert "someone" not in json.dumps(facts)


def test_hidden_facts_are_none(tmp_path: Path) -> None:
    facts = machine_facts(tmp_path, tmp_path / "nothing")
    hidden = {"disk", "rotational", "filesystem", "mount_options", "load", "governor", "busy_cores"}
    hidden |= {"read_ahead_kib", "memory_bytes", "swap_bytes", "memory_available_bytes"}
    assert {name for name, value in facts.items() if value is None} == hidden
    assert "unknown" in one_line(facts)
    assert busy(facts) == ""


@pytest.mark.parametrize("content", ["", "many\n", "x y z\n"])
def test_unreadable_load_is_none(content: str, root: Path) -> None:
    write(root, "proc/loadavg", content)
    assert machine_facts(Path("/"), root)["load"] is None


def test_one_line_has_disk_filesystem_load_and_governor(root: Path) -> None:
    facts = {**machine_facts(Path("/srv"), root), "cores": 4}
    assert one_line(facts) == (
        "Fast 990 (ext4, not rotational); load 0.4 on 4 cores; CPU governor powersave"
    )
    assert one_line(None) == ""


@pytest.mark.parametrize(("load", "cores", "warned"), [(1.1, 4, True), (1.0, 4, False)])
def test_load_above_a_quarter_of_the_cores_gives_a_warning(load, cores, warned) -> None:
    said = busy({"load": [load, 0.0, 0.0], "cores": cores})
    assert said.startswith("warning: this machine is busy (load 1.1 on 4 cores)") is warned
    assert bool(said) is warned


@pytest.mark.parametrize(("working", "warned"), [(0.6, True), (0.5, False)])
def test_cores_that_are_busy_now_decide_before_the_load(working: float, warned: bool) -> None:
    """The load still counts what ended a minute ago."""
    facts = {"load": [0.1 if warned else 9.0, 0.0, 0.0], "cores": 2, "busy_cores": working}
    assert busy(facts).startswith("warning: this machine is busy (0.6 of 2 cores)") is warned
    assert f"on 2 cores, {working} of them busy" in one_line(facts)


def test_busy_cores_are_counted_while_the_process_waits(root: Path, monkeypatch) -> None:
    idle = "cpu  100 0 100 800 100 0 0 100 7 7\ncpu0 1\ncpu1 1\nintr 5\n"
    # 30 ticks of work, 10 stolen, 60 idle or waiting for a disk.
    worked = "cpu  120 0 110 840 120 0 0 110 9 9\ncpu0 1\ncpu1 1\nintr 5\n"
    write(root, "proc/stat", idle)
    monkeypatch.setattr(facts_.time, "sleep", lambda _: write(root, "proc/stat", worked))
    assert machine_facts(Path("/"), root)["busy_cores"] == 0.8
    for content in ("", "cpu x\n"):
        write(root, "proc/stat", content)
        assert machine_facts(Path("/"), root)["busy_cores"] is None


def test_report_works_with_facts_of_another_version() -> None:
    for odd in (
        {"load": "high"},
        {"load": []},
        {"load": [None]},
        {"rotational": "no"},
        {"busy_cores": "no"},
    ):
        assert one_line(odd)
        assert busy(odd) == ""


# The machine's name


def known_as(monkeypatch: pytest.MonkeyPatch, **changed: str) -> str:
    facts = {"machine": "vm", "cpu": "AMD EPYC", "num_cpu": "4", "ram": "25276067840"}
    facts |= {"os": "Linux 6.18", **changed}
    monkeypatch.setattr(facts_, "_asv_facts", lambda: facts)
    return this_machine()["machine"]


@pytest.mark.parametrize(
    "changed", [{"cpu": "Intel"}, {"num_cpu": "2"}, {"ram": "8000000000"}, {"os": "Linux 7.0"}]
)
def test_machines_with_one_host_name_get_different_names(changed, monkeypatch) -> None:
    one, other = known_as(monkeypatch), known_as(monkeypatch, **changed)
    assert one != other
    assert one.startswith("vm-")
    assert other.startswith("vm-")


def test_machine_name_does_not_depend_on_reserved_memory(monkeypatch) -> None:
    assert known_as(monkeypatch) == known_as(monkeypatch, ram="25276518400")
