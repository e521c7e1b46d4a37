"""Files as pandas, NumPy, R and people write them; and what is no file, or not what it says it is."""

import gzip
import io
import os
import re
import runpy
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.commands import ROOT
from tsmech import Ridge
from tsmech.errors import InputError
from tsmech.machine import memory
from tsmech.problem.columns import Columns
from tsmech.problem.files import read_named_table, read_table

X = np.random.default_rng(1).standard_normal((30, 4))
FRAME = pd.DataFrame(X)
NAMED = pd.DataFrame(X, columns=list("abcd"))
SHUFFLED = NAMED.sample(frac=1, random_state=1)
EIGENVALUES = np.array([3.25, 2.125, 0.5])
SERIES = pd.Series(EIGENVALUES)
TIMES = pd.date_range("2020-01-01", periods=30)

INDEX = r"may be an index or an input \(columns = -0 leaves it out, columns = all takes it\)"
HEADER = "may be a header or numbers: name the columns in words"


def read(path: Path, columns: str | None = None) -> np.ndarray:
    return read_table(str(path), "spectrum", Columns(columns, parameter=True))


def csv(frame: Any, **options: Any) -> Callable[[Path], None]:
    return lambda path: frame.to_csv(path, **options)


def text(words: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda path: path.write_text(words, encoding=encoding) and None


def rows(cells: np.ndarray, separator: str) -> str:
    return "".join(separator.join(map(repr, row)) + "\n" for row in cells.tolist())


# Text


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", csv(FRAME)),
        ("t.csv", csv(NAMED)),
        ("t.csv", csv(FRAME, index=False)),
        ("t.csv", csv(NAMED, index=False)),
        ("t.csv", csv(FRAME, index=False, header=False)),
        ("t.csv", csv(FRAME.rename_axis("id"))),
        ("t.csv", csv(NAMED.set_index(TIMES))),
        ("t.csv", csv(NAMED.reset_index().rename(columns={"index": "Unnamed: 0"}), index=False)),
        ("t.csv", csv(NAMED, quoting=2)),
        ("t.csv", csv(NAMED, sep=";")),
        ("t.txt", csv(NAMED, sep="|")),
        ("t.csv", text("sep=;\r\n" + NAMED.to_csv(sep=";", index=False))),
        ("t.tsv", csv(FRAME, sep="\t")),
        ("t.txt", csv(NAMED, sep=" ")),
        ("t.csv.gz", csv(FRAME)),
        ("t.TSV.GZ", csv(NAMED, sep="\t", compression="gzip")),
        ("t.csv.bz2", csv(NAMED, compression="bz2")),
        ("t.txt.XZ", csv(NAMED, sep=" ", compression="xz")),
        ("t.csv", csv(FRAME, encoding="utf-8-sig")),
        ("t.csv", csv(NAMED, lineterminator="\r\n")),
        ("t.txt", lambda path: np.savetxt(path, X)),
        ("t.dat", lambda path: np.savetxt(path, X, header="made by hand\na b c d")),
        ("t.csv", lambda path: np.savetxt(path, X, delimiter=",", footer="the end")),
        ("t.txt", text('"a" "b" "c" "d"\n' + "".join(f'"row {i}" {rows(r[None], " ")}' for i, r in enumerate(X)))),
        ("t.csv", text('"","a","b","c","d"\n' + "".join(f'"{i + 1}",{rows(r[None], ",")}' for i, r in enumerate(X)))),
        ("t.csv", text('"a;b","c;d",e,f\n' + rows(X, ","))),
        ("t.csv", text('"a,b";"c,d";e;f\n' + rows(X, ";"))),
        ("t.txt", text("\n# a remark\n\n  " + rows(X, "   ").replace("\n", "  \n\n"))),
    ],
)  # fmt: skip
def test_the_numbers_are_read_without_index_and_header(tmp_path: Path, name: str, write: Any) -> None:
    write(tmp_path / name)
    np.testing.assert_allclose(read(tmp_path / name), X, rtol=1e-15)


def test_an_index_in_any_order_is_an_index(tmp_path: Path) -> None:
    SHUFFLED.to_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(read(tmp_path / "t.csv"), SHUFFLED.to_numpy())


@pytest.mark.parametrize("options", [{}, {"index": False}, {"index": False, "header": False}, {"header": ["s"]}])
def test_a_series_of_eigenvalues_has_its_eigenvalues(tmp_path: Path, options: dict[str, Any]) -> None:
    SERIES.to_csv(tmp_path / "e.csv", **options)
    assert read(tmp_path / "e.csv").tolist() == [[value] for value in EIGENVALUES]


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (csv(FRAME, header=False), rf"first column counts 0, 1, 2, \.\.\.: it {INDEX}"),
        (csv(NAMED.rename_axis("id")), rf"first column \(id\) counts 0, 1, 2, \.\.\.: it {INDEX}"),
        (csv(NAMED.set_index(np.arange(1, 31)).rename_axis("no")), rf"\(no\) counts 1, 2, 3, \.\.\.: it {INDEX}"),
        (csv(NAMED.set_index(np.linspace(0.0, 1.0, 30))), f"first column has no name: it {INDEX}"),
        (csv(SERIES, header=False), rf"counts 0, 1, 2, \.\.\.: it {INDEX}"),
        (csv(SERIES[::-1], index=False), f"first row 0 {HEADER}, or write 0.0"),
        (csv(pd.DataFrame([[3, 4], [5, 9]]), index=False), f"first row 0,1 {HEADER}, or write 0.0"),
        (text("1,2,3\n.5,.25,.75\n.5,1.5,2.5\n"), f"first row 1,2,3 {HEADER}, or write 1.0"),
        (csv(NAMED, sep=";", decimal=","), r"row 2, column 2 holds '.*,.*', a decimal comma: write decimals with a p"),
        (csv(NAMED, decimal=","), "row 2, column 2 holds .*a decimal comma"),
        (csv(FRAME, sep="\t", decimal=",", header=False, index=False), "row 1, column 1 holds .*a decimal comma"),
        (csv(NAMED.assign(kind="x"), index=False), "row 2, column 5 holds 'x'"),
        (text("a,b\n1,\n3,4\n"), "row 2, column 2 holds '', a missing value"),
        (text("a,b\n1,2\nN/A,4\n"), "row 3, column 1 holds 'N/A', a missing value"),
        (text('a,b\n1,2\n"1,234.5",4\n'), "row 3, column 1 holds '1,234.5', separators of thousands"),
        (text("a;b\n1;2\n1'234;4\n"), 'row 3, column 1 holds "1\'234", separators of thousands'),
        (text("a,b\n1.5,2.5,\n3.5,4.5,\n"), "its rows end with a separator, and its header does not"),
        (
            text("a,b\n1,2\n3,4\n", "utf-16"),
            r"it is not text in UTF-8 \(a byte is 0xff\)",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(tmp_path: Path, write: Any, says: str) -> None:
    write(tmp_path / "t.csv")
    with pytest.raises(InputError, match=says) as refused:
        read(tmp_path / "t.csv")
    assert len(str(refused.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["t.csv", "t.npy", "t.parquet"])
def test_columns_decide_what_an_index_is(tmp_path: Path, name: str) -> None:
    frame = NAMED.rename_axis("id").reset_index()
    if name == "t.npy":
        np.save(tmp_path / name, frame.to_numpy())
    elif name == "t.csv":
        frame.to_csv(tmp_path / name, index=False)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / name, index=False)
    np.testing.assert_array_equal(read(tmp_path / name, "-0"), X)
    np.testing.assert_array_equal(read(tmp_path / name, "all"), frame.to_numpy())
    np.testing.assert_array_equal(read(tmp_path / name, "0,2"), frame.to_numpy()[:, [0, 2]])


def test_a_parameter_without_columns_is_not_told_of_them(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", header=False)
    with pytest.raises(InputError, match=r"it may be an index or an input \(write the file without it\)"):
        read_table(str(tmp_path / "t.csv"), "inputs")


def test_columns_of_text_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    NAMED.assign(kind="a word", e=1.0).to_csv(path)
    np.testing.assert_array_equal(read(path, "-kind,-e"), X)
    NAMED.assign(kind=["one", "two"] * 15).to_csv(path, index=False, header=False)
    np.testing.assert_array_equal(read(path, "0,1,2,3"), X)
    np.savetxt(path, X, header="a b c d", fmt="%.17g")
    np.testing.assert_array_equal(read(path, "b,d"), X[:, [1, 3]])


def test_a_header_of_years_is_no_example(tmp_path: Path) -> None:
    """Years beside a word: with the column of the word left out nothing else tells them from numbers."""
    path = tmp_path / "t.csv"
    path.write_text("country,2019,2020\nFR,1.5,2.5\nDE,0.5,1.5\nIT,2.5,0.5\n")
    with pytest.raises(InputError, match=HEADER):
        read(path, "-0")


@given(st.one_of(st.binary(max_size=60), st.text(' \t,;."#-+e01259\n\r', max_size=60).map(str.encode)), st.booleans())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_whatever_does_anything_but_read_or_be_refused(tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    for columns in (None, "all", "-0", "1"):
        try:
            table = read(path, columns)
        except InputError:
            continue
        assert table.ndim == 2
        assert np.isfinite(table).all()


# NumPy's and Parquet


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_one_array_is_that_array(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "t.npz", X)
    np.testing.assert_array_equal(read(tmp_path / "t.npz"), X)
    save(tmp_path / "t.npz", X=X, y=X[:, 0])
    with pytest.raises(InputError, match=r"it holds 2 arrays \(X, y\)"):
        read(tmp_path / "t.npz")


def test_arrays_of_every_kind_of_number_and_order_are_read(tmp_path: Path) -> None:
    for array in (X.astype("<f4"), X.astype(">f8"), np.asfortranarray(X), (100 * X).astype(np.int16), X[:, 0]):
        np.save(tmp_path / "t.npy", array)
        np.testing.assert_array_equal(read(tmp_path / "t.npy"), np.atleast_2d(array))


@pytest.mark.parametrize("index", ["unnamed", "named", "foreign"])
def test_the_index_of_a_parquet_file_is_no_input(tmp_path: Path, index: str) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    frame = SHUFFLED if index == "unnamed" else SHUFFLED.rename_axis("id")
    if index == "foreign":  # written on by another program, which keeps the names alone
        table = arrow.table({"__index_level_0__": SHUFFLED.index.to_numpy(), **{c: SHUFFLED[c] for c in SHUFFLED}})
        parquet.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    else:
        frame.to_parquet(tmp_path / "t.parquet")
    np.testing.assert_array_equal(read(tmp_path / "t.parquet"), SHUFFLED.to_numpy())


# What is no file, or not what it says


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names on this platform")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name, kind in (("pipe.csv", "a pipe"), ("zero.csv", "a device")):
        with pytest.raises(InputError, match=f"spectrum = .*{name} cannot be read: it is {kind}, not a file"):
            Ridge(alpha=1.0, spectrum=str(tmp_path / name))
    with pytest.raises(InputError, match="it is a device, not a file"):
        Ridge(alpha=1.0, spectrum="/dev/null")


def declared(shape: str, kind: str = "<f8") -> bytes:
    """A file of NumPy's format whose header says more than it holds."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * 64


@pytest.mark.parametrize("shape", ["(1000000, 1000000)", "(9,)", f"({10**18}, {10**18})", "(-3, 4)", "(3, -4, 5)"])
def test_a_declared_shape_takes_no_memory(tmp_path: Path, shape: str) -> None:
    (tmp_path / "t.npy").write_bytes(declared(shape))
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("X.npy", declared(shape))
    for name in ("t.npy", "t.npz"):
        tracemalloc.start()
        with pytest.raises(InputError, match=rf"{name} cannot be read as a table of numbers") as refused:
            read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 1e6
        tracemalloc.stop()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.npy", "t.npz", "t.parquet"])
def test_a_table_beyond_the_memory_that_is_left_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    if name == "t.parquet":
        pytest.importorskip("pyarrow")
        NAMED.to_parquet(path)
    elif name == "t.npy":
        np.save(path, X)
    elif name == "t.npz":
        np.savez(path, X)
    else:
        FRAME.to_csv(path, index=False)
    monkeypatch.setattr(memory, "available", lambda: X.nbytes - 1)
    with pytest.raises(InputError, match="of memory"):
        read(path)
    monkeypatch.setattr(memory, "available", lambda: None)
    assert read(path).shape == X.shape


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.npy", "t.npz", "t.parquet"])
def test_files_that_are_cut_short_or_another_kind_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    whole = tmp_path / name
    if name == "t.parquet":
        pytest.importorskip("pyarrow")
    packed = io.BytesIO()
    np.savez_compressed(packed, X)
    contents = [
        packed.getvalue()[:500],
        packed.getvalue()[:-30],
        gzip.compress(rows(X, ",").encode())[:300],
        b"\0" * 99,
    ]
    for content in [*contents, b"\0" * 99, b"\x93NUMPY", b"PAR1" * 9, b"\n" * 9, b"#\n" * 9]:
        whole.write_bytes(content)
        with pytest.raises(InputError, match=name) as refused:
            read(whole)
        assert "\n" not in str(refused.value)


MEASURE = """
import sys, tracemalloc
from tsmech.problem.files import read_named_table, read_table
import pandas, zipfile
read_table(sys.argv[2], "spectrum")  # what is imported on the way
tracemalloc.start()
table = read_table(sys.argv[1], "spectrum")
print(tracemalloc.get_traced_memory()[1] / table.nbytes)
"""


@pytest.mark.parametrize("name", ["t.csv", pytest.param("t.csv.gz", marks=pytest.mark.slow), "t.npy", "t.npz"])
def test_reading_takes_the_arrays_memory_and_little_more(tmp_path: Path, name: str) -> None:
    """NumPy's reader of text grows its array by a quarter at most; the rest is a buffer, small beside 1.6 MB."""
    table = np.random.default_rng(2).standard_normal((4000, 50))
    for path, array in ((tmp_path / name, table), (tmp_path / f"small{name[1:]}", table[:5])):
        if name.startswith("t.csv"):
            pd.DataFrame(array).to_csv(path)
        else:
            np.save(path, array) if name == "t.npy" else np.savez(path, array)
    words = [sys.executable, "-c", MEASURE, str(tmp_path / name), str(tmp_path / f"small{name[1:]}")]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert float(found) < 2.0


def test_the_example_s_table_is_read_as_its_images(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    runpy.run_path(str(ROOT / "examples" / "digits.py"))["main"](tmp_path / "digits.csv")
    np.testing.assert_array_equal(read(tmp_path / "digits.csv"), datasets.load_digits().data)


@pytest.mark.parametrize("name", ["t.npy", "t.npz", "t.parquet", "t.csv.gz"])
def test_a_changed_byte_does_nothing_but_read_or_be_refused(tmp_path: Path, name: str) -> None:
    """One bit of each of the first and the last 150 bytes, where the headers and directories are."""
    path = tmp_path / name
    if name == "t.parquet":
        pytest.importorskip("pyarrow")
        NAMED.to_parquet(path)
    elif name == "t.npz":
        np.savez(path, X)
    else:
        np.save(path, X) if name == "t.npy" else FRAME.to_csv(path)
    whole = path.read_bytes()
    for at in [*range(150), *range(len(whole) - 150, len(whole))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        try:
            table = read(path)
        except InputError:
            continue
        assert np.isfinite(table).all()


@pytest.mark.parametrize(
    ("name", "write"),
    [("t.csv", csv(NAMED, index=False)), ("t.tsv", csv(NAMED, sep="\t")), ("t.parquet", NAMED.to_parquet)],
)
def test_columns_come_with_their_names_and_places(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    table, headings = read_named_table(str(tmp_path / name), "data", Columns("b,d", also=("[ac]",)))
    assert [heading.name for heading in headings] == list("abcd")
    assert np.allclose(table, X)
    table, headings = read_named_table(str(tmp_path / name), "data", Columns("-a", also=("a",)))
    assert table.shape == (30, 4)
    shift = headings[0].place  # pandas' index comes first in one of them
    assert [heading.place for heading in headings] == [shift, shift + 1, shift + 2, shift + 3]
    with pytest.raises(InputError, match=r"no column has a name like neuron_\* \(known: "):
        read_named_table(str(tmp_path / name), "data", Columns(also=("neuron_*",)))


def test_columns_without_names_are_called_by_their_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", X)
    (tmp_path / "t.csv").write_text(rows(X, ","))
    for name in ("t.npy", "t.csv"):
        table, headings = read_named_table(str(tmp_path / name), "data", Columns("1,3"))
        assert [(heading.place, heading.name) for heading in headings] == [(1, "1"), (3, "3")]
        assert np.allclose(table, X[:, [1, 3]])


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["True", "False"], "row 1, column 2 holds 'True'"),
        (["1", "True"], "row 2, column 2 holds 'True'"),
        (["0x10", "1"], "row 1, column 2 holds '0x10'"),
        (["1_000", "1"], "row 1, column 2 holds '1_000'"),
        (["\u0663", "1"], "row 1, column 2 holds '\u0663'"),
        (["1", "1 # so"], "row 2, column 2 holds '1 # so'"),
        (["1", "1,2"], "row 2 has 3 cells, the first row 2"),
        (["1", "NA"], "row 2, column 2 holds 'NA'"),
        (["1", "\u22122"], "row 2, column 2 holds '\u22122', a sign for print: write minus as -"),
        (["1", "2\u00a0"], "row 2, column 2 holds '2\\xa0', a space that is no plain one: write the number without it"),
    ],
)
def test_a_cell_is_a_number_or_named(tmp_path: Path, cells: list[str], says: str) -> None:
    (tmp_path / "t.csv").write_text("".join(f".5,{cell}\n" for cell in cells))
    with pytest.raises(InputError, match=re.escape(says)):
        read(tmp_path / "t.csv", "all")


def test_numbers_are_read_to_the_last_bit_however_many_rows_there_are(tmp_path: Path) -> None:
    """More rows than are read at a time, in numbers of every size, as ``repr`` writes them."""
    rng = np.random.default_rng(3)
    table = rng.standard_normal((30_000, 2)) * 10.0 ** rng.integers(-90, 90, (30_000, 2))
    (tmp_path / "t.csv").write_text(rows(table, ","))
    np.testing.assert_array_equal(read(tmp_path / "t.csv"), table)


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_a_table_wider_than_a_cell_of_csv_may_be_long_is_read(tmp_path: Path, separator: str) -> None:
    """A line of more than 131 072 characters, which the other separators leave in one piece."""
    table = np.random.default_rng(4).standard_normal((3, 8000))
    (tmp_path / "t.csv").write_text(rows(table, separator))
    np.testing.assert_array_equal(read(tmp_path / "t.csv"), table)
