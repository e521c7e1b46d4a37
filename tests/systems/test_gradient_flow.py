"""The system layer of gradient flow: what it reports, and the phenomena that must come out of every answer."""

import doctest

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import gradient_flow
from tsmech.systems.gradient_flow import GradientFlow
from tsmech.systems.ridge import Ridge
from tsmech.theory.gradient_flow import largest_step
from tsmech.theory.spectra import Spectrum

ANSWERS = ("theory", "reduced", "direct")


def column(name: str, answer: str = "reduced", draws: int = 1, **parameters: object) -> np.ndarray:
    """Return an observable of some draws, shape (draws, times), or (draws,) of a summary, from one seed."""
    system = GradientFlow(**parameters)
    with threadpool_limits(1):
        curves = [system.curve(answer, rng) for rng in np.random.default_rng(7).spawn(draws)]
    return np.array([{**curve.observables, **curve.summaries}[name] for curve in curves])


def test_examples() -> None:
    assert doctest.testmod(gradient_flow) == (0, 4)


@pytest.mark.parametrize("spectrum", ["isotropic", "two_level"])
def test_long_training_ends_at_ridge(spectrum: str) -> None:
    common = {"alpha": 2.0, "penalty": 0.3, "spectrum": spectrum}
    flow = GradientFlow(**common, duration=1e4, samples=1).theory()
    ridge = Ridge(**common).theory()
    for name in ("generalization_error", "test_error", "train_error", "weight_norm"):
        assert flow[name].iloc[-1] == pytest.approx(ridge[name].iloc[0], rel=1e-8)


def test_times_are_met_exactly() -> None:
    assert GradientFlow(alpha=1, duration=10, samples=[3.0, 1.0, 7.5]).theory()["time"].tolist() == [1.0, 3.0, 7.5]
    log = GradientFlow(alpha=1, duration=10, samples=5, spacing="log").theory()["time"].to_numpy()
    assert log[0] == 0.0
    assert log[-1] == 10.0
    np.testing.assert_allclose(np.diff(np.log(log[1:])), np.log(1e4) / 4)


def test_an_unstable_step_is_refused_with_the_stable_one() -> None:
    with pytest.raises(InputError, match=r"step = 9 is not allowed: gradient descent is stable up to 0\.\d+"):
        GradientFlow(alpha=2.0, step=9)


def test_theory_takes_every_step_that_is_stable_for_many_inputs() -> None:
    """Its limit at alpha = 2 is 2/(1 + √½)² = 0.6863; a drawn training set of 400 inputs may be less stable."""
    system = GradientFlow(alpha=2.0, step=0.6)
    assert np.isfinite(system.theory().test_error).all()
    assert GradientFlow(alpha=2.0, step=0.6862).lacks("theory") is None
    for answer in ("reduced", "direct"):
        assert "gradient descent is stable up to 0.53431 with 400 inputs" in (system.lacks(answer) or "")
        with pytest.raises(InputError, match="stable up to"):
            system.curve(answer, np.random.default_rng(0))
    assert GradientFlow(alpha=2.0, step=0.6, dimension=1_000_000).lacks("reduced") is None
    with pytest.raises(InputError, match=r"step = 0\.69 is not allowed: gradient descent is stable up to 0\.686292"):
        GradientFlow(alpha=2.0, step=0.69)


def test_a_list_of_times_may_end_with_the_duration_but_for_rounding() -> None:
    """np.arange(0, 0.4, 0.1) ends at 0.30000000000000004."""
    listed = np.arange(0, 0.4, 0.1)
    assert listed[-1] > 0.3
    assert GradientFlow(alpha=1, samples=listed, duration=0.3).times().tolist() == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(InputError, match=r"samples has 0\.3001, which is after the duration 0\.3"):
        GradientFlow(alpha=1, samples=[0.1, 0.3001], duration=0.3)


def test_the_command_line_refuses_a_step_and_takes_the_value_that_it_names(tmp_path) -> None:
    """The value is given in six digits, so a part in 10⁵ less is allowed and more is not."""
    largest = largest_step(2.0, 0.1, Spectrum([1.0]), dimension=100)
    words = ("run", "gradient_flow", "--alpha", 2, "--penalty", 0.1, "--dimension", 100, "--samples", 3)
    words = (
        *words,
        "--answers",
        "theory,direct",
        "--replicates",
        1,
        "--seed",
        0,
        "--workers",
        1,
        "--out",
        tmp_path / "x",
    )
    said = command(*words, "--step", largest * (1 + 1e-5))
    assert said.code == 2
    assert said.err.strip().splitlines()[-1].endswith(f"gradient descent is stable up to {largest:.6g} with 100 inputs")
    assert not (tmp_path / "x").exists()
    assert command(*words, "--step", largest * (1 - 1e-5)).code == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0.0}, "alpha = 0"),
        ({"noise": -1.0}, "noise = -1"),
        ({"initial_scale": -0.1}, "initial_scale = -0.1"),
        ({"step": -0.1}, "step = -0.1"),
        ({"duration": 0.0}, "duration = 0"),
        ({"duration": 1.0, "samples": (0.5, 2.0)}, "samples has 2"),
        ({"unseen": 1.1}, "unseen = 1.1"),
        ({"penalty": float("nan")}, "penalty = nan"),
        ({"spectrum": "nowhere.csv"}, "nowhere.csv"),
        ({"eigenvalues": (1.0, 2.0), "dimension": 3}, "dimension = 3"),
        ({"teacher_weights": (1.0, 2.0)}, "teacher_weights"),
        ({"ratio": 5.0}, "ratio = 5 has no effect"),
    ],
)
def test_bad_input_is_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GradientFlow(**{"alpha": 1.0, **parameters})


def test_anisotropic_inputs_have_no_reduction() -> None:
    assert "rotation invariance" in (GradientFlow(alpha=1, spectrum="two_level").lacks("reduced") or "")


# Early stopping ------------------------------------------------------------------------------------------------


def test_the_best_time_lies_where_the_curve_is_least() -> None:
    system = GradientFlow(alpha=1.0, noise=0.7, duration=20, samples=2000)
    curve = system.theory()
    best = system.optimal_stopping()
    assert curve.generalization_error.min() == pytest.approx(best.error, rel=1e-5)
    assert curve.time[curve.generalization_error.argmin()] == pytest.approx(best.time, abs=0.02)
    assert curve.early_stopping_time.nunique() == 1
    assert curve.early_stopping_time[0] == pytest.approx(best.time, rel=1e-4)
    assert curve.early_stopping_error[0] == pytest.approx(best.error + 0.7**2 / 2, rel=1e-5)


@pytest.mark.parametrize("answer", ANSWERS)
def test_each_answer_sums_up_its_own_curve(answer: str) -> None:
    curve = GradientFlow(alpha=0.7, duration=20, samples=50, dimension=40).curve(answer, np.random.default_rng(0))
    errors = curve.observables["test_error"]
    assert curve.summaries["early_stopping_error"] == errors.min()
    time, best, at = curve.summaries["early_stopping_time"], int(errors.argmin()), curve.coordinates["time"]
    assert abs(time - at[best]) <= 0.5 * (at[best + 1] - at[best - 1]) / 2
    assert curve.summaries["final_error"] == errors[-1]


@pytest.mark.parametrize("alpha", [0.3, 1.0, 1.5, 6.0])
@pytest.mark.parametrize("noise", [0.1, 0.33, 1.0])
def test_stopping_is_nearly_as_good_as_the_best_penalty(alpha: float, noise: float) -> None:
    """At most 1.0401 times its error (theory/gradient_flow.md, section 7), and never better.

    Times 2 % apart miss the best one by 1 %, and the error by the square of it.
    """
    system = GradientFlow(alpha=alpha, noise=noise, duration=200, samples=460, spacing="log")
    row = system.theory().iloc[0]
    ratio = (row.early_stopping_error - noise**2 / 2) / (row.best_ridge_error - noise**2 / 2)
    assert 1 < ratio < 1.0401 * 1.001
    ridge = Ridge(alpha=alpha, noise=noise, penalty=system.optimal_penalty()).theory()
    assert row.best_ridge_error == pytest.approx(ridge.test_error[0], rel=1e-12)


def test_the_best_ridge_of_any_problem() -> None:
    """With a spectrum, with nothing to learn, and left out where it would be a search."""
    given = {"alpha": 0.8, "eigenvalues": (2.0, 0.5)}
    system = GradientFlow(**given)
    ridge = Ridge(**given, penalty=system.optimal_penalty()).theory()
    assert system.theory().best_ridge_error[0] == pytest.approx(ridge.test_error[0], rel=1e-10)
    assert GradientFlow(alpha=0.8, signal=0.0).best_ridge_error() == 0.125
    assert GradientFlow(alpha=0.8, signal=1.4, unseen=1.0).best_ridge_error() == pytest.approx(0.7 + 0.125)
    unequal = GradientFlow(**given, teacher_weights=(1.0, 3.0))
    assert "best_ridge_error" not in unequal.theory()
    assert unequal.best_ridge_error() < unequal.theory().test_error.iloc[-1]


# What must come out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_without_noise_there_is_no_overtraining(answer: str, alpha: float) -> None:
    """From zero weights |w - b|² is a sum of b² exp(-2 l t): it falls in every draw; 1e-13 is rounding."""
    common = {"alpha": alpha, "noise": 0.0, "duration": 30, "samples": 60, "dimension": 60}
    errors = column("generalization_error", answer, 5, **common)
    assert (np.diff(errors) <= 1e-13 * errors[:, :1]).all()
    end, stopped = (column(name, answer, 5, **common) for name in ("final_error", "early_stopping_error"))
    np.testing.assert_allclose(stopped, end, rtol=0, atol=1e-13)
    noisy = {**common, "noise": 0.7}
    assert (column("early_stopping_error", answer, 5, **noisy) < column("final_error", answer, 5, **noisy)).all()


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["reduced", "direct"])
def test_large_first_weights_do_lasting_harm_below_the_threshold(answer: str) -> None:
    """Eq. 36, of means over draws: v₀(1 - alpha)/2 more error in the end, for ever; from alpha = 1 on none.

    With the same seed all else is the same, and what the start adds in N - P frozen directions has the standard
    deviation [2 v₀²(N - P) + 4 v₀ |b_f|²]^(1/2)/(2N).  Half of it is the negative control.
    """
    scale, N, draws = 1.2, 100, 100
    for alpha in (0.3, 0.6, 2.0):
        common = {"alpha": alpha, "noise": 0.3, "duration": 1e4, "samples": (1e3, 1e4), "dimension": N}
        harm = np.subtract(
            *(column("generalization_error", answer, draws, **common, initial_scale=x) for x in (scale, 0.0))
        )
        assert abs(harm[:, 1] - harm[:, 0]).max() < 1e-6  # it is there to stay
        if alpha > 1:
            assert abs(harm).max() < 1e-6
            continue
        frozen = N * (1 - alpha)
        error = np.sqrt((2 * scale**4 * frozen + 4 * scale**2 * frozen) / draws) / (2 * N)
        expected = scale**2 * (1 - alpha) / 2
        assert abs(harm[:, 1].mean() - expected) < 4 * error
        assert abs(harm[:, 1].mean() - expected / 2) > 4 * error


@pytest.mark.slow
def test_overtraining_is_worst_at_the_threshold() -> None:
    """The rise from the best to the last error, of means over draws; at alpha = 1 it follows eq. 17, as √t.

    The next order of eq. 17 is smaller by 1/t, and 1/N corrections by t/N² (the smallest eigenvalue is of order 1/N²).
    """
    ratios = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
    common = {"noise": 0.5, "duration": 100, "samples": 120, "spacing": "log", "dimension": 400}
    rises, errors = [], []
    for alpha in ratios:
        ends, stopped = (
            column(name, "reduced", 30, alpha=alpha, **common) for name in ("final_error", "early_stopping_error")
        )
        rise = ends - stopped
        rises.append(rise.mean())
        errors.append(rise.std() / np.sqrt(30))
    gap = rises[3] - np.array(rises)
    assert (np.delete(gap, 3) > 4 * np.hypot(errors[3], np.delete(errors, 3))).all()

    for t in (25.0, 100.0):
        values = column("generalization_error", "reduced", 60, alpha=1.0, **{**common, "samples": (1.0, t)})[:, -1]
        limit = 1 / (2 * np.sqrt(2 * np.pi * t)) + 0.25 * ((2 - np.sqrt(2)) * np.sqrt(t / np.pi) - 0.25)
        assert abs(values.mean() - limit) < 4 * values.std() / np.sqrt(60) + limit * (1 / t + t / 400**2)


def test_double_descent_over_examples_and_time() -> None:
    """The surface: at first more examples always help; the ridge at alpha = 1 rises as training goes on."""
    ratios = np.geomspace(0.1, 10, 81)
    times = (0.1, 1.0, 10.0, 100.0, 1000.0)
    surface = np.array(
        [GradientFlow(alpha=x, noise=0.5, duration=1e3, samples=times).theory().test_error for x in ratios]
    ).T
    slopes = np.diff(surface)
    assert (slopes[0] < 0).all()
    for at, t in ((3, 100.0), (4, 1000.0)):
        inner = np.flatnonzero((slopes[at, :-1] > 0) & (slopes[at, 1:] < 0)) + 1
        assert ratios[inner] == pytest.approx([1.0], rel=0.06), t
    assert (np.diff(surface[1:, 40]) > 0).all()


def test_eigenvalues_too_far_apart_are_refused_and_others_followed() -> None:
    """Rates 1e20 apart: soon after the start the strong half is learnt and the weak half has hardly begun.

    To the strong half, f = 1/2, the weak one is label noise of variance 1/2: ε_g = 1/4 + (1/4) f / (alpha - f) = 1/3,
    and it falls with the rate 2 (alpha - f) / alpha of what the strong half leaves.
    """
    with pytest.raises(InputError, match=r"the eigenvalues range from 1 to 1e\+21: .* up to a ratio of 1e\+20"):
        GradientFlow(alpha=2.0, eigenvalues=[1.0, 1e21])
    t = 1e-3
    found = GradientFlow(alpha=2.0, noise=0.0, eigenvalues=[1.0, 1e20], samples=(t, 1.0)).theory()
    assert found.generalization_error[0] == pytest.approx((1 - 1.5 * t) / 3, rel=10 * t**2)
