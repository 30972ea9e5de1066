"""The name of a store: a format, a layout and a tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from platebench.errors import UserError


@dataclass(frozen=True, order=True)
class StoreName:
    """A format, a layout and a tuning, written `parquet:tiff:fast`.

    The name is syntax only: the registry says which names are of stores that exist. Results of a
    removed format still have a name.
    """

    format: str
    layout: str
    tuning: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name that `text` spells. Raises UserError unless it has three parts."""
        parts = text.split(":")
        if len(parts) != 3 or not all(parts):
            raise UserError(
                f"{text}: not the name of a store; write FORMAT:LAYOUT:TUNING,"
                " as in parquet:tiff:fast"
            )
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.format}:{self.layout}:{self.tuning}"

    @property
    def folder(self) -> str:
        """The name as a folder is called, without colons: `parquet.tiff.fast`."""
        return ".".join((self.format, self.layout, self.tuning))

    @classmethod
    def of_folder(cls, name: str) -> Self | None:
        """Return the store whose `folder` this is; None for another name."""
        parts = name.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None
