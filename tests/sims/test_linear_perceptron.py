"""Gibbs learning of a linear teacher at finite N: one law, Gaussian moments, the law on the sphere."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tsmech.sims import linear_perceptron as sims


def draws(function, count, seed, *arguments):
    rng = np.random.default_rng(seed)
    found = [function(*arguments, rng) for _ in range(count)]
    return {name: np.array([draw[name] for draw in found]) for name in found[0]}


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["gaussian", "spherical"])
@pytest.mark.parametrize("examples", [1, 5, 8, 9, 20])
def test_reduced_and_direct_have_one_law(prior, examples):
    """Kolmogorov-Smirnov at N = 8 with P below, at and above N; at a level of 1e-4 the 40 tests fail once in 250."""
    count = 600 if prior == "gaussian" else 250
    one = draws(sims.draw_reduced, count, 1, examples, 0.4, 0.5, prior, 8)
    other = draws(sims.draw_direct, count, 2, examples, 0.4, 0.5, prior, 8)
    for name in ("R", "q", "generalization_error", "train_error"):
        assert stats.ks_2samp(one[name], other[name]).pvalue > 1e-4, name


def test_a_wrong_temperature_would_be_noticed():
    """The negative control: students of the reduction a quarter too hot."""
    one = draws(sims.draw_reduced, 600, 1, 9, 0.5, 0.5, "gaussian", 8)
    other = draws(sims.draw_direct, 600, 2, 9, 0.4, 0.5, "gaussian", 8)
    assert stats.ks_2samp(one["train_error"], other["train_error"]).pvalue < 1e-4


def test_chains_stay_on_the_sphere_and_take_most_proposals():
    for examples in (10, 40, 100):
        found = draws(sims.draw_direct, 5, 3, examples, 0.3, 0.5, "spherical", 40)
        assert found["acceptance"].min() > 0.7
        assert found["autocorrelation_time"].max() < 5
        np.testing.assert_allclose(found["generalization_error"], 1 - found["R"], rtol=1e-12)


@pytest.mark.parametrize("rest", [0, 3])
def test_the_chain_has_the_law_on_the_sphere(rest):
    """Moments in N = 2 + rest dimensions against quadrature over the sphere; 4.5 standard errors of chains."""
    values, labels, N = np.array([2.5, 0.4]), np.array([1.0, -0.8]), 2 + rest
    spring = sims._spring(values, labels, rest, N)
    chains = [sims._chain(values, labels, rest, spring, N, s)[0] for s in np.random.default_rng(4).spawn(400)]
    w = np.concatenate(chains)

    def weight(x, y):
        inside = N - x * x - y * y
        surface = inside ** (0.5 * (rest - 2)) if rest else 1.0
        return surface * math.exp(-0.5 * (values[0] * x * x + values[1] * y * y) + labels[0] * x + labels[1] * y)

    if rest:

        def mean(f):
            def edge(x):
                return math.sqrt(max(N - x * x, 0.0))

            options = {"epsabs": 1e-7, "epsrel": 1e-7}
            over = integrate.dblquad(
                lambda y, x: f(x, y) * weight(x, y), -math.sqrt(N), math.sqrt(N), lambda x: -edge(x), edge, **options
            )
            return over[0]
    else:

        def mean(f):
            def circle(t):
                return math.sqrt(N) * math.cos(t), math.sqrt(N) * math.sin(t)

            return integrate.quad(lambda t: f(*circle(t)) * weight(*circle(t)), 0, 2 * math.pi, epsabs=1e-10)[0]

    total = mean(lambda x, y: 1.0)
    for f in (lambda x, y: x, lambda x, y: y, lambda x, y: x * x, lambda x, y: x * y):
        sample = np.array([np.mean(f(chain[:, 0], chain[:, 1])) for chain in chains])
        assert mean(f) / total == pytest.approx(sample.mean(), abs=4.5 * sample.std() / math.sqrt(sample.size))
    assert w.shape[1] == 2


def test_the_integral_over_lengths():
    for a, b, N in ((1.0, 0.5, 2), (0.7, -1.2, 5), (1.3, 3.0, 200)):
        found = sims._log_of_lengths(np.array([a]), np.array([b]), N)[0]
        peak = (b + math.sqrt(b * b + 4 * a * (N - 1))) / (2 * a)
        top = (N - 1) * math.log(peak) - 0.5 * a * peak**2 + b * peak
        scaled = integrate.quad(
            lambda r, a=a, b=b, n=N - 1, top=top: math.exp(n * math.log(r) - 0.5 * a * r * r + b * r - top) if r else 0,
            0, peak + 20, points=[peak], limit=200,
        )[0]  # fmt: skip
        step = sims.NODES[1] - sims.NODES[0]
        assert found + math.log(step) == pytest.approx(top + math.log(scaled), abs=2e-4)


def test_a_million_dimensions_are_drawn_with_the_gaussian_prior():
    """By equation 9: at T = σ² the training error is σ²/2, here to a relative 1/√P."""
    found = sims.draw_reduced(1_500_000, 0.25, 0.5, "gaussian", 1_000_000, np.random.default_rng(5))
    assert found["train_error"] == pytest.approx(0.125, rel=5e-3)
    assert found["R"] == pytest.approx(found["q"], rel=5e-3)
