"""The system layer of online SGD: starts, schedules, refusals, and what all three answers share."""

import dataclasses
import functools
import pickle
from typing import Any

import numpy as np
import pytest

from tsmech import compare, run
from tsmech.errors import InputError
from tsmech.kernels.activations import Activation
from tsmech.problem.curve import Curve
from tsmech.problem.overlaps import Overlaps
from tsmech.problem.system import Convergence
from tsmech.systems.online_sgd import OnlineSGD

START = {"Q": [[0.3, 0.05], [0.05, 0.4]], "R": [[0.2, 0.05], [0.0, 0.25]]}


def test_all_answers_begin_at_the_same_overlaps() -> None:
    system = OnlineSGD(duration=2, samples=2, dimension=60, start_seed=5)
    first = [system.curve(answer, np.random.default_rng(1)) for answer in ("theory", "reduced", "direct")]
    for curve in first:
        np.testing.assert_allclose(curve.observables["Q"][0], first[0].observables["Q"][0], rtol=1e-12)
        np.testing.assert_allclose(curve.observables["R"][0], first[0].observables["R"][0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(curve.coordinates["alpha"], [0.0, 1.0, 2.0])
    assert not np.allclose(OnlineSGD(dimension=60, start_seed=6).start()[0], system.start()[0])


@pytest.mark.parametrize("activation", ["erf", "relu", "linear", "quadratic"])
def test_a_network_of_many_inputs_follows_the_theory(activation: str) -> None:
    """At N = 20 000 fluctuations of the chain's overlaps are a few parts in a thousand."""
    common = {"activation": activation, "initial": START, "noise": 0.1, "duration": 2, "samples": 2}
    rate = 0.05 if activation == "quadratic" else 0.1  # a doubled one must not diverge
    system = OnlineSGD(**common, learning_rate=rate, dimension=20_000)
    theory, reduced = system.curve("theory"), system.curve("reduced", np.random.default_rng(0))
    for name in ("Q", "R"):
        np.testing.assert_allclose(reduced.observables[name], theory.observables[name], atol=0.03)
    wrong = OnlineSGD(**common, learning_rate=2 * rate).curve("theory")
    assert np.abs(reduced.observables["R"] - wrong.observables["R"]).max() > 0.03, "a doubled rate must be seen"


@pytest.mark.parametrize("normalisation", ["1/sqrt(K)", "1/K"])
def test_a_normalisation_is_a_factor_of_the_outputs(normalisation: str) -> None:
    """With K = M it is the committee at a rate that the factor's square divides, its error times that square."""
    factor = {"1/sqrt(K)": 2**-0.5, "1/K": 0.5}[normalisation]
    common = {"initial": START, "duration": 3, "samples": 3, "second_layer_rate": 0.0}
    scaled = OnlineSGD(normalisation=normalisation, learning_rate=0.4 / factor**2, **common).curve("theory")
    plain = OnlineSGD(learning_rate=0.4, **common).curve("theory")
    np.testing.assert_allclose(scaled.observables["Q"], plain.observables["Q"], rtol=1e-6)
    np.testing.assert_allclose(
        scaled.observables["generalization_error"], factor**2 * plain.observables["generalization_error"], rtol=1e-6
    )


def test_the_denoising_start_is_the_teacher() -> None:
    system = OnlineSGD(student_units=5, initial="denoising", initial_scale=0.0, second_layer_rate=0.1, samples=1)
    assert system.curve("theory").observables["generalization_error"][0] < 1e-12


def test_steps_and_powers_of_the_learning_rate() -> None:
    steps = OnlineSGD(schedule={"alpha": [0, 5], "factor": [1, 0.1]}, learning_rate=0.5, samples=1)
    assert len(steps.curve("theory").coordinates["alpha"]) == 2
    common = {"initial": "informed", "noise": 0.3, "duration": 200, "samples": 1}
    power = OnlineSGD(schedule="power", decay_time=10, decay_power=1, **common)
    constant = OnlineSGD(**common)
    errors = [system.curve("theory").observables["generalization_error"][-1] for system in (power, constant)]
    assert errors[0] < 0.5 * errors[1]


def test_an_activation_of_ones_own_by_quadrature() -> None:
    own = Activation("linear", lambda x: 1.0 * x, lambda x: 1.0 + 0.0 * x)
    common = {"initial": START, "duration": 2, "samples": 2}
    mine = OnlineSGD(activation=own, **common).curve("theory").observables["generalization_error"]
    known = OnlineSGD(activation="linear", **common).curve("theory").observables["generalization_error"]
    np.testing.assert_allclose(mine, known, rtol=1e-6)


@pytest.mark.parametrize("student", ["erf", "relu", "linear", pytest.param("tanh", marks=pytest.mark.slow)])
def test_a_teacher_of_signs_is_learnt_in_all_answers(student: str) -> None:
    """Means of 20 draws at N = 400, within 4.5 standard errors and terms of order 1/N; a teacher of erfs is noticed."""
    common = {"student_activation": student, "noise": 0.1, "duration": 4, "samples": (2.0, 4.0), "dimension": 400}
    system = OnlineSGD(activation="sign", **common)
    predicted = system.curve("theory").observables["generalization_error"]
    other = OnlineSGD(activation="erf", **common).curve("theory").observables["generalization_error"]
    for answer in ("reduced", "direct"):
        errors = np.array([system.curve(answer, seed).observables["generalization_error"] for seed in range(20)])
        allowed = 4.5 * errors.std(axis=0) / 20**0.5 + 10 * predicted / 400
        assert (abs(errors.mean(axis=0) - predicted) < allowed).all()
        assert (abs(errors.mean(axis=0) - other) > allowed).any()


def test_a_student_of_signs_is_refused() -> None:
    with pytest.raises(InputError, match="activation 'sign' is not allowed for a student whose first layer is trained"):
        OnlineSGD(activation="sign")
    with pytest.raises(InputError, match="student_activation = sign is not allowed: it must be one of erf, relu"):
        OnlineSGD(student_activation="sign", activation="erf")


def test_all_answers_report_the_same_divergence() -> None:
    """One linear unit from defaults but η = 6: the answers said 0.55, 1.21 and 1.13.

    The weights outside the teacher grow, Q → (1 + 24 z²/N) Q in a step but for O(Q/N^{3/2}): ln Q gains 24 a unit of
    alpha, less 24² E[z⁴]/2N, with a variance of 24² · 2/N.  In alpha that is a delay of 36 alpha/N and a deviation of
    √(2 alpha/N); a step is 1/N.
    """
    for N in (1000, 20_000):
        system = OnlineSGD(
            activation="linear", student_units=1, teacher_units=1, learning_rate=6, dimension=N, duration=2, samples=2
        )
        predicted = system.curve("theory").diverged_at
        assert predicted == pytest.approx(0.55, abs=0.02)
        for answer in ("reduced", "direct"):
            reported = [system.curve(answer, np.random.default_rng(seed)).diverged_at for seed in range(4)]
            assert np.mean(reported) == pytest.approx(
                predicted * (1 + 36 / N), abs=4.5 * np.sqrt(2 * predicted / N / 4) + 36 / N**1.5 + 1 / N
            )
            if N > 1000:  # a negative control: a bound a hundred times as high is noticed
                assert np.mean(reported) < predicted + np.log(100) / 24 / 2


def test_too_large_a_rate_diverges_and_says_where() -> None:
    system = OnlineSGD(activation="linear", student_units=1, teacher_units=1, learning_rate=4, duration=100, samples=50)
    for answer in ("theory", "reduced", "direct"):
        curve = system.curve(answer, np.random.default_rng(0))
        assert curve.diverged_at is not None
        assert 0 < curve.diverged_at < 100
        assert len(curve.coordinates["alpha"]) < 51
        assert np.isfinite(curve.observables["generalization_error"]).all()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"student_units": 0}, "student_units = 0"),
        ({"activation": "swish"}, "activation = swish"),
        ({"dimension": 3}, "dimension = 3"),
        ({"batch": 0}, "batch = 0"),
        ({"initial": {"Q": [[1, 0.2], [0.1, 1]], "R": [[0, 0], [0, 0]]}}, "symmetric"),
        ({"initial": {"Q": [[1, 2], [2, 1]], "R": [[0, 0], [0, 0]]}}, "-1"),
        ({"initial": {"Q": [[1]], "R": [[0.5]]}}, r"initial has overlaps of \(1, 1\)"),
        ({"initial": {"S": [[1]]}}, "initial has no field S"),
        ({"initial": {"Q": [[True]], "R": [[0.5]]}}, "initial: Q is not allowed: it must be rows of numbers"),
        ({"initial": {"Q": [[1.0]], "R": [["0.5"]]}}, "initial: R is not allowed: it must be rows of numbers"),
        ({"initial": {"Q": np.eye(1, dtype=bool), "R": [[0.5]]}}, "initial: Q is not allowed"),
        ({"initial": "inform"}, "did you mean informed"),
        ({"teacher_second_layer": [1.0]}, "teacher_second_layer has 1"),
        ({"samples": [1.0, 200.0]}, "after the duration"),
        ({"schedule": {"alpha": [1], "factor": [1]}}, "must begin at 0"),
        ({"inputs": "nowhere.csv"}, "inputs = 'nowhere.csv'"),
    ],
)
def test_refusals_name_what_is_wrong(parameters: dict, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        OnlineSGD(**parameters)
    assert "\n" not in str(refused.value)


def test_inputs_from_a_file(tmp_path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.choice([-1.0, 1.0], size=(500, 30)))
    system = OnlineSGD(inputs=str(tmp_path / "x.npy"), dimension=30, duration=2, samples=1)
    assert np.isfinite(system.curve("direct", rng).observables["generalization_error"]).all()
    assert "approximate" in (system.remark() or "")
    with pytest.raises(InputError, match="has 30 columns"):
        OnlineSGD(inputs=str(tmp_path / "x.npy"), dimension=31)


def test_a_row_that_has_been_learnt_is_known(tmp_path) -> None:
    """The formula of the overlaps stayed at its first value; it is the error on Gaussian inputs."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((1, 50)))
    system = OnlineSGD(inputs=str(tmp_path / "x.npy"), dimension=50, duration=20, samples=4)
    found = system.direct(rng=0)
    assert found.generalization_error.iloc[-1] < 1e-20
    assert found.test_error.iloc[-1] < 1e-20
    assert found.gaussian_error.iloc[-1] == pytest.approx(found.gaussian_error[0], rel=0.2)
    theory = system.curve("theory").observables
    np.testing.assert_array_equal(theory["gaussian_error"], theory["generalization_error"])
    assert "gaussian_error" not in OnlineSGD(duration=2, samples=1).curve("theory").observables


def test_the_error_on_rows_is_that_of_their_covariance_for_a_linear_unit(tmp_path) -> None:
    """Rows 2 e_i in 16 directions have the covariance 1/4: a quarter of the Gaussian error, at all times."""
    np.save(tmp_path / "x.npy", 2.0 * np.eye(16))
    system = OnlineSGD(
        activation="linear", inputs=str(tmp_path / "x.npy"), dimension=16, duration=8, samples=4, noise=0.3
    )
    found = system.curve("direct", np.random.default_rng(2)).observables
    np.testing.assert_allclose(found["generalization_error"], found["gaussian_error"] / 4, rtol=1e-9)
    np.testing.assert_allclose(found["test_error"], found["generalization_error"] + 0.3**2 / 2, rtol=1e-12)


@pytest.mark.parametrize("inputs", ["binary", "uniform"])
def test_what_the_error_of_other_inputs_is_is_said(inputs: str) -> None:
    assert "errors of direct, too, are those of Gaussian inputs" in (OnlineSGD(inputs=inputs).remark() or "")
    with pytest.warns(UserWarning, match="assume Gaussian inputs"):
        OnlineSGD(inputs=inputs, duration=1, samples=1).theory()


def test_a_state_is_reported_at_its_own_alpha() -> None:
    """A step of 1000 examples at N = 100 takes 10; alpha = 1 to 10 all showed the state at 10."""
    system = OnlineSGD(dimension=100, batch=1000, duration=30, samples=30)
    for answer in ("theory", "reduced", "direct"):
        curve = system.curve(answer, np.random.default_rng(0))
        assert curve.coordinates["alpha"].tolist() == [0.0, 10.0, 20.0, 30.0]
    assert "batch/dimension = 10" in (system.remark() or "")
    odd = OnlineSGD(dimension=50, batch=3, duration=3, samples=40, spacing="log")
    times = odd.times()
    np.testing.assert_allclose(times * 50 / 3, np.rint(times * 50 / 3), rtol=1e-12)
    assert (np.diff(times) > 0).all()
    assert times[-1] == 3.0
    assert OnlineSGD(dimension=50, batch=4, duration=3.01, samples=1).times()[-1] == 2.96
    with pytest.raises(InputError, match="batch = 1000 is not allowed: the first step ends at 10"):
        OnlineSGD(dimension=100, batch=1000, duration=9.9)


def test_large_batches_are_gradient_descent_on_their_mean() -> None:
    """Equations 32 and 33, exact at every N and B: the mean of Q at the end of the first step and of the third."""
    N, B, rate, noise = 40, 100, 3.0, 0.4
    start = {"Q": [[0.6]], "R": [[0.2]]}
    system = OnlineSGD(
        student_units=1, teacher_units=1, activation="linear", learning_rate=rate, noise=noise, initial=start,
        dimension=N, batch=B, duration=8.0, samples=8,
    )  # fmt: skip
    q, r = 0.6, 0.2
    expected = []
    for _ in range(3):
        error = q - 2 * r + 1
        along = r - 1
        q += -2 * rate / N * (q - r) + rate**2 / N**2 / B * ((N + B + 1) * error + N * noise**2)
        r -= rate / N * along
        expected.append(q)
    assert system.times().tolist() == [0.0, 2.5, 5.0, 7.5]
    for answer in ("reduced", "direct"):
        draws = [system.curve(answer, np.random.default_rng(i)).observables["Q"][1:, 0, 0] for i in range(200)]
        mean, error = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(200)
        assert (np.abs(mean - expected) < 5 * error).all(), answer


def test_overlaps_default_to_an_orthonormal_teacher() -> None:
    _, _, T, v, A = Overlaps(**START).arrays()
    np.testing.assert_array_equal(T, np.eye(2))
    np.testing.assert_array_equal([v, A], np.ones((2, 2)))


@pytest.mark.slow
def test_the_plateau_lasts_half_a_logarithm_of_n() -> None:
    """Over ln N it lasts the inverse of twice the rate of equation (30), extrapolated to a vanishing learning rate."""
    from tsmech.theory.online_sgd import symmetric_plateau

    def per_logarithm(rate: float) -> float:
        times = [
            OnlineSGD(learning_rate=rate, initial_scale=0.01, dimension=N, duration=600 / rate, samples=(4000.0,))
            .theory_curve()
            .summaries["escape_time"]
            for N in (10**4, 10**5, 10**6)
        ]
        np.testing.assert_allclose(times[2] - times[1], times[1] - times[0], rtol=1e-3)  # a straight line in ln N
        return rate * float(times[2] - times[0]) / np.log(100)

    extrapolated = 2 * per_logarithm(0.05) - per_logarithm(0.1)  # what is left is of order 0.05 · 0.1
    np.testing.assert_allclose(extrapolated, 0.5 / symmetric_plateau(2).escape_rate, rtol=0.05 * 0.1)


def test_the_escape_is_where_specialization_passes_one_half() -> None:
    run = OnlineSGD(learning_rate=1.5, initial_scale=0.1, duration=60, samples=(120.0,))
    curve = run.theory_curve()
    time, special = float(curve.summaries["escape_time"]), curve.observables["specialization"]
    np.testing.assert_allclose(np.interp(time, curve.coordinates["alpha"], special), 0.5)
    assert (special[curve.coordinates["alpha"] < time] < 0.5).all()
    short = OnlineSGD(learning_rate=1.5, initial_scale=0.1, duration=5).theory_curve()
    assert np.isinf(short.summaries["escape_time"])
    informed = OnlineSGD(initial="informed", duration=1).theory_curve()
    assert informed.summaries["escape_time"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_the_check_catches_a_wrong_rate(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a chain with a rate that is a tenth off agrees with neither of the others."""
    exact = OnlineSGD.reduced_curve

    def scaled(self: OnlineSGD, rng: np.random.Generator) -> Curve:
        return exact(dataclasses.replace(self, learning_rate=factor * self.learning_rate), rng)

    monkeypatch.setattr(OnlineSGD, "reduced_curve", scaled)
    monkeypatch.setattr(OnlineSGD, "convergence", Convergence("dimension", (50, 200, 1000, 10_000)))
    verdicts = compare.check(OnlineSGD, replicates=200)
    for comparison in ("direct = reduced", "reduced -> theory"):
        assert all(v.agrees for v in verdicts if v.comparison == comparison) == (factor == 1.0), comparison


def test_a_teacher_second_layer_stands_beside_given_overlaps() -> None:
    """It was left out without a word where overlaps without an A were given."""
    units = {"student_units": 2, "teacher_units": 2, "duration": 1, "samples": 1, "dimension": 40}
    apart = OnlineSGD(initial=START, teacher_second_layer=(2.0, -1.0), **units)
    within = OnlineSGD(initial={**START, "A": [2.0, -1.0]}, **units)
    for answer in ("theory", "reduced", "direct"):
        pair = [system.curve(answer, np.random.default_rng(1)).observables for system in (apart, within)]
        np.testing.assert_array_equal(pair[0]["generalization_error"], pair[1]["generalization_error"])
    with pytest.raises(InputError, match="both given"):
        OnlineSGD(initial={**START, "A": [2.0, 1.0]}, teacher_second_layer=(2.0, -1.0), **units)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_three_answers_agree_for_units_that_are_sums(activation: str) -> None:
    """direct and reduced at N = 100 by 4.5 standard errors, and theory and reduced at N = 100 and 200, extrapolated.

    48 replicates; the extrapolation leaves 1/N² of order one, 1e-4, and multiplies standard errors by √5 at most.
    erf for tanh, and linear units for leaky ones, are noticed.
    """
    common: dict[str, Any] = {"initial": START, "learning_rate": 0.8, "noise": 0.2, "duration": 3, "samples": 3}

    def draws(answer: str, N: int, seed: int) -> dict[str, Any]:
        system = OnlineSGD(activation=activation, dimension=N, **common)
        found = [system.curve(answer, np.random.default_rng((seed, i))).observables for i in range(48)]
        return {name: np.array([each[name] for each in found]) for name in ("Q", "R", "generalization_error")}

    small, large, direct = draws("reduced", 100, 0), draws("reduced", 200, 1), draws("direct", 100, 2)
    theory = OnlineSGD(activation=activation, **common).curve("theory").observables
    wrong = {"tanh": "erf", "leaky_relu": "linear"}[activation]
    other = OnlineSGD(activation=wrong, **common).curve("theory").observables
    noticed = False
    for name, found in small.items():
        error = np.sqrt((found.var(axis=0, ddof=1) + direct[name].var(axis=0, ddof=1)) / 48)
        assert (abs(found.mean(axis=0) - direct[name].mean(axis=0)) <= 4.5 * error + 1e-12).all()
        limit = 2.0 * large[name].mean(axis=0) - found.mean(axis=0)
        error = np.sqrt((found.var(axis=0, ddof=1) + 4.0 * large[name].var(axis=0, ddof=1)) / 48)
        assert (abs(limit - theory[name]) <= 4.5 * error + 1e-4).all()
        noticed |= bool((abs(limit - other[name]) > 4.5 * error + 1e-4).any())
    assert noticed


@pytest.mark.slow  # compiles kernels of its own
def test_a_pair_of_functions_is_an_activation() -> None:
    """NumPy's own functions too; theory and simulations take the same pair."""
    common = {"initial": START, "learning_rate": 0.1, "duration": 2, "samples": 2, "dimension": 20_000}
    system = OnlineSGD(activation=(np.tanh, _slope_of_tanh), student_activation=(np.sin, np.cos), **common)
    assert isinstance(system.activation, Activation)
    assert system.activation.name == "tanh"
    theory, reduced = system.curve("theory"), system.curve("reduced", np.random.default_rng(0))
    np.testing.assert_allclose(reduced.observables["R"], theory.observables["R"], atol=0.03)
    assert pickle.loads(pickle.dumps(system)) == system
    swept = run(OnlineSGD, activation=(np.tanh, _slope_of_tanh), answers="theory", duration=1, samples=1)
    assert len(swept) == 2


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ((np.tanh,), "activation"),
        (np.tanh, r"activation = tanh is one function: give the pair \(g, g'\)"),
        ((lambda x: np.nan * x, np.cos), "g must be finite"),
        ((np.sin, lambda x: x[:2]), "slope must be finite numbers, one for each x"),
        ((np.sin, lambda x: float("none")), "slope must be a function of an array"),
        ((np.sin, np.sin), "is not the derivative of g"),
    ],
)
def test_functions_that_are_no_activation_are_refused(functions: tuple, says: str) -> None:
    """An activation that is no number had a generalization error of zero."""
    with pytest.raises(InputError, match=says):
        OnlineSGD(activation=functions)


def test_functions_that_cannot_go_where_they_are_needed_are_refused_in_a_line() -> None:
    system = OnlineSGD(activation=(lambda x: np.tanh(x), _slope_of_tanh), dimension=20)
    with pytest.raises(InputError, match="top level of a module"):
        pickle.dumps(system)
    opaque = OnlineSGD(activation=(functools.partial(np.multiply, 2.0), lambda x: 2.0 + 0.0 * x), dimension=20)
    with pytest.raises(InputError, match="cannot be compiled by Numba") as refused:
        opaque.curve("reduced", np.random.default_rng(0))
    assert "\n" not in str(refused.value)


def _slope_of_tanh(x):
    return 1.0 / np.cosh(x) ** 2


@pytest.mark.slow  # compiles kernels of its own
def test_an_activation_that_overflows_diverges_and_says_where() -> None:
    """The ODEs went on with a state that was no number, of error zero."""
    system = OnlineSGD(activation=(np.exp, np.exp), learning_rate=1.0, duration=2, samples=2, dimension=20)
    for answer in ("theory", "reduced", "direct"):
        curve = system.curve(answer, np.random.default_rng(0))
        assert curve.diverged_at is not None
        assert curve.coordinates["alpha"].tolist() == [0.0]
        assert curve.diverged_at < 1.0


def test_relu_units_without_weights_start_from_the_limit_of_small_ones() -> None:
    """Scales 10⁻⁴ and 10⁻⁶ differ from it by as much; a frozen unit has .4097 and .1244 at alpha = 1 and 50."""
    common = {"activation": "relu", "duration": 50, "samples": (1.0, 50.0)}
    error = OnlineSGD(**common, initial_scale=0).curve("theory").observables["generalization_error"]
    np.testing.assert_allclose(error, [0.39329, 0.09518], atol=1e-5)
    for scale in (1e-4, 1e-6):
        small = OnlineSGD(**common, initial_scale=scale).curve("theory").observables["generalization_error"]
        np.testing.assert_allclose(error, small, atol=scale)
    short = OnlineSGD(activation="relu", duration=1, samples=(1.0,), initial_scale=0, dimension=1000)
    for answer in ("reduced", "direct"):
        curves = [short.curve(answer, np.random.default_rng(seed)) for seed in range(40)]
        errors = np.array([curve.observables["generalization_error"][-1] for curve in curves])
        bias = 5 / 1000  # 1/N, relative to errors of 0.4
        assert abs(errors.mean() - error[0]) < 4.5 * errors.std() / 40**0.5 + bias
        assert all((np.diag(curve.observables["Q"][-1]) > 0.01).all() for curve in curves)
    given = OnlineSGD(**common, initial={"Q": np.zeros((2, 2)).tolist(), "R": np.zeros((2, 2)).tolist()})
    np.testing.assert_allclose(given.curve("theory").observables["generalization_error"], error, atol=1e-6)
    still = OnlineSGD(**common, initial_scale=0, second_layer_rate=0.5)  # v = 0 as well: nothing moves
    assert np.ptp(still.curve("theory").observables["generalization_error"]) < 1e-12


def test_random_labels_shrink_the_student_in_all_answers() -> None:
    """T = 0: theory is 2.25e-5 at alpha = 50; simulations of N = 1000 spread about it by their standard error."""
    nothing = np.zeros((2, 2)).tolist()
    system = OnlineSGD(
        learning_rate=0.1,
        duration=50,
        samples=(50.0,),
        initial={"Q": [[0.5, 0.0], [0.0, 0.4]], "R": nothing, "T": nothing},
    )
    theory = system.curve("theory").observables["generalization_error"][-1]
    assert theory == pytest.approx(2.25e-5, rel=0.01)
    curves = [system.curve("reduced", np.random.default_rng(seed)) for seed in range(30)]
    errors = np.array([curve.observables["generalization_error"][-1] for curve in curves])
    assert abs(errors.mean() / theory - 1) < 4.5 * errors.std() / 30**0.5 / theory + 5 / 1000


def test_a_run_of_ten_million_is_short_where_nothing_moves() -> None:
    """ε_g is at rounding from alpha = 10⁴ on; the times after that have it too, and never exactly 0."""
    curve = OnlineSGD(duration=1e7, samples=(1e4, 1e5, 1e7)).curve("theory")
    assert (curve.observables["generalization_error"] > 0).all()
    assert (curve.observables["generalization_error"] < 1e-24).all()


@pytest.mark.parametrize("activation", ["relu", pytest.param("erf", marks=pytest.mark.slow)])
def test_theory_falls_as_the_chain_does_far_below_the_rounding_of_overlaps(activation: str) -> None:
    """ReLU to 4e-12 at alpha = 200: log ε_g of ten chains of N = 4000, from their coordinates, 4.5 standard errors."""
    from tsmech.kernels.activations import BUILT_IN
    from tsmech.kernels.rule import Rule
    from tsmech.kernels.schedules import constant
    from tsmech.sims.online_sgd import run_reduced
    from tsmech.theory.fields.deviations import small_square
    from tsmech.theory.online_sgd import integrate

    start = np.diag([0.9, 1.1]), np.array([[0.8, 0.1], [0.1, 0.9]]), np.eye(2), np.ones(2), np.ones(2)
    rule, alphas = Rule(activation, activation, constant(0.5)), [100.0, 200.0]
    theory = integrate(*start, rule, alphas).generalization_error
    c, tag, logs = np.array([1.0, 1.0, -1.0, -1.0]), BUILT_IN[activation].tag, []
    for seed in range(10):
        chain = run_reduced(*start, rule, alphas, dimension=4000, rng=np.random.default_rng(seed))
        units_of = [np.concatenate([student, chain.teacher]) for student in chain.student]
        logs.append([np.log(0.5 * small_square(W, c, 2, tag, tag)) for W in units_of])
    difference = np.mean(logs, axis=0) - np.log(theory)
    assert (abs(difference) < 4.5 * np.std(logs, axis=0) / 10**0.5 + 20 / 4000).all()
