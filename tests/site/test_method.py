from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platebench.running.selfcheck import Finding, SelfCheck
from platebench.site.method import machine_facts, section
from platebench.site.published import Published, published
from tests.site.made_up import reference

FINDINGS = [
    Finding("the same arm twice: called slower or faster", "at most 1%", 0.0, 40, True),
    Finding("10% slower, 16 rounds: found", "at least 95%", 0.925, 40, False),
]
CHECK = SelfCheck(FINDINGS, process_noise=0.0712, pair_noise=0.0931, cells=40, rounds=16)


@pytest.fixture
def run(tmp_path: Path) -> Published:
    reference(tmp_path, image_sets=["raw-2"], stores=["floor:pixels:fast"])
    return published(tmp_path)[0]


def words(run: Published, check: SelfCheck | None = None) -> str:
    return " ".join(section(run, check).html.split())


def test_machine_libraries_date_and_commit_are_those_of_the_run(run: Published) -> None:
    html = words(run)
    assert "<dd>a processor</dd>" in html
    assert "<li>pyarrow 23.0.0</li>" in html
    assert f"<code>{run.info.commit}</code>." in html
    assert "Measured from 2026-03-01 10:20" in html
    assert "3 rounds" in html


def test_uncommitted_changes_are_shown(run: Published) -> None:
    changed = replace(run, info=replace(run.info, commit=f"{run.info.commit}+changes"))
    assert f"<code>{run.info.commit}</code>, with uncommitted changes." in words(changed)


def test_pieces_of_an_extended_run_have_their_days_and_commits(run: Published) -> None:
    piece = {"started": "2026-02-03T04:05:06+00:00", "commit": "b" * 40, "records": 7}
    extended = replace(run, info=replace(run.info, settings={"pieces": [piece]}))
    assert "2 pieces with the same Python and libraries. The earlier ones:" in words(extended)
    assert f"<li>2026-02-03 04:05, commit <code>{'b' * 12}</code></li>" in words(extended)
    damaged = replace(run, info=replace(run.info, settings={"pieces": [{"started": 7}]}))
    assert "pieces" not in words(damaged)


def test_machine_without_a_self_check_says_so(run: Published) -> None:
    assert "<code>platebench calibrate selfcheck</code> was not run on this machine" in words(run)


def test_self_check_shows_its_noise_and_every_finding(run: Published) -> None:
    html = words(run, CHECK)
    assert "varies between processes by 7.1%" in html
    assert "side by side by 9.3%" in html
    assert "Some figures are outside their limits." in html
    for finding in FINDINGS:
        assert finding.what in html
    assert "<td>92.5%</td><td>40</td> <td>no</td>" in html


def test_machine_without_facts_has_its_name(run: Published) -> None:
    html = words(replace(run, facts={}))
    assert "<dd>bench-pc</dd>" in html
    assert "No more facts of this machine were recorded" in html


def test_page_says_that_nothing_was_measured(run: Published) -> None:
    assert "Nothing was measured." in words(replace(run, records=[], cells=[]))


def test_memory_is_shown_in_gigabytes() -> None:
    assert machine_facts({"ram": "25276067840"}) == {"memory": "25.3 GB"}
    assert machine_facts({"ram": "32 GB", "cpu": ""}) == {"memory": "32 GB"}


def test_disk_load_and_newer_libraries_are_those_of_the_run(run: Published) -> None:
    facts = {
        "disk": "a disk", "filesystem": "ext4", "rotational": False, "load": [0.1, 0.2, 0.3],
        "memory_available_bytes": 8_000_000_000, "governor": None,
    }  # fmt: skip
    info = replace(run.info, machine_facts=facts, newest={"pyarrow": "99.0.0", "numpy": "2.4.2"})
    html = words(replace(run, info=info))
    assert "<dt>disk</dt><dd>a disk, not rotational</dd>" in html
    assert "<dt>load at the start</dt><dd>0.1, 0.2, 0.3</dd>" in html
    assert "<dt>free memory</dt><dd>8.0 GB</dd>" in html
    assert "governor" not in html
    assert "<li>pyarrow 23.0.0 (newest of the day: 99.0.0)</li>" in html
    assert "<li>numpy 2.4.2</li>" in html
    assert "were not recorded" in words(run)
