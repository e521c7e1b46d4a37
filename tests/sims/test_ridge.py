import doctest
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from tsmech.errors import InputError
from tsmech.sims import ridge
from tsmech.theory import ridge as theory
from tsmech.theory.spectra import Spectrum

NAMES = ["generalization_error", "test_error", "train_error", "bias", "variance", "weight_norm"]


def reduced(count, seed, alpha, noise, penalty, unseen=0.0, signal=1.0, dimension=20):
    rng = np.random.default_rng(seed)
    draws = [ridge.draw_reduced(alpha, noise, penalty, signal, unseen, dimension, rng) for _ in range(count)]
    return {name: np.array([draw[name] for draw in draws]) for name in NAMES}


def direct(count, seed, alpha, noise, penalty, unseen=0.0, eigenvalues=None, weights=None):
    rng = np.random.default_rng(seed)
    s = np.ones(20) if eigenvalues is None else eigenvalues
    t = np.ones(s.size) if weights is None else weights
    with threadpool_limits(1):
        draws = [
            ridge.draw_direct(alpha, noise, penalty, unseen, rng, eigenvalues=s, teacher_weights=t)
            for _ in range(count)
        ]
    return {name: np.array([draw[name] for draw in draws]) for name in NAMES}


def test_examples():
    assert doctest.testmod(ridge) == (0, 2)


# Kernels against plain NumPy -----------------------------------------------------------------------------------


def draw_bidiagonal(P, N, rng):
    rows = min(P, N)
    diagonal = np.sqrt(rng.chisquare(P - np.arange(rows)) / N)
    superdiagonal = np.zeros(rows)
    degrees = N - 1 - np.arange(rows)
    superdiagonal[degrees > 0] = np.sqrt(rng.chisquare(degrees[degrees > 0]) / N)
    return diagonal, superdiagonal


def solve_by_singular_values(diagonal, superdiagonal, penalty, teacher, labels):
    """Return what the kernel returns, by the definition (4) mode by mode, the limit λ → 0⁺ included."""
    rows = diagonal.size
    matrix = np.zeros((rows, rows + 1))
    matrix[np.arange(rows), np.arange(rows)] = diagonal
    matrix[np.arange(rows), np.arange(1, rows + 1)] = superdiagonal
    if superdiagonal[-1] == 0:
        matrix = matrix[:, :-1]
    left, singular, right = np.linalg.svd(matrix)
    b = np.zeros(matrix.shape[1])
    b[0] = teacher
    kept = np.ones(b.size)
    kept[:rows] = penalty / (singular**2 + penalty)
    d = -right.T @ (kept * (right @ b))
    w0 = right.T[:, :rows] @ (singular**2 / (singular**2 + penalty) * (right[:rows] @ b))
    added = right.T[:, :rows] @ (singular / (singular**2 + penalty) * (left.T @ labels))
    residual = left @ (kept[:rows] * (left.T @ (matrix @ b + labels)))
    return [x @ x for x in (d, added, d + added, w0 + added, residual)]


@pytest.mark.parametrize(("P", "N"), [(1, 1), (1, 2), (2, 1), (5, 40), (39, 40), (40, 40), (41, 40), (90, 40)])
@pytest.mark.parametrize("penalty", [0.0, 1e-12, 1e-3, 0.5, 1e3, 1e12])
def test_the_bidiagonal_solver(P, N, penalty):
    """Singular values near zero have a relative error of about 1e-16 times the condition number, here below 1e4."""
    rng = np.random.default_rng([P, N])
    for _ in range(5):
        diagonal, superdiagonal = draw_bidiagonal(P, N, rng)
        labels = 0.7 * rng.standard_normal(diagonal.size)
        found = ridge._solve_bidiagonal(diagonal, superdiagonal, penalty, 3.0, labels)
        expected = solve_by_singular_values(diagonal, superdiagonal, penalty, 3.0, labels)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_without_penalty_nothing_is_left_of_zero_or_of_the_residual():
    rng = np.random.default_rng(5)
    for P in (60, 61, 200):
        missed, _, _, _, residual = ridge._solve_bidiagonal(*draw_bidiagonal(P, 60, rng), 0.0, 3.0, np.ones(60))
        assert missed == residual == 0
    assert ridge._solve_bidiagonal(*draw_bidiagonal(30, 60, rng), 0.0, 3.0, np.ones(30))[4] == 0


@pytest.mark.parametrize("P", [300, 5999])
def test_far_from_the_threshold_long_products_underflow_harmlessly(P):
    """P < N = 6000: the rows' hold on the teacher falls below the smallest double on the way; the bias must not."""
    diagonal, superdiagonal = draw_bidiagonal(P, 6000, np.random.default_rng(1))
    none, tiny = (ridge._solve_bidiagonal(diagonal, superdiagonal, x, 1.0, np.zeros(P))[0] for x in (0.0, 1e-300))
    assert none == pytest.approx(tiny, rel=1e-12)
    assert none == pytest.approx(1 - P / 6000, abs=6 * np.sqrt(2 / 6000))  # a Beta variable of this mean


@pytest.mark.parametrize(("P", "N"), [(12, 30), (30, 30), (70, 30), (1, 1)])
@pytest.mark.parametrize("penalty", [0.0, 1e-8, 0.3])
def test_the_dense_solver(P, N, penalty):
    """Against singular values; the condition number is below 1e4, and labels and weights are of order 1."""
    rng = np.random.default_rng([P, N])
    inputs, teacher, labels = rng.standard_normal((P, N)), rng.standard_normal(N), rng.standard_normal(P)
    left, singular, right = np.linalg.svd(inputs, full_matrices=False)
    inverse = right.T @ np.diag(singular / (singular**2 + penalty)) @ left.T
    missed, added, residual = ridge._solve_dense(inputs, teacher, labels, penalty)
    np.testing.assert_allclose(missed, inverse @ (inputs @ teacher) - teacher, rtol=0, atol=1e-10)
    np.testing.assert_allclose(added, inverse @ labels, rtol=0, atol=1e-10)
    y = inputs @ teacher + labels
    np.testing.assert_allclose(residual, y - inputs @ (inverse @ y), rtol=0, atol=1e-10)


# Directions far apart: against exact fractions


def solved(matrix, right):
    """Solve a system of fractions by elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        pivot = next(k for k in range(i, len(rows)) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(len(rows)):
            if k != i and rows[k][i] != 0:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[-1] / row[i] for i, row in enumerate(rows)]


def exact_squares(inputs, scales, teacher, labels, penalty):
    """|D (w₀ - b)|², |D w_ε|², |D (w₀ + w_ε - b)|² and |residual|² of ridge regression in fractions."""
    s, b, y = ([Fraction(float(value)) for value in row] for row in (scales, teacher, labels))
    X = [[Fraction(float(value)) * scale for value, scale in zip(row, s, strict=True)] for row in inputs]
    columns, penalty = list(zip(*X, strict=True)), Fraction(penalty)

    def dot(one, other):
        return sum(a * c for a, c in zip(one, other, strict=True))

    def gram(rows):
        return [[dot(p, q) + (penalty if i == k else 0) for k, q in enumerate(rows)] for i, p in enumerate(rows)]

    def learn(targets):
        if len(X) <= len(s):
            return [dot(column, solved(gram(X), targets)) for column in columns]
        return solved(gram(columns), [dot(column, targets) for column in columns])

    missed = [w - t for w, t in zip(learn([dot(row, b) for row in X]), b, strict=True)]
    added = learn(y)
    error = [m + a for m, a in zip(missed, added, strict=True)]
    residual = [value - dot(row, error) for row, value in zip(X, y, strict=True)]
    squares = [sum((a * scale) ** 2 for a, scale in zip(v, s, strict=True)) for v in (missed, added, error)]
    return [*squares, dot(residual, residual)]


@pytest.mark.parametrize("penalty", [0.0, 1e-30, 0.3, 1e30])
@pytest.mark.parametrize("P", [2, 4, 5, 7])
@pytest.mark.parametrize("kind", ["two levels", "three levels", "spread"])
def test_errors_keep_their_accuracy_however_far_eigenvalues_are_apart(kind, P, penalty):
    """Five directions; each number to its own rounding times the condition of a Gaussian matrix, at most 1e4 here."""
    rng = np.random.default_rng([3, P])
    scales = {
        "two levels": np.array([1.0, 1e20, 1.0, 1e20, 1.0]),
        "three levels": np.array([1e-20, 1e20, 1.0, 1e20, 1e-20]),
        "spread": 10.0 ** rng.uniform(-25, 25, 5),
    }[kind]
    inputs, teacher, labels = rng.standard_normal((P, 5)), rng.choice([-1.0, 1.0], 5), rng.standard_normal(P)
    missed, added, residual = ridge._solve_graded(inputs, scales, teacher, labels, penalty)
    found = [*((scales * v) @ (scales * v) for v in (missed, added, missed + added)), residual @ residual]
    for value, exact in zip(found, exact_squares(inputs, scales, teacher, labels, penalty), strict=True):
        assert value == pytest.approx(float(exact), rel=1e-11, abs=0)


def test_strong_directions_are_learnt_and_the_rest_is_as_in_theory():
    """Eigenvalues 1 and 1e40, P = 0.75 N: N/4 examples are left for N/2 directions, and ε_g = 1 for N → ∞.

    By hand: κ = 1 solves 1/2 + 1/(2 (1 + κ)) = 3/4, D = 1/8, the bias is 3/8 and the variance 5/8 (eqs. 17 and 18).
    What is allowed is 4.5 standard errors and the order 1/N, with the factor 1 / |1 - 1/2| of eq. 34.
    """
    eigenvalues = np.repeat([1.0, 1e40], 100)
    draws = direct(24, 5, 0.75, 0.5, 0.0, 0.0, eigenvalues, np.ones(200))["generalization_error"]
    answer = theory.spectral(0.75, 0.5, 0.0, Spectrum([1.0, 1e40], teacher_weights=[1.0, 1.0]))["generalization_error"]
    assert answer == pytest.approx(1.0, rel=1e-9)
    assert abs(draws.mean() - answer) < 4.5 * draws.std(ddof=1) / np.sqrt(24) + 4 / 200
    assert draws.std() < 0.5


def test_both_ways_to_solve_agree_where_both_are_accurate():
    rng = np.random.default_rng(6)
    for P, penalty in ((4, 0.0), (9, 0.0), (4, 0.2), (9, 0.2), (6, 1.5)):
        inputs, teacher, labels = rng.standard_normal((P, 6)), rng.standard_normal(6), rng.standard_normal(P)
        scales = np.array([1.0, 2.0, 0.5, 1.5, 0.1, 3.0])
        one = ridge._solve_dense(inputs * scales, teacher, labels, penalty)
        other = ridge._solve_graded(inputs, scales, teacher, labels, penalty)
        for left, right in zip(one, other, strict=True):
            np.testing.assert_allclose(left, right, rtol=0, atol=1e-10)


# The same law --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.6, 1.0, 1.7])
@pytest.mark.parametrize(("penalty", "unseen"), [(0.0, 0.4), (0.3, 0.0)])
def test_reduced_and_direct_have_one_law(alpha, penalty, unseen):
    """Kolmogorov-Smirnov at N = 20, seeds fixed; if all is right, 36 tests at 1e-4 fail one time in 280."""
    one = reduced(1500, 11, alpha, 0.5, penalty, unseen)
    other = direct(800, 12, alpha, 0.5, penalty, unseen)
    for name in NAMES:
        assert stats.ks_2samp(one[name], other[name]).pvalue > 1e-4, name


@pytest.mark.parametrize("factor", [0.5, np.sqrt(0.5), np.sqrt(2)])
def test_a_wrong_noise_is_seen(factor):
    """Negative control: the variance taken for the standard deviation (σ = 0.5), and a factor 2 in the variance."""
    one = reduced(1500, 11, 1.7, 0.5 * factor, 0.3)
    other = direct(800, 12, 1.7, 0.5, 0.3)
    for name in ("generalization_error", "train_error", "variance"):
        assert stats.ks_2samp(one[name], other[name]).pvalue < 1e-6, name
    assert stats.ks_2samp(one["bias"], other["bias"]).pvalue > 1e-4


def test_a_wrong_penalty_scale_is_seen():
    """Negative control: the penalty of a loss that is divided by the number of examples."""
    one = reduced(1500, 11, 1.7, 0.5, 0.3 * 1.7)
    other = direct(800, 12, 1.7, 0.5, 0.3)
    assert stats.ks_2samp(one["bias"], other["bias"]).pvalue < 1e-6


# Exact means at finite N ---------------------------------------------------------------------------------------


def z_score(sample, expected):
    return (sample.mean() - expected) / (sample.std(ddof=1) / np.sqrt(sample.size))


@pytest.mark.parametrize(("P", "N"), [(18, 10), (10, 30), (9, 40)])
def test_means_of_an_inverse_wishart_matrix(P, N):
    """Eq. 34, exact for every N and P.  Negative control: N / (P - N), the limit, is excluded."""
    draws = reduced(4000, 3, P / N, 0.8, 0.0, unseen=0.2, signal=1.5, dimension=N)
    noise_variance = 0.64 + 0.3
    less = min(P, N) / (abs(P - N) - 1)
    assert abs(z_score(draws["variance"], noise_variance / 2 * less)) < 4.5
    if (P, N) == (18, 10):
        assert abs(z_score(draws["variance"], noise_variance / 2 * N / (P - N))) > 8
    bias = 0.15 + 0.6 * max(1 - P / N, 0)
    assert abs(draws["bias"].mean() - bias) < 4.5 * draws["bias"].std() / 63 + 1e-15
    added = draws["generalization_error"] - draws["bias"] - draws["variance"]
    assert abs(added.mean()) < 4.5 * added.std() / 63 + 1e-15
    # P - N degrees of freedom are left to the residuals: E train = σ_e² (P - N) / 2P.
    if P > N:
        assert abs(z_score(draws["train_error"], noise_variance * (P - N) / (2 * P))) < 4.5


# Towards the limit of large N ----------------------------------------------------------------------------------


def extrapolate(draw, count):
    """Return the mean at N → ∞ from N = 60 and 120 without its 1/N part, and how far it may be off.

    Statistically: 4.5 standard errors of 2 E(2N) - E(N).  For the part of order 1/N²: the ratio of successive terms is
    at most about 1 / |1 - alpha| = 2 here (expand eq. 34), so 2 / N of the part of order 1/N, which is twice the
    difference between the two sizes.
    """
    small, large = draw(60, count), draw(120, count)
    for name in NAMES:
        error = np.sqrt(4 * large[name].var() + small[name].var()) / np.sqrt(count)
        step = abs(large[name].mean() - small[name].mean())
        value = 2 * large[name].mean() - small[name].mean()
        yield name, value, 4.5 * error + 4 * step / 60 + 1e-14 * value


@pytest.mark.parametrize(("alpha", "penalty"), [(0.5, 0.0), (1.5, 0.0), (1.0, 0.2), (2.0, 1.0)])
def test_reduced_tends_to_theory(alpha, penalty):
    answer = theory.isotropic(alpha, 0.5, penalty, 1.2, 0.25)
    wrong = theory.isotropic(alpha, 0.5, penalty, 1.2, 0.0)

    def draw(dimension, count):
        return reduced(count, dimension, alpha, 0.5, penalty, 0.25, 1.2, dimension)

    for name, value, tolerance in extrapolate(draw, 2000):
        assert abs(value - answer[name]) <= tolerance, name
        if name == "variance":
            assert abs(value - wrong[name]) > 5 * tolerance


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "penalty"), [(0.4, 0.0), (1.0, 0.2), (1.5, 0.0), (1.5, 0.3)])
def test_direct_with_a_spectrum_tends_to_the_fixed_point(alpha, penalty):
    """Half the teacher along large eigenvalues, a tenth of the inputs dead: every term of eqs. 18 and 19 matters."""
    s, t, shares = np.array([3.0, 0.5, 0.0]), np.array([2.0, 0.5, 1.0]), np.array([0.3, 0.6, 0.1])
    answer = theory.spectral(alpha, 0.5, penalty, Spectrum(s, shares=shares, teacher_weights=t), 0.2)
    wrong = theory.spectral(alpha, 0.5, penalty, Spectrum(s, shares=shares, teacher_weights=t[[1, 0, 2]]), 0.2)

    def draw(dimension, count):
        sizes = np.round(shares * dimension).astype(int)
        spectrum = np.repeat(s, sizes), np.repeat(t, sizes)
        return direct(count, dimension, alpha, 0.5, penalty, 0.2, *spectrum)

    for name, value, tolerance in extrapolate(draw, 3000):
        assert abs(value - answer[name]) <= tolerance, name
        if name == "test_error":
            assert abs(value - wrong[name]) > 3 * tolerance


def test_a_million_inputs_fluctuate_little_around_theory():
    """Fluctuations are of order 1/√N = 1e-3 relative; 10 of them are allowed, the correction in 1/N is invisible."""
    draw = ridge.draw_reduced(2.0, 0.5, 0.25, 1.0, 0.1, 1_000_000, np.random.default_rng(0))
    answer = theory.isotropic(2.0, 0.5, 0.25, 1.0, 0.1)
    for name in NAMES:
        assert draw[name] == pytest.approx(float(answer[name]), rel=1e-2), name


# Streams, edges, bad input -------------------------------------------------------------------------------------


def test_a_seed_gives_one_training_set_and_the_next_draw_another():
    for sample in (reduced, direct):
        again = sample(2, 7, 1.5, 0.5, 0.1)
        for name, values in sample(2, 7, 1.5, 0.5, 0.1).items():
            np.testing.assert_array_equal(values, again[name])
            assert values[0] != values[1]


def test_the_noise_may_change_while_the_inputs_stay():
    """One stream a role: with other label noise the bias of the same seed is the same."""
    for sample in (reduced, direct):
        np.testing.assert_array_equal(sample(3, 7, 0.5, 0.1, 0.2)["bias"], sample(3, 7, 0.5, 2.0, 0.2)["bias"])


def test_a_perfect_student_is_perfect():
    for sample in (reduced, direct):
        draws = sample(5, 1, 1.5, 0.0, 0.0)
        for name in ("generalization_error", "bias", "variance", "train_error"):
            np.testing.assert_array_equal(draws[name], 0)
        np.testing.assert_allclose(draws["weight_norm"], 1, rtol=1e-14)


def test_interpolation_is_exact():
    for sample in (reduced, direct):
        for alpha in (0.01, 0.5, 1.0):
            np.testing.assert_array_equal(sample(3, 1, alpha, 0.5, 0.0)["train_error"], 0)


def test_the_smallest_problems():
    for alpha in (0.01, 1.0, 3.0):
        draw = ridge.draw_reduced(alpha, 0.5, 0.0, 1.0, 0.0, 1, np.random.default_rng(0))
        assert np.isfinite(list(draw.values())).all()
        assert draw["bias"] == 0


def test_inputs_that_do_not_vary_get_no_weight():
    s, t = np.array([1.0, 0.0, 2.0, 0.0]), np.array([1.0, 50.0, 1.0, 50.0])
    draw = ridge.draw_direct(10.0, 0.0, 0.0, 0.0, np.random.default_rng(0), eigenvalues=s, teacher_weights=t)
    assert draw["weight_norm"] == pytest.approx(0.5)
    assert draw["generalization_error"] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: ridge.draw_reduced(0.0, 0.5, 0.0, 1.0, 0.0, 10, rng), "alpha = 0.0"),
        (lambda rng: ridge.draw_reduced(1.0, np.nan, 0.0, 1.0, 0.0, 10, rng), "noise = nan"),
        (lambda rng: ridge.draw_reduced(1.0, 0.5, -1.0, 1.0, 0.0, 10, rng), "penalty = -1.0"),
        (lambda rng: ridge.draw_reduced(1.0, 0.5, 0.0, np.inf, 0.0, 10, rng), "signal = inf"),
        (lambda rng: ridge.draw_reduced(1.0, 0.5, 0.0, 1.0, 1.1, 10, rng), "unseen = 1.1"),
        (lambda rng: ridge.draw_reduced(1.0, 0.5, 0.0, 1.0, 0.0, 0, rng), "dimension = 0"),
        (
            lambda rng: ridge.draw_direct(-1.0, 0.5, 0.0, 0.0, rng, eigenvalues=np.ones(3), teacher_weights=np.ones(3)),
            "alpha = -1.0",
        ),
        (
            lambda rng: ridge.draw_direct(1.0, 0.5, 0.0, 0.0, rng, eigenvalues=np.zeros(3), teacher_weights=np.ones(3)),
            "eigenvalues",
        ),
        (
            lambda rng: ridge.draw_direct(1.0, 0.5, 0.0, 0.0, rng, eigenvalues=np.ones(3), teacher_weights=np.ones(4)),
            "one length",
        ),
        (
            lambda rng: ridge.draw_direct(1.0, 0.5, 0.0, 0.0, rng, eigenvalues=np.ones(3), teacher_weights=-np.ones(3)),
            "teacher_weights = -1.0",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call(np.random.default_rng(0))
