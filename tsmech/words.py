"""Words that come from outside, as they are shown and stored: printable, and no longer than a reader wants them."""

import difflib
import math
import unicodedata
from collections.abc import Iterable

UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Categories of characters that are not shown: control, format, surrogate, private, unassigned, breaks of lines."""


def printable(text: str) -> str:
    r"""Return text that a terminal, a database and an SVG take: what is not to be shown becomes its escape.

    Line feeds stay.  The escapes are those of TOML and JSON, so that a quoted word remains what it was.

    Examples
    --------
    >>> print(printable("\x1b[31mred \ud800 α"))
    \u001b[31mred \ud800 α
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(_escape(letter) if _hidden(letter) else letter for letter in text)


def _hidden(letter: str) -> bool:
    return letter != "\n" and unicodedata.category(letter) in UNPRINTABLE


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, most: int = 400) -> str:
    """Return text as one printable line of at most so many characters, without its middle where it is longer."""
    if len(text) > 2 * most:  # what is left out need not be read
        text = f"{text[:most]}{text[-most:]}"
    line = printable(" ".join(text.split()))
    if len(line) <= most:
        return line
    end = (most - 5) // 3
    return f"{line[: most - 5 - end].rstrip()} ... {line[-end:].lstrip()}"


def shown(value: object, most: int = 60) -> str:
    """Return how a message shows a value: words as they are, anything else as Python writes it, and both in short.

    Examples
    --------
    >>> print(shown(0.1 + 0.2), shown("two_level"), shown([1, "a"]), shown(10**5000), shown(""))
    0.3 two_level [1, 'a'] a whole number of 5001 digits nothing
    """
    if isinstance(value, str):
        return one_line(value, most) or "nothing"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, int) and value.bit_length() > 1000:  # Python refuses to write the longest of them
        return f"a whole number of {_digits(value)} digits"
    try:
        return one_line(repr(value), most)
    except ValueError:  # such a number is part of it
        return f"a {type(value).__name__}"


def _digits(number: int) -> int:
    count = int(number.bit_length() * math.log10(2))
    return count + 1 if abs(number) >= int(10**count) else count


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists them (in short, if many) where none is near."""
    options = list(known)
    close = difflib.get_close_matches(shown(word).replace("-", "_"), options, 1, 0.5)
    return f"did you mean {close[0]}?" if close else f"known: {shown(', '.join(options), 300)}"
