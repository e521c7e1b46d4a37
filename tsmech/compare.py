"""Do the answers agree?  Two-sample tests at equal N, 1/N extrapolation to the theory, z-scores in tables."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.engine import Outcome, run
from tsmech.engine.executors import needs_script, place
from tsmech.errors import IncompleteError
from tsmech.experiment import Unit
from tsmech.problem.system import SIMULATIONS, Curve, System

REPLICATES = 200
SHORT_REPLICATES, STRICT_REPLICATES = 50, 2000
LAW, LIMIT = "direct = reduced", "{} -> theory"
"""The two comparisons, as verdicts name them."""
MEETINGS = 2
"""Dimensions, of the smallest, at which direct and reduced are compared; larger ones need a quarter of the draws."""
DENSE = 4
"""Dimensions, of the smallest, that serve the extrapolation where direct is the only simulation."""
FALSE_ALARM = 1e-3
"""Probability that a check of answers that do agree reports a disagreement, over all its tests together."""
ROUNDING = 1e-12
"""Values below this share of the point's largest observable are zero to rounding."""

Samples = dict[tuple[System, str], dict[str, NDArray[np.float64]]]
"""For each point and answer the draws of each column, shape (replicates, rows)."""


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


class Extrapolation(NamedTuple):
    """The limit of a mean for N → ∞, fitted as limit + slope/N, and the standard error of that limit."""

    value: float
    error: float


def check(
    system: type[System],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    workers: int | None = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Verdict]:
    """Compare a system's answers at the points that it declares.

    Direct and reduced are compared in law at the two smallest of the system's ``check_dimensions``; the simulation that
    is cheap (reduced, or direct where there is no other) is extrapolated over all of them and compared with theory.

    Parameters
    ----------
    system
        The system's class.
    replicates
        Draws of each simulation at each point and small dimension; the larger ones have a quarter, at least 50.
    workers
        Worker processes, as of :func:`tsmech.run`; None takes as many as there are cores.
    report
        Called with the number of finished and of all units.

    Returns
    -------
    list of Verdict
        One verdict for each point, comparison and observable.

    Notes
    -----
    The level of each test is :data:`FALSE_ALARM` over the number of tests (Bonferroni).
    """
    units = list(_units(system, replicates))
    made_of = system, system.checks
    count, executor = place(made_of, simulated=True, workers=workers)
    batches = run(units, seed, workers=count, executor=executor, script=bool(needs_script(made_of)))
    samples = _collect(batches, len(units), report)
    verdicts = [verdict for parameters in system.checks for verdict in _judge(system, parameters, samples)]
    level = FALSE_ALARM / max(len(verdicts), 1)
    return [verdict._replace(agrees=verdict.p_value >= level) for verdict in verdicts]


def summarise(verdicts: Iterable[Verdict]) -> list[dict[str, str]]:
    """Return one row a system and observable: for each comparison how many tests it had and the least p-value.

    The entries of a matrix are one observable.
    """
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.system, verdict.observable.partition("[")[0]].append(verdict)
    rows = []
    for (system, observable), members in groups.items():
        law = [verdict.p_value for verdict in members if verdict.comparison == LAW]
        limit = [verdict.p_value for verdict in members if verdict.comparison != LAW]
        agree = all(verdict.agrees for verdict in members)
        rows.append(
            {
                "system": system,
                "observable": observable,
                LAW: _least(law),
                LIMIT.format("simulation"): _least(limit),
                "agrees": "yes" if agree else "NO",
            }
        )
    return rows


def _least(p_values: Sequence[float]) -> str:
    return f"{len(p_values)} tests, p >= {min(p_values):.1g}" if p_values else "no such pair"


def compare_samples(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the p-value of the two-sample Kolmogorov–Smirnov test, samples of shape (n,) and (m,)."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(first, second).pvalue)


def extrapolate(
    dimensions: NDArray[np.float64], means: NDArray[np.float64], errors: NDArray[np.float64]
) -> Extrapolation:
    """Return the limit for N → ∞ of means with standard errors, by weighted least squares of limit + slope/N.

    Parameters
    ----------
    dimensions, means, errors
        The dimensions N, the means at each and their standard errors, all of shape (n,), n ≥ 2.
    """
    design = np.column_stack([np.ones(len(dimensions)), dimensions.min() / dimensions])
    weighted = design / errors[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    limit = covariance @ (weighted.T @ (means / errors))
    return Extrapolation(float(limit[0]), math.sqrt(covariance[0, 0]))


def deviation(row: Mapping[str, Mapping[str, Any]], observable: str) -> float | None:
    r"""Return the largest difference between the answers at one point, in standard deviations of a normal law.

    .. math:: |z|, \qquad 2\,\Phi(-|z|) = p, \qquad t = \frac{m_1 - m_2}{\sqrt{s_1^2 + s_2^2}}

    with means m and their standard errors s, and p the two-sided p-value of t under Student's law with Welch's number
    of degrees of freedom: of few replicates the standard errors are themselves uncertain.

    Parameters
    ----------
    row
        Summary rows by answer.
    observable
        The observable that is compared.

    Returns
    -------
    float or None
        None where nothing can be compared: fewer than two answers (those of one replicate aside), an infinite value, no
        scatter; infinity where the p-value is below the smallest number.
    """
    answers = [
        (answer[observable], answer.get(f"{observable}_sem") or 0.0, (answer.get("replicates") or 1) - 1)
        for answer in row.values()
        if observable in answer and answer.get("replicates") != 1
    ]
    if len(answers) < 2 or not all(math.isfinite(value) for value, _, _ in answers):
        return None
    floor = ROUNDING * max(abs(value) for value, _, _ in answers)
    apart = [
        _normal_equivalent(abs(value - other), (error, freedom), (other_error, other_freedom))
        for (value, error, freedom), (other, other_error, other_freedom) in itertools.combinations(answers, 2)
        if error > floor or other_error > floor
    ]
    return max(apart, default=None)


def _normal_equivalent(difference: float, *errors: tuple[float, int]) -> float:
    """Return the deviation of a normal variable that is as improbable as a difference of means.

    Parameters
    ----------
    difference
        What lies between the means.
    *errors
        The standard error of each mean and its degrees of freedom, 0 and 0 of a prediction.
    """
    from scipy.special import ndtri_exp
    from scipy.stats import t

    scale = math.hypot(*(error for error, _ in errors))
    freedom = 1.0 / sum((error / scale) ** 4 / degrees for error, degrees in errors if error > 0)
    tail = float(t.logsf(difference / scale, freedom))
    return abs(float(ndtri_exp(tail))) if math.isfinite(tail) else math.inf


def _points(system: type[System], parameters: Mapping[str, Any]) -> list[System]:
    points = [system(**{**parameters, "dimension": dimension}) for dimension in system.check_dimensions]
    return points if _cheap(points[0]) == "reduced" else points[:DENSE]


def _cheap(point: System) -> str:
    """Return the simulation that serves the extrapolation."""
    return "reduced" if point.lacks("reduced") is None else "direct"


def _units(system: type[System], replicates: int) -> Iterator[Unit]:
    for parameters in system.checks:
        points = _points(system, parameters)
        yield Unit(points[0], "theory", 0)
        for position, point in enumerate(points):
            simulations = SIMULATIONS if position < MEETINGS else (_cheap(point),)
            draws = replicates if position < MEETINGS else max(replicates // 4, 50)
            for answer in simulations:
                if point.lacks(answer) is None:
                    yield from (Unit(point, answer, replicate) for replicate in range(draws))


def _collect(batches: Iterable[list[Outcome]], total: int, report: Callable[[int, int], None]) -> Samples:
    found: dict[tuple[System, str], dict[int, Curve]] = defaultdict(dict)
    done = 0
    for outcomes in batches:
        done += len(outcomes)
        report(done, total)
        for outcome in outcomes:
            if outcome.curve is None:
                raise IncompleteError(f"the check could not be made: {outcome.error}")
            found[outcome.unit.system, outcome.unit.answer][outcome.unit.replicate] = outcome.curve
    return {address: _columns([curves[replicate] for replicate in sorted(curves)]) for address, curves in found.items()}


def _columns(curves: Sequence[Curve]) -> dict[str, NDArray[np.float64]]:
    """Return the draws of each column by name; of a matrix each entry is a column of its own."""
    columns: dict[str, NDArray[np.float64]] = {}
    for name, values in curves[0].columns.items():
        draws = np.stack([curve.columns[name] for curve in curves])
        for entry in np.ndindex(values.shape[1:]):
            index = f"[{', '.join(map(str, entry))}]" if entry else ""
            columns[name + index] = draws[(slice(None), slice(None), *entry)]
    return columns


def _judge(system: type[System], parameters: Mapping[str, Any], samples: Samples) -> Iterator[Verdict]:
    points = _points(system, parameters)
    theory = samples[points[0], "theory"]
    grown = [samples[point, _cheap(point)] for point in points]
    summaries = {name for name, observable in system.observables.items() if observable.summary}
    compared = [name for name in grown[0] if name not in {system.coordinate, *summaries}]
    scale = max(float(np.abs(theory[name]).max()) for name in compared)
    words = ", ".join(f"{name} = {v}" for name, v in parameters.items() if isinstance(v, (int, float, str)))
    for name in compared:
        for row in _rows(theory[name].shape[1]):
            at = f"{theory[system.coordinate][0, row]:.4g}" if system.coordinate else ""
            for point, dimension in zip(points[:MEETINGS], system.check_dimensions, strict=False):
                if not all((point, answer) in samples for answer in SIMULATIONS):
                    continue
                first, second = (_rounded(samples[point, answer][name][:, row], scale) for answer in SIMULATIONS)
                p_value = compare_samples(first, second)
                statistic = f"N = {dimension}, p = {p_value:.2g}"
                yield Verdict(system.name, words, name, at, LAW, statistic, p_value, True)
            means = np.array([_rounded(sample[name][:, row], scale).mean() for sample in grown])
            errors = np.array([_standard_error(_rounded(sample[name][:, row], scale), scale) for sample in grown])
            limit = extrapolate(np.array(system.check_dimensions[: len(points)], dtype=float), means, errors)
            z = (limit.value - float(theory[name][0, row])) / limit.error
            statistic = f"z = {z:+.1f}"
            comparison = LIMIT.format(_cheap(points[-1]))
            yield Verdict(system.name, words, name, at, comparison, statistic, math.erfc(abs(z) / math.sqrt(2.0)), True)


def _rows(count: int, most: int = 4) -> list[int]:
    """Return the rows of a curve that are compared: the last, and some evenly before it."""
    return sorted({round(i) for i in np.linspace(count - 1, 0, min(count, most + 1))[:most]})


def _rounded(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    return np.where(np.abs(values) < ROUNDING * scale, 0.0, values)


def _standard_error(values: NDArray[np.float64], scale: float) -> float:
    return max(float(values.std(ddof=1)) / math.sqrt(len(values)), ROUNDING * scale)
