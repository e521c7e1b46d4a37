"""The symbols and scalings of papers, by the formulas that the papers have for them."""

import math

import numpy as np
import pytest

import tsmech
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.explore.products import file
from tsmech.plots import draw
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


def test_a_picture_on_paper_has_the_numbers_that_the_page_shows() -> None:
    """Theory runs to γ = 1/alpha from the right, its peak and marks with it; what colour says stays ours."""
    plot = {"x": "alpha", "y": ["test_error"], "mark": {"alpha": 2.0}, "reference": {"floor": 0.125}}
    experiment = build("ridge", {"alpha": "0.5:4:8", "noise": 0.5, "penalty": [0.1, 1.0]}, answers="theory", plot=plot)
    rows = tsmech.run(experiment, workers=1).to_dict("records")
    ax = draw(experiment, rows, convention="Hastie et al. 2022").axes[0]
    line, mark, floor = (ax.lines[n] for n in (0, -2, -1))
    at, values = line.get_data()
    ours = sorted((row["alpha"], row["test_error"]) for row in rows if row["penalty"] == 0.1)
    np.testing.assert_allclose(at, sorted(1 / alpha for alpha, _ in ours))
    np.testing.assert_allclose(values, [2 * error - 0.25 for _, error in reversed(ours)])
    assert mark.get_xdata()[0] == 0.5
    assert floor.get_ydata()[0] == 0.0
    assert ax.get_xlabel().startswith("γ   (ours: α, ")
    assert draw(experiment, rows).axes[0].get_xlabel().startswith("α   (")
    kept = build("ridge", {"alpha": [0.5, 1, 2]}, answers="theory", plot={"convention": "Hastie et al. 2022"})
    (again,) = (draw(kept, tsmech.run(kept, workers=1).to_dict("records"), convention=one) for one in ["tsmech"])
    assert again.axes[0].get_xlabel().startswith("α   (")


def test_a_map_on_paper_is_scaled_like_that_of_the_page() -> None:
    asked = {"alpha": [0.5, 1, 2, 4], "noise": [0.1, 0.2, 0.3], "penalty": 0.1}
    plot = {"value": "test_error", "x": "alpha", "y": "noise", "convention": "Hastie et al. 2022"}
    experiment = build("ridge", asked, answers="theory", plot=plot)
    ax = draw(experiment, tsmech.run(experiment, workers=1).to_dict("records")).axes[0]
    assert ax.get_xlim() == pytest.approx((0.25, 2.0))
    assert ax.get_xlabel().startswith("γ   (ours: α")


def test_a_table_that_is_saved_has_the_columns_of_the_paper_beside_ours() -> None:
    experiment = build("ridge", {"alpha": [0.5, 2]}, plot={"convention": "Hastie et al. 2022"})
    rows = [{"answer": "reduced", "alpha": 2.0, "test_error": 0.3, "test_error_sem": 0.01}]
    header, row = file(experiment, rows, "csv").getvalue().decode().splitlines()
    assert header.startswith("answer,alpha,test_error,test_error_sem,alpha as γ of Hastie et al. 2022,")
    assert header.endswith('test_error as R_X of Hastie et al. 2022,"test_error as R_X of Hastie et al. 2022, sem"')
    assert [float(one) for one in row.split(",")[4:]] == pytest.approx([0.5, 0.35, 0.02])
