"""The display of progress: a line now and then where there is no terminal, a bar on one, nothing when quiet."""

import math
import os
import pty
import re
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

import tsmech
from tests.commands import ROOT
from tests.gauge import Gauge, register
from tsmech import engine
from tsmech.experiment import Task, build
from tsmech.kernels import jit
from tsmech.machine import compilation
from tsmech.problem.curve import Curve
from tsmech.runs import carry_out, progress
from tsmech.runs.progress import Meter, Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_plain_line_comes_every_so_often(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Meter("sweep") as meter:
        meter.show(Progress(100, 10))
        clock[0] += progress.QUIET_SECONDS - 1
        meter.show(Progress(100, 10, finished=5))
        assert capsys.readouterr().err == ""
        clock[0] += 1
        meter.show(Progress(100, 10, finished=20, finished_points=2))
        meter.show(Progress(100, 10, finished=21, finished_points=2))
        clock[0] += progress.QUIET_SECONDS
        meter.show(Progress(100, 10, 40, 4, 3, "ValueError: no\nway " + "x" * 100, 0.05))
    first, second, totals = capsys.readouterr().err.splitlines()
    assert first == "sweep: 20 of 100, 2 of 10 points, 2 a second, 40 s left"
    assert second.startswith(
        "sweep: 40 of 100, 4 of 10 points, 2 a second, 30 s left, error 0.05, 3 failed (ValueError"
    )
    assert len(second) < 200
    assert totals.startswith("sweep: 40 tasks in 20 s, error 0.05, 3 failed (ValueError")


def test_nothing_is_said_when_quiet(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Meter("sweep", quiet=True) as meter:
        clock[0] += 100.0
        meter.show(Progress(100, 10, finished=20))
    assert capsys.readouterr().err == ""


def test_a_time_is_said_as_people_say_it(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Meter("sweep") as meter:
        for finished, left in ((1, "16 min 30 s left"), (0, "time left unknown")):
            clock[0] += progress.QUIET_SECONDS
            with Meter("other") as other:
                clock[0] += progress.QUIET_SECONDS
                other.show(Progress(100, finished=finished))
                assert capsys.readouterr().err.endswith(left + "\n")
            assert capsys.readouterr().err == f"other: {finished} tasks in 10 s\n"
        clock[0] = 1000.0 + 7200.0
        meter.show(Progress(100, finished=50))
        assert capsys.readouterr().err.endswith("2 h 0 min left\n")


def test_compilation_is_no_work(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    """What is left is judged by the work that was done; what Numba compiles is said while it does, and in the end."""
    with Meter("sweep") as meter:
        for finished, remark, left, said in (
            (0, compilation.WORDS, math.inf, "sweep: 0 of 100, 0 a second, compiling (once)"),
            (0, compilation.WORDS, math.inf, "sweep: 0 of 100, 0 a second, compiling (once)"),
            (3, "", math.inf, "sweep: 3 of 100, 0.1 a second, time left unknown"),
            (80, "", 5.0, "sweep: 80 of 100, 2 a second, 5 s left"),
        ):
            clock[0] += progress.QUIET_SECONDS
            meter.show(Progress(100, finished=finished, remark=remark, left=left))
            assert capsys.readouterr().err == said + "\n"
    assert capsys.readouterr().err == "sweep: 80 tasks in 40 s, 20 s of it compiling (once)\n"


@pytest.mark.parametrize("notebook", [False, True])
def test_compilation_is_said_when_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: list[float], notebook: bool
) -> None:
    """Once, wherever progress is shown: the first kernel may take longer than any time between two lines."""
    if notebook:
        shell = types.SimpleNamespace(kernel=None)
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    with Meter("sweep") as meter:
        for remark, said in (("", ""), (compilation.WORDS, "compiling (once)"), ("", ""), (compilation.WORDS, "")):
            clock[0] += 0.1
            meter.show(Progress(100, remark=remark))
            assert (capsys.readouterr().err.strip() == "sweep: 0 of 100, 0 a second, " + said) == bool(said)


def test_a_run_that_had_nothing_to_show_says_nothing_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Meter("sweep") as meter:
        meter.show(Progress(100, finished=100))
    assert capsys.readouterr().err == ""


def test_a_run_that_ends_by_an_error_has_no_totals(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    def fail() -> None:
        with Meter("sweep") as meter:
            clock[0] += progress.QUIET_SECONDS
            meter.show(Progress(100, finished=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_notebook_has_one_line_that_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    shell = types.SimpleNamespace(kernel=None)
    assert not progress.can_be_shown()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert progress.can_be_shown()
    with Meter("sweep") as meter:
        for finished in (1, 2):
            clock[0] += 1.0
            meter.show(Progress(4, finished=finished))
    line, other, totals = capsys.readouterr().err.removeprefix("\r").replace("\r", "\n").splitlines()
    assert line.startswith("sweep: 1 of 4")
    assert other.startswith("sweep: 2 of 4")
    assert totals == "sweep: 2 tasks in 2 s"


@pytest.mark.parametrize(("asked", "shown"), [(None, False), (False, False), (True, True)])
def test_python_shows_progress_where_somebody_looks_or_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: bool | None, shown: bool
) -> None:
    register(monkeypatch.setitem)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    tsmech.run("gauge", level=1, replicates=2, workers=1, progress=asked)
    said = capsys.readouterr().err
    assert ("gauge: 5 tasks in" in said) == shown
    assert bool(said) == shown


def test_without_a_stderr_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress.can_be_shown()
    with Meter("sweep") as meter:
        meter.show(Progress(100))


def test_predictions_come_first_and_what_is_left_is_judged_by_each_answers_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Simulations that nobody has seen yet take an unknown time, however quick the predictions were."""
    seen: list[tuple[int, float | None]] = []
    order: list[str] = []
    original = Gauge.curve

    def curve(gauge: Gauge, answer: str, rng: Any = None) -> Curve:
        order.append(answer)
        return original(gauge, answer, rng)

    monkeypatch.setattr(Gauge, "curve", curve)
    experiment = build(Gauge, {"level": [1, 2, 3]}, replicates=2)
    carry_out(experiment, workers=1, report=lambda state: seen.append((state.finished, state.left))).close()
    assert order == ["theory"] * 3 + ["reduced", "reduced", "direct", "direct"] * 3
    assert all(left == math.inf for finished, left in seen if finished <= 3)
    assert seen[-1] == (15, 0.0)


def test_one_long_task_is_shown_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is reported while it is performed in this process; the display ends with its context."""
    monkeypatch.setattr(progress, "BEAT", 0.01)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.02)
    said, end = "", time.monotonic() + 20.0
    with Meter("sweep") as meter:
        meter.show(Progress(1))
        while said.count("sweep: 0 of 1") < 3 and time.monotonic() < end:
            time.sleep(0.01)
            said += capsys.readouterr().err
    assert said.count("sweep: 0 of 1, 0 a second, time left unknown\n") >= 3
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_what_numba_compiles_is_not_the_time_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds of work and five of compilation, that of a kernel within a kernel counted once."""
    now = [0.0]

    def curve(gauge: Gauge, answer: str, rng: Any = None) -> Curve:
        compilation._begin()
        now[0] += 3.0
        compilation._begin()
        now[0] += 2.0
        compilation._end()
        compilation._end()
        now[0] += 2.0
        return Curve.point({"spread": 0.0})

    monkeypatch.setattr(Gauge, "curve", curve)
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: now[0])
        (outcome,) = engine.perform([Task(Gauge(level=1.0), "direct", 0)], 0)
    assert outcome.seconds == 2.0


def test_compilation_is_told_when_it_begins_and_ends_and_not_what_is_compiled_already() -> None:
    told: list[bool] = []
    twice = jit.njit(lambda x: 2.0 * x)
    with compilation.telling(told.append):
        for _ in range(2):
            assert twice(1.5) == 3.0
            assert told == [True, False]
    assert jit.njit(lambda x: 3.0 * x)(1.0) == 3.0
    assert told == [True, False]


def test_points_are_counted_as_their_last_task_is_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(monkeypatch.setitem)
    experiment = build(Gauge, {"level": [1, 2, 3, 4]}, replicates=3)
    seen: list[tuple[int, int, int, int]] = []

    def report(state: Progress) -> None:
        seen.append((state.finished, state.total, state.finished_points, state.points))

    carry_out(build(Gauge, {"level": [1, 2]}, replicates=3), tmp_path / "run").close()
    carry_out(experiment, tmp_path / "run", report=report).close()
    assert seen[0] == (0, 14, 0, 2)
    assert seen[-1] == (14, 14, 2, 2)
    assert all(points <= finished / 7 for finished, _, points, _ in seen)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_a_terminal_has_a_bar(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    words = ["run", "gauge", "--level", "1:20:20", "--fault", "none,raise", "--answers", "direct", "--replicates", "3"]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.commands", *words, "--workers", "1", "--json"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "160"},
        stderr=inside, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(inside)
    shown = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    assert child.wait(60) == 4
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "120/120" in text
    assert "40 of 40 points" in text
    assert "60 failed (ZeroDivisionError: the gauge is broken)" in text
    assert re.search(r"gauge: 120 tasks in \d+ s, 60 failed \(Zero", text)
