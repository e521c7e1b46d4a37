"""Averages over Gaussian fields: closed forms, four-field averages, orthant probabilities, quadrature."""
