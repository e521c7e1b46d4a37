"""Kernels that are interpreted at first: their Python functions give the bits that compiled code gives."""

import math
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from tsmech.kernels import deferral
from tsmech.kernels.activations import ERF, LINEAR, QUADRATIC, RELU, SIGN
from tsmech.kernels.deferral import defer, plain
from tsmech.kernels.rounding import _exact, fused
from tsmech.kernels.schedules import learning_rate
from tsmech.theory.deep_linear import Sizes, noisy_curve
from tsmech.theory.deep_network import bulk, riccati
from tsmech.theory.deep_network.clock import clock_of, elapsed_of, shown_at
from tsmech.theory.deep_network.curves import two_layer_curve
from tsmech.theory.fields import deviations, fluctuations, gaussian
from tsmech.theory.online_sgd import flow

Array = NDArray[np.float64]
PAIRS = [
    (ERF, ERF),
    (ERF, RELU),
    (ERF, LINEAR),
    (ERF, QUADRATIC),
    (ERF, SIGN),
    (RELU, RELU),
    (RELU, LINEAR),
    (LINEAR, LINEAR),
    (LINEAR, SIGN),
    (QUADRATIC, QUADRATIC),
    (QUADRATIC, ERF),
    (QUADRATIC, RELU),
]
NEAR = [0.0, 1e-4, 1.0]
"""Distances of a student from its teacher, in which different formulas are the right ones."""
SHAPES = [(2, 1), (5, 4)]
"""K and M; from eight numbers on NumPy adds in another order than it is written."""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels be compiled when they are called."""
    monkeypatch.setattr(deferral, "WORK", 0)


def waiting(function: Any) -> Any:
    """Return a deferred kernel that no cache has from an earlier run."""
    return defer(njit(error_model="numpy")(function))


def numbers(value: Any) -> Iterator[bytes]:
    """Yield the bits of all numbers of a result."""
    if isinstance(value, tuple):
        for each in value:
            yield from numbers(each)
    else:
        assert type(value) in (float, int, bool, np.ndarray)
        yield np.asarray(value).tobytes()


def compare(kernel: Any, *arguments: Any, out: Array | None = None) -> Any:
    """Return what a kernel returns, which its Python function does too; so with an array that they fill."""
    filled = () if out is None else (out.copy(),)
    compiled = kernel(*arguments, *(() if out is None else (out,)))
    assert kernel.signatures  # it is compiled
    with np.errstate(all="ignore"):
        interpreted = deferral._as_compiled(plain(kernel)(*arguments, *filled))
    if out is not None:
        compiled, interpreted = (out, compiled or 0.0), (*filled, interpreted or 0.0)
    assert list(numbers(interpreted)) == list(numbers(compiled)), kernel
    return compiled


def interpret(module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a kernel of a module interpreted that has been compiled."""
    kernel = getattr(module, name)
    assert kernel.signatures
    monkeypatch.setattr(module, name, plain(kernel))


def a_state(rng: np.random.Generator, K: int, M: int, near: float) -> tuple[Array, ...]:
    """Return state, basis, T and A of a student so near its teacher."""
    r = M
    basis = np.tril(rng.normal(size=(M, r)))
    U = basis[np.arange(K) % M] + near * rng.normal(size=(K, r))
    V = near * rng.normal(size=(K, K))
    v = np.full(K, K**-0.5) * (1.0 + 0.1 * near * rng.normal(size=K))
    S = (V @ V.T)[np.tril_indices(K)]
    return np.concatenate([U.ravel(), S, v]), basis, basis @ basis.T, np.full(M, M**-0.5)


@pytest.mark.parametrize(("student", "teacher"), PAIRS)
def test_interpreted_right_hand_sides_have_the_bits_of_compiled_ones(student: int, teacher: int) -> None:
    rng = np.random.default_rng([student, teacher])
    for K, M in SHAPES:
        for near in NEAR:
            state, basis, T, A = a_state(rng, K, M, near)
            X, S, c, C = compare(flow.unpack, state, basis, T, A, K)
            compare(flow.largest, state, K, basis.shape[1])
            compare(gaussian.squared_output, C, c, K, student, teacher)
            compare(deviations.is_near, C, c, K, student, teacher)
            drift = compare(gaussian.drift_averages, C, c, K, student, teacher)
            F = np.empty((K, K))
            if student == ERF:
                compare(fluctuations._erf, C, c, K, teacher, out=F)
            elif student == QUADRATIC:
                compare(fluctuations._quadratic, C, c, K, teacher, out=F)
            else:
                F.fill(gaussian.squared_output(C, c, K, student, teacher))
            compare(flow._assemble, X, S, c, *drift, F, 0.3, 0.2, 0.01, 0.05)


@pytest.mark.parametrize("near", NEAR)
def test_so_do_those_of_students_near_their_teacher(near: float) -> None:
    rng = np.random.default_rng(7)
    for K, M in SHAPES:
        state, basis, T, A = a_state(rng, K, M, near)
        X, S, c, _ = flow.unpack(state, basis, T, A, K)
        W = compare(deviations.vectors, X, S)
        coefficients, rows, rule = compare(deviations._parts, W, c, K)
        G = compare(deviations._products, rows, rows)
        compare(deviations._arcsine_square, coefficients, G, rule)
        compare(deviations._erf, W, c, K, out=np.empty((K, K)))
        compare(deviations._quadratic, W, c, K, out=np.empty((K, K)))
        compare(deviations.two_slopes, c.size, K, LINEAR)


def test_so_do_arcsines_and_learning_rates() -> None:
    rng = np.random.default_rng(8)
    for x in [*rng.uniform(-1.0, 1.0, 2000), 0.0, -0.0, 0.5, 1.0, -1.0, 1.0 + 1e-15, math.nan]:
        compare(gaussian.arcsine, float(x))
    schedule = np.array([[0.0, 0.3, 1.0, 0.0], [2.0, 0.2, 3.0, 0.7], [5.0, 0.1, 1.0, 1.0]])
    for alpha in [*rng.uniform(0.0, 40.0, 200), 0.0, 2.0, 5.0]:
        compare(learning_rate, schedule, float(alpha))


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_so_do_noisy_teachers(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """... and the clock of their modes, where all of a mode is learnt at first too."""
    sizes, strengths, times = Sizes(8, 12, 8, 0.7), [2.0, 0.3], np.array([0.0, 0.7, 5.0, 300.0])
    if depth > 2:
        clock, learnt = clock_of(depth), np.array([1e-12, 0.1, 0.5, 0.7, 1.0])
        begun = compare(elapsed_of, learnt, 1.0 - learnt, clock)
        compare(shown_at, begun + np.array([[0.0], [3.0], [1e13]]), clock)
    found = noisy_curve(times, strengths, sizes, 1e-4, depth)
    interpret(bulk, "_follow", monkeypatch)
    with np.errstate(all="ignore"):
        interpreted = noisy_curve(times, strengths, sizes, 1e-4, depth)
    assert list(numbers(interpreted)) == list(numbers(found))


def test_so_do_two_layers_in_any_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, times = np.random.default_rng(10), np.linspace(0.0, 30.0, 50)
    first, second = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
    modes = np.eye(3)[:, :2], np.array([2.0, 0.5]), np.eye(3)[:, 1:]
    found = two_layer_curve(times, modes, [0.1 * first, 0.3 * second])[:3]
    interpret(riccati, "measure", monkeypatch)
    assert list(numbers(two_layer_curve(times, modes, [0.1 * first, 0.3 * second])[:3])) == list(numbers(found))


def test_a_sum_is_rounded_once() -> None:
    rng = np.random.default_rng(9)
    once = waiting(lambda a, b, c: fused(a, b, c))
    twice = 0
    for a, b in rng.normal(size=(300, 2)):
        c = -a * b * (1.0 + 1e-12 * rng.normal())
        exact = _exact(a, b, c)
        assert fused(float(a), float(b), float(c)) == once(float(a), float(b), float(c)) == exact
        twice += a * b + c != exact
    assert twice > 100  # which is what the compiler would do of its own


def test_a_kernel_waits_for_many_calls_before_it_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "WORK", 50)
    monkeypatch.setattr(deferral._Deferred, "done", 0)
    ratio = waiting(lambda x, y: x[0] / y[0])
    x, y = np.array([1.0, 2.0, 3.0]), np.array([3.0])
    found = [ratio(x, y) for _ in range(5)]
    assert not ratio.signatures
    assert {type(each) for each in found} == {float}
    assert ratio(x, y) == found[0]
    assert len(ratio.signatures) == 1


def test_large_arrays_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "WORK", 1000)
    monkeypatch.setattr(deferral._Deferred, "done", 0)
    first = waiting(lambda x: x[0])
    first(np.ones(100))
    assert first.signatures


@pytest.mark.parametrize("function", [lambda x: 1.0 / x, lambda x: math.sqrt(-1.0 - x), lambda x: 1e300 ** (1.0 - x)])
def test_what_python_refuses_is_what_compiled_code_says(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "WORK", 10**9)
    kernel = waiting(function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [kernel(x) for x in (0.0, np.float64(0.0), -1.0)]
    monkeypatch.setattr(deferral, "WORK", 0)
    assert np.array_equal(found, [kernel(0.0), kernel(0.0), kernel(-1.0)], equal_nan=True)
    assert not np.isfinite(found).all()
