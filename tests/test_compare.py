"""Do the checks find a disagreement that is there, and none that is not?"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.gauge import Gauge, Walk
from tsmech import compare
from tsmech.compare import Verdict, check, deviation
from tsmech.compare.checking import FALSE_ALARM
from tsmech.compare.statistics import Alike, compare_samples, extrapolate, extrapolate_exact, same_law
from tsmech.errors import IncompleteError
from tsmech.machine import compilation
from tsmech.problem.answers import prediction, simulation
from tsmech.problem.curve import Curve
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.system import Convergence
from tsmech.systems.ridge import Ridge


def scaled(curve: Curve, name: str, factor: float) -> Curve:
    return dataclasses.replace(curve, observables={**curve.observables, name: factor * curve.observables[name]})


def disagreements(verdicts: list[Verdict]) -> set[tuple[str, str]]:
    return {(verdict.observable, verdict.comparison) for verdict in verdicts if not verdict.agrees}


# Tests of the tests


def uniformity(p_values: list[float]) -> float:
    """Return a bound on the probability that p-values are further from uniform than these.

    A p-value p of a test on ranks takes few values, and at each of them P(p-value ≤ p) = p; so the distance is taken
    at the values that occur, where it is at most Kolmogorov's.
    """
    values = np.unique(p_values)
    shares = np.searchsorted(np.sort(p_values), values, side="right") / len(p_values)
    return float(stats.kstwo.sf(np.abs(shares - values).max(), len(p_values)))


def test_p_values_are_uniform_where_the_laws_agree() -> None:
    """400 pairs of samples of one law; and a test of the test: halves of true p-values are not uniform."""
    rng = np.random.default_rng(11)
    p_values = [compare_samples(rng.exponential(size=100), rng.exponential(size=100)) for _ in range(400)]
    assert uniformity(p_values) > 1e-3
    assert uniformity([p_value / 2 for p_value in p_values]) < 1e-3


@pytest.mark.slow
def test_p_values_of_a_check_are_uniform_where_the_answers_agree() -> None:
    """Both kinds of comparison, over seeds; 100 replicates make the estimated errors as good as known."""
    found = [verdict for seed in range(25) for verdict in check(Gauge, replicates=100, seed=seed)]
    for comparison in ("direct = reduced", "reduced -> theory"):
        p_values = [verdict.p_value for verdict in found if verdict.comparison == comparison]
        assert len(p_values) >= 25 * 2 * 3
        assert uniformity(p_values) > 1e-3, comparison


def test_answers_that_agree_are_found_to_agree() -> None:
    verdicts = check(Gauge)
    assert all(verdict.agrees for verdict in verdicts)
    points = {"level = 1.0", "level = 3.0, noise = 0.4"}
    expected = {
        (point, observable, comparison)
        for point in points
        for observable in Gauge.observables
        for comparison in ("direct = reduced", "reduced -> theory")
    }
    assert {(verdict.point, verdict.observable, verdict.comparison) for verdict in verdicts} == expected


@dataclass(frozen=True)
class WrongTheory(Gauge):
    factor: ClassVar[float] = 1.05

    def theory_curve(self) -> Curve:
        return scaled(super().theory_curve(), "spread", self.factor)


@dataclass(frozen=True)
class WrongReduction(Gauge):
    factor: ClassVar[float] = 1.05

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        return scaled(super().reduced_curve(rng), "level_read", self.factor)


@pytest.mark.parametrize("factor", [1.05, math.sqrt(2), 0.5])
def test_a_wrong_factor_in_the_theory_is_caught(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the spread is known to 1 % here: 200 draws at N = 400 alone give √(2/80 000)."""
    monkeypatch.setattr(WrongTheory, "factor", factor)
    assert disagreements(check(WrongTheory)) == {("spread", "reduced -> theory")}


@pytest.mark.parametrize("factor", [1.05, math.sqrt(2)])
def test_a_wrong_factor_in_the_reduction_is_caught_twice(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WrongReduction, "factor", factor)
    expected = {("level_read", "direct = reduced"), ("level_read", "reduced -> theory")}
    assert disagreements(check(WrongReduction)) == expected


@dataclass(frozen=True)
class WrongLaw(Gauge):
    """The mean is right and its fluctuations are too large by √2: only a test of the law can see it."""

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        curve = super().reduced_curve(rng)
        mean = curve.observables["level_read"]
        return Curve({**curve.observables, "level_read": self.level + math.sqrt(2) * (mean - self.level)})


@pytest.mark.slow
def test_a_wrong_law_with_the_right_mean_is_caught() -> None:
    assert disagreements(check(WrongLaw, replicates=compare.STRICT_REPLICATES)) == {("level_read", "direct = reduced")}


@dataclass(frozen=True)
class Wanderer(Walk):
    """A walk without a reduction whose mean position approaches the theory as 1/N."""

    checks = ({"length": 6},)
    convergence = Convergence("dimension", (10, 20, 40))
    factor: ClassVar[float] = 1.0
    dimension: int = Gauge.__dataclass_fields__["dimension"]

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        return scaled(super().direct_curve(rng), "position", self.factor * (1.0 + 1.0 / self.dimension))


def test_without_a_reduction_the_network_itself_meets_the_theory_along_the_curve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verdicts = check(Wanderer)
    assert {verdict.comparison for verdict in verdicts} == {"direct -> theory"}
    assert {verdict.observable for verdict in verdicts} >= {"position", "overlap[0, 1]", "overlap[1, 1]"}
    assert len({verdict.at for verdict in verdicts}) > 1
    assert not disagreements(verdicts)
    monkeypatch.setattr(Wanderer, "factor", 1.5)
    assert disagreements(check(Wanderer)) == {("position", "direct -> theory")}


def test_the_level_of_a_check_is_shared_by_its_tests() -> None:
    verdicts = check(Gauge, replicates=20)
    for verdict in verdicts:
        assert verdict.agrees == (verdict.p_value >= FALSE_ALARM / len(verdicts))


@dataclass(frozen=True)
class Failing(Gauge):
    checks = ({"level": 1.0, "fault": "unsolved"},)


def test_a_check_that_cannot_be_made_is_no_agreement() -> None:
    with pytest.raises(IncompleteError, match="the check could not be made: ConvergenceError"):
        check(Failing, replicates=2)


@dataclass(frozen=True)
class Silent(Gauge):
    """A gauge without noise: all answers are one number, off by rounding at most."""

    checks = ({"level": 1.0, "noise": 0.0},)
    observables: ClassVar = {name: known for name, known in Gauge.observables.items() if name != "luck"}

    def theory_curve(self) -> Curve:
        return Curve.point({"level_read": self.level, "spread": self.noise**2})

    def _end(self, answer: str, mean: float, spread: float, luck: float) -> Curve:
        return Curve.point({"level_read": mean * (1 + 1e-15 * luck), "spread": spread})


def test_rounding_is_no_disagreement() -> None:
    assert not disagreements(check(Silent, replicates=30))


@dataclass(frozen=True)
class Rare(Gauge):
    """An event that no draw has met, beside two predictions of its probability and one for N → ∞."""

    checks = ({"level": 1.0},)
    convergence = Convergence("dimension", (10, 20, 40))
    probability: ClassVar[float] = 1e-6
    often: ClassVar[float] = 0.0
    observables: ClassVar = {"share": Observable("p", "probability", bounds=SHARE)}
    answers: ClassVar = {"theory": prediction(0), "exact": prediction(1, exact=True), "direct": simulation(2)}

    def theory_curve(self) -> Curve:
        return Curve.point({"share": self.probability})

    def exact_curve(self) -> Curve:
        return Curve.point({"share": self.probability})

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        return Curve.point({"share": float(rng.random() < self.often)})


EXACT = {("share", "direct = exact")}
RARE = {("share", "direct -> theory"), *EXACT}


@pytest.mark.parametrize(
    ("predicted", "often", "wrong"),
    [(1e-6, 0.0, set()), (0.005, 0.0, set()), (0.2, 0.0, RARE), (1 - 1e-6, 1.0, set()), (0.8, 1.0, RARE),
     (0.01, 0.01, set()), (0.2, 0.01, RARE), (0.0, 0.01, EXACT), (1e-6, 0.01, EXACT)],
)  # fmt: skip
def test_an_event_that_no_draw_met_may_be_rare_and_not_common(
    predicted: float, often: float, wrong: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sizes have 200 draws and one 50, each test the level 1e-3/3: 0.995^200 = 0.37, 0.8^50 = 1.4e-5.

    One event is enough against a probability of 0 at a size; the limit for N → ∞ may still have it.
    """
    monkeypatch.setattr(Rare, "probability", predicted)
    monkeypatch.setattr(Rare, "often", often)
    assert disagreements(check(Rare)) == wrong


def test_without_bounds_draws_that_are_alike_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rare, "observables", {"share": Observable("p", "probability")})
    assert disagreements(check(Rare)) == RARE


def test_draws_that_are_alike_bound_their_mean() -> None:
    """No law on [0, 1] of mean 0.1 gives 0 more often than that of 0 and 1 does; three over n is the 5 % bound."""
    alike = Alike(0.0, 20, (0.0, 1.0))
    assert alike.p_value(0.1) == pytest.approx(0.9**20)
    for high in (0.2, 0.5, 1.0):
        assert (1 - 0.1 / high) ** 20 <= alike.p_value(0.1) * (1 + 1e-12)
    assert Alike(0.0, 1000, (0.0, 1.0)).p_value(0.003) == pytest.approx(0.05, rel=0.01)
    assert Alike(0.3, 10, (0.0, 1.0)).p_value(0.2) == pytest.approx((0.2 / 0.3) ** 10)
    assert [Alike(1.0, 9, (0.0, 1.0)).p_value(mean) for mean in (1.0, 0.0, 1.5)] == [1.0, 0.0, 0.0]


def test_a_value_out_of_bounds_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rare, "probability", 1.5)
    with pytest.raises(TypeError, match=r"share has the value 1\.5, declared are 0 to 1"):
        Rare(level=1.0).curve("theory")


def test_progress_is_reported_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    check(Gauge, replicates=20, report=lambda done, total, remark: seen.append((done, total)))
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1] > 2 * 20 * 5


def test_compilation_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it takes, and no longer."""
    told: list[str] = []
    theory = Gauge.theory_curve

    def compiled(gauge: Gauge) -> Curve:
        compilation._begin()
        compilation._end()
        return theory(gauge)

    monkeypatch.setattr(Gauge, "theory_curve", compiled)
    check(Gauge, replicates=20, report=lambda done, total, remark: told.append(remark))
    assert told[:2] == [compilation.WORDS, ""]
    assert told[-1] == ""


# Extrapolation


@given(
    limit=st.floats(-1e3, 1e3),
    slope=st.floats(-1e3, 1e3),
    dimensions=st.lists(st.integers(1, 10_000), min_size=2, max_size=6, unique=True),
    relative=st.lists(st.floats(0.5, 2.0), min_size=6, max_size=6),
)
@settings(deadline=None)
def test_extrapolation_is_exact_on_limit_plus_slope_over_n(
    limit: float, slope: float, dimensions: list[int], relative: list[float]
) -> None:
    """Whatever the weights; the error of rounding grows with the condition of the normal equations."""
    sizes = np.array(dimensions, dtype=float)
    errors = 1e-3 * np.array(relative[: len(dimensions)])
    found = extrapolate(sizes, limit + slope / sizes, errors)
    design = np.column_stack([np.ones(len(sizes)), sizes.min() / sizes]) / errors[:, None]
    condition = np.linalg.cond(design) ** 2
    assert found.value == pytest.approx(limit, abs=1e-14 * condition * (abs(limit) + abs(slope) + 1))
    assert found.error > 0


def test_the_error_of_an_extrapolation_is_its_scatter() -> None:
    """4000 synthetic fits: the scatter is known to 1/√8000, so 5 % is over four standard errors."""
    rng = np.random.default_rng(4)
    dimensions, errors = np.array([50.0, 100.0, 200.0, 800.0]), np.array([0.02, 0.01, 0.03, 0.01])
    means = 0.3 + 5.0 / dimensions + errors * rng.standard_normal((4000, 4))
    fits = [extrapolate(dimensions, mean, errors) for mean in means]
    limits = np.array([fit.value for fit in fits])
    assert limits.std() == pytest.approx(fits[0].error, rel=0.05)
    assert abs(limits.mean() - 0.3) < 5 * fits[0].error / math.sqrt(4000)


# The distance in a table


def test_the_deviation_is_the_largest_difference_in_equivalents_of_a_normal_law() -> None:
    answers = {
        "theory": {"x": 1.0},
        "reduced": {"x": 1.3, "x_sem": 0.3, "replicates": 5},
        "direct": {"x": 2.3, "x_sem": 0.4, "replicates": 5},
    }
    p_value = 2 * stats.t(4).sf(1.3 / 0.4)
    assert deviation(answers, "x") == pytest.approx(stats.norm.isf(p_value / 2), rel=1e-12)
    del answers["theory"]
    freedom = 0.5**4 / ((0.3**4 + 0.4**4) / 4)  # Welch and Satterthwaite's
    p_value = 2 * stats.t(freedom).sf(1.0 / 0.5)
    assert deviation(answers, "x") == pytest.approx(stats.norm.isf(p_value / 2), rel=1e-12)


@pytest.mark.parametrize("replicates", [2, 3, 5, 20])
def test_the_deviation_of_answers_that_agree_is_that_of_a_normal_variable(replicates: int) -> None:
    """Of 4000 differences 4.55 % exceed 2 σ, with a standard error of 0.33 %; of pairs 30 % by standard errors."""
    draws = np.random.default_rng(1).normal(size=(4000, replicates))
    means, errors = draws.mean(axis=1), draws.std(axis=1, ddof=1) / math.sqrt(replicates)
    found = [
        deviation({"theory": {"x": 0.0}, "direct": {"x": mean, "x_sem": error, "replicates": replicates}}, "x")
        for mean, error in zip(means.tolist(), errors.tolist(), strict=True)
    ]
    share = np.mean([value is not None and value > 2 for value in found])
    assert abs(share - 0.0455) < 4 * 0.0033


def test_two_replicates_at_nineteen_standard_errors_are_two_sigma_apart() -> None:
    apart = deviation({"theory": {"x": 0.0}, "direct": {"x": 19.4, "x_sem": 1.0, "replicates": 2}}, "x")
    assert apart == pytest.approx(2.13, abs=0.01)
    far = deviation({"theory": {"x": 0.0}, "direct": {"x": 1e3, "x_sem": 1.0, "replicates": 10**6}}, "x")
    assert far == math.inf


def test_scatter_of_rounding_is_none() -> None:
    """Networks of one law without chance differ by what their integration leaves: 30 of them were 13 σ apart."""
    answers = {"theory": {"x": 5.0}, "direct": {"x": 5.0 + 1e-10, "x_sem": 1e-11, "replicates": 30}}
    assert deviation(answers, "x") is None
    late = {"theory": {"x": 2e-12}, "direct": {"x": 2.1e-12, "x_sem": 1e-16, "replicates": 30}}
    assert deviation(late, "x", 5.0) is None
    assert deviation(late, "x") is not None
    assert deviation({**answers, "direct": {"x": 5.1, "x_sem": 1e-8, "replicates": 30}}, "x") is not None


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"theory": {"x": 1.0}},
        {"theory": {"x": 1.0}, "direct": {"y": 1.0, "y_sem": 1.0}},
        {"theory": {"x": math.inf}, "direct": {"x": 1.0, "x_sem": 0.1}},
        {"theory": {"x": math.inf}, "direct": {"x": math.inf, "x_sem": None}},
        {"theory": {"x": 1.0}, "direct": {"x": 2.0, "x_sem": None, "replicates": 1}},
    ],
)
def test_what_cannot_be_compared_has_no_deviation(answers: dict[str, Any]) -> None:
    assert deviation(answers, "x") is None


def test_what_one_answer_alone_reports_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best penalty is known to ridge regression's theory, and to no simulation."""
    monkeypatch.setattr(Ridge, "checks", Ridge.checks[:1])
    point = Ridge(**Ridge.checks[0])
    assert "optimal_penalty" in point.curve("theory").observables
    verdicts = check(Ridge, replicates=10, seed=0)
    compared = {verdict.observable for verdict in verdicts}
    assert compared == set(point.curve("reduced", 0).observables) & set(point.curve("theory").observables)


# Answers without scatter


def test_values_without_scatter_are_extrapolated_by_polynomials() -> None:
    """A cubic in the step is met exactly; of a function that is none the error that is said holds what it is off by."""
    steps = np.array([0.04, 0.02, 0.01, 0.005])
    limit = extrapolate_exact(steps, 2.0 - 3.0 * steps + steps**2 - 5.0 * steps**3, 1.0)
    assert limit.value == pytest.approx(2.0, abs=1e-12)
    for function in (np.exp, lambda h: 1 / (1 + 5 * h), lambda h: np.sin(9 * h) + 1, lambda h: np.cos(9 * h)):
        limit = extrapolate_exact(steps, function(steps), 1.0)
        assert abs(limit.value - function(np.zeros(1))[0]) < 3 * limit.error < 0.01


def test_samples_without_scatter_agree_to_rounding_or_not_at_all() -> None:
    same, other = np.full(50, 1.0), np.full(60, 1.0 + 1e-13)
    assert same_law(same, other, 1.0) == 1.0
    assert same_law(same, other + 1e-6, 1.0) == 0.0
    rng = np.random.default_rng(0)
    scattered = 1.0 + 1e-3 * rng.standard_normal(60)
    assert same_law(same, scattered, 1.0) == compare_samples(same, scattered)


def test_a_prediction_s_own_standard_error_is_taken_as_known() -> None:
    """... it has no degrees of freedom: beside a mean of many draws the deviation is that of a normal law."""
    theory = {"x": 1.0, "x_sem": 3.0}
    assert deviation({"theory": theory, "other": {"x": 6.0, "x_sem": 4.0}}, "x") == pytest.approx(1.0)
    drawn = {"x": 6.0, "x_sem": 4.0, "replicates": 10**6}
    assert deviation({"theory": theory, "direct": drawn}, "x") == pytest.approx(1.0, rel=1e-5)
    few = {"x": 6.0, "x_sem": 4.0, "replicates": 2}
    assert 0.5 < float(deviation({"theory": theory, "direct": few}, "x") or 0.0) < 1.0
