"""An answer that only some points have is performed there: all that counts tasks agrees, and a line says so.  Where no
point has it, it is refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

import tsmech
from tests.commands import command
from tests.gauge import Gauge, Walk, register
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build, restore
from tsmech.explore.stages import draws, predictions
from tsmech.explore.view import View
from tsmech.runs import carry_out, entries, tables
from tsmech.runs.merging import merge, missing
from tsmech.runs.progress import Progress
from tsmech.runs.shards import Shard
from tsmech.store import Store

NOISE = [0.1, 50.0, 100.0, 150.0, 200.0, 250.0]
"""There is theory of four of these."""
WHY = "gauge has no theory answer here: such noise drowns the level"
LINE = f"no theory at 4 of 12 points: {WHY}"
TARGET = {"target_error": 0.5, "max_replicates": 8}


@pytest.fixture(autouse=True)
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


def sweep(**more: Any) -> Experiment:
    given: dict[str, Any] = {"answers": "theory,direct", "replicates": 3, **more}
    return build(Gauge, {"level": [1, 2], "noise": NOISE}, **given)


def content(store: Store) -> list[Any]:
    return [
        (values, answer, [{name: v.tobytes() for name, v in curve.observables.items()} for curve in curves])
        for values, answer, curves in store.curves()
    ]


def test_points_without_an_answer_have_no_task_of_it_and_their_draws_are_those_of_any_sweep() -> None:
    asked, told = sweep(), list[Progress]()
    tasks = list(asked.tasks())
    assert [asked.points_with(answer) for answer in asked.answers] == [8, 12]
    assert len(tasks) == 8 + 12 * 3
    assert {task.system.noise for task in tasks if task.answer == "theory"} == {0.1, 50.0, 200.0, 250.0}
    with carry_out(asked, Path("run"), report=told.append) as store, carry_out(sweep(answers="direct")) as direct:
        last = told[-1]
        assert (last.total, last.finished, last.points, last.finished_points) == (44, 44, 12, 12)
        assert store.counts() == {"theory": 8, "direct": 36}
        assert [row for row in content(store) if row[1] == "direct"] == content(direct)
        assert not list(store.remaining(asked.tasks()))
        assert len(list(store.rows())) == len(list(entries.rows(store))) / 3 == 20
        assert sum(line.startswith("gauge,theory") for line in tables.to_csv(store.rows()).splitlines()) == 8


def test_a_run_that_is_continued_performs_what_it_lacks_and_no_more() -> None:
    told: list[Progress] = []
    carry_out(sweep(replicates=1), Path("run")).close()
    with carry_out(sweep(), Path("run"), report=told.append) as store:
        assert (told[-1].total, told[-1].finished) == (24, 24)
        assert store.experiment.lacking == {"theory": {WHY: 4}}
    with carry_out(sweep(), Path("run"), report=told.append) as again, carry_out(sweep()) as whole:
        assert told[-1].total == 0
        assert content(again) == content(whole)
    with Store.open(Path("run")) as store:
        assert store.experiment.absences() == [LINE]


@pytest.mark.parametrize("more", [{}, TARGET])
def test_shards_are_disjoint_whatever_points_lack_and_merge_to_the_whole(more: dict[str, Any]) -> None:
    asked = sweep(**more)
    shares = [list(Shard(number, 4).tasks(asked)) for number in range(1, 5)]
    assert sorted(map(repr, asked.tasks())) == sorted(repr(task) for share in shares for task in share)
    everywhere = build(Gauge, {"level": [1, 2], "noise": [n if n < 100 or n >= 200 else 300 + n for n in NOISE]})
    alike = build(Gauge, {**everywhere.parameters}, answers="theory,direct", replicates=3, **more)
    for number, share in enumerate(shares, 1):
        other = {(task.system, task.answer, task.replicate) for task in Shard(number, 4).tasks(alike)}
        common = [task for task in share if not 100 <= task.system.noise < 200]
        assert {(task.system, task.answer, task.replicate) for task in common} <= other
    places = [Path(f"shard{number}") for number in range(1, 5)]
    for number, place in enumerate(places, 1):
        carry_out(asked, place, shard=Shard(number, 4)).close()
    with merge(Path("merged"), places) as merged, carry_out(asked) as whole:
        assert content(merged) == content(whole)
        assert missing(merged, places) == ""
    with merge(Path("fewer"), places[:3]) as merged:
        lost = len({task for task in shares[3] if task.replicate < 3})
        assert missing(merged, places[:3]).startswith(f"{lost} tasks are missing")


def test_an_answer_that_no_point_has_is_refused_in_one_line() -> None:
    for noise in (150.0, [100.0, 150.0]):
        with pytest.raises(InputError, match=WHY):
            build("gauge", {"level": 1, "noise": noise}, answers="theory")
        assert build("gauge", {"level": 1, "noise": noise}).answers == ("reduced", "direct")
    with pytest.raises(InputError, match="walk has no reduced answer"):
        build("walk", {"drift": [1, 2]}, answers="theory,reduced")
    with pytest.raises(InputError, match="noise = -1 is not allowed"):
        build("gauge", {"level": 1, "noise": [150, -1]}, answers="direct")
    said = command("run", "gauge", "--level", 1, "--noise", "100,150", "--answers", "theory")
    assert (said.code, said.out, said.err) == (2, "", f"tsmech: {WHY}\n")


def test_what_this_machine_cannot_compute_is_no_lack_of_the_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    short = "gauge has no direct answer here: there is too little memory"
    monkeypatch.setattr(
        Gauge, "obstacle", lambda self, answer: short if answer == "direct" and self.noise > 1 else None
    )
    with pytest.raises(InputError, match=short):
        sweep()
    with pytest.raises(InputError, match=short):
        Gauge(level=1.0, noise=2.0).direct(0)
    assert sweep(answers=None).answers == ("theory", "reduced")
    monkeypatch.setattr(Walk, "obstacle", lambda self, answer: f"no room for {answer}")
    with pytest.raises(InputError, match="no room for theory"):
        build("walk", {})


def test_readers_are_told_how_many_points_lack_an_answer_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsmech.runs.products.draw_files", lambda *_: [])
    with pytest.warns(UserWarning, match=LINE):
        table = tsmech.run(sweep(), workers=1, out="run")
    assert len(table) == 20
    run = tsmech.open_run("run")
    assert run.remarks == [LINE]
    assert len(run.draws("theory")) == 8
    assert restore(run.experiment.describe()).absences() == [LINE]
    asked = ["run", "gauge", "--level", "1,2", "--noise", ",".join(map(str, NOISE)), "--answers", "theory"]
    assert LINE in command(*asked, "--out", "run").out.splitlines()
    for options in (["--dry-run"], ["--json"], ["--shard", "1/2"]):
        said = command(*asked, *options)
        assert said.code == 0
        assert f"tsmech: {LINE}\n" in said.err
        assert LINE not in said.out
    assert f"# {LINE}" in command("show", "run").out.splitlines()


def test_several_reasons_are_counted_and_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walk, "lacks", lambda self, answer: f"{answer} {self.length}" if self.drift > 1 else None)
    assert build("walk", {"drift": [1, 2], "length": [4, 5]}, answers="theory").absences() == [
        "no theory at 2 of 4 points: theory 4 (1); theory 5 (1)"
    ]
    (line,) = build("walk", {"drift": [1, 2], "length": list(range(1, 10))}, answers="theory").absences()
    assert line == "no theory at 9 of 18 points: theory 1 (1); theory 2 (1); theory 3 (1); for other reasons (6)"


def _segments(panel: Axes) -> list[list[float]]:
    """Return where the pieces of the panel's line of theory are."""
    (line,) = [line for line in panel.lines if line.get_linestyle() not in ("None", "")]
    pieces: list[list[float]] = [[]]
    for x, y in zip(*line.get_data(), strict=True):
        if math.isnan(y):
            pieces.append([])
        else:
            pieces[-1].append(float(x))
    return [piece for piece in pieces if piece]


def test_a_line_of_theory_does_not_lead_across_points_that_have_none() -> None:
    asked = build(Gauge, {"level": 1, "noise": NOISE}, answers="theory,direct", replicates=2)
    with carry_out(asked, pictured=True) as store:
        left, right = _segments(tsmech.draw(store, x="noise", y="level_read"))
        assert (left[0], right[-1]) == (0.1, 250.0)
        assert 99 < left[-1] < 100 < 200 <= right[0] < 201
        assert min(len(left), len(right)) > 2, "there are finer points on both sides"
    with carry_out(asked) as store:  # which has no finer points
        assert _segments(tsmech.draw(store, x="noise", y="level_read")) == [[0.1, 50.0], [200.0, 250.0]]


def test_the_explorer_performs_and_tells_the_same() -> None:
    view = View(Gauge, {"level": "1,2", "noise": ",".join(map(str, NOISE))}, {}, ("theory", "direct"), replicates=3)
    asked = view.experiment()
    performed = [task for stage in predictions(asked) for task in stage if task.system.noise in NOISE]
    assert len(performed) == 8
    assert sum(map(len, draws(asked, ["direct"]))) == 3 * asked.points_with("direct") == 36
    assert view.lacking(asked) == [LINE]
    assert "theory,direct" in view.command(asked)
    only = View(Gauge, {"level": "1", "noise": "150"}, {}, ("theory",))
    with pytest.raises(InputError, match=WHY):
        only.experiment()


def test_a_map_is_grey_where_an_answer_is_not_there() -> None:
    asked = build(Gauge, {"level": [1, 2, 3], "noise": NOISE}, answers="theory,direct", replicates=2)
    with carry_out(asked) as store:
        theory, direct = tsmech.draw(store, value="level_read", x="level", y="noise")
    shown, whole = (ax.collections[0].get_array() for ax in (theory, direct))
    assert shown.mask.any(axis=1).tolist() == [100 <= noise < 200 for noise in NOISE]
    assert not np.ma.getmaskarray(whole).any()
    assert theory.get_ylim() == direct.get_ylim()


def test_a_matrix_of_an_answer_that_is_not_there_has_no_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walk, "lacks", lambda self, answer: "none" if (answer, self.drift) == ("theory", 2) else None)
    asked = build(Walk, {"drift": [2, 1]}, answers="theory,direct", replicates=2)
    with carry_out(asked) as store:
        panels = tsmech.draw(store, matrix="overlap", at=[4])
    assert [ax.get_title().partition(",")[0] for ax in panels] == ["theory", "direct", "direct"]
