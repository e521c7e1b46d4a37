"""Two-sample tests at equal N, and the limit of simulations for N → ∞ beside the theory, for a whole system."""

import contextlib
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.compare.statistics import (
    ALIKE,
    ROUNDING,
    Alike,
    Events,
    Extrapolation,
    extrapolate,
    extrapolate_exact,
    same_law,
)
from tsmech.engine import drive
from tsmech.engine.executors import Pool
from tsmech.engine.place import needs_script, open_pool, place
from tsmech.errors import IncompleteError
from tsmech.experiment import Task
from tsmech.problem.curve import Curve
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System, predictions, simulations

REPLICATES = 200
SHORT_REPLICATES, STRICT_REPLICATES = 50, 2000
LIMIT = " -> "
"""Separator between simulation and prediction in the name of an extrapolation."""
MEETINGS = 2
"""Number of sizes, from the smallest, at which simulations are compared; larger ones need fewer draws."""
DENSE = 4
"""Number of sizes, from the smallest, used for extrapolation where there is one simulation only."""
FALSE_ALARM = 1e-3
"""Probability that a check reports a disagreement of answers that agree, over all its tests together."""


class Sample(NamedTuple):
    """The draws of one answer at one point, or its prediction."""

    columns: dict[str, NDArray[np.float64]]
    """By column arrays of shape (replicates, rows)."""
    errors: dict[str, NDArray[np.float64]]
    """Standard errors of a prediction by column, shape (rows,)."""
    words: list[str]
    """Where each row is: the values of the coordinates."""


Samples = dict[tuple[System, str], Sample]


class Verdict(NamedTuple):
    """The outcome of one test: what was compared, at which coordinate, the statistic, whether the answers agree."""

    system: str
    point: str
    observable: str
    at: str
    comparison: str
    statistic: str
    p_value: float
    agrees: bool


def check(
    system: type[System],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    workers: int | None = 1,
    report: Callable[[int, int, str], None] = lambda done, total, remark: None,
) -> list[Verdict]:
    """Compare a system's answers at the points that it declares.

    At the two smallest sizes of the system's ``convergence`` the simulations must have the same law.  The cheaper one
    (reduced, or direct where there is no other) is extrapolated over all sizes and compared with each prediction of the
    limit.  A prediction that is exact at every size is compared with it there, without extrapolation.

    Parameters
    ----------
    system
        The system's class.
    replicates
        Draws of each simulation at each point and small dimension; the larger ones have a quarter, at least 50.
    workers
        Worker processes, as of :func:`tsmech.runs.run`; None takes as many as there are cores.
    report
        Called with the number of finished and of all tasks, and with what is waited for, in words.

    Returns
    -------
    list of Verdict
        One verdict for each point, comparison and observable.

    Notes
    -----
    The level of each test is :data:`~tsmech.compare.checking.FALSE_ALARM` over the number of tests (Bonferroni).
    """
    tasks = list(_tasks(system, replicates))
    made_of = system, system.checks
    count, executor = place(made_of, simulated=True, workers=workers)
    with open_pool(workers=count, executor=executor, script=bool(needs_script(made_of))) as pool:
        samples = _collect(pool, tasks, seed, report)
    verdicts = [verdict for parameters in system.checks for verdict in _judge(system, parameters, samples)]
    level = FALSE_ALARM / max(len(verdicts), 1)
    return [verdict._replace(agrees=verdict.p_value >= level) for verdict in verdicts]


def summarise(verdicts: Iterable[Verdict]) -> list[dict[str, str]]:
    """Return one row for each system and observable: the number of tests of each comparison and the least p-value.

    The entries of a matrix are one observable.
    """
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.system, observable_of(verdict.observable)].append(verdict)
    rows = []
    for (system, observable), members in groups.items():
        limit = [verdict.p_value for verdict in members if LIMIT in verdict.comparison]
        law = [verdict.p_value for verdict in members if LIMIT not in verdict.comparison]
        agree = all(verdict.agrees for verdict in members)
        rows.append(
            {
                "system": system,
                "observable": observable,
                "at equal size": _least(law),
                "in the limit": _least(limit),
                "agrees": "yes" if agree else "NO",
            }
        )
    return rows


def _least(p_values: Sequence[float]) -> str:
    return f"{len(p_values)} tests, p >= {min(p_values):.1g}" if p_values else "no such pair"


def _points(system: type[System], parameters: Mapping[str, Any]) -> list[System]:
    """Return the problem at each size of the check, or the single problem of a system without a size."""
    if system.convergence is None:
        return [system(**parameters)]
    name, sizes = system.convergence.parameter, system.convergence.sizes
    points = [system(**{**parameters, name: size}) for size in sizes]
    return points if len(_simulations(points[0])) > 1 else points[:DENSE]


def _simulations(point: System) -> list[str]:
    """Return the simulations that a point has, the cheap one first."""
    return [answer for answer in simulations(type(point)) if point.refusal(answer) is None]


def _predictions(point: System) -> list[str]:
    return [answer for answer in predictions(type(point)) if point.refusal(answer) is None]


def _tasks(system: type[System], replicates: int) -> Iterator[Task]:
    for parameters in system.checks:
        points = _points(system, parameters)
        for position, point in enumerate(points):
            meeting = position < MEETINGS
            for answer in _predictions(point):
                if position == 0 or (meeting and system.answers[answer].exact):
                    yield Task(point, answer, 0)
            draws = replicates if meeting else max(replicates // 4, 50)
            for answer in _simulations(point)[: None if meeting else 1]:
                yield from (Task(point, answer, replicate) for replicate in range(draws))


def _collect(pool: Pool, tasks: Sequence[Task], seed: int, report: Callable[[int, int, str], None]) -> Samples:
    found: dict[tuple[System, str], dict[int, Curve]] = defaultdict(dict)
    done, total = 0, len(tasks)
    driven = drive(pool, tasks, seed, lambda words: report(done, total, words))
    with contextlib.closing(driven) as batches:
        for outcomes in batches:
            done += len(outcomes)
            report(done, total, pool.remark)
            for outcome in outcomes:
                if outcome.curve is None:
                    raise IncompleteError(f"the check could not be made: {outcome.error}")
                found[outcome.task.system, outcome.task.answer][outcome.task.replicate] = outcome.curve
    return {address: _sample([curves[replicate] for replicate in sorted(curves)], address[0])
            for address, curves in found.items()}  # fmt: skip


def _sample(curves: Sequence[Curve], system: System) -> Sample:
    """Return the draws of each column that is not a summary, with their coordinates: all curves have the same rows."""
    draws: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    errors: dict[str, NDArray[np.float64]] = {}
    for curve in curves:
        for column, observable, values in curve.columns(system.observables):
            if observable in curve.summaries:
                continue
            if column.endswith("_sem") and observable in curve.errors:
                errors[column.removesuffix("_sem")] = values
            else:
                draws[column].append(values)
    columns = {column: np.stack(values) for column, values in draws.items()}
    coordinates = curves[0].coordinates
    words = [
        ", ".join(
            (value if isinstance(value, str) else f"{value:.4g}") if len(place) == 1 else f"{name} = {value}"
            for name, value in zip(coordinates, place, strict=True)
        )
        for place in zip(*coordinates.values(), strict=True)
    ]
    return Sample(columns, errors, words or [""])


def _judge(system: type[System], parameters: Mapping[str, Any], samples: Samples) -> Iterator[Verdict]:
    points = _points(system, parameters)
    names, predicted = _simulations(points[0]), _predictions(points[0])
    reference = samples[points[0], (predicted or names)[0]]
    scale = max(float(np.abs(values).max()) for values in reference.columns.values())
    words = ", ".join(f"{name} = {v}" for name, v in parameters.items() if isinstance(v, (int, float, str)))
    grown = [samples[point, names[0]] for point in points] if names else []
    shared = [samples[points[0], name].columns for name in (*predicted, *names)]
    for column in (column for column in reference.columns if all(column in columns for columns in shared)):
        for row in _rows(len(reference.words)):
            told = (system.name, words, column, reference.words[row])
            entry = Entry(column, row, scale, system.observables[observable_of(column)].bounds)
            for point in points[:MEETINGS]:
                at = _size(point)
                for first, second in itertools.pairwise(names):
                    pair = [_rounded(samples[point, name].columns[column][:, row], scale) for name in (first, second)]
                    p_value = same_law(pair[0], pair[1], scale)
                    yield Verdict(*told, f"{second} = {first}", f"{at}p = {p_value:.2g}", p_value, True)
            for name in predicted if names else ():
                if not system.answers[name].exact and system.convergence is not None:
                    limit = _limit(grown, entry, points)
                    told_by = samples[points[0], name], entry
                    yield _distance(told, f"{names[0]} -> {name}", limit, entry.alike(grown), *told_by)
                    continue
                for point in points[:MEETINGS]:
                    sample = samples[point, names[0]]
                    draws = entry.events(sample) or entry.alike([sample])
                    told_by = samples[point, name], entry
                    verdict = _distance(told, f"{names[0]} = {name}", _mean(sample, entry), draws, *told_by)
                    yield verdict._replace(statistic=f"{_size(point)}{verdict.statistic}")


def _size(point: System) -> str:
    """Return a point's size in words, such as ``N = 50, ``."""
    if point.convergence is None:
        return ""
    name = point.convergence.parameter
    return f"{point.parameters()[name].symbol} = {getattr(point, name)}, "


class Entry(NamedTuple):
    """One number of a sample's rows: where it is, what is zero beside it, and which values it can have."""

    column: str
    row: int
    scale: float
    bounds: tuple[float, float] | None

    def of(self, sample: Sample) -> NDArray[np.float64]:
        """Return its draws, shape (replicates,)."""
        return _rounded(sample.columns[self.column][:, self.row], self.scale)

    def alike(self, samples: Sequence[Sample]) -> Alike | None:
        """Return what the draws are if all of them are alike and they have bounds; the last sample is counted."""
        draws = [self.of(sample) for sample in samples]
        if self.bounds is None or np.ptp(np.concatenate(draws)) > ALIKE * (self.bounds[1] - self.bounds[0]):
            return None
        return Alike(float(draws[-1].mean()), len(draws[-1]), self.bounds)

    def events(self, sample: Sample) -> Events | None:
        """Return what the draws are if each is at a bound."""
        draws = self.of(sample)
        if self.bounds is None or not np.isin(draws, self.bounds).all():
            return None
        return Events(int((draws == self.bounds[1]).sum()), len(draws), self.bounds)


def _mean(sample: Sample, entry: Entry) -> Extrapolation:
    values = entry.of(sample)
    return Extrapolation(float(values.mean()), _standard_error(values, entry))


def _limit(grown: Sequence[Sample], entry: Entry, points: Sequence[System]) -> Extrapolation:
    """Return the limit of the means of one entry over the sizes of the check."""
    means = [_mean(sample, entry) for sample in grown]
    convergence = points[0].convergence
    assert convergence is not None
    small = np.array(convergence.sizes[: len(points)], dtype=float) ** convergence.power
    values, errors = (np.array(part) for part in zip(*means, strict=True))
    if all(np.ptp(entry.of(sample)) <= ALIKE * entry.scale for sample in grown):
        return extrapolate_exact(small, values, entry.scale)
    return extrapolate(1.0 / small, values, errors)


def _distance(
    told: tuple[str, str, str, str],
    comparison: str,
    found: Extrapolation,
    draws: Alike | Events | None,
    prediction: Sample,
    entry: Entry,
) -> Verdict:
    """Return the verdict on a mean, or a limit of means, and a prediction."""
    column, row = entry.column, entry.row
    error = float(prediction.errors[column][row]) if column in prediction.errors else 0.0
    expected = float(prediction.columns[column][0, row])
    z = (found.value - expected) / math.hypot(found.error, error)
    normal = math.erfc(abs(z) / math.sqrt(2.0))
    if draws is None:
        return Verdict(*told, comparison, f"z = {z:+.1f}", normal, True)
    exact = draws.p_value(expected)
    p_value = exact if isinstance(draws, Events) and error == 0.0 else max(exact, normal)
    return Verdict(*told, comparison, f"{draws}, p = {p_value:.2g}", p_value, True)


def _rows(count: int, most: int = 4) -> list[int]:
    """Return the rows of a curve that are compared: the last, and some evenly before it."""
    return sorted({round(i) for i in np.linspace(count - 1, 0, min(count, most + 1))[:most]})


def _rounded(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    return np.where(np.abs(values) < ROUNDING * scale, 0.0, values)


def _standard_error(values: NDArray[np.float64], entry: Entry) -> float:
    """Return the standard error of a mean; of draws that are alike, that of one more at the far end of the bounds."""
    least = ROUNDING * entry.scale
    if entry.bounds is not None and np.ptp(values) <= ALIKE * (entry.bounds[1] - entry.bounds[0]):
        least = max(abs(values[0] - bound) for bound in entry.bounds) / len(values)
    return max(float(values.std(ddof=1)) / math.sqrt(len(values)), least)
