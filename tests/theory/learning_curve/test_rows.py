"""One decomposition against refitting: leave-one-out errors, blocks, scaling, and what is odd about rows."""

import numpy as np
import pytest

from tsmech.errors import InputError
from tsmech.theory.learning_curve import KnownRows, decompose, estimate, oddities, predict, rows
from tsmech.theory.learning_curve.diagnostics import generalised_errors

RNG = np.random.default_rng(3)


def refitted(X: np.ndarray, y: np.ndarray, penalty: float, intercept: bool) -> float:
    """Return the mean square error on each row of ridge regression on all others, fitted anew for each."""
    errors = []
    for i in range(len(X)):
        kept = np.arange(len(X)) != i
        centre = X[kept].mean(axis=0) if intercept else np.zeros(X.shape[1])
        level = y[kept].mean() if intercept else 0.0
        A = X[kept] - centre
        w = np.linalg.solve(A.T @ A + penalty * np.eye(X.shape[1]), A.T @ (y[kept] - level))
        errors.append((y[i] - level - (X[i] - centre) @ w) ** 2)
    return float(np.mean(errors))


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("columns", [6, 23, 24, 40])
def test_errors_on_left_out_rows_are_those_of_refitting(columns: int, intercept: bool) -> None:
    X = RNG.standard_normal((24, columns)) + 0.5
    y = X @ RNG.standard_normal(columns) + 1.0 + RNG.standard_normal(24)
    found = decompose(X, y[:, None], intercept=intercept)
    for j in range(0, found.penalties.size, 9):
        if found.penalties[j] > 1e-6:  # the reference solves equations that are singular without a penalty
            expected = refitted(X, y, float(found.penalties[j]), intercept)
            assert found.loo[j, 0] == pytest.approx(expected, rel=1e-5)


def test_residuals_are_those_of_the_whole_fit_and_targets_do_not_disturb_each_other() -> None:
    X, Y = RNG.standard_normal((30, 5)), RNG.standard_normal((30, 3))
    both = decompose(X, Y)
    for k in range(3):
        alone = decompose(X, Y[:, k : k + 1])
        assert np.allclose(both.loo[:, k], alone.loo[:, 0], rtol=1e-12)
    A, b = X - X.mean(axis=0), Y[:, 1] - Y[:, 1].mean()
    penalty = both.penalties[20]
    w = np.linalg.solve(A.T @ A + penalty * np.eye(5), A.T @ b)
    assert both.residual[20, 1] == pytest.approx(np.mean((b - A @ w) ** 2), rel=1e-10)


def test_blocks_and_a_choice_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = RNG.standard_normal((90, 12)), RNG.standard_normal((90, 1))
    kept = np.sort(RNG.permutation(90)[:60])
    whole = decompose(X[kept], y[kept], standardise=True)
    monkeypatch.setattr(rows, "BLOCK", 12 * 7)
    found = decompose(X, y, kept, standardise=True)
    for name in ("s", "penalties", "loo", "influence", "influence_common", "common", "variance", "drift", "likeness"):
        assert np.allclose(getattr(found, name), getattr(whole, name), rtol=1e-9), name
    assert found.leverage == pytest.approx(whole.leverage)


def test_standardised_columns_have_no_units() -> None:
    X, y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 1))
    plain = decompose(X, y, standardise=True)
    units = decompose(X * np.array([1e-6, 1.0, 1e3, 1e8]) + 5.0, y, standardise=True)
    assert np.allclose(plain.loo, units.loo, rtol=1e-6)


def test_wide_and_tall_decompositions_meet() -> None:
    """24 columns of 24 rows go one way, the same columns and an empty one the other."""
    X, y = RNG.standard_normal((24, 24)), RNG.standard_normal((24, 1))
    tall, wide = decompose(X, y), decompose(np.column_stack([X, np.zeros(24)]), y)
    assert np.allclose(tall.s, wide.s, rtol=1e-9)
    assert np.allclose(np.interp(np.log(tall.penalties[5:-5]), np.log(wide.penalties), wide.loo[:, 0]),
                       tall.loo[5:-5, 0], rtol=0.02)  # fmt: skip


@pytest.mark.parametrize("columns", [6, 30])
def test_influences_are_derivatives_by_the_rows_weights(columns: int) -> None:
    """φ_i = d Σ_j (weight of j) e_j² / d(weight of i), against finite differences of weighted ridge regression.

    In the sum over pairs the package puts the mean of e²/(1 - h) for each row's own (eq. 5): the same to a tenth.
    """
    rng = np.random.default_rng(3)
    X, y, step = rng.standard_normal((20, columns)) * rng.choice([0.5, 2.0], (20, 1)), rng.standard_normal(20), 1e-4
    found = decompose(X, y[:, None], intercept=False)
    for j in np.searchsorted(found.penalties, (0.3, 3.0, 30.0)) // 3 * 3 + 1:  # where influence is computed
        ridge = found.penalties[j] * np.eye(columns)

        def left_out(weights: np.ndarray, ridge: np.ndarray = ridge) -> float:
            inverse = np.linalg.inv(X.T @ (weights[:, None] * X) + ridge)
            H = X @ inverse @ X.T * weights
            return float(weights @ ((y - H @ y) / (1.0 - np.diag(H))) ** 2)

        ones = np.ones(20)
        slopes = [(left_out(ones + step * e) - left_out(ones - step * e)) / (2 * step) for e in np.eye(20)]
        H = X @ np.linalg.solve(X.T @ X + ridge, X.T)
        h = np.diag(H)
        e = (y - H @ y) / (1.0 - h)
        v, apart = e / (1.0 - h), H - np.diag(h)
        start = e**2 - 2.0 * e * (1.0 - h) * (apart @ v)
        assert np.allclose(slopes, start - 2.0 * apart**2 @ (e * v), rtol=1e-4, atol=1e-4)
        paired = (apart**2).sum(axis=1)
        phi = start - 2.0 * paired * (paired @ (e * v)) / paired.sum()
        assert found.influence[j, 0] == pytest.approx(phi.var() / np.mean(e**2) ** 2, rel=1e-8)
        common = np.mean(phi * (y**2 - np.mean(y**2))) / np.mean(e**2) / np.mean(y**2)
        assert found.influence_common[j, 0] == pytest.approx(common, rel=1e-8)
        assert found.influence[j, 0] == pytest.approx(np.var(slopes) / np.mean(e**2) ** 2, rel=0.1)


def test_generalised_cross_validation_is_close_to_leave_one_out_on_gaussian_rows() -> None:
    X, y = RNG.standard_normal((400, 60)), RNG.standard_normal((400, 1))
    found = decompose(X, y)
    assert np.allclose(generalised_errors(found), found.loo, rtol=0.03)


def test_gaussian_rows_are_nothing_odd_and_heavy_or_moving_ones_are() -> None:
    X = RNG.standard_normal((300, 20))
    y = X @ np.ones(20) + RNG.standard_normal(300)
    assert oddities(decompose(X, y[:, None])) == []
    heavy = X * np.sqrt(1.0 / RNG.gamma(1.2, 1.0, (300, 1)))
    assert any("heavy tails" in words for words in oddities(decompose(heavy, y[:, None])))
    moving = X @ np.ones(20) + np.linspace(0.1, 4.0, 300) * RNG.standard_normal(300)
    assert any("early and late" in words for words in oddities(decompose(X, moving[:, None])))
    series = np.zeros(300)
    for i in range(1, 300):
        series[i] = 0.8 * series[i - 1] + RNG.standard_normal()
    found = decompose(X, (X @ np.ones(20) + series)[:, None])
    assert any("follow each other" in words for words in oddities(found))
    assert found.likeness[0] == pytest.approx(0.8, abs=0.15)


def test_standardised_columns_that_vary_in_few_rows_are_counted() -> None:
    """Seldom positive parts are, at sizes that miss them; ones among zeros, and columns as they are, are not."""
    X = RNG.standard_normal((1000, 20))
    y = X[:, :1] + RNG.standard_normal((1000, 1))
    parts = np.column_stack([X, np.maximum(X - 2.0, 0.0)])
    ones = np.column_stack([X, (X > 2.0).astype(float)])

    def words(inputs: np.ndarray, rows: float, standardise: bool = True) -> str:
        return " ".join(oddities(decompose(inputs, y, standardise=standardise), rows))

    assert np.array_equal(decompose(parts, y, standardise=True).carried < 0.05, np.arange(40) >= 20)
    assert "20 of 40 standardised columns vary in few rows only: 40 training rows" in words(parts, 40)
    for other in (words(parts, 800), words(ones, 40), words(parts, 40, standardise=False), words(X, 40)):
        assert "standardised columns" not in other


def test_inputs_that_do_not_vary_are_refused() -> None:
    with pytest.raises(InputError, match="no column of the inputs varies"):
        decompose(np.ones((30, 3)), RNG.standard_normal((30, 1)))


def test_each_row_s_residual_over_what_noise_leaves_there_is_the_noise() -> None:
    """Noise of variance 1 alone on rows with outliers in single columns: 1500 targets (eqs. 12a and 12b).

    Left-out errors by the law of rows that are alike (control) take the outliers' for noise.
    """
    rng = np.random.default_rng(3)
    X = rng.standard_t(2.5, (40, 15))
    for intercept in (True, False):
        known = decompose(X, rng.standard_normal((40, 1500)), intercept=intercept)
        assert np.abs(known.each.mean(axis=1) - 1.0).max() < 4 * known.each.std(axis=1).max() / np.sqrt(1500)
        uncertain = known.loo.std(axis=1) / np.sqrt(1500)
        assert (np.abs(known.loo.mean(axis=1) - known.uptake) < 4 * uncertain).all()
        t = known.penalties / (known.s[:, None] + known.penalties)
        first, second = (known.free - known.s.size + (t**power).sum(axis=0) for power in (1, 2))
        alike = known.loo.mean(axis=1) * first**2 / second / known.rows
        assert alike[0] > 1.0 + 4 * uncertain[0]


def test_what_left_out_rows_take_up_of_noise_is_extrapolated_to_fewer() -> None:
    """Rows with outliers in single columns, noise alone: measured on 400 rows, and on sets of a quarter and an eighth.

    By the law of rows that are alike (control) it is too small (12c).
    """
    inputs, rng = np.random.default_rng(3).standard_t(4.0, (6200, 15)), np.random.default_rng(4)

    def decomposed(size: int, sets: int) -> list[KnownRows]:
        return [decompose(inputs[i * size : (i + 1) * size], rng.standard_normal((size, 1))) for i in range(sets)]

    known = [estimate(one) for one in decomposed(400, 5)]
    for size in (50, 100):
        real = [np.interp(np.log(0.1), np.log(one.penalties), one.uptake) - 1.0 for one in decomposed(size + 1, 60)]
        taken = []
        for one in known:
            ones = np.ones_like(one.error)
            noise = one._replace(error=ones, noise=np.ones(1), noise_slope=0.0 * ones)
            both = (noise, noise._replace(excess=0.0 * ones))
            taken.append([predict(part, size, 0.1).mean_square[0, 0] - 1.0 for part in both])
        found, alike = np.mean(taken, axis=0) / np.mean(real) - 1.0
        uncertain = np.std(real) / np.mean(real) / np.sqrt(60) + np.std(taken, axis=0)[0] / np.mean(real) / np.sqrt(5)
        assert abs(found) < 2 * uncertain < 0.05
        assert alike < -3 * uncertain
