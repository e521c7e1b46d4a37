"""The two simulations of online learning against plain NumPy, against each other in law, and in known limits."""

import math
import tracemalloc

import numpy as np
import pytest

from tests.sims.online import rule, run_direct, run_reduced, start
from tsmech.errors import InputError
from tsmech.kernels.activations import BUILT_IN
from tsmech.kernels.schedules import learning_rate
from tsmech.sims.online_sgd import steps_at
from tsmech.sims.streams import QUANTUM, fill_lengths
from tsmech.sims.two_layer.blocks import BLOCK
from tsmech.sims.two_layer.chain import triangularise
from tsmech.sims.two_layer.network import into_strips
from tsmech.sims.two_layer.starts import (
    embed,
    random_teacher,
)
from tsmech.sims.two_layer.units import respond

SQRT_HALF = math.sqrt(0.5)
FUNCTIONS = {
    "erf": (lambda x: math.erf(x * SQRT_HALF), lambda x: math.sqrt(2 / math.pi) * math.exp(-x * x / 2)),
    "relu": (lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "linear": (lambda x: x, lambda x: 1.0),
    "quadratic": (lambda x: x * x, lambda x: 2 * x),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "leaky_relu": (lambda x: max(x, 0.01 * x), lambda x: 1.0 if x > 0 else 0.01),
}
DECAYING = np.array([[0.0, 0.7, 1.0, 0.0], [0.4, 0.5, 2.0, 0.5]])


# The rule in plain NumPy ---------------------------------------------------------------------------------------


def train(w, b, v, A, inputs, noises, N, *, student, teacher, schedule, second_layer_rate, weight_decay, batch, after):
    """Plain SGD of vectors over √N, a step for each ``batch`` rows of inputs; ``after(w, v)`` follows every step."""
    g, slope = FUNCTIONS[student]
    h, _ = FUNCTIONS[teacher]
    for step in range(len(inputs) // batch):
        eta = learning_rate(schedule, step * batch / N)
        new_w, new_v = (1 - weight_decay / N) * w, v.copy()
        if second_layer_rate > 0:
            new_v *= 1 - weight_decay / N
        for i in range(step * batch, (step + 1) * batch):
            x = inputs[i]
            fields = w @ x
            label = sum(a * h(field) for a, field in zip(A, b @ x, strict=True)) + noises[i]
            delta = sum(c * g(field) for c, field in zip(v, fields, strict=True)) - label
            for k, field in enumerate(fields):
                new_w[k] -= eta / N * v[k] * slope(field) * delta * x / batch
                new_v[k] -= second_layer_rate / N * g(field) * delta / batch
        w, v = new_w, new_v
        after(w, v)
    return w, v


CASES = [
    rule(),
    rule("erf", second_layer_rate=0.4, noise=0.3, weight_decay=0.5, schedule=DECAYING),
    rule("erf", second_layer_rate=0.4, noise=0.3, weight_decay=0.5, schedule=DECAYING, batch=3),
    rule("erf", second_layer_rate=0.4, noise=0.3, weight_decay=0.5, schedule=DECAYING, batch=8),
    rule("erf", second_layer_rate=0.4, noise=0.3, weight_decay=0.5, schedule=DECAYING, batch=20),
    rule(("relu", "erf"), second_layer_rate=0.2, noise=0.1, weight_decay=0.1),
    rule(("quadratic", "linear"), rate=0.05, noise=0.1, batch=2),
]
STATES = {"rtol": 1e-11, "atol": 1e-12}


def plain(case):
    return {
        "student": case["student"],
        "teacher": case["teacher"],
        "schedule": case["schedule"],
        "second_layer_rate": case.get("second_layer_rate", 0.0),
        "weight_decay": case.get("weight_decay", 0.0),
        "batch": case.get("batch", 1),
    }


def numpy_inputs(N, batch, count, rng):
    """Return the inputs of ``stream="numpy"`` in the order in which the kernel draws them, strip by strip."""
    strips, _, columns = into_strips(np.zeros((1, N))).shape
    blocks, taken = [], 0
    while sum(map(len, blocks)) < count:
        rows = BLOCK // batch * batch if batch <= BLOCK else min(BLOCK, batch - taken)
        taken = (taken + rows) % batch
        drawn = math.ceil(rows * columns / QUANTUM) * QUANTUM
        parts = [rng.standard_normal(drawn)[: rows * columns].reshape(rows, columns) for _ in range(strips)]
        blocks.append(np.hstack(parts)[:, :N])
    return np.vstack(blocks)[:count]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("N", [40, 2100])
def test_direct_is_plain_sgd(case, N):
    """On the same numbers, in double precision; N = 2100 takes two strips of columns."""
    case = case | {"alphas": np.array([0.0, 20.0, 50.0, 80.0]) / N}
    Q, R, T, v, A = start(N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    run = run_direct(
        W, B, v, A, rng=np.random.default_rng(1), noise_rng=np.random.default_rng(2), stream="numpy", **case
    )
    batch = case.get("batch", 1)
    steps = steps_at(case["alphas"], N, batch)
    inputs = numpy_inputs(N, batch, steps[-1] * batch, np.random.default_rng(1))
    noises = case.get("noise", 0.0) * np.random.default_rng(2).standard_normal(len(inputs))
    w, b = W / math.sqrt(N), B / math.sqrt(N)
    states = [(w, v)]
    train(w, b, v, A, inputs, noises, N, **plain(case), after=lambda w, v: states.append((w, v)))
    for i, step in enumerate(steps):
        w, v = states[step]
        assert run.alpha[i] == step * batch / N
        np.testing.assert_allclose(run.Q[i], w @ w.T, **STATES)
        np.testing.assert_allclose(run.R[i], w @ b.T, **STATES)
        np.testing.assert_allclose(run.v[i], v, **STATES)
    np.testing.assert_allclose(run.T, b @ b.T, **STATES)


def test_direct_draws_rows_of_a_matrix():
    """Plain SGD on the same rows; also that a fast stream differs by single precision alone."""
    N, count = 30, 64
    data = np.random.default_rng(5).standard_normal((7, N)) ** 3
    Q, R, T, v, A = start(N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    case = rule(second_layer_rate=0.3, alphas=[count / N], inputs=data)
    run = run_direct(W, B, v, A, rng=np.random.default_rng(1), stream="numpy", **case)
    rows = data[np.random.default_rng(1).integers(0, len(data), count)]
    w, b = W / math.sqrt(N), B / math.sqrt(N)
    w, u = train(w, b, v, A, rows, np.zeros(count), N, **plain(case), after=lambda w, v: None)
    np.testing.assert_allclose(run.Q[0], w @ w.T, **STATES)
    np.testing.assert_allclose(run.R[0], w @ b.T, **STATES)
    np.testing.assert_allclose(run.v[0], u, **STATES)


@pytest.mark.parametrize(("N", "batch"), [(30, 1), (30, 3), (30, 20), (2100, 8)])
def test_with_rows_the_error_is_their_average(N, batch):
    """Against all rows at once in NumPy, before and after steps; they are skewed and do not fill the last block."""
    count = 40 // batch * batch
    data = np.random.default_rng(5).standard_normal((19, N)) ** 2
    Q, R, T, v, A = start(N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    case = rule(("erf", "relu"), second_layer_rate=0.3, noise=0.2, batch=batch, weight_decay=0.3)
    case |= {"alphas": np.array([0, count // 2 // batch * batch, count]) / N, "inputs": data}
    run = run_direct(
        W, B, v, A, rng=np.random.default_rng(1), noise_rng=np.random.default_rng(2), stream="numpy", **case
    )
    noises = 0.2 * np.random.default_rng(2).standard_normal(2 * count)
    rows = data[np.random.default_rng(1).integers(0, len(data), 2 * count)]
    w, b = W / math.sqrt(N), B / math.sqrt(N)
    states = [(w, v)]
    train(w, b, v, A, rows, noises, N, **plain(case), after=lambda w, v: states.append((w, v)))
    g, h = (np.vectorize(FUNCTIONS[name][0]) for name in ("erf", "relu"))
    assert run.error is not None
    for i, step in enumerate(steps_at(case["alphas"], N, batch)):
        w, u = states[step]
        difference = u @ g(w @ data.T) - A @ h(b @ data.T)
        assert run.error[i] == pytest.approx(0.5 * np.mean(difference**2), rel=1e-10)
    gaussian = run_direct(W, B, v, A, rng=np.random.default_rng(1), **(case | {"inputs": "gaussian"}))
    assert gaussian.error is None


def plain_chain(start_, v, factor, A, case, N, steps, rng, noise_rng, numbers):
    """The chain block by block in NumPy: Bartlett coordinates, plain SGD in them, and a QR decomposition."""
    K, M = start_.shape[0], factor.shape[0]
    batch = case["batch"]
    assert batch <= BLOCK
    n, new, count = K + M, min(BLOCK, N - K - M), BLOCK // batch * batch
    width = math.ceil((n + new) / 4) * 4
    blocks = numbers // (BLOCK * width)
    b = np.hstack([factor, np.zeros((M, K + new))])
    student = start_
    done, states = 0, [(student, v)]
    while done < steps:
        normals = rng.standard_normal(numbers)[: blocks * BLOCK * width].reshape(blocks, BLOCK, width)
        lengths = np.empty(blocks * new)
        fill_lengths(np.tile(N - n - np.arange(new), blocks), rng, lengths)
        for block in range(blocks):
            inputs = np.zeros((BLOCK, n + new))
            for i in range(BLOCK):
                known = n + min(i, new)
                inputs[i, :known] = normals[block, i, :known]
                if i < new:
                    inputs[i, known] = lengths.reshape(blocks, new)[block, i]
            noises = case["noise"] * noise_rng.standard_normal(count)
            w = np.hstack([student, np.zeros((K, new))])
            w, v = train(w, b, v, A, inputs[:count], noises, N, **plain(case), after=lambda w, v: states.append((w, v)))
            student = np.hstack([w[:, :M], np.linalg.qr(w[:, M:].T, mode="r").T])
            done += count // batch
            if done >= steps:
                break
    return states


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("N", [5, 9, 60])
def test_chain_is_plain_sgd_in_coordinates(batch, N):
    """On the same numbers; N = 5 leaves no direction outside the weights, 9 fewer than a block has examples.

    The reference's learning rate is constant, because its blocks do not know their time.
    """
    case = rule("erf", second_layer_rate=0.4, noise=0.3, weight_decay=0.5, batch=batch)
    Q, R, T, v, A = start(N=N)
    at = np.array([0, 1, 7, 24, 160])
    run = run_reduced(
        Q, R, T, v, A, dimension=N, rng=np.random.default_rng(1), noise_rng=np.random.default_rng(2), stream="numpy",
        alphas=at * batch / N, **case,
    )  # fmt: skip
    states = plain_chain(
        run.student[0], v, run.teacher[:, :2], A, case, N, at[-1], np.random.default_rng(1),
        np.random.default_rng(2), 8192,
    )  # fmt: skip
    for i, step in enumerate(at):
        w, v = states[step]
        np.testing.assert_allclose(run.Q[i], w @ w.T, **STATES)
        np.testing.assert_allclose(run.R[i], w[:, :2] @ run.teacher[:, :2].T, **STATES)
        np.testing.assert_allclose(run.v[i], v, **STATES)


@pytest.mark.parametrize("shape", [(4, 12), (4, 4), (5, 3), (1, 6)])
def test_triangularise(shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    matrix[-1] *= 1e-9
    folded = matrix.copy()
    triangularise(folded, 2)
    np.testing.assert_array_equal(folded[:, :2], matrix[:, :2])
    np.testing.assert_array_equal(np.triu(folded[:, 2:], 1), 0.0)
    scale = np.linalg.norm(matrix, axis=1)
    np.testing.assert_allclose(
        folded @ folded.T / np.outer(scale, scale), matrix @ matrix.T / np.outer(scale, scale), atol=1e-14
    )


@pytest.mark.parametrize("activation", ["erf", "relu", "linear", "quadratic", "tanh", "leaky_relu"])
def test_units_respond(activation):
    """g and g' of the kernels, within 4e-16 and 2e-15 of the library's for erf, also at the edges of the table."""
    x = np.concatenate([np.linspace(-10, 10, 4001), [0.0, 1e-300, -1e-9, 8.96875, 9.0, 1e6]])
    tag = BUILT_IN[activation].tag
    found = np.array([respond(tag, value) for value in x])
    g, slope = FUNCTIONS[activation]
    np.testing.assert_allclose(found[:, 0], [g(value) for value in x], rtol=0, atol=4e-16)
    np.testing.assert_allclose(found[:, 1], [slope(value) for value in x], rtol=0, atol=2e-15)
    assert respond(0, 1e-200)[0] == pytest.approx(math.sqrt(2 / math.pi) * 1e-200)


# Known results -------------------------------------------------------------------------------------------------


def linear_means(Q, R, T, v, A, eta, sigma, kappa, batch, N, steps):
    r"""Return the exact E[Q] and E[R] of linear units after some steps at finite N.

    Let c = (v, -A) and C the matrix of all overlaps.  Then Δ = a·x - σξ with a = Σ_i c_i (w or b)_i/√N, so that
    E[Δ x] = a, E[Δ² x·x] = (N + 2) a·a + N σ², and two examples of a batch contribute a·a; a·a = cᵀCc is linear in C.
    """
    K = len(v)
    mean_Q, mean_R = Q, R
    for _ in range(steps):
        C = np.block([[mean_Q, mean_R], [mean_R.T, T]])
        c = np.concatenate([v, -A])
        along = C @ c
        square = c @ C @ c
        decay = 1 - kappa / N
        one = square * (1 + 2 / N) + sigma**2
        two = square / N
        gradients = (one + (batch - 1) * two) / batch
        drift = eta / N * np.outer(v, along)
        mean_R = decay * mean_R - drift[:, K:]
        mean_Q = decay**2 * mean_Q - decay * (drift[:, :K] + drift[:, :K].T) + eta**2 / N * np.outer(v, v) * gradients
    return mean_Q, mean_R


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("simulation", ["reduced", "direct"])
def test_linear_students_follow_their_exact_means(simulation, batch):
    """Within 4.5 standard errors at N = 12, where the 1/N terms of the recursion are 20 of these."""
    N, count = 12, 4000
    Q, R, T, v, A = start(K=2, N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    steps = 24
    options = rule("linear", rate=0.4, noise=0.2, weight_decay=0.1, batch=batch, alphas=[steps * batch / N])
    runs = [
        run_direct(W, B, v, A, rng=np.random.default_rng((4, i)), **options)
        if simulation == "direct"
        else run_reduced(Q, R, T, v, A, dimension=N, rng=np.random.default_rng((4, i)), **options)
        for i in range(count)
    ]
    found_Q, found_R = np.array([run.Q[0] for run in runs]), np.array([run.R[0] for run in runs])
    mean_Q, mean_R = linear_means(Q, R, T, v, A, 0.4, 0.2, 0.1, batch, N, steps)
    for found, mean in ((found_Q, mean_Q), (found_R, mean_R)):
        error = found.std(axis=0) / math.sqrt(count)
        assert np.all(np.abs(found.mean(axis=0) - mean) <= 4.5 * error)
    wrong, _ = linear_means(Q, R, T, v, A, 0.4, 0.2, 0.1, batch, 10 * N, 10 * steps)
    assert np.any(np.abs(found_Q.mean(axis=0) - wrong) > 4.5 * found_Q.std(axis=0) / math.sqrt(count))


@pytest.mark.parametrize("simulation", ["reduced", "direct"])
def test_a_student_without_noise_learns_to_rounding(simulation):
    """K = M = 1 erf: the squared distance ends below 1e-30; Q - 2R + T would end at rounding, 1e-16."""
    N = 100
    T, R, Q = np.eye(1), np.array([[0.3]]), np.array([[0.5]])
    options = rule("erf", rate=1.5, alphas=[0.0, 50.0, 400.0, 500.0])
    rng = np.random.default_rng(0)
    if simulation == "direct":
        run = run_direct(*embed(Q, R, T, N, rng), np.ones(1), np.ones(1), rng=rng, **options)
    else:
        run = run_reduced(Q, R, T, np.ones(1), np.ones(1), dimension=N, rng=rng, **options)
    assert run.diverged_at is None
    assert run.distance[0, 0, 0] == pytest.approx(0.9)
    assert np.all(np.diff(run.distance[:3, 0, 0]) < 0.0)
    assert run.distance[3, 0, 0] < 1e-30


def test_students_specialise_to_rounding():
    """K = M = 2 without noise: each student ends on one teacher, the chain's V at rounding."""
    Q, R, T, _, _ = start(K=2, M=2, N=1000, orthonormal=True)
    run = run_reduced(
        Q, R + 0.2 * np.eye(2), T, np.ones(2), np.ones(2), dimension=1000, rng=np.random.default_rng(0),
        **rule(rate=1.0, alphas=[2000.0]),
    )  # fmt: skip
    np.testing.assert_array_less(np.diag(run.distance[0]), 1e-29)
    assert np.linalg.norm(run.student[0, :, 2:]) < 1e-15


@pytest.mark.slow
def test_batches_of_a_frozen_student_are_averages():
    """One step of v has the variance of an example's over the batch, within 5 standard errors of the ratio."""
    N, count = 100, 3000
    Q, R, T, v, A = start(N=N)

    def variance(batch):
        options = rule(rate=0.0, second_layer_rate=1.0, noise=0.5, batch=batch, alphas=[batch / N])
        draws = [
            run_reduced(Q, R, T, v, A, dimension=N, rng=np.random.default_rng((6, i)), **options).v[0, 0]
            for i in range(count)
        ]
        assert np.mean(draws) == pytest.approx(v[0], abs=1.0 / N)
        return np.var(draws)

    one, sixteen = variance(1), variance(16)
    assert sixteen / one == pytest.approx(1 / 16, rel=5 * math.sqrt(4 / count))


@pytest.mark.parametrize("simulation", ["reduced", "direct"])
def test_divergence_stops_the_run(simulation):
    """g = x² at a large learning rate; what was recorded before is kept, and finite."""
    N = 50
    Q, R, T, v, A = start(N=N)
    options = rule("quadratic", rate=3.0, alphas=[0.0, 0.02, 100.0, 200.0])
    rng = np.random.default_rng(0)
    if simulation == "direct":
        run = run_direct(*embed(Q, R, T, N, rng), v, A, rng=rng, **options)
    else:
        run = run_reduced(Q, R, T, v, A, dimension=N, rng=rng, **options)
    assert run.diverged_at is not None
    assert 0.02 <= run.diverged_at < 10.0
    assert len(run.alpha) == len(run.student) == len(run.v) == 2
    assert np.all(np.isfinite(run.student))


def test_a_second_layer_may_diverge():
    Q, R, T, v, A = start()
    run = run_reduced(
        Q, R, T, v, A, dimension=60, rng=np.random.default_rng(0),
        **rule("linear", rate=0.0, second_layer_rate=1e4, alphas=[50.0]),
    )  # fmt: skip
    assert run.diverged_at is not None
    assert len(run.alpha) == 0


# Randomness, times, memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_records_do_not_change_the_run(batch):
    """States are the same to the bit whether few or many are asked for, each that of the last step by its time."""
    N = 60
    Q, R, T, v, A = start(N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    few, many = [3.0, 7.7], np.unique(np.append(np.linspace(0.0, 8.0, 97), [3.0, 7.7]))
    for simulate in (
        lambda alphas, rng: run_reduced(Q, R, T, v, A, dimension=N, rng=rng, **rule(batch=batch, alphas=alphas)),
        lambda alphas, rng: run_direct(W, B, v, A, rng=rng, **rule(batch=batch, alphas=alphas)),
    ):
        one, two = simulate(few, np.random.default_rng(1)), simulate(many, np.random.default_rng(1))
        chosen = np.searchsorted(many, few)
        np.testing.assert_array_equal(one.student, two.student[chosen])
        np.testing.assert_array_equal(one.alpha, two.alpha[chosen])
        assert np.all((two.alpha <= many + 1e-12) & (two.alpha > many - batch / N))


def test_steps_are_whole_where_alpha_is():
    """Also where 0.1 · 3 · 10⁷ is not a whole number in floating point."""
    np.testing.assert_array_equal(steps_at([0.0, 0.3, 0.7, 1e3], 10**7), [0, 3_000_000, 7_000_000, 10**10])
    np.testing.assert_array_equal(steps_at([0.29, 0.2999999, 0.30000001], 100), [29, 29, 30])
    np.testing.assert_array_equal(steps_at([0.1, 1.0], 100, 8), [1, 12])
    np.testing.assert_array_equal(steps_at([1.0, 9.99, 10.0, 29.0], 100, 1000), [0, 0, 1, 2])


def test_streams_are_separate():
    """The label noise can change while the examples stay, and the other way round."""
    Q, R, T, v, A = start()

    def final(examples, noises):
        options = rule(noise=0.3, alphas=[2.0])
        rng, noise_rng = np.random.default_rng(examples), np.random.default_rng(noises)
        return run_reduced(Q, R, T, v, A, dimension=60, rng=rng, noise_rng=noise_rng, **options).student[0]

    np.testing.assert_array_equal(final(1, 2), final(1, 2))
    assert not np.allclose(final(1, 2), final(1, 3))
    assert not np.allclose(final(1, 2), final(4, 2))
    quiet = [
        run_reduced(
            Q, R, T, v, A, dimension=60, rng=np.random.default_rng(1), noise_rng=np.random.default_rng(s),
            **rule(alphas=[2.0]),
        ).student
        for s in (2, 3)
    ]  # fmt: skip
    np.testing.assert_array_equal(*quiet)


@pytest.mark.slow
def test_memory_of_direct_is_that_of_the_weights():
    """Peak below 3 (K + M + BLOCK/2) N numbers at N = 10⁶, where 100 examples in memory would be 800 MB."""
    K, M, N = 4, 2, 10**6
    W, B = np.ones((K, N)), random_teacher(M, N, np.random.default_rng(0))
    options = rule(rate=0.01, alphas=[100 / N])
    run_direct(W[:, :100], B[:, :100], np.ones(K), np.ones(M), rng=np.random.default_rng(0), **options)
    tracemalloc.start()
    run_direct(W, B, np.ones(K), np.ones(M), rng=np.random.default_rng(0), **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * (K + M + BLOCK / 2) * N * 8


# Any activation ------------------------------------------------------------------------------------------------


def tanh(x):
    return math.tanh(x)


def tanh_slope(x):
    return 1.0 - math.tanh(x) ** 2


def square(x):
    return x * x


def twice(x):
    return 2.0 * x


@pytest.mark.slow
def test_activations_may_be_functions():
    """A pair equal to a built-in activation gives the same run; another pair the run of plain NumPy."""
    N = 40
    Q, R, T, v, A = start(N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))

    def both(activation):
        options = rule((activation, activation), rate=0.05, alphas=[2.0])
        yield run_reduced(Q, R, T, v, A, dimension=N, rng=np.random.default_rng(1), **options)
        yield run_direct(W, B, v, A, rng=np.random.default_rng(1), stream="numpy", **options)

    for one, other in zip(both((square, twice)), both("quadratic"), strict=True):
        np.testing.assert_allclose(one.student, other.student, rtol=1e-11, atol=1e-13)
    _, run = both((tanh, tanh_slope))
    inputs = numpy_inputs(N, 1, 80, np.random.default_rng(1))
    FUNCTIONS["tanh"] = tanh, tanh_slope
    w, _ = train(
        W / math.sqrt(N), B / math.sqrt(N), v, A, inputs, np.zeros(80), N,
        **plain(rule(("tanh", "tanh"), rate=0.05)), after=lambda w, v: None,
    )  # fmt: skip
    np.testing.assert_allclose(run.Q[0], w @ w.T, **STATES)


# Starts --------------------------------------------------------------------------------------------------------


def test_singular_overlaps_are_followed():
    """Two teachers alike, a student that is one of them, and one that is zero."""
    T, R, Q = np.ones((2, 2)), np.array([[1.0, 1.0], [0.0, 0.0]]), np.diag([1.0, 0.0])
    options = rule("erf", rate=0.5, alphas=[0.0, 20.0])
    reduced = run_reduced(Q, R, T, np.ones(2), np.ones(2), dimension=80, rng=np.random.default_rng(0), **options)
    W, B = embed(Q, R, T, 80, np.random.default_rng(1))
    direct = run_direct(W, B, np.ones(2), np.ones(2), rng=np.random.default_rng(2), **options)
    for run in (reduced, direct):
        np.testing.assert_allclose(run.Q[0], Q, atol=1e-15)
        np.testing.assert_allclose(run.R[0], R, atol=1e-14)
        np.testing.assert_allclose(run.T, T, atol=1e-14)
        assert run.distance[0, 0, 0] < 1e-28
        assert np.all(np.isfinite(run.Q))


# Bad values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dimension": 4}, "dimension = 4"),
        ({"batch": 0}, "batch = 0"),
        ({"noise": -1.0}, "noise = -1.0"),
        ({"weight_decay": math.nan}, "weight_decay = nan"),
        ({"second_layer_rate": math.inf}, "second_layer_rate = inf"),
        ({"alphas": [2.0, 1.0]}, "alphas"),
        ({"alphas": []}, "alphas"),
        ({"schedule": np.zeros(4)}, "schedule"),
        ({"student": "swish"}, "'swish' is unknown"),
        ({"student": (lambda x: x, lambda x: x.slope)}, "cannot be compiled"),
        ({"stream": "slow"}, "stream = 'slow'"),
        ({"v": np.ones(2)}, "v has shape"),
        ({"A": np.ones(3)}, "A has shape"),
        ({"Q": 2.0 * np.ones((3, 3)) - np.eye(3)}, "eigenvalue -1"),
        ({"Q": np.triu(np.ones((3, 3)))}, "symmetric"),
        ({"Q": np.eye(2)}, "shapes"),
        ({"T": np.full((2, 2), np.nan)}, "finite"),
    ],
)
def test_bad_values_are_named(changed, message):
    Q, R, T, v, A = start()
    given = {"Q": Q, "R": R, "T": T, "v": v, "A": A, "dimension": 60, "rng": np.random.default_rng(0)}
    with pytest.raises(InputError, match=message):
        run_reduced(**given | rule(alphas=[1.0]) | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputs": "ternary"}, "'ternary'"),
        ({"inputs": np.ones((5, 61))}, "rows of 60"),
        ({"inputs": np.full((5, 60), np.nan)}, "not finite"),
        ({"B": np.ones((2, 61))}, "equally long"),
    ],
)
def test_bad_networks_are_named(changed, message):
    Q, R, T, v, A = start()
    W, B = embed(Q, R, T, 60, np.random.default_rng(3))
    given = {"W": W, "B": B, "v": v, "A": A, "rng": np.random.default_rng(0)}
    with pytest.raises(InputError, match=message):
        run_direct(**given | rule(alphas=[1.0]) | changed)
