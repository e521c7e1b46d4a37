"""Kernel regression in theory: spectra against sampled kernels, limits, and ridge regression."""

import numpy as np
import pytest

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory import ridge
from tsmech.theory.kernel_regression import (
    KernelSpectrum,
    gegenbauer,
    harmonics,
    kernel_spectrum,
    learning_curve,
)


def test_harmonics_are_counted() -> None:
    assert harmonics(3, 5).tolist() == [1, 3, 5, 7, 9]
    assert harmonics(20, 4).tolist() == [1, 20, 209, 1520]


def test_zonal_harmonics_are_orthogonal_and_legendre_s_in_three_dimensions() -> None:
    t = np.linspace(-1, 1, 7)
    np.testing.assert_allclose(gegenbauer(t, 3, 4)[3], (5 * t**3 - 3 * t) / 2, atol=1e-12)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400_000, 6))
    Q = gegenbauer(X[:, 0] / np.linalg.norm(X, axis=1), 6, 4)
    gram = Q @ Q.T / 400_000
    np.testing.assert_allclose(gram, np.diag(1 / harmonics(6, 4)), atol=5e-3)


def test_the_spectrum_is_that_of_a_large_kernel_matrix() -> None:
    """Eigenvalues of K/P for P = 1200 inputs in four dimensions: the clusters of the first degrees."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((1200, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(np.exp(X @ X.T - 1) / 1200)[::-1]
    found = kernel_spectrum(lambda t: np.exp(t - 1), 4)
    assert found.counts[:3].tolist() == [1, 4, 9]
    for eigenvalue, cluster in zip(found.eigenvalues, (values[:1], values[1:5], values[5:14]), strict=False):
        assert cluster.mean() == pytest.approx(eigenvalue, rel=0.03)
    assert found.counts @ found.eigenvalues + found.rest == pytest.approx(1.0, rel=1e-6)
    t = np.linspace(-0.9, 0.9, 5)
    again = (found.counts * found.eigenvalues) @ gegenbauer(t, 4, found.counts.size)
    np.testing.assert_allclose(again, np.exp(t - 1), atol=1e-5)


def test_a_polynomial_has_the_degrees_that_it_has() -> None:
    """t² = Q_0/D + (1 - 1/D) Q_2 in any dimension."""
    found = kernel_spectrum(lambda t: t**2, 10)
    shares = found.counts * found.eigenvalues
    np.testing.assert_allclose(shares[:4], [0.1, 0.0, 0.9, 0.0], atol=1e-12)
    assert found.rest == 0.0


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(ConvergenceError, match="no kernel"):
        kernel_spectrum(lambda t: 1 - t, 10)


@pytest.mark.parametrize("penalty", [0.0, 1e-3, 0.5])
@pytest.mark.parametrize("alpha", [0.3, 0.99, 3.0])
def test_a_linear_kernel_is_ridge_regression(alpha: float, penalty: float) -> None:
    D = 100
    spectrum = KernelSpectrum(np.array([0.0, 1 / D]), np.array([1.0, D]), 0.0)
    found = learning_curve(alpha * D, spectrum, penalty, 0.5, [0.0, 1.3])
    expected = ridge.isotropic(alpha, 0.5, penalty, 1.3)
    for name in ("generalization_error", "test_error", "train_error"):
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-9, abs=1e-12), name


def test_several_degrees_are_ridge_regression_with_their_spectrum() -> None:
    """Another code for the same fixed point: `ridge` with eigenvalues N η and shares N_l/N."""
    spectrum = kernel_spectrum(lambda t: 0.1 + t + 0.5 * t**2, 12)
    counts, eta = spectrum.counts[:3], spectrum.eigenvalues[:3]
    N = counts.sum()
    A = np.array([0.2, 1.0, 0.7])
    population = ridge.Spectrum(N * eta, shares=counts / N, teacher_weights=A / (counts * eta))
    for P in (5.0, 40.0, 300.0):
        found = learning_curve(P, spectrum, 0.05, 0.3, A)
        expected = ridge.spectral(P / N, 0.3, 0.05, population)
        for name in ("generalization_error", "train_error"):
            assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-8), name


def test_degrees_add_up_and_are_learned_in_turn() -> None:
    """All but a trace of degree 1 is learned at P = N_1 log N_1, where degree 2 has hardly begun."""
    spectrum = kernel_spectrum(lambda t: np.exp((t - 1) / 16), 100)
    found = learning_curve(1000.0, spectrum, 1e-6, 0.0, [0.0, 1.0, 1.0])
    assert float(found["degree_error"].sum()) == pytest.approx(float(found["generalization_error"]), rel=0.02)
    _, first, second = found["degree_error"]
    assert first < 0.08
    assert second > 0.4


def test_the_threshold_of_a_finite_kernel_is_infinite_and_a_part_out_of_it_is_noise() -> None:
    D = 50
    spectrum = KernelSpectrum(np.array([0.0, 1 / D]), np.array([1.0, float(D)]), 0.0)
    assert learning_curve(50.0, spectrum, 0.0, 0.5, [0.0, 1.0])["generalization_error"] == np.inf
    outside = learning_curve(150.0, spectrum, 0.1, 0.0, [0.0, 1.0, 0.25])
    noise = learning_curve(150.0, spectrum, 0.1, 0.5, [0.0, 1.0])
    assert float(outside["test_error"]) == pytest.approx(float(noise["test_error"]))


@pytest.mark.parametrize(("name", "value"), [("examples", 0.0), ("penalty", -1.0), ("noise", -1.0), ("powers", [-1.0])])
def test_bad_numbers_are_named(name: str, value: object) -> None:
    spectrum = KernelSpectrum(np.array([1.0]), np.array([1.0]), 0.0)
    given = {"examples": 5.0, "spectrum": spectrum, "penalty": 0.1, "noise": 0.1, "powers": [1.0], name: value}
    with pytest.raises(InputError, match=name):
        learning_curve(**given)
