"""Missing optional libraries are named, and only where they are needed."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from platebench import optional
from platebench.errors import UserError
from platebench.optional import missing, require
from platebench.stores import registry
from platebench.stores.name import StoreName


def test_missing_returns_only_absent_libraries() -> None:
    assert missing("numpy", "no-such-library", "scikit-image") == ["no-such-library"]


def test_require_names_absent_libraries_and_the_install_command() -> None:
    with pytest.raises(UserError) as said:
        require("the page", "numpy", "no-such-library", "nor-this")
    assert str(said.value) == (
        "the page needs no-such-library, nor-this, not installed here; type:"
        " pip install no-such-library nor-this"
    )
    require("the page", "numpy")


def test_extras_are_those_of_the_installed_platebench() -> None:
    requirements = [Requirement(text) for text in metadata.requires("platebench") or []]
    for library, extra in optional._EXTRAS.items():
        markers = [each.marker for each in requirements if each.name == library]
        assert any(marker and marker.evaluate({"extra": extra}) for marker in markers), library
        assert not any(marker is None for marker in markers), f"{library} is always installed"


def test_only_the_nested_layout_of_parquet_needs_awkward(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without_awkward(name: str) -> str:
        if name == "awkward":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_awkward)
    assert registry.why_not(StoreName("parquet", "pixels", "fast")) is None
    assert registry.why_not(StoreName("parquet", "nested", "fast")) == (
        "awkward is not installed; type: pip install awkward"
    )
    assert registry.needs_of(StoreName("parquet", "nested", "fast")) == ("pyarrow", "awkward")
    assert "awkward" in registry.format_of(StoreName("parquet", "pixels", "fast")).all_needs
