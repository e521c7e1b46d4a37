"""The system layer of sample reuse: what its answers share, when theory predicts and when it is an envelope."""

import numpy as np
import pytest

from tests.commands import command
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.machine import memory
from tsmech.plots import draw
from tsmech.problem.curve import Curve
from tsmech.systems.gradient_flow import GradientFlow
from tsmech.systems.online_sgd import OnlineSGD
from tsmech.systems.sample_reuse import LINEAR, START, SampleReuse


def mean_of(system: SampleReuse, name: str, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of an observable over draws and its standard error."""
    found = np.array([system.curve("direct", np.random.default_rng(i)).observables[name] for i in range(draws)])
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(draws)


@pytest.mark.parametrize("order", ["without", "with", "full"])
def test_both_answers_begin_at_the_same_overlaps(order: str) -> None:
    system = SampleReuse(alpha=2, order=order, duration=2, samples=2, dimension=60, start_seed=5, noise=0.3)
    theory, direct = system.curve("theory"), system.curve("direct", np.random.default_rng(1))
    assert set(direct.observables) == set(theory.observables)
    assert set(direct.summaries) == set(theory.summaries) == set(system.observables) - set(theory.observables)
    for name in ("Q", "R", "v", "generalization_error", "test_error"):
        np.testing.assert_allclose(direct.observables[name][0], theory.observables[name][0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(direct.coordinates["epoch"], [0.0, 1.0, 2.0])


@pytest.mark.parametrize("normalisation", ["1/sqrt(K)", "1/K"])
def test_a_normalisation_is_a_factor_of_the_outputs(normalisation: str) -> None:
    factor = {"1/sqrt(K)": 2**-0.5, "1/K": 0.5}[normalisation]
    common = {"alpha": 2, "duration": 3, "samples": 3, "dimension": 50}
    scaled = SampleReuse(normalisation=normalisation, learning_rate=0.4 / factor**2, **common)
    plain = SampleReuse(learning_rate=0.4, **common)
    one, two = (system.curve("direct", np.random.default_rng(3)).observables for system in (scaled, plain))
    np.testing.assert_allclose(one["Q"], two["Q"], rtol=1e-5)  # inputs in single precision
    np.testing.assert_allclose(one["train_error"], factor**2 * two["train_error"], rtol=1e-5)


def test_the_envelope_is_one_pass_sgd_at_the_examples_seen() -> None:
    common = {"noise": 0.4, "second_layer_rate": 0.2, "batch": 3, "samples": 4, "weight_decay": 0.1}
    reuse = SampleReuse(alpha=5, duration=8, **common)
    online = OnlineSGD(duration=40, **common)
    one, two = reuse.curve("theory"), online.curve("theory")
    for name in ("Q", "R", "v", "generalization_error"):
        np.testing.assert_allclose(one.observables[name], two.observables[name], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(one.observables["train_error"], one.observables["test_error"])
    assert "envelope" in (reuse.remark() or "")
    assert "envelope" in reuse.answer_label("theory")
    assert reuse.answer_label("direct") == "direct"


def test_the_legend_says_what_the_theory_is() -> None:
    """An envelope, small steps, or theory without a qualifier; where points of one run differ, each is named."""

    def legend(**parameters: object) -> list[str]:
        experiment = build("sample_reuse", parameters, answers="theory,direct", replicates=1)
        places = [{name: getattr(point, name) for name in experiment.axes} for point in experiment.points()]
        rows = [
            {"answer": answer, "epoch": k, "test_error": 1.0, "test_error_sem": None, "replicates": 1, **axes}
            for axes in places for answer in ("theory", "direct") for k in (0.0, 1.0)
        ]  # fmt: skip
        (found,) = draw(experiment, rows, y=["test_error"]).legends
        return [text.get_text() for text in found.get_texts()]

    assert legend(alpha=2)[:2] == ["theory for α → ∞ (envelope)", "direct, one network"]
    assert legend(alpha=2, order="full", duration=1, samples=1)[0] == "theory"
    assert legend(alpha=2, order="with", **LINEAR)[:2] == ["theory", "direct, one network"]
    assert legend(alpha=2, order=["with", "without"], **LINEAR)[0] == "theory; theory for small steps"


@pytest.mark.parametrize(
    ("order", "activation"),
    [
        ("without", "erf"),
        pytest.param("without", "tanh", marks=pytest.mark.slow),
        pytest.param("without", "leaky_relu", marks=pytest.mark.slow),
    ],
)
def test_the_envelope_is_reached_at_large_alpha(order: str, activation: str) -> None:
    """Few epochs of very many examples; at alpha = 1 the training error is far below.

    Leaky units are compared at the ends: they leave a plateau near epoch 1, each network at a time of its own.
    """
    common = {"order": order, "noise": 0.3, "samples": 2, "dimension": 300, "initial_scale": 0.5, "start_seed": 2}
    common |= {"activation": activation}
    many = SampleReuse(alpha=60, duration=2, **common)
    theory, direct = many.curve("theory").observables, many.curve("direct", np.random.default_rng(0)).observables
    shown = [0, -1] if activation == "leaky_relu" else slice(None)
    for name in ("test_error", "train_error"):
        np.testing.assert_allclose(direct[name][shown], theory[name][shown], rtol=0.08)
    few = SampleReuse(alpha=1, duration=100, **common)
    assert (
        few.curve("direct", np.random.default_rng(0)).observables["train_error"][-1] < 0.5 * theory["train_error"][-1]
    )


@pytest.mark.parametrize("order", ["full", "without"])
def test_a_linear_unit_follows_gradient_flow(order: str) -> None:
    """The curves of gradient_flow: t = η·epoch in steps of η, and t = η·alpha·epoch/B without steps."""
    alpha, rate = 2.0, 0.5
    common = {**LINEAR, "alpha": alpha, "noise": 0.5, "samples": (5.0, 20.0), "duration": 20.0, "learning_rate": rate}
    system = SampleReuse(order=order, initial={"Q": [[0.25]], "R": [[0.0]]}, **common)
    stretch = rate if order == "full" else rate * alpha
    step = {"step": rate} if order == "full" else {}
    flow = GradientFlow(
        alpha=alpha, noise=0.5, initial_scale=0.5, duration=20 * stretch, samples=(5 * stretch, 20 * stretch), **step
    )
    one, two = system.curve("theory").observables, flow.curve("theory").observables
    for name in ("test_error", "train_error"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-10)
    np.testing.assert_allclose(one["Q"][:, 0, 0], two["weight_norm"], rtol=1e-10)


@pytest.mark.parametrize(("order", "rate"), [("with", 6.0), ("full", 3.0)])
def test_theory_and_network_report_the_same_divergence(order: str, rate: float) -> None:
    """With replacement ln Q fluctuates as in one pass: its deviation in epochs is about √(2 k/P) after k epochs.

    Gradient descent is a whole number of epochs, of which a training set differs by one at most.
    """
    system = SampleReuse(
        **LINEAR, alpha=2.0, order=order, learning_rate=rate, noise=0.5, dimension=1000, duration=200, samples=4
    )
    predicted = system.curve("theory").diverged_at
    reported = [system.curve("direct", seed).diverged_at for seed in range(4)]
    assert predicted is not None
    allowed = 1.0 if order == "full" else 4.5 * np.sqrt(2 * predicted / system.examples / 4) + 36 / 1000 * predicted
    assert abs(np.mean(reported) - predicted) < allowed


def test_small_steps_without_replacement_follow_the_flow() -> None:
    """At η = 0.02 within 3 %; at η = 0.8 the noise of SGD, which the flow leaves out, is seen."""
    common = {**LINEAR, **START, "alpha": 2.0, "dimension": 400, "samples": (100.0, 200.0)}
    small = SampleReuse(learning_rate=0.02, duration=200, **common)
    errors, theory = mean_of(small, "test_error", 10), small.curve("theory").observables["test_error"]
    np.testing.assert_allclose(errors[0], theory, rtol=0.03)
    large = SampleReuse(learning_rate=0.8, duration=5, **(common | {"samples": (2.5, 5.0)}))
    found = mean_of(large, "test_error", 10)
    assert (found[0] > 1.05 * large.curve("theory").observables["test_error"]).all()
    assert "small steps" in (large.remark() or "")
    assert SampleReuse(order="with", **common, duration=200).remark() is None


def test_the_first_epoch_without_replacement_is_exact() -> None:
    """All observables against the mean of networks, corrections 5/N allowed; gradient flow had 0.588 and 0.492."""
    system = SampleReuse(
        **LINEAR, alpha=1, noise=0.5, learning_rate=1.5, initial={"Q": [[1.0]], "R": [[0.0]]},
        duration=1, samples=(0.5, 1.0), dimension=500,
    )  # fmt: skip
    theory = system.curve("theory").observables
    np.testing.assert_allclose(theory["test_error"], [0.9296, 0.7952], atol=5e-5)
    for name in ("test_error", "train_error", "Q", "R"):
        mean, error = mean_of(system, name, 60)
        assert (np.abs(mean - theory[name]) < 5 * error + 5 / 500).all(), name
    assert system.remark() is None
    assert system.answer_label("theory") == "theory"


def test_what_later_epochs_leave_out_is_said() -> None:
    """Above the critical rate theory went on to 0.66, where the network diverges."""
    common = {**LINEAR, "alpha": 1, "noise": 0.5, "initial": {"Q": [[1.0]], "R": [[0.0]]}}
    times = {"duration": 20, "samples": (1.0, 20.0)}
    system = SampleReuse(**common, **times, learning_rate=1.5)
    assert "leaves out the noise of SGD, a share of order learning_rate/batch = 1.5" in (system.remark() or "")
    with pytest.warns(UserWarning, match="leaves out the noise of SGD"):
        system.theory()
    wild = SampleReuse(**common, **times, learning_rate=2.1)
    curve = wild.curve("theory")
    assert curve.coordinates["epoch"].tolist() == [1.0]
    assert curve.diverged_at == 1.0
    assert "SGD is unstable at learning_rate = 2.1" in (wild.remark() or "")
    network = wild.curve("direct", np.random.default_rng(0))
    assert network.diverged_at is not None or network.observables["test_error"][-1] > 10
    assert "exact in the first epoch, but for the training error" in (SampleReuse(alpha=2, duration=1).remark() or "")


@pytest.mark.parametrize("order", ["without", "with", "full"])
def test_a_state_is_reported_at_its_own_epoch(order: str) -> None:
    system = SampleReuse(alpha=2, order=order, duration=3, samples=12, dimension=20, batch=1 if order == "full" else 25)
    expected = [0.0, 1.0, 2.0, 3.0] if order == "full" else [0.0, 0.625, 1.25, 1.875, 2.5]
    for answer in ("theory", "direct"):
        at = system.curve(answer, np.random.default_rng(0)).coordinates["epoch"]
        assert at is not None
        assert at.tolist() == expected
    assert ("batch/dimension = 1.25" in (system.remark() or "")) == (order != "full")
    if order == "full":
        with pytest.raises(InputError, match="the first step ends at 1"):
            SampleReuse(alpha=2, order=order, duration=0.9)


def test_a_teacher_without_weights_is_noise_alone() -> None:
    start = {"Q": [[0.5]], "R": [[0.0]], "T": [[0.0]]}
    for order in ("without", "full"):
        found = SampleReuse(**LINEAR, alpha=2, order=order, initial=start, noise=0.4, duration=1, samples=1).curve(
            "theory"
        )
        np.testing.assert_allclose(found.observables["generalization_error"][0], 0.25)


def test_a_linear_unit_of_any_teacher_and_second_layer() -> None:
    """v = -0.7 and a teacher with T = 2 and A = 0.8: theory against the mean of draws."""
    start = {"Q": [[0.9]], "R": [[-0.5]], "T": [[2.0]], "v": [-0.7], "A": [0.8]}
    system = SampleReuse(
        **LINEAR, initial=start, noise=0.4, alpha=1.5, order="with", learning_rate=1.0, weight_decay=0.1,
        duration=4, samples=(1.0, 4.0), dimension=600,
    )  # fmt: skip
    theory = system.curve("theory").observables
    for name in ("test_error", "train_error", "Q", "R"):
        mean, error = mean_of(system, name, 40)
        assert (np.abs(mean - theory[name]) < 5 * error + 5 / 600).all(), name


@pytest.mark.slow
def test_the_check_agrees_and_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The declared check passes; with the fluctuations of SGD left out of the theory it fails."""
    monkeypatch.setattr(SampleReuse, "checks", (SampleReuse.checks[0], SampleReuse.checks[-1]))
    assert all(verdict.agrees for verdict in check(SampleReuse, replicates=100, seed=1))
    correct = SampleReuse.theory_curve

    def without_noise(self: SampleReuse, rng: np.random.Generator) -> Curve:
        return correct(SampleReuse(**{**self.values(), "order": "without"}) if self.order == "with" else self, rng)

    monkeypatch.setattr(SampleReuse, "theory_curve", without_noise)
    found = check(SampleReuse, replicates=100, seed=1)
    assert {verdict.agrees for verdict in found if "with" in verdict.point} == {True, False}
    assert all(verdict.agrees for verdict in found if "full" in verdict.point)


@pytest.mark.parametrize("order", ["with", "full"])
def test_too_large_a_rate_diverges_and_says_at_which_epoch(order: str) -> None:
    system = SampleReuse(**LINEAR, alpha=1, order=order, learning_rate=4, duration=200, samples=100, dimension=100)
    for answer in ("theory", "direct"):
        curve = system.curve(answer, np.random.default_rng(0))
        assert curve.diverged_at is not None
        assert 0 < curve.diverged_at < 200
        assert 0 < len(curve.coordinates["epoch"]) < 101
        assert curve.coordinates["epoch"][-1] <= curve.diverged_at
        assert np.isfinite(curve.observables["train_error"]).all()


# What must come out --------------------------------------------------------------------------------------------


def test_noise_is_memorised_and_the_test_error_turns() -> None:
    """Overtraining: the training error falls on, the best time is early; without noise hardly anything is lost."""
    common = {"duration": 200, "samples": 40, "dimension": 200}
    noisy = SampleReuse(alpha=1.5, noise=0.7, **common).curve("direct", np.random.default_rng(0))
    assert noisy.summaries["early_stopping_time"] < 20
    assert noisy.summaries["final_error"] > 1.2 * noisy.summaries["early_stopping_error"]
    train = noisy.observables["train_error"]
    assert train[-1] < 0.3 * 0.7**2 / 2
    assert train[-1] < train[20] < train[5]
    clean = SampleReuse(alpha=8, noise=0.0, **common).curve("direct", np.random.default_rng(0)).summaries
    assert clean["final_error"] < 1.02 * clean["early_stopping_error"]


def test_the_gap_between_test_and_training_error_closes_with_alpha() -> None:
    common = {"noise": 0.5, "duration": 30, "samples": 1, "dimension": 150}
    gaps = []
    for alpha in (2, 8, 32):
        found = SampleReuse(alpha=alpha, **common).curve("direct", np.random.default_rng(0)).observables
        gaps.append(found["test_error"][-1] - found["train_error"][-1])
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


def test_the_peak_is_where_weights_meet_examples() -> None:
    """One linear unit without fluctuations peaks at alpha = 1, its weights over N; theory and network."""
    common = {**LINEAR, "order": "full", "noise": 0.5, "duration": 3000, "samples": 1, "dimension": 100}
    alphas = (0.5, 1.0, 2.0)
    for answer in ("theory", "direct"):
        errors = [
            SampleReuse(alpha=alpha, learning_rate=0.3, **common)
            .curve(answer, np.random.default_rng(0)).observables["test_error"][-1]
            for alpha in alphas
        ]  # fmt: skip
        assert errors[1] > 2 * max(errors[0], errors[2])


# Refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--alpha 0", "alpha = 0 is not allowed: it must be a number above 0"),
        ("", "sample_reuse needs alpha"),
        ("--alpha 2 --order sorted", "order = sorted is not allowed: it must be one of without, with, full, sampled"),
        ("--alpha 2 --order full --batch 4", "batch = 4 is not allowed with order = full"),
        ("--alpha 2 --order sampled --batch 4", "batch = 4 is not allowed with order = sampled"),
        ("--alpha 2 --order sampled --batch-share 0", "batch_share = 0 is not allowed: it must be above 0"),
        ("--alpha 2 --order sampled --batch-share 1.5", "batch_share = 1.5 is not allowed"),
        ("--alpha 2 --batch-share 0.5", "batch_share = 0.5 has no effect with order = without"),
        ("--alpha 2 --order full --duration 5000 --answers theory", "5000 full steps of 2 units are too many"),
        ("--alpha 0.5 --dimension 40 --batch 21", "batch = 21 is not allowed: the training set has 20 examples"),
        ("--alpha 2 --dimension 3", "dimension = 3 is not allowed"),
        ("--alpha 2 --duration 0", "duration = 0 is not allowed"),
        ("--alpha 2 --samples 1,300", "after the duration"),
        ("--alpha 2 --learning-rate -1", "learning_rate = -1 is not allowed"),
        ("--alpha 2 --activation swish", "activation = swish is not allowed"),
        ("--alpha 2 --teacher-second-layer 1", "teacher_second_layer has 1"),
        ("--alpha 2 --answers reduced", "sample_reuse has no reduced answer"),
        ("--alpha 1e6 --dimension 1000000 --answers direct", "takes 4e+06 TB of memory"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(words: str, says: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("run", "sample_reuse", *words.split(), "--out", "out")
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_memory_is_checked_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 3_000_000)
    system = SampleReuse(alpha=10, dimension=500)
    assert "5000 x 500 numbers takes 10.1 MB of memory, 3 MB are available" in (system.obstacle("direct") or "")
    assert system.obstacle("theory") is None
    assert SampleReuse(alpha=1, dimension=500).obstacle("direct") is None
    large = SampleReuse(alpha=10, dimension=500, order="full", duration=20)
    assert "the inputs of 5000 examples along the directions of 20 steps takes" in (large.obstacle("reduced") or "")
    assert "are available: lower alpha, dimension or duration" in (large.obstacle("reduced") or "")
    long = SampleReuse(alpha=10, dimension=500, order="full", duration=1000)
    assert "paths of 1000 steps takes 567 MB of memory" in (long.obstacle("theory") or "")
    assert "3 MB are available" in (system.remark() or "")
    with pytest.raises(InputError, match="are available"):
        system.curve("direct", np.random.default_rng(0))
