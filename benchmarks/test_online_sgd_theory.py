"""The ODEs of online SGD to alpha = 1000 at rtol 1e-8, warm, and what one right-hand side costs beside plain NumPy.

`pytest benchmarks/test_online_sgd_theory.py --benchmark-group-by=group` prints each group with ratios to its fastest.
"""

import math

import numpy as np
import pytest

from tsmech.kernels.activations import functions
from tsmech.kernels.jit import kernel
from tsmech.kernels.rule import Rule
from tsmech.kernels.schedules import constant
from tsmech.theory.fields.fluctuations import fluctuation
from tsmech.theory.fields.gaussian import arcsine
from tsmech.theory.online_sgd import integrate

DIMENSION = 1000


def start(K, M):
    """Overlaps of random weights at N = 1000, and second layers 1/√K and 1/√M."""
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(K, DIMENSION)), rng.normal(size=(M, DIMENSION))
    return w @ w.T / DIMENSION, w @ b.T / DIMENSION, b @ b.T / DIMENSION, np.full(K, K**-0.5), np.full(M, M**-0.5)


@pytest.mark.benchmark(group="ODE to alpha = 1000 (targets: 20 ms, 0.5 s, 30 s; relu 5 s)")
@pytest.mark.parametrize(
    ("K", "M", "activation", "rate", "target"),
    [
        (4, 2, "erf", 0.2, 0.020),
        (4, 2, "erf", 1.0, 0.020),
        (4, 2, "linear", 0.2, 0.020),
        (4, 2, "quadratic", 0.02, 0.020),
        (4, 2, "relu", 0.2, 5.0),
        (16, 4, "erf", 0.2, 0.5),
        (16, 4, "erf", 1.0, 0.5),
        (32, 32, "erf", 0.2, 30.0),
        (32, 32, "erf", 1.0, 30.0),
    ],
)
def test_trajectory(benchmark, K, M, activation, rate, target):
    alphas = np.concatenate([[0.0], np.geomspace(0.1, 1000.0, 100)])
    options = {"rule": Rule(activation, activation, constant(rate), noise=0.1), "alphas": alphas, "rtol": 1e-8}
    run = benchmark.pedantic(
        integrate, start(K, M), options, rounds=3 if K == 32 else 10, warmup_rounds=0 if K == 32 else 2
    )
    assert run.diverged_at is None
    assert run.generalization_error[-1] < run.generalization_error[0]
    benchmark.extra_info["target_s"] = target


@pytest.mark.benchmark(group="ODE to alpha = 10, erf given as a function: two rules that agree")
def test_trajectory_by_quadrature(benchmark):
    rule = Rule(functions("erf"), functions("erf"), constant(0.5), noise=0.1)
    options = {"rule": rule, "alphas": [10.0], "rtol": 1e-6}
    benchmark.pedantic(integrate, start(2, 2), options, rounds=1)


def erf_fluctuation_in_numpy(C, c, K):
    """E[g'_k g'_l Δ²] from the published determinants, all four indices at once."""
    D = 1 + np.diag(C)
    L4 = D[:K, None] * D[:K] - C[:K, :K] ** 2
    Ck, Cl = C[:K, None, :, None], C[None, :K, :, None]
    Dk, Dl, kl = D[:K, None, None, None], D[None, :K, None, None], C[:K, :K, None, None]
    swap = (0, 1, 3, 2)
    inner = Ck * Cl.transpose(swap) + Ck.transpose(swap) * Cl
    L0 = L4[..., None, None] * C - Dk * Cl * Cl.transpose(swap) - Dl * Ck * Ck.transpose(swap) + kl * inner
    L1 = L4[..., None, None] * D[:, None] - Dk * Cl**2 - Dl * Ck**2 + 2 * kl * Ck * Cl
    average = 4 / math.pi**2 * np.arcsin(L0 / np.sqrt(L1 * L1.transpose(swap))) / np.sqrt(L4)[..., None, None]
    return np.einsum("klij,i,j->kl", average, c, c)


@pytest.mark.parametrize("peer", ["kernel", "numpy"])
@pytest.mark.parametrize(("K", "M"), [(4, 2), (16, 4), (32, 32)])
def test_fluctuations(benchmark, K, M, peer):
    """The four-field averages, nearly all of a right-hand side."""
    benchmark.group = f"all E[g'g'ΔΔ] of erf units, K = {K}, M = {M}"
    Q, R, T, v, A = start(K, M)
    C, c = np.block([[Q, R], [R.T, T]]), np.concatenate([v, -A])
    exact = fluctuation(C, c, K, 0, 0)
    if peer == "kernel":
        result = benchmark(fluctuation, C, c, K, 0, 0)
    else:
        result = benchmark.pedantic(erf_fluctuation_in_numpy, (C, c, K), rounds=3 if K == 32 else 20, warmup_rounds=1)
    np.testing.assert_allclose(result, exact, rtol=1e-10)


@kernel
def sum_of_arcsines(x):
    total = 0.0
    for i in range(x.size):
        total += arcsine(x[i])
    return total


@kernel
def sum_by_library(x):
    total = 0.0
    for i in range(x.size):
        total += math.asin(x[i])
    return total


@pytest.mark.benchmark(group="4096 arcsines (ns each in extra_info)")
@pytest.mark.parametrize(
    "function", [sum_of_arcsines, sum_by_library, lambda x: np.arcsin(x).sum()], ids=["ours", "libm", "numpy"]
)
def test_arcsine(benchmark, function):
    x = np.random.default_rng(0).uniform(-1, 1, 4096)
    expected = np.arcsin(x).sum()
    assert benchmark(function, x) == pytest.approx(expected, abs=1e-11)
    benchmark.extra_info["ns"] = 1e9 * benchmark.stats.stats.min / x.size
