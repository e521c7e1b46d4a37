"""What a system may declare: the types of parameters, and all that is refused when its class is made."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.problem.answers import prediction, simulation
from tsmech.problem.curve import Curve
from tsmech.problem.kinds import kinds
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.system import Convergence, System


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of one field."""

    own: float = 0.0


@dataclasses.dataclass(frozen=True)
class Other:
    """Another table."""

    own: float = 0.0


# Types


@pytest.mark.parametrize(
    ("declared", "admitted"),
    [
        (bool, ("bool",)),
        (int, ("int",)),
        (float, ("float",)),
        (str, ("word",)),
        (Path, ("path",)),
        (tuple[float, ...], ("numbers",)),
        (Sequence[float], ("numbers",)),
        (NDArray[Any], ("numbers",)),
        (float | Sequence[float] | NDArray[Any], ("numbers",)),
        (tuple[str, ...], ("words",)),
        (float | str, ("float", "word")),
        (int | str | None, ("int", "word")),
        (Optional[bool], ("bool",)),  # noqa: UP045  (the older spelling is read too)
        (Union[float, str], ("float", "word")),  # noqa: UP007  (likewise)
        (Path | None, ("path",)),
        (tuple[float, ...] | None, ("numbers",)),
    ],
)
def test_a_declared_type_is_read(declared: Any, admitted: tuple[str, ...]) -> None:
    assert kinds(declared) == (admitted, None)


@pytest.mark.parametrize(
    ("declared", "admitted"),
    [
        (Table, ("table",)),
        (str | Table, ("word", "table")),
        (str | Table | None, ("word", "table")),
        (str | Table | Mapping[str, Any], ("word", "table")),
    ],
)
def test_a_dataclass_is_a_table(declared: Any, admitted: tuple[str, ...]) -> None:
    assert kinds(declared) == (admitted, Table)


@pytest.mark.parametrize("declared", [complex, list[float], dict, Any, bytes, object, float | complex, "float", list])
def test_any_other_type_is_refused(declared: Any) -> None:
    with pytest.raises(TypeError, match=r"is no type of a parameter: .* is not known"):
        kinds(declared)


@pytest.mark.parametrize(
    "declared", [type(None), int | float, bool | float, bool | str, Path | str, tuple[float, ...] | str,
                 tuple[str, ...] | str, tuple[float, ...] | tuple[str, ...]]
)  # fmt: skip
def test_types_whose_values_cannot_be_told_apart_are_refused(declared: Any) -> None:
    with pytest.raises(TypeError, match="its parts cannot be told apart"):
        kinds(declared)


def test_a_table_has_one_dataclass() -> None:
    for declared in (Table | Other, Mapping[str, Any]):
        with pytest.raises(TypeError, match="a table has one dataclass"):
            kinds(declared)


# Classes


def theory_curve(self: System) -> Curve:
    return Curve.point({"error": 0.0})


FIELD = parameter("x", "a number", default=1.0)
USED: dict[str, Any] = {
    "name": "toy",
    "title": "Toy",
    "__doc__": "A toy.",
    "observables": {"error": Observable("ε", "error")},
    "theory_curve": theory_curve,
    "__annotations__": {"level": float},
    "level": FIELD,
}


def made(**more: Any) -> type[System]:
    """Return a class of a system that declares this, as a class statement makes it."""
    body = {name: value for name, value in {**USED, "__module__": __name__, **more}.items() if value is not None}
    return dataclasses.dataclass(frozen=True)(type("Toy", (System,), body))


def with_field(name: str, declared: Any = float, field: Any = FIELD) -> dict[str, Any]:
    return {"__annotations__": {"level": float, name: declared}, name: field}


def test_a_system_that_declares_all_as_it_should_is_made() -> None:
    toy = made(
        coordinates={"time": Coordinate("t", "time")},
        checks=({"level": 2.0},),
        convergence=Convergence("level", (1.0, 2.0)),
    )
    assert toy().level == 1.0
    assert toy.running() == "time"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (with_field("noise", "Unheard"), "a type is not known where the class is made: name 'Unheard' is not defined"),
        (with_field("noise", float, 0.5), "noise is no parameter: declare it with parameter()"),
        (with_field("noise", float, None), "noise is no parameter: declare it with parameter()"),
        (with_field("noise", float, dataclasses.field(default=1.0)), "noise is no parameter"),
        (with_field("noise", complex), "parameter noise: <class 'complex'> is no type of a parameter"),
        (with_field("noise", int | float), "parameter noise: int | float is no type of a parameter"),
        *(
            (with_field("noise", declared, parameter("σ", "noise", default=None, **more)), f"parameter noise: {words}")
            for declared, more, words in (
                (float, {"range": (2.0, 1.0)}, "range = (2.0, 1.0) is none of numbers"),
                (str, {"range": (1.0, 2.0)}, "range = (1.0, 2.0) is none of numbers"),
                (float, {"range": (0.0, 1.0), "scale": "logarithmic"}, "range = (0.0, 1.0) cannot be logarithmic"),
                (float, {"range": (0.0, 1.5), "maximum": 1}, "range = (0.0, 1.5) is not within what is allowed"),
                (int, {"range": (0.0, 5.0), "minimum": 1}, "range = (0.0, 5.0) is not within what is allowed"),
            )
        ),
        *(
            (with_field(name), f"no parameter may be named {name}: it is a method, an option of runs or a column")
            for name in ("seed", "replicates", "workers", "key", "theory", "stream", "checks", "answer", "diverged_at")
        ),
        (
            {"coordinates": {name: Coordinate(name, name) for name in "abc"}},
            "has 3 coordinates: two at most",
        ),
        ({"observables": {"level": Observable("l", "level")}}, "level names two things"),
        ({"coordinates": {"level": Coordinate("l", "level")}}, "level names two things"),
        ({"coordinates": {"error": Coordinate("e", "error")}}, "error names two things"),
        ({"coordinates": {"error_sem": Coordinate("e", "error")}}, "error_sem names two things"),
        ({"coordinates": {"replicate": Coordinate("k", "draw")}}, "replicate names two things"),
        ({"observables": {"answer": Observable("a", "answer")}}, "answer names two things"),
        (
            {"observables": {"test error": Observable("ε", "error")}},
            "'test error' is no name of an observable or a coordinate: letters, digits and underscores",
        ),
        ({"coordinates": {"R[0]": Coordinate("R", "overlap")}}, "'R[0]' is no name of an observable or a coordinate"),
        (
            {"answers": {"theory": prediction(0), "direct": simulation(0)}, "direct_curve": theory_curve},
            "two answers have the same number of their random streams",
        ),
        (
            {"theory_curve": None},
            "has no answer: define theory_curve or reduced_curve or direct_curve",
        ),
        (
            {"answers": {"theory": prediction(0), "exact": prediction(1, exact=True)}},
            "declares the answers theory, exact, but defines theory of their curves",
        ),
        (
            {"answers": {"exact": prediction(1)}, "theory_curve": None},
            "has no answer: define exact_curve",
        ),
        ({"drect_curve": theory_curve}, "defines drect_curve, which is no declared answer"),
        ({"checks": ({"level": 1.0}, {"levl": 2.0})}, "checks name levl, which is no parameter"),
        ({"convergence": Convergence("dimension", (1, 2))}, "convergence names dimension, which is no parameter"),
    ],
)
def test_what_a_system_cannot_declare_is_refused_when_its_class_is_made(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError) as refused:
        made(**declared)
    assert str(refused.value).startswith("Toy: ")
    assert words in str(refused.value)


def test_answers_that_a_system_declares_itself_need_not_be_the_usual_ones() -> None:
    toy = made(answers={"exact": prediction(5, exact=True)}, theory_curve=None, exact_curve=theory_curve)
    assert toy().curve("exact").observables["error"].tolist() == [0.0]


def test_helpers_may_end_like_answers_where_their_names_begin_with_an_underscore() -> None:
    assert made(_usual_curve=theory_curve)().level == 1.0


def test_annotations_that_are_text_are_read_as_the_types_that_they_name() -> None:
    """... as ``from __future__ import annotations`` leaves all of them."""
    toy = made(__annotations__={"level": "float", "on": "bool"}, on=parameter(
        "b", "a switch", default=False))  # fmt: skip
    assert {name: one.kinds for name, one in toy.parameters().items()} == {"level": ("float",), "on": ("bool",)}
    assert toy().on is False


def test_a_mixin_has_no_name_and_brings_its_parameters() -> None:
    mixin = dataclasses.dataclass(frozen=True)(
        type("Noisy", (System,), {"__module__": __name__, "__annotations__": {"noise": float}, "noise": parameter(
            "σ", "noise", default=0.5)})
    )  # fmt: skip
    body = {**USED, "__module__": __name__}
    toy = dataclasses.dataclass(frozen=True)(type("Toy", (mixin,), body))
    assert list(toy.parameters()) == ["level", "noise"]
    with pytest.raises(TypeError, match="noise names two things"):
        type("Toy", (mixin,), {**body, "observables": {"noise": Observable("σ", "noise")}})


# Addresses of streams


def test_a_prediction_that_samples_has_one_stream_and_a_simulation_one_a_seed_and_replicate() -> None:
    def sampled_curve(self: System, rng: np.random.Generator) -> Curve:
        return Curve.point({"error": rng.random()})

    toy = made(
        answers={"sampled": prediction(0, random=True), "drawn": simulation(1)},
        theory_curve=None, sampled_curve=sampled_curve, drawn_curve=sampled_curve,
    )()  # fmt: skip

    def seen(answer: str, seed: int, replicate: int) -> float:
        return float(toy.stream(answer, seed, replicate).random())

    assert seen("sampled", 0, 0) == seen("sampled", 5, 3)
    assert len({seen("drawn", seed, replicate) for seed in (0, 5) for replicate in (0, 3)}) == 4
    assert seen("drawn", 0, 0) != seen("sampled", 0, 0)
    assert toy.answer("sampled").equals(toy.answer("sampled"))
    assert toy.answer("sampled").error[0] == toy.curve("sampled", 7).observables["error"][0]
