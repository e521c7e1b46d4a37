"""Wide networks as a system: what is refused, what is shared, and the powers with which networks approach the limit."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tsmech import WideNetwork
from tsmech.errors import InputError
from tsmech.systems import wide_network

SMALL: dict[str, Any] = {"examples": 8, "dimension": 5, "test_examples": 20, "probes": 2}


def test_examples() -> None:
    assert doctest.testmod(wide_network) == (0, 3)


def test_theory_does_not_depend_on_the_width_and_replicates_share_the_data() -> None:
    common = {**SMALL, "samples": [0, 5], "duration": 5, "centred": True}
    assert WideNetwork(**common, width=200).theory().equals(WideNetwork(**common, width=800).theory())
    draws = [WideNetwork(**common, width=30).direct(rng=i) for i in range(2)]
    assert draws[0].train_error[0] == draws[1].train_error[0]
    assert draws[0].train_error[1] != draws[1].train_error[1]
    other = WideNetwork(**common, data_seed=1)
    assert other.theory().train_error[0] != WideNetwork(**common).theory().train_error[0]


def slopes(widths: list[int], **parameters: Any) -> dict[str, tuple[float, float]]:
    """Return the power of the width with which each quantity falls, by weighted least squares, and its error."""
    names = ("kernel_change", "distance", "kernel_deviation", "weight_change", "limit_distance")
    logs, errors = {name: [] for name in names}, {name: [] for name in names}
    for width in widths:
        system = WideNetwork(width=width, **parameters)
        draws = [system.direct(rng=i).iloc[-1] for i in range(16)]
        for name in names:
            values = np.array([draw[name] for draw in draws])
            logs[name].append(np.log(values.mean()))
            errors[name].append(values.std(ddof=1) / values.mean() / np.sqrt(len(values)))
    found = {}
    for name in names:
        weight = 1 / np.array(errors[name]) ** 2
        x = np.log(widths) - weight @ np.log(widths) / weight.sum()
        spread = weight @ x**2
        found[name] = (float(weight * x @ np.array(logs[name]) / spread), float(spread**-0.5))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "layers"), [("erf", 1), ("erf", 2)])
def test_networks_approach_the_limit_with_the_right_powers(activation: str, layers: int) -> None:
    """-1 for the change of the kernel and the nonlinearity, -1/2 for what the first weights decide.

    Within four standard errors of the fit and the correction of relative order 1/n that widths of at least 64 leave.
    """
    parameters = {"activation": activation, "hidden_layers": layers, "centred": True, "samples": [10.0, 30.0]}
    found = slopes([64, 128, 256], **parameters, duration=30, examples=10)
    powers = {"kernel_change": -1.0, "distance": -1.0, "kernel_deviation": -0.5, "weight_change": -0.5,
              "limit_distance": -0.5}  # fmt: skip
    for name, power in powers.items():
        slope, error = found[name]
        assert error < 0.1, name
        assert abs(slope - power) < 4 * error + 0.05, (name, slope, error)
    assert abs(found["kernel_change"][0] + 0.5) > 4 * found["kernel_change"][1]  # the bound is not what is seen


@pytest.mark.slow
def test_narrow_networks_end_apart_and_wide_ones_on_the_line() -> None:
    common = {**SMALL, "examples": 20, "teacher": "square", "centred": True, "samples": [0, 30, 200], "duration": 200}
    common |= {"activation": "relu", "weight_variance": 2.0}
    line = WideNetwork(**common).theory().train_error.to_numpy()
    spreads = {}
    for width in (2, 256):
        draws = np.array([WideNetwork(**common, width=width).direct(rng=i).train_error for i in range(10)])
        spreads[width] = abs(draws - line)[:, 1:].mean()
        ends = draws[:, -1]
        assert ((ends > 100 * line[-1]) == (width == 2)).all()
    assert spreads[2] > 20 * spreads[256]


def test_rich_networks_learn_the_similarity_of_the_labels_and_lazy_ones_keep_theirs() -> None:
    common = {"examples": 60, "dimension": 10, "centred": True, "samples": [0, 100], "duration": 100, "width": 200}
    system = {scale: WideNetwork(**common, probes=8, output_scale=scale) for scale in (0.02, 20.0)}
    targets = system[20.0].problem().targets[:8]
    alike = np.sign(np.outer(targets, targets))[np.triu_indices(8, 1)]
    gains = {}
    for scale, one in system.items():
        curve = one.curve("direct", np.random.default_rng(0))
        start, end = (H[np.triu_indices(8, 1)] for H in curve.observables["similarity"])
        gains[scale] = float(np.mean(alike * (end - start)))
    assert gains[0.02] > 0.05
    assert abs(gains[20.0]) < 0.002
    assert system[0.02].remark() is not None
    assert "of order one" in str(system[0.02].remark())
    assert system[20.0].remark() is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"output_scale": 0}, "output_scale = 0 is not allowed: it must be a number above 0"),
        ({"output_scale": -1}, "output_scale = -1 is not allowed"),
        ({"width": 0}, "width = 0"),
        ({"hidden_layers": 0}, "hidden_layers = 0"),
        ({"weight_variance": 0}, "weight_variance = 0"),
        ({"probes": 30, "test_examples": 20}, "probes = 30 is not allowed: there are 20 test_examples"),
        ({"columns": "0"}, "columns = 0 has no effect with inputs = gaussian"),
        ({"inputs": "nowhere.csv"}, "nowhere.csv"),
        ({"teacher": "product", "dimension": 1}, "dimension = 1 is not allowed with teacher = product"),
        ({"step": 1e-9}, "step = 1e-09 is not allowed: duration = 300 takes more than 1e"),
        ({"weight_variance": 1e9}, "weight_variance = 1000000000 is not allowed"),
        ({"activation": "sign"}, "activation = sign is not allowed"),
    ],
)
def test_bad_input_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WideNetwork(**parameters)


def test_a_long_simulation_is_announced() -> None:
    """By the gradients times thousands of weights and examples, where these are many."""
    assert WideNetwork(duration=1000.0, step=0.5, width=4).simulation_steps() == 2000 * 500
    wide = WideNetwork(duration=1000.0, step=0.5, examples=50, width=1000, hidden_layers=2)
    assert wide.simulation_steps() == pytest.approx(2000 * 50 * 1012)
    flow = WideNetwork(duration=1000.0, examples=50, width=1000, hidden_layers=2)
    assert wide.simulation_steps() < flow.simulation_steps() < 10 * wide.simulation_steps()


def test_a_table_of_inputs(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    np.savetxt(file, np.random.default_rng(0).standard_normal((30, 4)), delimiter=",")
    given = {**SMALL, "dimension": None, "inputs": str(file)}
    assert WideNetwork(**given).dimension == 4
    assert np.isfinite(WideNetwork(**given, width=20, samples=[0, 1], duration=1).direct(rng=0).test_error).all()
    narrow = WideNetwork(**{**given, "dimension": 2})
    assert narrow.problem().inputs.shape == (28, 2)
    with pytest.raises(InputError, match=r"dimension = 5 is not allowed: inputs = .* has 4 columns"):
        WideNetwork(**{**given, "dimension": 5})
    with pytest.raises(InputError, match="has 30 rows: examples = 25 and test_examples = 20 need 45"):
        WideNetwork(**{**given, "examples": 25})
    said = command("run", "wide_network", "--inputs", file, "--dimension", 5, "--out", tmp_path / "run")
    assert said.code == 2
    assert "has 4 columns" in said.err.strip().splitlines()[-1]


def test_spherical_inputs_have_one_length() -> None:
    X = WideNetwork(**SMALL, inputs="spherical").problem().inputs
    np.testing.assert_allclose((X**2).sum(axis=1), 5.0)


def test_a_step_that_is_not_stable_has_no_theory_and_a_narrow_network_that_diverges_a_status() -> None:
    system = WideNetwork(**SMALL, step=50.0, duration=2000, samples=[0, 2000], width=3, activation="relu")
    assert "stable up to" in str(system.lacks("theory"))
    curve = system.curve("direct", np.random.default_rng(0))
    assert curve.stop is not None
    assert curve.stop.reason == "diverged"
    assert WideNetwork(**SMALL, step=0.1).lacks("theory") is None


def test_a_network_that_answers_to_nothing_has_a_kernel_that_does_not_change() -> None:
    silent = WideNetwork(
        **SMALL, weight_variance=1e-90, bias_variance=0.0, activation="relu", samples=[0, 1], duration=1
    )
    found = silent.direct(rng=0)
    assert (found.kernel_change == 0).all()
    assert (found.kernel_deviation == 0).all()


def test_what_does_not_fit_into_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_network, "shortage", lambda needed, what: f"{what} takes too much")
    with pytest.raises(InputError, match=r"training of 1\.0012e\+08 weights on 20 examples takes too much"):
        WideNetwork(width=10_000, hidden_layers=2).direct(rng=0)
    with pytest.raises(InputError, match="kernels of 220 inputs takes too much"):
        WideNetwork().theory()


@pytest.mark.slow
def test_the_check_finds_no_disagreement() -> None:
    verdicts = tsmech.check(WideNetwork, replicates=100)
    assert all(verdict.agrees for verdict in verdicts)
    assert {"train_error", "output[0]", "output_square[1]", "similarity[0, 1]"} <= {v.observable for v in verdicts}
