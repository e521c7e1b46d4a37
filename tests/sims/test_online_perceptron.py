"""One-pass perceptrons at finite N: the chain and the network against plain loops, and one law."""

import math

import numpy as np
import pytest
from scipy import stats

from tsmech.sims import online_perceptron as sims
from tsmech.sims.streams import no_lanes

TIMES = np.array([0.0, 0.5, 2.0])


def plain_pull(rule, rate, flip, field, along, across):
    length = math.hypot(along, across)
    if rule != "optimal":
        return {
            "hebb": rate,
            "perceptron": rate * (field < 0),
            "adatron": rate * max(-field, 0.0),
            "logistic": rate / (1 + math.exp(field)),
            "hinge": rate * (field < 1),
        }[rule]
    rho = along / length if length else 0.0
    v = field / length * rho / math.sqrt(1 - rho**2) if length else 0.0
    ratio = stats.norm.pdf(v) / (flip + (1 - 2 * flip) * stats.norm.cdf(v))
    return rate * math.sqrt(1 - rho**2) * (1 - 2 * flip) * ratio


@pytest.mark.parametrize("rule", sims.TAGS)
@pytest.mark.parametrize("flip", [0.0, 0.2])
def test_the_step_is_the_rule_s(rule, flip):
    made, along, across = sims.make_rule(rule, 0.7, flip, (1.3, 0.4))
    assert math.hypot(along, across) == pytest.approx(1.3)
    for field in (-3.0, -0.2, 0.0, 0.3, 0.99, 1.5):
        expected = plain_pull(rule, 1.3 / 0.4 if rule == "optimal" else 0.7, flip, field, along, across)
        assert sims.pull(made, field, along, across) == pytest.approx(expected, rel=1e-12)


def test_far_on_the_wrong_side_the_optimal_step_keeps_its_digits():
    """φ/Φ at v = -24 and -26, on either side of the switch, against SciPy's logarithms."""
    made, _, _ = sims.make_rule("optimal", 1.0, 0.0, (1.0, 0.5))
    for v in (-24.0, -26.0, -200.0):
        field = v * 1e-3 / math.sqrt(1 - 1e-6)
        expected = math.exp(stats.norm.logpdf(v) - stats.norm.logcdf(v))
        found = sims.pull(made, field, math.sqrt(1 - 1e-6), 1e-3)
        assert found == pytest.approx(2.0 * 1e-3 * expected, rel=2e-3)


@pytest.mark.parametrize("rule", sims.TAGS)
def test_the_network_is_a_plain_loop(rule):
    """On NumPy's own numbers, which kernel and loop then share."""
    N, steps = 16, np.array([0, 3, 40])
    made, along, across = sims.make_rule(rule, 0.7, 0.2, (1.0, 0.3))
    rng = np.random.default_rng(1)
    b, rest = np.zeros(N), np.zeros(N)
    b[0] = rest[1] = math.sqrt(N)
    w = along * b + across * rest
    out = np.empty((3, 2))
    x = np.empty(N)
    assert sims._follow_network(made, w.copy(), b, steps, x, no_lanes(), np.random.default_rng(1), out) == 3
    done = 0
    for row, end in enumerate(steps):
        while done < end:
            sample = np.array([rng.standard_normal() for _ in range(N)])
            label = -1.0 if b @ sample < 0 else 1.0
            if rng.random() < 0.2:
                label = -label
            across_now = np.linalg.norm(w - (w @ b) / N * b) / math.sqrt(N)
            field = label * (w @ sample) / math.sqrt(N)
            w = w + label * plain_pull(rule, made.rate, 0.2, field, w @ b / N, across_now) * sample / math.sqrt(N)
            done += 1
        rest_now = np.linalg.norm(w - (w @ b) / N * b) / math.sqrt(N)
        np.testing.assert_allclose(out[row], [w @ b / N, rest_now], rtol=1e-9)


@pytest.mark.parametrize("rule", sims.TAGS)
@pytest.mark.parametrize("dimension", [2, 12])
def test_chain_and_network_have_one_law(rule, dimension):
    """Kolmogorov-Smirnov for both components at two times; at a level of 1e-4 the 48 tests fail once in 200."""
    found = {}
    for run, seed in ((sims.run_reduced, 1), (sims.run_direct, 2)):
        rng = np.random.default_rng(seed)
        runs = [run(rule, 0.9, 0.1, (1.0, 0.2), TIMES, dimension, rng) for _ in range(500)]
        found[run] = np.round([[one.along, one.across] for one in runs], 12)  # without steps they are equal
    one, other = found.values()
    for part in (0, 1):
        for time in (1, 2):
            assert stats.ks_2samp(one[:, part, time], other[:, part, time]).pvalue > 1e-4


def test_a_wrong_chain_would_be_noticed(monkeypatch):
    """The negative control: a chain that leaves three directions out."""
    rng = np.random.default_rng(1)
    out = np.empty((500, 2))
    made, along, across = sims.make_rule("hebb", 0.9, 0.1, (1.0, 0.2))
    for i in range(500):
        record = np.empty((1, 2))
        sims._follow_chain(made, along, across, np.array([24]), 9, sims.seed_lanes(rng), rng, record)
        out[i] = record * 9 / 12
    right = [sims.run_direct("hebb", 0.9, 0.1, (1.0, 0.2), np.array([2.0]), 12, rng) for _ in range(500)]
    assert stats.ks_2samp(out[:, 1], [one.across[0] for one in right]).pvalue < 1e-4


def test_the_chain_reaches_ten_million_dimensions():
    """One draw at N = 10⁷, whose relative scatter is of order 1/√N, beside the equation of Hebb's rule."""
    found = sims.run_reduced("hebb", 1.0, 0.0, (1.0, 0.0), np.array([0.0, 0.2]), 10**7, np.random.default_rng(2))
    assert found.along[1] == pytest.approx(0.2 * math.sqrt(2 / math.pi), abs=2e-3)
    assert found.across[1] == pytest.approx(math.sqrt(1.2), abs=2e-3)


def test_a_run_that_diverges_says_where():
    for run in (sims.run_reduced, sims.run_direct):
        found = run("adatron", 30.0, 0.0, (1.0, 0.0), np.linspace(0, 300, 7), 30, np.random.default_rng(3))
        assert found.diverged_at is not None
        assert np.isfinite(found.along).all()
        assert found.along.size < 7


def test_a_seed_gives_one_course():
    for run in (sims.run_reduced, sims.run_direct):
        one, same = (run("perceptron", 1.0, 0.1, (1.0, 0.1), TIMES, 20, np.random.default_rng(4)) for _ in range(2))
        np.testing.assert_array_equal(one.along, same.along)
