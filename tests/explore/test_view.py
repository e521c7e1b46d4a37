"""What a page says of itself: its link, its command, its file and its call ask for the same experiment."""

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.experiment import experiments, from_file
from tsmech.explore.offers import coloured, mapped, matrices
from tsmech.explore.saved import chosen
from tsmech.explore.view import View, open_view, opening
from tsmech.explore.wording import several, to_words
from tsmech.plots.picture import choose
from tsmech.problem.parameters import Parameter
from tsmech.runs import resolve
from tsmech.systems import REGISTRY, find

NAMES = [*REGISTRY, *experiments()]


def dense(experiment: tsmech.Experiment) -> dict[str, object]:
    described = experiment.describe()
    return {key: described[key] for key in ("system", "answers", "replicates", "seed", "parameters")}


@pytest.mark.parametrize("name", experiments())
def test_an_experiment_opens_with_its_own_parameters(name: str) -> None:
    asked = from_file(experiments()[name])
    view = open_view(name)
    shown = view.experiment()
    assert dense(shown) == dense(asked)
    assert {key: shown.plot.get(key) for key in ("x", "y", "by", "value", "log")} == {
        key: asked.plot.get(key) for key in ("x", "y", "by", "value", "log")
    }
    assert view.query() == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_view_is_the_same_by_its_link(name: str) -> None:
    view = open_view(name)
    declared = view.system.parameters()
    number = next(one for one, parameter in declared.items() if parameter.numeric and parameter.range)
    changed = view.with_axis("by", number) if view.plot.get("x") != number else view
    changed = changed.read({"replicates": "3", "seed": "7"})
    again = open_view(name).read(dict(parse_qsl(changed.query(), keep_blank_values=True)))
    assert again == changed
    assert again.query() == changed.query()


@pytest.mark.parametrize("name", REGISTRY)
def test_the_command_the_file_and_the_call_ask_for_the_same(name: str, tmp_path: object) -> None:
    view, experiment = next(_along(name))
    words = shlex.split(view.command(experiment).splitlines()[0])
    assert words[:3] == ["tsmech", "run", name]
    said = command(*words[1:], "--dry-run")
    assert said.code == 0, said.err
    file = tmp_path / "it.toml"
    for text in (said.out, experiment.to_toml()):
        file.write_text(text)
        assert dense(from_file(file)) == dense(experiment)
    asked: list[tsmech.Experiment] = []
    call = (
        view.python(experiment).replace("tsmech.draw(", "(lambda *_, **plot: None)(").replace("tsmech.run(", "asked(")
    )

    def ask(what: str, **given: object) -> None:
        options = {key: given.pop(key) for key in ("answers", "replicates", "seed")}
        asked.append(resolve(what, given, **options))

    exec(compile(call, "call", "exec"), {"asked": ask})
    assert dense(asked[0]) == dense(experiment)


@pytest.mark.parametrize(
    "name",
    [
        "double_descent",
        "ising_perceptron_phases",
        "learning_curve_few",
        "perceptron_asymptotes",
        "semantic_development_embedding",
        "semantic_development_similarity",
    ],
)
def test_the_command_draws_what_the_page_shows(name: str) -> None:
    first = open_view(name)
    papers = [one.paper for one in first.system.conventions]
    others = [*coloured(first.system)[:1], ""]
    views = [first, *(first.with_axis("by", one) for one in others), *(first.with_axis("x", one) for one in others)]
    views += [first.with_map(one) for one in (*mapped(first.system)[:1], *matrices(first.system)[:1], "")]
    views += [dataclasses.replace(first, plot={**first.plot, "log": "none"})]
    views += [dataclasses.replace(first, plot={**first.plot, "convention": paper}) for paper in papers[:1]]
    shown = [(view, view.experiment()) for view in views if view.is_allowed()]
    assert len(shown) > 2
    for view, asked in shown:
        what, given = _typed(view.command(asked).splitlines()[0])
        run = resolve(what, {key: words for key, words in given.items() if key not in OPTIONS})
        drawn = _typed(view.command(asked).partition("\n")[2])[1]
        assert choose(run, None, **drawn) == choose(asked)
        assert run.parameters == asked.parameters


OPTIONS = ("answers", "replicates", "seed", "out")


def _typed(line: str) -> tuple[str, dict[str, str]]:
    """Return what a line of the command runs, and its options by name; no switches are among them."""
    words = shlex.split(line)
    pairs = zip(words[3::2], words[4::2], strict=True)
    return (words[2] if words else ""), {flag[2:].replace("-", "_"): said for flag, said in pairs}


def _along(name: str) -> Iterator[tuple[View, tsmech.Experiment]]:
    """Yield the views of a system along one more parameter that it does not refuse."""
    for number in _ranged(name):
        view = open_view(name).with_axis("by", number)
        with contextlib.suppress(InputError):
            yield view, view.experiment()


def _ranged(name: str) -> list[str]:
    view = open_view(name)
    declared = view.system.parameters()
    return [one for one in declared if declared[one].numeric and declared[one].range and one != view.plot.get("x")]


def test_what_an_experiment_says_and_a_person_clears_is_none_in_the_command() -> None:
    view = open_view("learning_curve_few").with_words("known", "")
    what, given = _typed(view.command(view.experiment()).splitlines()[0])
    assert (what, given["known"]) == ("learning_curve_few", "none")
    again = resolve(what, {"known": "none"})
    assert (again.title, again.source) == (view.experiment().title, view.experiment().source) != ("", "")
    assert dense(again) == dense(view.experiment())


def test_a_run_is_drawn_against_an_observable_that_leaves_no_single_number_of_those_shown() -> None:
    system = find("deep_linear")
    choice = chosen({}, "x", "train_error", system, ("strengths", "train_error"))
    assert choice == {"x": "train_error", "y": "generalization_error"}
    assert chosen({}, "x", "train_error", system, ("gradient_norm", "train_error")) == {"x": "train_error"}


def test_an_axis_takes_several_values_and_gives_them_back() -> None:
    view = open_view("ridge")
    assert (view.plot["x"], view.words) == ("alpha", {"alpha": "0.1:4:40"})
    swept = view.with_axis("x", "penalty")
    assert swept.words == {"alpha": "2", "penalty": "log:0.001:10:40"}
    assert swept.with_axis("x", "alpha").words == {"alpha": "0.1:4:40"}
    coloured = view.with_axis("by", "noise")
    assert coloured.words["noise"] == "0,1,2"
    assert coloured.with_words("noise", "0.1,0.2").with_axis("by", "").words == view.words


@pytest.mark.parametrize("name", REGISTRY)
def test_values_that_a_control_takes_are_allowed(name: str) -> None:
    for parameter in find(name).parameters().values():
        words = several(parameter, 40, "")
        if words and not parameter.single:
            values = parameter.read(words)
            assert len(values) > 1
            assert parameter.read(to_words(parameter, values)) == values


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"nosie": "1"}, "the link says nosie, which ridge has not: did you mean noise"),
        ({"replicates": "0"}, "replicates = 0 is not allowed"),
        ({"answers": "theroy"}, "answer theroy is unknown: did you mean theory"),
    ],
)
def test_a_link_that_is_wrong_is_refused_in_a_line(query: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_view("ridge").read(query)


def test_an_answer_that_the_problem_lacks_is_left_out_with_its_reason() -> None:
    view = opening(find("sample_reuse"))
    experiment = view.read({"answers": "theory,reduced"}).experiment()
    assert experiment.answers == ("theory",)
    assert any("reduced" in reason for reason in view.read({"answers": "theory,reduced"}).lacking(experiment))
    with pytest.raises(InputError, match="no reduced answer"):
        view.read({"answers": "reduced"}).experiment()


def test_a_system_that_needs_a_value_says_which() -> None:
    with pytest.raises(InputError, match=r"ridge needs alpha \(α\)"):
        open_view("ridge").with_words("alpha", "").experiment()


def test_more_points_than_one_waits_for_are_refused_before_any_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = open_view("ridge").read({"alpha": "0.1:4:1000", "noise": "0:2:1000"})
    with pytest.raises(
        InputError, match=r"alpha \(1000 values\) and noise \(1000 values\): 1000000 points are too many"
    ):
        asked.experiment()
    long = open_view("ridge").read({"alpha": "2", "noise": "0.1:4:1000000"})
    monkeypatch.setattr(Parameter, "read", lambda *given: pytest.fail("a long range is read, and other tabs wait"))
    with pytest.raises(InputError, match=r"noise \(1000000 values\): 1000000 points are too many"):
        long.experiment()


@pytest.mark.parametrize("name", REGISTRY)
def test_maps_matrices_and_trajectories_can_be_asked_for_and_left_again(name: str) -> None:
    first = open_view(name)
    singles, known = mapped(first.system), matrices(first.system)
    seen = [first]
    for value in (*singles[:1], *known[:1], ""):
        seen.append(seen[-1].with_map(value))
    if len(singles) > 1 and (first.system.running() or first.plot["x"] in first.system.parameters()):
        seen += [first.with_axis("x", singles[-1]), first.with_axis("x", singles[-1]).with_axis("x", first.plot["x"])]
    for view in seen:
        assert view.is_allowed()
        assert open_view(name).read(dict(parse_qsl(view.query(), keep_blank_values=True))) == view
    assert seen[-1].plot.get("x") == first.plot.get("x")
