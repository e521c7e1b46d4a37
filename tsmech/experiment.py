"""What is asked: a system, fixed parameters, axes to sweep, answers, replicates, a seed; and the units of work."""

import dataclasses
import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tsmech.errors import InputError
from tsmech.systems import find
from tsmech.systems.contract import ANSWERS, SIMULATIONS, Parameter, System, nearest, plain

REPLICATES = 20


@dataclasses.dataclass(frozen=True)
class Unit:
    """The smallest piece of work: one replicate of one answer at one point; theory has the replicate 0 alone."""

    system: System
    answer: str
    replicate: int


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A system, its parameters (one value, or several: an axis), the answers wanted, how often and from which seed.

    Parameters
    ----------
    system
        The system's class.
    parameters
        Tuples of checked values by name; a parameter that is not named has its default.  More than one value
        makes it an axis, and the points are the product of all axes.
    answers
        Which of ``theory``, ``reduced`` and ``direct``, in this order.
    replicates
        Number of independent draws of each simulation at each point.
    seed
        The one number that all randomness comes from.
    name
        Names the run's directory.
    title, source
        What the experiment shows and the publication it speaks to.
    plot
        What a picture of it shows: ``x``, ``y`` (a list of observables), ``by``.
    """

    system: type[System]
    parameters: Mapping[str, tuple[Any, ...]]
    answers: tuple[str, ...] = ANSWERS
    replicates: int = REPLICATES
    seed: int = 0
    name: str = ""
    title: str = ""
    source: str = ""
    plot: Mapping[str, Any] = dataclasses.field(default_factory=dict)

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

    def units(self) -> Iterator[Unit]:
        """Yield all units of work, point by point."""
        for point in self.points():
            for answer in self.answers:
                for replicate in range(self.replicates if answer in SIMULATIONS else 1):
                    yield Unit(point, answer, replicate)

    def identity(self) -> dict[str, Any]:
        """Return what must not change within one run directory: all but axes' values, answers and replicates."""
        point = next(self.points()).identity()
        return {
            "system": self.system.name,
            "seed": self.seed,
            **{name: "an axis" if name in self.axes else point.get(name) for name in self.parameters},
        }

    def digest(self) -> str:
        """Return a short hash of the experiment: eight hexadecimal digits."""
        text = json.dumps([self.identity(), self.describe()["parameters"]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def describe(self) -> dict[str, Any]:
        """Return the resolved experiment as plain numbers, words, lists and tables: what its TOML file would hold."""
        described: dict[str, Any] = {"title": self.title, "source": self.source, "system": self.system.name}
        described |= {"answers": list(self.answers), "replicates": self.replicates, "seed": self.seed}
        described["parameters"] = {
            name: plain(values) if len(values) > 1 else plain(values[0]) for name, values in self.parameters.items()
        }
        described["plot"] = dict(self.plot)
        return {key: value for key, value in described.items() if value not in ("", {})}

    def joined(self, other: "Experiment") -> "Experiment":
        """Return the experiment that asks for what either asks for; the other's words and plot prevail."""
        parameters = {
            name: tuple(sorted({*self.parameters[name], *values})) if len(values) > 1 else values
            for name, values in other.parameters.items()
        }
        answers = tuple(answer for answer in ANSWERS if answer in {*self.answers, *other.answers})
        replicates = max(self.replicates, other.replicates)
        return dataclasses.replace(other, parameters=parameters, answers=answers, replicates=replicates)


def build(
    system: str | type[System],
    parameters: Mapping[str, Any],
    *,
    answers: Any = None,
    replicates: Any = REPLICATES,
    seed: Any = 0,
    name: str = "",
    title: str = "",
    source: str = "",
    plot: Mapping[str, Any] | None = None,
) -> Experiment:
    """Return the experiment that options, a file or Python arguments describe; all of it is checked here.

    Parameters
    ----------
    system
        A system's name or class.
    parameters
        For each parameter a value, a list, or words (``0.1:4:40``), by name with hyphens or underscores.
    answers
        Names of answers, a list or separated by commas; None takes all that the problem has.
    replicates, seed
        Whole numbers, at least 1 and at least 0.

    Raises
    ------
    InputError
        Where anything is unknown, missing or not allowed.
    """
    kind = find(system) if isinstance(system, str) else system
    declared = kind.parameters()
    read: dict[str, tuple[Any, ...]] = {}
    for given, value in parameters.items():
        known = given.replace("-", "_")
        if known not in declared:
            raise InputError(f"{kind.name} has no parameter {given}: {nearest(given, declared)}")
        read[known] = declared[known].read(value)
    for known, parameter in declared.items():
        if known not in read and parameter.required:
            raise InputError(f"{kind.name} needs {known} ({parameter.symbol}): {parameter.help}")
    ordered = {
        known: read.get(known, (parameter.default,))
        for known, parameter in declared.items()
        if known in read or parameter.default is not None
    }
    experiment = Experiment(
        kind,
        ordered,
        replicates=whole("replicates", replicates, 1),
        seed=whole("seed", seed, 0),
        name=name or kind.name,
        title=title,
        source=source,
    )
    lacking = _check_points(experiment, answers)
    chosen = _read_answers(answers, lacking)
    return dataclasses.replace(experiment, answers=chosen, plot=_read_plot(plot or {}, experiment))


def restore(described: Mapping[str, Any]) -> Experiment:
    """Return the experiment that :meth:`Experiment.describe` described, without the files that it names."""
    table = dict(described)
    kind = find(table.pop("system"))
    declared = kind.parameters()
    parameters = {name: declared[name].read(value) for name, value in table.pop("parameters").items()}
    return Experiment(kind, parameters, tuple(table.pop("answers")), **table)


def from_file(path: str | Path, overrides: Mapping[str, Any] | None = None, **options: Any) -> Experiment:
    """Return the experiment that a TOML file describes, with some parameters and options replaced."""
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from None
    known = ("title", "source", "system", "answers", "replicates", "seed", "parameters", "plot")
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{path} has an unknown key {key}: {nearest(key, known)}")
        if (key in ("parameters", "plot")) != isinstance(value, dict):
            raise InputError(f"{path}: {key} must {'' if key in ('parameters', 'plot') else 'not '}be a table")
    if not isinstance(table.get("system"), str):
        raise InputError(f'{path} must name its system: system = "ridge", say')
    table |= {key: value for key, value in options.items() if value is not None}
    parameters = {key.replace("-", "_"): value for key, value in table.pop("parameters", {}).items()}
    parameters |= {key.replace("-", "_"): value for key, value in (overrides or {}).items()}
    _locate_files(find(table["system"]).parameters(), parameters, path.parent)
    return build(table.pop("system"), parameters, name=path.stem, **table)


def find_file(name: str) -> Path | None:
    """Return the TOML file of an experiment: a path, or the name of one of the experiments that come along."""
    if name.endswith(".toml"):
        return Path(name)
    return experiments().get(name.replace("-", "_"))


def experiments() -> dict[str, Path]:
    """Return the experiments that come along (``sims/``), by name."""
    package = Path(__file__).parent
    for folder in (package / "experiments", package.parent / "sims"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}


def _locate_files(declared: Mapping[str, Parameter], parameters: dict[str, Any], folder: Path) -> None:
    """Take a file that an experiment names as lying beside the experiment's own file, where it is there."""
    for name, value in parameters.items():
        if name in declared and declared[name].file and isinstance(value, str) and (folder / value).is_file():
            parameters[name] = str(folder / value)


def _check_points(experiment: Experiment, answers: Any) -> dict[str, str]:
    """Build each point, so that a parameter that another forbids is refused now; return the answers that lack."""
    lacking: dict[str, str] = {}
    for point in experiment.points():
        for answer in ANSWERS:
            reason = point.lacks(answer)
            if reason:
                lacking[answer] = reason
    return lacking


def _read_answers(given: Any, lacking: Mapping[str, str]) -> tuple[str, ...]:
    if given is None:
        return tuple(answer for answer in ANSWERS if answer not in lacking)
    names = [piece.strip() for piece in given.split(",")] if isinstance(given, str) else list(given)
    for name in names:
        if name not in ANSWERS:
            raise InputError(f"answer {name} is unknown: {nearest(str(name), ANSWERS)}")
        if name in lacking:
            raise InputError(lacking[name])
    if not names:
        raise InputError("answers is empty: name at least one of " + ", ".join(ANSWERS))
    return tuple(answer for answer in ANSWERS if answer in names)


def _read_plot(given: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    observables, system = experiment.system.observables, experiment.system
    coordinates = [*experiment.parameters, *([system.coordinate] if system.coordinate else [])]
    allowed = {"x": coordinates, "y": list(observables), "by": list(experiment.parameters)}
    plot: dict[str, Any] = {}
    for key, value in given.items():
        if key not in allowed:
            raise InputError(f"plot has no key {key}: {nearest(key, allowed)}")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not names or (key != "y" and len(names) > 1):
            raise InputError(f"plot {key} = {value!r} is not allowed: it must be a name")
        for name in names:
            if str(name).replace("-", "_") not in allowed[key]:
                raise InputError(f"plot {key} = {name} is unknown: {nearest(str(name), allowed[key])}")
        plain = [str(name).replace("-", "_") for name in names]
        plot[key] = plain if key == "y" else plain[0]
    return plot


def whole(name: str, value: Any, least: int) -> int:
    """Return an option that is a whole number, given as a number or in words, or refuse it."""
    number = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise InputError(f"{name} = {value} is not allowed: it must be a whole number of at least {least}")
    return number
