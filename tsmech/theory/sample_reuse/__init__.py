"""Training on stored examples for N → ∞: a linear unit in closed form, any other by dynamical mean-field theory."""

from tsmech.theory.sample_reuse.first_epoch import first_epoch, unstable, without_replacement
from tsmech.theory.sample_reuse.large_steps import MeanField, mean_field, paths_too_large, too_long
from tsmech.theory.sample_reuse.linear import LinearCurve, linear_unit

__all__ = [
    "LinearCurve",
    "MeanField",
    "first_epoch",
    "linear_unit",
    "mean_field",
    "paths_too_large",
    "too_long",
    "unstable",
    "without_replacement",
]
