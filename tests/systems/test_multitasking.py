"""Multitasking as a system: answers that agree, and the trade-off that must come out."""

import doctest
import itertools
from typing import Any

import numpy as np
import pytest

from tsmech import Multitasking
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.systems import multitasking


def observed(answer: str = "theory", rng: int = 0, **parameters: Any) -> dict[str, Any]:
    curve = Multitasking(**parameters).curve(answer, None if answer == "theory" else rng)
    return {**curve.observables, **curve.summaries}


def test_the_documented_examples_hold() -> None:
    assert doctest.testmod(multitasking).failed == 0


@pytest.mark.parametrize("parameters", [*Multitasking.checks, {"domains": 1, "duration": 5.0}])
def test_every_answer_says_the_same(parameters: dict[str, Any]) -> None:
    theory = observed(**parameters)
    assert set(theory) == set(Multitasking.observables)
    for answer in ("reduced", "direct"):
        for name, values in observed(answer, **parameters).items():
            if name not in ("learning_time", "transfer_time"):  # between times reported
                assert values == pytest.approx(theory[name], abs=1e-6, nan_ok=True), (answer, name)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_half_times_of_theory_depend_on_no_report_and_simulations_approach_them(share: float) -> None:
    shared: dict[str, Any] = {"share": share, "domains": 3, "initial_strength": 0.01, "duration": 4.0}
    theory, rare = observed(samples=100, **shared), observed(samples=[0, 4], **shared)
    found = observed("reduced", samples=100, **shared)
    for name in ("learning_time", "transfer_time"):
        assert rare[name] == pytest.approx(theory[name], rel=1e-9)
        assert found[name] == pytest.approx(theory[name], abs=1e-3)  # less than the square of the times' distance
    for answer in ("reduced", "direct"):  # a new task may be learnt before the first report
        seldom = observed(answer, samples=[0, 4], **shared)
        assert seldom["transfer_time"] == pytest.approx(theory["transfer_time"], rel=1e-3)


@pytest.mark.slow
def test_common_units_are_faster_and_transfer_and_interfere() -> None:
    """... the more of them, in theory and in networks from small random weights."""
    shared: dict[str, Any] = {"initial": "small", "width": 32, "duration": 8, "domains": 3}
    theory = [observed(share=share, **shared) for share in (0.0, 0.25, 0.5, 1.0)]
    networks = [[observed("direct", seed, share=share, **shared) for seed in range(2)] for share in (0.0, 0.5, 1.0)]
    for curves in (theory, [{k: np.mean([one[k] for one in many], axis=0) for k in many[0]} for many in networks]):
        for name, sign in (("learning_time", -1), ("transfer_time", -1)):
            values = [curve[name].max() for curve in curves]
            assert all(sign * (later - sooner) > 0 for sooner, later in itertools.pairwise(values)), name
        interference = [curve["interference"][-1] for curve in curves]
        assert interference[0] == 0.0
        assert (np.diff(interference) > 0).all()
    assert theory[-1]["interference"][-1] == pytest.approx(2 * (9 + 4 + 1) / 2, rel=0.02)


def test_a_new_task_is_learnt_on_common_units_without_a_plateau() -> None:
    """Half learning after about ln 2/ε² = ln 2/(√K s), where a network from scratch waits ln(s/a₀)/2s (eq. 7)."""
    found = observed(share=1.0, domains=4, initial_strength=1e-6, duration=20, samples=2000)
    assert found["transfer_time"] == pytest.approx(np.log(2) / (2.0 * np.array([3.0, 2.0, 1.0])), rel=0.12)
    assert (found["transfer_time"] < found["learning_time"] / 3).all()
    separate = observed(share=0.0, domains=4, initial_strength=1e-6, duration=20, samples=2000)
    assert separate["transfer_time"] == pytest.approx(separate["learning_time"])
    assert separate["learning_time"] == pytest.approx(np.log(np.array([3e6, 2e6, 1e6]) - 1) / [6, 4, 2], rel=1e-3)


def test_separate_units_alone_take_larger_steps() -> None:
    """The curvature of a task by itself is 2 s; of common units √K as much (eq. 5)."""
    for share, largest in ((0.0, 1 / 3), (0.5, 1 / 6), (1.0, 1 / 6)):
        assert Multitasking(share=share, domains=4).largest_step() == pytest.approx(largest)
    last = observed("direct", 0, share=0.0, domains=4, step=0.3, duration=30, samples=4)["train_error"][-1]
    assert last == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_units_fewer_than_modes_carry_the_strongest(share: float) -> None:
    """... in every answer, so that any share can be asked for; what no unit carries is never learnt."""
    shared: dict[str, Any] = {"share": share, "width": 4, "samples": 4, "duration": 4.0}
    theory = observed(**shared)
    for answer in ("reduced", "direct"):
        found = observed(answer, 0, **shared)
        for name in ("strengths", "common", "train_error", "interference"):
            assert found[name] == pytest.approx(theory[name], abs=1e-6), (answer, name)
        assert np.isnan(found["transfer_time"]).tolist() == np.isnan(theory["transfer_time"]).tolist()
    common = Multitasking(**shared).common_units
    assert (theory["common"][-1] > 0).tolist() == [mode < common for mode in range(3)]
    assert np.isnan(theory["learning_time"]).tolist() == [mode >= max(common, 4 - common) for mode in range(3)]
    assert "units for the strongest modes" in str(Multitasking(**shared).remark())


def test_starts_of_any_smallness_are_learnt_when_theory_says() -> None:
    half = observed(initial_strength=1e-60, samples=1)["learning_time"]
    found = observed(initial_strength=1e-60, duration=60.0, samples=half.tolist())["strengths"]
    assert found.diagonal() == pytest.approx([1.5, 1.0, 0.5], rel=1e-5)


def test_one_task_at_once_is_a_task_alone() -> None:
    one, all_of_them = observed(at_once=1, domains=3), observed(domains=3)
    assert (one["interference"] == 0).all()
    assert one["multitask_error"] == pytest.approx(one["train_error"])
    two = observed(at_once=2, domains=3)
    assert all_of_them["interference"] == pytest.approx(2 * two["interference"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"share": 1.5}, "share = 1.5 is not allowed: it must be a number at least 0 and at most 1"),
        ({"at_once": 3}, "at_once = 3 is not allowed with domains = 2"),
        ({"teacher_strengths": [1, 0]}, "teacher_strengths has a 0"),
        ({"teacher_strengths": [1] * 7}, "teacher_strengths has 7 values: with inputs = 6 and outputs = 6"),
        (
            {"initial_strength": 2},
            "initial_strength = 2 is not allowed: it must be at most that of the weakest mode, 1",
        ),
        ({"step": 0.3}, "step = 0.3 is not allowed: gradient descent is stable up to 0.235702"),
        ({"initial": "small", "initial_scale": 3.0, "step": 0.2}, "gradient descent is stable up to 0.0"),
        ({"initial": "smal"}, "did you mean small?"),
    ],
)
def test_bad_input_is_one_line(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as said:
        Multitasking(**parameters)
    assert message in str(said.value)
    assert "\n" not in str(said.value)


def test_answers_that_there_are_not_say_why() -> None:
    assert "do not decouple" in str(Multitasking(initial="small").lacks("reduced"))
    assert "of memory" in str(Multitasking(width=10**9).obstacle("direct"))


@pytest.mark.slow
def test_its_answers_agree() -> None:
    verdicts = check(Multitasking, replicates=50)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []
