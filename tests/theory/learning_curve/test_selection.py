"""Penalties that each training set chooses by cross-validation, against students that do."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.sims.learning_curve import MadeUp, make_table
from tsmech.theory.learning_curve import decompose, estimate, predict

PENALTIES = np.geomspace(1e-4, 1e5, 91)


def draw(made: MadeUp, rows: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    X = rng.standard_normal((rows, made.teacher.size)) * np.sqrt(made.eigenvalues)
    return X, X @ made.teacher + made.noise * rng.standard_normal(rows)


def cost(made: MadeUp, rows: int, sets: int = 100) -> tuple[float, float]:
    """Return by what share the error at penalties of the least left-out errors exceeds that at the best one.

    Without the worst twentieth of the training sets, some of which choose next to no penalty: they make up to two
    thirds of the mean, and no test sees enough of them.
    """
    rng = np.random.default_rng([rows, 9])
    errors, own = np.empty((sets, PENALTIES.size)), np.empty(sets)
    for i in range(sets):
        X, y = draw(made, rows, rng)
        U, root, V = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
        U, root, V = U[:, : rows - 1], root[: rows - 1, None], V[: rows - 1]
        along = (U.T @ (y - y.mean()))[:, None]
        share = root**2 / (root**2 + PENALTIES)
        w = V.T @ (share / root * along)
        level = y.mean() - X.mean(axis=0) @ w
        errors[i] = made.eigenvalues @ (w - made.teacher[:, None]) ** 2 + level**2 + made.noise**2
        left = np.maximum(1.0 - 1.0 / rows - U**2 @ share, 1e-9)
        own[i] = errors[i, np.argmin(((((y - y.mean())[:, None] - U @ (share * along)) / left) ** 2).sum(axis=0))]
    best = errors.mean(axis=0).argmin()
    more = np.sort(own - errors[:, best])[: int(0.95 * sets)] / errors[:, best].mean()
    return float(more.mean()), float(more.std() / np.sqrt(sets))


def predicted(made: MadeUp, known: int, rows: int) -> float:
    found = []
    for seed in range(3):
        X, y = draw(made, known, np.random.default_rng([seed, 2]))
        population = estimate(decompose(X, y[:, None]))
        best = predict(population, rows, None)
        within = predict(population, rows, None, within=True)
        assert within.penalty == best.penalty
        found.append(within.mean_square[0, 0] / predict(population, rows, best.penalty[0, 0]).mean_square[0, 0] - 1.0)
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("known", "columns", "noise", "rows"),
    [(36, 13, 0.5, 9), (50, 20, 1.0, 12), (150, 60, 0.5, 37), (150, 60, 0.5, 150)],
)
def test_what_it_costs_is_told_within_a_factor_of_three(known: int, columns: int, noise: float, rows: int) -> None:
    """... over a range from 0.5 to 15 per cent."""
    made = make_table(10, columns, noise=noise, seed=1)
    real, error = cost(made, rows)
    found = predicted(made, known, rows)
    assert (real - 2 * error) / 3 < found < 3 * (real + 2 * error)


def test_many_rows_lose_nothing_and_few_lose_most() -> None:
    made = make_table(10, 20, noise=1.0, seed=1)
    few, some, many = (predicted(made, 100, rows) for rows in (12, 100, 5000))
    assert few > 3 * some > 0
    assert many < 0.005
