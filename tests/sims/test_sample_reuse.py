"""Training on stored examples: against plain NumPy, in law against one-pass SGD, and in what must not change."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from numba.core.runtime import rtsys
from numba.core.runtime._nrt_python import memsys_enable_stats
from scipy import stats

from tests.rules import by_keywords
from tsmech.errors import InputError
from tsmech.kernels.schedules import constant
from tsmech.machine import memory
from tsmech.sims import online_sgd, sample_reuse
from tsmech.sims.online_sgd import steps_at
from tsmech.sims.sample_reuse import ORDERS
from tsmech.sims.two_layer.starts import embed, random_overlaps
from tsmech.sims.two_layer.stored import choose_examples

run_reduced, train = by_keywords(online_sgd.run_reduced), by_keywords(sample_reuse.train)

SQRT_HALF = math.sqrt(0.5)
FUNCTIONS = {
    "erf": (np.vectorize(lambda x: math.erf(x * SQRT_HALF)), lambda x: math.sqrt(2 / math.pi) * np.exp(-x * x / 2)),
    "relu": (lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(float)),
    "linear": (lambda x: x, np.ones_like),
    "quadratic": (lambda x: x * x, lambda x: 2 * x),
}
STATES = {"rtol": 1e-10, "atol": 1e-12}


def network(K=3, M=2, N=60, scale=0.6, seed=0):
    """Return W, B, and unequal second layers."""
    teacher, student, frame = (np.random.default_rng((seed, role)) for role in range(3))
    overlaps = random_overlaps(K, M, N, scale, teacher_rng=teacher, student_rng=student)
    return *embed(*overlaps, N, frame), np.linspace(0.5, 1.0, K), np.linspace(0.8, 1.2, M)


def rule(activation="erf", learning_rate=0.5, **others):
    named = activation if isinstance(activation, tuple) else (activation, activation)
    return {"student": named[0], "teacher": named[1], "learning_rate": learning_rate} | others


def generators(seed=0):
    return {name: np.random.default_rng((seed, i)) for i, name in enumerate(("rng", "noise_rng", "order_rng"))}


# The training in plain NumPy -----------------------------------------------------------------------------------


def training_set(W, B, A, P, case, seed=0):
    """Return inputs and labels as they are drawn with ``stream="numpy"``."""
    drawn = generators(seed)
    X = drawn["rng"].standard_normal((P, W.shape[1]))
    xi = drawn["noise_rng"].standard_normal(P) if case.get("noise", 0.0) else np.zeros(P)
    return X, FUNCTIONS[case["teacher"]][0](X @ B.T / W.shape[1] ** 0.5) @ A + case.get("noise", 0.0) * xi


def loss(w, v, X, y, activation):
    """½ mean (student - label)²."""
    return 0.5 * np.mean((FUNCTIONS[activation][0](X @ w.T / X.shape[1] ** 0.5) @ v - y) ** 2)


def slow(w, v, X, y, order, steps, case, rng):
    """Return w and v after each step, each written as it stands in the documents."""
    P, N = X.shape
    g, slope = FUNCTIONS[case["student"]]
    b = P if order == "full" else case.get("batch", 1)
    worth = N if order == "full" else 1
    eta, eta_v, kappa = (worth * case.get(k, 0.0) for k in ("learning_rate", "second_layer_rate", "weight_decay"))
    sequence, queue, states = np.arange(P), [], [(w, v)]
    for _ in range(steps):
        while len(queue) < b:
            if order == "with":
                queue.append(int(rng.random() * P))
            else:
                if order == "without":
                    for last in range(P - 1, 0, -1):
                        other = int(rng.random() * (last + 1))
                        sequence[[last, other]] = sequence[[other, last]]
                queue.extend(sequence)
        x, label = X[queue[:b]], y[queue[:b]]
        queue = queue[b:]
        fields = x @ w.T / N**0.5
        delta = g(fields) @ v - label
        gradient = (v * slope(fields) * delta[:, None]).T @ x / b
        pull = g(fields).T @ delta / b
        w = w - eta / N**0.5 * gradient - kappa / N * w
        if eta_v > 0:
            v = v - eta_v / N * pull - kappa / N * v
        states.append((w, v))
    return states


CASES = [
    rule(),
    rule(second_layer_rate=0.4, noise=0.3, weight_decay=0.02),
    rule(second_layer_rate=0.4, noise=0.3, weight_decay=0.02, batch=3),
    rule(second_layer_rate=0.4, noise=0.3, weight_decay=0.02, batch=8),
    rule(second_layer_rate=0.4, noise=0.3, weight_decay=0.02, batch=20),
    rule(("relu", "erf"), second_layer_rate=0.2, noise=0.1),
    rule(("quadratic", "linear"), 0.05, noise=0.1, batch=2),
]


@pytest.mark.parametrize("N", [40, 2100])
@pytest.mark.parametrize("order", ["without", "with", "full"])
@pytest.mark.parametrize("case", CASES)
def test_training_is_plain_sgd(case, order, N):
    """On the same numbers; P = 37 fits no batch, and N = 2100 takes two strips of columns."""
    if order == "full":
        case = case | {"batch": 1, "learning_rate": 0.002}  # XᵀX/P has eigenvalues of up to 70
    W, B, v, A = network(N=N)
    P, epochs = 37, np.array([0.0, 0.4, 1.0, 2.5, 4.0])
    run = train(W, B, v, A, examples=P, order=order, epochs=epochs, stream="numpy", **generators(), **case)
    X, y = training_set(W, B, A, P, case)
    b = P if order == "full" else case.get("batch", 1)
    steps = steps_at(epochs * P / N, N, b)
    states = slow(W, v, X, y, order, steps[-1], case, generators()["order_rng"])
    np.testing.assert_allclose(run.epoch, steps * b / P, rtol=1e-14)
    for i, step in enumerate(steps):
        w, second = states[step]
        np.testing.assert_allclose(run.network.Q[i], w @ w.T / N, **STATES)
        np.testing.assert_allclose(run.network.R[i], w @ B.T / N, **STATES)
        np.testing.assert_allclose(run.network.v[i], second, **STATES)
        expected = loss(w, second, X, y, case["student"])
        np.testing.assert_allclose(run.train_error[i], expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(run.network.T, B @ B.T / N, **STATES)


@pytest.mark.parametrize("activation", list(FUNCTIONS))
def test_a_full_step_is_the_gradient_of_the_training_error(activation):
    """By central differences: a step changes w_k by -η N and v by -η_v times the gradient of ``train_error``."""
    N, P, eta, eta_v = 12, 30, 0.01, 0.02
    W, B, v, A = network(N=N)
    case = rule(activation, eta, second_layer_rate=eta_v, noise=0.2)
    run = train(W, B, v, A, examples=P, order="full", epochs=[0, 1], stream="numpy", **generators(), **case)
    X, y = training_set(W, B, A, P, case)
    flat = np.concatenate([W.ravel(), v])

    def at(numbers):
        return loss(numbers[: W.size].reshape(W.shape), numbers[W.size :], X, y, activation)

    h = 1e-5
    units = h * np.eye(flat.size)
    gradient = np.array([(at(flat + unit) - at(flat - unit)) / (2 * h) for unit in units])
    w = W - eta * N * gradient[: W.size].reshape(W.shape)
    tolerance = {"rtol": 0, "atol": 1e-7}  # of differences: h² third derivatives / 6, and 1e-16/h of rounding
    assert run.train_error[0] == pytest.approx(at(flat), rel=1e-12)
    np.testing.assert_allclose(run.network.R[1], w @ B.T / N, **tolerance)
    np.testing.assert_allclose(run.network.Q[1], w @ w.T / N, **tolerance)
    np.testing.assert_allclose(run.network.v[1], v - eta_v * gradient[W.size :], **tolerance)


def test_single_precision_inputs_are_a_training_set_of_their_own():
    """With the fast stream, fields and labels come from the stored numbers: the student still learns to rounding."""
    W, B, _, _ = network(K=1, M=1, N=50)
    common = {"examples": 400, "order": "full", "epochs": [0, 300], **generators()}
    run = train(W, B, np.ones(1), np.ones(1), **common, **rule("linear"))
    assert run.network.distance[-1, 0, 0] < 1e-28
    assert run.train_error[-1] < 1e-28


# The order of the examples -------------------------------------------------------------------------------------


def test_without_replacement_each_example_comes_once_an_epoch():
    P, rng = 29, np.random.default_rng(0)
    sequence, chosen = np.arange(P), np.empty(4 * P, dtype=np.int64)
    position = 0
    for begin in range(0, 4 * P, 7):
        position = choose_examples(ORDERS["without"], rng, sequence, position, chosen[begin : begin + 7], 1)
    epochs = chosen.reshape(4, P)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(P))
    assert not any(np.array_equal(first, second) for first, second in itertools.pairwise(epochs))


def test_permutations_are_uniform():
    rng, sequence, counts = np.random.default_rng(0), np.arange(4), {}
    for _ in range(4800):
        choose_examples(ORDERS["without"], rng, sequence, 4, np.empty(4, dtype=np.int64), 1)
        counts[tuple(sequence)] = counts.get(tuple(sequence), 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_with_replacement_examples_are_independent_and_uniform():
    P, chosen = 20, np.empty(20_000, dtype=np.int64)
    choose_examples(ORDERS["with"], np.random.default_rng(1), np.arange(P), 0, chosen, 1)
    assert stats.chisquare(np.bincount(chosen, minlength=P)).pvalue > 1e-3
    pairs = np.bincount(chosen[::2] * P + chosen[1::2], minlength=P * P)
    assert stats.chisquare(pairs).pvalue > 1e-3


def test_a_batch_drawn_anew_has_distinct_examples_uniform_and_independent_from_step_to_step():
    P, batch, steps = 11, 4, 3000
    rng, sequence, chosen = np.random.default_rng(3), np.arange(P), np.empty(2, dtype=np.int64)
    position, taken = 0, []
    for _ in range(steps * batch // 2):
        position = choose_examples(ORDERS["sampled"], rng, sequence, position, chosen, batch)
        taken += chosen.tolist()
    batches = np.array(taken).reshape(steps, batch)
    assert all(len(set(each)) == batch for each in batches)
    counts = np.bincount(batches.ravel(), minlength=P)
    spread = math.sqrt(steps * batch / P * (1 - batch / P))
    assert np.abs(counts - steps * batch / P).max() < 5 * spread
    repeated = [len({*one} & {*other}) for one, other in itertools.pairwise(batches.tolist())]
    mean = batch**2 / P  # of a hypergeometric law
    variance = mean * (1 - batch / P) * (P - batch) / (P - 1)
    assert abs(np.mean(repeated) - mean) < 5 * math.sqrt(variance / len(repeated))


def test_sampled_steps_of_all_examples_are_full_ones():
    W, B, v, A = network()
    options = rule() | {"noise": 0.3, "examples": 70, "epochs": [0, 1, 4]}
    full, sampled = (
        train(W, B, v, A, order=order, stream="numpy", **options, **generators()) for order in ("full", "sampled")
    )
    np.testing.assert_allclose(sampled.network.Q, full.network.Q, rtol=1e-9)
    np.testing.assert_allclose(sampled.train_error, full.train_error, rtol=1e-9)


def test_a_full_step_is_a_batch_of_all_examples_at_a_rate_n_times_as_large():
    W, B, v, A = network(N=40)
    common = {"examples": 50, "epochs": [0, 1], "stream": "numpy"}
    full = train(W, B, v, A, order="full", **common, **generators(), **rule(noise=0.3, second_layer_rate=0.1))
    batch = train(
        W, B, v, A, order="without", batch=50, **common, **generators(),
        **rule("erf", 0.5 * 40, noise=0.3, second_layer_rate=0.1 * 40),
    )  # fmt: skip
    np.testing.assert_allclose(full.network.Q, batch.network.Q, rtol=1e-11)
    np.testing.assert_allclose(full.train_error, batch.train_error, rtol=1e-11)


# One-pass SGD --------------------------------------------------------------------------------------------------


def in_law(order, epochs, alpha, draws=400):
    """Return p-values of ε-like scalars against the chain of one-pass SGD after as many examples."""
    N, K, M = 40, 2, 2
    P = round(alpha * N)
    Q, R, T = np.diag([0.4, 0.5]), np.array([[0.3, 0.1], [0.0, 0.2]]), np.eye(2)
    v, A = np.ones(K), np.ones(M)
    case = rule("erf", 1.0, noise=0.5, second_layer_rate=0.3)
    schedule = {"schedule": constant(case["learning_rate"])}
    chain_case = {k: x for k, x in case.items() if k != "learning_rate"} | schedule
    stored, chain = [], []
    for seed in range(draws):
        rng = np.random.default_rng((1, seed))
        W, B = embed(Q, R, T, N, rng)
        run = train(W, B, v, A, examples=P, order=order, epochs=[epochs], rng=rng, **case)
        one = run_reduced(
            Q, R, T, v, A, dimension=N, alphas=[epochs * P / N], rng=np.random.default_rng((2, seed)), **chain_case
        )
        for found, to in ((run.network, stored), (one, chain)):
            to.append([found.Q[0, 0, 0], found.Q[0, 0, 1], found.R[0, 0, 0], found.R[0, 1, 1], found.v[0, 0]])
    return [stats.ks_2samp(a, b).pvalue for a, b in zip(np.transpose(stored), np.transpose(chain), strict=True)]


def test_the_first_epoch_without_replacement_is_one_pass_sgd():
    """In law at N = 40; drawn with replacement, or in the second epoch, it is not."""
    assert min(in_law("without", 1.0, alpha=4)) > 1e-3 / 5


@pytest.mark.parametrize(("order", "epochs", "alpha"), [("with", 1.0, 4.0), ("without", 2.0, 2.0)])
def test_examples_that_come_again_break_that_law(order, epochs, alpha):
    assert min(in_law(order, epochs, alpha)) < 1e-4


# What must not change, and what must be refused ----------------------------------------------------------------


@pytest.mark.parametrize(("order", "batch"), [("without", 1), ("with", 3), ("without", 20), ("full", 1)])
def test_records_do_not_change_the_run(order, batch):
    W, B, v, A = network()
    common = {"examples": 45, "order": order, "batch": batch}
    case = rule(noise=0.2, weight_decay=0.01, second_layer_rate=0.1)
    few = train(W, B, v, A, epochs=[3], **common, **generators(), **case)
    many = train(W, B, v, A, epochs=np.linspace(0, 3, 61), **common, **generators(), **case)
    for name in ("student", "v"):
        np.testing.assert_array_equal(getattr(few.network, name)[-1], getattr(many.network, name)[-1])
    assert few.train_error[-1] == many.train_error[-1]


@pytest.mark.parametrize("order", list(ORDERS))
def test_hidden_units_may_be_permuted(order):
    W, B, v, A = network()
    common = {"examples": 45, "order": order, "epochs": [0, 0.5, 3], "stream": "numpy"}
    case = rule(noise=0.2, second_layer_rate=0.1)
    p, q = [2, 0, 1], [1, 0]
    one = train(W, B, v, A, **common, **generators(), **case)
    two = train(W[p], B[q], v[p], A[q], **common, **generators(), **case)
    np.testing.assert_allclose(two.train_error, one.train_error, rtol=1e-11)
    np.testing.assert_allclose(two.network.Q, one.network.Q[:, p][:, :, p], rtol=1e-10)
    np.testing.assert_allclose(two.network.R, one.network.R[:, p][:, :, q], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.network.v, one.network.v[:, p], rtol=1e-11)


def test_streams_are_separate():
    """Noise, order and inputs can be changed one by one: without noise the noise stream does not matter."""
    W, B, v, A = network()
    common = {"examples": 45, "order": "without", "epochs": [0, 3]}
    base = train(W, B, v, A, **common, **generators(), **rule())
    for name in ("noise_rng", "order_rng", "rng"):
        other = train(W, B, v, A, **common, **(generators() | {name: np.random.default_rng(9)}), **rule())
        assert (other.train_error[0] == base.train_error[0]) == (name != "rng")
        assert (other.train_error[1] == base.train_error[1]) == (name == "noise_rng")


@pytest.mark.parametrize("order", list(ORDERS))
def test_divergence_stops_the_run(order):
    W, B, v, A = network(K=1, M=1)
    epochs = np.linspace(0, 200, 401)
    run = train(W, B, v[:1], A[:1], examples=60, order=order, epochs=epochs, **generators(), **rule("linear", 12.0))
    assert run.diverged_at is not None
    assert 0 < run.diverged_at < 100
    assert len(run.epoch) == len(run.train_error) == len(run.network.alpha)
    assert run.epoch[-1] <= run.diverged_at
    assert np.isfinite(run.train_error).all()
    stable = train(W, B, v[:1], A[:1], examples=60, order=order, epochs=epochs, **generators(), **rule("linear", 0.1))
    assert stable.diverged_at is None


def test_the_memory_is_that_of_the_training_set_in_single_precision():
    N, P = 1000, 4000
    W, B, v, A = network(N=N)
    common = {"examples": P, "order": "without", **rule()}
    train(W, B, v, A, epochs=[0.01], rng=np.random.default_rng(0), **common)  # compiles
    tracemalloc.start()
    train(W, B, v, A, epochs=[0, 0.1, 2], rng=np.random.default_rng(0), **common)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 4 * N * P < peak < 1.1 * 4 * N * P


@pytest.mark.parametrize(("order", "batch"), [("without", 1), ("with", 3), ("without", 20), ("full", 1)])
def test_steps_allocate_nothing(order, batch):
    """Numba's own count of allocations is that of one epoch after thirty, too."""
    W, B, v, A = network()
    memsys_enable_stats()

    def allocations(epochs):
        before = rtsys.get_allocation_stats().alloc
        train(
            W, B, v, A, examples=45, order=order, batch=batch, epochs=[epochs], **generators(),
            **rule("erf", 0.01, noise=0.2, second_layer_rate=0.01),
        )  # fmt: skip
        return rtsys.get_allocation_stats().alloc - before

    allocations(1)
    assert allocations(30) == allocations(1) > 0


def test_a_training_set_beyond_memory_is_refused_before_it_is_made(monkeypatch):
    W, B, v, A = network()
    monkeypatch.setattr(memory, "available", lambda: 100_000)
    message = "500 x 60 numbers takes 128 kB of memory, 100 kB are available"
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        train(W, B, v, A, examples=500, order="without", epochs=[1], rng=np.random.default_rng(0), **rule())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000
    monkeypatch.setattr(memory, "available", lambda: None)
    train(W, B, v, A, examples=500, order="without", epochs=[1], rng=np.random.default_rng(0), **rule())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"examples": 0}, "examples = 0"),
        ({"order": "backwards"}, "order = 'backwards'"),
        ({"order": "full", "batch": 2}, "batch = 2"),
        ({"batch": 0}, "batch = 0"),
        ({"noise": -1.0}, "noise = -1.0"),
        ({"learning_rate": math.nan}, "finite"),
        ({"epochs": [1.0, 0.0]}, "not decreasing"),
        ({"student": "swish"}, "swish"),
        ({"stream": "slow"}, "stream"),
    ],
)
def test_bad_values_are_named(changed, message):
    W, B, v, A = network()
    arguments = {"examples": 40, "order": "without", "epochs": [1.0], "rng": np.random.default_rng(0)} | rule()
    with pytest.raises(InputError, match=message):
        train(W, B, v, A, **(arguments | changed))


# Inputs that are revealed ---------------------------------------------------------------------------------------


def descents(rate, count, alpha=1.5, N=60, step=0.4, penalty=0.2, times=(0.4, 1.6, 4.0)):
    """Return test and training errors of a linear unit on revealed inputs, which starts at zero, shape (count, n)."""
    from tsmech.kernels.rule import Rule

    P = round(alpha * N)
    learn = Rule("linear", "linear", constant(rate), noise=0.5, weight_decay=rate * penalty * N / P)
    found = []
    for seed in range(count):
        run = sample_reuse.run_reduced(
            [[0.0]], [[0.0]], [[1.0]], [1.0], [1.0], learn, np.array(times) / step,
            examples=P, dimension=N, order="full", rng=np.random.default_rng((1, seed)),
        )  # fmt: skip
        Q, R = run.network.Q[:, 0, 0], run.network.R[:, 0, 0]
        found.append(np.concatenate([0.5 * (Q - 2 * R + 1) + 0.125, run.train_error]))
    return np.array(found)


@pytest.mark.slow
def test_revealed_descent_has_the_law_of_the_bidiagonal_reduction():
    """Two exact reductions that share no formula; the control is a step that is 30 % longer."""
    from tsmech.sims.gradient_flow import draw_reduced

    times, count = [0.4, 1.6, 4.0], 200
    other = []
    for seed in range(count):
        draw = draw_reduced(times, 1.5, 0.5, 60, np.random.default_rng((2, seed)), penalty=0.2, step=0.4)
        other.append(np.concatenate([draw["test_error"], draw["train_error"]]))
    other = np.array(other)
    right, wrong = descents(0.4, count), descents(0.52, count)
    pvalues = [stats.ks_2samp(one, two).pvalue for one, two in zip(right.T, other.T, strict=True)]
    assert min(pvalues) > 1e-4
    assert min(stats.ks_2samp(one, two).pvalue for one, two in zip(wrong.T, other.T, strict=True)) < 1e-6


def bent(x):
    return np.maximum(x, 0.0)


def bent_slope(x):
    return 1.0 if x > 0 else 0.0


@pytest.mark.slow  # it compiles a kernel of its own
def test_a_pair_of_functions_learns_as_the_activation_of_a_name():
    from tsmech.kernels.rule import Rule

    found = []
    for student in ("relu", (bent, bent_slope)):
        learn = Rule(student, "relu", constant(0.3), second_layer_rate=0.1, noise=0.2, weight_decay=0.02)
        run = sample_reuse.run_reduced(
            [[0.35, 0.08], [0.08, 0.21]], [[0.3, 0.1], [0.0, 0.2]], np.eye(2), [1.0, 0.8], [1.0, 1.2], learn,
            [0.0, 2.0, 4.0], examples=30, dimension=40, order="sampled", share=0.5, **generators(),
        )  # fmt: skip
        found.append(run)
    named, own = found
    np.testing.assert_allclose(own.network.Q, named.network.Q, rtol=1e-10)
    np.testing.assert_allclose(own.network.v, named.network.v, rtol=1e-10)
    np.testing.assert_allclose(own.train_error, named.train_error, rtol=1e-10)
