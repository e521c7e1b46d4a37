"""Ridge as a system: what its answers report and how its parameters reach them (the mathematics: elsewhere)."""

import doctest
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsmech
from tsmech import Ridge
from tsmech.errors import InputError
from tsmech.experiment import build


@pytest.mark.parametrize("answer", ["theory", "reduced", "direct"])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_every_answer_reports_the_same_observables_and_no_nan(answer: str, alpha: float) -> None:
    rng = np.random.default_rng(0)
    curve = Ridge(alpha=alpha, dimension=40).curve(answer, None if answer == "theory" else rng)
    assert not curve.coordinates
    assert set(curve.observables) <= set(Ridge.observables)
    shared = {"generalization_error", "test_error", "train_error", "weight_norm"}
    assert shared <= set(curve.observables)
    for name, values in curve.observables.items():
        assert values.shape == (1,), name
        assert not np.isnan(values).any(), name


def test_the_threshold_of_theory_is_infinite() -> None:
    frame = Ridge(alpha=1.0, noise=0.5).theory()
    assert frame.generalization_error[0] == np.inf
    assert np.isfinite(Ridge(alpha=1.0, noise=0.5, penalty=0.1).theory().generalization_error[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"unseen": 0.3},
        {"spectrum": "two_level"},
        {"spectrum": "power_law"},
        {"eigenvalues": [0.5, 1.5], "teacher_weights": [2.0, 0.1]},
    ],
)
def test_errors_keep_their_definitions(parameters: dict[str, Any]) -> None:
    """test_error = generalization_error + σ²/2, in each answer."""
    system = Ridge(alpha=2.0, noise=0.6, dimension=40, **parameters)
    frames = [system.theory(), system.direct(rng=1), *([system.reduced(rng=1)] if system.isotropic else [])]
    for frame in frames:
        assert frame.test_error[0] == pytest.approx(frame.generalization_error[0] + 0.18, rel=1e-12)
    assert ("optimal_penalty" in frames[0]) == ("teacher_weights" not in parameters)
    if "optimal_penalty" in frames[0]:
        assert system.optimal_penalty() == pytest.approx(float(frames[0].optimal_penalty[0]), rel=1e-12)


def test_isotropic_inputs_have_a_reduction_and_others_say_why_not(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("1\n2\n")
    assert Ridge(alpha=1.0).lacks("reduced") is None
    for parameters in ({"spectrum": "two_level"}, {"spectrum": str(tmp_path / "s.csv")}, {"eigenvalues": [1.0, 2.0]}):
        system = Ridge(alpha=1.0, **parameters)
        assert "anisotropic" in str(system.lacks("reduced"))
        with pytest.raises(InputError, match="anisotropic"):
            system.reduced(rng=0)
        assert build("ridge", {"alpha": 1.0, **parameters}).answers == ("theory", "direct")


def test_theory_does_not_depend_on_the_dimension() -> None:
    assert Ridge(alpha=2.0, dimension=10).theory().equals(Ridge(alpha=2.0, dimension=1000).theory())


def test_a_file_of_eigenvalues_and_the_same_array_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("2\n0.5\n")
    file, array = Ridge(alpha=0.7, spectrum=str(tmp_path / "s.csv")), Ridge(alpha=0.7, eigenvalues=[2.0, 0.5])
    assert file.theory().equals(array.theory())
    assert file.direct(rng=0).equals(array.direct(rng=0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", 0.0), ("alpha", -1), ("noise", -0.1), ("penalty", -1e-9), ("signal", -1), ("unseen", 1.5),
     ("unseen", -0.1), ("dimension", 0), ("dimension", 2.5), ("spectrum", "isotropc"), ("alpha", float("nan"))],
)  # fmt: skip
def test_bad_values_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name} = .* is not allowed"):
        Ridge(**{"alpha": 1.0, name: value})


def test_a_dimension_that_is_not_given_is_the_default() -> None:
    assert Ridge(alpha=1.0).key() == Ridge(alpha=1.0, dimension=400).key()
    assert Ridge(alpha=1.0).key() != Ridge(alpha=1.0, dimension=401).key()


def test_the_package_offers_each_system_by_its_class() -> None:
    assert tsmech.Ridge is Ridge
    assert {"Ridge", "run", "Experiment"} <= set(dir(tsmech))
    with pytest.raises(AttributeError, match="no attribute 'Rigde'"):
        attrgetter("Rigde")(tsmech)


@pytest.mark.parametrize("module", ["tsmech.runs.execution", "tsmech.systems.ridge"])
def test_public_examples_run(module: str) -> None:
    import importlib

    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted > 0
    assert outcome.failed == 0
