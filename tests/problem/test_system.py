"""What a point's key depends on, what its answers look like, and that every system keeps the contract."""

import dataclasses
import hashlib
import inspect
import itertools
import json
import math
import pickle
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gauge import Gauge, Walk
from tsmech.engine import perform
from tsmech.errors import InputError
from tsmech.experiment import Task
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.system import System, predictions, simulations
from tsmech.systems import REGISTRY, find
from tsmech.systems.gradient_flow import GradientFlow
from tsmech.systems.online_sgd import OnlineSGD
from tsmech.systems.ridge import Ridge
from tsmech.systems.sample_reuse import SampleReuse


def test_bad_parameters_are_refused_where_the_system_is_built() -> None:
    with pytest.raises(InputError, match="noise = -1 is not allowed"):
        Gauge(level=1.0, noise=-1)
    with pytest.raises(InputError, match="level = '1' is not allowed"):
        Gauge(level="1")
    for several in ([1, 2], (1.0,), np.array([1.0, 2.0]), range(3)):
        with pytest.raises(InputError, match=r'a system has one value; tsmech\.run\("gauge", level=\.\.\.\)'):
            Gauge(level=several)


def test_a_key_depends_on_the_values_alone() -> None:
    key = Gauge(level=1.0).key()
    assert Gauge(1).key() == key
    assert Gauge(noise=0.2, level=np.float32(1.0)).key() == key
    assert Gauge(level=1.0, noise=0.2, dimension=20, fault="none").key() == key
    assert Gauge(level=1.0, noise=0.0).key() == Gauge(level=1.0, noise=-0.0).key()


def test_equal_systems_have_equal_keys_and_others_do_not() -> None:
    points = [Gauge(level=a, noise=s, dimension=n) for a in (1, 2) for s in (0.0, 0.1, 0.2) for n in (2, 20, 200)]
    assert len({point.key() for point in points}) == len(points)
    assert Walk().key() != Gauge(level=0.0).key()


def test_keys_stay_what_they_were() -> None:
    """Stored runs are found by these keys: a change of them orphans every run directory there is."""
    assert Gauge(level=1.0).key() == "7d34ac68b8aa51be922fbd250cb83729"
    assert Gauge(level=0.1, noise=0.0, dimension=7).key() == "942aa731285751092d00af7c599727ea"


@given(st.floats(-1e6, 1e6))
@settings(deadline=None)
def test_numbers_that_differ_in_the_last_digit_have_other_keys(value: float) -> None:
    level = value / 1e5
    other = math.nextafter(level, math.inf)
    if abs(other) <= 100:
        assert Gauge(level=level).key() != Gauge(level=other).key()


@dataclasses.dataclass(frozen=True)
class Reader(System):
    """A system that reads a file."""

    name = "reader"
    title = "Reader"
    observables: ClassVar[dict[str, Observable]] = {"error": Observable("ε", "error")}

    table: str = parameter("T", "a table", default="none", choices=("none",), file=True)

    def theory_curve(self) -> Curve:
        return Curve.point({"error": 0.0})


def test_a_file_counts_by_its_contents(tmp_path: Path) -> None:
    for folder, text in (("a", "1\n2\n"), ("b", "1\n2\n"), ("c", "1\n3\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "table.csv").write_text(text)
    one, same, other = (Reader(table=str(tmp_path / folder / "table.csv")) for folder in "abc")
    assert one.key() == same.key() != other.key()
    assert Reader().identity() == {}
    with pytest.raises(InputError, match=r"missing\.csv cannot be read: No such file"):
        Reader(table=str(tmp_path / "missing.csv")).key()


def test_an_answer_that_a_system_lacks_is_refused_with_the_reason() -> None:
    assert Walk().lacks("reduced") == "walk has no reduced answer"
    assert Walk().lacks("direct") is None
    with pytest.raises(InputError, match="walk has no reduced answer"):
        Walk().reduced(rng=0)


def test_answers_in_python_are_tables_and_a_seed_repeats_them() -> None:
    gauge = Gauge(level=1.0)
    assert gauge.theory().level_read.tolist() == [1.0]
    assert gauge.direct(rng=3).equals(gauge.direct(rng=np.random.default_rng(3)))
    assert not gauge.direct(rng=3).equals(gauge.direct(rng=4))
    frame = Walk(length=3).theory()
    entries = [f"overlap[{i}, {j}]" for i in (0, 1) for j in (0, 1)]
    assert frame.columns.tolist() == ["time", "position", *entries]
    assert frame.time.tolist() == [1.0, 2.0, 3.0]
    assert frame.loc[2, entries].tolist() == [1.0, 3.0, 3.0, 12.0]


@pytest.mark.parametrize("answer", ["reduced", "direct"])
@pytest.mark.parametrize(
    "system",
    [
        Ridge(alpha=1.5, dimension=20),
        GradientFlow(alpha=1.5, dimension=20, samples=2),
        OnlineSGD(dimension=20, duration=2, samples=1, noise=0.1),
        SampleReuse(alpha=2, dimension=20, duration=2, samples=1, noise=0.1),
    ],
    ids=lambda system: system.name,
)
def test_the_state_of_a_generator_decides_the_draw(system: System, answer: str) -> None:
    """Also where it was advanced, jumped, or restored into a generator of another seed, of which no seed is known."""
    if system.lacks(answer):
        answer = "direct"
    draw = getattr(system, answer)

    def seen(rng: np.random.Generator) -> list[float]:
        # Both ways to ask; rounding apart, nothing but the state may count.
        return [*draw(rng).test_error, *system.curve(answer, rng).observables["test_error"]]

    def advanced(count: int) -> np.random.Generator:
        rng = np.random.default_rng(3)
        rng.random(count)
        return rng

    assert seen(advanced(2)) == seen(advanced(2)) != seen(advanced(3))
    first, again = (np.random.Generator(np.random.PCG64(3).jumped()) for _ in range(2))
    assert seen(first) == seen(again) != seen(np.random.default_rng(3))
    rng, restored = advanced(1), np.random.default_rng(99)
    restored.bit_generator.state = rng.bit_generator.state
    assert seen(rng) == seen(restored)
    unused = np.random.default_rng(4)
    restored.bit_generator.state = state = unused.bit_generator.state
    assert draw(unused).equals(found := draw(restored))
    assert not draw(restored).equals(found), "a draw moves the generator on"
    restored.bit_generator.state = state
    assert draw(restored).equals(found)


def test_streams_of_a_new_generator_are_addressed_by_its_seed() -> None:
    """What the engine draws does not depend on how a generator that was drawn from is treated."""
    system = Ridge(alpha=1.5, dimension=20)
    one = system.curve("direct", np.random.default_rng(7)).observables
    two = system.direct_curve(np.random.default_rng(7)).observables
    assert all((one[name] == two[name]).all() for name in one)
    assert one["test_error"][0] == pytest.approx(0.23902497, rel=1e-7)


def test_what_the_theory_leaves_out_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="an envelope, no prediction"):
        SampleReuse(alpha=2, duration=2, samples=1).theory()


@pytest.mark.parametrize("wrong", ["x", -1, 1.5, {}, [1.5], object()])
def test_what_cannot_seed_is_refused(wrong: object) -> None:
    for draw in (Gauge(level=1.0).reduced, Gauge(level=1.0).direct):
        with pytest.raises(InputError, match=r"^rng = .* is not allowed: it must be a numpy\.random\.Generator"):
            draw(rng=wrong)


def test_a_docstring_lists_the_parameters_in_its_place() -> None:
    """... before Notes and Examples, with type, default, symbol, meaning and what is allowed."""
    for name in REGISTRY:
        lines = inspect.getdoc(find(name)).splitlines()
        start = lines.index("Parameters")
        named = [line.partition(" : ")[0] for line in lines[start:] if re.match(r"\w+ : ", line)]
        assert named == list(find(name).parameters())
        assert all(lines.index(later) > start for later in ("Notes", "Examples") if later in lines)
        assert lines.count("Parameters") == 1
    text = inspect.getdoc(find("ridge"))
    assert "noise : float, default 0.5\n    σ: standard deviation of the label noise; a number at least 0." in str(text)
    assert "Parameters" not in str(System.__doc__)


def test_systems_are_values() -> None:
    assert Gauge(level=1) == Gauge(level=1.0)
    assert hash(Gauge(level=1)) == hash(Gauge(level=1.0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Gauge(level=1.0).level = 2.0


def test_a_curve_of_a_point_has_one_row() -> None:
    curve = Curve.point({"error": 0.5, "overlap": [[1.0, 0.0], [0.0, 1.0]]})
    assert curve.rows == 1
    assert curve.observables["error"].shape == (1,)
    assert curve.observables["overlap"].shape == (1, 2, 2)


def test_an_unknown_system_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"system rigde is unknown: did you mean ridge\?"):
        find("rigde")


@pytest.mark.parametrize("name", REGISTRY)
def test_every_system_keeps_the_contract(name: str) -> None:
    system = find(name)
    assert dataclasses.is_dataclass(system)
    assert issubclass(system, System)
    assert all(base is System or "name" not in vars(base) for base in system.__bases__), "traits, never trees"
    assert system.name == name
    assert system.title
    assert system.__doc__
    assert system.observables
    assert predictions(system)
    assert simulations(system)
    for known, one in system.parameters().items():
        assert one.symbol, known
        assert one.help, known
        assert one.required or one.check(one.default) == one.default
    taken = {
        *system.parameters(),
        "system",
        "answer",
        "replicates",
        *system.coordinates,
    }
    columns = {*system.observables, *(f"{observable}_sem" for observable in system.observables)}
    assert not taken & columns, "a column of the table would have two meanings"
    assert not set(system.parameters()) & set(dir(System)), "a parameter hides a method"
    assert system.checks, "tsmech check has nothing to compare"
    assert system.convergence is None or len(set(system.convergence.sizes)) >= 2
    for parameters in system.checks:
        system(**parameters)


# Points are built once


def test_a_key_is_the_hash_of_the_identity_in_json() -> None:
    """... made entry by entry: in whatever order points are built the key is that of the whole."""
    words = {"level": [1.0, 2.5, 1.0, -3.0], "noise": [0.2, 0.3, 0.0], "dimension": [20, 7], "fault": ["none", "inf"]}
    for values in itertools.product(*words.values()):
        point = Gauge(**dict(zip(words, values, strict=True)))
        text = json.dumps([point.name, point.identity()], sort_keys=True)
        assert point.key() == hashlib.sha256(text.encode()).hexdigest()[:32]
        assert point.key() == pickle.loads(pickle.dumps(point)).key()


def test_keys_of_all_kinds_of_values_are_hashes_of_identities(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("1\n2\n")
    for system, parameters in (
        ("ridge", {"alpha": 0.5, "spectrum": str(tmp_path / "s.csv")}),
        ("ridge", {"alpha": 0.5, "eigenvalues": [1.0, 2.0], "teacher_weights": [0.5, 1.5]}),
        ("online_sgd", {"initial": {"Q": [[1.0]], "R": [[0.5]]}, "student_units": 1, "teacher_units": 1}),
        ("gradient_flow", {"alpha": 2, "samples": [1.0, 2.0], "spectrum": "power_law"}),
    ):
        for _ in range(2):
            point = find(system)(**parameters)
            text = json.dumps([point.name, point.identity()], sort_keys=True)
            assert point.key() == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_a_value_that_was_allowed_for_one_class_is_looked_at_for_another() -> None:
    @dataclasses.dataclass(frozen=True)
    class Low(Gauge):
        name = "low"
        level: float = parameter("l", "what is read", maximum=1)

    value = 5.0
    assert Gauge(level=value).level == 5.0
    with pytest.raises(InputError, match=r"level = 5.*at most 1"):
        Low(level=value)
    with pytest.raises(InputError, match="level = True"):
        Gauge(level=True)


def test_a_value_is_brought_into_its_type_at_every_point() -> None:
    one, negative = 1, -0.0
    for _ in range(2):
        point = Gauge(level=one, noise=negative)
        assert type(point.level) is float
        assert math.copysign(1.0, point.noise) == 1.0


def test_a_prediction_at_many_points_is_bit_for_bit_that_of_each() -> None:
    """Alpha at the pole and beside it, no noise, no signal, unseen inputs: all branches of the closed forms."""
    points = [
        Ridge(alpha=alpha, noise=noise, penalty=penalty, signal=signal, unseen=unseen)
        for alpha in (0.3, 1.0, 1.0 + 1e-9, 7.7)
        for noise in (0.0, 0.5, 0.1 + 0.2)
        for penalty in (0.0, 1e-9, 0.7)
        for signal in (0.0, 1.0, 3.3)
        for unseen in (0.0, 0.3, 1.0)
    ]
    together = Ridge.curves("theory", points)
    assert together is not None
    for point, curve in zip(points, together, strict=True):
        alone = point.curve("theory")
        assert curve.observables.keys() == alone.observables.keys()
        for name, values in alone.observables.items():
            assert values.tobytes() == curve.observables[name].tobytes(), (point, name)


def test_points_are_not_taken_together_where_one_is_of_another_kind_or_a_subclass_answers() -> None:
    assert Ridge.curves("theory", [Ridge(alpha=0.5), Ridge(alpha=0.5, spectrum="two_level")]) is None
    assert Gauge.curves("theory", [Gauge(level=1.0)] * 2) is None

    class Own(Ridge):
        name = "own"

        def theory_curve(self) -> Curve:
            return Curve.point({"bias": 7.0})

    assert Own.curves("theory", [Own(alpha=0.5), Own(alpha=0.7)]) is None
    outcomes = perform([Task(Own(alpha=alpha), "theory", 0) for alpha in (0.5, 0.7)], 0)
    assert [float(outcome.curve.observables["bias"][0]) for outcome in outcomes if outcome.curve] == [7.0, 7.0]
