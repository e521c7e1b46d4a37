"""Gradient flow of the second layer on random features: double descent in time."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.curve import Curve
from tsmech.problem.features import MEI_MONTANARI, FeatureNetwork
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.references import BODIN_MACRIS
from tsmech.problem.reports import Reports
from tsmech.problem.stopping import SUMMARY, summary
from tsmech.problem.system import Convergence


@dataclass(frozen=True, kw_only=True)
class RandomFeaturesFlow(FeatureNetwork, Reports):
    r"""Gradient flow of the second layer a of a network with a random first layer F, on P = alpha D noisy examples.

    The loss is that of ``random_features``, at which it ends for t → ∞; with Φ = g(X Fᵀ/√D) a mode of ΦᵀΦ/P of
    eigenvalue l decays as

    .. math:: e^{-(l + \lambda \psi/\alpha)\, t} .

    Where noise, a random start and a small penalty meet, the test error falls, rises and falls again: double descent in
    time.  The derivation is in ``theory/random_features_flow.md``.

    Examples
    --------
    >>> import tsmech
    >>> flow = tsmech.RandomFeaturesFlow(alpha=2, features=1, duration=1e6, samples=[0, 10, 1e6])
    >>> [round(error, 3) for error in flow.theory().test_error]
    [0.625, 0.504, 0.698]
    """

    name = "random_features_flow"
    title = "Gradient flow on random features of a noisy teacher"
    coordinates: ClassVar = {"time": Coordinate("t", "time", "1/eigenvalue of ΦᵀΦ/P")}
    observables: ClassVar = {
        "test_error": Observable("ε_test", "test error"),
        "train_error": Observable("ε_train", "training error"),
        "generalization_error": Observable("ε_g", "generalization error"),
        **SUMMARY,
    }
    references = (
        MEI_MONTANARI,
        BODIN_MACRIS,
    )
    stated = ("activation", "noise")
    checks = (
        {"alpha": 2.0, "features": 1.0, "samples": (1.0, 10.0, 300.0), "duration": 300.0},
        {
            "alpha": 0.5,
            "features": 2.0,
            "penalty": 0.02,
            "initial_scale": 1.0,
            "nonlinearity": 0.2,
            "activation": "tanh",
            "samples": (1.0, 100.0),
            "duration": 100.0,
        },
    )
    convergence = Convergence("dimension", (40, 80, 120, 160))

    initial_scale: float = parameter(
        "s_0", "standard deviation of the first weights of the second layer", default=0.0, minimum=0, range=(0.0, 3.0)
    )
    duration: float = parameter(
        "t_end",
        "training time: a mode of ΦᵀΦ/P with eigenvalue l decays as exp(-l t)",
        default=1e4,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 1e6),
    )
    samples: Numbers = parameter(
        "n", "times to report: how many after 0, or a list of two times or more", default=(60.0,), minimum=0
    )
    spacing: str = parameter(
        "Δ", "spacing of a number of samples: linear, or log after 0", default="log", choices=("linear", "log")
    )

    def poles(self, name: str) -> tuple[float, ...]:
        """Return where theory is infinite: nowhere, at finite times."""
        return ()

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory: few, each takes some 60 ms."""
        return 50

    def theory_curve(self) -> Curve:
        """Return the prediction: averages over the spectrum of the features' sample covariance."""
        from tsmech.theory.random_features_flow import learning_curve

        times = self.times()
        found = learning_curve(
            times,
            self.alpha,
            self.features,
            self.constants(),
            self.noise,
            signal=self.signal,
            nonlinearity=self.nonlinearity,
            penalty=self.penalty,
            initial_scale=self.initial_scale,
        )
        return self._summarised(times, found)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return gradient flow on one drawn training set."""
        from tsmech.sims.random_features_flow import draw

        times = self.times()
        return self._summarised(times, draw(times, self.problem(), rng))

    def _summarised(self, times: NDArray[np.float64], found: dict[str, NDArray[np.float64]]) -> Curve:
        return Curve.along("time", times, found, summaries=summary(times, found["test_error"], smooth=True))

    def _numbers_of_direct(self) -> float:
        """Return how many numbers the direct simulation holds at once, the second layers of all times among them."""
        return 2 * super()._numbers_of_direct() + 3.0 * self.units * len(self.times())
