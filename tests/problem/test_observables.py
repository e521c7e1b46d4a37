"""The entries of numbers, vectors and matrices: what their columns are called, and where they lie."""

import itertools

import numpy as np
import pytest

from tsmech.problem.observables import entries, observable_of


def test_a_number_is_its_only_entry() -> None:
    assert entries("error", (), (), {}) == [("error", ())]
    assert entries("error", (), (), {"mode": ("a",)}) == [("error", ())]


def test_entries_of_a_vector_and_a_matrix_are_numbered_row_by_row() -> None:
    assert entries("v", ("unit",), (2,), {}) == [("v[0]", (0,)), ("v[1]", (1,))]
    assert [column for column, _ in entries("R", ("unit", "teacher"), (2, 2), {})] == [
        "R[0, 0]", "R[0, 1]", "R[1, 0]", "R[1, 1]",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)])
def test_each_entry_lies_where_its_index_says(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape)).reshape(shape)
    axes = tuple("abc"[: len(shape)])
    found = [int(values[index]) for _, index in entries("x", axes, shape, {})]
    assert found == values.ravel().tolist()
    assert [index for _, index in entries("x", axes, shape, {})] == list(itertools.product(*map(range, shape)))


def test_names_stand_in_place_of_numbers_on_the_axis_that_has_them() -> None:
    found = entries("R", ("unit", "item"), (2, 2), {"item": ("cat", "dog"), "other": ("x",)})
    assert [column for column, _ in found] == ["R[0, cat]", "R[0, dog]", "R[1, cat]", "R[1, dog]"]


def test_an_axis_of_no_entries_has_no_columns() -> None:
    assert entries("v", ("unit",), (0,), {}) == []


def test_axes_and_shape_must_fit() -> None:
    with pytest.raises(ValueError, match="zip"):
        entries("v", ("unit",), (2, 2), {})


def test_the_observable_of_a_column_is_what_stands_before_the_bracket() -> None:
    for name, axes, shape in (("error", (), ()), ("v", ("unit",), (3,)), ("R", ("a", "b"), (2, 2))):
        assert {observable_of(column) for column, _ in entries(name, axes, shape, {"b": ("x[0]", "y")})} == {name}
