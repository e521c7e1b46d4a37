"""The symbols and scalings of papers, by the formulas that the papers have for them."""

import math

import numpy as np
import pytest

import tsmech
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.plots.translation import Translation
from tsmech.systems import REGISTRY, find

pytest.importorskip("panel")


def translated(system: str, paper: str, x: str, column: str, **parameters: float) -> tuple[float, float]:
    experiment = build(system, parameters, answers="theory")
    (point,) = experiment.points()
    row = {**parameters, **point.theory().iloc[-1].to_dict()}
    found = Translation(experiment, paper).row(row, x, column)
    return found[x], found[column]


@pytest.mark.parametrize("system", REGISTRY)
def test_they_name_what_the_system_has(system: str) -> None:
    kind = find(system)
    known = {*kind.parameters(), *kind.observables, *kind.coordinates}
    for convention in kind.conventions:
        assert {*convention.quantities} <= known


def test_hastie_s_risk_at_the_best_penalty_is_a_stieltjes_transform() -> None:
    """theory/conventions.md: the risk is σ² γ m(-λ) at λ = σ² γ / r²."""
    alpha, noise, signal = 2.0, 0.5, 1.5
    gamma, theirs = translated(
        "ridge", "Hastie et al. 2022", "alpha", "generalization_error",
        alpha=alpha, noise=noise, signal=signal, penalty=noise**2 / signal,
    )  # fmt: skip
    assert gamma == 1 / alpha
    penalty = noise**2 * gamma / signal
    m = (-(1 - gamma + penalty) + math.sqrt((1 - gamma + penalty) ** 2 + 4 * gamma * penalty)) / (2 * gamma * penalty)
    assert theirs == pytest.approx(noise**2 * gamma * m, rel=1e-10)


def test_krogh_and_hertz_have_the_response_function() -> None:
    alpha, noise, penalty, step = 2.0, 0.5, 0.2, 1e-5

    def G(x: float) -> float:
        return float((1 - alpha - x + np.sqrt((1 - alpha - x) ** 2 + 4 * x)) / (2 * x))

    slope = (G(penalty + step) - G(penalty - step)) / (2 * step)
    F = -(penalty**2) * slope + noise**2 * (G(penalty) + penalty * slope)
    given = {"alpha": alpha, "noise": noise, "penalty": penalty}
    assert translated("ridge", "Krogh & Hertz 1992", "alpha", "generalization_error", **given)[1] == pytest.approx(F)


def test_an_error_is_scaled_like_its_value_and_the_test_error_agrees_with_the_generalization_error() -> None:
    given = {"alpha": 2.0, "noise": 0.5}
    for paper in ("Advani & Saxe 2017", "Dobriban & Wager 2018"):
        one, other = (
            translated("ridge", paper, "alpha", name, **given)[1] for name in ("generalization_error", "test_error")
        )
        assert one == pytest.approx(other)
    row = {"alpha": 2.0, "test_error": 0.3, "test_error_sem": 0.01}
    found = Translation(build("ridge", given), "Advani & Saxe 2017").row(row, "alpha", "test_error")
    assert found["test_error_sem"] == pytest.approx(0.02)


def test_a_paper_that_is_not_there_is_refused() -> None:
    for wrong in ("Hastie et al. 2023", "Nobody", 3):
        with pytest.raises(InputError, match=r"plot convention .* is unknown: "):
            build("ridge", {"alpha": 1}, plot={"convention": wrong})
    with pytest.raises(InputError, match="capacity has our own symbols alone"):
        build("capacity", {"alpha": 1}, plot={"convention": "Nobody"})


def test_without_a_paper_nothing_is_changed() -> None:
    row = {"alpha": 2.0, "test_error": 0.3}
    assert Translation(build("ridge", {"alpha": 1})).row(row, "alpha", "test_error") is row
    assert not tsmech.SampleReuse.conventions
