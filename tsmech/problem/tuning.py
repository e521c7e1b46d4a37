"""Neurons tuned to orientation: their mean responses, slopes, and what tells two orientations apart."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def responses(neurons: int, concentration: float, orientation: ArrayLike) -> Array:
    r"""Return the mean responses of evenly spaced neurons, shape (..., neurons).

    .. math:: f_i(\theta) = e^{\kappa (\cos 2(\theta - \phi_i) - 1)}

    Parameters
    ----------
    neurons : int
        N, of preferred orientations φ over 180 degrees, the middle one at 0.
    concentration : float
        κ > 0.
    orientation : array_like
        θ in degrees.
    """
    apart = np.radians(np.asarray(orientation, float)[..., None] - preferred(neurons))
    return np.asarray(np.exp(concentration * (np.cos(2.0 * apart) - 1.0)))


def slopes(neurons: int, concentration: float, orientation: float) -> Array:
    """Return the derivatives of the mean responses by the orientation in radians, shape (neurons,)."""
    apart = np.radians(orientation - preferred(neurons))
    return -2.0 * concentration * np.sin(2.0 * apart) * responses(neurons, concentration, orientation)


def preferred(neurons: int) -> Array:
    """Return the preferred orientations in degrees, from -90 on, shape (neurons,)."""
    return 180.0 * (np.arange(neurons) - neurons // 2) / neurons


class Discrimination(NamedTuple):
    """Two orientations to be told apart, around 0, as a network of tuned neurons sees them."""

    half: Array
    """d, half the difference of mean responses, shape (N,)."""
    mean: Array
    """Mean of both mean responses, shape (N,)."""
    slope: Array
    """Derivatives of the mean responses at 0, shape (N,)."""
    tests: Array
    """Half the differences at the orientations of tests, shape (tests, N)."""
    noise: float
    """σ of each neuron's response."""

    @property
    def strength(self) -> float:
        """The singular value s = ‖d‖ of the correlations of labels ±1 and responses."""
        return float(np.linalg.norm(self.half))

    @property
    def power(self) -> float:
        """The variance λ = σ² + ‖d‖² of responses along d."""
        return self.noise**2 + self.strength**2

    @property
    def direction(self) -> Array:
        """The unit vector along d."""
        return self.half / self.strength

    @property
    def second_moment(self) -> Array:
        """C, mean of the products of two neurons' responses, shape (N, N)."""
        outer = np.outer(self.mean, self.mean) + np.outer(self.half, self.half)
        return outer + self.noise**2 * np.eye(len(self.half))


def discrimination(
    neurons: int, concentration: float, difference: float, noise: float, tests: ArrayLike
) -> Discrimination:
    """Return how neurons see two orientations ``difference`` degrees apart, and such pairs around others."""
    centres = np.concatenate([[0.0], np.asarray(tests, float)])
    above, below = (responses(neurons, concentration, centres + sign * difference / 2) for sign in (1, -1))
    half = (above - below) / 2
    mean = (above[0] + below[0]) / 2
    return Discrimination(half[0], mean, slopes(neurons, concentration, 0.0), half[1:], noise)
