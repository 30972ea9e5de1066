"""Names of tables: which are allowed, and those of a folder's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from platebench.errors import UserError

RESERVED = frozenset({"images", "pixels", "common", "tables"})
"""Names that formats use for the images themselves, in any case of letters."""

_TABLES = {".csv", ".tsv", ".txt"}

_LONGEST = 150
"""Bytes of a name. File systems allow 255, and formats add an ending or escape characters."""


def check_names(names: Iterable[str]) -> None:
    """Raise UserError for names that cannot be those of tables in every format."""
    seen: dict[str, str] = {}
    for name in names:
        problem = _problem(name)
        other = seen.setdefault(name.casefold(), name)
        if problem is None and other != name:
            problem = f"differs from {other!r} in the case of letters only"
        if problem is not None:
            raise UserError(f"table {name!r}: its name {problem}; choose another one")


def _problem(name: str) -> str | None:
    if not name or name.strip() != name:
        return "is empty, or begins or ends with a space"
    if "/" in name or name.startswith(".") or not name.isprintable():
        return "contains a slash or a control character, or begins with a dot"
    if _is_reserved(name):
        return "is reserved"
    if len(name.encode(errors="replace")) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    return None


def _is_reserved(name: str) -> bool:
    lowered = name.casefold()
    return lowered in RESERVED or lowered.startswith(("sqlite_", "platebench"))


def names_of_files(files: Iterable[PurePath], taken: Iterable[str] = ()) -> Mapping[str, PurePath]:
    """Name tables by their files, whose paths are relative: `plate1/cells.csv` is plate1-cells.

    A table in a ZIP archive has a path below that of the archive: `plate1.zip/cells.csv`. One that
    is alone there may have the path of the archive.

    Files that differ only in their ending keep it (`cells.csv`, `cells.tsv`), and so do those whose
    name without it is reserved or `taken`. Raises UserError, which names both, for files that would
    get one name: `a/b.csv` and `a-b.csv`.
    """
    whole = {file: "-".join(file.parts) for file in files}
    counts = Counter(_bare(file).casefold() for file in whole)
    counts.update(name.casefold() for name in taken)
    names: dict[str, PurePath] = {}
    for file, name in whole.items():
        bare = _bare(file)
        unique = counts[bare.casefold()] == 1 and bare and not _is_reserved(bare)
        chosen = bare if unique else name
        if chosen in names:
            raise UserError(
                f"{file}: would be table {chosen!r}, as {names[chosen]} is; rename one of them"
            )
        names[chosen] = file
    return names


def _bare(file: PurePath) -> str:
    """Return a file's name without its ending, without `.gz`, and without `.zip` in its path."""
    parts = [part.removesuffix(part[-4:]) if _is_zip(part) else part for part in file.parts]
    name = "-".join(parts)
    if _is_zip(file.name) and PurePath(name).suffix.lower() not in _TABLES:
        return name
    inner = name[:-3] if name.lower().endswith(".gz") else name
    return PurePath(inner).stem


def _is_zip(part: str) -> bool:
    return part.lower().endswith(".zip") and len(part) > 4
