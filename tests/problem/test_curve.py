"""What a curve may be, and in which words one that breaks its system's declarations is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from tsmech.problem.answers import prediction
from tsmech.problem.curve import Curve, Stop, fault, undefined
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.system import System

OBSERVABLES = {
    "error": Observable("ε", "error"),
    "overlap": Observable("R", "overlap", axes=("student unit", "teacher unit")),
    "best": Observable("t*", "best time", summary=True),
    "escape": Observable("t_esc", "time of escape", summary=True, undefined=True),
}
TIME = {"time": Coordinate("t", "time")}
TASKS = {"task": Coordinate("τ", "task", names=True), "time": Coordinate("t", "time")}
TIMES = np.array([0.0, 1.0, 2.0])


def curve(**more: Any) -> Curve:
    found: dict[str, Any] = {
        "observables": {"error": np.ones(3), "overlap": np.ones((3, 2, 1))},
        "coordinates": {"time": TIMES},
        "summaries": {"best": np.array(1.0)},
    }
    return Curve(**{**found, **more})


def wrong(found: Curve, coordinates: Mapping[str, Coordinate] = TIME, *, predicts: bool = True) -> str | None:
    return fault(found, OBSERVABLES, coordinates, predicts=predicts)


def test_a_curve_as_declared_is_taken() -> None:
    assert wrong(curve()) is None
    assert wrong(curve(), predicts=False) is None
    assert wrong(curve(observables={})) is None, "an answer need not report everything"
    assert wrong(curve(summaries={"escape": np.array(np.nan)})) is None
    assert wrong(curve(errors={"error": np.zeros(3)})) is None
    assert wrong(curve(labels={"teacher unit": ("one",)})) is None
    assert wrong(Curve.along("time", np.array([]), {"error": np.array([])}, diverged_at=0.1)) is None


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"coordinates": {}}, "has the coordinates [], declared are ['time']"),
        ({"coordinates": {"alpha": TIMES}}, "has the coordinates ['alpha'], declared are ['time']"),
        ({"observables": {"eror": np.ones(3)}}, "has the observable eror, which is not declared as one"),
        ({"observables": {"best": np.ones(3)}}, "has the observable best, which is not declared as one"),
        ({"summaries": {"error": np.array(1.0)}}, "has the summary error, which is not declared as one"),
        ({"observables": {"error": np.array(1.0)}}, "error has no rows"),
        ({"observables": {"error": np.ones((3, 2))}}, "error has entries of shape (2,), declared axes are none"),
        (
            {"observables": {"overlap": np.ones((3, 2))}},
            "overlap has entries of shape (2,), declared axes are ('student unit', 'teacher unit')",
        ),
        ({"summaries": {"best": np.ones(3)}}, "best has entries of shape (3,), declared axes are none"),
        (
            {"labels": {"student unit": ("a", "b", "c")}},
            "overlap has 2 entries along student unit, which has 3 names",
        ),
        ({"observables": {"error": np.ones(2)}}, "has columns of different lengths: [2, 3]"),
        ({"errors": {"overlap": np.ones((3, 1, 2))}}, "has a standard error of overlap that does not have its shape"),
        ({"errors": {"best": np.ones(3)}}, "has a standard error of best that does not have its shape"),
        ({"errors": {"error": -np.ones(3)}}, "has a standard error of error that is not positive"),
        ({"errors": {"error": np.full(3, np.nan)}}, "has a standard error of error that is not positive"),
        ({"coordinates": {"time": np.array([0.0, 2.0, 1.0])}}, "has time that does not increase"),
        ({"coordinates": {"time": np.array([0.0, 1.0, 1.0])}}, "has time that does not increase"),
        ({"coordinates": {"time": np.array([0.0, 1.0, np.inf])}}, "has values of time that are not finite"),
        ({"coordinates": {"time": np.array([0.0, np.nan, 1.0])}}, "has values of time that are not finite"),
    ],
)
def test_a_curve_that_is_not_as_declared_is_refused_in_words(broken: dict[str, Any], words: str) -> None:
    assert wrong(curve(**broken)) == words


def test_only_an_observable_that_may_be_undefined_is_ever_nan() -> None:
    never = np.array([1.0, np.nan, 1.0])
    assert undefined(curve(), OBSERVABLES) is None
    assert undefined(curve(observables={"error": never}), OBSERVABLES) == "error"
    assert undefined(curve(observables={"overlap": np.full((3, 1, 2), np.nan)}), OBSERVABLES) == "overlap"
    assert undefined(curve(summaries={"best": np.array(np.nan)}), OBSERVABLES) == "best"
    assert undefined(curve(summaries={"escape": np.array(np.nan)}), OBSERVABLES) is None


def test_the_draws_of_a_simulation_say_its_standard_error() -> None:
    found = curve(errors={"error": np.ones(3)})
    assert wrong(found, predicts=False) == "has a standard error of error, but is a simulation: its draws say it"


def test_a_point_has_one_row() -> None:
    assert wrong(Curve.point({"error": 1.0, "overlap": np.ones((2, 2))}), {}) is None
    assert wrong(Curve({"error": np.ones(3)}), {}) == "is a single point, but has 3 rows"


def test_a_number_increases_wherever_the_names_are_the_same() -> None:
    def of(tasks: tuple[Any, ...], times: list[float]) -> str | None:
        return wrong(Curve({"error": np.ones(len(times))}, {"task": tasks, "time": np.array(times)}), TASKS)

    assert of(("a", "a", "b", "b"), [0, 1, 0, 1]) is None
    assert of(("a", "b", "a", "b"), [0, 0, 1, 1]) is None
    assert of(("a", "b", "a"), [1, 0, 1]) == "has time that does not increase"
    assert of(("a", 1), [0, 1]) == "has values of task that are no names"


def test_a_name_alone_is_given_once() -> None:
    tasks = {"task": TASKS["task"]}
    assert wrong(Curve({"error": np.ones(2)}, {"task": ("b", "a")}), tasks) is None
    assert wrong(Curve({"error": np.ones(2)}, {"task": ("a", "a")}), tasks) == "has task that does not increase"


def test_entries_have_columns_of_their_own_and_a_summary_stands_in_each_row() -> None:
    frame = curve(labels={"teacher unit": ("left",)}, errors={"error": np.full(3, 0.5)}).to_frame(OBSERVABLES)
    assert frame.columns.tolist() == ["time", "error", "error_sem", "overlap[0, left]", "overlap[1, left]", "best"]
    assert frame.best.tolist() == [1.0, 1.0, 1.0]
    assert frame.error_sem.tolist() == [0.5, 0.5, 0.5]
    assert {*map(str, frame.dtypes)} == {"float64"}


def test_where_a_curve_ends_is_known() -> None:
    assert Curve.along("time", TIMES, {}, diverged_at=2.5).stop == Stop("diverged", 2.5)
    assert Curve.along("time", TIMES, {}, diverged_at=2.5).diverged_at == 2.5
    assert curve().diverged_at is None
    assert curve(stop=Stop("not converged", 2.5)).diverged_at is None


@dataclass(frozen=True)
class Broken(System):
    """A system whose theory reports what it does not declare."""

    name = "broken"
    title = "Broken"
    observables: ClassVar = {"error": Observable("ε", "error")}
    answers: ClassVar = {"limit": prediction(0)}

    size: float = parameter("s", "size", default=1.0)

    def limit_curve(self) -> Any:
        if self.size == 0.0:
            return {"error": 0.0}
        return Curve.point({"eror": 1.0} if self.size > 0.0 else {"error": np.nan})


def test_the_refusal_names_system_answer_and_observable() -> None:
    with pytest.raises(TypeError, match=r"^broken: limit has the observable eror, which is not declared as one$"):
        Broken().curve("limit")
    with pytest.raises(TypeError, match=r"^broken: limit returned dict, not a Curve$"):
        Broken(size=0.0).curve("limit")
    with pytest.raises(ArithmeticError, match=r"^limit returned NaN as error$"):
        Broken(size=-1.0).curve("limit")


def test_an_axis_with_one_entry_may_be_left_out_where_the_observable_says_so() -> None:
    declared = {"error": Observable("ε", "error", axes=("target",), single=True)}
    for values, columns in ((np.ones(3), ["error"]), (np.ones((3, 2)), ["error[left]", "error[right]"])):
        found = Curve({"error": values}, {"time": TIMES}, labels={"target": ("left", "right")})
        assert fault(found, declared, TIME, predicts=True) is None
        assert [column for column, _, _ in found.columns(declared)] == columns
    strict = {"error": Observable("ε", "error", axes=("target",))}
    assert fault(Curve({"error": np.ones(3)}, {"time": TIMES}), strict, TIME, predicts=True) is not None
