"""Random features as a system: what its answers report, what is refused, and what must come out of both answers."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tsmech import RandomFeatures
from tsmech.errors import InputError
from tsmech.problem import features
from tsmech.systems import random_features

SHARED = {
    "generalization_error", "test_error", "train_error", "bias", "variance_noise", "variance_features",
    "variance_examples",
}  # fmt: skip


def test_examples() -> None:
    assert doctest.testmod(random_features) == (0, 4)


@pytest.mark.parametrize("activation", ["relu", "erf", "tanh", "linear"])
def test_both_answers_report_the_same(activation: str) -> None:
    system = RandomFeatures(alpha=1.5, features=0.7, dimension=20, activation=activation, nonlinearity=0.2, networks=2)
    theory, direct = system.theory(), system.direct(rng=0)
    assert set(theory) == SHARED | {"optimal_penalty"}
    assert set(direct) == SHARED
    for frame in (theory, direct):
        assert frame.test_error[0] == pytest.approx(frame.generalization_error[0] + 0.125, rel=1e-12)
        parts = ("bias", "variance_noise", "variance_features", "variance_examples")
        assert sum(frame[name][0] for name in parts) == pytest.approx(frame.generalization_error[0], rel=1e-10)
    assert system.optimal_penalty() == theory.optimal_penalty[0]


def test_many_points_at_once_are_the_single_points() -> None:
    points = [RandomFeatures(alpha=a, features=2.0, activation=g) for a in (0.5, 2.0, 3.0) for g in ("relu", "linear")]
    at_once = RandomFeatures.theory_points(points)
    for i, point in enumerate(points):
        for name, values in at_once.items():
            assert values[i] == point.theory()[name][0], name


def test_theory_is_infinite_at_its_poles_alone() -> None:
    assert RandomFeatures(alpha=2, features=3).poles("alpha") == (3.0,)
    assert RandomFeatures(alpha=2, features=3).poles("features") == (2.0,)
    assert RandomFeatures(alpha=2, features=3, penalty=0.1).poles("features") == ()
    assert RandomFeatures(alpha=2, features=3, activation="linear").poles("features") == ()
    assert RandomFeatures(alpha=2, features=3, activation="linear").poles("alpha") == (1.0,)
    assert RandomFeatures(alpha=0.5, features=3, activation="linear").poles("features") == (0.5,)
    for parameters in ({"alpha": 3, "features": 3}, {"alpha": 1, "features": 3, "activation": "linear"}):
        assert RandomFeatures(**parameters).theory().test_error[0] == np.inf
    assert np.isfinite(RandomFeatures(alpha=2, features=2, activation="linear").theory().test_error[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", 0.0), ("features", -1), ("penalty", -0.1), ("noise", -1), ("signal", -1), ("nonlinearity", 1.5),
     ("networks", 0), ("networks", 1.5), ("activation", "sign"), ("dimension", 0), ("alpha", float("nan"))],
)  # fmt: skip
def test_bad_values_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name} = .* is not allowed"):
        RandomFeatures(**{"alpha": 1.0, "features": 1.0, name: value})


def test_sizes_beyond_all_measure_are_refused() -> None:
    for name, value in (("alpha", 1e-20), ("features", 1e20), ("penalty", 1e20), ("noise", 1e20)):
        with pytest.raises(
            InputError, match=f"^{name} = {value:g} is not allowed: it must be at least".replace("+", r"\+")
        ):
            RandomFeatures(**{"alpha": 1.0, "features": 1.0, name: value})


def test_what_it_lacks_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    system = RandomFeatures(alpha=1, features=1)
    with pytest.raises(InputError, match="no exact reduction of nonlinear features is known"):
        system.reduced(rng=0)
    monkeypatch.setattr(features, "shortage", lambda needed, what: f"{what} takes {needed / 8e12:.0f} units")
    with pytest.raises(InputError, match="a network of 1e\\+06 features of 1e\\+06 examples takes 2 units"):
        RandomFeatures(alpha=1e4, features=1e4).direct(rng=0)


def g(x: Any) -> Any:
    return np.tanh(2 * x)


def slope(x: Any) -> Any:
    return 2 / np.cosh(2 * x) ** 2


def test_an_activation_of_one_s_own() -> None:
    own = RandomFeatures(alpha=1.5, features=1, activation=(g, slope), dimension=30, penalty=0.1)
    assert own.theory().test_error[0] != RandomFeatures(alpha=1.5, features=1, penalty=0.1).theory().test_error[0]
    assert np.isfinite(own.direct(rng=0).test_error[0])
    with pytest.raises(InputError, match="give the pair"):
        RandomFeatures(alpha=1, features=1, activation=g)


def test_the_command_line_refuses_in_one_line(tmp_path: Path) -> None:
    said = command("run", "random_features", "--alpha", 1, "--features", 0, "--out", tmp_path / "x")
    assert said.code == 2
    assert said.err.strip().splitlines()[-1].endswith("features = 0 is not allowed: it must be a number above 0")


@pytest.mark.slow
def test_the_check_finds_no_disagreement_and_one_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = tsmech.check(RandomFeatures, replicates=60)
    assert len(verdicts) == 28
    assert all(verdict.agrees for verdict in verdicts)
    monkeypatch.setattr(RandomFeatures, "checks", RandomFeatures.checks[:1])
    right = RandomFeatures.theory_points.__func__

    def wrong(cls: type[RandomFeatures], points: list[RandomFeatures]) -> Any:
        found = right(cls, points)
        return found | {"variance_features": found["variance_features"] + found["variance_examples"]}

    monkeypatch.setattr(RandomFeatures, "theory_points", classmethod(wrong))
    assert {v.observable for v in tsmech.check(RandomFeatures, replicates=60) if not v.agrees} == {"variance_features"}
