"""Convex classifiers at finite N: what scikit-learn is given is the loss that is stated."""

import numpy as np
import pytest
from scipy.optimize import minimize

from tsmech.sims import convex_classifier

pytest.importorskip("sklearn")
LOSS = {
    "logistic": lambda p: np.logaddexp(0, -p),
    "hinge": lambda p: np.maximum(1 - p, 0),
    "square": lambda p: (1 - p) ** 2,
}


@pytest.mark.parametrize("loss", LOSS)
@pytest.mark.parametrize("labels", ["both", "one kind", "one example"])
def test_the_weights_minimise_the_stated_loss(loss, labels):
    """No other weights of a general minimiser, or near by, have less; also where all labels are alike."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((1 if labels == "one example" else 25, 6))
    y = np.ones(len(X)) if labels != "both" else rng.choice([-1.0, 1.0], len(X))
    w = convex_classifier._fit(loss, X, y, 0.3)

    def total(v):
        return LOSS[loss](y * (X @ v)).sum() + 0.3 * v @ v

    options = {"xtol": 1e-9, "ftol": 1e-12}
    best = min(minimize(total, start, method="Powell", options=options).fun for start in (w, 0 * w))
    assert total(w) <= best + 1e-5 * (1 + best)
    for direction in rng.standard_normal((20, 6)):
        assert total(w + 0.05 * direction) > total(w)


def test_a_seed_gives_one_training_set_and_what_is_observed_is_consistent():
    s = np.repeat([0.5, 2.0], 15)
    one, same = (
        convex_classifier.draw_direct(
            1.5, "logistic", 0.2, 0.1, np.random.default_rng(3), eigenvalues=s, teacher_weights=np.ones(30)
        )
        for _ in range(2)
    )
    assert one == same
    assert one["R"] == pytest.approx(np.cos(np.pi * one["generalization_error"]))
    assert one["test_error"] == pytest.approx(0.8 * one["generalization_error"] + 0.1)
