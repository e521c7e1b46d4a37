"""Tables of numbers in files: text, Parquet or NumPy arrays, as their usual writers format them.

An index and a header are told from numbers as pandas and R write them.  A file that can be read in two ways is refused
with what decides between them, and one that cannot be read with the row and the column of what is wrong.
"""

import csv
import lzma
import os
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine import memory
from tsmech.problem import text_tables
from tsmech.problem.columns import MANY, Codes, Columns, Heading, all_finite, index_by_name, refuse_a_count
from tsmech.problem.parameters import LARGEST

KINDS = ".csv, .tsv, .txt or .dat (or one of these and .gz, .bz2 or .xz), .parquet, .npy or .npz"
TEXT = (".csv", ".tsv", ".txt", ".dat")
PACKED = (".gz", ".bz2", ".xz")

_ARRAY = (ValueError, EOFError, OverflowError, SyntaxError, tokenize.TokenError)  # a header is Python's text
UNREADABLE = (*_ARRAY, OSError, MemoryError, RuntimeError, csv.Error, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What readers raise where a file is not what its name says, cannot be read, or does not fit into memory."""


def state(path: str, name: str, words: Sequence[str]) -> tuple[int, int]:
    """Return the modification time and the size of a file; refuse what is neither a known word nor a file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{name} = {path!r} is not allowed: it is none of {', '.join(words)}, and no file can be read ({reason})"
        ) from None
    check_regular(found.st_mode, f"{name} = {path} cannot be read")
    return found.st_mtime_ns, found.st_size


def check_regular(mode: int, refusal: str) -> None:
    """Refuse everything but a regular file: reading a pipe or a device may never end."""
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        found = f"it is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file"
        raise InputError(f"{refusal}: {'Is a directory' if stat.S_ISDIR(mode) else found}")


def read_table(path: str, name: str, columns: Columns | None = None) -> NDArray[np.float64]:
    """Return the numbers in a file as a two-dimensional array, all finite; errors name the parameter.

    Parameters and errors are those of :func:`read_named_table`.
    """
    return read_named_table(path, name, columns)[0]


def read_named_table(path: str, name: str, columns: Columns | None = None) -> tuple[NDArray[np.float64], list[Heading]]:
    """Return the numbers in a file, and what each of their columns is called and where it lies in the file.

    Parameters
    ----------
    path, name
        The file, and the parameter that errors name.
    columns
        Which columns are wanted; None where the parameter's system cannot choose.
    """
    try:
        table, names = _read(path, columns or Columns())
    except UNREADABLE as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise InputError(f"{name} = {path} cannot be read as a table of numbers: {reason}") from None
    if table.size == 0:
        raise InputError(f"{name} = {path} holds no numbers")
    if not all_finite(table):
        row, column = np.argwhere(~(np.abs(table) <= LARGEST))[0]
        raise InputError(
            f"{name} = {path} holds {table[row, column]:g} in row {row + 1}, column {column + 1} of its numbers: "
            f"they must be finite and at most {LARGEST:g}"
        )
    return table, names


def _read(path: str, columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes = suffixes[:-1] if suffixes[-2:-1] and suffixes[-2] in TEXT else []
    if suffixes and suffixes[-1] in TEXT:
        return text_tables.read(path, columns)
    readers = {".npy": _read_array, ".npz": _read_archive, ".parquet": _read_parquet, ".pq": _read_parquet}
    if not suffixes or suffixes[-1] not in readers:
        raise ValueError(f"its name must end in {KINDS}")
    return readers[suffixes[-1]](path, columns)


def check_room(cells: int) -> None:
    """Refuse a table that would not fit into memory."""
    left = memory.available()
    if left is not None and 8 * cells > left:
        raise ValueError(f"its numbers take {memory.in_words(8 * cells)} of memory, {memory.in_words(left)} are left")


# NumPy's own


def _read_array(path: str, columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    with open(path, "rb") as file:
        return _chosen(_array(file, os.path.getsize(path)), columns)


def _read_archive(path: str, columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            held = ", ".join(name.removesuffix(".npy") for name in names[:5])
            raise ValueError(f"it holds {len(names)} arrays ({held}): save the one that is meant alone")
        with archive.open(names[0]) as file:
            return _chosen(_array(file, archive.getinfo(names[0]).file_size), columns)


def _array(file: IO[bytes], size: int) -> NDArray[np.float64]:
    """Return the array in a NumPy file of this size in bytes, after checking that it holds what its header declares."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError("it is not one array of numbers with one or two axes")
    shape, _, kind = readers[version](file)
    if len(shape) > 2 or kind.kind not in "fiu":
        raise ValueError("it is not one array of numbers with one or two axes")
    count = int(np.prod(np.array(shape, dtype=object)))
    if count * kind.itemsize > size - file.tell():
        raise ValueError(f"its header declares {' x '.join(map(str, shape))} numbers, more than the file holds")
    check_room(count)
    file.seek(0)
    with np.errstate(over="ignore"):  # a longer float than a double: infinite, and refused as that
        array = np.lib.format.read_array(file, allow_pickle=False).astype(float, copy=False)
    return array.reshape(1, -1) if array.ndim < 2 else array


def _chosen(table: NDArray[np.float64], columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    wanted = columns.choose(None, table.shape[1])
    table = table if len(wanted) == table.shape[1] else table[:, wanted]
    refuse_a_count(table, wanted, None, columns, MANY)
    return table, [Heading(i, str(i)) for i in wanted]


# Parquet


def _read_parquet(path: str, columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("it needs Parquet support: pip install 'tsmech[data]'") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return _parquet_table(pyarrow, file, columns)
    except pyarrow.ArrowException as error:
        raise ValueError(error) from None


def _parquet_table(pyarrow: Any, file: Any, columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    schema, names = file.schema_arrow, file.schema_arrow.names
    declared = (schema.pandas_metadata or {}).get("index_columns", [])
    indices = [i for i, name in enumerate(names) if name in declared or index_by_name(name)]
    wanted = [i for i in columns.choose(names, len(names)) if columns.decided or i not in indices]
    worded = {i: Codes() for i in columns.with_words(names, len(names)) if _holds_words(pyarrow, schema.types[i])}
    for i in wanted:
        if i not in worded and not (
            pyarrow.types.is_integer(schema.types[i]) or pyarrow.types.is_floating(schema.types[i])
        ):
            raise ValueError(f"column {names[i]} holds {schema.types[i]}: choose others with columns")
    check_room(file.metadata.num_rows * len(wanted))
    table = np.empty((file.metadata.num_rows, len(wanted)))
    row = 0
    for batch in file.iter_batches(batch_size=8192):
        for place, i in enumerate(wanted):
            cells = batch.column(i)
            if i in worded:
                table[row : row + batch.num_rows, place] = [
                    worded[i].of("" if word is None else str(word)) for word in cells.to_pylist()
                ]
            else:
                table[row : row + batch.num_rows, place] = cells.to_numpy(zero_copy_only=False)
        row += batch.num_rows
    refuse_a_count(table, wanted, names, columns)
    return table[:row], [Heading(i, names[i], tuple(worded.get(i, ()))) for i in wanted]


def _holds_words(pyarrow: Any, kind: Any) -> bool:
    """Return whether cells of a type are words, or truths, which are two words."""
    types = pyarrow.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind))
