"""Population spectra and their fixed point; the spectra of samples, by the law of Marchenko and Pastur."""

from tsmech.theory.spectra.population import (
    bracketed_root,
    covariance_eigenvalues,
    effective_penalty,
    excess,
    fixed_point,
    positive_part,
    power_law,
    two_level,
)

__all__ = [
    "bracketed_root",
    "covariance_eigenvalues",
    "effective_penalty",
    "excess",
    "fixed_point",
    "positive_part",
    "power_law",
    "two_level",
]
