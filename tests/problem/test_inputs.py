"""The spectrum as parameters say it: laws by name, files of every kind, arrays; and what contradicts itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech import Ridge
from tsmech.errors import InputError
from tsmech.problem.inputs import DIMENSION, read_eigenvalues
from tsmech.theory.spectra import Spectrum


def ridge(**parameters: Any) -> Ridge:
    return Ridge(alpha=2.0, **parameters)


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((30, 4)) * [1.0, 2.0, 3.0, 4.0] + 7.0


def covariance_eigenvalues(matrix: np.ndarray) -> np.ndarray:
    """The obvious reference: singular values of the centred matrix."""
    return np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False) ** 2 / len(matrix)


# Laws by name


@pytest.mark.parametrize(
    "parameters",
    [{}, {"spectrum": "two_level", "ratio": 5.0, "fraction": 0.3}, {"spectrum": "power-law", "exponent": 1.5}],
)
def test_a_law_by_name_has_mean_one(parameters: dict[str, Any]) -> None:
    spectrum = ridge(signal=0.7, **parameters).population()
    assert spectrum.shares.sum() == pytest.approx(1.0, abs=1e-12)
    assert (spectrum.shares * spectrum.eigenvalues).sum() == pytest.approx(1.0, abs=1e-12)
    assert spectrum.teacher_weights.tolist() == [0.7] * len(spectrum.eigenvalues)


def test_two_levels_have_the_ratio_and_the_fraction() -> None:
    spectrum = ridge(spectrum="two_level", ratio=5.0, fraction=0.3).population()
    assert spectrum.eigenvalues.max() / spectrum.eigenvalues.min() == pytest.approx(5.0)
    assert spectrum.shares[spectrum.eigenvalues.argmax()] == pytest.approx(0.3)


def test_a_power_law_has_one_eigenvalue_a_dimension() -> None:
    eigenvalues = ridge(spectrum="power_law", exponent=2.0, dimension=10).population().eigenvalues
    np.testing.assert_allclose(eigenvalues / eigenvalues[0], np.arange(1.0, 11.0) ** -2.0, rtol=1e-12)


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.integers(1, 500))
@settings(deadline=None)
def test_a_simulation_has_n_eigenvalues_in_the_shares_of_the_law(raw: list[float], dimension: int) -> None:
    shares = np.array(raw) / sum(raw)
    spectrum = Spectrum(np.arange(1.0, len(raw) + 1.0), shares=shares, teacher_weights=np.arange(len(raw)) * 0.5)
    eigenvalues, weights = spectrum.at(dimension)
    assert eigenvalues.shape == weights.shape == (dimension,)
    np.testing.assert_array_equal(weights, (eigenvalues - 1.0) * 0.5)
    counts = np.array([(eigenvalues == level).sum() for level in spectrum.eigenvalues])
    # Each count lies between two cumulated shares that are rounded to the nearest whole number.
    assert np.all(np.abs(counts - shares * dimension) <= 1.0 + 1e-9)


# Arrays from Python


def test_arrays_are_taken_as_they_are() -> None:
    system = ridge(eigenvalues=[0.5, 2.0, 0.0], teacher_weights=np.array([1.0, 2.0, 3.0]))
    spectrum = system.population()
    assert spectrum.eigenvalues.tolist() == [0.5, 2.0, 0.0]
    assert spectrum.teacher_weights.tolist() == [1.0, 2.0, 3.0]
    assert spectrum.shares.tolist() == [1 / 3] * 3


def test_given_eigenvalues_set_the_dimension() -> None:
    assert ridge().dimension == DIMENSION
    assert ridge(dimension=7).dimension == 7
    assert ridge(eigenvalues=[1.0, 2.0, 3.0]).dimension % 3 == 0
    assert ridge(eigenvalues=[1.0, 2.0], dimension=6).dimension == 6
    eigenvalues, _ = ridge(eigenvalues=[1.0, 2.0]).population().at(6)
    assert eigenvalues.tolist() == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"eigenvalues": [1.0, 2.0], "dimension": 5}, "dimension = 5 is not allowed: it must be a multiple of the 2"),
        ({"eigenvalues": [0.0, 0.0]}, "all zero"),
        ({"eigenvalues": [1.0, -2.0]}, r"eigenvalues\[1\] = -2"),
        ({"eigenvalues": []}, "eigenvalues"),
        ({"eigenvalues": [1e308]}, r"eigenvalues\[0\] = 1e\+308 is not allowed: it must be at most 1e\+100 in size"),
        ({"eigenvalues": [1.0, 1e-101]}, "range from 1e-101 to 1: they must be 0, or between 1e-100 and 1e"),
        ({"eigenvalues": [1.0, True]}, "eigenvalues = .* is not allowed: it must be a list of numbers"),
        ({"eigenvalues": [1.0, "2"]}, "eigenvalues = .* is not allowed: it must be a list of numbers"),
        ({"columns": "0,1"}, "columns = 0,1 has no effect with spectrum = isotropic: it chooses from a file"),
        ({"eigenvalues": [1.0], "columns": "0"}, "columns = 0 has no effect"),
        ({"spectrum": "power_law", "standardise": True}, "standardise = True has no effect with spectrum = power_law"),
        (
            {"spectrum": "power_law", "exponent": 50.0},
            "exponent = 50 is not .* dimension = 400: .* below 38.43",
        ),
        ({"spectrum": "power_law", "exponent": 50.0, "dimension": 200}, "exponent = 50 .* dimension = 200: .* 43.46"),
        ({"eigenvalues": [1.0], "spectrum": "power_law"}, "both given"),
        ({"teacher_weights": [1.0]}, "teacher_weights of 1 values are not allowed"),
        ({"eigenvalues": [1.0, 2.0], "teacher_weights": [1.0]}, "teacher_weights of 1 values are not allowed"),
        ({"eigenvalues": [1.0], "teacher_weights": [-1.0]}, r"teacher_weights\[0\] = -1"),
        ({"eigenvalues": [1.0], "teacher_weights": [1.0], "signal": 2.0}, "both given"),
        ({"spectrum": "two_level", "ratio": 0.0}, "ratio = 0 is not allowed"),
        ({"spectrum": "two_level", "fraction": 1.0}, "fraction = 1 is not allowed"),
        ({"spectrum": "power_law", "exponent": -1.0}, "exponent = -1 is not allowed"),
        ({"ratio": 5.0}, "ratio = 5 has no effect with spectrum = isotropic: it shapes two_level alone"),
        ({"spectrum": "power_law", "fraction": 0.2}, "fraction = 0.2 has no effect with spectrum = power_law"),
        ({"eigenvalues": [1.0, 2.0], "exponent": 2.0}, "exponent = 2 has no effect"),
    ],
)
def test_what_contradicts_itself_is_refused_when_it_is_built(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        ridge(**parameters)


def given(eigenvalues: Any) -> list[float]:
    """What a system with these eigenvalues computes with."""
    return ridge(eigenvalues=eigenvalues).population().eigenvalues.tolist()


def test_rounding_of_a_zero_counts_as_zero() -> None:
    assert given([2.0, 1.0, -1.3e-16]) == [2.0, 1.0, 0.0]
    assert given([2.0, 1.0, -1.3e-16, 4e-16]) == [2.0, 1.0, 0.0, 0.0]  # one that is negative tells of all
    assert given([2.0, 1.0, 1e-16, 0.0]) == [2.0, 1.0, 0.0, 0.0]
    assert given([2e20, 1e20, 1e3]) == [2e20, 1e20, 0.0]
    assert given([2.0, 1.0, 3e-32]) == [2.0, 1.0, 0.0]  # a squared singular value


@pytest.mark.parametrize(
    "meant",
    [
        [1.0, 1e40],
        [1.0, 1e20],
        [1.2e23, 6.8e-5],
        (10.0 ** -np.arange(20.0)).tolist(),
        (np.arange(1.0, 50.0) ** -12.0).tolist(),
        [1.0, 1e-12],
    ],
    ids=["far apart", "apart", "mixed units", "exponential", "power law", "small"],
)
def test_small_eigenvalues_that_are_no_rounding_are_kept(meant: list[float]) -> None:
    assert given(meant) == meant


@pytest.mark.parametrize(
    "computed",
    [
        lambda X: np.linalg.eigvalsh(np.cov(X.T, bias=True)),
        lambda X: np.abs(np.linalg.eigvalsh(np.cov(X.T, bias=True))),
        lambda X: np.linalg.eigvalsh(np.cov(X.T, bias=True)).clip(0.0),
        lambda X: np.append(np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2 / len(X), np.zeros(30)),
        lambda X: np.where((values := np.linalg.eigvalsh(np.cov(X.T, bias=True))) < 1e-10, -1.3e-15, values),
        lambda X: np.where((values := np.linalg.eigvalsh(np.cov(X.T, bias=True))) < 1e-10, 1e-16, values),
    ],
    ids=["as computed", "in size", "clipped", "squared singular values", "negative", "positive"],
)
def test_eigenvalues_that_were_computed_give_what_their_data_gives(tmp_path: Path, computed: Any) -> None:
    """30 examples of 60 inputs: 29 directions vary, and eigensolvers leave rounding in place of 31 zeros."""
    X = np.random.default_rng(0).standard_normal((30, 60))
    np.save(tmp_path / "X.npy", X)
    error = {
        name: float(Ridge(alpha=0.75, **{name: value}).theory().generalization_error[0])
        for name, value in {"spectrum": str(tmp_path / "X.npy"), "eigenvalues": computed(X)}.items()
    }
    # alpha = .75 is above f = 29/60: the variance is (σ²/2) f / (alpha - f), eq. 22.
    assert error["spectrum"] == pytest.approx(0.125 * 29 / (45 - 29), rel=1e-9)
    assert error["eigenvalues"] == pytest.approx(error["spectrum"], rel=1e-9)


# Files


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table(columns), path)


def write_table(path: Path, table: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, table)
    elif path.suffix in (".parquet", ".pq"):
        write_parquet(path, {f"c{i}": column for i, column in enumerate(np.atleast_2d(table.T))})
    else:
        separator = {".csv": ",", ".tsv": "\t", ".txt": ";"}[path.suffix]
        np.savetxt(path, table, fmt="%.17g", delimiter=separator)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".npy", ".parquet", ".pq", ".CSV"])
def test_every_kind_of_file_gives_the_eigenvalues_of_the_covariance(
    tmp_path: Path, matrix: np.ndarray, suffix: str
) -> None:
    path = tmp_path / "data"
    write_table(path.with_suffix(suffix.lower()), matrix)
    path.with_suffix(suffix.lower()).rename(path.with_suffix(suffix))
    found = read_eigenvalues(str(path.with_suffix(suffix)))
    np.testing.assert_allclose(found, covariance_eigenvalues(matrix), rtol=1e-12)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
def test_one_column_holds_eigenvalues(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"eigenvalues{suffix}"
    write_table(path, np.array([3.0, 2.0, 0.5]))
    assert read_eigenvalues(str(path)).tolist() == [3.0, 2.0, 0.5]


def test_teacher_weights_meet_a_files_eigenvalues_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "eigenvalues.csv"
    path.write_text("0.5\n3\n2\n")
    spectrum = ridge(spectrum=str(path), teacher_weights=[10.0, 20.0, 30.0]).population()
    assert dict(zip(spectrum.eigenvalues, spectrum.teacher_weights, strict=True)) == {0.5: 10.0, 3.0: 20.0, 2.0: 30.0}


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n5,9\n",
        '"a","b"\n"1","2"\n"3","4"\n"5","9"\n',
        "1,2\n\n3,4\n5,9\n\n",
        "\ufeff1,2\r\n3,4\r\n5,9\r\n",
        "1;2\n3;4\n5;9\n",
        "a\tb\n1\t2\n3\t4\n5\t9",
        " 1, 2\n3 ,4e0\n5.0,9\n",
    ],
)
def test_tables_as_people_write_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_allclose(
        read_eigenvalues(str(path)), covariance_eigenvalues(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])), rtol=1e-12
    )


def test_directions_without_variance_have_the_eigenvalue_zero(tmp_path: Path) -> None:
    """Three rows of five columns, one of them constant, span two directions about their mean."""
    table = np.random.default_rng(2).standard_normal((3, 5))
    table[:, 1] = 4.0
    path = tmp_path / "few.npy"
    np.save(path, table)
    found = read_eigenvalues(str(path))
    assert (found > 0).sum() == 2
    assert (found == 0).sum() == 3


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "whole.npy"
    np.save(path, np.array([[1, 2], [3, 4], [5, 9]], dtype=np.int16))
    assert read_eigenvalues(str(path)).shape == (2,)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "1,2\n3,b\n", r"row 2, column 2 holds 'b'"),
        ("a.csv", "a,b\n1,2\n3,b\n", r"row 3, column 2 holds 'b'"),
        ("a.csv", "1,2\n3,\n", r"row 2, column 2 holds ''"),
        ("a.csv", "x,1,2\n1,2,3\n4,5,7\n", r"row 1, column 1 holds 'x'"),
        ("a.csv", "2020-01-01,2\n3,4\n", r"row 1, column 1 holds '2020-01-01'"),
        ("a.csv", "1,2\n3,1_000\n", "1_000"),
        ("a.csv", "a,b\n1,2\n3,nan\n", r"nan in row 3, column 2"),
        ("a.csv", "1\n2\ninf\n", r"inf in row 3, column 1"),
        ("a.csv", "1,2\n3\n", r"row 2 has 1 cells, the first row 2"),
        ("a.csv", "1,2\n3,4,5\n", r"row 2 has 3 cells, the first row 2"),
        ("a.csv", "", "empty"),
        ("a.csv", "\n\n", "empty"),
        ("a.csv", "a,b\n", "no numbers"),
        ("a.csv", "1\n-2\n", r"-2: eigenvalues must be at least 0"),
        ("a.csv", "0.0\n0.0\n", "all zero"),
        ("a.csv", "1,2\n1,2\n", "all zero"),
        ("a.csv", "1 2\n3 4 5\n", "cannot be read|no numbers"),
        ("a.csv", "1,2\n" + "1" * 200_000 + ",3\n", "cannot be read|holds"),
        ("a.csv", b"1,2\n\xff\xfe,3\n", "cannot be read"),
        ("a.npy", b"no array at all", "cannot be read"),
        ("a.npy", b"", "cannot be read"),
        ("a.npy", b"PK\x03\x04 no archive", "cannot be read"),
        ("a.parquet", b"no table at all", "cannot be read"),
        ("a.xls", "1,2\n3,4\n", r"its name must end in \.csv"),
        ("a", "1,2\n3,4\n", r"its name must end in \.csv"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=says) as refused:
        ridge(spectrum=str(path))
    assert str(path) in str(refused.value) or "all zero" in str(refused.value)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "b"]),
        np.array([[1.0 + 1j, 2.0]]),
        np.ones((2, 2, 2)),
        np.array([True, False]),
        np.array([[1.0, np.nan], [2.0, 3.0]]),
        np.zeros((0, 3)),
        np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"),
        np.array([[1e200, 1.0], [2.0, 3e200]]),
    ],
    ids=["text", "complex", "cube", "truth", "nan", "empty", "dates", "overflow"],
)
def test_bad_arrays_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"a\.npy"):
        ridge(spectrum=str(tmp_path / "a.npy"))


def test_an_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, a=np.ones(3))
    with pytest.raises(InputError, match=r"a\.npy cannot be read"):
        ridge(spectrum=str(tmp_path / "a.npy"))


@pytest.mark.parametrize(
    "column",
    [["x", "y"], ["1.5", "2.5"], [True, False], [None, 1.0], np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]")],
    ids=["text", "numerals", "truth", "missing", "dates"],
)
def test_a_parquet_column_that_is_not_of_numbers_is_refused(tmp_path: Path, column: Any) -> None:
    write_parquet(tmp_path / "t.parquet", {"a": column, "b": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"t\.parquet"):
        ridge(spectrum=str(tmp_path / "t.parquet"))


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_columns_in_mixed_units_keep_their_eigenvalues(tmp_path: Path, suffix: str) -> None:
    """Two columns 14 decades apart: to rounding, each eigenvalue is what the columns' variances and covariance give."""
    rng = np.random.default_rng(3)
    table = np.column_stack([rng.normal(2e12, 4e11, 60), rng.normal(0.05, 0.01, 60)])
    write_table(tmp_path / f"t{suffix}", table)
    large, small = read_eigenvalues(str(tmp_path / f"t{suffix}"))
    (a, c), (_, b) = np.cov(table.T, bias=True)
    assert large == pytest.approx(a, rel=1e-12)
    assert small == pytest.approx(b - c * c / a, rel=1e-12)  # det / trace: the rest is of relative order b / a


@pytest.mark.parametrize("constant", [1e10 / 3, 0.1, -7.0, 0.0, 1e-90])
def test_a_constant_column_does_not_vary(tmp_path: Path, constant: float) -> None:
    X = np.random.default_rng(4).standard_normal((97, 3))
    np.save(tmp_path / "X.npy", np.hstack([X, np.full((97, 1), constant)]))
    system = Ridge(alpha=0.9, spectrum=str(tmp_path / "X.npy"))
    assert (system.population().eigenvalues == 0).tolist() == [False, False, False, True]
    assert system.theory().generalization_error[0] == pytest.approx(0.125 * 0.75 / 0.15, rel=1e-9)


def test_columns_are_chosen_and_left_out(tmp_path: Path, matrix: np.ndarray) -> None:
    path = tmp_path / "t.csv"
    np.savetxt(path, matrix, delimiter=",", header="age,b m i,-x,w", comments="", fmt="%.17g")
    for words, kept in {
        "0,2": [0, 2], "age,b m i": [0, 1], "-age": [1, 2, 3], "-0,-3": [1, 2], "-x,age": [0, 2], "--x": [0, 1, 3],
        "all": [0, 1, 2, 3], " 1 , 3 ": [1, 3],
    }.items():  # fmt: skip
        found = ridge(spectrum=str(path), columns=words).population().eigenvalues
        np.testing.assert_allclose(found, covariance_eigenvalues(matrix[:, kept]), rtol=1e-9)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("bim", r"no column has the name bim \(did you mean bmi\?\)"),
        ("4", "there is no column 4: they are numbered 0 to 3"),
        ("bmi,-age", "both takes columns and drops some"),
        ("-0,-1,-2,-3", "leaves no column"),
        ("0,,1", "missing between two commas"),
        ("2", "2 is the name of column 3 and the number of another: name the columns in words"),
        ("twice", "2 columns have the name twice"),
        ("", "columns = nothing is not allowed"),
        (3, "columns = 3 is not allowed: it must be words in quotes"),
    ],
)
def test_columns_that_cannot_be_chosen_are_refused(tmp_path: Path, columns: Any, says: str) -> None:
    header = {"twice": "twice,twice,bmi,age", "2": "id,0,1,2"}.get(columns, "age,bmi,x,y")
    (tmp_path / "t.csv").write_text(f"{header}\n1,2,3,4\n5,6,8,9\n7,1,2,2\n")
    with pytest.raises(InputError, match=says):
        ridge(spectrum=str(tmp_path / "t.csv"), columns=columns)


def test_standardised_columns_have_unit_variance(tmp_path: Path, matrix: np.ndarray) -> None:
    np.save(tmp_path / "t.npy", np.hstack([matrix * [1e-9, 1.0, 1e9, 1.0], np.full((30, 1), 5.0)]))
    found = ridge(spectrum=str(tmp_path / "t.npy"), standardise=True).population().eigenvalues
    np.testing.assert_allclose(found[:4], np.linalg.eigvalsh(np.corrcoef(matrix.T))[::-1], rtol=1e-12)
    assert found[4] == 0.0
    np.save(tmp_path / "e.npy", np.array([3.0, 2.0, 1.0]))
    with pytest.raises(InputError, match=r"standardise = True is not allowed: spectrum = .*e\.npy holds eigenvalues"):
        ridge(spectrum=str(tmp_path / "e.npy"), standardise=True)


def test_choices_that_are_not_made_leave_the_keys_of_streams_as_they_were(tmp_path: Path) -> None:
    """Keys of ``Ridge(alpha=2.0)`` and of one with eigenvalues, as they were before there were columns to choose."""
    assert ridge().identity() == {"alpha": 2.0, "dimension": 400}
    np.save(tmp_path / "t.npy", np.eye(3))
    plain, chosen = (ridge(spectrum=str(tmp_path / "t.npy"), columns=words) for words in (None, "0,1"))
    assert set(chosen.identity()) - set(plain.identity()) == {"columns"}
    assert chosen.key() != plain.key()


@pytest.mark.parametrize("path", ["missing.csv", "no/such/folder.npy", "two_levle", "a\0b.csv", "x" * 5000 + ".csv"])
def test_a_file_that_is_not_there_is_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"isotropic, two_level, power_law|cannot be read"):
        ridge(spectrum=path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv cannot be read"):
        ridge(spectrum=str(tmp_path / "folder.csv"))
