"""How summary rows are written: JSON, CSV, Parquet, and aligned text for people."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tsmech.errors import InputError

Row = Mapping[str, Any]

FORMATS = ("csv", "json", "parquet", "netcdf", "zarr")
SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".pq": "parquet", ".nc": "netcdf", ".zarr": "zarr"}
"""What the names of files of each format end in."""


def columns(rows: Iterable[Row]) -> list[str]:
    """Return the names of all columns in the order of their appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def to_json(rows: Iterable[Row]) -> str:
    """Return one JSON array of flat objects.

    Infinity is written as ``1e999``, a valid JSON number that parsers read as infinity; what is undefined is null.
    """
    return "".join(_json_pieces(rows))


def _json_pieces(rows: Iterable[Row]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + "{" + ", ".join(f"{json.dumps(name)}: {_json(value)}" for name, value in row.items()) + "}"
        before = ",\n "
    yield "]" if before != "[" else "[]"


def _json(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "null" if math.isnan(value) else ("1e999" if value > 0 else "-1e999")
    return json.dumps(value)


def to_csv(rows: Iterable[Row]) -> str:
    """Return CSV with a header; numbers in full precision, infinity as ``inf``, what is undefined empty."""
    text = io.StringIO()
    _write_csv(rows, text)
    return text.getvalue()


def _write_csv(rows: Iterable[Row], file: TextIO, names: Sequence[str] | None = None) -> None:
    if names is None:
        rows = list(rows)
        names = columns(rows)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)


def write(rows: Iterable[Row], path: Path, kind: str, names: Sequence[str] | None = None) -> None:
    """Write rows to a file as ``csv``, ``json`` or ``parquet`` (which needs ``tsmech[data]``).

    With the ``names`` of all columns a table that does not fit in memory can be written as CSV.
    """
    from tsmech.store.directory import replace_file

    with replace_file(path) as partial:
        if kind == "parquet":
            _write_parquet(list(rows), partial)
            return
        with open(partial, "w", encoding="utf-8", newline="\n") as file:
            if kind == "csv":
                _write_csv(rows, file, names)
            else:
                file.writelines(_json_pieces(rows))
                file.write("\n")


def _write_parquet(rows: Sequence[Row], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet needs an extra: pip install 'tsmech[data]'") from None
    data = {name: _of_one_type([row.get(name) for row in rows]) for name in columns(rows)}
    pyarrow.parquet.write_table(pyarrow.table(data), path)


def _of_one_type(values: list[Any]) -> list[Any]:
    """Return a column; where a parameter is a number here and a word there, all of it as words."""
    if not any(isinstance(value, str) for value in values):
        return values
    return [value if value is None else str(value) for value in values]


def to_text(rows: Iterable[Row]) -> str:
    """Return rows as aligned columns for a person to read."""
    listed = [{name: _text(value) for name, value in row.items()} for row in rows]
    names = columns(listed)
    widths = {name: max(len(name), *(len(row.get(name, "")) for row in listed)) for name in names}
    lines = ["  ".join(name.rjust(widths[name]) for name in names)]
    lines += ["  ".join(row.get(name, "").rjust(widths[name]) for name in names) for row in listed]
    return "\n".join(line.rstrip() for line in lines)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def to_words(value: float, error: float | None) -> str:
    """Return a value with its standard error, as a person writes it: ``0.1234 ± 0.0056``."""
    if error is None or not math.isfinite(value) or not 1e-14 * abs(value) < error < math.inf:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    if digits > 8 or abs(value) >= 1e7:
        return f"{value:.3g} ± {error:.1g}"
    return f"{value:.{digits}f} ± {error:.{digits}f}"
