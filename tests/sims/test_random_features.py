"""The direct simulation of random features: its averages over inputs, its solutions, its decomposition, its law."""

import math
from typing import Any

import numpy as np
import pytest

from tsmech.errors import ConvergenceError
from tsmech.kernels.activations import Activation, functions
from tsmech.sims.features.problem import Problem
from tsmech.sims.features.products import Expanded, Products, products
from tsmech.sims.features.teacher import Teacher
from tsmech.sims.random_features import _decomposition, _solve, draw
from tsmech.theory.fields.hermite import hermite_constants
from tsmech.theory.random_features import errors

PROBLEM = Problem(
    examples=20, features=15, dimension=10, networks=2, penalty=0.1, noise=0.5, signal=1.3, nonlinearity=0.4,
    activation="relu", centred=False,
)  # fmt: skip


def expanded(name: str) -> Products:
    return Expanded(functions(name)[0], False)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("name", ["linear", "relu", "erf", "tanh"])
def test_mean_products_are_those_of_sampled_inputs(name: str, centred: bool) -> None:
    """With one another, with b·x and with a quadratic form, within five standard errors of 400 000 inputs."""
    rng = np.random.default_rng(0)
    D = 6
    F, G = rng.standard_normal((4, D)), rng.standard_normal((3, D))
    maps = products(name, centred)
    X = rng.standard_normal((400_000, D))
    f, g = maps.features(X, F), maps.features(X, G)
    for left, right, here in ((f, g, (F, G)), (f, f, (F, F))):
        a, b = np.eye(left.shape[1]), np.eye(right.shape[1])
        found = maps.mean_product(here[0], here[1], a, b)
        error = np.sqrt(np.array([[np.var(p * q) for q in right.T] for p in left.T]) / len(X))
        assert (abs(found - left.T @ right / len(X)) < 5 * error).all()
    teacher = Teacher(1.0, 2.0, D)
    target = teacher.labels(X)
    found = maps.with_teacher(F, teacher.weights, teacher.curvatures)
    error = np.sqrt(np.array([np.var(target * p) for p in f.T]) / len(X))
    assert (abs(found - target @ f / len(X)) < 5 * error).all()
    assert np.var(target) == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize("name", ["relu", "erf", "linear"])
def test_the_expansion_agrees_with_closed_forms(name: str) -> None:
    rng = np.random.default_rng(1)
    F, G = rng.standard_normal((50, 80)), rng.standard_normal((40, 80))
    a, b = rng.standard_normal((50, 2)), rng.standard_normal((40, 3))
    closed, series = products(name, False), expanded(name)
    for H, c in ((G, b), (F, a)):
        exact = closed.mean_product(F, H, a, c)
        np.testing.assert_allclose(series.mean_product(F, H, a, c), exact, atol=1e-8 * abs(exact).max())
    for what in ("mean", "slope", "curvature"):
        v = np.array([0.5, 1.0, 1.7])
        np.testing.assert_allclose(getattr(series, what)(v), getattr(closed, what)(v), rtol=1e-9, atol=1e-9)


def test_a_function_that_grows_fast_is_averaged_by_what_the_density_leaves_of_it() -> None:
    """E exp(u) exp(u') = exp((v + w)/2 + c)."""
    rng = np.random.default_rng(2)
    F, G = rng.standard_normal((6, 20)), rng.standard_normal((5, 20))
    v, w = (F**2).sum(1) / 20, (G**2).sum(1) / 20
    exact = np.exp((v[:, None] + w) / 2 + F @ G.T / 20)
    found = products(Activation("exp", np.exp, np.exp), False).mean_product(F, G, np.eye(6), np.eye(5))
    np.testing.assert_allclose(found, exact, rtol=1e-9)


def test_an_average_that_is_not_known_is_an_error() -> None:
    """A function with many jumps: neither the rules nor the series settle."""
    wild = Activation("wild", lambda x: np.sin(300.0 * x * x * x), lambda x: 900.0 * x * x * np.cos(300.0 * x * x * x))
    rng = np.random.default_rng(2)
    F = rng.standard_normal((20, 5))
    with pytest.raises(ConvergenceError, match="known to"):
        products(wild, False).mean_product(F, F, np.ones((20, 1)), np.ones((20, 1)))


@pytest.mark.parametrize(("P", "n"), [(20, 30), (30, 20), (25, 25)])
@pytest.mark.parametrize("penalty", [0.0, 1e-12, 1e-3, 10.0])
def test_solutions_are_those_of_singular_values(P: int, n: int, penalty: float) -> None:
    rng = np.random.default_rng(3)
    Z, y = rng.standard_normal((P, n)), rng.standard_normal((P, 2))
    u, s, vt = np.linalg.svd(Z, full_matrices=False)
    expected = vt.T @ ((s / (s**2 + penalty))[:, None] * (u.T @ y))
    a, fitted = _solve(Z.copy(), y, penalty)
    np.testing.assert_allclose(a, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(fitted, Z @ expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n", [12, 6])
def test_an_example_that_no_unit_answers_to_is_no_obstacle(n: int) -> None:
    rng = np.random.default_rng(4)
    Z, y = rng.standard_normal((6, n)), rng.standard_normal((6, 2))
    Z[2] = 0.0
    a, fitted = _solve(Z.copy(), y, 0.0)
    np.testing.assert_allclose(a, np.linalg.pinv(Z) @ y, atol=1e-10)
    np.testing.assert_allclose(fitted[2], 0.0, atol=1e-12)


@pytest.mark.parametrize(("P", "n"), [(20, 30), (20, 20), (20, 12), (30, 20), (5, 20)])
def test_dependent_features_take_nothing_from_a_solution(P: int, n: int) -> None:
    """Linear features beyond the input dimension: modes that are rounding are none, down to the least of penalties."""
    rng = np.random.default_rng(3)
    Z, y = rng.standard_normal((P, 8)) @ rng.standard_normal((8, n)), rng.standard_normal((P, 2))
    Z[:, 0] *= 0.01  # the first pivot need not be large
    u, s, vt = (each[..., :8] if each.ndim == 1 else each for each in np.linalg.svd(Z, full_matrices=False))
    for penalty in (0.0, 1e-300, 1e-20, 1e-10, 1e-4):
        turned = u[:, : s.size].T @ y
        expected = vt[: s.size].T @ ((s / (s**2 + penalty))[:, None] * turned)
        a, fitted = _solve(Z.copy(), y, penalty)
        np.testing.assert_allclose(a, expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(fitted, Z @ expected, rtol=1e-6, atol=1e-8)


def test_linear_features_beyond_the_input_dimension_are_no_new_parameters() -> None:
    """Without a penalty the same least squares, and the same errors, whatever their number."""
    sizes: dict[str, Any] = {"networks": 1, "activation": "linear", "penalty": 0.0}
    one, other = (draw(PROBLEM._replace(**sizes, features=n), np.random.default_rng(8)) for n in (10, 35))
    assert one == pytest.approx(other, rel=1e-6, abs=1e-9)


def test_a_replicate_is_what_its_predictors_do_on_a_test_set() -> None:
    """All eight predictors and their decomposition by hand, on 100 000 inputs, from the same random numbers."""
    found = draw(PROBLEM, np.random.default_rng(5))
    inputs_rng, noise_rng, features_rng = np.random.default_rng(5).spawn(3)
    P, n, D = 20, 15, 10
    F = [features_rng.standard_normal((2 * n, D)) for _ in range(2)]
    rng = np.random.default_rng(6)
    test = rng.standard_normal((100_000, D))
    teacher = Teacher.of(1.3, 0.4, D)
    f = np.empty((2, 2, 2, len(test)))
    train = []
    for i in range(2):
        X = inputs_rng.standard_normal((P, D))
        y = teacher.labels(X)[:, None] + 0.5 * noise_rng.standard_normal((P, 2))
        for j in range(2):
            at, fitted = np.zeros((len(test), 2)), np.zeros((P, 2))
            for rows in (slice(0, n), slice(n, 2 * n)):
                Z, T = (np.maximum(each @ F[j][rows].T / math.sqrt(D), 0.0) / math.sqrt(n) for each in (X, test))
                a = np.linalg.solve(Z.T @ Z + 0.1 * np.eye(n), Z.T @ y)
                at += T @ a / 2
                fitted += Z @ a / 2
            f[i, j] = at.T
            train.append(np.mean((y - fitted) ** 2) / 2)
    target = teacher.labels(test)
    assert found["train_error"] == pytest.approx(float(np.mean(train)), rel=1e-9)
    each = (f - target) ** 2 / 2
    assert found["generalization_error"] == pytest.approx(float(each.mean()), rel=5 * each.mean((0, 1, 2)).std() / 1e3)
    assert found["test_error"] == found["generalization_error"] + 0.125
    noise = ((f[:, :, 0] - f[:, :, 1]) ** 2).mean() / 4
    assert found["variance_noise"] == pytest.approx(float(noise), rel=0.02)
    gram = np.einsum("ijrt,klst->ijrkls", f, f, optimize=True) / len(test)
    overlaps = f @ target / len(test)
    expected = _decomposition(gram, overlaps, float(np.mean(target**2)))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.02), name


def test_the_decomposition_pairs_predictors_as_the_note_says() -> None:
    """Predictors that are sums of independent random functions, one for each thing that they share."""
    rng = np.random.default_rng(7)
    variances = {"X": 1.0, "XF": 0.5, "XFr": 0.25}  # of what depends on the data, on features too, and on all
    t = 300_000
    common = rng.standard_normal(t)
    X, XF, XFr = rng.standard_normal((2, t)), rng.standard_normal((2, 2, t)), rng.standard_normal((2, 2, 2, t))
    f = 0.8 * common + X[:, None, None] + math.sqrt(0.5) * XF[:, :, None] + 0.5 * XFr
    gram = np.einsum("ijrt,klst->ijrkls", f, f, optimize=True) / t
    found = _decomposition(gram, f @ common / t, 1.0)
    assert found["bias"] == pytest.approx(0.2**2 / 2, abs=0.01)
    assert found["variance_examples"] == pytest.approx(variances["X"] / 2, abs=0.01)
    assert found["variance_features"] == pytest.approx(variances["XF"] / 2, abs=0.01)
    assert found["variance_noise"] == pytest.approx(variances["XFr"] / 2, abs=0.01)


def means(draws: int, seed: int = 0, **changes: Any) -> dict[str, tuple[float, float]]:
    found = [draw(PROBLEM._replace(**changes), rng) for rng in np.random.default_rng(seed).spawn(draws)]
    columns = {name: np.array([each[name] for each in found]) for name in found[0]}
    return {name: (float(v.mean()), float(v.std(ddof=1) / math.sqrt(draws))) for name, v in columns.items()}


@pytest.mark.slow
@pytest.mark.parametrize("centred", [False, True])
def test_relu_with_and_without_its_mean_has_the_same_limit(centred: bool) -> None:
    """At D = 160, within five standard errors and the O(1/D) seen at D = 80; the wrong limit is noticed."""
    sizes = {"networks": 1, "centred": centred, "nonlinearity": 0.0, "penalty": 0.2, "activation": "relu"}
    small, large = (means(40, examples=2 * D, features=D, dimension=D, **sizes) for D in (80, 160))
    expected = errors(2.0, 1.0, 0.2, hermite_constants("relu"), 0.5, 1.3)
    wrong = errors(2.0, 1.0, 0.2, hermite_constants("erf"), 0.5, 1.3)
    for name in ("generalization_error", "train_error"):
        (first, first_error), (second, error) = small[name], large[name]
        limit, limit_error = 2 * second - first, math.hypot(2 * error, first_error)
        assert abs(limit - float(expected[name])) < 5 * limit_error, name
        assert abs(limit - float(wrong[name])) > 5 * limit_error, name
