"""Kernel regression as a system and its simulation."""

import doctest
from typing import Any

import numpy as np
import pytest

import tsmech
from tsmech import KernelRegression
from tsmech.errors import ConvergenceError, InputError
from tsmech.sims.kernel_regression import Problem, draw, target
from tsmech.systems import kernel_regression
from tsmech.theory.kernel_regression import gegenbauer, harmonics


def test_examples() -> None:
    assert doctest.testmod(kernel_regression) == (0, 3)


def test_the_target_has_its_variance_in_each_degree() -> None:
    """From the definition, with the polynomials of the theory, and on sampled inputs."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200_003, 8))
    rows *= np.sqrt(8) / np.linalg.norm(rows, axis=1, keepdims=True)
    X, b = rows[3:], rows[:3]
    found = target(X, b, (0.5, 1.0, 2.0))
    Q, N = [gegenbauer(X @ each / 8, 8, 3) for each in b], harmonics(8, 3)
    np.testing.assert_allclose(found, np.sqrt(0.5) + np.sqrt(N[1]) * Q[1][1] + np.sqrt(2 * N[2]) * Q[2][2], atol=1e-10)
    assert np.var(found) == pytest.approx(3.0, rel=0.02)


def test_a_draw_is_kernel_ridge_regression() -> None:
    problem = Problem(6, 50, 4, 0.3, 0.5, (0.0, 1.0))
    found = draw(problem, lambda X, Y: np.exp(X @ (X if Y is None else Y).T / 4), np.random.default_rng(1))
    t, x, noise = np.random.default_rng(1).spawn(3)
    b, X, fresh = (r * (2 / np.linalg.norm(r, axis=1, keepdims=True)) for r in (
        t.standard_normal((2, 4)), x.standard_normal((6, 4)), x.standard_normal((50, 4))))  # fmt: skip
    y = X @ b[1] / 2 + 0.5 * noise.standard_normal(6)
    f = np.exp(fresh @ X.T / 4) @ np.linalg.solve(np.exp(X @ X.T / 4) + 0.3 * np.eye(6), y)
    assert found["generalization_error"] == pytest.approx(np.mean((f - fresh @ b[1] / 2) ** 2) / 2)
    with pytest.raises(ConvergenceError, match="singular to rounding"):
        draw(problem._replace(penalty=0.0), lambda X, Y: np.ones((len(X), len(X if Y is None else Y))),
             np.random.default_rng(1))  # fmt: skip


def test_eigenvalues_that_rounding_hides_do_not_decide_an_error_silently() -> None:
    """A Gaussian that is nearly constant resolves degree 3 at no penalty, by eigenvalues of 1e-15 of its trace."""
    system = {"examples": 60, "dimension": 10, "kernel": "gaussian", "length": 100.0}
    with pytest.raises(ConvergenceError, match="the test error of kernel regression from 60 examples is between"):
        KernelRegression(**system).theory()
    assert KernelRegression(**system, penalty=1e-3).theory().test_error[0] == pytest.approx(1.2, rel=0.05)


@pytest.mark.parametrize(
    ("kernel", "degrees"),
    [({"kernel": "series", "coefficients": (0.0, 1.0)}, [1]), ({"kernel": "series", "coefficients": (0, 0, 1)}, [0, 2]),
     ({"activation": "linear"}, [0, 1]), ({"activation": "linear", "bias_variance": 0.0}, [1]), ({}, None)],
)  # fmt: skip
def test_polynomials_have_their_degrees_and_leave_the_rest_on_the_examples(
    kernel: dict[str, Any], degrees: list[int] | None
) -> None:
    system = KernelRegression(examples=100, dimension=10, powers=(0.0,), noise=1.0, **kernel)
    assert system.degrees() == degrees
    left = 0.0 if degrees is None else 1 - sum(harmonics(10, 3)[degrees]) / 100
    assert system.theory().train_error[0] == pytest.approx(left / 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [{}, {"kernel": "nngp", "activation": "erf", "bias_variance": 0.5}, {"kernel": "gaussian", "length": 2.0},
     {"kernel": "series", "coefficients": (0.1, 1.0, 1.0)}],
)  # fmt: skip
def test_theory_and_simulation_agree(parameters: dict[str, Any]) -> None:
    """Within five standard errors of 30 draws; twice the noise would be seen."""
    common = {"examples": 200, "dimension": 40, "penalty": 0.1, "noise": 0.6, "powers": (0.0, 1.0, 0.3), **parameters}
    system = KernelRegression(**common)
    draws = [system.direct(rng=i).iloc[0] for i in range(30)]
    wrong = KernelRegression(**{**common, "noise": 1.2}).theory().iloc[0]
    for name in ("test_error", "train_error"):
        values = np.array([one[name] for one in draws])
        error = values.std(ddof=1) / np.sqrt(30)
        assert abs(values.mean() - system.theory().iloc[0][name]) < 5 * error, name
        assert abs(values.mean() - wrong[name]) > 5 * error, name


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"examples": 0}, "examples = 0"),
        ({"dimension": 2}, "dimension = 2"),
        ({"penalty": -1}, "penalty = -1"),
        ({"kernel": "rbf"}, "kernel = rbf is not allowed"),
        ({"kernel": "series"}, "kernel = series needs coefficients"),
        ({"coefficients": [1.0]}, "kernel = ntk has no coefficients"),
        ({"kernel": "series", "coefficients": [0.0]}, "coefficients are all zero"),
        ({"kernel": "series", "coefficients": [-1.0]}, r"coefficients\[0\] = -1"),
        ({"kernel": "gaussian", "hidden_layers": 2}, "hidden_layers = 2 has no effect with kernel = gaussian"),
        ({"length": 2.0}, "length = 2.0 has no effect with kernel = ntk"),
        ({"powers": [0.0, -1.0]}, r"powers\[1\] = -1"),
    ],
)
def test_bad_input_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KernelRegression(**{"examples": 10, **parameters})


def test_what_it_lacks_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no exact reduction of nonlinear kernels"):
        KernelRegression(examples=10).reduced(rng=0)
    monkeypatch.setattr(kernel_regression, "shortage", lambda needed, what: f"{what} takes {needed / 8e10:.0f} units")
    with pytest.raises(InputError, match="a kernel of 100000 examples takes 4 units"):
        KernelRegression(examples=100_000).direct(rng=0)


@pytest.mark.slow
def test_the_check_finds_no_disagreement() -> None:
    assert all(verdict.agrees for verdict in tsmech.check(KernelRegression, replicates=200))
