"""Records are on the disk after every cell, and are read back unchanged."""

from __future__ import annotations

import errno
import os

import pytest

from platebench.results.records import Record, RecordFile, record_files
from tests.results.made_up_runs import INFO, failed, floor, ok, run_file, skipped


def test_records_are_read_back_unchanged(tmp_path) -> None:
    runs = [ok([0.25, 0.5]), floor([0.125]), failed('said "no"\nand died'), skipped("µm: ü")]
    file = run_file(tmp_path, runs, runs[:1])
    assert list(file.records()) == [*(Record(1, run) for run in runs), Record(2, runs[0])]
    assert file.info() == INFO


def test_file_name_is_the_time_in_the_machines_folder(tmp_path) -> None:
    file = run_file(tmp_path).file
    assert file == tmp_path / "bench-pc" / "20260301T102030.000001+0000.run.jsonl"
    assert list(file.parent.iterdir()) == [file]


def test_line_cut_off_by_a_crash_is_ignored(tmp_path) -> None:
    file = run_file(tmp_path, [ok([0.25]), ok([0.5])])
    whole = file.file.read_bytes()
    second = whole.rindex(b"\n", 0, -1) + 1
    for end in (second, second + 1, len(whole) - 1):
        file.file.write_bytes(whole[:end])
        assert [record.run.samples_s for record in file.records()] == [[0.25]]


def test_every_cell_is_synced_before_the_next(tmp_path, monkeypatch) -> None:
    file = RecordFile.create(tmp_path, INFO)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for count in (1, 2):
        file.append(Record(1, ok([0.25])))
        assert len(synced) == count
        assert len(list(RecordFile(file.file).records())) == count


def test_second_run_never_overwrites_the_first(tmp_path) -> None:
    file = run_file(tmp_path, [ok([0.25])])
    with pytest.raises(FileExistsError):
        RecordFile.create(tmp_path, INFO)
    assert len(list(file.records())) == 1


def test_file_without_first_line_never_exists(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space"):
        RecordFile.create(tmp_path, INFO)
    assert record_files(tmp_path) == []
    assert not any((tmp_path / "bench-pc").iterdir())


def test_files_are_listed_oldest_first_for_all_or_one_machine(tmp_path) -> None:
    run_file(tmp_path, machine="z", started="2026-03-01T00:00:00.000001+00:00")
    run_file(tmp_path, machine="a", started="2026-03-02T00:00:00.000001+00:00")
    run_file(tmp_path, machine="z", started="2026-03-03T00:00:00.000001+00:00")
    assert [file.info().machine for file in record_files(tmp_path)] == ["z", "a", "z"]
    assert [file.info().machine for file in record_files(tmp_path, "a")] == ["a"]
    assert record_files(tmp_path / "none") == []
