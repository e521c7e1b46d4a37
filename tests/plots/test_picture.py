"""What a picture shows: what is asked for, what the experiment says, what suits a sweep; and what is refused."""

from typing import Any

import pytest

from tests.gauge import Gauge, Walk
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.plots.picture import Picture, choose, spread, thinned

SWEEP = {"level": [1, 2, 3], "noise": [0.1, 0.2]}
WIDE = {"level": "1:3:8", "noise": "0.1:1:6"}
BOTH = ("level_read", "spread")


# Curves


def test_the_longest_axis_is_horizontal_and_the_next_tells_curves_apart() -> None:
    assert choose(build(Gauge, SWEEP)) == Picture("level", BOTH, by="noise")
    assert choose(build(Gauge, {"level": [1, 2], "noise": [1, 2, 3]})) == Picture("noise", BOTH, by="level")
    assert choose(build(Gauge, {"level": 1})) == Picture("level", BOTH)


def test_the_coordinate_is_horizontal_where_there_is_one() -> None:
    walk = build(Walk, {"drift": [0, 1]})
    assert choose(walk) == Picture("time", ("position", "overlap"), by="drift")
    assert choose(walk, x="drift", y=["position"]) == Picture("drift", ("position",))


def test_what_is_asked_for_goes_before_what_the_experiment_says() -> None:
    experiment = build(Gauge, SWEEP, plot={"x": "noise", "y": "spread", "by": "level"})
    assert choose(experiment) == Picture("noise", ("spread",), by="level")
    assert choose(experiment, x="level", by="noise") == Picture("level", ("spread",), by="noise")
    assert choose(experiment, y=["luck", "level-read"]) == Picture("noise", ("luck", "level_read"), by="level")


def test_a_word_can_tell_curves_apart_but_be_no_axis() -> None:
    experiment = build(Gauge, {"level": [1, 2], "fault": ["none", "inf"]})
    assert choose(experiment) == Picture("level", BOTH, by="fault")
    with pytest.raises(InputError, match="--x fault"):
        choose(experiment, x="fault")


def test_what_is_left_has_panels() -> None:
    experiment = build(Gauge, {**SWEEP, "dimension": [5, 6]})
    assert choose(experiment) == Picture("level", BOTH, by="noise", panels=("dimension",))
    assert choose(experiment, by="dimension") == Picture("level", BOTH, by="dimension", panels=("noise",))
    together = choose(experiment, by="dimension", together=True)
    assert together == Picture("level", BOTH, panels=("dimension", "noise"), together=True)
    said = build(Gauge, SWEEP, plot={"together": True})
    assert choose(said).together
    assert choose(said, together=False) == Picture("level", BOTH, by="noise")


def test_a_system_says_what_is_pictured_where_nothing_is_said() -> None:
    assert choose(build("ridge", {"alpha": [1, 2]})).observables == ("test_error", "train_error")
    assert choose(build("online_sgd", {})).observables == ("generalization_error", "specialization")
    assert build("ridge", {"alpha": [1, 2]}).judged == "test_error", "the target is that of the first that is plotted"


def test_logarithmic_axes_and_marks_are_said_by_the_experiment_or_asked_for() -> None:
    experiment = build(Gauge, SWEEP, plot={"y": "spread", "log": "y,x", "mark": {"level": 2}})
    assert choose(experiment) == Picture("level", ("spread",), by="noise", log=("x", "y"), mark=(("level", 2.0),))
    assert choose(experiment, log="none").log == ()
    assert choose(experiment, log="y").log == ("y",)
    assert choose(experiment, y=["luck"]).log is None, "what is said of an axis is said of that observable"
    assert experiment.plot["log"] == ["x", "y"]


def test_of_long_axes_both_ends_and_what_is_to_be_kept_are_shown() -> None:
    assert thinned([1, 2, 3], 3, [2]) == [1, 2, 3]
    assert thinned(list(range(100)), 3, [7, 200]) == [0, 7, 50, 99]


# Maps


def test_two_long_numeric_axes_make_a_map_where_nothing_else_is_said() -> None:
    assert choose(build(Gauge, WIDE)) == Picture("level", ("level_read",), "noise")
    assert choose(build(Gauge, WIDE), x="noise") == Picture("noise", ("level_read",), "level")
    assert choose(build(Gauge, {**WIDE, "noise": "0.1:1:5"})).y is None
    assert choose(build(Walk, {"drift": "0:1:9", "length": [1, 2, 3, 4, 5, 6]})).y is None
    for plot in ({"y": "spread"}, {"by": "noise"}, {"together": True}):
        assert choose(build(Gauge, WIDE, plot=plot)).y is None
        assert choose(build(Gauge, WIDE), **{**plot, "y": ["spread"]}).y is None


def test_a_value_makes_a_map_over_the_axes_that_are_named_or_the_longest() -> None:
    experiment = build(Gauge, {**SWEEP, "dimension": [5, 6, 7, 8]})
    assert choose(experiment, value="spread") == Picture("dimension", ("spread",), "level", panels=("noise",))
    named = choose(experiment, value="luck", x="level", y=["noise"])
    assert named == Picture("level", ("luck",), "noise", panels=("dimension",))
    more = build(Gauge, {**SWEEP, "dimension": [5, 6], "fault": ["none", "inf"]})
    shown = choose(more, value="spread", x="level", y="noise", by="fault")
    assert shown == Picture("level", ("spread",), "noise", panels=("fault", "dimension"))


def test_the_coordinate_is_an_axis_of_a_map() -> None:
    walk = build(Walk, {"drift": [0, 1], "length": 3})
    assert choose(walk, value="position") == Picture("time", ("position",), "drift")
    assert choose(walk, value="position", x="drift") == Picture("drift", ("position",), "time")
    assert choose(walk, value="position", y="time") == Picture("drift", ("position",), "time")


def test_a_map_that_the_experiment_says_is_turned_and_left() -> None:
    experiment = build(Gauge, SWEEP, plot={"value": "spread", "x": "level", "y": "noise"})
    assert experiment.plot == {"value": "spread", "x": "level", "y": "noise"}
    assert choose(experiment) == Picture("level", ("spread",), "noise")
    assert choose(experiment, value="luck") == Picture("level", ("luck",), "noise")
    assert choose(experiment, x="noise") == Picture("noise", ("spread",), "level")
    assert choose(experiment, y=["level"]) == Picture("noise", ("spread",), "level")
    assert choose(experiment, y=["luck"]) == Picture("level", ("luck",), by="noise")
    assert choose(experiment, together=True) == Picture("level", BOTH, panels=("noise",), together=True)


def test_without_its_second_axis_a_map_that_the_experiment_says_becomes_curves() -> None:
    experiment = build(Gauge, {"level": [1, 2], "noise": 0.1}, plot={"value": "spread", "x": "level", "y": "noise"})
    assert choose(experiment) == Picture("level", ("spread",))


# Refusals


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"x": "levle"}, r"--x levle cannot be drawn: did you mean level\?"),
        ({"y": ["sprad"]}, r"--y sprad cannot be drawn: did you mean spread\?"),
        ({"by": "nois"}, r"--by nois cannot be drawn: did you mean noise\?"),
        ({"by": "dimension"}, "--by dimension"),
        ({"x": "level", "by": "level"}, "--by level"),
        ({"value": "sprad"}, r"--value sprad cannot be drawn: did you mean spread\?"),
        ({"value": "noise"}, "--value noise cannot be drawn"),
        ({"value": "spread", "y": ["luck"]}, "--y luck cannot be drawn as an axis of a map"),
        ({"value": "spread", "y": ["fault"]}, "--y fault cannot be drawn as an axis of a map"),
        ({"value": "spread", "y": ["level", "noise"]}, "a map has one vertical axis"),
        ({"value": "spread", "x": "level", "y": ["level"]}, "--x and y cannot both be level"),
        ({"value": "spread", "x": "dimension"}, "--value spread needs two axes .* the run has level, noise"),
        ({"value": "spread", "by": "level"}, "--by level cannot make panels"),
        ({"value": "spread", "together": True}, "together cannot be drawn beside a value"),
    ],
)
def test_what_cannot_be_drawn_is_refused(choice: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        choose(build(Gauge, SWEEP), **choice)


def test_a_map_of_one_axis_is_refused() -> None:
    for axes in ({"level": [1, 2]}, {"level": [1, 2], "fault": ["none", "inf"]}):
        with pytest.raises(
            InputError, match="--value spread needs two axes with several values each: the run has level"
        ):
            choose(build(Gauge, axes), value="spread")


@pytest.mark.parametrize(
    ("plot", "says"),
    [
        ({"z": "level"}, "plot has no key z"),
        ({"vlaue": "spread"}, r"plot has no key vlaue: did you mean value\?"),
        ({"value": "noise"}, "plot value noise cannot be drawn"),
        ({"value": "spread", "y": "luck"}, "plot y luck cannot be drawn as an axis of a map"),
        ({"value": "spread", "x": "level", "y": "level"}, "plot x and y cannot both be level"),
        ({"log": "z"}, "plot log z is not allowed: it must be x, y, x,y or none"),
        ({"log": 3}, "plot log 3 is not allowed"),
        ({"mark": 0.3}, "plot mark = 0.3 is not allowed: it must be a table of numbers by parameter"),
        ({"mark": {"levle": 1}}, r"plot mark levle cannot be drawn: did you mean level\?"),
        ({"mark": {"level": "1"}}, "plot mark level = '1' is not allowed: it must be a number"),
        ({"together": "yes"}, "plot together = 'yes' is not allowed: it must be true or false"),
    ],
)
def test_an_experiment_that_asks_for_what_cannot_be_drawn_is_refused(plot: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        build(Gauge, SWEEP, plot=plot)


def test_a_spread_of_values_has_both_ends() -> None:
    assert spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(list(range(10)), 4) == [0, 3, 6, 9]
    assert spread(list(range(9)), 1) == [4]
