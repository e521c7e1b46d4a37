"""Averages over Gaussian fields, each against a second route: quadrature, Price's theorem, closed forms, sampling."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech.kernels.activations import BUILT_IN, ERF, LINEAR, QUADRATIC, RELU, SIGN, functions
from tsmech.theory.fields.deviations import small_fluctuation, small_square, two_slopes
from tsmech.theory.fields.fluctuations import fluctuation
from tsmech.theory.fields.gaussian import (
    arcsine,
    curvature_product,
    drift_averages,
    mean,
    mean_slope,
    product,
    slope_product,
    squared_output,
)
from tsmech.theory.fields.orthants import orthant_moment, sign_product, step_product
from tsmech.theory.fields.quadrature import OF_FOUR, Quadrature
from tsmech.theory.fields.wedges import relu_drift_averages

NAMES = ["erf", "relu", "linear", "quadratic"]
PAIRS = list(itertools.product(range(4), repeat=2))
G = [functions(name)[0] for name in BUILT_IN]
SLOPE = [functions(name)[1] for name in BUILT_IN]


def plane(vectors):
    """Points (fields, weights) that average functions of fields x_i = vectors_i · z, z in the plane, kinks at x_i = 0.

    Polar coordinates: the kinks are rays, between which 40 Gauss-Legendre nodes in the angle and 120 in the radius are
    exact to rounding for the functions here.
    """
    across = np.arctan2(vectors[:, 1], vectors[:, 0]) + np.pi / 2
    edges = np.unique(np.concatenate([across, across + np.pi]) % (2 * np.pi))
    edges = np.append(edges, edges[0] + 2 * np.pi)
    x, w = np.polynomial.legendre.leggauss(40)
    angle = np.concatenate([(a + b) / 2 + (b - a) / 2 * x for a, b in itertools.pairwise(edges)])
    arc = np.concatenate([(b - a) / 2 * w for a, b in itertools.pairwise(edges)])
    r, w = np.polynomial.legendre.leggauss(120)
    r, w = 6.0 * (r + 1.0), 6.0 * w
    z = np.stack([np.outer(np.cos(angle), r), np.outer(np.sin(angle), r)]).reshape(2, -1)
    return vectors @ z, np.outer(arc, w * r * np.exp(-0.5 * r * r)).ravel() / (2 * np.pi)


def random_covariance(rng, n, scale=0.7):
    W = scale * rng.normal(size=(n, n))
    return W @ W.T


def output(C_or_fields, c, K, student, teacher):
    return sum(c[i] * G[student if i < K else teacher](C_or_fields[i]) for i in range(len(c)))


def test_arcsine_is_correct_to_a_few_units_in_the_last_place():
    x = np.concatenate([np.random.default_rng(0).uniform(-1, 1, 4000), 1 - np.geomspace(1e-16, 0.5, 200), [0.5, -0.5]])
    ours = np.array([arcsine(value) for value in x])
    assert np.max(np.abs(ours / np.arcsin(x) - 1)) < 8 * np.finfo(float).eps
    assert arcsine(0.0) == 0.0
    assert arcsine(1.0 + 1e-15) == math.pi / 2
    assert arcsine(-1.0) == -math.pi / 2


@pytest.mark.parametrize(("f", "g"), PAIRS)
def test_pair_averages_agree_with_quadrature_in_the_plane(f, g):
    vectors = np.array([[0.9, 0.2], [-0.5, 1.1]])
    (x, y), weight = plane(vectors)
    xx, yy, xy = vectors[0] @ vectors[0], vectors[1] @ vectors[1], vectors[0] @ vectors[1]
    assert product(f, g, xx, yy, xy) == pytest.approx(weight @ (G[f](x) * G[g](y)), abs=1e-13)
    assert slope_product(f, g, xx, yy, xy) == pytest.approx(weight @ (SLOPE[f](x) * SLOPE[g](y)), abs=1e-13)
    assert mean(f, xx) == pytest.approx(weight @ G[f](x), abs=1e-13)
    assert mean_slope(f, xx) == pytest.approx(weight @ SLOPE[f](x), abs=1e-13)
    # Stein: E[z f' g] = C_zx E[f'' g] + C_zy E[f' g'], here for z = x and z = y
    curvature, slopes = curvature_product(f, g, xx, yy, xy), slope_product(f, g, xx, yy, xy)
    assert xx * curvature + xy * slopes == pytest.approx(weight @ (x * SLOPE[f](x) * G[g](y)), abs=1e-12)
    assert xy * curvature + yy * slopes == pytest.approx(weight @ (y * SLOPE[f](x) * G[g](y)), abs=1e-12)


@given(st.floats(0.2, 3), st.floats(0.2, 3), st.floats(-0.95, 0.95), st.sampled_from(PAIRS))
@settings(deadline=None, max_examples=60)
def test_pair_averages_obey_price(xx, yy, rho, pair):
    """Central differences: the error is h²/6 times a third derivative, bounded by 1e3 in this range, plus 1e-16/h."""
    xy, h = rho * math.sqrt(xx * yy), 1e-6
    by_xy = (product(*pair, xx, yy, xy + h) - product(*pair, xx, yy, xy - h)) / (2 * h)
    by_xx = (product(*pair, xx + h, yy, xy) - product(*pair, xx - h, yy, xy)) / (2 * h)
    assert slope_product(*pair, xx, yy, xy) == pytest.approx(by_xy, abs=1e-7)
    assert curvature_product(*pair, xx, yy, xy) == pytest.approx(2 * by_xx, abs=1e-7)


@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-1, 1), st.sampled_from(PAIRS))
@settings(deadline=None, max_examples=60)
def test_pair_averages_are_symmetric_and_obey_cauchy_schwarz(xx, yy, rho, pair):
    f, g = pair
    xy = rho * math.sqrt(xx * yy)
    assert product(f, g, xx, yy, xy) == product(g, f, yy, xx, xy)
    assert slope_product(f, g, xx, yy, xy) == slope_product(g, f, yy, xx, xy)
    bound = product(f, f, xx, xx, xx) * product(g, g, yy, yy, yy)
    assert product(f, g, xx, yy, xy) ** 2 <= bound * (1 + 1e-12)


@pytest.mark.parametrize(("student", "teacher"), [*PAIRS, *((student, SIGN) for student in range(4))])
def test_all_averages_agree_with_quadrature_for_fields_in_one_plane(student, teacher):
    """Four fields of rank two: every covariance is singular, and the orthants of four steps are degenerate."""
    rng = np.random.default_rng(2)
    K, vectors, c = 2, rng.normal(size=(4, 2)), rng.normal(size=4)
    x, weight = plane(vectors)
    C, delta = vectors @ vectors.T, output(x, c, K, student, teacher)
    slope = SLOPE[student](x[:K])
    F = np.einsum("ks,ls,s->kl", slope, slope, weight * delta**2)
    assert squared_output(C, c, K, student, teacher) == pytest.approx(weight @ delta**2, rel=1e-12)
    # conditional fields are parallel up to rounding, which the angles between them amplify to 1e-8 at worst
    np.testing.assert_allclose(
        fluctuation(C, c, K, student, teacher), F, atol=1e-9 if student == RELU else 1e-12 * F.max()
    )
    curvature, slopes, pull = drift_averages(C, c, K, student, teacher)
    np.testing.assert_allclose(pull, G[student](x[:K]) @ (weight * delta), atol=1e-12)
    field = C[:, :K] * curvature + C @ (c[:, None] * slopes.T)
    np.testing.assert_allclose(field, np.einsum("is,ks,s->ik", x, slope, weight * delta), atol=1e-12)


WITH_SIGN = [(student, SIGN) for student in range(4)]


@pytest.mark.parametrize("student", range(4))
def test_pair_averages_with_sign_agree_with_quadrature_in_the_plane(student):
    """A sign's slope is twice a delta function: it is seen in Stein's identity, for both fields, and by Price."""
    vectors = np.array([[0.9, 0.2], [-0.5, 1.1]])
    (x, y), weight = plane(vectors)
    xx, yy, xy = vectors[0] @ vectors[0], vectors[1] @ vectors[1], vectors[0] @ vectors[1]
    assert product(student, SIGN, xx, yy, xy) == pytest.approx(weight @ (G[student](x) * G[SIGN](y)), abs=1e-13)
    assert product(SIGN, student, yy, xx, xy) == product(student, SIGN, xx, yy, xy)
    curvature, slopes = curvature_product(student, SIGN, xx, yy, xy), slope_product(student, SIGN, xx, yy, xy)
    assert xx * curvature + xy * slopes == pytest.approx(weight @ (x * SLOPE[student](x) * G[SIGN](y)), abs=1e-12)
    assert xy * curvature + yy * slopes == pytest.approx(weight @ (y * SLOPE[student](x) * G[SIGN](y)), abs=1e-12)
    assert yy * mean_slope(SIGN, yy) == pytest.approx(weight @ (y * G[SIGN](y)), abs=1e-13)
    assert product(SIGN, SIGN, xx, yy, xy) == pytest.approx(weight @ (G[SIGN](x) * G[SIGN](y)), abs=1e-13)
    h = 1e-6
    by_xy = (product(student, SIGN, xx, yy, xy + h) - product(student, SIGN, xx, yy, xy - h)) / (2 * h)
    assert slopes == pytest.approx(by_xy, abs=1e-8)
    assert product(student, SIGN, xx, 0.0, 0.0) == slope_product(student, SIGN, xx, 0.0, 0.0) == 0.0


@pytest.mark.parametrize("tag", [4, 5, 7, -1])
def test_an_average_that_is_not_known_is_no_number(tag):
    """... of tanh and leaky ReLU, which are sums, and of tags that no activation has: not that of x²."""
    assert all(map(math.isnan, (mean(tag, 1.0), mean_slope(tag, 1.0), product(tag, tag, 1.0, 1.0, 0.5))))
    assert all(math.isnan(product(known, tag, 1.0, 1.0, 0.5)) for known in (ERF, RELU))
    assert math.isnan(slope_product(tag, tag, 1.0, 1.0, 0.5))
    assert math.isnan(curvature_product(tag, ERF, 1.0, 1.0, 0.5))
    assert np.isnan(fluctuation(np.eye(2), np.ones(2), 1, tag, ERF)).all()


@pytest.mark.parametrize(("student", "teacher"), PAIRS + WITH_SIGN)
def test_fluctuations_agree_with_sampling(student, teacher):
    """Five fields in general position; the largest of six |z| over twenty cases stays below 4.5 (1e-5 by chance)."""
    rng = np.random.default_rng(5)
    K, n, samples = 3, 5, 400_000
    W, c = 0.6 * rng.normal(size=(n, n)), rng.normal(size=n)
    x = W @ rng.normal(size=(n, samples))
    square = output(x, c, K, student, teacher) ** 2
    F = fluctuation(W @ W.T, c, K, student, teacher)
    for k, m in itertools.combinations_with_replacement(range(K), 2):
        values = SLOPE[student](x[k]) * SLOPE[student](x[m]) * square
        assert abs(values.mean() - F[k, m]) < 4.5 * values.std() / math.sqrt(samples)
    np.testing.assert_array_equal(F, F.T)


def saad_solla_four_fields(C, one, two, three, four):
    """E[g' g' g g] of erf units from the determinants of the 4 × 4 covariance (Saad and Solla 1995)."""

    def c(i, j):
        return C[i, j]

    a, b = 1 + c(one, one), 1 + c(two, two)
    lambda_4 = a * b - c(one, two) ** 2
    lambda_0 = lambda_4 * c(three, four) - a * c(two, three) * c(two, four) - b * c(one, three) * c(one, four)
    lambda_0 += c(one, two) * (c(one, three) * c(two, four) + c(one, four) * c(two, three))

    def own(i):
        cross = 2 * c(one, two) * c(one, i) * c(two, i)
        return lambda_4 * (1 + c(i, i)) - a * c(two, i) ** 2 - b * c(one, i) ** 2 + cross

    return 4 / math.pi**2 / math.sqrt(lambda_4) * math.asin(lambda_0 / math.sqrt(own(three) * own(four)))


def test_erf_fluctuation_equals_the_published_determinants():
    rng = np.random.default_rng(3)
    C, c, K = random_covariance(rng, 6), rng.normal(size=6), 4
    for k, m in itertools.product(range(K), repeat=2):
        by_hand = sum(c[i] * c[j] * saad_solla_four_fields(C, k, m, i, j) for i in range(6) for j in range(6))
        assert fluctuation(C, c, K, ERF, ERF)[k, m] == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_equally_correlated_steps(n):
    """At correlation 1/2 the fields are a common one less n independent ones: all positive in 1 of n + 1 orders."""
    assert step_product(0.5 * (np.eye(4) + np.ones((4, 4))), n) == pytest.approx(1 / (n + 1), abs=1e-14)


def test_independent_pairs_of_signs_factor():
    rho = np.eye(4)
    rho[0, 1] = rho[1, 0] = 0.7
    rho[2, 3] = rho[3, 2] = -0.4
    assert sign_product(rho) == pytest.approx((2 / math.pi) ** 2 * math.asin(0.7) * math.asin(-0.4), abs=1e-14)


@pytest.mark.parametrize("delta", [1e-1, 1e-2, 1e-3, 1e-5])
def test_signs_of_two_nearly_parallel_pairs(delta):
    """Two pairs, each within an angle delta, in one plane: E[ssss] follows from the angles; rounding is 1e-16/delta."""
    angles = np.array([0.3, 1.4, 0.3 + delta, 1.4 - 0.7 * delta])
    rho = np.cos(angles[:, None] - angles)
    edges = np.sort((np.concatenate([angles, angles + np.pi]) + np.pi / 2) % (2 * np.pi))
    edges = np.append(edges, edges[0] + 2 * np.pi)
    middle, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    exact = width @ np.prod(np.sign(np.cos(middle[:, None] - angles)), axis=1) / (2 * np.pi)
    assert sign_product(rho) == pytest.approx(exact, abs=1e-15 / delta + 1e-13)


def test_orthant_moments_agree_with_sampling():
    rng = np.random.default_rng(11)
    samples = 400_000
    for steps, fields in ((1, 1), (2, 2), (3, 1), (4, 0), (4, 1), (4, 2), (3, 3), (2, 4), (0, 4)):
        n = steps + fields
        W = rng.normal(size=(n, n))
        x = W @ rng.normal(size=(n, samples))
        values = np.prod(x[:steps] > 0, axis=0) * np.prod(x[steps:], axis=0)
        assert abs(values.mean() - orthant_moment(W @ W.T, steps)) < 4.5 * values.std() / math.sqrt(samples)


def test_steps_are_taken_once_and_opposite_steps_exclude_each_other():
    rng = np.random.default_rng(1)
    C = random_covariance(rng, 4)
    doubled = C[np.ix_([0, 0, 1, 2, 3], [0, 0, 1, 2, 3])]
    assert orthant_moment(doubled, 3) == pytest.approx(orthant_moment(C, 2), rel=1e-13)
    signs = np.array([1, -1, 1, 1, 1])
    assert orthant_moment(doubled * np.outer(signs, signs), 3) == 0.0


def test_a_linear_unit_is_the_difference_of_two_relu_units():
    """x = x₊ − (−x)₊: the linear teacher's averages follow from those of ReLU teachers with opposite fields."""
    rng = np.random.default_rng(8)
    K, M = 2, 2
    C, c = random_covariance(rng, K + M), rng.normal(size=K + M)
    split = np.concatenate([np.eye(K + M), np.hstack([np.zeros((M, K)), -np.eye(M)])])
    F = fluctuation(split @ C @ split.T, np.concatenate([c, -c[K:]]), K, RELU, RELU)
    np.testing.assert_allclose(fluctuation(C, c, K, RELU, LINEAR), F, atol=1e-9)


@pytest.mark.parametrize("tag", range(4))
def test_everything_vanishes_where_the_student_is_the_teacher(tag):
    rng = np.random.default_rng(0)
    T = random_covariance(rng, 3)
    C, c = np.tile(T, (2, 2)), np.concatenate([np.ones(3), -np.ones(3)])
    scale = squared_output(np.diag(np.diag(C)), np.abs(c), 3, tag, tag)
    assert abs(squared_output(C, c, 3, tag, tag)) < 1e-14 * scale
    assert np.abs(fluctuation(C, c, 3, tag, tag)).max() < 1e-13 * scale * max(1.0, 4 * T.max())
    curvature, slopes, pull = drift_averages(C, c, 3, tag, tag)
    assert np.abs(curvature).max() < 1e-13 * scale
    assert np.abs(pull).max() < 1e-13 * scale
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("tag", range(4))
@pytest.mark.parametrize("delta", [1e-2, 1e-4, 1e-6])
def test_fluctuations_near_the_teacher_are_quadratic_in_the_distance(tag, delta):
    """F / delta² has a limit: what cancels, cancels to the rounding of its terms (1e-10 in all for ReLU)."""
    rng = np.random.default_rng(6)
    b, d = rng.normal(size=(2, 2)), rng.normal(size=(2, 4))

    def at(distance, c):
        w = np.hstack([b, np.zeros((2, 2))])
        w = np.concatenate([w + distance * d, w])
        return fluctuation(w @ w.T, c, 2, tag, tag)

    def scaled(distance):
        return at(distance, np.array([1.0, 1.0, -1.0, -1.0])) / distance**2

    near = 1e-4 if tag == RELU else 1e-5
    limit = scaled(near)
    terms = 1e-16 * np.abs(at(0.0, np.ones(4))).max()  # those of quadratic units add up to 1e5
    rounding = (1e-10 if tag == RELU else max(1e-13, terms)) / delta**2
    np.testing.assert_allclose(
        scaled(delta), limit, rtol=0, atol=20 * max(delta, near) * np.abs(limit).max() + rounding
    )


def near_units(tag, distance, rng, teachers):
    """Vectors and coefficients of four students that share three teacher units, one of them turned round, near them."""
    shared = np.array([0, 1, 2, 0])
    share = np.array([0.6, 1.0, 1.0, 0.4])
    turned = np.array([1.0, -1.0 if tag == ERF else 1.0, 1.0, 1.0])
    b = np.hstack([teachers, np.zeros((3, 4))])
    w = turned[:, None] * b[shared] + distance * rng.normal(size=(4, 7))
    v = (1.0 if tag == RELU else turned) * share + distance * rng.normal(size=4)
    return np.concatenate([w, b]), np.concatenate([v, -np.ones(3)])


@pytest.mark.parametrize("tag", range(4))
@pytest.mark.parametrize("distance", [3e-2, 1e-3])
def test_averages_of_small_deviations_are_those_of_the_moments_that_cancel(tag, distance):
    """Two identities for the same averages: equal to what rounding leaves of the second, 1e-15 over the distance³."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        W, c = near_units(tag, distance, rng, rng.normal(size=(3, 3)))
        C = W @ W.T
        square, F = squared_output(C, c, 4, tag, tag), fluctuation(C, c, 4, tag, tag)
        tolerance = 1e-9 + (1e-15 / distance**3 if tag == RELU else 1e-13 / distance**2)
        assert small_square(W, c, 4, tag, tag) == pytest.approx(square, rel=max(tolerance, 1e-6))
        np.testing.assert_allclose(
            small_fluctuation(W, c, 4, tag, tag), F, rtol=0, atol=max(tolerance, 1e-6) * abs(F).max()
        )


@pytest.mark.parametrize("tag", range(4))
def test_averages_of_small_deviations_keep_their_digits_at_every_distance(tag):
    """F and E[Δ²] over the squared distance have limits, down to a distance of 1e-9; 1e-7 is rounding there."""

    def scaled(distance):
        rng = np.random.default_rng(1)
        W, c = near_units(tag, distance, rng, rng.normal(size=(3, 3)))
        square = small_square(W, c, 4, tag, tag)
        return np.append(small_fluctuation(W, c, 4, tag, tag).ravel(), square) / distance**2

    limit = scaled(1e-5)
    for distance in (1e-6, 1e-7, 1e-8, 1e-9):
        np.testing.assert_allclose(scaled(distance), limit, rtol=0, atol=1e-3 * abs(limit).max())
    assert scaled(1e-9)[-1] > 0.0


def test_a_linear_teacher_is_learnt_by_two_opposite_relu_units():
    """x = x₊ − (−x)₊: Δ of two ReLU students near ±b and a linear teacher b is of the order of their distance."""
    rng = np.random.default_rng(4)
    b = np.array([1.0, 0.5, 0.0, 0.0])
    for distance in (1e-2, 1e-3):
        W = np.stack([b, -b, b]) + distance * np.vstack([rng.normal(size=(2, 4)), np.zeros(4)])
        c = np.array([1.0, -1.0, -1.0])
        C = W @ W.T
        square = squared_output(C, c, 2, RELU, LINEAR)
        assert square < 30 * distance**2
        assert small_square(W, c, 2, RELU, LINEAR) == pytest.approx(square, rel=1e-6)
        F = fluctuation(C, c, 2, RELU, LINEAR)
        ours = small_fluctuation(W, c, 2, RELU, LINEAR)
        np.testing.assert_allclose(ours, F, rtol=0, atol=1e-6 * abs(F).max())


@pytest.mark.parametrize("teacher", [RELU, LINEAR])
def test_drifts_of_relu_units_from_their_angles(teacher):
    rng = np.random.default_rng(7)
    W, c = rng.normal(size=(5, 6)), rng.normal(size=5)
    ours = relu_drift_averages(W, c, *two_slopes(5, 3, teacher), 3)
    theirs = drift_averages(W @ W.T, c, 3, RELU, teacher)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-13)


def test_quadrature_converges_to_the_exact_averages():
    """erf given as a function, at a state at which two rules agree: what is promised is kept."""
    rng = np.random.default_rng(4)
    K, c = 2, np.array([1.0, 0.5, -1.0, -0.7])
    C = random_covariance(rng, 4, scale=0.5)
    exact = (*drift_averages(C, c, K, ERF, ERF), fluctuation(C, c, K, ERF, ERF), squared_output(C, c, K, ERF, ERF))
    rule = Quadrature(functions("erf"), functions("erf"))
    rule.verify(C, c, K)
    ours = (*rule.drift_averages(C, c, K), rule.fluctuation(C, c, K), rule.squared_output(C, c, K))
    for mine, theirs in zip(ours, exact, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=OF_FOUR)


def test_quadrature_of_mixed_pairs_and_degenerate_fields():
    rng = np.random.default_rng(9)
    C, c = random_covariance(rng, 3, scale=0.5), np.array([1.0, -0.4, -0.8])
    rule = Quadrature(functions("quadratic"), functions("erf"))
    rule.verify(C, c, 1)
    np.testing.assert_allclose(rule.fluctuation(C, c, 1), fluctuation(C, c, 1, QUADRATIC, ERF), rtol=OF_FOUR)
    same = np.ones((2, 2))
    rule = Quadrature(functions("erf"), functions("erf"))
    assert abs(rule.squared_output(same, np.array([1.0, -1.0]), 1)) < 1e-15
    assert abs(rule.fluctuation(same, np.array([1.0, -1.0]), 1)[0, 0]) < 1e-15
    still = np.array([[0.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(
        rule.fluctuation(still, np.array([1.0, -1.0]), 1),
        fluctuation(still, np.array([1.0, -1.0]), 1, ERF, ERF),
        rtol=OF_FOUR,
    )
