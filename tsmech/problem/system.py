"""The contract that every system keeps: declared parameters, observables, up to three answers that are curves."""

import dataclasses
import hashlib
import inspect
import json
import pickle
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.parameters import Parameter, file_identity, plain
from tsmech.words import shown

if TYPE_CHECKING:
    import pandas as pd

ANSWERS = ("theory", "reduced", "direct")
SIMULATIONS = ("reduced", "direct")


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
    """A quantity that answers report: its symbol and its name in words, for tables and axis labels.

    A ``summary`` is one number of a whole curve, repeated in each of its rows.
    """

    symbol: str
    label: str
    summary: bool = False


_KINDS: dict[Any, str] = {float: "float", float | None: "float", int: "int", int | None: "int"}
_KINDS |= {bool: "bool", str | None: "str"}


def _declared(name: str, annotation: Any, field: "dataclasses.Field[Any]") -> Parameter:
    described = field.metadata["parameter"]
    return Parameter(name, "str" if described["choices"] else _KINDS.get(annotation, "array"), **described)


@dataclasses.dataclass(frozen=True)
class System:
    """Base of all systems: a frozen dataclass whose fields are the problem's parameters.

    A subclass declares ``name``, ``title``, ``observables``, ``coordinate`` and its fields (with
    :func:`~tsmech.problem.parameters.parameter`), and defines ``theory_curve()``, ``reduced_curve(rng)`` and
    ``direct_curve(rng)``, or those of them that exist.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    observables: ClassVar[Mapping[str, Observable]]
    pictured: ClassVar[tuple[str, ...]] = ()
    """Observables that a picture shows, and a table begins with, where nothing is said; the first two if empty."""
    stated: ClassVar[tuple[str, ...]] = ()
    """Parameters that a picture states even where they have their defaults."""
    coordinate: ClassVar[str | None] = None
    """What the answers run along, ``alpha`` or ``time``, if anything; and what it is in words, for axis labels."""
    coordinate_words: ClassVar[str] = ""
    checks: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Parameters of the points at which ``tsmech check`` compares the answers."""
    check_dimensions: ClassVar[tuple[int, ...]] = ()
    """Dimensions N of the check: direct and reduced meet at the first two, all serve the 1/N extrapolation."""

    def __init_subclass__(cls, **more: Any) -> None:
        """Add the declared parameters to the docstring, in the place that they have there."""
        super().__init_subclass__(**more)
        found: dict[str, tuple[Any, Any]] = {}
        for kind in reversed(cls.__mro__):  # the fields of bases, then those of the class, which is no dataclass yet
            ready = kind.__dict__.get("__dataclass_fields__", {})
            found |= {name: (field.type, field) for name, field in ready.items()}
        found |= {name: (words, cls.__dict__.get(name)) for name, words in inspect.get_annotations(cls).items()}
        described = [
            _declared(name, annotation, field).describe()
            for name, (annotation, field) in found.items()
            if isinstance(field, dataclasses.Field) and "parameter" in field.metadata
        ]
        if described and cls.__dict__.get("__doc__"):
            words = inspect.cleandoc(str(cls.__doc__))
            section = "\n".join(["Parameters", "----------", *described])
            after = re.search(r"^\w+\n-+$", words, re.MULTILINE)
            parts = (words[: after.start()], section, words[after.start() :]) if after else (words, section)
            cls.__doc__ = "\n\n".join(part.strip() for part in parts) + "\n"

    def __post_init__(self) -> None:
        """Bring each parameter into its own type, or refuse it."""
        for name, declared in self.parameters().items():
            value = getattr(self, name)
            if declared.numeric and isinstance(value, (list, tuple, range, np.ndarray)) and np.ndim(value) == 1:
                raise InputError(
                    f"{name} = {shown(value)} is not allowed: a system has one value; "
                    f'tsmech.run("{self.name}", {name}=...) runs along several'
                )
            object.__setattr__(self, name, declared.check(value))

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the declared parameters by name, in order."""
        found = cls.__dict__.get("_parameters")
        if found is None:
            hidden = {field.name for field in dataclasses.fields(cls)} & set(dir(System))
            if hidden:
                raise TypeError(f"{cls.__name__} has parameters named as methods of System: {', '.join(hidden)}")
            found = {field.name: _declared(field.name, field.type, field) for field in dataclasses.fields(cls)}
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

    def answer_label(self, answer: str) -> str:
        """Return what a picture calls an answer: its name, unless a reader would take it for more than it is."""
        return answer

    def poles(self, name: str) -> tuple[float, ...]:
        """Return the values of a parameter at which theory is infinite, the other parameters being this point's."""
        return ()

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory between the stored ones."""
        return 400 if self.coordinate is None else 0

    def steps(self) -> float:
        """Return how many steps a simulation takes: where that is very many, a person is asked first."""
        return 0.0

    def curve(self, answer: str, rng: np.random.Generator | int | None = None) -> Curve:
        """Return one answer's curve; a simulation draws from ``rng``, a generator or a seed.

        Its streams are addressed by the seed of a new generator, and by the state of one that has been drawn from.
        """
        reason = self.lacks(answer)
        if reason:
            raise InputError(reason)
        method = getattr(self, f"{answer}_curve")
        if answer == "theory":
            result: Curve = method()
            return result
        generator = _generator(rng)
        result = method(generator if _is_new(generator) else _descend(generator))
        return result

    def theory(self) -> "pd.DataFrame":
        """Return the prediction for N → ∞, one row a coordinate value; warn of what :meth:`remark` says."""
        remark = self.remark()
        if remark:
            warnings.warn(remark, stacklevel=2)
        return self.curve("theory").to_frame()

    def reduced(self, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one draw of the exact reduced simulation at finite N.

        ``rng`` is a seed, or a generator: its state decides the draw, which moves it on.
        """
        return self.curve("reduced", _descend(_generator(rng))).to_frame()

    def direct(self, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one draw of the network itself at finite N.

        ``rng`` is a seed, or a generator: its state decides the draw, which moves it on.
        """
        return self.curve("direct", _descend(_generator(rng))).to_frame()


def _descend(rng: np.random.Generator) -> np.random.Generator:
    """Return a new generator that the numbers of another decide: the same state has the same descendant."""
    return np.random.default_rng(rng.integers(2**32, size=8, dtype=np.uint32).tolist())


def _is_new(rng: np.random.Generator) -> bool:
    """Return whether a generator is as its seed made it."""
    bits = rng.bit_generator
    if not isinstance(bits.seed_seq, np.random.SeedSequence):
        return False
    return pickle.dumps(bits.state) == pickle.dumps(type(bits)(bits.seed_seq).state)


def _generator(rng: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        allowed = "a numpy.random.Generator, a whole number of at least 0, or None"
        raise InputError(f"rng = {shown(repr(rng))} is not allowed: it must be {allowed}") from None
