"""What is asked: read from options, a file or Python, all checked in one place, and cut into tasks of work."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gauge import Gauge, Walk, register
from tsmech.errors import InputError
from tsmech.experiment import REPLICATES, Experiment, Task, build, experiments, find_file, from_file, restore, whole


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# Reading


def test_options_a_file_and_python_ask_for_the_same(tmp_path: Path) -> None:
    options = build(
        "gauge", {"level": "0.1:4:40", "noise": "0,0.25"}, answers="theory,direct", replicates="7", seed="3"
    )
    python = build(
        Gauge, {"level": np.linspace(0.1, 4, 40).round(12), "noise": [0, 0.25]},
        answers=["direct", "theory"], replicates=7, seed=3,
    )  # fmt: skip
    toml = from_file(
        write(
            tmp_path / "gauge.toml",
            'system = "gauge"\nanswers = ["theory", "direct"]\nreplicates = 7\nseed = 3\n'
            '[parameters]\nnoise = [0, 0.25]\nlevel = "0.1:4:40"\n',
        )
    )
    assert options == python == toml
    assert options.digest() == python.digest() == toml.digest()
    assert [task.system.key() for task in options.tasks()] == [task.system.key() for task in toml.tasks()]


def test_names_take_underscores_or_hyphens(tmp_path: Path) -> None:
    with_hyphens = build("gauge", {"level": 1, "fault": "none"}, plot={"y": ["level-read"]})
    assert with_hyphens.plot == {"y": ["level_read"]}
    assert build("ridge", {"alpha": 1, "teacher-weights": [1, 2], "eigenvalues": [1, 2]}).fixed["teacher_weights"]
    write(
        tmp_path / "r.toml", 'system = "ridge"\n[parameters]\nalpha = 1\n"teacher-weights" = [1]\neigenvalues = [1]\n'
    )
    assert from_file(tmp_path / "r.toml").fixed["teacher_weights"] == (1.0,)


def test_what_is_not_said_has_its_default() -> None:
    experiment = build("gauge", {"level": 1})
    assert (experiment.replicates, experiment.seed, experiment.name) == (REPLICATES, 0, "gauge")
    assert experiment.answers == ("theory", "reduced", "direct")
    assert experiment.fixed["noise"] == 0.2
    assert build("walk", {}).answers == ("theory", "direct")


def test_several_values_are_an_axis_and_one_is_not() -> None:
    experiment = build("gauge", {"level": "1,2,3", "noise": "0.5,0.5", "dimension": [4, 8]})
    assert experiment.axes == {"level": (1.0, 2.0, 3.0), "dimension": (4, 8)}
    assert experiment.fixed["noise"] == 0.5
    assert experiment.size == 6
    points = [(point.level, point.dimension) for point in experiment.points()]
    assert points == [(1, 4), (1, 8), (2, 4), (2, 8), (3, 4), (3, 8)]


def test_theory_is_one_task_a_point_and_simulations_are_replicates() -> None:
    tasks = list(build("gauge", {"level": [1, 2]}, replicates=2).tasks())
    expected = [("theory", 0), ("reduced", 0), ("reduced", 1), ("direct", 0), ("direct", 1)]
    assert [(task.answer, task.replicate) for task in tasks] == 2 * expected
    assert tasks[0] == Task(Gauge(level=1.0), "theory", 0)


@pytest.mark.parametrize(
    ("system", "parameters", "options", "says"),
    [
        ("guage", {}, {}, r"system guage is unknown: did you mean gauge\?"),
        ("gauge", {}, {}, r"gauge needs level \(l\): what is read"),
        ("gauge", {"level": 1, "nosie": 1}, {}, r"gauge has no parameter nosie: did you mean noise\?"),
        ("gauge", {"level": 1, "xyz": 1}, {}, "known: level, noise"),
        ("gauge", {"level": "4:1:0"}, {}, "level = 4:1:0 is not a range"),
        ("gauge", {"level": []}, {}, r"level = \[\] is not allowed"),
        ("gauge", {"level": {"a": 1}}, {}, "level = .* is not allowed"),
        ("gauge", {"level": [[1], [1, 2]]}, {}, "level = "),
        ("gauge", {"level": [1, None]}, {}, "level = None is not allowed"),
        ("gauge", {"level": 1}, {"answers": "thoery"}, r"answer thoery is unknown: did you mean theory\?"),
        ("gauge", {"level": 1}, {"answers": []}, "answers"),
        ("gauge", {"level": 1}, {"answers": ""}, "answer"),
        ("gauge", {"level": 1}, {"answers": 3}, "answers = 3"),
        ("gauge", {"level": 1}, {"answers": True}, "answers = True"),
        ("gauge", {"level": 1}, {"answers": [1]}, "answer 1 is unknown"),
        ("walk", {}, {"answers": "reduced"}, "walk has no reduced answer"),
        ("gauge", {"level": 1}, {"replicates": 0}, "replicates = 0 is not allowed: it must be a whole number of at"),
        ("gauge", {"level": 1}, {"replicates": 2.0}, r"replicates = 2\.0 is not allowed"),
        ("gauge", {"level": 1}, {"replicates": True}, "replicates = True is not allowed"),
        ("gauge", {"level": 1}, {"seed": -1}, "seed = -1 is not allowed"),
        ("gauge", {"level": 1}, {"seed": "x"}, "seed = x is not allowed"),
        ("gauge", {"level": 1}, {"seed": None}, "seed = None is not allowed"),
        ("gauge", {"level": 1}, {"plot": {"z": "noise"}}, "plot has no key z"),
        ("gauge", {"level": 1}, {"plot": {"x": "levle"}}, r"levle.*did you mean level\?"),
        ("gauge", {"level": 1}, {"plot": {"x": "fault"}}, "fault"),
        ("gauge", {"level": 1}, {"plot": {"x": ["level"]}}, "plot x"),
        ("gauge", {"level": 1}, {"plot": {"y": "spraed"}}, r"did you mean spread\?"),
        ("gauge", {"level": 1}, {"plot": {"y": [3]}}, "plot y"),
        ("gauge", {"level": 1}, {"plot": {"by": 3}}, "plot by"),
        ("walk", {}, {"plot": {"x": "tmie"}}, r"did you mean time\?"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    system: str, parameters: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says) as refused:
        build(system, parameters, **options)
    assert "\n" not in str(refused.value)


def test_whole_numbers_come_in_words_from_python_and_from_numpy() -> None:
    assert whole("seed", "12", 0) == whole("seed", 12, 0) == whole("seed", np.int64(12), 0) == 12
    assert type(whole("seed", np.int64(12), 0)) is int
    assert whole("seed", 2**200, 0) == 2**200
    for wrong in ("1.0", "", "1e3", 1.0, np.float64(1), "9" * 5000, [1]):
        with pytest.raises(InputError, match="seed = "):
            whole("seed", wrong, 0)


# Files


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"must name its system"),
        ("system = 3", r"system = 3"),
        ("system = [", r"is not a TOML file"),
        ('system = "guage"', r"did you mean gauge\?"),
        ('sytem = "gauge"', r"unknown key sytem: did you mean system\?"),
        ('system = "gauge"\nparameters = 3', r"parameters = 3 must be a table"),
        ('system = "gauge"\nreplicates = {a = 1}\n[parameters]\nlevel = 1', r"replicates = "),
        ('system = "gauge"\ntitle = 3\n[parameters]\nlevel = 1', r"title = 3"),
        ('system = "gauge"\nsource = ["a"]\n[parameters]\nlevel = 1', r"source = "),
        ('system = "gauge"\nreplicates = 2.5\n[parameters]\nlevel = 1', r"replicates = 2\.5"),
        ('system = "gauge"\nanswers = 3\n[parameters]\nlevel = 1', r"answers = 3"),
        ('system = "gauge"\n[parameters]\nlevle = 1', r"did you mean level\?"),
        ('system = "gauge"\n[parameters]\nlevel = nan', r"level = nan"),
        ('system = "gauge"\n[parameters]\nlevel = inf', r"level = inf"),
        ('system = "gauge"\n[parameters]\nlevel = true', r"level = True"),
        ('system = "gauge"\n[parameters]\nlevel = 2020-01-01', r"level = "),
        ('system = "gauge"\n[parameters]\nlevel = [[1, 2]]', r"level = "),
        (f'system = "gauge"\n[parameters]\nlevel = 1{"0" * 400}', r"level = "),
        (f'system = "gauge"\n[parameters]\nlevel = 1{"0" * 5000}', r"level|TOML"),
        ('system = "gauge"\n[parameters]\nlevel = 1\n[plot]\nx = "lvl"', r"lvl"),
        ('system = "gauge"\n[parameters]\nlevel = 1\nlevel = 2', r"is not a TOML file"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        from_file(write(tmp_path / "wrong.toml", text))
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.toml cannot be read: No such file"):
        from_file(tmp_path / "missing.toml")
    with pytest.raises(InputError, match=r"cannot be read: Is a directory"):
        from_file(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(InputError, match=r"latin\.toml is not a TOML file"):
        from_file(tmp_path / "latin.toml")


def test_a_byte_order_mark_and_a_suffix_in_capitals_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "Mine.TOML"
    path.write_text('system = "gauge"\n[parameters]\nlevel = 1\n', encoding="utf-8-sig")
    assert from_file(path).fixed["level"] == 1.0
    assert find_file(str(path)) == path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names on this platform")
def test_an_experiment_is_not_read_from_a_pipe_or_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    for name, kind in (("pipe.toml", "a pipe"), ("zero.toml", "a device")):
        with pytest.raises(InputError, match=f"{name} cannot be read: it is {kind}, not a file"):
            from_file(tmp_path / name)


def test_choices_that_are_not_made_are_no_part_of_the_digest(tmp_path: Path) -> None:
    """A run from before there were columns to choose is continued, and another choice has a place of its own."""
    np.save(tmp_path / "t.npy", np.random.default_rng(0).standard_normal((9, 3)))
    common = {"alpha": 1, "spectrum": str(tmp_path / "t.npy")}
    plain, off = build("ridge", common), build("ridge", {**common, "standardise": False})
    on, some = build("ridge", {**common, "standardise": True}), build("ridge", {**common, "columns": "0,1"})
    both = build("ridge", {**common, "standardise": [False, True]})
    assert plain.digest() == off.digest()
    assert not {"columns", "standardise"} & set(plain.identity())
    assert on.identity()["standardise"] == [True]
    assert both.identity()["standardise"] == [False, True]
    assert len({e.digest() for e in (plain, on, some, both)}) == 4
    again = write(tmp_path / "again.toml", on.to_toml())
    assert from_file(again).digest() == on.digest()


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    path = write(tmp_path / "short.toml", 'system = "gauge"\nseed = 1\n[parameters]\nlevel = 1\nnoise = 0.5\n')
    experiment = from_file(path, {"level": "2,3"}, replicates=4, seed=None)
    assert experiment.axes == {"level": (2.0, 3.0)}
    assert (experiment.fixed["noise"], experiment.replicates, experiment.seed) == (0.5, 4, 1)
    assert experiment.name == "short"


def test_a_file_that_an_experiment_names_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """... but one that is named on the command line lies where the person is, and a law by name is no file."""
    (tmp_path / "there").mkdir()
    write(tmp_path / "there" / "s.csv", "1\n2\n")
    write(tmp_path / "there" / "isotropic", "1\n2\n")
    write(tmp_path / "s.csv", "1\n2\n3\n")
    monkeypatch.chdir(tmp_path)
    named = write(tmp_path / "there" / "e.toml", 'system = "ridge"\n[parameters]\nalpha = 1\nspectrum = "s.csv"\n')
    assert Path(from_file(named).fixed["spectrum"]).samefile("there/s.csv")
    assert Path(from_file(named, {"spectrum": "s.csv"}).fixed["spectrum"]).samefile("s.csv")
    law = write(tmp_path / "there" / "law.toml", 'system = "ridge"\n[parameters]\nalpha = 1\nspectrum = "isotropic"\n')
    assert from_file(law).fixed["spectrum"] == "isotropic"


@pytest.mark.parametrize("name", experiments())
def test_every_experiment_that_comes_along_can_be_read_and_written(name: str, tmp_path: Path) -> None:
    experiment = from_file(experiments()[name])
    assert from_file(write(tmp_path / f"{name}.toml", experiment.to_toml())) == experiment
    assert experiment.title
    assert experiment.source
    assert find_file(name) == find_file(name.replace("_", "-")) == experiments()[name]


# Identity


def test_the_digest_depends_on_the_problem_alone() -> None:
    base = build("gauge", {"level": [1, 2], "noise": 0.2}, answers="theory", replicates=2)
    same = build("gauge", {"noise": 0.2, "level": "1.0,2"}, replicates=9, title="other words", plot={"x": "level"})
    assert base.digest() == same.digest() == build("gauge", {"level": [1, 2]}).digest()
    others = [
        build("gauge", {"level": [1, 2]}, seed=1),
        build("gauge", {"level": [1, 3]}),
        build("gauge", {"level": [1, 2], "noise": 0.3}),
        build("walk", {}),
    ]
    assert len({base.digest(), *(other.digest() for other in others)}) == 5


def test_the_digest_takes_a_file_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write(tmp_path / "one.csv", "1\n2\n")
    write(tmp_path / "b" / "two.csv", "1\n2\n")
    write(tmp_path / "three.csv", "1\n3\n")
    one, two, three = (
        build("ridge", {"alpha": 1, "spectrum": str(tmp_path / file)}) for file in ("one.csv", "b/two.csv", "three.csv")
    )
    assert one.digest() == two.digest() != three.digest()


@given(
    level=st.lists(st.floats(-100, 100), min_size=1, max_size=4),
    noise=st.one_of(st.none(), st.floats(0, 1e100)),
    fault=st.sampled_from([None, "none", ["raise", "nan"]]),
    answers=st.sampled_from([None, ["theory"], ["direct", "reduced"]]),
    seed=st.integers(0, 2**130),
    title=st.text(max_size=5) | st.just("\x7f"),
)
@settings(deadline=None, max_examples=60)
def test_what_is_described_is_restored_and_so_is_the_file_that_says_it(
    level: list[float], noise: float | None, fault: Any, answers: Any, seed: int, title: str
) -> None:
    given = {"level": level, "noise": noise, "fault": fault}
    parameters = {name: value for name, value in given.items() if value is not None}
    experiment = build(Gauge, parameters, answers=answers, seed=seed, title=title)
    described = json.loads(json.dumps({**experiment.describe(), "name": experiment.name}))
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        register(patch.setitem)
        assert restore(described) == experiment
        path = write(Path(folder) / "gauge.toml", experiment.to_toml())
        assert from_file(path) == experiment


def test_experiments_join() -> None:
    one = build("gauge", {"level": [1, 3]}, answers="theory", replicates=5, title="one")
    other = build("gauge", {"level": [2, 3]}, answers="direct", replicates=2, title="other")
    joined = one.joined(other)
    assert joined.axes["level"] == (1.0, 2.0, 3.0)
    assert joined.answers == ("theory", "direct")
    assert (joined.replicates, joined.title) == (5, "other")


def test_an_experiment_is_public_and_made_from_words() -> None:
    import tsmech

    assert tsmech.Experiment is Experiment
    assert Experiment.build(Walk, {}).system is Walk
    asked = Experiment.build("gauge", {"level": "1:3:3"}, answers="theory")
    assert (asked.size, asked.answers) == (3, ("theory",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"system": "gauge"},
        {"system": dict},
        {"parameters": {"level": 1.0}},
        {"parameters": "level"},
        {"answers": "theory"},
        {"answers": ("thoery",)},
        {"replicates": "20"},
        {"replicates": True},
        {"seed": 1.0},
        {"plot": None},
        {"title": 3},
    ],
)
def test_the_bare_constructor_refuses_words_in_one_line(wrong: dict[str, Any]) -> None:
    right = {"system": Gauge, "parameters": {"level": (1.0,)}}
    Experiment(**right)
    (name,) = wrong
    with pytest.raises(InputError, match=rf"^{name} = .*: Experiment\.build makes an experiment from words") as refused:
        Experiment(**{**right, **wrong})
    assert "\n" not in str(refused.value)


def test_answers_come_in_any_order_and_container() -> None:
    names = ["direct", "theory"]
    for named in (names, tuple(names), set(names), np.array(names), iter(names), "direct, theory"):
        assert build("gauge", {"level": 1}, answers=named).answers == ("theory", "direct")
    for wrong in ({"theory": 1}, b"theory", 3):
        with pytest.raises(InputError, match="answers = "):
            build("gauge", {"level": 1}, answers=wrong)


def test_a_system_is_a_system() -> None:
    for wrong in (dict, 3, None, Gauge(level=1.0)):
        with pytest.raises(InputError, match=r"system = .* is not allowed: it must be a system's name or class"):
            build(wrong, {})


def test_the_words_of_an_experiment_are_printable() -> None:
    experiment = build("gauge", {"level": 1}, title="one\ntwo \x1b[31m", source="\ud800", name="\x9b")
    assert (experiment.title, experiment.source, experiment.name) == (r"one two \u001b[31m", r"\ud800", r"\u009b")


def test_more_than_a_computer_can_do_is_refused() -> None:
    for wrong in (10**20, "1" + "0" * 20, 10_000_001):
        with pytest.raises(InputError, match="replicates = 1"):
            build("gauge", {"level": 1}, replicates=wrong)
    with pytest.raises(InputError, match="seed = a whole number of 5001 digits"):
        build("gauge", {"level": 1}, seed=10**5000)
    with pytest.raises(InputError, match=r"one simulation would take 1e\+24 steps"):
        build("online_sgd", {"duration": 1e21})
    assert build("online_sgd", {"duration": 1e21}, answers="theory").size == 1


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="teacher_weights is given twice"):
        build("ridge", {"alpha": 1, "teacher-weights": [1], "teacher_weights": [1], "eigenvalues": [1]})
