"""Predictions against made-up tables of known truth, and against what everybody tries first."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.problem.feature_maps import FeatureMap
from tsmech.sims.learning_curve import MadeUp, draw_direct, make_table
from tsmech.theory.learning_curve import KnownRows, Population, decompose, estimate, noise_floor, predict, rows_for
from tsmech.theory.learning_curve.error_curve import stated_errors

TABLES = 40


@cache
def population(known: int, columns: int, exponent: float, noise: float, seed: int) -> Population:
    made = make_table(known, columns, exponent=exponent, noise=noise, seed=1)
    rng = np.random.default_rng([seed, 2])
    X = rng.standard_normal((known, columns)) * np.sqrt(made.eigenvalues)
    y = X @ made.teacher + noise * rng.standard_normal(known)
    return estimate(decompose(X, y[:, None]))


def truth(made: MadeUp, rows: int, penalty: float, draws: int = 60) -> tuple[float, float, float]:
    """Return the mean error of fitted students over the population, its standard error, and their training error."""
    rng = np.random.default_rng([rows, 7])
    errors, train = [], []
    for _ in range(draws):
        X = rng.standard_normal((rows, made.teacher.size)) * np.sqrt(made.eigenvalues)
        y = X @ made.teacher + made.noise * rng.standard_normal(rows)
        A, level = X - X.mean(axis=0), y.mean()
        w = A.T @ np.linalg.solve(A @ A.T + penalty * np.eye(rows), y - level)
        offset = level - X.mean(axis=0) @ w
        errors.append(made.eigenvalues @ (w - made.teacher) ** 2 + offset**2 + made.noise**2)
        train.append(np.mean((y - level - A @ w) ** 2))
    return float(np.mean(errors)), float(np.std(errors) / np.sqrt(draws)), float(np.mean(train))


def test_standardising_over_few_rows_weakens_a_penalty() -> None:
    """Each column's variance over m rows is 1 - 1/m of the population's in the mean, and so is what a penalty is."""
    made = make_table(120, 20, exponent=1.0, noise=0.5, seed=3)
    scaled = made.inputs / made.inputs.std(axis=0)
    units, plain = (estimate(decompose(scaled, made.targets, standardise=one)) for one in (True, False))
    for m in (12, 120, 1000):
        weaker = 2.0 * (1.0 - 1.0 / m) / (1.0 - 1.0 / 120)
        assert np.allclose(predict(units, m, 2.0).mean_square, predict(plain, m, weaker).mean_square, rtol=1e-9)
        best, other = predict(units, m, None), predict(plain, m, None)
        assert np.allclose(best.mean_square, other.mean_square, rtol=1e-9)
        assert np.allclose(best.penalty / other.penalty, 2.0 / weaker, rtol=1e-9)


CASES = [
    # known, columns, exponent, noise, rows, penalty: from a fifth to four times the known rows
    (50, 20, 1.0, 1.0, (25, 50, 200), 1.0),
    (150, 60, 1.0, 0.5, (37, 150, 600), 0.1),
    (100, 300, 1.0, 0.5, (25, 100, 200), 1.0),
    (120, 60, 0.0, 0.5, (90, 240), 0.01),
]


@pytest.mark.slow
@pytest.mark.parametrize(("known", "columns", "exponent", "noise", "sizes", "penalty"), CASES)
def test_predictions_are_right_within_their_stated_error(
    known: int, columns: int, exponent: float, noise: float, sizes: tuple[int, ...], penalty: float
) -> None:
    """Over 40 tables the mean is right to a tenth, and intervals cover at their level (0.68, 0.95) or more.

    40 tables make the mean uncertain by a sixth of one table's scatter; coverage of 0.68 has a standard deviation of
    0.074, so 0.46 is three of them below.
    """
    made = make_table(10, columns, exponent=exponent, noise=noise, seed=1)
    found = [predict(population(known, columns, exponent, noise, seed), sizes, penalty) for seed in range(TABLES)]
    for i, rows in enumerate(sizes):
        real, uncertain, real_train = truth(made, rows, penalty)
        values = np.array([one.mean_square[i, 0] for one in found])
        errors = np.hypot([one.mean_square_error[i, 0] for one in found], uncertain)
        mean_error = np.hypot(values.std() / np.sqrt(TABLES), uncertain)
        assert abs(values.mean() - real) < 3 * mean_error + 0.03 * real, (rows, values.mean(), real)
        assert np.mean(np.abs(values - real) < errors) >= 0.46, rows
        assert np.mean(np.abs(values - real) < 2 * errors) >= 0.84, rows
        train = np.mean([one.train[i, 0] for one in found])
        assert train == pytest.approx(real_train, rel=0.03 + 3 * mean_error / real, abs=0.01 * real), rows
        ratio = np.array([1 - one.explained[i, 0] for one in found]) * (1 + noise**2)
        spread = np.array([one.explained_error[i, 0] for one in found]) * (1 + noise**2)
        assert np.mean(np.abs(ratio - real) < 2 * np.hypot(spread, uncertain)) >= 0.84, rows


def naive(X: np.ndarray, y: np.ndarray, rows: int, penalty: float) -> float:
    """Return the fixed point's error with the sample's own spectrum, target and residual noise put into it."""
    from scipy.optimize import brentq

    n = len(X)
    A, b = X - X.mean(axis=0), y - y.mean()
    left, root, _ = np.linalg.svd(A, full_matrices=False)
    s = root**2 / n
    w2 = ((left.T @ b) / root) ** 2
    noise = np.sum((b - left @ (left.T @ b)) ** 2) / n
    kappa = np.exp(brentq(lambda t: np.exp(t) * (1 - (s / (s + np.exp(t))).sum() / rows) - penalty / rows, -30, 30))
    bias = (kappa**2 * s * w2 / (s + kappa) ** 2).sum()
    return float((bias + noise) / (1 - ((s / (s + kappa)) ** 2).sum() / rows))


def test_what_everybody_tries_first_is_wrong_and_noticed() -> None:
    """Eigenvectors from the rows on which the target is projected: the noise comes out too small (negative control)."""
    made = make_table(10, 60, exponent=1.0, noise=0.5, seed=1)
    real, _, _ = truth(made, 300, 0.1, 20)
    plain, ours = [], []
    for seed in range(12):
        rng = np.random.default_rng([seed, 2])
        X = rng.standard_normal((100, 60)) * np.sqrt(made.eigenvalues)
        y = X @ made.teacher + 0.5 * rng.standard_normal(100)
        plain.append(naive(X, y, 300, 0.1))
        ours.append(predict(estimate(decompose(X, y[:, None])), 300, 0.1).mean_square[0, 0])
    assert np.mean(plain) < 0.75 * real
    assert abs(np.mean(ours) - real) < 3 * np.std(ours) / np.sqrt(12)


@pytest.mark.parametrize("columns", [20, 90])
def test_at_one_row_less_the_prediction_is_leave_one_out(columns: int) -> None:
    """... within what these scatter by; where they lie on a curve of the model and the path reaches κ = 0, exactly."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, columns))
    known = decompose(X, X[:, :1] + rng.standard_normal((60, 1)))
    places = slice(25, known.penalties.size - 5, 10)

    def at_one_row_less(known: KnownRows) -> np.ndarray:
        found = estimate(known)
        return np.vstack([predict(found, 59, float(a)).mean_square for a in known.penalties])

    smooth = at_one_row_less(known)
    assert (np.abs(smooth / known.loo - 1.0) < stated_errors(known).own)[places].all()
    if columns < 60:
        assert np.allclose(at_one_row_less(known._replace(loo=smooth))[places], smooth[places], rtol=3e-3)


def test_with_many_rows_the_fit_is_the_path() -> None:
    made = make_table(2000, 30, seed=4)
    known = decompose(made.inputs, made.targets)
    found = estimate(known)
    for j in range(25, known.penalties.size - 5, 10):
        predicted = predict(found, 1999, float(known.penalties[j])).mean_square[0, 0]
        assert predicted == pytest.approx(known.loo[j, 0], rel=0.25 * stated_errors(known).own[j, 0])


def test_degrees_of_freedom_are_the_population_s() -> None:
    made = make_table(400, 300, exponent=1.0, seed=5)
    found = estimate(decompose(made.inputs, made.targets))
    s = made.eigenvalues
    for place in range(300, found.log_kappa.size, 400):
        learned = s / (s + np.exp(found.log_kappa[place]))
        if learned.sum() < 200:
            assert found.df1[place] == pytest.approx(learned.sum(), rel=0.02, abs=0.5)
            assert found.df2[place] == pytest.approx((learned**2).sum(), rel=0.05, abs=0.5)


def test_below_the_path_degrees_of_freedom_go_on_to_the_number_of_columns() -> None:
    made = make_table(100, 250, exponent=1.0, seed=5)
    found = estimate(decompose(made.inputs, made.targets))
    assert found.path > 0
    assert found.df1[0] == pytest.approx(250, rel=0.1)
    assert (np.diff(found.df1) <= 1e-9).all()
    s = made.eigenvalues
    half = found.path // 2 + found.path // 3
    assert found.df1[half] == pytest.approx((s / (s + np.exp(found.log_kappa[half]))).sum(), rel=0.15)
    relative = found.relative[: found.path, 0]
    assert (np.diff(relative) <= 1e-9).all()  # what lies further away is known less well
    assert relative[0] > 1.3 * found.relative[found.path, 0]


def test_the_noise_floor_is_the_noise() -> None:
    floors = [noise_floor(population(150, 60, 1.0, 0.5, seed)) for seed in range(12)]
    values, errors = (np.array([floor[i][0] for floor in floors]) for i in (0, 1))
    assert abs(values.mean() - 0.25) < 3 * values.std() / np.sqrt(12)
    assert np.mean(np.abs(values - 0.25) < 2 * errors) >= 0.75


def test_a_shuffled_target_is_not_explained() -> None:
    for seed in range(6):
        made = make_table(200, 40, seed=seed)
        shuffled = np.random.default_rng(seed).permutation(made.targets)
        found = predict(estimate(decompose(made.inputs, shuffled)), (50, 200, 800), None)
        assert (np.abs(found.explained) < 3 * found.explained_error + 0.02).all()
        assert (found.explained_error < 0.1).all()


def test_the_best_penalty_is_the_least_of_all_and_the_held_out_rows_widen_the_interval() -> None:
    found = population(150, 60, 1.0, 0.5, 0)
    best = predict(found, (40, 150, 400), None)
    given = zip(best.rows, best.penalty[:, 0], strict=True)
    least = np.array([predict(found, m, float(penalty)).mean_square[0] for m, penalty in given])
    for penalty in (0.01, 0.1, 0.3, 1.0, 10.0):
        assert (predict(found, (40, 150, 400), penalty).mean_square >= least * (1 - 1e-4)).all()
    raised = best.mean_square / least  # what was chosen as the least is low by chance
    assert (raised > 1.0).all()
    assert (raised < 1.02).all()
    assert (best.penalty_error > 0).all()
    assert (predict(found, 150, 1.0).penalty_error == 0).all()
    measured = predict(found, (40, 150, 400), None, reported=30)
    assert (measured.mean_square == best.mean_square).all()
    assert (measured.mean_square_error > best.mean_square_error).all()
    assert (measured.explained_error > best.explained_error).all()


def test_no_penalty_is_chosen_where_nothing_is_known() -> None:
    """Products of columns that nearly depend on each other: least eigenvalues of 1e-9, where errors are not known.

    Extrapolated to zero there, the curve had its least where its error is infinite.
    """
    features = FeatureMap("polynomial", 1, 3, 1.0)

    def table(rows: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rng = np.random.default_rng(seed)
        b, c = np.exp(0.3 * rng.standard_normal((2, rows)))
        inputs = np.column_stack([rng.random(rows) < 0.5, b, c, np.round(b / c, 2), rng.standard_normal(rows)])
        return inputs, (inputs @ [0.0, 3.0, 0.0, 0.0, 1.0] + rng.standard_normal(rows))[:, None]

    new, targets = table(1000, 99)
    for seed in (4, 6, 8):
        known, y = table(120, seed)
        inputs, scale = features.of(new, known), features.of(known, known).std(axis=0)
        population = estimate(decompose(features.of(known, known), y, standardise=True))
        found = predict(population, (40, 119), None, reported=500)
        inputs /= np.where(scale > 1e-9, scale, 1.0)
        fits = [
            draw_direct(inputs, targets, np.arange(500), np.arange(500, 1000), np.array([40, 119]), found.penalty,
                        np.random.default_rng(i))["test"]
            for i in range(5)
        ]  # fmt: skip
        assert (np.abs(found.mean_square - np.mean(fits, axis=0)) < 3 * found.mean_square_error).all()


def test_the_best_penalty_is_never_predicted_to_be_worse_than_to_learn_nothing() -> None:
    """A target that inputs of two values determine: left-out errors are rounding, and say nothing of their slopes."""
    for seed in (0, 2, 3):
        X = np.random.default_rng(seed).integers(0, 2, (100, 5)) - 0.5
        inputs = FeatureMap("polynomial", 1, 3, 1.0).of(X, X)
        y = np.sign(X[:, :1] * X[:, 1:2])
        population = estimate(decompose(inputs, y))
        found = predict(population, (24, 37, 160), None)
        assert (found.mean_square <= 1.5 * y.var()).all()
        assert noise_floor(population)[1][0] <= 1.5 * y.var()  # not known at all, and no more than nothing learnt


def test_without_a_penalty_there_is_a_peak_where_rows_meet_columns() -> None:
    found = population(150, 60, 1.0, 0.5, 0)
    error = predict(found, (30, 55, 61, 65, 120), 0.0).mean_square[:, 0]
    assert np.isinf(error[2]) or error[2] > 20 * error[4]
    assert error[1] > error[0]
    assert error[3] > error[4]
    assert (predict(found, (30, 55), 0.0).train == 0.0).all()


def test_as_many_rows_as_are_said_reach_an_error() -> None:
    found = population(150, 60, 1.0, 0.5, 0)
    for penalty in (None, 1.0):
        needed = rows_for(found, 0.4, penalty)
        assert needed.least < needed.rows < needed.most
        assert predict(found, needed.rows, penalty).mean_square[0, 0] == pytest.approx(0.4, rel=2e-3)
    assert rows_for(found, 0.5 * noise_floor(found)[0][0], None).rows == np.inf
    assert rows_for(found, 100.0, None).rows == 4.0
