"""Declared parameters: what values are allowed, and how they are parsed, checked and refused."""

import dataclasses
import difflib
import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.observables import Scale
from tsmech.problem.ranges import read_piece
from tsmech.words import nearest, printable, shown

Numbers = float | Sequence[float] | NDArray[Any]
"""Values allowed for a parameter of several numbers; a system holds them as a tuple of floats."""

LARGEST = 1e100
"""Largest size of a number, so that no square of it overflows; what must be above 0 is at least its inverse."""
LARGEST_DIMENSION = 10**12
"""Largest input dimension: one vector of it takes eight terabytes."""
LARGEST_WHOLE = 2**63 - 1
"""Largest whole number: that of arrays and files."""
NONE = "none"
"""What says that a parameter has no value."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a system: all that options, files, documents and axis labels need to know of it.

    ``kinds`` says what it may be: a ``bool``, an ``int`` or a ``float`` between the bounds, a ``word`` (one of
    ``choices`` where there are any, the path of a file where ``file``, any word otherwise), a ``path``, ``numbers`` or
    ``words`` (several, always a single value), a ``table`` (a frozen dataclass, given as one or by its fields' names).
    """

    name: str
    kinds: tuple[str, ...]
    symbol: str
    help: str
    default: Any
    minimum: float | None
    maximum: float | None
    exclusive: bool
    choices: tuple[str, ...]
    file: bool
    scale: Scale
    range: tuple[float, float] | None
    table: type | None

    def __post_init__(self) -> None:
        """Refuse an invalid range: an error in the declaration, not in a user's value."""
        if self.range is None:
            return
        low, high = self.range
        if not {"int", "float"} & set(self.kinds) or not low < high:
            raise TypeError(f"range = {self.range} is none of numbers")
        if self.scale == "logarithmic" and low <= 0:
            raise TypeError(f"range = {self.range} cannot be logarithmic: it must start above 0")
        for bound, sign in ((self.minimum, 1.0), (self.maximum, -1.0)):
            if bound is not None and any(sign * (end - bound) < 0 for end in self.range):
                raise TypeError(f"range = {self.range} is not within what is allowed: {self.allowed}")

    @property
    def required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is dataclasses.MISSING

    @property
    def numeric(self) -> bool:
        """Whether the parameter is a number, so that it can be the axis of a picture."""
        return self.kinds in (("float",), ("int",))

    @property
    def single(self) -> bool:
        """Whether a list is one value of it, so that it cannot be the axis of a sweep by a list."""
        return self.kinds[0] in ("numbers", "words")

    @property
    def allowed(self) -> str:
        """What values are allowed, in words."""
        parts = {
            "bool": "true or false",
            "numbers": "a list of numbers" + ("" if self.minimum is None else f" of at least {self.minimum:g}"),
            "words": "a list of words",
            "path": "the path of a file",
            "table": f"a table of {', '.join(_fields(self.table))}" if self.table else "",
            "word": self._allowed_words(),
            "int": self._allowed_numbers("a whole number"),
            "float": self._allowed_numbers("a number"),
        }
        ordered = sorted(self.kinds, key=("bool", "int", "float", "word", "path", "table", "numbers", "words").index)
        return ", or ".join(parts[kind] for kind in ordered)

    def _allowed_words(self) -> str:
        words = "one of " + ", ".join(self.choices) if self.choices else "" if self.file else "words in quotes"
        return words + (", or " if words and self.file else "") + ("the path of a file" if self.file else "")

    def _allowed_numbers(self, noun: str) -> str:
        bounds = []
        if self.minimum is not None:
            bounds.append(f"{'above' if self.exclusive else 'at least'} {self.minimum:g}")
        if self.maximum is not None:
            bounds.append(f"{'below' if self.exclusive else 'at most'} {self.maximum:g}")
        return f"{noun} {' and '.join(bounds)}".strip()

    def describe(self) -> str:
        """Return the parameter's entry in a docstring: its type, default, meaning, symbol and what is allowed."""
        names = {"word": "str", "numbers": "array_like", "words": "tuple of str"}
        named = [f"{self.table.__name__} or dict" if kind == "table" and self.table else names.get(kind, kind)
                 for kind in self.kinds]  # fmt: skip
        default = "" if self.required else ", optional" if self.default is None else f", default {self.default}"
        words = textwrap.fill(f"{self.symbol}: {self.help}; {self.allowed}.", 100, break_on_hyphens=False)
        return f"{self.name} : {', '.join(named)}{default}\n{textwrap.indent(words, '    ')}"

    def refuse(self, value: object) -> InputError:
        """Return the one-line error for a value that is not allowed."""
        if self.file and hasattr(value, "__array__"):
            kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
            return InputError(
                f"{self.name} takes the path of a file, not a {kind}: save it first, as by numpy.save or its to_parquet"
            )
        words = repr(value) if isinstance(value, str) and value and self.numeric else value
        close = difflib.get_close_matches(shown(value), self.choices, 1) if self.choices else []
        hint = f" (did you mean {close[0]}?)" if close else ""
        return InputError(f"{self.name} = {shown(words)} is not allowed: it must be {self.allowed}{hint}")

    def is_file(self, value: Any) -> bool:
        """Return whether a value is the path of a file."""
        return isinstance(value, Path) or (self.file and isinstance(value, str) and value not in self.choices)

    def check(self, value: Any) -> Any:
        """Return a single value in the parameter's own type, or raise :class:`~tsmech.errors.InputError`."""
        if value is None and self.default is None:
            return None
        for kind in self.kinds:
            if kind in ("numbers", "words"):
                return _checked_numbers(self, value) if kind == "numbers" else _checked_words(self, value)
            if kind == "table" and self._is_table(value):
                return self._checked_table(value)
            if kind == "bool":
                return self._checked_switch(value)
            if kind in ("word", "path") and isinstance(value, (str, Path) if kind == "path" or self.file else str):
                return self._checked_word(value, kind)
            number = isinstance(value, (int, float, np.integer, np.floating))
            if kind in ("int", "float") and number and not isinstance(value, (bool, np.bool_)):
                return self._checked_number(value, kind)
        if callable(value) and hasattr(self.table, "from_functions"):
            name = getattr(value, "__name__", value)
            raise InputError(f"{self.name} = {name} is one function: give the pair (g, g'), with its derivative")
        raise self.refuse(value)

    def _checked_switch(self, value: Any) -> bool:
        words = {"true": True, "false": False}
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if not isinstance(value, (bool, np.bool_)):
            raise self.refuse(value)
        return bool(value)

    def _checked_number(self, value: Any, kind: str) -> float:
        try:
            number = float(value) + 0.0  # which makes a zero positive
        except OverflowError:
            raise self.refuse(value) from None
        if LARGEST < abs(number) < math.inf:
            raise InputError(f"{self.name} = {shown(value)} is not allowed: its size must be at most {LARGEST:g}")
        if self.exclusive and self.minimum == 0 and 0 < number < 1 / LARGEST:
            raise InputError(f"{self.name} = {number:g} is not allowed: it must be at least {1 / LARGEST:g}")
        if not math.isfinite(number) or (kind == "int" and number != int(number)):
            raise self.refuse(value)
        for bound, sign in ((self.minimum, 1.0), (self.maximum, -1.0)):
            if bound is not None and (sign * (number - bound) < 0 or (self.exclusive and number == bound)):
                raise self.refuse(value)
        if kind == "int" and abs(int(value)) > LARGEST_WHOLE:
            raise InputError(f"{self.name} = {shown(value)} is not allowed: it must be at most {LARGEST_WHOLE}")
        return int(value) if kind == "int" else number

    def _checked_word(self, value: Any, kind: str) -> Any:
        word = str(value).replace("-", "_")
        if word in self.choices:
            return word
        if not word or (self.choices and not self.file):
            raise self.refuse(value)
        if "\n" in word or printable(word) != word:
            file = self.file or kind == "path"
            refused = "cannot be read: a file's name" if file else "is not allowed: it"
            raise InputError(f"{self.name} = {shown(value)} {refused} must be printable")
        return Path(value) if kind == "path" else str(value)

    def _is_table(self, value: Any) -> bool:
        """Return whether a value is a table, or a tuple of functions from which one can be made."""
        if hasattr(self.table, "from_functions") and isinstance(value, tuple) and value:
            return all(map(callable, value))
        return self.table is not None and isinstance(value, (dict, self.table))

    def _checked_table(self, value: Any) -> Any:
        if isinstance(value, tuple):
            try:
                return self.table.from_functions(*value)  # type: ignore[union-attr]
            except TypeError:
                raise self.refuse(value) from None
        if not isinstance(value, dict) or self.table is None:
            return value
        for name in value:
            if name not in _fields(self.table):
                raise InputError(f"{self.name} has no field {shown(name)}: {nearest(name, _fields(self.table))}")
        try:
            return self.table(**value)
        except TypeError:
            raise self.refuse(value) from None

    def read(self, given: Any) -> tuple[Any, ...]:
        """Return the given values: one, several, or a range in words.

        Words are a number, a comma-separated list, a linear range ``start:stop:count`` or a geometric range
        ``log:start:stop:count``.  The values of a range are rounded to twelve significant digits (to whole
        numbers where the parameter is one), so that ``0.1:4:40`` holds 1 exactly.  The word ``none`` is no value, where
        the parameter has none by default.
        """
        if isinstance(given, str) and given.strip() == NONE and self.default is None:
            given = None
        if given is None or self._is_table(given):
            return (self.check(given),)
        if self.single:
            return (self.check(self._split(given) if isinstance(given, str) else given),)
        values: Iterable[Any]
        if isinstance(given, str):
            values = self._read_words(given)
        elif isinstance(given, (list, tuple, range)) or getattr(given, "ndim", 0) == 1:
            values = [v for item in given for v in (self._read_words(item) if isinstance(item, str) else [item])]
        elif isinstance(given, np.ndarray) and given.ndim == 0:
            values = [given.item()]
        else:
            values = [given]
        checked = tuple(dict.fromkeys(self.check(v) for v in values))
        if not checked:
            raise self.refuse(given)
        return checked

    def _split(self, words: str) -> list[Any]:
        pieces = [piece.strip() for piece in words.split(",")]
        if self.kinds[0] == "words":
            return pieces
        return [
            value
            for piece in pieces
            for value in read_piece(piece, words, self.name, self.allowed, whole="int" in self.kinds)
        ]

    def _read_words(self, words: str) -> list[Any]:
        """Return the values in a string: a path as it is, others separated by commas."""
        pieces = [piece.strip() for piece in words.split(",")]
        whole = self.file or self.kinds == ("word",)  # a path or a free word may hold a comma
        if self.kinds[0] == "path" or (whole and not all(self._is_choice(piece) for piece in pieces)):
            return [words]
        return [value for piece in pieces for value in self._read_one(piece, words)]

    def _read_one(self, piece: str, words: str) -> list[Any]:
        if "bool" in self.kinds:
            return [piece]
        if "word" in self.kinds and (self._is_choice(piece) or not {"int", "float"} & set(self.kinds)):
            return [piece]
        return list(read_piece(piece, words, self.name, self.allowed, whole="int" in self.kinds))

    def _is_choice(self, piece: str) -> bool:
        return piece.replace("-", "_") in self.choices


def _checked_numbers(parameter: Parameter, value: Any) -> tuple[float, ...]:
    array = numbers(value)
    if array is None:
        raise parameter.refuse(repr(value))
    array = np.atleast_1d(array)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{parameter.name} of shape {array.shape} is not allowed: it must have one axis, not empty")
    wrong = ~(np.abs(array) <= LARGEST)
    if parameter.minimum is not None:
        wrong |= array < parameter.minimum
    if wrong.any():
        first = int(np.argmax(wrong))
        bounds = "finite" if parameter.minimum is None else f"finite and at least {parameter.minimum:g}"
        if LARGEST < abs(array[first]) < math.inf:
            bounds = f"at most {LARGEST:g} in size"
        raise InputError(f"{parameter.name}[{first}] = {array[first]:g} is not allowed: it must be {bounds}")
    return tuple(array.tolist())


def numbers(value: Any) -> NDArray[np.float64] | None:
    """Return nested lists of equal length as an array of floats; None where an entry is text or a boolean."""
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and array.ndim:  # whole numbers beyond 64 bits, or no numbers
            real = all(isinstance(item, (int, float, np.number)) and not isinstance(item, bool) for item in array.flat)
            array = array.astype(float) if real else array
    except (TypeError, ValueError, OverflowError):
        return None
    if array.dtype.kind not in "fiu" or _holds_truths(value):
        return None
    return array.astype(float)


def _holds_truths(value: Any) -> bool:
    """Return whether nested lists hold a boolean, which NumPy would convert to 0 or 1."""
    if isinstance(value, (list, tuple)):
        return any(map(_holds_truths, value))
    return isinstance(value, (bool, np.bool_))


def _checked_words(parameter: Parameter, value: Any) -> tuple[str, ...]:
    several = value if isinstance(value, (list, tuple)) else (value,)
    words = tuple(str(word) if _is_count(word) else word for word in several)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise parameter.refuse(value)
    if parameter.choices:
        words = tuple(word.replace("-", "_") for word in words)
        if not set(words) <= set(parameter.choices):
            raise InputError(
                f"{parameter.name} = {shown(', '.join(words))} is not allowed: each must be one of "
                f"{', '.join(parameter.choices)}"
            )
    return words


def _is_count(value: Any) -> bool:
    """Return whether a value is a whole number, which may stand for a word: the number of a column."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _fields(table: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(table)]


def parameter(
    symbol: str,
    help: str,
    *,
    default: Any = dataclasses.MISSING,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive: bool = False,
    choices: tuple[str, ...] = (),
    file: bool = False,
    scale: Scale = "linear",
    range: tuple[float, float] | None = None,
) -> Any:
    """Declare a field of a system: its symbol, its meaning, and what values are allowed.

    What kind of value it is, the field's type says: see :func:`tsmech.problem.kinds.kinds`.  A dataclass refuses wrong
    values of its fields by :class:`~tsmech.errors.InputError`.

    Parameters
    ----------
    symbol
        The field's symbol, as in formulas and on axes.
    help
        One line: what it is, with its unit or scaling.
    default
        Value where none is given; without one the parameter is required.
    minimum, maximum
        Bounds of a number, excluded where ``exclusive``.
    choices
        The words that are allowed, for a parameter that is a word or a number or a word.
    file
        Whether any other word is taken as the path of a file.
    scale, range
        The scale, linear or logarithmic, and the interval of a slider for it; values outside are allowed.
    """
    described = {
        "symbol": symbol,
        "help": help,
        "default": default,
        "minimum": minimum,
        "maximum": maximum,
        "exclusive": exclusive,
        "choices": choices,
        "file": file,
        "scale": scale,
        "range": range,
    }
    return dataclasses.field(default=default, metadata={"parameter": described})
