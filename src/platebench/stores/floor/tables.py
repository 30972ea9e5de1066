"""Tables of the floor: the columns of a table in one bare file, as Arrow has them in memory.

The file is pieces, each some rows of all columns, then a JSON footer, and its length in 8 bytes.
A column of a piece is its buffers, little-endian and without compression, each from a multiple of
64 bytes on. A read maps the file and wraps the columns that it needs; no other byte is touched.

A column of text with few different values also has a code of one byte per row. Conditions compare
the values, find the rows by their codes, and only then look at other columns: of those, and of the
columns asked for, the pages of matching rows are read and no more.

Rows are appended as one more piece with a new footer. Like all of the floor this shows what the
machine can do, not how to keep data: an interrupted append damages the file.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.stores.floor.footer import as_footer, read_footer, truncated
from platebench.stores.table_files import TableFiles
from platebench.stores.tables import check_same_columns
from platebench.stores.where import Condition, Where, columns_of, fitted

_ALIGNMENT = 64
"""Bytes; Arrow's own recommendation for buffers."""

_MOST_CODES = 256
_FEWEST_CODED = 5000
"""Rows from which on codes make a filter faster by more than they cost to write."""
_MOST_PARTS = 1024  # IOV_MAX of Linux

_FLAT = (
    pa.types.is_primitive,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_null,
)

_SMALL, _PART = 1 << 20, 1 << 16
"""Bytes: a buffer that is read whole, and the parts in which a larger one is read."""

Span = tuple[int, int]
"""Offset and size of a buffer in the file, in bytes."""


@dataclass(frozen=True)
class _Column:
    """The buffers of a column, None where it has none, its missing values, and its codes."""

    buffers: list[Span | None]
    nulls: int
    codes: Span | None = None
    values: list[str] | None = None


@dataclass(frozen=True)
class _Piece:
    """Some rows of all columns. A column's description is parsed when it is used."""

    rows: int
    described: dict[str, list[Any]]

    def column(self, name: str) -> _Column:
        """Return where a column is."""
        return _Column(*self.described[name])


@dataclass(frozen=True)
class _Footer:
    schema: pa.Schema
    pieces: list[_Piece]


class BareTables(TableFiles):
    """One file of raw columns for each table."""

    ending = ".columns"

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for types whose values are not in buffers of their own."""
        for field in table.schema:
            if not any(suits(field.type) for suits in _FLAT):
                raise Unsupported(f"column {field.name!r} of {name!r} has type {field.type}")

    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write one piece."""
        with file.open("xb", buffering=0) as sink:
            _append(sink.fileno(), 0, _Footer(table.schema, []), table)

    def schema_of(self, file: Path) -> pa.Schema:
        """Read the footer."""
        with file.open("rb", buffering=0) as source:
            return _read_footer(source.fileno(), file).schema

    def read(self, name: str, columns: Sequence[str] | None = None, where: Where = ()) -> pa.Table:
        """Read the footer once, for the schema and for the columns."""
        file = self.file(name)
        try:
            source = file.open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):  # without tables, a store is one file
            raise KeyError(name) from None
        with source:
            footer = _read_footer(source.fileno(), file)
            chosen = footer.schema.names if columns is None else list(columns)
            for column in chosen:
                if column not in footer.schema.names:
                    raise KeyError(column)
            return _read(source.fileno(), footer, chosen, fitted(where, footer.schema))

    def read_file(self, file: Path, columns: list[str], where: Where) -> pa.Table:
        """Read columns of the rows that match."""
        with file.open("rb", buffering=0) as source:
            return _read(source.fileno(), _read_footer(source.fileno(), file), columns, where)

    def append(self, name: str, rows: pa.Table) -> None:
        """Read the footer once, for the comparison of columns and for the new footer."""
        self.check_all({name: rows})
        if name in self.names():
            self.extend(name, rows)
        else:
            self.create(name, rows)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Write one more piece and the footer after the last byte of the file."""
        with self.file(name).open("r+b", buffering=0) as sink:
            footer = _read_footer(sink.fileno(), self.file(name))
            check_same_columns(name, footer.schema, rows)
            size = sink.seek(0, os.SEEK_END)
            try:
                _append(sink.fileno(), size, footer, rows)
            except BaseException:
                sink.truncate(size)
                raise


class _Gathered:
    """Bytes for one place of a file, which one call writes."""

    def __init__(self, start: int) -> None:
        self._start = self._end = start
        self._parts: list[memoryview] = []

    def add(self, content: Any) -> Span:
        """Add bytes or a buffer, and return where they will be."""
        view = memoryview(content).cast("B")
        place = (self._end, len(view))
        self._parts.append(view)
        self._end += len(view)
        return place

    def put(self, buffer: Any) -> Span:
        """Add a buffer that begins at a multiple of the alignment."""
        self.add(bytes(-self._end % _ALIGNMENT))
        return self.add(buffer)

    def write(self, sink: int) -> None:
        """Write all parts, in as few calls as the system allows."""
        at, waiting = self._start, [part for part in self._parts if len(part)]
        while waiting:
            written = os.pwritev(sink, waiting[:_MOST_PARTS], at)
            at += written
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if written:
                waiting[0] = waiting[0][written:]


def _append(sink: int, at: int, footer: _Footer, table: pa.Table) -> None:
    """Write a piece and the whole footer to `at`, the end of the file."""
    gathered = _Gathered(at)
    pieces = [*footer.pieces, _add_piece(gathered, table)]
    _add_footer(gathered, _Footer(footer.schema, pieces))
    gathered.write(sink)


def _add_piece(sink: _Gathered, table: pa.Table) -> _Piece:
    described: dict[str, list[Any]] = {}
    for name in table.column_names:
        whole = _whole(table[name])
        buffers = [None if each is None else sink.put(each) for each in whole.buffers()]
        codes, values = _coded(whole)
        described[name] = [
            *(buffers, whole.null_count),
            *(None if codes is None else sink.put(codes), values),
        ]
    return _Piece(table.num_rows, described)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array whose buffers are no larger than its values."""
    if column.num_chunks == 1:
        chunk = column.chunk(0)
        buffers = [each for each in chunk.buffers() if each is not None]
        padded = chunk.nbytes + _ALIGNMENT * len(buffers)
        if chunk.offset == 0 and sum(each.size for each in buffers) <= padded:
            return chunk
    return pa.concat_arrays([*column.chunks, pa.array([], column.type)])  # copies


def _coded(column: pa.Array) -> tuple[np.ndarray | None, list[str] | None]:
    """Return a code of one byte per row and the values of the codes, if there are few."""
    if not pa.types.is_string(column.type) or column.null_count or len(column) < _FEWEST_CODED:
        return None, None
    encoded = column.dictionary_encode()
    if len(encoded.dictionary) > _MOST_CODES:
        return None, None
    return encoded.indices.to_numpy().astype(np.uint8), encoded.dictionary.to_pylist()


def _add_footer(sink: _Gathered, footer: _Footer) -> None:
    pieces = [[piece.rows, piece.described] for piece in footer.pieces]
    schema = footer.schema.serialize().to_pybytes().hex()
    sink.add(as_footer({"schema": schema, "pieces": pieces}))


def _read_footer(source: int, file: Path) -> _Footer:
    said, _ = read_footer(source, file)
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(said["schema"])))
        pieces = [_Piece(rows, described) for rows, described in said["pieces"]]
    except (ValueError, TypeError, LookupError) as error:
        raise truncated(file) from error
    return _Footer(schema, pieces)


def _read(source: int, footer: _Footer, columns: list[str], where: Where) -> pa.Table:
    if not columns:  # a table without columns would not know its number of rows
        return _read(source, footer, footer.schema.names[:1], where).select([])
    schema = pa.schema([footer.schema.field(name) for name in columns], footer.schema.metadata)
    mapped = pa.py_buffer(mmap.mmap(source, 0, access=mmap.ACCESS_READ))
    reader = _Reader(source, mapped, footer.schema)
    parts = [reader.piece(piece, columns, where) for piece in footer.pieces]
    chunks = zip(*parts, strict=True)
    arrays = [
        pa.chunked_array(each, field.type) for each, field in zip(chunks, schema, strict=True)
    ]
    return pa.table(arrays, schema=schema)


class _Reader:
    """Reads columns of pieces from a memory map of the file."""

    def __init__(self, source: int, mapped: pa.Buffer, schema: pa.Schema) -> None:
        self._source = source
        self._mapped = mapped
        self._schema = schema

    def piece(self, piece: _Piece, columns: list[str], where: Where) -> list[pa.Array]:
        """Return the columns of the rows that match."""
        used = [piece.column(name) for name in dict.fromkeys([*columns_of(where), *columns])]
        self._advise_small(used, whole=not where)
        if not where:
            return [self._array(piece, name) for name in columns]
        rows: np.ndarray | None = None
        coded = [each for each in where if piece.column(each.column).codes is not None]
        for condition in [*coded, *(each for each in where if each not in coded)]:
            self._advise_rows(piece, piece.column(condition.column), rows)
            mask = _holds(self._values(piece, condition.column, rows), condition)
            rows = np.flatnonzero(mask) if rows is None else rows[mask]
        for name in columns:
            self._advise_rows(piece, piece.column(name), rows)
        return [_plain(self._values(piece, name, rows)) for name in columns]

    def _values(self, piece: _Piece, name: str, rows: np.ndarray | None) -> pa.Array:
        """Return a column, or its values in these rows; as a dictionary if it has codes."""
        column = piece.column(name)
        if column.codes is None:
            whole = self._array(piece, name)
            return whole if rows is None else whole.take(pa.array(rows))
        codes = np.frombuffer(self._mapped.slice(*column.codes), np.uint8)
        return pa.DictionaryArray.from_arrays(
            codes if rows is None else codes[rows], pa.array(column.values, pa.string())
        )

    def _array(self, piece: _Piece, name: str) -> pa.Array:
        column = piece.column(name)
        buffers = [None if span is None else self._mapped.slice(*span) for span in column.buffers]
        return pa.Array.from_buffers(
            self._schema.field(name).type, piece.rows, buffers, column.nulls
        )

    def _advise_small(self, columns: Sequence[_Column], whole: bool) -> None:
        """Have the kernel read what is certain to be needed, or small, at the same time."""
        for column in columns:
            spans = column.buffers if whole or column.codes is None else [column.codes]
            for span in spans:
                if span is not None and (whole or span[1] <= _SMALL):
                    self._advise(*span)

    def _advise_rows(self, piece: _Piece, column: _Column, rows: np.ndarray | None) -> None:
        """Have the kernel read the parts of a large column in which these rows lie."""
        if column.codes is not None or (rows is not None and not len(rows)):
            return
        for span in column.buffers:
            if span is None or span[1] <= _SMALL:
                continue
            # The bytes of a text have no place that its row tells.
            if rows is None or len(column.buffers) > 2:
                self._advise(*span)
                continue
            part = rows * span[1] // piece.rows // _PART  # ascending
            gaps = np.flatnonzero(np.diff(part) > 1)
            firsts, lasts = part[[0, *(gaps + 1)]], part[[*gaps, -1]]
            for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
                self._advise(span[0] + first * _PART, (last + 1 - first) * _PART)

    def _advise(self, start: int, size: int) -> None:
        os.posix_fadvise(self._source, start, size, os.POSIX_FADV_WILLNEED)


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


_COMPARE = {  # functions of pyarrow.compute
    "==": "equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


def _holds(values: pa.Array, condition: Condition) -> np.ndarray:
    """Return for which values a fitted condition holds: bool, False where a value is missing."""
    import pyarrow.compute as pc  # takes 30 ms, which reading images does not need

    if pa.types.is_dictionary(values.type):
        codes, matching = values.indices.to_numpy(), _holds(values.dictionary, condition)
        if matching.sum() == 1:  # 0.1 ms instead of 1.6 ms for a million rows
            return np.asarray(codes == np.flatnonzero(matching)[0])
        return np.asarray(matching[codes])
    if condition.op == "in":
        mask = pa.array(np.zeros(len(values), bool))
        for value in condition.values:
            mask = pc.or_kleene(mask, pc.equal(values, pa.scalar(value, values.type)))
    elif condition.op == "!=" and pa.types.is_floating(values.type):
        wanted = pa.scalar(condition.value, values.type)
        mask = pc.or_(pc.less(values, wanted), pc.greater(values, wanted))  # neither holds for NaN
    elif condition.op == "!=":
        mask = pc.not_equal(values, pa.scalar(condition.value, values.type))
    else:
        mask = getattr(pc, _COMPARE[condition.op])(values, pa.scalar(condition.value, values.type))
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False))
