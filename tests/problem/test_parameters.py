"""What a person may give as a parameter's value, in words or from Python, and what is refused."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tsmech.errors import InputError
from tsmech.problem.kinds import kinds
from tsmech.problem.parameters import Parameter, parameter
from tsmech.problem.written import plain
from tsmech.words import nearest

DIGITS = 12
ROUNDING = 0.5 * 10.0 ** (1 - DIGITS)
"""Largest relative error of a number that is rounded to so many significant digits."""

finite = st.floats(-1e100, 1e100)
moderate = st.floats(-1e6, 1e6)


def declared(admitted: Any = float, **bounds: Any) -> Parameter:
    found, table = kinds(admitted)
    return Parameter("alpha", found, table=table, **parameter("α", "what it is", **bounds).metadata["parameter"])


ANY = declared()
POSITIVE = declared(minimum=0, exclusive=True)
WHOLE = declared(int, minimum=1)
WORD = declared(str, choices=("isotropic", "two_level"))
FILE = declared(str, choices=("isotropic", "two_level"), file=True)


# Values in words


def test_a_range_of_tenths_holds_the_tenths() -> None:
    values = POSITIVE.read("0.1:4:40")
    assert values == tuple(k / 10 for k in range(1, 41))
    assert 1.0 in values


def test_a_geometric_range_holds_the_powers() -> None:
    assert POSITIVE.read("log:0.001:1000:7") == (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


def test_pieces_of_a_list_may_be_ranges() -> None:
    assert POSITIVE.read("7, 1:3:3,log:1:100:3, 0.5") == (7.0, 1.0, 2.0, 3.0, 10.0, 100.0, 0.5)


def test_ranges_of_whole_numbers_are_whole_and_hold_each_once() -> None:
    assert WHOLE.read("1:10:4") == (1, 4, 7, 10)
    assert WHOLE.read("1:3:9") == (1, 2, 3)
    assert WHOLE.read("log:1:1000:4") == (1, 10, 100, 1000)
    assert all(type(value) is int for value in WHOLE.read("1:3:9"))


def test_none_is_no_value_where_the_default_is_none() -> None:
    assert declared(float | None, default=None).read("none") == (None,)
    assert declared(str, default="relu", choices=("none", "relu")).read("none") == ("none",)
    for of in (ANY, declared(default=1.0)):
        with pytest.raises(InputError, match="none"):
            of.read("none")


def test_a_value_that_is_given_twice_is_taken_once() -> None:
    assert POSITIVE.read("1,2,1.0,2e0") == (1.0, 2.0)
    assert POSITIVE.read([1, 1.0, "1"]) == (1.0,)


@given(finite)
@example(-0.0)
@settings(deadline=None)
def test_a_number_in_words_is_that_number(value: float) -> None:
    assert ANY.read(repr(value)) == (value,)


@given(st.lists(finite, min_size=1, max_size=8))
@settings(deadline=None)
def test_lists_are_the_same_in_words_in_toml_and_in_numpy(values: list[float]) -> None:
    expected = tuple(dict.fromkeys(values))
    assert ANY.read(",".join(map(repr, values))) == expected
    assert ANY.read(values) == expected
    assert ANY.read(tuple(values)) == expected
    assert ANY.read(np.array(values)) == expected


@given(moderate, moderate, st.integers(2, 200))
@settings(deadline=None)
def test_a_range_is_evenly_spaced_to_twelve_digits(start: float, stop: float, count: int) -> None:
    start, stop = sorted((start, stop))
    if not start < stop:
        return
    values = ANY.read(f"{start!r}:{stop!r}:{count}")
    exact = np.linspace(start, stop, count)
    assert all(value == float(f"{value:.{DIGITS}g}") for value in values)
    if len(values) == count:  # a range narrower than the rounding loses values, never order
        assert np.all(np.abs(np.array(values) - exact) <= 1.01 * ROUNDING * np.abs(exact))
    assert sorted(values) == list(values)


@given(st.floats(1e-9, 1e9), st.floats(1.001, 1e9), st.integers(2, 100))
@settings(deadline=None)
def test_a_geometric_range_has_one_ratio(start: float, ratio: float, count: int) -> None:
    values = np.array(POSITIVE.read(f"log:{start!r}:{start * ratio!r}:{count}"))
    if len(values) == count:
        steps = np.log(values[1:] / values[:-1])
        # Each of the two values of a step is off by the rounding, and geomspace by some units in the last place.
        assert np.all(np.abs(steps - math.log(ratio) / (count - 1)) <= 2.1 * ROUNDING)


@pytest.mark.parametrize(
    "words",
    ["4:0.1:0", "4:0.1:10", "1:1:3", "0.1:4:1", "0.1:4:0", "0.1:4:-3", "0.1:4:1000001", "0.1:inf:4", "nan:1:4",
     "log:-1:1:5", "log:0:1:5", "log:2:1:5", "log:1:2:1", "log:1:inf:3"],
)  # fmt: skip
def test_what_is_no_range_is_refused(words: str) -> None:
    with pytest.raises(InputError, match="is not a range") as refused:
        POSITIVE.read(words)
    assert f"alpha = {words}" in str(refused.value)


@pytest.mark.parametrize(
    "words",
    ["", " ", ",", "1,", "abc", "1:2", "1:2:3:4", "1:2:3.5", "log:1:2", "log:1:2:3:4", "log:5", "log", ":", "::",
     "lin:1:2:3", "1:b:3", "0x10", "1 2", "1;2", "one"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_what_can(words: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as refused:
        POSITIVE.read(words)
    assert f"alpha = {words.strip() or 'nothing'} cannot be read" in str(refused.value)
    assert "start:stop:count" in str(refused.value)


@pytest.mark.parametrize("words", ["nan", "inf", "-inf", "0", "-1", "1e999", "0.5,nan", "1:2:2,-1"])
def test_numbers_that_are_not_allowed_are_refused_in_words(words: str) -> None:
    with pytest.raises(InputError, match=r"alpha = .* is not allowed: it must be a number above 0"):
        POSITIVE.read(words)


@given(st.text(max_size=20))
@settings(deadline=None)
def test_no_words_whatever_do_anything_but_read_or_be_refused(words: str) -> None:
    for kind in (ANY, POSITIVE, WHOLE, WORD, FILE):
        try:
            values = kind.read(words)
        except InputError:
            continue
        assert values
        assert all(kind.check(value) == value for value in values)


# Single values


@pytest.mark.parametrize(
    "value",
    [True, False, np.True_, None, "1", b"1", 1j, [1.0], (1.0,), {}, object(), math.nan, math.inf, -math.inf, 10**400],
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"^alpha = .* is not allowed"):
        ANY.check(value)


@pytest.mark.parametrize("value", [1.5, "2", 0, -1, np.float64(1.5), math.nan, True, 1e400])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="a whole number at least 1"):
        WHOLE.check(value)


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.uint8(3), np.float32(3)])
def test_a_number_takes_the_type_of_its_parameter(value: Any) -> None:
    assert type(WHOLE.check(value)) is int
    assert type(ANY.check(value)) is float
    assert WHOLE.check(value) == ANY.check(value) == 3


def test_whole_numbers_keep_every_digit_and_have_a_largest() -> None:
    assert WHOLE.check(2**53 + 1) == 2**53 + 1
    assert WHOLE.check(2**63 - 1) == 2**63 - 1
    for wrong in (2**63, 1e99, 10**99):
        with pytest.raises(InputError, match="it must be at most 9223372036854775807"):
            WHOLE.check(wrong)


def test_what_is_divided_by_has_a_smallest_size() -> None:
    assert POSITIVE.check(1e-100) == 1e-100
    for wrong in (1e-300, 5e-324, 9.9e-101):
        with pytest.raises(InputError, match=r"is not allowed: it must be at least 1e-100"):
            POSITIVE.check(wrong)
    assert declared(minimum=0).check(1e-300) == 1e-300


@pytest.mark.parametrize("wrong", ["\x1b[31m.csv", "a\nb.csv", "\0.csv", "\udcff.csv", "\u202etxt.csv"])
def test_a_file_s_name_is_printable(wrong: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read: a file's name must be printable"):
        FILE.check(wrong)


@given(st.text(min_size=100) | st.lists(st.floats(max_value=-1.0), min_size=50) | st.binary(min_size=100))
@example(10**5000)
@settings(deadline=None, max_examples=50)
def test_a_long_value_is_shown_in_short(value: Any) -> None:
    for kind in (POSITIVE, WHOLE, WORD):
        with pytest.raises(InputError) as refused:
            kind.read(value)
        assert len(str(refused.value)) <= 300


def test_words_in_place_of_a_number_are_shown_as_words() -> None:
    with pytest.raises(InputError, match=r"^alpha = '2' is not allowed: it must be a number above 0$"):
        POSITIVE.check("2")


def test_bounds_are_in_or_out_as_declared() -> None:
    closed, open_ = declared(minimum=0, maximum=1), declared(minimum=0, maximum=1, exclusive=True)
    assert (closed.check(0), closed.check(1)) == (0.0, 1.0)
    for bound in (0, 1):
        with pytest.raises(InputError, match="above 0 and below 1"):
            open_.check(bound)
    for beyond in (-1e-300, 1 + 1e-15):
        with pytest.raises(InputError, match="at least 0 and at most 1"):
            closed.check(beyond)


def test_words_take_underscores_or_hyphens_and_the_nearest_is_named() -> None:
    assert WORD.check("two-level") == WORD.check("two_level") == "two_level"
    assert WORD.read("two-level, isotropic") == ("two_level", "isotropic")
    with pytest.raises(InputError, match=r"alpha = isotropc is not allowed.*did you mean isotropic\?"):
        WORD.check("isotropc")
    for wrong in ("", 1, None, True):
        with pytest.raises(InputError, match="one of isotropic, two_level"):
            WORD.check(wrong)


def test_a_path_is_taken_as_it_is() -> None:
    assert FILE.read("my-data.csv") == ("my-data.csv",)
    assert FILE.read("a,b.csv") == ("a,b.csv",)
    assert "or the path of a file" in FILE.allowed


def test_arrays_are_checked_and_hashable() -> None:
    array = declared(tuple[float, ...], minimum=0, default=None)
    assert array.read([1, 2.5]) == ((1.0, 2.5),)
    assert array.read(np.array([1.0, 2.0])) == ((1.0, 2.0),)
    assert array.read("1, 2.5") == ((1.0, 2.5),)
    assert array.check(None) is None
    hash(array.check([1.0]))
    assert array.read(2) == array.read("2") == ((2.0,),)
    for wrong in ([], [[1.0]], ["a"], "words", [1.0, math.nan], [1.0, -1.0], [1.0, math.inf], [1.0, 1e101]):
        with pytest.raises(InputError, match="alpha"):
            array.check(wrong)


@pytest.mark.parametrize(
    "value", [[True, 2.0], (1.0, np.True_), ["1", "2"], [1.0, "2"], np.array([True]), [1.0, None], [b"1"], [1j], True]
)
def test_truths_and_text_are_no_numbers_of_an_array(value: Any) -> None:
    with pytest.raises(InputError, match=r"alpha = .* is not allowed: it must be a list of numbers"):
        declared(tuple[float, ...]).read(value)


def test_numbers_of_every_type_are_numbers_of_an_array() -> None:
    for value in ([1, 2.0], (np.int8(1), np.float32(2.0)), np.array([1, 2], dtype=np.uint8), [10**20, 1]):
        assert declared(tuple[float, ...]).check(value) == tuple(float(item) for item in value)


def test_a_switch_is_true_or_false() -> None:
    switch = declared(bool, default=False)
    assert switch.read("true") == switch.read(np.True_) == switch.read([True, "true"]) == (True,)
    assert switch.read("false,true") == switch.read([False, True]) == (False, True)
    assert not switch.numeric
    for wrong in (1, 0.0, "yes", "", None, [1]):
        with pytest.raises(InputError, match=r"alpha = .* is not allowed: it must be true or false"):
            switch.read(wrong)


def test_words_without_choices_are_taken_as_they_are() -> None:
    words = declared(str, default=None)
    assert words.read("0,2,age") == ("0,2,age",)
    assert words.read(["0,2", "-age"]) == ("0,2", "-age")
    assert words.check(None) is None
    for wrong in ("", 3, True, [2]):
        with pytest.raises(InputError, match=r"alpha = .* is not allowed: it must be words in quotes"):
            words.read(wrong)


def test_an_error_about_an_array_says_which_value_is_wrong() -> None:
    with pytest.raises(InputError, match=r"alpha\[2\] = -1 is not allowed: it must be finite and at least 0"):
        declared(tuple[float, ...], minimum=0).check([1.0, 2.0, -1.0])


@pytest.mark.parametrize(
    "wrong", [np.ones((2, 2)), {"a": 1}, [[1, 2]], [[1], [1, 2]], [1, [2]], [], object(), b"1", range(0), {1}]
)
def test_every_refusal_is_one_line(wrong: Any) -> None:
    with pytest.raises(InputError) as refused:
        POSITIVE.read(wrong)
    assert "\n" not in str(refused.value)


@dataclasses.dataclass(frozen=True)
class Overlap:
    """A table of two fields, one of them optional."""

    own: float
    teacher: float = 0.0


def test_a_table_is_given_by_its_fields() -> None:
    start = declared(str | Overlap, choices=("random",))
    assert start.read({"own": 1.0}) == start.read(Overlap(1.0)) == (Overlap(own=1.0, teacher=0.0),)
    assert start.read("random") == ("random",)
    assert plain(Overlap(1.0)) == {"own": 1.0, "teacher": 0.0}
    with pytest.raises(InputError, match=r"alpha has no field techer: did you mean teacher\?"):
        start.read({"own": 1.0, "techer": 0.5})
    for wrong in ({}, {"teacher": 1.0}, 3, None, "other"):
        with pytest.raises(InputError, match="alpha = "):
            start.read(wrong)


def test_the_nearest_word_is_named_or_all_of_them() -> None:
    assert nearest("pena1ty", ["alpha", "penalty"]) == "did you mean penalty?"
    assert nearest("ridge-net", ["ridge_net"]) == "did you mean ridge_net?"
    assert nearest("xyz", ["alpha", "penalty"]) == "known: alpha, penalty"
