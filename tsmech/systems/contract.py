"""The contract that every system keeps: parameters that describe themselves, up to three answers, curves."""

import dataclasses
import difflib
import functools
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ANSWERS = ("theory", "reduced", "direct")
SIMULATIONS = ("reduced", "direct")

MAX_RANGE = 1_000_000


@dataclasses.dataclass(frozen=True)
class Curve:
    """What one answer yields: observables along one coordinate, or at a single point.

    Parameters
    ----------
    observables
        Arrays of shape (n, ...) by name: n values along the coordinate (n = 1 without one), each a scalar or
        a matrix (overlaps).
    coordinate
        Name of the coordinate (``alpha`` or ``time``), or None for a single point.
    at
        The coordinate's values, shape (n,); None for a single point.
    diverged_at
        The coordinate at which the answer diverged; the curve then ends before it.
    """

    observables: Mapping[str, NDArray[np.float64]]
    coordinate: str | None = None
    at: NDArray[np.float64] | None = None
    diverged_at: float | None = None

    @classmethod
    def point(cls, observables: Mapping[str, Any]) -> "Curve":
        """Return the curve of a single point from scalars (or matrices) by name."""
        return cls({name: np.asarray(value, dtype=float)[None] for name, value in observables.items()})

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The coordinate, where there is one, and the observables: arrays with the same first axis."""
        if self.coordinate is None or self.at is None:
            return dict(self.observables)
        return {self.coordinate: self.at, **self.observables}

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row a coordinate value; a matrix is one array a cell.

        Its ``attrs`` say where the answer diverged (``diverged_at``, None where it did not).
        """
        import pandas as pd

        columns = {name: values if values.ndim == 1 else list(values) for name, values in self.columns.items()}
        frame = pd.DataFrame(columns)
        frame.attrs["diverged_at"] = self.diverged_at
        return frame


@dataclasses.dataclass(frozen=True)
class Observable:
    """A quantity that answers report: its symbol and its name in words, for tables and axis labels."""

    symbol: str
    label: str


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a system: all that options, files, documents and axis labels need to know of it.

    ``kind`` is ``float``, ``int``, ``array`` (numbers, always a single value) or ``str``: one of ``choices``, the path
    of a file where ``file``, or a ``table``: a frozen dataclass, given as one or as its fields by name.
    """

    name: str
    kind: str
    symbol: str
    help: str
    default: Any
    minimum: float | None
    maximum: float | None
    exclusive: bool
    choices: tuple[str, ...]
    file: bool
    table: type | None

    @property
    def required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is dataclasses.MISSING

    @property
    def numeric(self) -> bool:
        """Whether the parameter is a number, so that it can be the axis of a sweep."""
        return self.kind in ("float", "int")

    @property
    def allowed(self) -> str:
        """What values are allowed, in words."""
        if self.kind == "array":
            return "a list of numbers" + ("" if self.minimum is None else f" of at least {self.minimum:g}")
        if self.kind == "str":
            table = f", or a table of {', '.join(_fields(self.table))}" if self.table else ""
            return "one of " + ", ".join(self.choices) + (", or the path of a file" if self.file else "") + table
        noun = "a whole number" if self.kind == "int" else "a number"
        bounds = []
        if self.minimum is not None:
            bounds.append(f"{'above' if self.exclusive else 'at least'} {self.minimum:g}")
        if self.maximum is not None:
            bounds.append(f"{'below' if self.exclusive else 'at most'} {self.maximum:g}")
        return f"{noun} {' and '.join(bounds)}".strip()

    def refuse(self, value: object) -> InputError:
        """Return the one-line error for a value that is not allowed."""
        shown = " ".join((value if isinstance(value, str) else repr(value)).split())[:80] or "nothing"
        close = difflib.get_close_matches(str(value), self.choices, 1) if self.choices else []
        hint = f" (did you mean {close[0]}?)" if close else ""
        return InputError(f"{self.name} = {shown} is not allowed: it must be {self.allowed}{hint}")

    def check(self, value: Any) -> Any:
        """Return a single value in the parameter's own type, or raise :class:`InputError`."""
        if value is None and self.default is None:
            return None
        if self.kind == "array":
            return _checked_array(self, value)
        if self.table is not None and isinstance(value, (dict, self.table)):
            return self._checked_table(value)
        if self.kind == "str":
            return self._checked_word(value)
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise self.refuse(value)
        try:
            number = float(value) + 0.0  # which makes a zero positive
        except OverflowError:
            raise self.refuse(value) from None
        if not math.isfinite(number) or (self.kind == "int" and number != int(number)):
            raise self.refuse(value)
        for bound, sign in ((self.minimum, 1.0), (self.maximum, -1.0)):
            if bound is not None and (sign * (number - bound) < 0 or (self.exclusive and number == bound)):
                raise self.refuse(value)
        return int(value) if self.kind == "int" else number

    def _checked_word(self, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self.refuse(value)
        word = value.replace("-", "_")
        if word in self.choices:
            return word
        if not self.file:
            raise self.refuse(value)
        return value

    def _checked_table(self, value: Any) -> Any:
        if not isinstance(value, dict) or self.table is None:
            return value
        for name in value:
            if name not in _fields(self.table):
                raise InputError(f"{self.name} has no field {name}: {nearest(name, _fields(self.table))}")
        try:
            return self.table(**value)
        except TypeError:
            raise self.refuse(value) from None

    def read(self, given: Any) -> tuple[Any, ...]:
        """Return the values that a person gave: one value, several, or a range in words.

        Words are a number, a comma-separated list, a linear range ``start:stop:count`` or a geometric range
        ``log:start:stop:count``.  The values of a range are rounded to twelve significant digits (to whole
        numbers where the parameter is one), so that ``0.1:4:40`` holds 1 exactly.
        """
        if self.kind == "array" and isinstance(given, str):
            pieces = [piece.strip() for piece in given.split(",")]
            return (self.check([value for piece in pieces for value in self._read_piece(piece, given)]),)
        if self.kind == "array" or given is None:
            return (self.check(given),)
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

    def _read_words(self, words: str) -> list[Any]:
        if self.kind == "str":
            pieces = [piece.strip() for piece in words.split(",")]
            known = all(piece.replace("-", "_") in self.choices for piece in pieces)
            return list(pieces) if known else [words]
        return [value for piece in words.split(",") for value in self._read_piece(piece.strip(), words)]

    def _read_piece(self, piece: str, words: str) -> list[float]:
        fields = piece.split(":")
        geometric = fields[0] == "log"
        numbers = fields[1:] if geometric else fields
        try:
            if not geometric and len(numbers) == 1:
                return [float(numbers[0])]
            start, stop, count = float(numbers[0]), float(numbers[1]), int(numbers[2])
            if len(numbers) != 3:
                raise ValueError
        except (ValueError, IndexError):
            raise InputError(
                f"{self.name} = {words} cannot be read: write {self.allowed}, a list (0.1,0.5,1), "
                "a range (start:stop:count) or a geometric range (log:start:stop:count)"
            ) from None
        if not (math.isfinite(start) and math.isfinite(stop) and start < stop and 2 <= count <= MAX_RANGE):
            raise InputError(
                f"{self.name} = {words} is not a range: it needs start below stop and a count of 2 to {MAX_RANGE}"
            )
        if geometric and start <= 0:
            raise InputError(f"{self.name} = {words} is not a range: a geometric range must start above 0")
        values = np.geomspace(start, stop, count) if geometric else np.linspace(start, stop, count)
        if self.kind == "int":
            return [float(round(v)) for v in values]
        return [float(f"{v:.12g}") for v in values]


def _checked_array(parameter: Parameter, value: Any) -> tuple[float, ...]:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise parameter.refuse(type(value).__name__) from None
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{parameter.name} of shape {array.shape} is not allowed: it must have one axis, not empty")
    wrong = ~np.isfinite(array)
    if parameter.minimum is not None:
        wrong |= array < parameter.minimum
    if wrong.any():
        first = int(np.argmax(wrong))
        least = "" if parameter.minimum is None else f" and at least {parameter.minimum:g}"
        raise InputError(f"{parameter.name}[{first}] = {array[first]:g} is not allowed: it must be finite{least}")
    return tuple(array.tolist())


def _fields(table: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(table)]


def plain(value: Any) -> Any:
    """Return a parameter's value as the numbers, words, lists and tables that TOML and JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(item) for name, item in vars(value).items() if item is not None}
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return [plain(item) for item in value] if isinstance(value, tuple) else value


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
    table: type | None = None,
) -> Any:
    """Declare a field of a system: its symbol, its meaning, and what values are allowed.

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
        The words that are allowed, for a parameter that is a word.
    file
        Whether any other word is taken as the path of a file.
    table
        The frozen dataclass that a table of values is made into; it refuses wrong values by :class:`InputError`.
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
        "table": table,
    }
    return dataclasses.field(default=default, metadata={"parameter": described})


_KINDS: dict[Any, str] = {float: "float", float | None: "float", int: "int", int | None: "int"}


def _kind(field: "dataclasses.Field[Any]") -> str:
    return "str" if field.metadata["parameter"]["choices"] else _KINDS.get(field.type, "array")


@dataclasses.dataclass(frozen=True)
class System:
    """Base of all systems: a frozen dataclass whose fields are the problem's parameters.

    A subclass declares ``name``, ``title``, ``observables``, ``coordinate`` and its fields with :func:`parameter`,
    and defines ``theory_curve()``, ``reduced_curve(rng)`` and ``direct_curve(rng)``, or those of them that exist.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    observables: ClassVar[Mapping[str, Observable]]
    coordinate: ClassVar[str | None] = None
    checks: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Parameters of the points at which ``tsmech check`` compares the answers."""
    check_dimensions: ClassVar[tuple[int, ...]] = ()
    """Dimensions N of the check: direct and reduced meet at the first, all serve the 1/N extrapolation."""

    def __post_init__(self) -> None:
        """Bring each parameter into its own type, or refuse it."""
        for name, declared in self.parameters().items():
            object.__setattr__(self, name, declared.check(getattr(self, name)))

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the declared parameters by name, in order."""
        found = cls.__dict__.get("_parameters")
        if found is None:
            hidden = {field.name for field in dataclasses.fields(cls)} & set(dir(System))
            if hidden:
                raise TypeError(f"{cls.__name__} has parameters named as methods of System: {', '.join(hidden)}")
            found = {
                field.name: Parameter(field.name, _kind(field), **field.metadata["parameter"])
                for field in dataclasses.fields(cls)
            }
            cls._parameters = found  # type: ignore[attr-defined]
        return found

    def values(self) -> dict[str, Any]:
        """Return the parameters' values by name."""
        return {name: getattr(self, name) for name in self.parameters()}

    def identity(self) -> dict[str, Any]:
        """Return the values that differ from their defaults, a file by its contents: what the answers depend on."""
        declared = self.parameters()
        return {
            name: file_identity(value) if declared[name].file and value not in declared[name].choices else plain(value)
            for name, value in self.values().items()
            if value != declared[name].default
        }

    def key(self) -> str:
        """Return a stable hash of the system and its parameters, 32 hexadecimal digits."""
        text = json.dumps([self.name, self.identity()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer, or None where it has it."""
        if hasattr(self, f"{answer}_curve"):
            return None
        return f"{self.name} has no {answer} answer"

    def remark(self) -> str | None:
        """Return what a reader of the answers must know (an approximation that the theory makes), or None."""
        return None

    def steps(self) -> float:
        """Return how many steps a simulation takes: where that is very many, a person is asked first."""
        return 0.0

    def curve(self, answer: str, rng: np.random.Generator | None = None) -> Curve:
        """Return one answer's curve; a simulation draws from ``rng``."""
        reason = self.lacks(answer)
        if reason:
            raise InputError(reason)
        method = getattr(self, f"{answer}_curve")
        result: Curve = method() if answer == "theory" else method(rng)
        return result

    def theory(self) -> "pd.DataFrame":
        """Return the prediction for N → ∞, one row a coordinate value."""
        return self.curve("theory").to_frame()

    def reduced(self, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one draw of the exact reduced simulation at finite N; ``rng`` is a generator or a seed."""
        return self.curve("reduced", np.random.default_rng(rng)).to_frame()

    def direct(self, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one draw of the network itself at finite N; ``rng`` is a generator or a seed."""
        return self.curve("direct", np.random.default_rng(rng)).to_frame()


def file_identity(path: str) -> str:
    """Return what identifies a file's contents, wherever it lies: ``sha256:`` and 16 hexadecimal digits."""
    try:
        state = os.stat(path)
        return _file_digest(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


@functools.lru_cache(maxsize=64)
def _file_digest(path: str, changed: int, size: int) -> str:
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()[:16]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists them all where none is near."""
    options = list(known)
    close = difflib.get_close_matches(word.replace("-", "_"), options, 1, 0.5)
    return f"did you mean {close[0]}?" if close else "known: " + ", ".join(options)
