"""A linear unit that meets its examples again: against gradient flow, dense matrices, closed forms and one-pass SGD."""

import doctest
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules import by_keywords
from tsmech.errors import InputError
from tsmech.kernels.schedules import constant
from tsmech.theory import online_sgd
from tsmech.theory.gradient_flow import learning_curve
from tsmech.theory.sample_reuse import linear_unit
from tsmech.theory.spectra.marchenko_pastur import isotropic

integrate = by_keywords(online_sgd.integrate)

EPOCHS = np.array([0.0, 1.0, 2.0, 7.0, 40.0, 500.0])


def test_examples() -> None:
    note = Path(__file__).parents[3] / "theory" / "sample_reuse.md"
    assert doctest.testfile(str(note), module_relative=False) == (0, 12)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("penalty", [0.0, 0.3])
@pytest.mark.parametrize("discrete", [False, True])
def test_without_fluctuations_it_is_the_gradient_flow_curve(alpha: float, penalty: float, discrete: bool) -> None:
    """Two formulas in two modules, from starts without overlap; a penalty λ decays by a λ/alpha an epoch."""
    rate = 0.1
    flow = learning_curve(
        rate * EPOCHS, alpha, 0.5, initial_scale=0.6, penalty=penalty, signal=1.7, step=rate if discrete else 0.0
    )
    found = linear_unit(
        EPOCHS, alpha, 0.5, Q=0.36, R=0.0, teacher=math.sqrt(1.7), rate=rate, decay=rate * penalty / alpha,
        discrete=discrete,
    )  # fmt: skip
    for name in ("generalization_error", "train_error"):
        np.testing.assert_allclose(getattr(found, name), flow[name], rtol=1e-12)
    np.testing.assert_allclose(found.Q, flow["weight_norm"], rtol=1e-12)


@settings(deadline=None, max_examples=50)
@given(
    st.floats(0.1, 10), st.floats(0, 2), st.floats(0, 1), st.floats(-1, 1), st.floats(-2, 2), st.floats(0.01, 1),
    st.floats(0, 0.5), st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_the_error_is_that_of_the_overlaps(alpha, noise, across, along, teacher, rate, decay, fluctuation) -> None:
    """2 ε_g = Q - 2 β R + β², from three independent averages; a turned teacher and start change nothing."""
    common = {"rate": rate, "decay": decay, "fluctuation": fluctuation * rate}
    Q = across + along**2
    found = linear_unit([0.0, 1.0, 5.0], alpha, noise, Q=Q, R=along, teacher=teacher, **common)
    sizes = found.Q + teacher**2 + 1e-6
    error = found.Q - 2 * teacher * found.R + teacher**2
    assert (np.abs(2 * found.generalization_error - error) < 1e-10 * sizes).all()
    turned = linear_unit([0.0, 1.0, 5.0], alpha, noise, Q=Q, R=-along, teacher=-teacher, **common)
    np.testing.assert_allclose(turned.train_error, found.train_error, rtol=1e-12)
    np.testing.assert_allclose(turned.R, -found.R, rtol=1e-12, atol=1e-14)


def dense(alpha, noise, N, rng, *, Q, R, rate, decay, discrete, fluctuation, epochs):
    """Return ε_g and ε_t of one training set, mode by mode in its own eigenbasis; fluctuations by small steps."""
    P = round(alpha * N)
    X = rng.standard_normal((P, N)) / N**0.5
    b = rng.standard_normal(N)
    b *= N**0.5 / np.linalg.norm(b)
    w = rng.standard_normal(N)
    w -= b * (w @ b) / N
    w *= math.sqrt((Q - R * R) * N) / np.linalg.norm(w)
    w += R * b
    y = X @ b + noise * rng.standard_normal(P)
    eigenvalues, vectors = np.linalg.eigh(X.T @ X / alpha)
    drive, r = rate * vectors.T @ X.T @ y / alpha, rate * eigenvalues + decay
    substeps = 400 if fluctuation else 10
    h = epochs[-1] / substeps
    variances, results, last = np.zeros(N), [], 0.0
    for step in range(substeps + 1):
        k = step * h
        d = (1 - r) ** round(k) if discrete else np.exp(-r * k)
        part = np.where(r > 1e-12, (1 - d) / np.where(r > 1e-12, r, 1), k)
        modes = d * (vectors.T @ w) + part * drive
        residual = y - X @ (vectors @ modes)
        train = residual @ residual / (2 * P) + (eigenvalues @ variances) / (2 * N)
        if step:  # trapezoidal rule, the end of the step explicit: second order
            old = variances * np.exp(-2 * r * h) + fluctuation * h * eigenvalues * last * np.exp(-2 * r * h)
            train = residual @ residual / (2 * P) + (eigenvalues @ old) / (2 * N)
            train /= 1 - fluctuation * h * (eigenvalues @ eigenvalues) / (2 * N)
            variances = old + fluctuation * h * eigenvalues * train
        last = train
        if np.isclose(epochs, k).any():
            results.append([np.sum((vectors @ modes - b) ** 2 + variances) / (2 * N), train])
    return np.transpose(results)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "kind"),
    [(0.5, {}), (2.0, {"decay": 0.2}), (2.0, {"discrete": True, "decay": 0.1}), (0.7, {"fluctuation": 0.3}),
     (2.0, {"fluctuation": 0.5, "decay": 0.1})],
)  # fmt: skip
def test_dense_matrices_agree(alpha: float, kind: dict) -> None:
    """At N = 200 the mean of 20 training sets is within 1/N + 5 standard errors; half as much rate again is noticed."""
    settings_ = {"decay": 0.0, "discrete": False, "fluctuation": 0.0} | kind
    epochs, N = np.array([0.0, 2.0, 10.0]), 200
    common = {"Q": 0.5, "R": 0.3, "rate": 0.4, **settings_}
    draws = np.array([dense(alpha, 0.6, N, np.random.default_rng(i), epochs=epochs, **common) for i in range(20)])
    mean, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1) / 20**0.5
    theory = linear_unit(epochs, alpha, 0.6, **common)
    expected = np.array([theory.generalization_error, theory.train_error])
    assert (np.abs(mean - expected) < 5 * spread + 1 / N).all()
    wrong = linear_unit(epochs, alpha, 0.6, **{**common, "rate": 0.6})
    wrong_errors = np.array([wrong.generalization_error, wrong.train_error])
    assert (np.abs(mean - wrong_errors) > 5 * spread + 1 / N).any()


def test_the_volterra_equation_holds() -> None:
    """Both integrals taken by Gauss's rule from the training error that came out, with decay; and α < 1."""
    for alpha, decay in ((0.6, 0.0), (2.0, 0.3)):
        rate, f, end = 0.7, 0.4, 3.0
        x, w = np.polynomial.legendre.leggauss(40)
        s, w = (x + 1) * end / 2, w * end / 2
        common = {"Q": 0.5, "R": 0.2, "rate": rate, "decay": decay}
        mean = linear_unit([end], alpha, 0.5, **common)
        found = linear_unit(np.append(s, end), alpha, 0.5, fluctuation=f, **common)
        spectrum = isotropic(alpha, 1.0, [decay / rate, 1 / (rate * end)])
        nodes, weights = np.real(spectrum.nodes), np.real(spectrum.weights)
        left = np.exp(-2 * (rate * nodes + decay) * (end - s[:, None]))
        added = [f * w @ ((nodes**power * left) @ weights * found.train_error[:-1]) for power in (1, 2)]
        assert found.generalization_error[-1] == pytest.approx(mean.generalization_error[0] + added[0], rel=1e-7)
        assert found.train_error[-1] == pytest.approx(mean.train_error[0] + added[1], rel=1e-7)


@pytest.mark.parametrize(("alpha", "rate", "noise"), [(0.2, 0.1, 0.5), (3.0, 2.0, 0.0)])
def test_examples_that_are_learnt_leave_ever_smaller_errors(alpha: float, rate: float, noise: float) -> None:
    """Of mean and variance together, whose rates are positive off the diagonal, so that powers keep small numbers."""
    f, epochs = rate**2 / alpha, np.array([1.0, 10.0, 100.0, 300.0])
    found = linear_unit(epochs, alpha, noise, Q=0.6, R=0.1, teacher=1.2, rate=rate, fluctuation=f)
    spectrum = isotropic(alpha, 1.0, [0.0, 1 / (rate * epochs[-1])])
    kept = np.real(spectrum.nodes * spectrum.weights) > 1e-18
    nodes, weights = np.real(spectrum.nodes)[kept], np.real(spectrum.weights)[kept]
    parts = (nodes * (0.6 - 0.1**2 + (1.2 - 0.1) ** 2) + noise**2 / alpha) / 2
    fastest = 2 * rate * nodes.max()
    rates = np.diag(fastest - 2 * rate * nodes) + f * np.outer(nodes**2, weights)
    epoch = scipy.linalg.expm(rates / 16) * math.exp(-fastest / 16)
    expected = [weights @ np.linalg.matrix_power(epoch, 16 * int(k)) @ parts for k in epochs]
    np.testing.assert_allclose(found.train_error, expected, rtol=1e-9)
    assert 0 < found.train_error[-1] < 1e-40


def test_many_examples_are_one_pass_sgd() -> None:
    """alpha → ∞ at fixed alpha · epoch: the difference to the ODEs falls as 1/alpha."""
    eta, seen = 0.9, np.array([0.0, 0.5, 2.0, 6.0])
    online = integrate(
        [[0.5]], [[0.3]], [[1.0]], [1.0], [1.0], student="linear", teacher="linear",
        schedule=constant(eta), noise=0.5, alphas=seen, weight_decay=0.1,
    )  # fmt: skip
    differences = []
    for alpha in (100.0, 1000.0):
        a = eta * alpha
        found = linear_unit(
            seen / alpha, alpha, 0.5, Q=0.5, R=0.3, rate=a, decay=0.1 * alpha, fluctuation=a * a / alpha
        )
        differences.append(np.abs(found.generalization_error - online.generalization_error).max())
        np.testing.assert_allclose(found.train_error, online.generalization_error + 0.125, rtol=20 / alpha)
    assert differences[1] < 2e-3
    assert differences[0] / differences[1] == pytest.approx(10, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("eta", "diverges"), [(1.95, False), (2.05, True)])
def test_sgd_is_stable_below_two_whatever_alpha_is(eta: float, diverges: bool) -> None:
    """f ∫ ⟨l² e^{-2alk}⟩ dk = f/2a = η/2, as for one-pass SGD."""
    for alpha in (0.5, 3.0):
        a = eta * alpha
        found = linear_unit([0.0, 3000.0], alpha, 0.5, Q=1.0, R=0.0, rate=a, fluctuation=a * a / alpha)
        assert (found.diverged_at is not None) == diverges
        assert len(found.Q) == (1 if diverges else 2)


@pytest.mark.parametrize(("ratio", "diverges"), [(0.99, False), (1.2, True)])
def test_full_steps_are_stable_up_to_two_over_the_largest_eigenvalue(ratio: float, diverges: bool) -> None:
    alpha = 2.0
    largest = 2 / (1 + alpha**-0.5) ** 2
    found = linear_unit(np.arange(0, 4001, 100), alpha, 0.5, Q=1.0, R=0.0, rate=ratio * largest, discrete=True)
    assert (found.diverged_at is not None) == diverges
    if diverges:
        before, at = (
            linear_unit([k], alpha, 0.5, Q=1.0, R=0.0, rate=ratio * largest, discrete=True).diverged_at
            for k in (found.diverged_at - 1, found.diverged_at)
        )
        assert before is None
        assert at == found.diverged_at


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"noise": -1.0}, "noise"),
        ({"rate": math.nan}, "rate"),
        ({"fluctuation": -0.1}, "fluctuation"),
        ({"Q": 0.1, "R": 0.9}, "Q = 0.1 and R = 0.9"),
        ({"epochs": [2.0, 1.0]}, "epochs"),
    ],
)
def test_bad_values_are_named(changed: dict, says: str) -> None:
    arguments = {"epochs": [1.0], "alpha": 1.0, "noise": 0.5, "Q": 1.0, "R": 0.0, "rate": 0.5} | changed
    with pytest.raises(InputError, match=says):
        linear_unit(arguments.pop("epochs"), arguments.pop("alpha"), arguments.pop("noise"), **arguments)
