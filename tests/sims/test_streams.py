"""The fast stream: the published generator, an exact transform of its words, and the laws it claims."""

import math

import numpy as np
import pytest
from scipy import stats

from tsmech.sims import streams
from tsmech.sims.streams import BINARY, GAUSSIAN, LANES, QUANTUM, UNIFORM, fill, fill_lengths, no_lanes, seed_lanes

MASK = 0xFFFFFFFF


def draw(law, count, seed=0):
    rng = np.random.default_rng(seed)
    out = np.empty(count, dtype=np.float32)
    fill(law, seed_lanes(rng), rng, out)
    return out.astype(np.float64)


def xoshiro(state, count):
    """Blackman & Vigna's xoshiro128++ in Python integers."""

    def rotate(word, bits):
        return (word << bits | word >> (32 - bits)) & MASK

    a, b, c, d = (int(word) for word in state)
    words = []
    for _ in range(count):
        words.append((rotate((a + d) & MASK, 7) + a) & MASK)
        shifted = (b << 9) & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotate(d, 11)
    return words


def words_of(lanes, pairs):
    """Return the words behind a fill, first and second of each pair, shape (2, pairs · LANES)."""
    words = np.array([xoshiro(lanes[:, lane], 2 * pairs) for lane in range(LANES)], dtype=np.uint64)
    return words[:, 0::2].T.ravel(), words[:, 1::2].T.ravel()


def test_words_are_those_of_the_published_generator():
    rng = np.random.default_rng(1)
    lanes = seed_lanes(rng)
    expected = np.array([xoshiro(lanes[:, lane], 6) for lane in range(LANES)]).T.ravel()
    out = np.empty(6 * LANES, dtype=np.float32)
    streams._fill_words(lanes, out)
    np.testing.assert_array_equal(out.view(np.uint32), expected)


def test_published_first_words():
    """State (1, 2, 3, 4): the first word is rotl(1 + 4, 7) + 1 = 641, worked out by hand."""
    assert xoshiro([1, 2, 3, 4], 1) == [641]


def test_normals_are_the_transform_of_their_words():
    """Within the stated 2e-6 of the transform in double precision, of u rounded to 24 bits."""
    rng = np.random.default_rng(2)
    lanes = seed_lanes(rng)
    pairs = 64
    first, second = words_of(lanes, pairs)
    out = np.empty(2 * pairs * LANES, dtype=np.float32)
    fill(GAUSSIAN, lanes, rng, out)
    u = ((first >> 1).astype(np.float32) + np.float32(0.5)).astype(np.float64) / 2.0**31
    radius = np.sqrt(-2.0 * np.log(u))
    angle = np.pi * second.astype(np.uint32).view(np.int32) / 2.0**32
    expected = np.concatenate([radius * np.sin(angle), radius * np.cos(angle) * np.where(second & 1, -1.0, 1.0)])
    np.testing.assert_allclose(out, expected, rtol=0.0, atol=2e-6)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0, 0, (0.0, math.sqrt(-2.0 * math.log(2.0**-32)))),  # the largest number, 6.66
        (MASK, 0, (0.0, 0.0)),  # u = 1
        (
            1 << 31,
            1 << 30,
            (math.sqrt(math.log(4.0)) * math.sin(math.pi / 4), math.sqrt(math.log(4.0)) * math.cos(math.pi / 4)),
        ),
        (
            1 << 31,
            (1 << 30) + 1,
            (math.sqrt(math.log(4.0)) * math.sin(math.pi / 4), -math.sqrt(math.log(4.0)) * math.cos(math.pi / 4)),
        ),
        (1 << 31, 1 << 31, (-math.sqrt(math.log(4.0)), 0.0)),
    ],
)
def test_extreme_words(first, second, expected):
    pair = streams._normal_pair(np.uint32(first), np.uint32(second))
    np.testing.assert_allclose(pair, expected, rtol=0.0, atol=2e-6)


def test_signs_and_uniforms_are_transforms_of_their_words():
    lanes = seed_lanes(np.random.default_rng(3))
    rng = np.random.default_rng(3)
    words = np.array([xoshiro(lanes[:, lane], 2) for lane in range(LANES)], dtype=np.uint64).T.ravel().astype(np.uint32)
    out = np.empty(QUANTUM, dtype=np.float32)
    fill(BINARY, lanes.copy(), rng, out)
    np.testing.assert_array_equal(out, np.where(words >> 31, -1.0, 1.0))
    fill(UNIFORM, lanes.copy(), rng, out)
    np.testing.assert_allclose(out, math.sqrt(3.0) * words.view(np.int32) / 2.0**31, rtol=0.0, atol=2e-7)


def check_moments(x, moments):
    """Each mean of xⁿ within 5 standard errors, √((m₂ₙ - mₙ²)/count), of its value; ``moments`` maps even n to mₙ."""
    for n in range(1, max(moments) // 2 + 1):
        exact = moments.get(n, 0.0)
        error = math.sqrt((moments[2 * n] - exact**2) / x.size)
        assert abs(np.mean(x**n) - exact) <= 5.0 * error + 1e-15


NORMAL_MOMENTS = {n: float(math.prod(range(1, n, 2))) for n in range(2, 17, 2)}
UNIFORM_MOMENTS = {n: 3.0 ** (n / 2) / (n + 1) for n in range(2, 17, 2)}
SIGN_MOMENTS = dict.fromkeys(range(2, 17, 2), 1.0)


@pytest.mark.parametrize(
    ("law", "moments"), [(GAUSSIAN, NORMAL_MOMENTS), (BINARY, SIGN_MOMENTS), (UNIFORM, UNIFORM_MOMENTS)]
)
@pytest.mark.parametrize("count", [2**20, pytest.param(20_000_000 // QUANTUM * QUANTUM, marks=pytest.mark.slow)])
def test_moments(law, moments, count):
    check_moments(draw(law, count), moments)


@pytest.mark.parametrize("count", [2**20, pytest.param(10_000_000 // QUANTUM * QUANTUM, marks=pytest.mark.slow)])
def test_laws_by_kolmogorov_smirnov(count):
    assert stats.kstest(draw(GAUSSIAN, count, seed=4), "norm").pvalue > 1e-3
    root = math.sqrt(3.0)
    assert stats.kstest(draw(UNIFORM, count, seed=5), stats.uniform(-root, 2 * root).cdf).pvalue > 1e-3


def test_kolmogorov_smirnov_has_power():
    """A standard deviation that is off by 1 % is noticed in the same number of draws."""
    assert stats.kstest(1.01 * draw(GAUSSIAN, 2**20, seed=4), "norm").pvalue < 1e-3


@pytest.mark.slow
def test_tails():
    """Counts beyond 3, 4 and 5 within 5 standard errors of Poisson counts in 10⁸ draws."""
    rng = np.random.default_rng(6)
    lanes, out = seed_lanes(rng), np.empty(100_000 * QUANTUM, dtype=np.float32)
    beyond = {3.0: 0, 4.0: 0, 5.0: 0}
    rounds = 8
    for _ in range(rounds):
        fill(GAUSSIAN, lanes, rng, out)
        for limit in beyond:
            beyond[limit] += int(np.sum(np.abs(out) > limit))
        assert np.max(np.abs(out)) < 6.67
    for limit, count in beyond.items():
        expected = rounds * out.size * math.erfc(limit / math.sqrt(2.0))
        assert abs(count - expected) <= 5.0 * math.sqrt(expected)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("count", [2**20, pytest.param(10_000_000 // QUANTUM * QUANTUM, marks=pytest.mark.slow)])
def test_neighbours_are_not_correlated(power, count):
    """Next number, next word of the same lane, and the other number of a pair, which stands half the array away."""
    x = draw(GAUSSIAN, count, seed=7) ** power
    x = (x - x.mean()) / x.std()
    for lag in (1, 2, LANES - 1, LANES, 2 * LANES, count // 2, count // 2 - 1):
        assert abs(np.mean(x[:-lag] * x[lag:])) <= 5.0 / math.sqrt(count - lag)


def test_pairs_are_independent():
    """A χ² test of pairs in a 16 x 16 table of equal probabilities."""
    x = draw(GAUSSIAN, 2**20, seed=8)
    cells = np.minimum((16 * stats.norm.cdf(x)).astype(int), 15)
    table, _, _ = np.histogram2d(*np.split(cells, 2), bins=16, range=[[0, 16], [0, 16]])
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_streams_are_reproducible_and_depend_on_their_seed():
    np.testing.assert_array_equal(draw(GAUSSIAN, QUANTUM, seed=9), draw(GAUSSIAN, QUANTUM, seed=9))
    assert not np.any(draw(GAUSSIAN, QUANTUM, seed=9) == draw(GAUSSIAN, QUANTUM, seed=10))


def test_a_stream_goes_on_where_it_stopped():
    rng = np.random.default_rng(11)
    lanes = seed_lanes(rng)
    parts = np.empty((2, QUANTUM), dtype=np.float32)
    again = lanes.copy()
    for part in parts:
        fill(UNIFORM, lanes, rng, part)
    whole = np.empty(2 * QUANTUM, dtype=np.float32)
    fill(UNIFORM, again, rng, whole)
    np.testing.assert_array_equal(parts.ravel(), whole)


@pytest.mark.parametrize(
    ("law", "moments"), [(GAUSSIAN, NORMAL_MOMENTS), (BINARY, SIGN_MOMENTS), (UNIFORM, UNIFORM_MOMENTS)]
)
def test_without_lanes_the_generator_is_used(law, moments):
    out = np.empty(100_000)
    fill(law, no_lanes(), np.random.default_rng(12), out)
    check_moments(out, moments)
    if law == GAUSSIAN:
        np.testing.assert_array_equal(out, np.random.default_rng(12).standard_normal(out.size))


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 10, 100, 10**4, 10**9])
def test_lengths_have_their_law(degrees):
    out = np.empty(50_000)
    fill_lengths(np.full(out.size, degrees), np.random.default_rng(degrees), out)
    assert stats.kstest(out**2, stats.chi2(degrees).cdf).pvalue > 1e-3
    if degrees <= 100:
        assert stats.kstest(out**2, stats.chi2(1.02 * degrees).cdf).pvalue < 1e-3 or degrees == 1


def test_lengths_of_mixed_dimensions():
    """Also 0, whose only vector has length 0; means within 5 standard errors of √2 Γ((ν+1)/2)/Γ(ν/2)."""
    degrees = np.tile([0, 1, 2, 7, 1000], 20_000)
    out = np.empty(degrees.size)
    fill_lengths(degrees, np.random.default_rng(13), out)
    assert np.all(out[degrees == 0] == 0.0)
    for nu in (1, 2, 7, 1000):
        x = out[degrees == nu]
        mean = math.sqrt(2.0) * math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2))
        assert abs(x.mean() - mean) <= 5.0 * math.sqrt((nu - mean**2) / x.size)


def test_lengths_of_falling_dimensions():
    """Each is mapped to a uniform by its own law; a shift of the last ones by 100 dimensions must be seen."""
    degrees = 60_000 - np.arange(50_000)
    out = np.empty(degrees.size)
    fill_lengths(degrees, np.random.default_rng(2), out)
    assert stats.kstest(stats.chi(degrees).cdf(out), "uniform").pvalue > 1e-3
    assert stats.kstest(stats.chi(degrees[-1000:] + 100).cdf(out[-1000:]), "uniform").pvalue < 1e-6
    few = np.empty((20_000, 4))
    fill_lengths(np.tile([4, 3, 2, 1], 20_000), np.random.default_rng(3), few.reshape(-1))
    assert np.abs(np.corrcoef(few.T) - np.eye(4)).max() < 4.5 / np.sqrt(20_000)
