"""Population spectra and their fixed point; the spectra of samples, by the law of Marchenko and Pastur."""

from tsmech.theory.spectra.population import (
    ISOTROPIC,
    Spectrum,
    bracketed_root,
    covariance_eigenvalues,
    effective_penalty,
    excess,
    fixed_point,
    power_law,
    two_level,
)

__all__ = [
    "ISOTROPIC",
    "Spectrum",
    "bracketed_root",
    "covariance_eigenvalues",
    "effective_penalty",
    "excess",
    "fixed_point",
    "power_law",
    "two_level",
]
