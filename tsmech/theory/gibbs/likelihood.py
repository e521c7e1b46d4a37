r"""Averages over examples for students of the Gibbs law, whose energy is the number of wrong labels.

The ensemble has the order parameters q, 1 - q = p and R; its centre has a share 1 - R²/q of its squared length across
the teacher.  A fresh example has under the ensemble the likelihood

.. math:: L(h) = e^{-\beta} + (1 - e^{-\beta})\, \Phi\Bigl( \frac{h}{\sqrt{1 - q}} \Bigr), \qquad g = (\ln L)' ,

h the centre's field in the direction of the label.  Equation numbers: theory/perceptron.md.
"""

import math

import numpy as np

from tsmech.theory.stabilities import Array, normal_density, panels, weighted

MEAN = math.sqrt(2.0 / math.pi)
"""E|u| of a normal number: what a right label says of the teacher's field."""


class Likelihood:
    """L(h), its logarithmic derivative g and the derivative of that, for students at 1 - q = p and temperature T."""

    def __init__(self, p: float, temperature: float) -> None:
        self.root = math.sqrt(p)
        self.beta = math.inf if temperature == 0.0 else 1.0 / temperature
        self.log_wrong = -self.beta
        self.log_gain = 0.0 if self.beta > 700.0 else math.log(-math.expm1(-self.beta))

    def log(self, h: Array) -> Array:
        """Return ln L(h)."""
        from scipy.special import log_ndtr, ndtr

        if self.beta < 1.0:  # the logarithm itself is of order β
            return np.asarray(np.log1p(math.expm1(-self.beta) * ndtr(-h / self.root)))
        return np.asarray(np.logaddexp(self.log_wrong, self.log_gain + log_ndtr(h / self.root)))

    def slope(self, h: Array) -> Array:
        """Return g = L'/L: that of a right label, times the probability that the label is learnt."""
        return self._learnt(h / self.root) * _mills(h / self.root) / self.root

    def curvature(self, h: Array) -> Array:
        """Return g'."""
        g = self.slope(h)
        return -g * (h / self.root**2 + g)

    def wrong(self, h: Array) -> Array:
        """Return the probability that a student of the ensemble has the label of this example wrong."""
        from scipy.special import log_ndtr

        if self.beta == math.inf:
            return np.zeros_like(h)
        return np.asarray(np.exp(self.log_wrong + log_ndtr(-h / self.root) - self.log(h)))

    def steps(self, scale: float) -> tuple[tuple[float, float], ...]:
        """Return where the ensemble gives a label up, and over which length, in units of a scale of the fields.

        There Φ(u) falls below 1/(e^β - 1), at u = -√(2β) or so, within 1/u.  Above T = ¼ that is in reach of the panels
        about zero.
        """
        from scipy.special import ndtri_exp

        if not 4.0 < self.beta < math.inf:
            return ()
        u = float(ndtri_exp(self.log_wrong - self.log_gain))
        return ((u * self.root / scale, -self.root / scale / u),)

    def _learnt(self, u: Array) -> Array:
        from scipy.special import expit, log_ndtr

        if self.beta == math.inf:
            return np.ones_like(u)
        return np.asarray(expit(self.log_gain - self.log_wrong + log_ndtr(u)))


def _mills(u: Array) -> Array:
    """Return φ(u)/Φ(u)."""
    from scipy.special import erfcx

    return np.asarray(math.sqrt(2.0 / math.pi) / erfcx(-u / math.sqrt(2.0)))


def pull(q: float, across: float, p: float, temperature: float, flip: float) -> float:
    """Return R̂/alpha, by an average over fields of variance q - R² (eq. 13)."""
    spread, likelihood = math.sqrt(q * across), Likelihood(p, temperature)
    z, weights = panels(math.sqrt(p) / spread, steps=likelihood.steps(spread))
    mean = float(weights @ (normal_density(z) * likelihood.slope(spread * z)))
    return (1.0 - 2.0 * flip) * MEAN * mean


def rule(q: float, across: float, likelihood: Likelihood, flip: float) -> tuple[Array, Array]:
    """Return the fields √q s of a rule and its weights, the law of s among them."""
    steepness, scale = math.sqrt((1.0 - across) / max(across, 1e-300)), math.sqrt(max(q, 1e-300))
    nodes, weights = panels(likelihood.root / scale, 1.0 / max(steepness, 1e-3), steps=likelihood.steps(scale))
    return math.sqrt(q) * nodes, weighted(nodes, weights, steepness, flip)


def second_moment(q: float, across: float, p: float, temperature: float, flip: float) -> float:
    """Return q̂/alpha (eq. 14)."""
    likelihood = Likelihood(p, temperature)
    fields, weights = rule(q, across, likelihood, flip)
    return float(weights @ likelihood.slope(fields) ** 2)


def mean_log(q: float, across: float, p: float, temperature: float, flip: float) -> float:
    """Return ⟨ln L⟩."""
    likelihood = Likelihood(p, temperature)
    fields, weights = rule(q, across, likelihood, flip)
    return float(weights @ likelihood.log(fields))
