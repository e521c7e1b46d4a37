"""The contract of every system: declared parameters, observables and coordinates, and answers that are curves."""

import dataclasses
import functools
import hashlib
import inspect
import json
import pickle
import typing
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tsmech.errors import InputError
from tsmech.machine.interruption import interruptible
from tsmech.problem.answers import USUAL, Answer
from tsmech.problem.conventions import Convention
from tsmech.problem.curve import Curve, fault, undefined
from tsmech.problem.declarations import complaints, document, read_parameter
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import Parameter
from tsmech.problem.references import Reference, own_bibtex
from tsmech.problem.remembered import Remembered
from tsmech.problem.written import file_identity, plain, to_json
from tsmech.words import shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Convergence:
    """The parameter along which ``tsmech check`` extrapolates simulations to the prediction.

    Parameters
    ----------
    parameter
        The parameter whose limit the prediction is: the dimension, a width, a step.
    sizes
        Its values, from the cheapest; simulations are compared with each other at the first two.
    power
        A mean is fitted as limit + slope · size ** power: -1 for a dimension, 1 for a step.
    """

    parameter: str
    sizes: tuple[float, ...]
    power: float = -1.0


@dataclass(frozen=True)
class System:
    """Base of all systems: a frozen dataclass whose fields are the problem's parameters.

    A subclass declares ``name``, ``title``, ``observables`` and its fields (with
    :func:`~tsmech.problem.parameters.parameter`), and defines a method ``NAME_curve`` for each of its answers, of
    which a simulation, and a prediction that draws random numbers, takes a generator: ``theory_curve()``,
    ``reduced_curve(rng)``, ``direct_curve(rng)``.  What it declares is checked when the class is made, what its
    answers return when they return.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    observables: ClassVar[Mapping[str, Observable]]
    coordinates: ClassVar[Mapping[str, Coordinate]] = {}
    """What the answers run along: nothing, ``alpha`` or ``time``, ``task`` and ``time``; two at most."""
    answers: ClassVar[Mapping[str, Answer]] = USUAL
    """The answers that there may be, in the order in which they are shown."""
    pictured: ClassVar[tuple[str, ...]] = ()
    """Observables that a picture shows, and a table begins with, where nothing is said; the first two if empty."""
    stated: ClassVar[tuple[str, ...]] = ()
    """Parameters that a picture states even where they have their defaults."""
    dense: ClassVar[tuple[str, ...]] = ()
    """Whole numbers along which predictions are smooth, so that a picture's lines need more of them than the sweep."""
    references: ClassVar[tuple[Reference, ...]] = ()
    conventions: ClassVar[tuple[Convention, ...]] = ()
    """How papers call and scale what the system reports: axes can be shown so."""
    checks: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Parameters of the points at which ``tsmech check`` compares the answers."""
    convergence: ClassVar[Convergence | None] = None
    """How simulations approach the prediction; None where they do not depend on a size."""

    def __init_subclass__(cls, **given: Any) -> None:
        """Check the declarations of a system when its class is made; a mixin of parameters has no name."""
        super().__init_subclass__(**given)
        if "name" not in cls.__dict__:
            return
        for complaint in complaints(cls, System):
            raise TypeError(f"{cls.__name__}: {complaint}")
        document(cls)

    def __post_init__(self) -> None:
        """Convert each parameter to its type, or refuse it."""
        checked = _checked(type(self))  # type: ignore[arg-type]  # mypy takes the class for one of its values
        self.__dict__.update(zip(checked.names, checked.of(self.__dict__), strict=True))

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the declared parameters by name: the system's own, then those of its mixins, in their order."""
        found = cls.__dict__.get("_parameters")
        if found is None:
            hints = typing.get_type_hints(cls)
            fields = {field.name: field for field in dataclasses.fields(cls)}
            ordered = dict.fromkeys(name for base in cls.__mro__ for name in inspect.get_annotations(base))
            found = {name: read_parameter(name, fields[name], hints[name]) for name in ordered if name in fields}
            cls._parameters = found  # type: ignore[attr-defined]
        return found

    @classmethod
    def bibtex(cls) -> str:
        """Return the publications that the system rests on, and tsmech itself, as entries of BibTeX."""
        return "\n\n".join([*(reference.bibtex() for reference in cls.references), own_bibtex()])

    @classmethod
    def running(cls) -> str | None:
        """Return the name of the coordinate that is a number, the last one, or None."""
        numbers = [name for name, coordinate in cls.coordinates.items() if not coordinate.names]
        return numbers[-1] if numbers else None

    def values(self) -> dict[str, Any]:
        """Return the parameters' values by name."""
        return {name: getattr(self, name) for name in self.parameters()}

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the parameters with their symbols, and a small picture of a prediction."""
        from tsmech.problem.display import describe

        return describe(self)

    def identity(self) -> dict[str, Any]:
        """Return the values that differ from their defaults, a file by its contents: what the answers depend on."""
        declared = self.parameters()
        return {
            name: file_identity(str(value)) if declared[name].is_file(value) else plain(value)
            for name, value in self.values().items()
            if value != declared[name].default
        }

    def key(self) -> str:
        """Return a stable hash of the system and its parameters, 32 hexadecimal digits: that of its identity."""
        known: str | None = self.__dict__.get("_key")
        if known is None:
            known = self.__dict__["_key"] = self._hash()
        return known

    def _hash(self) -> str:
        entries = filter(None, _entries(type(self)).of(self.__dict__))  # type: ignore[arg-type]  # as above
        text = f"[{json.dumps(self.name)}, {{{', '.join(entries)}}}]"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer, or None where it has it: by its parameters, on any machine."""
        return None if has(type(self), answer) else f"{self.name} has no {answer} answer"

    def obstacle(self, answer: str) -> str | None:
        """Return why this machine cannot compute an answer that the problem has (memory, a package), or None."""
        return None

    def refusal(self, answer: str) -> str | None:
        """Return why an answer cannot be had here: :meth:`lacks`, or else :meth:`obstacle`; None where it can."""
        return self.lacks(answer) or self.obstacle(answer)

    def remark(self) -> str | None:
        """Return a warning for readers of the answers, such as an approximation of the theory, or None."""
        return None

    def answer_label(self, answer: str) -> str:
        """Return the name of an answer in pictures: its own, unless that would be misleading."""
        return answer

    def poles(self, name: str) -> tuple[float, ...]:
        """Return the values of a parameter at which theory is infinite, the other parameters being this point's."""
        return ()

    def line_points(self) -> int:
        """Return at how many values of a parameter a run computes theory for the lines of its picture, 0 at none."""
        return 0 if self.coordinates else 400

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation; the command line asks before it starts a very long one."""
        return 0.0

    def stream(self, answer: str, seed: int, replicate: int) -> np.random.Generator:
        """Return the random generator of one replicate of an answer.

        Its address is the seed, the hash of the point, the answer and the replicate: nothing that depends on other
        points, on the order of work or on the number of workers.  A prediction has one stream of its own.
        """
        declared = self.answers[answer]
        point = int.from_bytes(hashlib.sha256(self.key().encode()).digest()[:16])
        first, last = (0, 0) if declared.predicts else (seed, replicate)
        address = np.random.SeedSequence(first, spawn_key=(point, declared.stream, last))
        return np.random.Generator(np.random.PCG64(address))

    def curve(self, answer: str, rng: np.random.Generator | int | None = None) -> Curve:
        """Return one answer's curve; a simulation draws from ``rng``, a generator or a seed.

        Its streams are addressed by the seed of a new generator, and by the state of one that has been drawn from.  A
        prediction that is solved by sampling has a stream of its own.

        Raises
        ------
        InputError
            Where this problem has no such answer, or this machine cannot compute it.
        TypeError
            Where the answer returns what the system does not declare.
        ArithmeticError
            Where it returns NaN as an observable that is always defined.
        """
        if reason := self.refusal(answer):
            raise InputError(reason)
        declared = self.answers[answer]
        method = getattr(self, f"{answer}_curve")
        if declared.random:
            generator = self.stream(answer, 0, 0) if declared.predicts else _generator(rng)
            result: Curve = method(generator if _is_new(generator) else _descend(generator))
        else:
            result = method()
        if not isinstance(result, Curve):
            raise TypeError(f"{self.name}: {answer} returned {type(result).__name__}, not a Curve")
        if wrong := fault(result, self.observables, self.coordinates, predicts=declared.predicts):
            raise TypeError(f"{self.name}: {answer} {wrong}")
        if (name := undefined(result, self.observables)) is not None:
            raise ArithmeticError(f"{answer} returned NaN as {name}")
        return result

    @classmethod
    def curves(cls, answer: str, points: Sequence[Self]) -> list[Curve] | None:
        """Return a prediction at many points at once, or None where it must be computed point by point.

        A system whose prediction is cheap may define ``NAME_points(points)`` beside ``NAME_curve()``: it returns the
        observables at all points, arrays of shape (n, ...), with the very numbers of single points, or None.
        """
        method, single, whole = (_owner(cls, name) for name in (f"{answer}_points", f"{answer}_curve", "curve"))
        if method is None or single is None or not issubclass(method, single) or whole is not System:
            return None
        if any(point.refusal(answer) for point in points):
            return None
        found = getattr(cls, f"{answer}_points")(points)
        if found is None or any(len(values) != len(points) for values in found.values()):
            return None
        curves = [Curve({name: values[i : i + 1] for name, values in found.items()}) for i in range(len(points))]
        if fault(curves[0], cls.observables, cls.coordinates, predicts=True):
            return None
        return None if undefined(Curve(found), cls.observables) else curves

    def answer(self, answer: str, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one answer as a table, one row for each value of the coordinate; warn of what ``remark()`` says.

        Of a simulation that is one draw.  ``rng`` is a seed, or a generator: its state decides the draw, which moves it
        on.  Ctrl-C is answered at once, whatever the answer takes.
        """
        known = self.answers.get(answer)
        if known is not None and known.predicts:
            if remark := self.remark():
                warnings.warn(remark, stacklevel=3)
            curve = interruptible(lambda: self.curve(answer))
        else:
            generator = _descend(_generator(rng))
            curve = interruptible(lambda: self.curve(answer, generator))
        return curve.to_frame(self.observables)

    def theory(self) -> "pd.DataFrame":
        """Return the prediction for N → ∞, one row a coordinate value; warn of what ``remark()`` says."""
        return self.answer("theory")

    def reduced(self, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one draw of the exact reduced simulation at finite N, as :meth:`answer`."""
        return self.answer("reduced", rng)

    def direct(self, rng: np.random.Generator | int | None = None) -> "pd.DataFrame":
        """Return one draw of the network itself at finite N, as :meth:`answer`."""
        return self.answer("direct", rng)


def _owner(cls: type, name: str) -> type | None:
    """Return the class that defines an attribute of a class."""
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def _is_flat(value: Any) -> bool:
    """Return whether a list holds values and no lists."""
    return (
        np.ndim(value) == 1 if isinstance(value, np.ndarray) else not any(isinstance(v, (list, tuple)) for v in value)
    )


def _descend(rng: np.random.Generator) -> np.random.Generator:
    """Return a new generator seeded by numbers from another: equal states give equal generators."""
    return np.random.default_rng(rng.integers(2**32, size=8, dtype=np.uint32).tolist())


def _is_new(rng: np.random.Generator) -> bool:
    """Return whether nothing has been drawn from a generator yet."""
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


def has(system: type[System], answer: str) -> bool:
    """Return whether a system defines an answer, though not every problem of it may have it."""
    return answer in system.answers and hasattr(system, f"{answer}_curve")


def predictions(system: type[System]) -> list[str]:
    """Return the names of a system's predictions."""
    return [name for name, answer in system.answers.items() if answer.predicts and has(system, name)]


def simulations(system: type[System]) -> list[str]:
    """Return the names of a system's simulations, the one that is most like the network last."""
    return [name for name, answer in system.answers.items() if not answer.predicts and has(system, name)]


@functools.cache
def _checked(system: Any) -> Remembered:
    """Return what makes each parameter's value one of its type, or refuses it."""
    parameters = system.parameters()

    def check(name: str, value: Any) -> Any:
        declared = parameters[name]
        several = (list, range, np.ndarray) if declared.table else (list, tuple, range, np.ndarray)
        if not declared.single and isinstance(value, several) and _is_flat(value):
            raise InputError(
                f"{name} = {shown(value)} is not allowed: a system has one value; "
                f'tsmech.run("{system.name}", {name}=...) runs along several'
            )
        return declared.check(value)

    return Remembered(parameters, check)


@functools.cache
def _entries(system: Any) -> Remembered:
    """Return what makes each parameter's entry in the key, in the order of names; none where it has its default."""
    parameters = system.parameters()

    def entry(name: str, value: Any) -> str:
        declared = parameters[name]
        if value == declared.default:
            return ""
        written = json.dumps(file_identity(str(value)), sort_keys=True) if declared.is_file(value) else to_json(value)
        return f"{json.dumps(name)}: {written}"

    def stays(name: str, value: Any) -> bool:
        return not parameters[name].is_file(value)  # the contents of a file may change

    return Remembered(sorted(parameters), entry, stays)
