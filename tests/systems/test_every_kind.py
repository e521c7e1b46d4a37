"""A system with a bool, a path, a vector, a matrix and two tasks, from a file to the table, the check and the picture.

A student of N weights reads two teachers one after the other; what it keeps of each decays.  Everything that the
contract knows is used once: a number or a word, a switch, a path, two coordinates of which one has names, a vector and
a matrix, a summary, and a prediction beside simulations whose mean it is.  Its annotations are text, as the first
import leaves all of them.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import tsmech
from tests.commands import command
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.problem.answers import prediction, simulation
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import Convergence, System
from tsmech.runs import carry_out, draw_files
from tsmech.store import Store
from tsmech.systems import REGISTRY, find

TIMES = np.array([0.0, 1.0, 2.0])
TASKS = ("first", "second")
ENTRIES = ["m[0]", "m[1]", "C[0, keep]", "C[0, lose]", "C[1, keep]", "C[1, lose]"]


@dataclass(frozen=True)
class TwoTasks(System):
    """Memory of two tasks, read from N noisy weights."""

    name = "two_tasks"
    title = "Two tasks in turn"
    coordinates: ClassVar = {
        "task": Coordinate("τ", "task", names=True),
        "time": Coordinate("t", "time", "steps of training"),
    }
    observables: ClassVar = {
        "memory": Observable("μ", "memory of the task"),
        "m": Observable("m", "mean weights", axes=("half",)),
        "C": Observable("C", "second moments", axes=("half", "fate")),
        "final_memory": Observable("μ_end", "memory in the end, of both tasks", summary=True),
    }
    answers: ClassVar = {"exact": prediction(0, exact=True), "drawn": simulation(2)}
    references = (Reference("A. Author", 2026, "Two tasks", "J. Tests 1, 1", arxiv="2601.00001"),)
    checks = ({"rate": 0.5}, {"rate": "best", "frozen": True})
    convergence = Convergence("dimension", (20, 40))

    rate: float | str = parameter("γ", "decay a step, or best", default=0.5, minimum=0, choices=("best",))
    frozen: bool = parameter("F", "whether the first task is kept", default=False)
    levels: Path | None = parameter("L", "a file with the level of each half", default=None)
    noise: float = parameter("σ", "standard deviation of a weight", default=0.3, minimum=0)
    dimension: int = parameter("N", "number of weights of each half", default=20, minimum=2)

    def exact_curve(self) -> Curve:
        means = np.stack([self._means(task) for task in TASKS])
        spread = self.noise**2 / self.dimension
        return self._curve(means, means**2 + spread)

    def drawn_curve(self, rng: np.random.Generator) -> Curve:
        means = np.stack([self._means(task) for task in TASKS])
        means = means + self.noise * rng.standard_normal((*means.shape, self.dimension)).mean(axis=-1)
        return self._curve(means, means**2)

    def _means(self, task: str) -> np.ndarray:
        """Return the mean weight of both halves at each time, shape (times, halves)."""
        rate = 0.25 if self.rate == "best" else float(self.rate)
        levels = np.loadtxt(self.levels) if self.levels is not None else np.array([1.0, 2.0])
        kept = np.ones(3) if task == "first" and self.frozen else np.exp(-rate * TIMES)
        return np.multiply.outer(kept, levels)

    def _curve(self, means: np.ndarray, squares: np.ndarray) -> Curve:
        m, square = means.reshape(6, 2), squares.reshape(6, 2)
        memory = m.sum(axis=1)
        return Curve(
            {"memory": memory, "m": m, "C": np.stack([square, 1.0 - m], axis=-1)},
            {"task": tuple(name for name in TASKS for _ in TIMES), "time": np.tile(TIMES, 2)},
            summaries={"final_memory": np.asarray(memory[2] + memory[5])},
            labels={"fate": ("keep", "lose")},
        )


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(REGISTRY, "two_tasks", "TwoTasks")
    monkeypatch.setitem(sys.modules, "tsmech.systems.two_tasks", sys.modules[__name__])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "levels.txt").write_text("3.0\n0.5\n")


def test_its_parameters_are_what_their_types_say() -> None:
    kinds = {name: one.kinds for name, one in find("two_tasks").parameters().items()}
    assert kinds["rate"] == ("float", "word")
    assert (kinds["frozen"], kinds["levels"]) == (("bool",), ("path",))
    experiment = build("two_tasks", {"rate": "0.5,best", "frozen": "true,false"})
    assert experiment.axes == {"rate": (0.5, "best"), "frozen": (True, False)}
    assert experiment.size == 4
    assert build("two_tasks", {"levels": "levels.txt"}).fixed["levels"] == Path("levels.txt")
    for wrong, says in (
        ({"rate": "worst"}, "rate = worst"),
        ({"frozen": "maybe"}, "frozen = maybe is not allowed: it must be true or false"),
        ({"levels": 3}, "levels = 3 is not allowed: it must be the path of a file"),
        ({"levels": "nowhere.txt"}, "nowhere.txt cannot be read: No such file"),
    ):
        with pytest.raises(InputError, match=says):
            build("two_tasks", wrong).digest()


def test_a_file_counts_by_its_contents_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "copy.txt").write_text("3.0\n0.5\n")
    one, same = TwoTasks(levels=Path("levels.txt")), TwoTasks(levels="copy.txt")
    assert one.key() == same.key() != TwoTasks().key()


def test_the_table_has_a_column_for_each_entry() -> None:
    frame = tsmech.run("two_tasks", frozen=[True, False], replicates=3, workers=1)
    entries = ["memory", *ENTRIES, "final_memory"]
    assert set(frame.columns) == {
        "system", "answer", "frozen", "task", "time", "replicates", *entries, *(f"{name}_sem" for name in entries)
    }  # fmt: skip
    assert len(frame) == 2 * 2 * 6
    exact = frame[(frame.answer == "exact") & frame.frozen]
    assert exact.task.tolist() == ["first"] * 3 + ["second"] * 3
    assert exact.time.tolist() == [0.0, 1.0, 2.0] * 2
    assert exact["m[1]"].tolist() == [2.0] * 3 + [pytest.approx(2.0 * math.exp(-0.5 * t)) for t in TIMES]
    assert exact["C[0, lose]"].tolist() == [pytest.approx(1.0 - value) for value in exact["m[0]"]]
    assert exact["final_memory"].nunique() == 1
    assert exact["memory_sem"].isna().all()
    drawn = frame[(frame.answer == "drawn") & frame.frozen]
    assert (drawn["m[0]_sem"] > 0).all()
    assert (drawn.replicates == 3).all()


def test_a_file_and_python_ask_for_the_same(tmp_path: Path, unpainted: None) -> None:
    file = tmp_path / "two.toml"
    file.write_text(
        'system = "two_tasks"\nreplicates = 2\nseed = 3\n[parameters]\n'
        'rate = [0.5, "best"]\nfrozen = true\nlevels = "levels.txt"\n'
    )
    said = command("run", file, "--out", "run", "--workers", 1)
    assert said.code == 0, said.err
    with Store.open(Path("run")) as store:
        there = pd.DataFrame(list(store.rows()))
    here = tsmech.run(
        "two_tasks", rate=[0.5, "best"], frozen=True, levels="levels.txt", replicates=2, seed=3, workers=1
    )
    pd.testing.assert_frame_equal(there[list(here.columns)], here, check_exact=True, check_dtype=False)
    assert command("run", file, "--out", "run", "--workers", 1).code == 0


def test_draws_come_back_with_their_names() -> None:
    experiment = build("two_tasks", {}, answers="drawn", replicates=2)
    with carry_out(experiment, Path("run")) as store:
        ((_, answer, curves),) = store.curves()
    (system,) = experiment.points()
    for replicate, curve in enumerate(curves):
        again = system.curve(answer, system.stream(answer, 0, replicate))
        assert curve.coordinates["task"] == again.coordinates["task"]
        assert curve.labels == {"fate": ("keep", "lose")}
        assert all((curve.observables[name] == again.observables[name]).all() for name in again.observables)
        assert curve.summaries["final_memory"] == again.summaries["final_memory"]


def test_it_is_exported_and_drawn() -> None:
    experiment = build("two_tasks", {"frozen": [True, False]}, replicates=2)
    with carry_out(experiment, Path("run")) as store:
        assert [path.name for path in draw_files(store, Path())] == ["figure.png", "figure.svg"]
    assert command("export", "run", "--out", "t.csv").code == 0
    frame = pd.read_csv("t.csv")
    assert set(ENTRIES) <= set(frame.columns)
    assert frame.task.unique().tolist() == list(TASKS)
    assert "two_tasks" in command("show", "run").out


@pytest.mark.slow
def test_a_command_line_asks_for_all_of_it() -> None:
    """A number or a word that is swept, a switch, a path; then each way to take the results away."""
    listed = command("run", "two_tasks", "--help").out
    assert all(f"--{name.replace('_', '-')}" in listed for name in TwoTasks.parameters())
    words = ("run", "two-tasks", "--rate", "0.25,0.5,best", "--frozen", "--levels", "levels.txt")
    said = command(*words, "--replicates", 3, "--out", "run", "--workers", 1, "--quiet")
    assert said.code == 0, said.err
    with Store.open(Path("run")) as store:
        assert store.experiment.axes == {"rate": (0.25, 0.5, "best")}
        rows = [row for row in store.rows() if row["answer"] == "exact"]
    quarter, best = ([row["m[0]"] for row in rows if row["rate"] == rate] for rate in (0.25, "best"))
    assert quarter == best
    for number, asked in enumerate(
        (["--y", "m"], ["--y", "C"], ["--y", "m[0],memory"], ["--y", "C[0, keep]"], ["--matrix", "C", "--at", "0,2"])
    ):
        said = command("plot", "run", *asked, "--out", f"{number}.svg")
        assert said.code == 0, said.err
        assert Path(f"{number}.svg").stat().st_size > 1000
    assert command("export", "run", "--out", "t.parquet").code == 0
    assert pd.read_parquet("t.parquet").rate.unique().tolist() == ["0.25", "0.5", "best"]
    said = command("check", "two_tasks", "--short")
    assert said.code == 0, said.out
    assert re.search(r"two_tasks +C +\d+ tests, .* yes$", said.out, re.MULTILINE)


@pytest.mark.slow
def test_shards_of_it_are_the_whole() -> None:
    words = ("run", "two_tasks", "--frozen", "--replicates", 2, "--workers", 1, "--quiet")
    for number in (1, 2):
        assert command(*words, "--shard", f"{number}/2", "--out", f"part{number}").code == 0
    assert command("merge", "whole", "part1", "part2", "--quiet").code == 0
    assert command(*words, "--out", "at-once").code == 0
    tables = [Path(f"{name}/table.csv").read_text() for name in ("whole", "at-once")]
    assert tables[0] == tables[1] != ""


def test_its_answers_are_compared_entry_by_entry() -> None:
    verdicts = check(TwoTasks, replicates=200)
    assert all(verdict.agrees for verdict in verdicts)
    assert {verdict.observable for verdict in verdicts} == {"memory", *ENTRIES}
    assert {verdict.comparison for verdict in verdicts} == {"drawn = exact"}
    assert "task = second, time = 2.0" in {verdict.at for verdict in verdicts}


@dataclass(frozen=True)
class Wrong(TwoTasks):
    """The negative control: the exact formula forgets the scatter of the mean."""

    checks = ({"noise": 3.0},)

    def exact_curve(self) -> Curve:
        means = np.stack([self._means(task) for task in TASKS])
        return self._curve(means, means**2)


def test_a_wrong_entry_of_the_matrix_is_noticed() -> None:
    wrong = {verdict.observable for verdict in check(Wrong, replicates=1000) if not verdict.agrees}
    assert wrong
    assert wrong <= {"C[0, keep]", "C[1, keep]"}


def test_its_reference_and_the_number_it_runs_along_are_told() -> None:
    assert str(TwoTasks.references[0]) == "A. Author (2026), Two tasks, J. Tests 1, 1, arXiv:2601.00001"
    assert TwoTasks.running() == "time"


@dataclass(frozen=True)
class Sampled(System):
    """A point with two predictions, of which one is solved by sampling and says how well."""

    name = "sampled"
    title = "A mean, exactly and by sampling"
    observables: ClassVar = {"mean": Observable("μ", "mean")}
    answers: ClassVar = {
        "exact": prediction(0, exact=True),
        "sampled": prediction(3, random=True),
        "drawn": simulation(1),
    }
    checks = ({"level": 2.0},)

    level: float = parameter("l", "level", default=1.0)

    def exact_curve(self) -> Curve:
        return Curve.point({"mean": self.level})

    def sampled_curve(self, rng: np.random.Generator) -> Curve:
        found = self.level + rng.standard_normal(400)
        error = found.std(ddof=1) / math.sqrt(found.size)
        return Curve({"mean": found.mean()[None]}, errors={"mean": np.array([error])})

    def drawn_curve(self, rng: np.random.Generator) -> Curve:
        return Curve.point({"mean": self.level + rng.standard_normal()})


def test_a_prediction_that_is_sampled_says_its_standard_error(monkeypatch: pytest.MonkeyPatch, unpainted: None) -> None:
    monkeypatch.setitem(REGISTRY, "sampled", "Sampled")
    monkeypatch.setitem(sys.modules, "tsmech.systems.sampled", sys.modules[__name__])
    said = command("run", "sampled", "--level", "1,2", "--replicates", 50, "--out", "run", "--workers", 1, "--quiet")
    assert said.code == 0, said.err
    with Store.open(Path("run")) as store:
        frame = pd.DataFrame(list(store.rows())).set_index(["answer", "level"]).sort_index()
    assert frame.loc["exact", "mean"].tolist() == [1.0, 2.0]
    assert frame.loc["exact", "mean_sem"].isna().all()
    assert frame.loc["sampled", "mean_sem"].tolist() == pytest.approx([0.05, 0.05], rel=0.2)
    assert (abs(frame.loc["sampled", "mean"] - [1.0, 2.0]) < 0.25).all()
    assert frame.loc[("sampled", 1.0), "mean"] == Sampled().answer("sampled")["mean"][0]
    assert command("plot", "run", "--x", "level", "--out", "p.svg").code == 0
    verdicts = check(Sampled, replicates=300)
    assert all(verdict.agrees for verdict in verdicts)
    assert "drawn = exact" in {verdict.comparison for verdict in verdicts}
