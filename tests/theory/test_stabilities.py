"""The law of a fresh example's stability: its integrals against adaptive quadrature and closed forms."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from tsmech.theory.stabilities import disagreement, panels, weighted


@pytest.mark.parametrize("cosine", [0.0, 0.3, 0.9, 0.999, 1 - 1e-9])
@pytest.mark.parametrize("flip", [0.0, 0.2, 0.5])
def test_the_law_is_normalised_and_its_negative_side_is_the_error(cosine, flip):
    """P(s < 0) = f + (1 - 2f) arccos(R)/π, by Sheppard's formula and not by our panels."""
    slope = cosine / math.sqrt((1 - cosine) * (1 + cosine))
    nodes, weights = panels(1 / max(slope, 1e-3))
    law = weighted(nodes, weights, slope, flip)
    assert law.sum() == pytest.approx(1.0, abs=1e-13)
    expected = flip + (1 - 2 * flip) * math.acos(cosine) / math.pi
    assert law[nodes < 0].sum() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("scale", [3.0, 0.4, 1e-3])
def test_panels_resolve_what_they_are_told_of(scale):
    """Against adaptive quadrature that is broken at the same scale."""

    def function(x):
        return np.exp(-0.5 * x * x) * np.logaddexp(0.0, -x / scale)

    nodes, weights = panels(scale, breaks=(0.7,))
    ends = [-12, -10 * scale, 0, 10 * scale, 12]
    expected = sum(
        integrate.quad(function, a, b, epsabs=1e-14, limit=200)[0] for a, b in itertools.pairwise(ends) if a < b
    )
    assert weights @ function(nodes) == pytest.approx(expected, rel=1e-10)
    kink = weights @ (stats.norm.pdf(nodes) * np.maximum(0.7 - nodes, 0.0))
    assert kink == pytest.approx(0.7 * stats.norm.cdf(0.7) + stats.norm.pdf(0.7), rel=1e-12)


def test_a_disagreement_keeps_its_digits_near_the_teacher():
    angles = np.array([1e-9, 1e-4, 1.0, 3.0])
    assert disagreement(np.cos(angles), 2 * np.sin(angles / 2) ** 2) == pytest.approx(angles / np.pi, rel=1e-14)
    assert disagreement(0.5) == pytest.approx(1 / 3)
