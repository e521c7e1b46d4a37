r"""Gibbs learning of a linear teacher for N → ∞, with a spherical or a Gaussian prior.

Students have the weight :math:`e^{-E/T}` with E = Σ ½ (y - w·x/√N)² and lie on the sphere w·w = N or have standard
normal weights before.  Derivations and equation numbers: theory/linear_perceptron.md.
"""

import math
from dataclasses import dataclass

from tsmech.errors import ConvergenceError

TOLERANCE = 1e-10
"""Largest residual of the spherical constraint."""


@dataclass(frozen=True)
class State:
    """The order parameters: squares and products over N, the teacher's own square being 1."""

    along: float
    """w·b/N of a student and the teacher."""
    common: float
    """w·w'/N of two students."""
    square: float
    """w·w/N of a student."""
    distance: float
    r"""\|mean student - teacher\|²/N."""
    variance: float
    """Of a student's weights about their mean."""
    train_error: float
    """½ mean (y - student)² over the examples."""
    residual: float = 0.0
    """Relative residual of the equation that was solved; 0 in closed form."""

    @property
    def generalization_error(self) -> float:
        """Return ½ mean (student - teacher)² over fresh inputs."""
        return 0.5 * (self.distance + self.variance)


def solve(alpha: float, temperature: float, noise: float, prior: str) -> State:
    r"""Return the replica-symmetric state, which is exact: the energy is a quadratic form.

    With the variance p of a student's weights about their mean and :math:`a = \alpha \beta p / (1 + \beta p)`,

    .. math::
        \frac{w \cdot b}{N} = a, \qquad
        D = \frac{(1 - a)^2 + a^2 \sigma^2 / \alpha}{1 - a^2 / \alpha}, \qquad
        \frac{w \cdot w'}{N} = D + 2 a - 1, \qquad
        \frac{w \cdot w}{N} = \frac{w \cdot w'}{N} + p .

    Parameters
    ----------
    alpha : float
        Training examples per input dimension, above 0.
    temperature : float
        T > 0.
    noise : float
        σ >= 0, standard deviation of the label noise.
    prior : str
        ``spherical``, w·w = N, or ``gaussian``, standard normal weights: p then has a closed form.

    Raises
    ------
    ConvergenceError
        If the equation of the spherical prior was not solved.

    References
    ----------
    theory/linear_perceptron.md, eqs. 3-8.  H. S. Seung, H. Sompolinsky, N. Tishby, Phys. Rev. A 45, 6056 (1992).
    """
    if prior == "gaussian":
        linear = temperature + alpha - 1.0
        root = math.hypot(linear, 2.0 * math.sqrt(temperature))
        p = 2.0 * temperature / (linear + root) if linear >= 0.0 else 0.5 * (root - linear)
        return _state(alpha, temperature, noise, p, 0.0)
    from scipy.optimize import brentq

    largest = 1.0
    if alpha > 1.0:  # where the common part of two students diverges
        largest = min(1.0, temperature / (math.sqrt(alpha) - 1.0) * (1.0 - 1e-12))

    def excess(log_p: float) -> float:
        return _state(alpha, temperature, noise, math.exp(log_p), 0.0).square - 1.0

    low, high = math.log(largest) - 1.0, math.log(largest)
    while excess(low) > 0.0 and low > -500.0:
        low -= 2.0 * (1.0 + math.log(largest) - low)
    if excess(high) <= 0.0:  # no example counts
        return _state(alpha, temperature, noise, largest, abs(excess(high)))
    log_p = brentq(excess, low, high, xtol=1e-15, maxiter=300)
    left = abs(excess(log_p))
    if left > TOLERANCE:
        raise ConvergenceError(f"the spherical constraint was not met: the residual is {left:.2g}")
    return _state(alpha, temperature, noise, math.exp(log_p), left)


def _state(alpha: float, temperature: float, noise: float, p: float, residual: float) -> State:
    """Return the state of students whose weights have the variance p (eqs. 5-8)."""
    screened, left = p / (temperature + p), temperature / (temperature + p)  # βp/(1 + βp), 1/(1 + βp)
    a = alpha * screened
    missed, kept = 1.0 - a, 1.0 - a * screened
    if alpha <= 1.0:  # the same, sums of what is not negative
        missed, kept = 1.0 - alpha + alpha * left, 1.0 - alpha + alpha * left * (1.0 + screened)
    distance = (missed**2 + a * screened * noise**2) / kept
    train = 0.5 * left * (left * (distance + noise**2) + p)
    return State(a, distance + 2.0 * a - 1.0, distance + 2.0 * a - 1.0 + p, distance, p, train, residual)
