"""Only complete cached image sets are opened, and folders of others are not touched."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from platebench.errors import UserError
from platebench.images.decoded_cache import INDEX, DecodedImages, decode_to_cache, is_cached
from tests.conftest import noise


@pytest.fixture
def cached(tmp_path):
    decode_to_cache(noise(3), tmp_path / "set")
    assert is_cached(tmp_path / "set")
    return tmp_path / "set"


def test_folder_of_somebody_else_is_refused_and_unchanged(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="did not make"):
        decode_to_cache(noise(3), tmp_path / "set")
    assert (tmp_path / "set" / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_older_set_is_replaced(cached):
    decode_to_cache(noise(4), cached)
    assert len(DecodedImages(cached)) == 4
    assert [path.name for path in cached.parent.iterdir()] == ["set"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"7", b"\xff\xfe", b'{"schema": null}', b"[" * 100_000]
)
def test_damaged_index_is_not_cached(cached, content):
    (cached / INDEX).write_bytes(content)
    assert not is_cached(cached)
    with pytest.raises(UserError, match="set: not a complete image set"):
        DecodedImages(cached)
    decode_to_cache(noise(3), cached)
    assert is_cached(cached)


@pytest.mark.parametrize("key", ["name", "pixels", "files", "digests", "tables"])
@pytest.mark.parametrize("value", [None, 7, [None] * 4, ["a"] * 4, [0, 1, 2, 3], {}, [0, 9, 5, 7]])
def test_inconsistent_index_is_not_cached(cached, key, value):
    content = json.loads((cached / INDEX).read_text())
    content[key] = value
    (cached / INDEX).write_text(json.dumps(content))
    assert not is_cached(cached)


@pytest.mark.parametrize("name", ["pixels.bin", "files.bin"])
def test_truncated_set_is_not_cached(cached, name):
    (cached / name).write_bytes((cached / name).read_bytes()[:-1])
    assert not is_cached(cached)


def test_damaged_table_is_named(cached):
    (cached / "images.arrow").write_bytes(b"ARROW1")
    with pytest.raises(UserError, match="its table is damaged"):
        DecodedImages(cached)


def test_missing_folder_is_not_cached(tmp_path):
    assert not is_cached(tmp_path / "nowhere")


def test_cached_set_has_the_tables_and_the_fingerprint(tmp_path):
    images = noise(3)
    images.tables = {
        "a/b": pa.table({"area": [1.5, None], "class": pa.array(["x", None]).dictionary_encode()}),
        "none": pa.table({"area": pa.array([], pa.float32())}),
    }
    found = decode_to_cache(images, tmp_path / "set")
    assert list(found.tables) == ["a/b", "none"]
    assert all(found.tables[name].equals(images.tables[name]) for name in found.tables)
    assert found.fingerprint == images.fingerprint != noise(3).fingerprint


def test_set_without_its_tables_is_not_cached(tmp_path):
    images = noise(3)
    images.tables = {"a": pa.table({"area": [1.5]})}
    decode_to_cache(images, tmp_path / "set")
    file = tmp_path / "set" / "tables" / "0.arrow"
    file.write_bytes(b"ARROW1")
    with pytest.raises(UserError, match="damaged"):
        DecodedImages(tmp_path / "set").tables["a"]
    file.unlink()
    assert not is_cached(tmp_path / "set")


def test_set_of_a_revision_without_tables_is_made_again(cached):
    content = json.loads((cached / INDEX).read_text())
    del content["tables"]
    (cached / INDEX).write_text(json.dumps(content))
    assert not is_cached(cached)
