"""What is asked: a system, fixed parameters, axes to sweep, answers, replicates, a seed; and the tasks of work."""

import dataclasses
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import availability
from tsmech.experiment.availability import Lacking
from tsmech.experiment.options import LARGEST_SEED, REPLICATES, read_draws, underscored, whole
from tsmech.experiment.plot import KEYS, read_plot
from tsmech.problem.answers import USUAL
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System
from tsmech.problem.written import plain
from tsmech.systems import find
from tsmech.words import nearest, one_line, printable, shown

MOST_POINTS = 2_000_000
MOST_STEPS = 1e17
"""Most steps of one simulation: about thirty years of a core."""
BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclasses.dataclass(frozen=True)
class Task:
    """The smallest piece of work: one replicate of one answer at one point; theory has the replicate 0 alone."""

    system: System
    answer: str
    replicate: int


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A system, its parameters (one value, or several: an axis), the answers wanted, how often and from which seed.

    :meth:`build` makes one from words and checks all of it; the constructor takes checked values alone.

    Parameters
    ----------
    system
        The system's class.
    parameters
        Tuples of checked values by name; a parameter that is not named has its default.  More than one value
        makes it an axis, and the points are the product of all axes.
    answers
        Which of the system's answers, in its order.
    replicates
        Number of independent draws of each simulation at each point.
    seed
        The one number that all randomness comes from.
    target_error, max_replicates
        Relative standard error of the first plotted observable at which a simulation has draws enough, in the worst
        row of its curve, and the cap on their number; without a target there are just so many ``replicates``.
    name
        Names the run's directory.
    title, source
        What the experiment shows and the publication it speaks to.
    plot
        What a picture of it shows, by the keys of :func:`read_plot`.
    steps
        Steps of its longest simulation, which :meth:`build` finds; None where they are not known.
    lacking
        Which of its answers some of its points lack, and why, as :meth:`build` finds; None where that is not known.
    """

    system: type[System]
    parameters: Mapping[str, tuple[Any, ...]]
    answers: tuple[str, ...] = tuple(USUAL)
    replicates: int = REPLICATES
    seed: int = 0
    target_error: float | None = None
    max_replicates: int | None = None
    name: str = ""
    title: str = ""
    source: str = ""
    plot: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: float | None = dataclasses.field(default=None, compare=False, repr=False)
    lacking: Lacking | None = dataclasses.field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what is of another type than declared; words of title, source and name are made printable."""
        checked = isinstance(self.system, type) and issubclass(self.system, System)
        known = {*self.system.answers} if checked else set()
        for name, fits, allowed in (
            ("system", checked, "a system's class"),
            ("parameters", _are_tuples(self.parameters), "tuples of checked values by name"),
            ("answers", isinstance(self.answers, tuple) and {*self.answers} <= known, "a tuple of answers"),
            ("replicates", type(self.replicates) is int, "a whole number"),
            ("seed", type(self.seed) is int, "a whole number"),
            ("plot", isinstance(self.plot, Mapping), "a table"),
            *((name, isinstance(getattr(self, name), str), "a text") for name in ("name", "title", "source")),
        ):
            if not fits:
                value = shown(getattr(self, name))
                raise InputError(f"{name} = {value} is not {allowed}: Experiment.build makes an experiment from words")
        for name in ("name", "title", "source"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    @classmethod
    def build(
        cls,
        system: str | type[System],
        parameters: Mapping[str, Any],
        *,
        answers: Any = None,
        replicates: Any = REPLICATES,
        seed: Any = 0,
        target_error: Any = None,
        max_replicates: Any = None,
        name: str = "",
        title: str = "",
        source: str = "",
        plot: Mapping[str, Any] | None = None,
    ) -> "Experiment":
        """Return the experiment that options, a file or Python arguments describe; all of it is checked here.

        Parameters
        ----------
        system
            A system's name or class.
        parameters
            For each parameter a value, a list, or words (``0.1:4:40``), by name with hyphens or underscores.
        answers
            Names of answers, a list or separated by commas; None takes all that some point has.  Points that lack one
            that others have go without it.
        replicates, seed
            Whole numbers, at least 1 and at least 0.
        target_error, max_replicates
            The relative standard error to reach by more replicates, and how many there may be; both or neither.
        name, title, source, plot
            As in :class:`Experiment`; the name is the system's where none is given.

        Raises
        ------
        InputError
            Where anything is unknown, missing or not allowed, or where no point has an answer that is named.

        Examples
        --------
        >>> import tsmech
        >>> asked = tsmech.Experiment.build("ridge", {"alpha": "0.5:4:8", "noise": [0.1, 0.5]}, answers="theory")
        >>> asked.size, list(asked.axes)
        (16, ['alpha', 'noise'])
        """
        kind = find(system) if isinstance(system, str) else system
        if not (isinstance(kind, type) and issubclass(kind, System)):
            raise InputError(f"system = {shown(kind)} is not allowed: it must be a system's name or class")
        declared = kind.parameters()
        read: dict[str, tuple[Any, ...]] = {}
        for known, value in underscored(parameters).items():
            if known not in declared:
                raise InputError(f"{kind.name} has no parameter {shown(known)}: {nearest(known, declared)}")
            read[known] = declared[known].read(value)
        for known, parameter in declared.items():
            if known not in read and parameter.required:
                raise InputError(f"{kind.name} needs {known} ({parameter.symbol}): {parameter.help}")
        ordered = {
            known: read.get(known, (parameter.default,))
            for known, parameter in declared.items()
            if known in read or parameter.default is not None
        }
        experiment = cls(
            kind,
            ordered,
            tuple(kind.answers),
            **read_draws(replicates, target_error, max_replicates),
            seed=whole("seed", seed, 0, LARGEST_SEED),
            name=name or kind.name,
            title=title,
            source=source,
        )
        if experiment.size > MOST_POINTS:
            raise InputError(f"{experiment.size} points are too many: a sweep can have {MOST_POINTS}")
        found = availability.look(experiment.points())
        seen = next(experiment.points()).values()
        resolved = {known: ordered.get(known, (seen[known],)) for known in declared if seen[known] is not None}
        experiment = dataclasses.replace(experiment, parameters=resolved)
        chosen = found.choose(answers, list(kind.answers))
        if found.steps > MOST_STEPS and any(not kind.answers[answer].predicts for answer in chosen):
            raise InputError(f"one simulation would take {found.steps:.1g} steps: at most {MOST_STEPS:.0g} can be made")
        lacking = {answer: reasons for answer, reasons in found.lacking.items() if answer in chosen}
        picture = read_plot(plot or {}, kind)
        return dataclasses.replace(experiment, answers=chosen, plot=picture, steps=found.steps, lacking=lacking)

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The parameters that have more than one value."""
        return {name: values for name, values in self.parameters.items() if len(values) > 1}

    @property
    def fixed(self) -> dict[str, Any]:
        """The parameters that have one value."""
        return {name: values[0] for name, values in self.parameters.items() if len(values) == 1}

    def points(self) -> Iterator[System]:
        """Yield the system at each point of the sweep, the last axis running fastest."""
        names = list(self.parameters)
        for values in itertools.product(*self.parameters.values()):
            yield self.system(**dict(zip(names, values, strict=True)))

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(len(values) for values in self.parameters.values())

    def tasks(self, first: int = 0, every: int = 1) -> Iterator[Task]:
        """Yield the tasks of work, point by point, or every so many-th from the ``first`` on.

        What a point lacks is no task but has its place in the count, so that a share does not depend on it.
        """
        for number, point in enumerate(self.points()):
            yield from self.tasks_at(point, first - number * self.tasks_a_point, every)

    def tasks_at(self, point: System, first: int = 0, every: int = 1) -> Iterator[Task]:
        """Yield the tasks of one point, as :meth:`tasks`."""
        for answer in self.answers:
            draws = self.draws(answer)
            if self.has(point, answer):
                for replicate in range(first % every, draws, every):
                    yield Task(point, answer, replicate)
            first -= draws

    def has(self, point: System, answer: str) -> bool:
        """Return whether a point of the sweep has one of its answers."""
        return not self.may_lack(answer) or point.lacks(answer) is None

    def may_lack(self, answer: str) -> bool:
        """Return whether some point may lack one of its answers."""
        return self.lacking is None or answer in self.lacking

    def absences(self) -> list[str]:
        """Return in words which of its answers some points lack, at how many and why."""
        lacking = self.absent_answers()
        return [availability.words(name, self.size, lacking[name]) for name in self.answers if name in lacking]

    def points_with(self, answer: str) -> int:
        """Return how many points have one of its answers."""
        return self.size - sum(self.absent_answers().get(answer, {}).values())

    def absent_answers(self) -> Lacking:
        """Return which of its answers some points lack, and why; where that is not known all points are asked."""
        if self.lacking is not None:
            return self.lacking
        found = availability.look(self.points()).lacking
        return {answer: found[answer] for answer in self.answers if answer in found}

    def simulates(self, answer: str) -> bool:
        """Return whether an answer is a simulation, of which there are several draws."""
        return not self.system.answers[answer].predicts

    def draws(self, answer: str) -> int:
        """Return how many curves of an answer are asked for at each point that has it."""
        return self.replicates if self.simulates(answer) else 1

    @property
    def tasks_a_point(self) -> int:
        """Number of tasks of a point that has all answers."""
        return sum(map(self.draws, self.answers))

    @property
    def judged(self) -> str:
        """The observable whose error is judged against the target: the first that is plotted."""
        plotted = self.plot.get("y", [])
        named = [self.plot.get("value"), *(plotted if isinstance(plotted, list) else [plotted])]
        seen = self.system.observables
        wanted = [observable_of(str(name)) for name in [*named, self.plot.get("matrix")]]
        return next(name for name in [*wanted, *self.system.pictured, *seen] if name in seen)

    def remarks(self) -> list[str]:
        """Return what a reader of the answers must know, such as an approximation that the theory makes."""
        if self.system.remark is System.remark:
            return []
        found = dict.fromkeys(point.remark() for point in self.points())
        return [*dict.fromkeys(part for remark in found if remark for part in remark.split("; "))]

    def identity(self) -> dict[str, list[Any]]:
        """Return the identity of a run directory: system, seed, and each parameter's values as the answers see them.

        A parameter with one value is taken from a point, which knows what its default resolves to; a file is
        identified by its contents.  Words that are not given and switches that are off are left out.
        """
        point = next(self.points())
        seen, values = point.identity(), point.values()
        declared = self.system.parameters()
        optional = {
            name for name in values if declared[name].kinds in (("word",), ("bool",)) and not declared[name].choices
        }
        values = {name: value for name, value in values.items() if value or name in self.axes or name not in optional}
        identity = {name: plain(self.axes.get(name, ())) or [seen.get(name, plain(values[name]))] for name in values}
        return {"system": [self.system.name], "seed": [self.seed], **identity}

    def digest(self) -> str:
        """Return a short hash of the experiment: eight hexadecimal digits."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def describe(self) -> dict[str, Any]:
        """Return the resolved experiment as plain numbers, words, lists and tables: what its TOML file would hold."""
        described: dict[str, Any] = {"title": self.title, "source": self.source, "system": self.system.name}
        described |= {"answers": list(self.answers), "replicates": self.replicates, "seed": self.seed}
        if self.target_error is not None:
            described |= {"target_error": self.target_error, "max_replicates": self.max_replicates}
        described["parameters"] = {
            name: plain(values) if len(values) > 1 else plain(values[0]) for name, values in self.parameters.items()
        }
        described["plot"] = dict(self.plot)
        return {key: value for key, value in described.items() if value not in ("", {})}

    def to_toml(self) -> str:
        """Return the resolved experiment as a TOML file would say it."""
        described = self.describe()
        tables = {key: described.pop(key) for key in ("parameters", "plot") if key in described}
        lines = [f"{key} = {_toml(value)}" for key, value in described.items()]
        for name, table in tables.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines)

    def joined(self, other: "Experiment") -> "Experiment":
        """Return the union of both experiments; title, source and plot are the other's.

        Which answers its points lack is taken from those of the two that have all of them, or else looked at anew.
        """
        parameters = {}
        for name in {**self.parameters, **other.parameters}:
            mine, others = self.parameters.get(name, ()), other.parameters.get(name, ())
            # One value on both sides is the same one, though a file may be named in two ways.
            single = len(mine) == len(others) == 1
            parameters[name] = others if single else tuple(sorted({*mine, *others}, key=in_order))
        answers = tuple(answer for answer in self.system.answers if answer in {*self.answers, *other.answers})
        replicates = max(self.replicates, other.replicates)
        size = math.prod(map(len, parameters.values()))
        seen = [one for one in (self, other) if one.lacking is not None and one.size == size]
        joined = dataclasses.replace(other, parameters=parameters, answers=answers, replicates=replicates)
        joined = dataclasses.replace(joined, steps=None, lacking=None)
        known = {*answers} <= {answer for one in seen for answer in one.answers}
        lacking = {k: v for one in seen for k, v in one.absent_answers().items()} if known else joined.absent_answers()
        return dataclasses.replace(joined, lacking=lacking)


build = Experiment.build


def restore(described: Mapping[str, Any], system: type[System] | None = None) -> Experiment:
    """Return the experiment that :meth:`Experiment.describe` described, without the files that it names.

    Its ``system`` is looked up by its name where it is not given.

    Raises
    ------
    InputError
        Where it names something that is not known here, or not allowed, as that of another version may.
    """
    table = dict(described)
    name = table.pop("system")
    kind = find(name) if system is None else system
    declared, fields = kind.parameters(), [field.name for field in dataclasses.fields(Experiment)]
    given, answers = table.pop("parameters"), tuple(table.pop("answers"))
    for who, what, names, known in (
        ("an experiment", "key", table, fields),
        (name, "parameter", given, declared),
        (name, "answer", answers, kind.answers),
        ("plot", "key", table.get("plot", ()), KEYS),
    ):
        if unknown := [one for one in names if one not in known]:
            raise InputError(f"{who} has no {what} {shown(unknown[0])}")
    return Experiment(kind, {known: declared[known].read(value) for known, value in given.items()}, answers, **table)


def _are_tuples(parameters: Any) -> bool:
    return isinstance(parameters, Mapping) and all(type(values) is tuple for values in parameters.values())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return printable(json.dumps(value, ensure_ascii=False))


def _toml_key(key: str) -> str:
    """Return a key as TOML has it: in quotes where it is not of letters, digits, hyphens and underscores alone."""
    return key if BARE.fullmatch(key) else _toml(key)


def in_order(value: Any) -> Any:
    """Return what sorts the values of an axis: numbers by size, then words, then tables by what they hold."""
    if isinstance(value, (bool, int, float)):
        return (0, value, "")
    return (1, 0, value) if isinstance(value, str) else (2, 0, repr(value))
