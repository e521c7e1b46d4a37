"""Tasks that raise, hang, return NaN, eat memory or kill their worker: recorded, while the others go on."""

import multiprocessing
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_child, start
from tests.faults.test_interruption import PATIENCE, family, logged, wait_until
from tests.gauge import LOG, Gauge, register
from tests.performing import run
from tsmech import engine
from tsmech.cli import ENDS
from tsmech.engine import Outcome, dispatch
from tsmech.experiment import Task, build
from tsmech.runs import carry_out, failure, tables
from tsmech.store import Store

linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    yield
    assert not multiprocessing.active_children()


def tasks(fault: str, count: int = 3) -> list[Task]:
    """Good tasks with one that goes wrong among them."""
    good = [Task(Gauge(level=1.0), "direct", replicate) for replicate in range(count)]
    return [*good[:1], Task(Gauge(level=2.0, fault=fault), "direct", 0), *good[1:]]


def outcomes(work: list[Task], **places: Any) -> dict[Task, Outcome]:
    found = {outcome.task: outcome for batch in run(work, 0, **places) for outcome in batch}
    assert set(found) == set(work)
    for task, outcome in found.items():
        assert (outcome.curve is None) == (task.system.fault != "none" and not outcome.curve)
        if task.system.fault == "none":
            assert outcome.curve is not None
            expected = engine.perform([task], 0)[0].curve
            assert expected is not None
            assert outcome.curve.observables["luck"] == expected.observables["luck"]
    return found


def begun(log: Path, task: Task) -> int:
    luck = float(task.system.stream(task.answer, 0, task.replicate).random())
    return log.read_text().count(f"begin {task.answer} {luck!r}\n")


def test_what_raises_is_retried_with_the_same_numbers_and_then_recorded(tmp_path: Path) -> None:
    work = tasks("raise")
    outcome = outcomes(work)[work[1]]
    assert "ZeroDivisionError" in outcome.error
    assert "Traceback" in outcome.trace
    assert begun(tmp_path / "log", work[1]) == dispatch.ATTEMPTS


def test_what_raises_once_is_as_if_it_had_not(tmp_path: Path) -> None:
    work = tasks("once")
    outcome = outcomes(work)[work[1]]
    assert outcome.curve is not None
    assert outcome.curve.observables["luck"] == float(
        work[1].system.stream(work[1].answer, 0, work[1].replicate).random()
    )
    assert begun(tmp_path / "log", work[1]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "times", "code"), [("raise", dispatch.ATTEMPTS, 4), ("once", 2, 0)])
def test_workers_retry_too(tmp_path: Path, fault: str, times: int, code: int) -> None:
    log = tmp_path / "log"
    words = ("run", "gauge", "--level", "1", "--fault", fault, "--answers", "direct", "--replicates", 3, "--quiet")
    assert run_child(*words, "--workers", 2, cwd=tmp_path, log=log).code == code
    for replicate in range(3):
        assert begun(log, Task(Gauge(level=1.0, fault=fault), "direct", replicate)) == times


def test_what_does_not_converge_is_not_retried(tmp_path: Path) -> None:
    work = tasks("unsolved")
    assert "ConvergenceError" in outcomes(work)[work[1]].error
    assert begun(tmp_path / "log", work[1]) == 1


@pytest.mark.parametrize("fault", ["hang", "compute"])
def test_a_task_that_hangs_is_ended_with_its_worker_and_recorded(fault: str) -> None:
    work = tasks(fault, 20)
    outcome = outcomes(work, executor="local", workers=2, timeout=1.0)[work[1]]
    assert outcome.error == "TimeoutError: not finished within 1 s"


def test_a_task_that_hangs_on_somebody_elses_executor_is_left_to_itself() -> None:
    work = tasks("hang")
    with ThreadPoolExecutor(1) as executor:
        outcome = outcomes(work, executor=executor, timeout=0.3)[work[1]]
    assert outcome.error == "TimeoutError: not finished within 0.3 s"


def test_a_task_that_always_kills_its_worker_is_recorded_after_so_many(tmp_path: Path) -> None:
    work = tasks("die", 20)
    outcome = outcomes(work, executor="local", workers=2)[work[1]]
    assert "the worker process died" in outcome.error
    log = tmp_path / "others"
    words = ("run", "gauge", "--level", "2", "--fault", "die", "--answers", "direct", "--replicates", 2, "--quiet")
    assert run_child(*words, "--workers", 2, cwd=tmp_path, log=log).code == 4
    for replicate in range(2):
        assert begun(log, Task(Gauge(level=2.0, fault="die"), "direct", replicate)) == dispatch.DEATHS


@pytest.mark.slow
@linux
def test_a_task_that_eats_memory_fails_and_the_others_go_on(tmp_path: Path) -> None:
    """As under ulimit or a job's limit; without one a worker may have the machine's memory and is the first to go."""
    words = ("run", "gauge", "--level", 1, "--fault", "none,eat", "--answers", "direct", "--replicates", 2)
    limit = 1 << 30
    said = run_child(
        *words, "--workers", 2, "--out", "run", "--quiet", cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )  # fmt: skip
    assert said.code == 4
    (line,) = said.err.splitlines()
    assert "2 tasks failed, the first direct: MemoryError" in line
    with Store.open(tmp_path / "run") as store:
        assert store.counts() == {"direct": 2}
        assert all("MemoryError" in entry["trace"] for entry in store.failures())


@linux
def test_workers_are_the_first_to_go_when_memory_runs_out(tmp_path: Path) -> None:
    child = start("run", "gauge", "--level", 1, "--fault", "hang", cwd=tmp_path, log=tmp_path / "log")
    try:
        wait_until(lambda: logged(tmp_path / "log", "begin") or child.poll() is not None)
        scores = {pid: int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in family(tmp_path / "log")}
        assert scores[child.pid] < 1000
        assert 1000 in scores.values()
    finally:
        child.kill()
        child.communicate(timeout=PATIENCE)
        wait_until(lambda: not family(tmp_path / "log"))


@pytest.mark.slow
def test_failures_are_four_shown_with_tracebacks_and_tried_again(tmp_path: Path) -> None:
    words = ("run", "gauge", "--level", "1,2", "--fault", "none,raise,nan,hang,die", "--answers", "direct")
    words = (*words, "--replicates", 2, "--out", "run", "--workers", 2, "--timeout", 1)
    said = run_child(*words, cwd=tmp_path)
    assert said.code == 4
    assert "16 tasks failed" in said.err.splitlines()[-1]
    shown = run_child("show", "run", "--failures", cwd=tmp_path).out
    for words_of_it in ("ZeroDivisionError", "Traceback", "NaN as spread", "not finished within 1 s", "worker process"):
        assert words_of_it in shown
    with carry_out(build("gauge", {"level": [1, 2]}, answers="direct", replicates=2)) as whole:
        expected = [row["luck"] for row in whole.rows()]
    with Store.open(tmp_path / "run") as store:
        assert [row["luck"] for row in store.rows() if row["fault"] == "none"] == expected
        error = failure(store)
    assert error is not None
    assert error.exit_code == 4


def end_in_time(child: Any, number: int, started: float, ready: Callable[[], Any]) -> None:
    """Send a signal once the work has begun, and check that it ends the run in two seconds.

    On a busy machine it may take as long as it took to begin.
    """
    try:
        wait_until(lambda: ready() or child.poll() is not None)
        time.sleep(0.2)  # by now the work is at what does not end
        sent = time.monotonic()
        child.send_signal(number)
        child.wait(PATIENCE)
        took = time.monotonic() - sent
    finally:
        child.kill()
    assert child.returncode == 130
    assert took < max(2.0, sent - started)


@linux
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("fault", ["hang", pytest.param("compute", marks=pytest.mark.slow)])
def test_a_signal_ends_a_run_in_time_whatever_its_tasks_are_at(tmp_path: Path, number: int, fault: str) -> None:
    """In the time :func:`end_in_time` allows; compiled code that holds the interpreter's lock is the hardest."""
    log = tmp_path / "log"
    words = ("run", "gauge", "--level", "1", "--fault", fault, "--answers", "reduced,direct", "--out", "run")
    started = time.monotonic()
    child = start(*words, "--workers", 2, cwd=tmp_path, log=log)
    end_in_time(child, number, started, lambda: len(logged(log, "begin")) >= 2)
    assert "To continue: tsmech run gauge" in child.communicate()[1]
    wait_until(lambda: not family(log))


@linux
def test_a_signal_ends_a_run_whose_theory_is_computing(tmp_path: Path) -> None:
    """Theory is computed in the coordinating process, whose interpreter heeds no signal before a kernel returns."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, numba\n"
        "from tests import gauge\n"
        "from tsmech import cli\n"
        "gauge.register()\n"
        "@numba.njit(nogil=True)\n"
        "def compute(x):\n"
        "    while x > 0.0:\n"
        "        x = x * 1.0000001 if x < 2.0 else 1.0\n"
        "    return x\n"
        "def theory(self):\n"
        "    compute(0.0)  # while it compiles, signals are heeded at once\n"
        "    gauge._log('begin theory', self.level)\n"
        "    compute(1.0)\n"
        "gauge.Gauge.theory_curve = theory\n"
        "cli.main()\n"
    )
    import os
    import subprocess

    log = tmp_path / "log"
    words = ["run", "gauge", "--level", "1", "--answers", "theory", "--out", "run"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent), LOG: str(log)}
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, script, *words], env=environment, stderr=subprocess.PIPE, text=True)
    end_in_time(child, signal.SIGTERM, started, lambda: logged(log, "begin"))
    assert "To continue" in child.communicate()[1]


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = build("gauge", {"level": [1, 2, 3]}, replicates=10)
    with carry_out(experiment) as whole:
        expected = tables.to_csv(whole.rows())
    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1e9 + (-1) ** next(jumps) * 1e8)
    with carry_out(experiment, tmp_path / "run", workers=2, timeout=60.0) as store:
        assert tables.to_csv(store.rows()) == expected
        assert store.failures() == []


def test_a_worker_that_is_replaced_when_all_is_done_says_nothing(tmp_path: Path) -> None:
    """It is ready for work when nobody listens any more."""
    words = ("run", "gauge", "--level", 1, "--fault", "hang", "--answers", "theory", "--timeout", 0.01, "--out", "run")
    said = run_child(*words, "--quiet", cwd=tmp_path)
    assert said.code == 4
    (line,) = said.err.splitlines()
    assert "TimeoutError: not finished within 0.01 s" in line
