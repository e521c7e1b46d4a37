"""The deep linear network as a system: what its answers report, how they agree, and what must come out."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsmech
from tsmech import DeepLinear
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.sims.deep_network.network import RTOL
from tsmech.systems import deep_linear


def observed(system: DeepLinear, answer: str, rng: int | None = None) -> dict[str, Any]:
    curve = system.curve(answer, None if answer == "theory" else rng)
    return {**curve.observables, **curve.summaries}


def test_the_documented_examples_hold() -> None:
    assert doctest.testmod(deep_linear).failed == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"depth": 1},
        {"depth": 2, "width": 2},
        {"depth": 3, "width": 20},
        {"initial": "unbalanced"},
        {"initial": "small"},
        {"depth": 1, "initial": "orthogonal", "start_seed": 3},
        {"initial": "orthogonal", "imbalance": 0.01, "start_seed": 3},
        {"alpha": 2.0, "noise": 0.3},
        {"alpha": 1.0, "noise": 0.3, "inputs": 5, "outputs": 6, "depth": 1},
        {"noise": 0.3},
    ],
)
def test_every_answer_reports_the_same_observables(parameters: dict[str, Any]) -> None:
    system = DeepLinear(**parameters, samples=[0, 1, 4], duration=4)
    answers = {a: observed(system, a, 0) for a in ("theory", "reduced", "direct") if system.lacks(a) is None}
    assert {"theory", "direct"} <= set(answers)
    for found in answers.values():
        assert set(found) | {"gradient_norm", "weights", "saddle_index"} >= set(DeepLinear.observables)
        assert found["strengths"].shape == (3, 3)
        assert found["learning_time"].shape == (3,)
        noise = system.noise**2 * system.outputs / 2
        assert found["test_error"] == pytest.approx(found["generalization_error"] + noise)
        if not system.noisy:
            assert found["train_error"] == pytest.approx(found["test_error"])


@pytest.mark.parametrize("parameters", [dict(one) for one in DeepLinear.checks[:5]])
def test_simulations_approach_theory_in_proportion_to_the_step(parameters: dict[str, Any]) -> None:
    """Slope 1: half the step, half the distance."""
    theory = observed(DeepLinear(**parameters), "theory")
    for answer in ("reduced", "direct"):
        systems = [DeepLinear(**parameters, step=step) for step in (0.01, 0.005, 0.0025)]
        if systems[0].lacks(answer):
            continue
        apart = [observed(system, answer, 0)["strengths"] - theory["strengths"] for system in systems]
        for coarse, fine in ((apart[0], apart[1]), (apart[1], apart[2])):
            assert np.linalg.norm(coarse) / np.linalg.norm(fine) == pytest.approx(2.0, rel=0.1)


def test_gradient_flow_of_all_three_is_one() -> None:
    for parameters in DeepLinear.checks[:5]:
        system = DeepLinear(**parameters)
        theory = observed(system, "theory")
        for answer in ("reduced", "direct"):
            if system.lacks(answer) is None:
                found = observed(system, answer, 1)
                for name in ("strengths", "train_error", "gradient_norm", "saddle_index"):
                    assert found[name] == pytest.approx(theory[name], abs=2e-6), (parameters, name)


@pytest.mark.parametrize(("depth", "initial"), [(2, 1e-12), (3, 1e-12), (6, 1e-12), (10, 1e-9), (10, 1e-12)])
def test_the_end_of_a_long_plateau_is_known_to_rounding(depth: int, initial: float) -> None:
    """Which the plateau multiplies by (s/a₀)^(1 - 2/D) (theory/deep_linear.md, below eq. 10)."""
    network: dict[str, Any] = {"depth": depth, "teacher_strengths": 1.0, "initial_strengths": initial, "width": 1}
    half = float(DeepLinear(**network).half_times()[0])
    system = DeepLinear(**network, samples=[half - 0.5, half, half + 0.5], duration=half + 0.5)
    theory = observed(system, "theory")["strengths"]
    assert np.ptp(theory) > 0.2
    for answer, step in (("reduced", 1e-14), ("direct", RTOL)):  # what a step may lose
        found = observed(system, answer, 0)["strengths"]
        assert found == pytest.approx(theory, abs=1e-13 + step * initial ** (2 / depth - 1))


@pytest.mark.parametrize(
    "parameters",
    [
        {"duration": 1e6, "samples": 1},
        {"duration": 1e-9, "samples": 3, "initial": "unbalanced", "layer_strengths": [1e5, 0.0]},
        {"duration": 1.0, "samples": 2, "depth": 100, "initial_strengths": 0.9, "width": 3},
    ],
)
def test_flow_of_very_different_rates_is_followed(parameters: dict[str, Any]) -> None:
    """Long after all is learnt, along one steep layer (theory to the rounding of κ), through a hundred layers."""
    system = DeepLinear(**parameters)
    theory, reduced, direct = (observed(system, one, 0)["strengths"] for one in ("theory", "reduced", "direct"))
    assert reduced == pytest.approx(direct, abs=1e-10)
    assert reduced == pytest.approx(theory, abs=1e-5 if system.initial == "unbalanced" else 1e-10)


def test_all_weights_of_an_aligned_start_are_known() -> None:
    """One by one, with their names; gradient flow of the network from the same start, at depth 1, 2 and 3."""
    for depth in (1, 2, 3):
        system = DeepLinear(
            depth=depth, width=4, inputs=3, outputs=5, start_seed=7, report_weights=True, duration=2, samples=4,
            initial_strengths=0.05,
        )  # fmt: skip
        theory, direct = (system.curve(answer, None if answer == "theory" else 0) for answer in ("theory", "direct"))
        assert direct.observables["weights"] == pytest.approx(theory.observables["weights"], abs=1e-6)
        names = theory.labels["weight"]
        assert names[0] == "1.0.0"
        assert len(names) == len(set(names)) == system.weight_count == theory.observables["weights"].shape[1]


def test_one_layer_is_known_from_any_start() -> None:
    """With a seed exactly; without one on average over starts, within four standard errors.

    It has no hidden units, which could be tanh's; how long it was pretrained depends on the start.
    """
    times = {"samples": [0, 0.5, 2], "duration": 2}
    for initial, unit in (("small", "tanh"), ("orthogonal", "linear"), ("pretrained", "linear")):
        known = {"depth": 1, "initial": initial, "initial_scale": 0.5, "nonlinearity": unit, **times}
        system = DeepLinear(start_seed=2, **known)
        theory, direct = observed(system, "theory"), observed(system, "direct", 0)
        for name in ("strengths", "train_error", "gradient_norm", "total_steps"):
            assert direct[name] == pytest.approx(theory[name], abs=1e-7, nan_ok=True)
        system = DeepLinear(**known)
        theory = observed(system, "theory")
        assert np.isnan(theory["total_steps"]) == (initial == "pretrained")
        draws = [observed(system, "direct", seed) for seed in range(60)]
        for name in ("strengths", "train_error"):
            values = np.array([one[name] for one in draws])
            error = 4 * values.std(axis=0) / np.sqrt(60) + 2e-3
            assert (abs(values.mean(axis=0) - theory[name]) < error).all(), (initial, name)


def test_small_random_layers_grow_like_aligned_ones() -> None:
    """Their half learning times, relative to the logarithm that they are made of; the wider the closer."""
    off = []
    for width in (10, 160):
        system = DeepLinear(
            initial="small", initial_scale=1e-3, width=width, start_seed=1, duration=16, samples=800,
            teacher_strengths=[3.0, 1.5],
        )  # fmt: skip
        theory, direct = observed(system, "theory"), observed(system, "direct", 0)
        off.append(abs(direct["learning_time"] / theory["learning_time"] - 1).max())
    assert off[1] < 0.01
    assert off[1] < off[0] < 0.1


@pytest.mark.slow
def test_noise_makes_theory_approach_the_simulations_as_one_over_their_size() -> None:
    """Mean deviations of the exact reduction at sizes 12 and 48: a quarter is left, within three standard errors."""
    apart, errors = [], []
    for size, draws in ((12, 600), (48, 200)):
        system = DeepLinear(
            inputs=size, outputs=size, width=size, alpha=2.0, noise=0.5, initial_strengths=0.05,
            samples=[0.5, 1.5], duration=1.5, teacher_strengths=[2.0], step=0.01,
        )  # fmt: skip
        theory = observed(system, "theory")
        names = ("strengths", "generalization_error", "train_error")
        found = [observed(system, "reduced", seed) for seed in range(draws)]
        values = {name: np.array([one[name] for one in found]) for name in names}
        apart.append(max(abs(v.mean(axis=0) - theory[name]).max() for name, v in values.items()))
        errors.append(max(v.std(axis=0).max() / np.sqrt(draws) for v in values.values()))
    assert apart[1] < apart[0] / 4 + 3 * max(errors)
    assert apart[0] < 0.15


def test_the_index_counts_down_along_the_saddles() -> None:
    """9, 4, 1, 0 of three modes through three units; the network's own Hessian says the same while it rests at one."""
    times = [0.5, 2.2, 7.0, 25.0]
    system = DeepLinear(
        inputs=3, outputs=3, width=3, teacher_strengths=[8, 2, 0.5], initial_strengths=1e-5, samples=times,
        duration=25, hessian=True,
    )  # fmt: skip
    for answer in ("theory", "reduced", "direct"):
        assert observed(system, answer, 0)["saddle_index"].tolist() == [9, 4, 1, 0]
    deeper = DeepLinear(
        depth=3, inputs=3, outputs=3, width=3, teacher_strengths=[8, 2, 0.5], initial_strengths=1e-2, duration=40
    )
    index = observed(deeper, "theory")["saddle_index"]
    assert sorted(set(index.tolist()), reverse=True) == index[np.flatnonzero(np.diff(index, prepend=9))].tolist()
    assert (index[0], index[-1]) == (3, 0)
    assert set(observed(DeepLinear(depth=1), "theory")["saddle_index"]) == {0.0}


@pytest.mark.parametrize(
    ("parameters", "largest"),
    [
        ({"initial": "unbalanced", "layer_strengths": [1, 1, 0, 0.1, 0.1, 0], "width": 2}, 2 / np.hypot(6, 0.99)),
        ({"initial": "orthogonal", "initial_scale": 1.5, "imbalance": 4.0}, 2 / np.hypot(6, 4)),
    ],
)
def test_the_largest_step_is_that_of_what_is_learnt(parameters: dict[str, Any], largest: float) -> None:
    assert DeepLinear(**parameters).largest_step() == pytest.approx(largest)


def test_a_bottleneck_is_never_passed_and_theory_says_so() -> None:
    system = DeepLinear(width=2, duration=20)
    assert "bottleneck" in str(system.remark())
    for answer in ("theory", "reduced", "direct"):
        found = observed(system, answer, 0)
        assert found["strengths"][-1] == pytest.approx([3.0, 2.0, 0.0], abs=1e-6)
        assert found["train_error"][-1] == pytest.approx(0.5, abs=1e-6)
        assert np.isnan(found["learning_time"][2])
    given = DeepLinear(width=2, duration=20, teacher_strengths=[1, 3, 2], initial_strengths=[0, 0.02, 0.01])
    for answer in ("theory", "reduced", "direct"):
        found = observed(given, answer, 0)
        assert found["strengths"][[0, -1]] == pytest.approx(np.array([[0.02, 0.01, 0.0], [3.0, 2.0, 0.0]]), abs=1e-6)
    small = DeepLinear(width=2, initial="small", duration=30)
    assert observed(small, "direct", 0)["strengths"][-1] == pytest.approx([3.0, 2.0, 0.0], abs=0.02)


def test_tanh_networks_are_linear_while_they_are_small() -> None:
    """At the same start; later they differ."""
    shared: dict[str, Any] = {"start_seed": 0, "teacher_strengths": [1.0, 0.5], "samples": [1, 4, 30], "duration": 30}
    tanh, linear = (
        observed(DeepLinear(nonlinearity=kind, **shared), "direct", 0)["strengths"] for kind in ("tanh", "linear")
    )
    assert tanh[0] == pytest.approx(linear[0], rel=1e-2)
    assert tanh[2] == pytest.approx(linear[2], rel=0.05)
    assert abs(tanh - linear)[1].max() > 1e-3
    assert DeepLinear(nonlinearity="tanh").lacks("reduced")
    assert "tanh units have none" in str(DeepLinear(nonlinearity="tanh").lacks("theory"))


def test_noise_is_overtrained_and_depth_helps() -> None:
    """Lampinen & Ganguli 2019: with noise the test error turns up; the deep network's least is the lower one."""
    shared: dict[str, Any] = {
        "inputs": 100, "outputs": 50, "width": 50, "alpha": 1.0, "noise": 0.4, "initial_strengths": 1e-3,
        "duration": 60, "samples": 600, "teacher_strengths": [4.0, 3.0, 2.0],
    }  # fmt: skip
    least = {}
    for depth in (1, 2):
        system = DeepLinear(depth=depth, **shared)
        found = observed(system, "theory")
        assert found["early_stopping_error"] < found["final_error"] - 0.1
        least[depth] = float(found["early_stopping_error"])
        best = system.overtraining()
        assert (best.least < best.final).all()
    assert least[2] < least[1]
    with pytest.raises(InputError, match="overtraining needs alpha, noise"):
        DeepLinear().overtraining()


def test_a_teacher_comes_from_a_table(tmp_path: Path) -> None:
    matrix = np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 2.5]])
    path = tmp_path / "teacher.csv"
    np.savetxt(path, matrix, delimiter=",")
    system = DeepLinear(teacher=str(path), duration=20, samples=10)
    s = np.linalg.svd(matrix, compute_uv=False)
    assert system.mode_strengths() == pytest.approx(s)
    for answer in ("theory", "reduced", "direct"):
        assert observed(system, answer, 0)["strengths"][-1] == pytest.approx(s, abs=1e-6)
    (tmp_path / "zeros.csv").write_text("0,0\n0,0\n")
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    for name, message in (("zeros", "holds zeros alone"), ("ragged", "cannot be read"), ("none", "cannot be read")):
        with pytest.raises(InputError, match=message):
            DeepLinear(teacher=str(tmp_path / f"{name}.csv"))
    with pytest.raises(InputError, match="teacher and inputs are both given"):
        DeepLinear(teacher=str(path), inputs=3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"initial_strengths": 2.0}, "initial_strengths = 2 is not allowed: it must be at most the mode's strength, 1"),
        ({"initial_strengths": [0.1, 0.2]}, "initial_strengths has 2 values: give one, or one for each of 3 modes"),
        (
            {"initial_strengths": [0.1] * 3, "width": 2},
            "initial_strengths[2] = 0.1 is not allowed: it must be 0, as width = 2 lets 2 modes through",
        ),
        (
            {"initial": "unbalanced", "layer_strengths": [0.1] * 6, "teacher_strengths": [1, 3, 2], "width": 2},
            "layer_strengths[0] = 0.1 is not allowed: it must be 0",
        ),
        ({"initial_strengths": [0.1] * 3, "alpha": 2, "noise": 1}, "with noise all training modes start alike"),
        ({"initial_strengths": -0.1}, "initial_strengths[0] = -0.1 is not allowed: it must be finite and at least 0"),
        ({"teacher_strengths": [1, 0]}, "teacher_strengths has a 0"),
        (
            {"teacher_strengths": [1] * 9},
            "teacher_strengths has 9 values: with inputs = 8 and outputs = 8 there are at",
        ),
        ({"initial": "unbalanced", "depth": 3}, "initial = unbalanced is not allowed with depth = 3"),
        (
            {"initial": "unbalanced", "layer_strengths": [0.1]},
            "layer_strengths has 1 values: give 2, or 2 for each of 3",
        ),
        ({"initial": "pretrained", "initial_scale": 1e-300}, "initial = pretrained: it must be at least 1e-100"),
        ({"initial": "small", "initial_scale": 0}, "initial_scale = 0 is not allowed with initial = small"),
        ({"imbalance": 0.1}, "imbalance = 0.1 has no effect"),
        ({"imbalance": 0.1, "initial": "orthogonal"}, "its size must be at most 2 initial_scale², 0.02"),
        ({"step": 0.5}, "step = 0.5 is not allowed: gradient descent is stable up to 0.333333"),
        (
            {"step": 0.3, "depth": 1, "samples": [0.1, 0.2]},
            "step = 0.3 is not allowed: it is longer than the last time",
        ),
        (
            {"step": 0.3, "alpha": 1.0, "noise": 2.0},
            "step = 0.3 is not allowed: gradient descent is stable up to 0.230769",
        ),
        ({"hessian": True, "depth": 3}, "hessian is not allowed with depth = 3"),
        ({"hessian": True, "width": 200}, "hessian is not allowed with 3200 weights: at most 2000"),
        ({"hessian": True, "nonlinearity": "tanh"}, "hessian is not allowed with nonlinearity = tanh"),
        ({"report_weights": True, "width": 1000}, "report_weights is not allowed with 16000 weights: at most 10000"),
        ({"alpha": 0.5}, "alpha = 0.5 is not allowed: it must be a number at least 1"),
        ({"initial": "smal"}, "did you mean small?"),
        ({"teacher_strengths": [1e7, 1]}, "modes of strength 1 to 1e+07: they must lie between 1e-06 and 1e+06"),
        ({"initial": "unbalanced", "layer_strengths": [1e9, 1]}, "layer_strengths = 1e+09 is not allowed"),
        ({"depth": 101}, "depth = 101 is not allowed: it must be a whole number at least 1 and at most 100"),
        ({"step": 1e-20}, "step = 1e-20 is not allowed: 1e+21 steps by the last time, at most 1e+12"),
        ({"depth": 0}, "depth = 0 is not allowed: it must be a whole number at least 1"),
    ],
)
def test_bad_input_is_one_line(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as said:
        DeepLinear(**parameters)
    assert message in str(said.value)
    assert "\n" not in str(said.value)


def test_answers_that_there_are_not_say_why() -> None:
    reasons = {
        ("reduced", "orthogonal"): "do not decouple",
        ("theory", "orthogonal"): "needs start_seed",
        ("theory", "pretrained"): "not quite balanced",
    }
    for (answer, initial), reason in reasons.items():
        assert reason in str(DeepLinear(initial=initial).lacks(answer))
    assert "of depth 1 and 2: deeper layers do not align" in str(DeepLinear(initial="small", depth=3).lacks("theory"))
    assert "up to a width of 8" in str(DeepLinear(initial="orthogonal", width=9, start_seed=0).lacks("theory"))
    assert "width of all training modes, 8" in str(DeepLinear(alpha=2, noise=1, width=7).lacks("theory"))
    assert "a balanced start" in str(DeepLinear(alpha=2, noise=1, initial="small").lacks("theory"))
    assert "of memory" in str(DeepLinear(width=10**9).obstacle("direct"))
    turned = {"initial": "orthogonal", "start_seed": 0, "inputs": 10**5, "outputs": 10**5, "width": 10**4}
    assert "the Riccati solution takes" in str(DeepLinear(**turned).obstacle("theory"))
    assert "the flow of the layers takes" in str(DeepLinear(depth=3, **turned).obstacle("theory"))
    with pytest.raises(InputError, match="aligned starts"):
        DeepLinear(initial="small").half_times()


@pytest.mark.parametrize(
    "more",
    [
        {"depth": 3, "initial_scale": 0.5, "inputs": 5, "outputs": 9, "width": 4},
        {"depth": 6, "initial_scale": 1.0},
    ],
)
def test_orthogonal_layers_of_any_depth_are_those_of_a_smaller_network(more: dict[str, Any]) -> None:
    """From directions that have nothing to do with the teacher's: all weights against those between what it reaches."""
    system = DeepLinear(initial="orthogonal", start_seed=1, duration=3.0, samples=(0.3, 1.0, 3.0), **more)
    theory, direct = system.curve("theory").observables, system.curve("direct", 0).observables
    for name in ("strengths", "train_error", "gradient_norm"):
        assert theory[name] == pytest.approx(direct[name], abs=1e-6)


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ({"initial_strengths": (0.1, 0.3, 0.2)}, {"initial_strengths": (0.3, 0.2, 0.1)}),
        (
            {"initial": "unbalanced", "layer_strengths": (0.1, 0.3, 0.2, 0.4, 0.6, 0.5)},
            {"initial": "unbalanced", "layer_strengths": (0.3, 0.2, 0.1, 0.6, 0.5, 0.4)},
        ),
    ],
)
def test_what_is_given_for_each_mode_belongs_to_it_in_any_order(given: dict[str, Any], ordered: dict[str, Any]) -> None:
    one = DeepLinear(teacher_strengths=(1.0, 3.0, 2.0), samples=4, **given).curve("theory")
    other = DeepLinear(teacher_strengths=(3.0, 2.0, 1.0), samples=4, **ordered).curve("theory")
    assert np.array_equal(one.observables["strengths"], other.observables["strengths"])


MANY_INPUTS = "theory is of many inputs and outputs, up to terms of order 1/inputs"


@pytest.mark.parametrize(
    ("parameters", "remark"),
    [
        ({"alpha": 2, "noise": 1, "step": 0.01}, f"theory is gradient flow, the limit step → 0; {MANY_INPUTS}"),
        ({"alpha": 2, "noise": 1, "initial": "small", "step": 0.01}, None),
        ({"initial": "small", "depth": 3, "width": 2}, "width = 2 is a bottleneck: the weaker modes are never learnt"),
    ],
)
def test_nothing_is_said_of_a_theory_that_there_is_not(parameters: dict[str, Any], remark: str | None) -> None:
    assert DeepLinear(**parameters).remark() == remark


@pytest.mark.slow
def test_its_answers_agree() -> None:
    verdicts = check(DeepLinear, replicates=50)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []
    assert {verdict.comparison for verdict in verdicts} == {"direct = reduced", "reduced -> theory", "direct -> theory"}


def test_a_theory_that_is_off_by_a_millionth_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the check of simulations without scatter."""

    class Wrong(DeepLinear):
        name = "deep_linear"
        checks = (DeepLinear.checks[1],)

        def theory_curve(self) -> Any:
            found = super().theory_curve()
            found.observables["strengths"][:] *= 1 + 1e-5
            return found

    verdicts = check(Wrong, replicates=50)
    wrong = {verdict.observable.partition("[")[0] for verdict in verdicts if not verdict.agrees}
    assert wrong == {"strengths"}


def test_it_is_public() -> None:
    assert tsmech.DeepLinear is DeepLinear
