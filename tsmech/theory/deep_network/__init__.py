"""Gradient flow of deep linear networks: aligned modes, and balanced layers that start in any directions.

The derivations are in ``theory/deep_linear.md``.
"""

from tsmech.theory.deep_network.curves import (
    LearningCurve,
    TwoLayers,
    aligned_curve,
    aligned_weights,
    effective_start,
    one_layer_curve,
    two_layer_curve,
    two_layers,
)
from tsmech.theory.deep_network.end_to_end import product_curve, product_held
from tsmech.theory.deep_network.modes import (
    balanced_modes,
    half_times,
    largest_step,
    layer_strengths,
    unbalanced_half_times,
    unbalanced_modes,
)
from tsmech.theory.deep_network.unaligned import held, imbalance

__all__ = [
    "LearningCurve",
    "TwoLayers",
    "aligned_curve",
    "aligned_weights",
    "balanced_modes",
    "effective_start",
    "half_times",
    "held",
    "imbalance",
    "largest_step",
    "layer_strengths",
    "one_layer_curve",
    "product_curve",
    "product_held",
    "two_layer_curve",
    "two_layers",
    "unbalanced_half_times",
    "unbalanced_modes",
]
