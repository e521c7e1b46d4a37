import doctest
import functools

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits

from tsmech.errors import ConvergenceError, InputError
from tsmech.sims import gradient_flow as simulation
from tsmech.sims.bidiagonal import descent as reduction
from tsmech.theory import gradient_flow as theory
from tsmech.theory.spectra import Spectrum

NAMES = ["generalization_error", "test_error", "train_error", "weight_norm"]
SLOW = [(0.6, 0.0), (0.6, 0.2), (1.0, 0.0), (1.0, 0.2), (1.7, 0.0)]
PROBLEM = {"initial_scale": 0.6, "penalty": 0.1, "unseen": 0.2}


def reduced(count, seed, times, alpha=0.7, noise=0.5, dimension=20, signal=1.3, **options):
    rng = np.random.default_rng(seed)
    draws = [
        simulation.draw_reduced(times, alpha, noise, dimension, rng, signal=signal, **options) for _ in range(count)
    ]
    return {name: np.array([draw[name] for draw in draws]) for name in NAMES}


def direct(count, seed, times, alpha=0.7, noise=0.5, eigenvalues=None, weights=None, **options):
    rng = np.random.default_rng(seed)
    s = np.ones(20) if eigenvalues is None else eigenvalues
    t = np.full(s.size, 1.3) if weights is None else weights
    with threadpool_limits(1):
        draws = [
            simulation.draw_direct(times, alpha, noise, rng, eigenvalues=s, teacher_weights=t, **options)
            for _ in range(count)
        ]
    return {name: np.array([draw[name] for draw in draws]) for name in NAMES}


def test_examples():
    assert doctest.testmod(simulation) == (0, 2)


# Each route against a plain calculation with the same numbers ---------------------------------------------------


def dense(diagonals):
    """Return the matrix of eq. 42 that four diagonals stand for."""
    columns = diagonals.shape[1]
    found = np.zeros((columns + 3, columns))
    for k in range(4):
        found[np.arange(columns) + k, np.arange(columns)] = diagonals[k]
    assert not found[:2].any()
    return found[2:]


def follow_dense(inputs, labels, start, problem, times):
    """Return the weights at each time by the eigenvectors of X̂ᵀX̂N/P, and in steps by taking them."""
    ratio = problem.inputs / problem.examples
    if problem.step == 0:
        rates, vectors = np.linalg.eigh(inputs.T @ inputs * ratio)
        rates = np.maximum(rates, 0) + problem.shift
        left = np.exp(-np.multiply.outer(times, rates))
        gain = np.where(rates > 1e-14, (1 - left) / np.maximum(rates, 1e-14), times[:, None])
        return (left * (vectors.T @ start) + gain * (vectors.T @ (inputs.T @ labels * ratio))) @ vectors.T
    found = []
    for time in times:
        w = start.copy()
        for _ in range(round(time / problem.step)):
            w += problem.step * (inputs.T @ (labels - inputs @ w) * ratio - problem.shift * w)
        found.append(w)
    return np.array(found)


@pytest.mark.parametrize("step", [0.0, 0.1])
@pytest.mark.parametrize(("N", "P"), [(400, 300), (300, 400)])
def test_early_times(N, P, step):
    """The polynomials against dense algebra with the whole of the matrix drawn; they are good to 1e-13 of |b| = 20."""
    problem = reduction.Problem(N, P, 20.0, 0.5, 0.6, 0.1, step)
    times = np.array([0.0, 0.1, 0.5, 2.0])
    terms = reduction._polynomials(problem, times)
    found = reduction._early(problem, *terms, np.random.default_rng(4))

    _, start_stream, example_stream, noise_stream = np.random.default_rng(4).spawn(4)
    columns = 3 * terms[0].shape[1] + 1
    inputs = dense(reduction._draw_diagonals(N, P, columns, example_stream))
    b, start = np.zeros((2, columns))
    b[0] = 20.0
    start[:2] = 0.6 * start_stream.standard_normal(), 0.6 * np.sqrt(start_stream.chisquare(N - 1))
    labels = inputs @ b
    labels[0] += 0.5 * np.sqrt(noise_stream.chisquare(P))
    w = follow_dense(inputs, labels, start, problem, times)
    for mine, plain in zip(found, ((w - b) ** 2, w**2, (labels - w @ inputs.T) ** 2), strict=True):
        np.testing.assert_allclose(mine, plain.sum(axis=1), rtol=1e-11)


def test_the_directions_not_drawn_do_not_matter():
    """One column and row less and the early route is wrong; as many as it takes and more change nothing."""
    problem = reduction.Problem(900, 900, 30.0, 0.5, 0.6, 0.1, 0.0)
    times = np.array([1.0, 4.0])
    diagonals = reduction._draw_diagonals(900, 900, 220, np.random.default_rng(4))
    b, start = np.zeros((2, 220))
    b[0], start[:2] = 30.0, (0.3, 20.0)

    def follow(columns):
        inputs = dense(diagonals[:, :columns])
        labels = inputs @ b[:columns]
        labels[0] += 15.0
        return (follow_dense(inputs, labels, start[:columns], problem, times) ** 2).sum(axis=1)

    enough = 3 * reduction._polynomials(problem, times)[0].shape[1] + 1
    np.testing.assert_allclose(follow(enough), follow(220), rtol=1e-13)
    assert (abs(follow(enough // 4) / follow(220) - 1) > 1e-6).any()


@pytest.mark.parametrize(("N", "P"), [(12, 7), (7, 7), (7, 12), (1, 1), (2, 1), (1, 3), (80, 50), (60, 60)])
@pytest.mark.parametrize("step", [0.0, 0.05])
@pytest.mark.parametrize("scale", [0.0, 0.6])
def test_late_times(N, P, step, scale):
    """The contour against the same draw by eigenvectors, the directions without data written out.

    With λ/alpha = 0.1 the eigenvalues' rounding is 1e-14 of every rate; the contour is good to 1e-12.
    """
    problem = reduction.Problem(N, P, 3.0, 0.5, scale, 0.1, step)
    times = np.array([0.0, 0.05, 1.0, 20.0])
    found = reduction._late(problem, times, np.random.default_rng(9))

    teacher_stream, start_stream, example_stream, noise_stream = np.random.default_rng(9).spawn(4)
    m = min(N, P)
    diagonal, beside = reduction._draw_bidiagonal(N, P, example_stream)
    b, start = np.zeros((2, m + 2))
    labels = np.zeros(m)
    b[:m], start[:m] = teacher_stream.standard_normal(m), start_stream.standard_normal(m)
    labels += 0.5 * noise_stream.standard_normal(m)
    if m < N:
        b[m], start[m] = np.sqrt(teacher_stream.chisquare(N - m)), start_stream.standard_normal()
    if m + 1 < N:
        start[m + 1] = np.sqrt(start_stream.chisquare(N - m - 1))
    b, start = 3.0 * b / np.linalg.norm(b), scale * start
    inputs = np.zeros((m, m + 2))
    inputs[np.arange(m), np.arange(m)] = diagonal * np.sqrt(P / N)
    inputs[np.arange(m - 1), np.arange(1, m)] = beside * np.sqrt(P / N)
    labels += inputs @ b
    rest = 0.25 * noise_stream.chisquare(P - m) if m < P else 0.0
    w = follow_dense(inputs, labels, start, problem, times)
    for mine, plain in zip(found, ((w - b) ** 2, w**2, (labels - w @ inputs.T) ** 2), strict=True):
        expected = plain.sum(axis=1) + (rest if plain.shape[1] == m else 0)
        np.testing.assert_allclose(mine, expected, rtol=1e-11, atol=1e-20)


@pytest.mark.parametrize("alpha", [0.8, 1.0, 1.5])
def test_without_penalty_late_times_are_good_to_ten_digits(alpha):
    """N = 300, all times to ∞, by singular vectors; the training error too, until it is 1e-25 of what it was.

    The rounding of the smallest singular value, 1e-16 of the largest, is magnified by its ratio to it and by l t < 30.
    """
    N, P = 300, round(300 * alpha)
    times = np.array([0.0, 1.0, 30.0, 1e3, 1e5, 1e7, np.inf])
    found = np.array(
        reduction._late(reduction.Problem(N, P, 17.0, 0.5, 0.6, 0.0, 0.0), times, np.random.default_rng(5))
    )

    teacher_stream, start_stream, example_stream, noise_stream = np.random.default_rng(5).spawn(4)
    m = min(N, P)
    diagonal, beside = reduction._draw_bidiagonal(N, P, example_stream)
    left, singular, right = np.linalg.svd(np.diag(diagonal) + np.diag(beside, 1))
    b, start = teacher_stream.standard_normal(m), start_stream.standard_normal(m)
    noise = left.T @ (0.5 * noise_stream.standard_normal(m))
    apart = np.sqrt(teacher_stream.chisquare(N - m)) if m < N else 0.0
    scale = 17.0 / np.sqrt(b @ b + apart**2)
    b, apart, start = right @ b * scale, apart * scale, 0.6 * (right @ start)
    frozen = 0.6 * start_stream.standard_normal() if m < N else 0.0
    across = 0.36 * start_stream.chisquare(N - m - 1) if m + 1 < N else 0.0
    added = 0.25 * noise_stream.chisquare(P - m) if m < P else 0.0
    d = np.exp(-np.multiply.outer(np.minimum(times, 1e300), singular**2))
    root = singular * np.sqrt(P / N)
    learnt = b + noise / root
    w = learnt + d * (start - learnt)
    expected = np.array(
        [
            ((w - b) ** 2).sum(axis=1) + (frozen - apart) ** 2 + across,
            (w**2).sum(axis=1) + frozen**2 + across,
            ((d * (noise + root * (b - start))) ** 2).sum(axis=1) + added,
        ]
    )
    seen = expected > 1e-25 * expected[:, :1]
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-10)
    assert (found[~seen] <= 1e-24 * expected[:, 0].max()).all()


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_late_times_cost_no_more_than_n(alpha):
    """N = 20 000 to t = ∞, beyond the reach of N² numbers; fluctuations are of order 1/√N = 0.7 %, 6 are allowed."""
    times = np.array([0.0, 1e2, 1e4, np.inf])
    draw = simulation.draw_reduced(times, alpha, 0.5, 20_000, np.random.default_rng(0), signal=1.3, **PROBLEM)
    answer = theory.learning_curve(times, alpha, 0.5, signal=1.3, **PROBLEM)
    for name in NAMES:
        np.testing.assert_allclose(draw[name], answer[name], rtol=0.04)


def test_direct_flow_solves_the_differential_equation():
    """Eq. 2 by an adaptive Runge-Kutta method of order 8 at rtol 1e-11."""
    rng = np.random.default_rng(0)
    for P, N in ((8, 12), (12, 12), (20, 12)):
        inputs, labels, start = rng.standard_normal((P, N)) / np.sqrt(N), rng.standard_normal(P), rng.standard_normal(N)

        def slope(_, w, inputs=inputs, labels=labels, N=N, P=P):
            return N / P * (inputs.T @ (labels - inputs @ w) - 0.3 * w)

        times = np.array([0.0, 0.7, 5.0])
        found = simulation._flow(inputs, labels, start, 0.3, times)
        solved = solve_ivp(slope, (0, 5), start, "DOP853", t_eval=times, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(found, solved.y.T, rtol=0, atol=1e-9)


def test_direct_steps_tend_to_flow_at_first_order():
    """The same seed gives the same training set and start."""
    times = np.array([1.0, 4.0])
    flow = direct(1, 5, times, **PROBLEM)["generalization_error"][0]
    steps = 2.0 ** -np.arange(4, 10)
    away = [abs(direct(1, 5, times, step=x, **PROBLEM)["generalization_error"][0] - flow) for x in steps]
    for distance in np.transpose(away):
        assert np.polyfit(np.log(steps[2:]), np.log(distance[2:]), 1)[0] == pytest.approx(1, abs=0.06)


# The same law --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "step"), [*(pytest.param(*x, marks=pytest.mark.slow) for x in SLOW), (1.7, 0.2)])
def test_late_and_direct_have_one_law(alpha, step):
    """Kolmogorov-Smirnov at N = 20, P = 12, 20, 34; if all is right, 96 tests at 1e-4 fail one time in 100."""
    times = np.array([0.0, 0.6, 3.0, 40.0])
    one = reduced(800, 21, times, alpha, step=step, **PROBLEM)
    other = direct(400, 22, times, alpha, step=step, **PROBLEM)
    for name in NAMES:
        for i in range(times.size):
            assert stats.ks_2samp(one[name][:, i], other[name][:, i]).pvalue > 1e-4, (name, times[i])


@pytest.mark.parametrize("alpha", [0.5, pytest.param(1.5, marks=pytest.mark.slow)])
def test_early_and_late_have_one_law(alpha):
    """At N = 300 both are to be had: early for the times given, late when t = inf is asked for too."""
    times = np.array([0.0, 0.6, 1.5])
    one = reduced(500, 31, times, alpha, dimension=300, **PROBLEM)
    other = reduced(500, 32, np.append(times, np.inf), alpha, dimension=300, **PROBLEM)
    for name in NAMES:
        for i in range(times.size):
            assert stats.ks_2samp(one[name][:, i], other[name][:, i]).pvalue > 1e-4, (name, times[i])


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.5, 1.5])
@pytest.mark.parametrize("step", [0.0, 0.1])
def test_early_and_direct_have_one_law(alpha, step):
    times = np.array([0.0, 0.6, 1.5])
    one = reduced(1000, 41, times, alpha, dimension=300, step=step, **PROBLEM)
    other = direct(300, 42, times, alpha, eigenvalues=np.ones(300), step=step, **PROBLEM)
    for name in NAMES:
        for i in range(times.size):
            assert stats.ks_2samp(one[name][:, i], other[name][:, i]).pvalue > 1e-4, (name, times[i])


@functools.cache
def right_convention():
    return direct(400, 22, np.array([0.6, 3.0]), 0.6, **PROBLEM)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"noise": 0.25}, ["generalization_error", "train_error"]),  # the variance taken for the standard deviation
        ({"initial_scale": 0.36}, ["generalization_error", "weight_norm"]),  # the same
        ({"times": np.array([0.6, 3.0]) * 0.6}, ["train_error", "weight_norm"]),  # time by XᵀX/N
        ({"penalty": 0.1 / 0.6}, ["weight_norm"]),  # the penalty of a mean over the examples
    ],
)
def test_a_wrong_convention_is_seen(change, seen):
    """Negative controls: the very test must refuse them."""
    one = reduced(600, 21, **{"times": np.array([0.6, 3.0]), "alpha": 0.6, **PROBLEM, **change})
    other = right_convention()
    for name in seen:
        assert min(stats.ks_2samp(one[name][:, i], other[name][:, i]).pvalue for i in range(2)) < 1e-6, name


@pytest.mark.slow
@pytest.mark.parametrize("sample", [reduced, direct])
@pytest.mark.parametrize("step", [0.49, 0.9])
def test_one_step_has_a_known_mean_at_every_size(sample, step):
    """E Ĉ² = 1 + (N + 1)/P exactly, here for N = P = 4; the limit, 1 + N/P, is excluded.

    So it is for a step beyond 1/2, with which descent of many inputs would diverge: simulations follow it as it is.
    """
    noise, total = 0.3, 1.3 + 0.16
    size = {"dimension": 4} if sample is reduced else {"eigenvalues": np.ones(4)}
    draws = sample(2500, 3, np.array([step]), 1.0, noise, initial_scale=0.4, step=step, **size)
    errors = draws["generalization_error"][:, 0]
    exact, limit = ((total * (1 - 2 * step + step**2 * (1 + x / 4)) + noise**2 * step**2) / 2 for x in (5, 4))
    standard_error = errors.std() / np.sqrt(errors.size)
    assert abs(errors.mean() - exact) < 4.5 * standard_error
    assert abs(errors.mean() - limit) > 5 * standard_error


# Towards the limit of large N ----------------------------------------------------------------------------------


def extrapolate(draw, size, count):
    """Return the mean at N → ∞ without its 1/N part, from N and 2N, and its standard error."""
    small, large = draw(size, count), draw(2 * size, count)
    for name in NAMES:
        error = np.sqrt((4 * large[name].var(axis=0) + small[name].var(axis=0)) / count)
        yield name, 2 * large[name].mean(axis=0) - small[name].mean(axis=0), error


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_reduced_tends_to_theory(alpha):
    """4.5 standard errors, and 1/N² of what is of order 1 for the part of second order.  Control: no start."""
    times = np.array([0.5, 3.0, 30.0])
    answer = theory.learning_curve(times, alpha, 0.5, signal=1.3, **PROBLEM)
    wrong = theory.learning_curve(times, alpha, 0.5, signal=1.3, penalty=0.1, unseen=0.2)

    def draw(dimension, count):
        return reduced(count, dimension, times, alpha, dimension=dimension, **PROBLEM)

    for name, values, error in extrapolate(draw, 60, 800):
        tolerance = 4.5 * error + 10 / 60**2 * answer[name]
        assert (abs(values - answer[name]) <= tolerance).all(), name
        if name != "weight_norm":
            assert (abs(values - wrong[name]) > tolerance)[0]


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.5, 1.5])
@pytest.mark.parametrize("step", [0.0, 0.15])
def test_direct_with_a_spectrum_tends_to_theory(alpha, step):
    """A tenth of the inputs dead and the teacher mostly along weak ones: all of eqs. 10-12 and 29 matter."""
    s, t, shares = np.array([3.0, 0.5, 0.0]), np.array([0.3, 3.0, 1.0]), np.array([0.3, 0.6, 0.1])
    times = np.array([0.3, 1.5, 9.0])
    options = {**PROBLEM, "step": step}
    answer = theory.spectral_learning_curve(times, alpha, 0.5, Spectrum(s, shares=shares, teacher_weights=t), **options)
    wrong = theory.spectral_learning_curve(
        times, alpha, 0.5, Spectrum(s, shares=shares, teacher_weights=t[[1, 0, 2]]), **options
    )

    def draw(dimension, count):
        sizes = np.round(shares * dimension).astype(int)
        return direct(count, dimension, times, alpha, 0.5, np.repeat(s, sizes), np.repeat(t, sizes), **options)

    for name, values, error in extrapolate(draw, 60, 800):
        tolerance = 4.5 * error + 10 / 60**2 * answer[name]
        assert (abs(values - answer[name]) <= tolerance).all(), name
        if name == "test_error":
            assert (abs(values - wrong[name]) > 5 * tolerance).any()


def test_a_hundred_million_inputs_fluctuate_little_around_theory():
    """Fluctuations are of order 1/√N = 1e-4 relative; 10 of them are allowed."""
    times = np.array([0.0, 0.5, 5.0, 60.0])
    draw = simulation.draw_reduced(times, 1.0, 0.5, 10**8, np.random.default_rng(0), signal=1.3, **PROBLEM)
    answer = theory.learning_curve(times, 1.0, 0.5, signal=1.3, **PROBLEM)
    for name in NAMES:
        np.testing.assert_allclose(draw[name], answer[name], rtol=1e-3)


# Streams, edges, bad input -------------------------------------------------------------------------------------


def test_a_seed_gives_one_learning_curve_and_the_next_draw_another():
    times = np.array([0.5, 2.0])
    for sample, options in ((reduced, {}), (reduced, {"dimension": 400}), (direct, {})):
        first, again = (sample(2, 7, times, **options, **PROBLEM) for _ in range(2))
        for name in NAMES:
            np.testing.assert_array_equal(first[name], again[name])
            assert (first[name][0] != first[name][1]).all()


@pytest.mark.parametrize(("sample", "options"), [(reduced, {}), (reduced, {"dimension": 400}), (direct, {})])
def test_the_noise_may_change_while_all_else_stays(sample, options):
    """One stream a role: with the others as they were the error is a parabola in σ, which three points fix."""
    times = np.array([0.5, 2.0])
    at = [
        sample(1, 7, times, noise=x, **options, **(PROBLEM | {"unseen": 0.0}))["train_error"][0] for x in (0, 1, 2, 3)
    ]
    np.testing.assert_allclose(at[3], at[0] - 3 * at[1] + 3 * at[2], rtol=1e-12)


def test_without_noise_and_start_the_end_is_the_teacher_or_what_the_examples_span():
    for sample in (reduced, direct):
        draws = sample(3, 1, np.array([np.inf]), 1.5, 0.0)
        np.testing.assert_allclose(draws["weight_norm"], 1.3, rtol=1e-10)
        np.testing.assert_allclose(draws["generalization_error"], 0, atol=1e-20)
        np.testing.assert_allclose(sample(3, 1, np.array([np.inf]), 0.5, 0.5)["train_error"], 0, atol=1e-20)


def test_directions_without_input_keep_their_start_for_ever():
    """The singular values of inputs that do not vary are rounding, which must not count at t = inf."""
    s, t = np.repeat([2.0, 0.0], 10), np.repeat([1.0, 9.0], 10)
    draws = [
        direct(1, 3, np.array([1e3, np.inf]), 2.0, 0.0, s, t, initial_scale=x)["weight_norm"][0] for x in (0, 1, 2)
    ]
    np.testing.assert_allclose(draws[0], 0.5, rtol=1e-9)
    assert draws[1][1] == pytest.approx(draws[1][0], rel=1e-9)
    assert draws[2][1] - 0.5 == pytest.approx(4 * (draws[1][1] - 0.5), rel=1e-9)
    assert draws[1][1] > 0.6


def test_the_smallest_problems():
    for alpha in (0.01, 1.0, 3.0):
        draw = simulation.draw_reduced([0.0, 1.0, np.inf], alpha, 0.5, 1, np.random.default_rng(0), initial_scale=0.5)
        assert np.isfinite(list(draw.values())).all()
    assert simulation.draw_reduced([], 1.0, 0.5, 50, np.random.default_rng(0))["test_error"].shape == (0,)


@pytest.mark.parametrize("sample", [reduced, direct])
def test_descent_that_diverges_is_an_error(sample):
    """At alpha = 1, N = 20 one draw in six has an eigenvalue above the edge, 4, for which this step is too long."""
    for seed in range(100):
        largest = sample(1, seed, np.array([400.0]), 1.0, step=0.49999)["train_error"].max()
        if largest > 10:
            with pytest.raises(ConvergenceError, match=r"step = 0\.49999 diverged on the training set drawn"):
                sample(1, seed, np.array([1e5]), 1.0, step=0.49999)
            return
    pytest.fail("no draw was unstable")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda **x: reduced(1, 0, [1.0], alpha=0.0, **x), "alpha = 0.0"),
        (lambda **x: reduced(1, 0, [-1.0], **x), "times = -1.0"),
        (lambda **x: reduced(1, 0, [[1.0]], **x), r"times of shape \(1, 1\)"),
        (lambda **x: reduced(1, 0, [1.0], noise=np.nan, **x), "noise = nan"),
        (lambda **x: reduced(1, 0, [1.0], signal=-1.0, **x), "signal = -1.0"),
        (lambda **x: reduced(1, 0, [1.0], dimension=0, **x), "dimension = 0"),
        (lambda **x: reduced(1, 0, [1.0], penalty=-1.0), "penalty = -1.0"),
        (lambda **x: reduced(1, 0, [1.0], initial_scale=-1.0), "initial_scale = -1.0"),
        (lambda **x: reduced(1, 0, [1.0], unseen=2.0), "unseen = 2.0"),
        (lambda **x: direct(1, 0, [np.inf], step=0.1), "times = inf: is never reached in steps"),
        (lambda **x: direct(1, 0, [1.0], eigenvalues=np.zeros(3)), "eigenvalues"),
        (lambda **x: direct(1, 0, [1.0], weights=np.ones(4)), "one length"),
        (lambda **x: direct(1, 0, [1.0], weights=-np.ones(20)), "teacher_weights = -1.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
