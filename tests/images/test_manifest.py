"""A manifest is read completely, or refused by its path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platebench.errors import UserError
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.manifest import SCHEMA, read_manifest


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return make_fixtures(tmp_path_factory.mktemp("manifest") / "out", 2)


@pytest.fixture
def fixture(generated, tmp_path):
    return Path(shutil.copytree(generated, tmp_path / "out"))


def change(folder: Path, *keys: object, value: object) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


CHANGES = [
    (("images",), []),
    (("images",), None),
    (("images",), "text"),
    (("images",), [None, None]),
    (("images",), [[], []]),
    (("images", 0, "path"), None),
    (("images", 0, "path"), 7),
    (("images", 0, "path"), ""),
    (("images", 0, "path"), "/etc/passwd"),
    (("images", 0, "path"), "../../x.tif"),
    (("images", 0, "path"), "tiff/../../x.tif"),
    (("images", 0, "path"), "a\0b"),
    (("images", 0, "path"), "\udce9.tif"),
    (("images", 0, "plate"), 7),
    (("images", 0, "plate"), ["LT0001_02"]),
    (("images", 0, "well"), {}),
    (("images", 0, "site"), True),
    (("images", 0, "frame"), "43"),
    (("images", 0, "frame"), 43.5),
    (("images", 0, "frame"), True),
    (("images", 0, "frame"), 2**40),
    (("images", 0, "z"), "0"),
    (("images", 0, "channel"), 1),
    (("images", 0, "digest"), None),
    (("settings",), None),
    (("settings",), []),
    (("settings", "images"), 3),
    (("settings", "images"), "2"),
    (("settings", "images"), True),
    (("settings", "profile"), None),
    (("settings", "profile"), "jpeg"),
    (("settings", "seed"), 1.5),
    (("settings", "ch5"), 0),
    (("settings", "tables"), "no"),
]


@pytest.mark.parametrize(("keys", "value"), CHANGES)
def test_inconsistent_manifest_is_refused(fixture, keys, value):
    change(fixture, *keys, value=value)
    with pytest.raises(UserError, match=r"manifest\.json: damaged") as raised:
        open_images(fixture)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"", b"{", b"[" * 100_000, b"9" * 10_000])
def test_manifest_that_is_not_json_is_refused(fixture, content):
    (fixture / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match=r"manifest\.json: damaged"):
        open_images(fixture)


def test_image_listed_twice_is_refused(fixture):
    path = json.loads((fixture / "manifest.json").read_text())["images"][0]["path"]
    change(fixture, "images", 1, "path", value=path)
    with pytest.raises(UserError, match=r"manifest\.json: damaged"):
        open_images(fixture)


def test_link_out_of_the_fixture_is_refused(fixture, tmp_path):
    path = sorted((fixture / "tiff").iterdir())[0]
    path.rename(tmp_path / "elsewhere.tif")
    path.symlink_to(tmp_path / "elsewhere.tif")
    with pytest.raises(UserError, match="links to a file outside its folder"):
        open_images(fixture)


@pytest.mark.parametrize("content", ["null", "[]", "7", '"text"', "{}", '{"name": "theirs"}'])
def test_manifest_of_another_program_is_ignored(fixture, content):
    (fixture / "manifest.json").write_text(content)
    assert read_manifest(fixture) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    keys=st.sampled_from([keys for keys, _ in CHANGES]),
    value=JSON,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_manifest_is_read_or_refused(generated, tmp_path, keys, value):
    shutil.copy(generated / "manifest.json", tmp_path / "manifest.json")
    change(tmp_path, *keys, value=value)
    try:
        manifest = read_manifest(tmp_path)
    except UserError as error:
        assert "manifest.json" in str(error)
    else:
        assert manifest is not None
        assert json.loads((tmp_path / "manifest.json").read_text())["platebench"] == SCHEMA
