"""Words from outside: whatever they are, a terminal, a database and an SVG take what is made of them."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech.errors import InputError
from tsmech.words import one_line, printable, shown

anything = st.text(st.characters(codec=None), max_size=40)  # lone surrogates too


@given(anything)
@settings(deadline=None)
def test_what_is_printable_is_utf_8_and_xml_without_controls_and_stays_as_it_is(text: str) -> None:
    made = printable(text)
    assert printable(made) == made
    made.encode("utf-8")
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in made.replace("\n", ""))
    escaped = made.replace("&", "&amp;").replace("<", "&lt;")
    assert ElementTree.fromstring(f"<a>{escaped}</a>").text == (made or None)


@pytest.mark.parametrize("text", ["", "ε_g = ½ ⟨(φ − y)²⟩", "two\nlines", "à 5 %", "日本語", "🙂", "$x^$"])
def test_what_is_printable_already_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_controls_become_their_escapes() -> None:
    assert printable("\x1b[31m\x9b\u202e\ud800\U000e0001\ufffe") == r"\u001b[31m\u009b\u202e\ud800\U000e0001\ufffe"


@given(anything, st.integers(1, 200), st.integers(20, 60))
@settings(deadline=None)
def test_a_line_is_one_and_no_longer_than_it_may_be(text: str, times: int, most: int) -> None:
    line = one_line(times * text, most)
    assert len(line) <= most
    assert "\n" not in line
    assert printable(line) == line
    assert one_line(line, most) == line


def test_a_long_line_keeps_its_beginning_and_its_end() -> None:
    line = one_line("begin " + "x" * 100_000 + " end", 60)
    assert (line[:6], line[-4:], len(line)) == ("begin ", " end", 60)


@pytest.mark.parametrize(
    "value", [[10**5000], "x" * 10**6, list(range(10**5)), {"a": "x" * 999}, np.zeros((9, 99)), b"\xff" * 99]
)
def test_values_are_shown_in_short(value: Any) -> None:
    words = shown(value)
    assert 0 < len(words) <= 60
    assert printable(words) == words


def test_a_number_of_thousands_of_digits_is_shown_by_their_number() -> None:
    for number, digits in ((10**5000, 5001), (10**5000 - 1, 5000), (-(10**400), 401), (2**100_000, 30103)):
        assert shown(number) == f"a whole number of {digits} digits"


def test_the_message_of_an_error_is_one_printable_line_in_python_too() -> None:
    error = InputError("first\nsecond \x1b[31m" + "x" * 10_000)
    assert str(error).startswith(r"first second \u001b[31mxxx")
    assert len(str(error)) <= 400
