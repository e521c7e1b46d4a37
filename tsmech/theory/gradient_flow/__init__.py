"""Gradient descent of a linear student on a fixed training set for N → ∞: its learning curve, and when to stop."""

from tsmech.theory.gradient_flow.curves import (
    Flow,
    largest_eigenvalue,
    largest_step,
    learning_curve,
    prepare,
    spectral_learning_curve,
)

__all__ = [
    "Flow",
    "largest_eigenvalue",
    "largest_step",
    "learning_curve",
    "prepare",
    "spectral_learning_curve",
]
