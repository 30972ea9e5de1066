"""What is absent is asked for by its name, and only by what needs it."""

from __future__ import annotations

from importlib import metadata

import pytest

from platebench.errors import UserError
from platebench.optional import missing, require
from platebench.stores import registry


def test_a_library_that_is_not_there_is_missing_and_one_that_is_there_is_not() -> None:
    assert missing("numpy", "no-such-library", "scikit-image") == ["no-such-library"]


def test_what_is_missing_is_said_in_one_line_with_what_to_type() -> None:
    with pytest.raises(UserError) as said:
        require("the page", "numpy", "no-such-library", "nor-this")
    assert str(said.value) == (
        "the page needs no-such-library, nor-this, not installed here; type:"
        " pip install no-such-library nor-this"
    )
    require("the page", "numpy")


def test_only_nested_lists_of_parquet_need_awkward(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without_awkward(name: str) -> str:
        if name == "awkward":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_awkward)
    assert registry.why_not("parquet:pixels:fast") is None
    assert registry.why_not("parquet:nested:fast") == (
        "awkward is not installed; type: pip install awkward"
    )
    assert registry.needs_of("parquet:nested:fast") == ("pyarrow", "awkward")
    assert "awkward" in registry.format_of("parquet:pixels:fast").all_needs
