"""A spherical student perceptron that learns from a teacher perceptron, for N → ∞: one module a kind of rule."""

from tsmech.theory.perceptron.gibbs import annealed, bayes, high_temperature, quenched
from tsmech.theory.perceptron.linear import hebb, pseudo_inverse
from tsmech.theory.perceptron.margin import maximum_stability, separability_threshold

__all__ = [
    "annealed",
    "bayes",
    "hebb",
    "high_temperature",
    "maximum_stability",
    "pseudo_inverse",
    "quenched",
    "separability_threshold",
]
