"""Regression on random features of a noisy teacher: double descent in the number of parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.curve import Curve
from tsmech.problem.features import MEI_MONTANARI, FeatureNetwork
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import Convergence


@dataclass(frozen=True, kw_only=True)
class RandomFeatures(FeatureNetwork):
    r"""Regression on n_f = ψ D random features from P = alpha D examples: double descent in the number of parameters.

    A network whose first layer F stays random learns its second layer a from a noisy teacher b: it minimises

    .. math:: \sum_\mu \Bigl(y_\mu - \frac{1}{\sqrt{n_f}}\, a \cdot g\bigl(F x_\mu/\sqrt D\bigr)\Bigr)^2
        + \lambda |a|^2 ,

    the minimum-norm solution being the limit λ → 0⁺.  With ``networks`` = K the predictors of K networks, each with its
    own F, are averaged.  The error is the sum of the ``bias`` of the predictor averaged over data, noise and features;
    of ``variance_noise``, what the label noise adds; of ``variance_features``, the variance over F given the data,
    averaged over them (it contains the interaction of both); and of ``variance_examples``, that of the predictor
    averaged over F and noise.  The derivation is in ``theory/random_features.md``.

    Notes
    -----
    In ``direct`` errors are exact given F, by the arc-cosine or the arcsine kernel or by Hermite polynomials, never
    from a test set.  A replicate has two training sets, two draws of F and two of the noise; its errors are averages
    over the eight predictors, and the parts of the decomposition are unbiased, so that they may be negative.

    Examples
    --------
    As many features as examples are the worst; the best penalty takes the peak away:

    >>> import tsmech
    >>> [float(tsmech.RandomFeatures(alpha=2, features=n).theory().test_error[0].round(3)) for n in (1, 2, 4)]
    [0.698, inf, 0.454]
    >>> best = tsmech.RandomFeatures(alpha=2, features=2).optimal_penalty()
    >>> print(tsmech.RandomFeatures(alpha=2, features=2, penalty=best).theory().test_error[0].round(3))
    0.382
    """

    name = "random_features"
    title = "Regression on random features of a noisy teacher"
    observables: ClassVar = {
        "generalization_error": Observable("ε_g", "generalization error"),
        "test_error": Observable("ε_test", "test error"),
        "train_error": Observable("ε_train", "training error"),
        "bias": Observable("B", "bias"),
        "variance_noise": Observable("V_σ", "variance from label noise"),
        "variance_features": Observable("V_F", "variance from features"),
        "variance_examples": Observable("V_X", "variance from examples"),
        "optimal_penalty": Observable("λ*", "optimal penalty"),
    }
    references = (
        MEI_MONTANARI,
        Reference(
            "M. Belkin, D. Hsu, S. Ma, S. Mandal",
            2019,
            "Reconciling modern machine-learning practice and the classical bias-variance trade-off",
            "PNAS 116, 15849",
            arxiv="1812.11118",
        ),
        Reference(
            "F. Gerace, B. Loureiro, F. Krzakala, M. Mézard, L. Zdeborová",
            2020,
            "Generalisation error in learning with random features and the hidden manifold model",
            "ICML 2020",
            arxiv="2002.09339",
        ),
        Reference(
            "S. d'Ascoli, M. Refinetti, G. Biroli, F. Krzakala",
            2020,
            "Double trouble in double descent: bias and variance(s) in the lazy regime",
            "ICML 2020",
            arxiv="2003.01054",
        ),
        Reference(
            "S. d'Ascoli, L. Sagun, G. Biroli",
            2020,
            "Triple descent and the two kinds of overfitting: where and why do they appear?",
            "NeurIPS 2020",
            arxiv="2006.03509",
        ),
        Reference(
            "A. Jacot, B. Şimşek, F. Spadaro, C. Hongler, F. Gabriel",
            2020,
            "Implicit regularization of random feature models",
            "ICML 2020",
            arxiv="2002.08404",
        ),
    )
    pictured = ("test_error", "train_error")
    stated = ("activation", "noise")
    checks = (
        {"alpha": 2.0, "features": 1.0, "penalty": 0.1},
        {"alpha": 1.0, "features": 3.0, "penalty": 0.02, "networks": 2, "nonlinearity": 0.3, "activation": "erf"},
        {"alpha": 3.0, "features": 1.0, "activation": "tanh", "centred": True},
        {"alpha": 0.8, "features": 3.0, "noise": 0.2, "centred": True},
    )
    convergence = Convergence("dimension", (40, 80, 120, 160))

    networks: int = parameter(
        "K", "networks whose predictors are averaged", default=1, minimum=1, maximum=10_000, range=(1, 20)
    )

    def optimal_penalty(self) -> float:
        """Return the penalty λ ≥ 0 of the least generalization error for D → ∞."""
        from tsmech.theory.random_features import optimal_penalty

        among = self.noise, self.signal, self.nonlinearity, self.networks
        return float(optimal_penalty(self.alpha, self.features, self.constants(), *among))

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory."""
        return 200

    def simulation_steps(self) -> float:
        """Return how many pairs of features a simulation averages, where ensembles make them very many."""
        return 3.0 * (self.networks * self.units) ** 2

    def theory_curve(self) -> Curve:
        """Return the prediction: rational functions of the effective penalty."""
        return Curve(self.theory_points([self]))

    @classmethod
    def theory_points(cls, points: Sequence[Self]) -> dict[str, NDArray[np.float64]]:
        """Return the prediction at many points at once."""
        from tsmech.theory.fields.hermite import HermiteConstants
        from tsmech.theory.random_features import errors, optimal_penalty

        def along(name: str) -> NDArray[Any]:
            return np.array([getattr(point, name) for point in points])

        constants = HermiteConstants(*np.array([point.constants() for point in points]).T)
        among = [along(name) for name in ("noise", "signal", "nonlinearity", "networks")]
        alpha, features = along("alpha"), along("features")
        found = errors(alpha, features, along("penalty"), constants, *among)
        places, back = np.unique(np.stack([alpha, features, *constants, *among]), axis=1, return_inverse=True)
        a, psi, mean, linear, rest, *others = places  # the best penalty does not depend on the penalty
        best = optimal_penalty(a, psi, HermiteConstants(mean, linear, rest), *others)
        return found | {"optimal_penalty": best[back]}

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one replicate: networks on two training sets, with two draws of features and of noise."""
        from tsmech.sims.random_features import draw

        return Curve.point(draw(self.problem(), rng))

    def _numbers_of_direct(self) -> float:
        """Return how many numbers the direct simulation holds at once, the features of all networks among them."""
        return super()._numbers_of_direct() + 2.0 * (self.networks - 1) * self.units * self.dimension
