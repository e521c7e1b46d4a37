"""Online SGD of two-layer networks for N → ∞: the ODEs of the overlaps, and what follows from them in closed form."""

from tsmech.theory.online_sgd.integration import Trajectory, integrate, velocity
from tsmech.theory.online_sgd.limits import (
    asymptotic_error,
    critical_learning_rate,
    linear_recursion,
    symmetric_plateau,
)
from tsmech.theory.overlaps import generalization_error, specialization

__all__ = [
    "Trajectory",
    "asymptotic_error",
    "critical_learning_rate",
    "generalization_error",
    "integrate",
    "linear_recursion",
    "specialization",
    "symmetric_plateau",
    "velocity",
]
