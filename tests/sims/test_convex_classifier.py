"""Convex classifiers at finite N: the weights have the least of the loss that is stated."""

import numpy as np
import pytest
from scipy.optimize import minimize

from tsmech.errors import ConvergenceError
from tsmech.sims import convex_classifier, soft_margin
from tsmech.sims.separation import maximum_stability

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


def examples(P, N, flip, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((P, N)) / np.sqrt(N)
    return X * (np.where(X[:, 0] < 0, -1.0, 1.0) * np.where(rng.random(P) < flip, -1.0, 1.0))[:, None]


@pytest.mark.parametrize(("P", "flip"), [(1, 0.0), (12, 0.1), (30, 0.0), (75, 0.1), (90, 0.1), (300, 0.0), (150, 0.4)])
@pytest.mark.parametrize("penalty", [1e-12, 1e-6, 1e-3, 0.1, 1e3, 1e12])
def test_hinge_loss_is_minimised_at_every_penalty(P, flip, penalty):
    """Loss and dual value are computed anew here; fewer examples than weights, separable or not, at the transition."""
    Z = examples(P, 30, flip, P)
    found = soft_margin.minimise_hinge(Z, penalty)
    loss = np.maximum(1 - Z @ found.weights, 0).sum() + penalty * found.weights @ found.weights
    dual = found.forces.sum() - np.sum((found.forces @ Z) ** 2) / (4 * penalty)
    assert found.forces.min() >= 0
    assert found.forces.max() <= 1
    assert loss - dual <= 2e-10 * loss + 1e-15 * np.sum(np.abs(Z) @ np.abs(found.weights))
    assert loss == pytest.approx(found.loss)
    assert found.iterations < 60


@pytest.mark.parametrize("flip", [0.0, 0.2])
@pytest.mark.parametrize("penalty", [0.02, 1.0])
def test_hinge_loss_is_that_of_scikit_learn_where_it_converges(penalty, flip):
    from sklearn.svm import LinearSVC

    Z = examples(60, 20, flip, 5)
    sign = np.where(np.arange(60) % 2 == 0, 1.0, -1.0)
    model = LinearSVC(C=0.5 / penalty, loss="hinge", fit_intercept=False, tol=1e-9, max_iter=10**6, random_state=0)
    expected = model.fit(Z * sign[:, None], sign).coef_[0]
    np.testing.assert_allclose(soft_margin.minimise_hinge(Z, penalty).weights, expected, rtol=1e-4, atol=1e-5)


def test_without_penalty_hinge_loss_has_the_maximum_stability():
    Z = examples(40, 30, 0.0, 1)
    for penalty in (1e-5, 1e-9, 1e-12):
        w, hardest = soft_margin.minimise_hinge(Z, penalty).weights, maximum_stability(Z)
        np.testing.assert_allclose(w * hardest.stability, hardest.weights, atol=1e-5)


def test_a_gap_that_stays_is_an_error(monkeypatch):
    monkeypatch.setattr(soft_margin, "MOST", 5)
    with pytest.raises(ConvergenceError, match="the hinge loss of 90 examples was not minimised"):
        soft_margin.minimise_hinge(examples(90, 30, 0.1, 0), 1e-6)
    monkeypatch.setattr(convex_classifier, "TOLERANCE", 1e6)  # scikit-learn stops where it begins
    with pytest.raises(ConvergenceError, match="the logistic loss of 90 examples is"):
        convex_classifier._fit("logistic", examples(90, 30, 0.1, 0), np.ones(90), 0.1)


@pytest.mark.parametrize("penalty", [1e-12, 1e-6, 1e-2, 1e3])
def test_the_gradient_of_the_logistic_loss_vanishes_at_every_penalty(penalty):
    """Against 2 λ w, of which it is a difference: separable examples leave nothing else.  Rounding of 36 terms."""
    for P, flip in ((20, 0.0), (75, 0.1)):
        Z = examples(P, 30, flip, P)
        w = convex_classifier._fit("logistic", Z, np.ones(P), penalty)
        forces = 1 / (1 + np.exp(np.minimum(Z @ w, 700)))
        left = np.linalg.norm(2 * penalty * w - forces @ Z)
        assert left <= 1e-6 * np.linalg.norm(2 * penalty * w) + 1e-12 * np.linalg.norm(forces)
