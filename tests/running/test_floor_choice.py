"""The floor's choice: kept for a disk, passed to processes that measure, and recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.running import floor_choice as module
from platebench.running.floor_choice import FILE, floor_choice, keep
from platebench.stores.floor.choice import (
    DEFAULT,
    ENVIRONMENT,
    WITHOUT_DIRECT,
    Choice,
    current,
)
from platebench.timing.protocol import FLOOR_CHOICE

OTHER = replace(DEFAULT, scan="pread-16", write="plain")


def test_without_a_calibration_the_default_applies(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "has_direct", lambda file: True)
    found = floor_choice(tmp_path)
    assert found.choice == DEFAULT
    assert found.variables == {}
    assert found.facts == {"floor": str(DEFAULT), "floor_choice": "default"}


def test_disk_without_o_direct_has_a_default_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "has_direct", lambda file: False)
    found = floor_choice(tmp_path)
    assert found.choice == WITHOUT_DIRECT
    assert "direct" not in str(found.choice)
    assert found.variables == {FLOOR_CHOICE: str(WITHOUT_DIRECT)}
    assert found.reason == "default without O_DIRECT"


def test_kept_choice_is_used_and_passed_on(tmp_path, monkeypatch):
    keep(tmp_path, OTHER)
    found = floor_choice(tmp_path)
    assert (found.choice, found.reason) == (OTHER, "measured")
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    assert current() == OTHER


def test_choice_of_another_machine_is_not_used(tmp_path):
    file = keep(tmp_path, OTHER)
    file.write_text(json.dumps({**json.loads(file.read_text()), "machine": "another"}))
    assert floor_choice(tmp_path).reason != "measured"


@pytest.mark.parametrize("content", ["", "[]", "{}", '"text"', None])
def test_damaged_choice_is_an_error_that_names_the_file(content, tmp_path):
    file = keep(tmp_path, OTHER)
    damaged = file.read_text().replace("scan=pread-16", "scan=telepathy")
    file.write_text(damaged if content is None else content)
    with pytest.raises(UserError, match=rf"{FILE}: is damaged"):
        floor_choice(tmp_path)


def test_choice_as_text_is_read_back():
    assert Choice.parse(str(OTHER)) == OTHER


@pytest.mark.parametrize("text", ["scan=pread", "quick", "", "scan=pread,scan", f"{DEFAULT},a=b"])
def test_other_text_is_an_error(text):
    with pytest.raises(UserError, match="is not a choice such as"):
        Choice.parse(text)


def test_unknown_way_is_an_error_that_names_the_known_ones():
    with pytest.raises(UserError, match="scan=telepathy: give one of pread, pread-4"):
        replace(DEFAULT, scan="telepathy")


def test_environment_variable_of_the_protocol_is_the_stores(monkeypatch, tmp_path: Path):
    assert FLOOR_CHOICE == ENVIRONMENT
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert current() == DEFAULT
