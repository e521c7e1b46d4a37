"""Fits on subsets of a table against scikit-learn's, on the same rows."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsmech.sims.learning_curve import CANDIDATES, draw_direct, make_table

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_fits_are_those_of_scikit_learn(intercept: bool, standardise: bool) -> None:
    """Few rows and many, two targets with penalties of their own; columns far from zero and of different scales."""
    X = RNG.standard_normal((120, 30)) * np.geomspace(0.1, 10.0, 30) + 3.0
    Y = X[:, :2] @ np.array([[1.0, 0.2], [0.0, 1.0]]) + RNG.standard_normal((120, 2)) + 2.0
    pool, held = np.arange(90), np.arange(90, 120)
    sizes, penalties = np.array([10, 30, 45, 90]), np.array([[1.0, 1.0], [0.1, 5.0], [2.0, 2.0], [0.3, 30.0]])
    found = draw_direct(X, Y, pool, held, sizes, penalties, np.random.default_rng(1),
                        intercept=intercept, standardise=standardise)  # fmt: skip
    order = np.random.default_rng(1).permutation(pool)
    for i, m in enumerate(sizes):
        for k in range(2):
            fit = Ridge(alpha=penalties[i, k], fit_intercept=intercept, solver="svd")
            model = make_pipeline(StandardScaler(with_mean=intercept), fit) if standardise else fit
            rows = order[:m]
            model.fit(X[rows], Y[rows, k])
            error = np.mean((model.predict(X[held]) - Y[held, k]) ** 2)
            train = np.mean((model.predict(X[rows]) - Y[rows, k]) ** 2)
            assert found["test"][i, k] == pytest.approx(error, rel=1e-8)
            assert found["train"][i, k] == pytest.approx(train, rel=1e-7)
    assert np.allclose(found["penalty"], penalties)


@pytest.mark.parametrize("rows", [15, 60])
def test_without_a_penalty_the_solution_has_the_least_norm(rows: int) -> None:
    X = RNG.standard_normal((100, 30))
    y = X[:, :1] + RNG.standard_normal((100, 1))
    found = draw_direct(X, y, np.arange(80), np.arange(80, 100), np.array([rows]), np.zeros((1, 1)),
                        np.random.default_rng(0))  # fmt: skip
    chosen = np.random.default_rng(0).permutation(80)[:rows]
    centre, level = X[chosen].mean(axis=0), y[chosen].mean()
    w = np.linalg.pinv(X[chosen] - centre) @ (y[chosen] - level)
    error = np.mean(((X[80:] - centre) @ w + level - y[80:]) ** 2)
    assert found["test"][0, 0] == pytest.approx(error, rel=1e-8)
    assert (found["train"][0, 0] < 1e-20) == (rows < 30)


def test_explained_is_the_share_of_the_held_out_variance() -> None:
    X, y = RNG.standard_normal((60, 5)), RNG.standard_normal((60, 1)) + 4.0
    found = draw_direct(X, y, np.arange(40), np.arange(40, 60), np.array([20]), np.ones((1, 1)),
                        np.random.default_rng(0))  # fmt: skip
    assert found["explained"][0, 0] == pytest.approx(1 - found["test"][0, 0] / y[40:].var())


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("rows", [20, 70])
def test_cross_validation_chooses_the_penalty_of_the_least_leave_one_out_error(rows: int, intercept: bool) -> None:
    """Without an intercept, columns far from zero leave the candidates where they are: what varies needs these."""
    X = RNG.standard_normal((100, 30)) + (0.0 if intercept else 100.0)
    y = X[:, :2] - X[:, 2:4] + 2.0 * RNG.standard_normal((100, 2))
    found = draw_direct(X, y, np.arange(80), np.arange(80, 100), np.array([rows]), None, np.random.default_rng(2),
                        intercept=intercept)  # fmt: skip
    chosen = np.random.default_rng(2).permutation(80)[:rows]
    A = X[chosen] - X[chosen].mean(axis=0)
    candidates = np.geomspace(1e-5, 1e4, CANDIDATES) * (A**2).sum() / min(rows - intercept, 30)
    for k in range(2):
        best = RidgeCV(alphas=candidates, fit_intercept=intercept).fit(X[chosen], y[chosen, k])
        assert found["penalty"][0, k] == pytest.approx(best.alpha_, rel=1e-6)
        error = np.mean((best.predict(X[80:]) - y[80:, k]) ** 2)
        assert found["test"][0, k] == pytest.approx(error, rel=1e-5)


def test_a_training_set_whose_inputs_do_not_vary_predicts_the_mean() -> None:
    X = np.concatenate([np.zeros(30), RNG.standard_normal(10)])[:, None]
    y = RNG.standard_normal((40, 1))
    for penalties in (None, np.ones((1, 1))):
        found = draw_direct(X, y, np.arange(30), np.arange(30, 40), np.array([20]), penalties, np.random.default_rng(2))
        mean = y[np.random.default_rng(2).permutation(30)[:20]].mean()
        assert found["test"][0, 0] == pytest.approx(np.mean((y[30:] - mean) ** 2))


def test_made_up_tables_are_what_they_say() -> None:
    made = make_table(20_000, 10, exponent=1.0, noise=0.5, seed=3)
    assert np.allclose(made.inputs.var(axis=0), made.eigenvalues, rtol=0.05)
    assert made.eigenvalues.sum() == pytest.approx(1.0)
    assert made.eigenvalues @ made.teacher**2 == pytest.approx(1.0)
    rest = made.targets[:, 0] - made.inputs @ made.teacher
    assert rest.std() == pytest.approx(0.5, rel=0.03)
    assert (make_table(5, 3, seed=1).inputs == make_table(5, 3, seed=1).inputs).all()
