"""A held image set is whole, or it is not held; and a folder of somebody else's is not touched."""

from __future__ import annotations

import json

import pytest

from platebench.errors import UserError
from platebench.images.decoded_cache import MARK, DecodedImages, hold, is_held
from tests.conftest import noise


@pytest.fixture
def held(tmp_path):
    hold(noise(3), tmp_path / "set")
    assert is_held(tmp_path / "set")
    return tmp_path / "set"


def test_a_folder_of_somebody_else_is_refused_and_left(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="did not make"):
        hold(noise(3), tmp_path / "set")
    assert (tmp_path / "set" / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_older_set_is_replaced(held):
    hold(noise(4), held)
    assert len(DecodedImages(held)) == 4
    assert [path.name for path in held.parent.iterdir()] == ["set"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"7", b"\xff\xfe", b'{"schema": null}', b"[" * 100_000]
)
def test_a_damaged_index_is_not_held(held, content):
    (held / MARK).write_bytes(content)
    assert not is_held(held)
    with pytest.raises(UserError, match="set: holds no whole image set"):
        DecodedImages(held)
    hold(noise(3), held)
    assert is_held(held)


@pytest.mark.parametrize("key", ["name", "pixels", "files", "digests"])
@pytest.mark.parametrize(
    "value", [None, 7, [], [None] * 4, ["a"] * 4, [0, 1, 2, 3], {}, [0, 9, 5, 7]]
)
def test_an_index_without_sense_is_not_held(held, key, value):
    content = json.loads((held / MARK).read_text())
    content[key] = value
    (held / MARK).write_text(json.dumps(content))
    assert not is_held(held)


@pytest.mark.parametrize("name", ["pixels.bin", "files.bin"])
def test_a_set_that_lost_its_end_is_not_held(held, name):
    (held / name).write_bytes((held / name).read_bytes()[:-1])
    assert not is_held(held)


def test_a_damaged_table_is_named(held):
    (held / "images.arrow").write_bytes(b"ARROW1")
    with pytest.raises(UserError, match="its table is damaged"):
        DecodedImages(held)


def test_a_missing_folder_is_not_held(tmp_path):
    assert not is_held(tmp_path / "nowhere")
