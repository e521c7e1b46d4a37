"""What choosing the penalty costs, against refits, explicit choices and made-up tables."""

import numpy as np
import pytest

from tsmech.sims.learning_curve import MadeUp, make_table
from tsmech.theory.learning_curve import decompose, estimate, predict
from tsmech.theory.learning_curve.optimism import Steps, choose, covariance_with_students, without_pairs


def test_the_least_of_a_parabola_is_low_by_the_slope_s_variance_over_the_curvature() -> None:
    u = np.linspace(-6.0, 6.0, 2401)
    for slope, own in ((0.05, 0.0), (0.2, 0.5), (0.1, -0.3)):
        found = choose(np.exp(0.15 * u**2), slope * u, own * slope * u)
        assert found.optimism == pytest.approx(slope**2 * (1 + own) / 0.3, rel=1e-3)
        assert u[found.place] == pytest.approx(0.0, abs=1e-9)
        assert u[found.upper] == pytest.approx(slope / 0.3, abs=0.01)
        assert u[found.lower] == pytest.approx(-slope / 0.3, abs=0.01)


def test_it_is_what_explicit_choices_of_perturbed_curves_lose() -> None:
    """The perturbed curve ln E + z S, over the normal law of z: steep on one side, and flat where S saturates."""
    u = np.linspace(-8.0, 8.0, 3201)
    curve = np.log1p(np.exp(u)) + 0.05 * u**2 - 0.3 * u
    for wander in (0.15 * u, 0.4 * np.tanh(u), 0.3 / (1.0 + np.exp(-2.0 * u))):
        z = np.linspace(-6.0, 6.0, 4001)
        weight = np.exp(-0.5 * z**2)
        least = np.array([wander[np.argmin(curve + one * wander)] for one in z])
        explicit = -(weight @ (z * least)) / weight.sum()
        assert choose(np.exp(curve), wander, np.zeros_like(u)).optimism == pytest.approx(explicit, rel=0.01)


def test_only_what_can_be_chosen_counts() -> None:
    """A plateau far above the least, flat as it is, and a second valley that is nearly as deep."""
    u = np.linspace(-8.0, 8.0, 1601)
    plateau = np.exp(np.where(u < -3.0, 4.0, 0.3 * u**2))
    assert choose(plateau, 0.05 * u, np.zeros_like(u)).optimism == pytest.approx(0.05**2 / 0.6, rel=1e-3)
    z = np.linspace(-6.0, 6.0, 2001)
    valleys = 0.01 * (u**2 - 4.0) ** 2 + 0.02 * u
    least = np.array([0.05 * u[np.argmin(valleys + one * 0.05 * u)] for one in z])
    weight = np.exp(-0.5 * z**2)
    explicit = -(weight @ (z * least)) / weight.sum()
    assert choose(np.exp(valleys), 0.05 * u, np.zeros_like(u)).optimism == pytest.approx(explicit, rel=0.01)


def test_a_flat_curve_is_bounded_and_one_that_learns_nothing_loses_nothing() -> None:
    wander = np.linspace(0.0, 0.5, 300)
    flat = choose(np.ones(300), wander, np.zeros(300))
    assert flat.optimism == pytest.approx(0.5 / np.sqrt(2.0 * np.pi))
    assert (flat.lower, flat.upper) == (0, 299)
    falling = np.exp(-0.2 * np.linspace(0.0, 1.0, 300))
    assert choose(falling, wander, np.zeros(300)).optimism == 0.0
    assert choose(falling[::-1], wander, np.zeros(300)).optimism > 0.0
    threshold = np.append(np.full(20, np.inf), np.exp(np.linspace(-1.0, 1.0, 280) ** 2))
    assert 0.0 < choose(threshold, wander, np.zeros(300)).optimism < 0.5


def test_what_a_row_adds_is_what_taking_it_out_takes() -> None:
    """Standard errors of the steps, by leaving each row out and fitting again (eq. 38)."""
    rng = np.random.default_rng(0)
    n, p = 40, 6
    X = rng.standard_normal((n, p)) * np.array([3.0, 2.0, 1.5, 1.0, 0.7, 0.4])
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    known = decompose(X, y[:, None], intercept=False)

    def squared(rows: np.ndarray, penalty: float) -> float:
        A, b = X[rows], y[rows]
        return float(np.sum((b - A @ np.linalg.solve(A.T @ A + penalty * np.eye(p), A.T @ b)) ** 2))

    middle = slice(21, known.penalties.size - 21, 8)
    for j in range(known.penalties.size)[middle]:
        added, level = np.zeros((2, n)), np.zeros(2)
        for i, penalty in enumerate(known.penalties[j : j + 2]):
            rows = np.arange(n)
            added[i] = [squared(rows, penalty) - squared(rows[rows != row], penalty) for row in rows]
            w = np.linalg.solve(X.T @ X + penalty * np.eye(p), X.T @ y)
            leverage = np.einsum("ij,ji->i", X, np.linalg.solve(X.T @ X + penalty * np.eye(p), X.T))
            level[i] = np.mean((y - X @ w) ** 2 / (1 - leverage))
        step = added[1] / level[1] - added[0] / level[0]
        assert known.steps[j, 0] == pytest.approx(step.std() / np.sqrt(n), rel=0.03)


def test_steps_of_a_closely_fitted_curve_are_as_uncertain_as_noise_makes_them() -> None:
    """Noise alone, leverages alike, as many directions as free rows: against the variance over 400 targets (eq. 39)."""
    rng = np.random.default_rng(1)
    n = 60
    u = np.linalg.qr(rng.standard_normal((n, n)))[0]
    s = np.geomspace(100.0, 0.1, n)
    a = 0.3 * np.exp(np.arange(-2, 3) / 3.0)
    t = a / (s[:, None] + a)
    share = (u * u) @ t
    real, stated = [], []
    for _ in range(400):
        c = rng.standard_normal(n)
        residual = u @ (t * c[:, None])
        steps = Steps(np.log(a), 1)
        steps.add(residual, residual / share, 0)
        real.append(np.log((t**2 * c[:, None] ** 2).sum(axis=0) / (t**2).sum(axis=0)))
        stated.append(steps.errors(n, s, n, a)[1:3, 0] ** 2)
    steps_real = np.diff(np.array(real), axis=1)[:, 1:3].var(axis=0)
    # a variance from 400 draws is uncertain by 7 %; the rest is scatter of leverages, of relative order 1/√n
    assert np.mean(stated, axis=0) == pytest.approx(steps_real, rel=3 * np.sqrt(2 / 400) + 1 / np.sqrt(n))


def test_loosely_fitted_noise_is_counted_once() -> None:
    """Noise alone, 400 targets: the scatter of steps, by a fifth to two fifths below that of independent rows (39a)."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((200, 40)) * np.arange(1.0, 41.0) ** -0.5
    known = decompose(X, rng.standard_normal((200, 400)))
    real = np.diff(np.log(known.each), axis=0).std(axis=1)
    middle = slice(known.penalties.size // 3, 2 * known.penalties.size // 3)
    found = without_pairs(known.steps, known.loo, known.s, known.free, known.penalties)
    once, twice = (np.sqrt((part**2).mean(axis=1)) / real for part in (found, known.steps))
    assert np.abs(once - 1.0)[middle].max() < 0.15
    assert twice[middle].min() > 1.15


def test_slopes_of_the_estimate_and_of_the_students_own_error_are_correlated_as_stated() -> None:
    """Fixed inputs, 40 000 draws of noise of variance 1: the covariance of both slopes (eq. 41)."""
    rng = np.random.default_rng(2)
    n, p = 400, 8
    s = n * np.geomspace(1.0, 0.02, p)
    signal = np.sqrt(s) * rng.standard_normal(p)
    draws = 40000
    c = signal + rng.standard_normal((draws, p))
    rest = rng.chisquare(n - p, draws)
    a = np.array([0.05, 0.3, 1.0]) * n
    for penalty in a:
        logs = []
        for at in penalty * np.exp([-0.02, 0.02]):
            t = at / (s + at)
            squares = rest + (t**2 * c**2).sum(axis=1)
            own = 1.0 + (((1 - t) * c - signal) ** 2).sum(axis=1) / n
            logs.append((np.log(squares), own))
        t = penalty / (s + penalty)
        slopes = [(high - low) / 0.04 for low, high in zip(*logs, strict=True)]
        products = (slopes[0] - slopes[0].mean()) * (slopes[1] - slopes[1].mean())
        residual = np.full((1, 1), n - p + (t**2 * (signal**2 + 1)).sum())
        stated = covariance_with_students(t[:, None], np.sqrt(signal**2 + 1)[:, None], residual, np.ones((1, 1)), n)
        assert stated[0, 0] == pytest.approx(products.mean(), abs=4 * products.std() / np.sqrt(draws))


def students(X: np.ndarray, y: np.ndarray, penalties: np.ndarray, made: MadeUp) -> np.ndarray:
    """Return the mean square error over the population of ridge regression on these rows, at each penalty."""
    U, root, V = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    w = V.T @ ((root * (U.T @ (y - y.mean())))[:, None] / (root[:, None] ** 2 + penalties))
    level = y.mean() - X.mean(axis=0) @ w
    return made.eigenvalues @ (w - made.teacher[:, None]) ** 2 + level**2 + made.noise**2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("known", "columns", "noise", "least"), [(60, 10, 3.0, 0.03), (50, 20, 1.0, 0.02), (100, 20, 20.0, 0.005)]
)
def test_the_error_at_the_chosen_penalty_is_right_in_the_mean(
    known: int, columns: int, noise: float, least: float
) -> None:
    """Over 100 tables, against the students of the known rows; less what is so at a penalty that is not chosen.

    Without the correction the least of the curve is too low by at least ``least`` (negative control).
    """
    made = make_table(10, columns, exponent=1.0, noise=noise, seed=1)
    grid = np.geomspace(1e-4, 1e6, 301)

    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, 2])
        X = rng.standard_normal((known, columns)) * np.sqrt(made.eigenvalues)
        return X, X @ made.teacher + noise * rng.standard_normal(known)

    typical = np.mean([students(*draw(1000 + seed), grid, made) for seed in range(200)], axis=0)
    best = int(typical.argmin())
    off, before, covered = [], [], []
    for seed in range(100):
        X, y = draw(seed)
        found = estimate(decompose(X, y[:, None]))
        chosen, given = predict(found, known, None), predict(found, known, float(grid[best]))
        penalty = float(chosen.penalty[0, 0])
        own = students(X, y, grid, made)
        excess = np.interp(np.log(penalty), np.log(grid), own) - own[best]
        plain = predict(found, known, penalty).mean_square[0, 0]
        off.append((chosen.mean_square[0, 0] - given.mean_square[0, 0] - excess) / typical[best])
        before.append((plain - given.mean_square[0, 0] - excess) / typical[best])
        covered.append(abs(np.log(penalty / grid[best])) <= np.log1p(chosen.penalty_error[0, 0] / penalty))
    uncertain = np.std(off) / 10
    assert np.mean(before) < -least
    assert np.mean(before) < -3 * np.std(before) / 10
    assert abs(np.mean(off)) < 3 * uncertain
    if noise < 10:  # else the best penalty has no upper end
        assert np.mean(covered) > 0.68 - 3 * 0.047
