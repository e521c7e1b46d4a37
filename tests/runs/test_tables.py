"""Tables as machines and people read them: nothing is lost on the way, and no NaN gets in."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech.errors import IncompleteError
from tsmech.runs import tables

ROWS: list[dict[str, Any]] = [
    {"system": "gauge", "answer": "theory", "level": 0.1, "error": math.inf},
    {"system": "gauge", "answer": "direct", "level": 0.1, "error": 1 / 3, "error_sem": None, "replicates": 1},
]

numbers = st.one_of(st.floats(allow_nan=False), st.integers(-(2**60), 2**60))
names = st.text("abcdefgh_αλ", min_size=1, max_size=6)
cells = st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=8))
tabular = st.lists(st.dictionaries(names, cells, min_size=1, max_size=4), max_size=4)


def strict(text: str) -> Any:
    """Read JSON and refuse the words NaN and Infinity, which are none."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


@given(tabular)
@settings(deadline=None, max_examples=50)
def test_json_gives_back_every_value_infinity_among_them(rows: list[dict[str, Any]]) -> None:
    assert strict(tables.to_json(rows)) == rows


def test_json_is_one_array_of_flat_objects() -> None:
    text = tables.to_json(ROWS)
    assert strict(text) == ROWS
    assert len(text.splitlines()) == len(ROWS)
    assert tables.to_json([]) == "[]"
    assert strict(tables.to_json([{"a": math.nan, "b": -math.inf}])) == [{"a": None, "b": -math.inf}]


@given(st.lists(st.fixed_dictionaries({"x": numbers, "y": st.one_of(st.none(), numbers)}), max_size=5))
@settings(deadline=None, max_examples=50)
def test_csv_gives_back_every_number_in_full(rows: list[dict[str, Any]]) -> None:
    text = tables.to_csv(rows)
    for line, row in zip(csv.DictReader(io.StringIO(text)), rows, strict=True):
        for name, value in row.items():
            assert line[name] == "" if value is None else type(value)(line[name]) == value


def test_csv_has_a_header_and_leaves_empty_what_is_undefined() -> None:
    assert tables.to_csv(ROWS).splitlines() == [
        "system,answer,level,error,error_sem,replicates",
        "gauge,theory,0.1,inf,,",
        "gauge,direct,0.1,0.3333333333333333,,1",
    ]


def test_columns_keep_the_order_of_their_appearance() -> None:
    assert tables.columns([{"b": 1}, {"a": 1, "b": 2}, {"c": 3}]) == ["b", "a", "c"]


def test_parquet_gives_back_the_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    tables.write(ROWS, tmp_path / "t.parquet", "parquet")
    found = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert found == [{"error_sem": None, "replicates": None, **ROWS[0]}, ROWS[1]]


def test_pandas_reads_the_csv(tmp_path: Path) -> None:
    import pandas as pd

    tables.write(ROWS, tmp_path / "t.csv", "csv")
    frame = pd.read_csv(tmp_path / "t.csv")
    assert frame.error.tolist() == [math.inf, 1 / 3]


@pytest.mark.parametrize("kind", tables.FORMATS)
def test_a_file_is_whole_or_what_it_was(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"t.{kind}"
    path.write_text("before")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("_write_parquet", "_write_csv", "_json_pieces"):
        monkeypatch.setattr(tables, name, fail)
    with pytest.raises(IncompleteError, match=f"t.{kind} cannot be written: No space left on device"):
        tables.write(ROWS, path, kind)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "before"
    tables.write(ROWS, path, kind)
    assert path.read_bytes() != b"before"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_text_is_aligned() -> None:
    lines = tables.to_text([{"alpha": 0.5, "theory": "0.375"}, {"alpha": 10.0, "agreement": "0.3 σ"}]).splitlines()
    assert lines == [
        "alpha  theory  agreement",
        "  0.5   0.375",
        "   10              0.3 σ",
    ]
    assert tables.to_text([]) == ""


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (0.375, None, "0.375"),
        (0.123456, 0.00561, "0.1235 ± 0.0056"),
        (12.3456, 1.5, "12.3 ± 1.5"),
        (1234.56, 25.0, "1235 ± 25"),
        (math.inf, None, "inf"),
        (math.inf, math.inf, "inf"),
        (0.5, 0.0, "0.5"),
        (2e-12, 3e-13, "2e-12 ± 3e-13"),
    ],
)
def test_a_value_with_its_error_as_a_person_writes_it(value: float, error: float | None, words: str) -> None:
    assert tables.to_words(value, error) == words


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e5))
@settings(deadline=None)
def test_what_is_rounded_away_is_small_against_the_error(value: float, error: float) -> None:
    """Two digits of the error are kept, so the value is rounded by less than a twentieth of the error."""
    shown, _, uncertain = tables.to_words(value, error).partition(" ± ")
    assert abs(float(shown) - value) <= error / 20 + 1e-15 * abs(value)
    assert abs(float(uncertain) - error) <= error / 20
