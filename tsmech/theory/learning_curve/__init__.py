"""Learning curves of ridge regression on a table, predicted from one decomposition of its known rows.

The error of ridge regression depends on the population of the rows through two functions of the effective penalty κ
alone.  :mod:`~tsmech.theory.learning_curve.rows` decomposes the known rows,
:mod:`~tsmech.theory.learning_curve.population` reads the two functions off their ridge path, and
:mod:`~tsmech.theory.learning_curve.curves` puts them together at any number of rows and any penalty.
Derivations and equation numbers: theory/learning_curve.md.
"""

from tsmech.theory.learning_curve.curves import Needed, Prediction, noise_floor, predict, rows_for
from tsmech.theory.learning_curve.diagnostics import oddities
from tsmech.theory.learning_curve.population import Population, estimate
from tsmech.theory.learning_curve.rows import KnownRows, decompose

__all__ = [
    "KnownRows",
    "Needed",
    "Population",
    "Prediction",
    "decompose",
    "estimate",
    "noise_floor",
    "oddities",
    "predict",
    "rows_for",
]
