"""Killed at any moment, interrupted, or bereft of a worker: what was finished is kept, and the end is the same."""

import contextlib
import os
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT, Said, command, finish, run_child, start
from tests.gauge import LOG, register
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.runs import carry_out
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS
from tsmech.store.locks import FILE

PATIENCE = 60.0
"""Seconds to wait for what takes a second or two."""

SWEEP = ("run", "gauge", "--level", "1,2,3", "--replicates", 30, "--out", "run")
SIMULATIONS = 3 * 2 * 30
SLOW = 0.02
"""Seconds that a simulation takes in a run that is to be disturbed."""

linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


def wait_until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def logged(log: Path, what: str) -> set[str]:
    """Return what identifies the tasks that the log tells of: ``begin`` or ``end`` of a simulation."""
    lines = log.read_text().splitlines() if log.exists() else []
    return {line.split()[-1] for line in lines if line.startswith(what)}


def committed(directory: Path) -> set[str]:
    """Return the same of the tasks that are stored, read from a copy so that nothing is mended by looking."""
    with contextlib.ExitStack() as stack:
        copy = directory.with_name("copy")
        stack.callback(shutil.rmtree, copy, ignore_errors=True)
        if not directory.is_dir():
            return set()
        # A journal may vanish while it is copied: then it was rolled up, and is not needed.
        with contextlib.suppress(shutil.Error):
            shutil.copytree(directory, copy)
        try:
            opened = stack.enter_context(Store.open(copy))
        except InputError:  # a run that never began
            return set()
        curves = [curve for _, answer, found in opened.curves() if answer != "theory" for curve in found]
        return {repr(float(curve.observables["luck"][0])) for curve in curves}


def family(log: Path) -> list[int]:
    """Return the living processes that were started to write this log: a child, its workers and what serves them."""
    mark, found = f"{LOG}={log}".encode(), []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
    return found


def complete(tmp_path: Path, log: Path) -> Said:
    return run_child(*SWEEP, "--workers", 2, "--quiet", cwd=tmp_path, log=log)


@pytest.fixture(autouse=True)
def _no_child_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    if Path("/proc/self/environ").exists():
        for log in filter(Path.is_file, tmp_path.iterdir()):
            wait_until(lambda log=log: not family(log))


# SIGKILL


@pytest.mark.slow
@linux
def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(tmp_path: Path, undisturbed: bytes) -> None:
    """Every other time with two workers; one time in three while it is still starting or making its directory."""
    moments = random.Random(20)
    directory = tmp_path / "run"
    for attempt in range(22):
        before, log = committed(directory), tmp_path / f"log{attempt}"
        child = start(*SWEEP, "--workers", 1 + attempt % 2, cwd=tmp_path, log=log, seconds=SLOW)
        try:
            if attempt % 3 == 2:
                wait_until(lambda child=child: directory.exists() or child.poll() is not None)
            else:
                enough = moments.randrange(1, 12)
                wait_until(lambda log=log, n=enough, c=child: len(logged(log, "begin")) >= n or c.poll() is not None)
            time.sleep(moments.uniform(0, 0.05))
        finally:
            child.kill()
        child.communicate(timeout=PATIENCE)
        wait_until(lambda log=log: not family(log))
        assert not before & logged(log, "begin"), "what was stored was performed again"
        assert before <= committed(directory), "what was stored is lost"
    before, log = committed(directory), tmp_path / "last"
    assert complete(tmp_path, log) == (0, "", "")
    assert not before & logged(log, "begin")
    assert (directory / "table.csv").read_bytes() == undisturbed
    assert {path.name for path in directory.iterdir()} == {FILE, *PRODUCTS}


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_writes_its_products_writes_them_again(
    tmp_path: Path, undisturbed: bytes
) -> None:
    log, moments = tmp_path / "log", random.Random(21)
    assert complete(tmp_path, log) == (0, "", "")
    directory = tmp_path / "run"
    for _ in range(4):
        (directory / "table.csv").unlink(missing_ok=True)
        child = start(*SWEEP, cwd=tmp_path, log=log)
        try:
            wait_until(lambda child=child: (directory / "table.csv").exists() or child.poll() is not None)
            time.sleep(moments.uniform(0, 0.5))
        finally:
            child.kill()
        child.communicate(timeout=PATIENCE)
    assert complete(tmp_path, log) == (0, "", "")
    assert len(logged(log, "begin")) == SIMULATIONS
    assert (directory / "table.csv").read_bytes() == undisturbed
    assert {path.name for path in directory.iterdir()} == {FILE, *PRODUCTS}


def die_before_statement(number: int) -> Callable[..., sqlite3.Connection]:
    """Return a ``connect`` whose connections kill this process before the statement of that number."""
    seen = [0]

    def count(_: str) -> None:
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection = original(*arguments, **more)
        connection.set_trace_callback(count)
        return connection

    original = sqlite3.connect
    return connect


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_before_any_of_its_statements_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """From the first question to a new file to the last one before it is closed: no state in between is fatal."""
    experiment = build("gauge", {"level": [1, 2]}, replicates=1)
    with carry_out(experiment, None) as whole:
        expected = list(whole.rows())
    log = tmp_path / "log"
    number, killed = 1 - step, True
    while killed:
        number += step
        directory = tmp_path / f"run{number}"
        child = os.fork()
        if child == 0:
            monkeypatch.setattr(sqlite3, "connect", die_before_statement(number))
            with contextlib.suppress(BaseException):
                carry_out(experiment, directory).close()
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0
        before = committed(directory)
        monkeypatch.setenv(LOG, str(log))
        with carry_out(experiment, directory) as finished:
            assert list(finished.rows()) == expected
        monkeypatch.delenv(LOG)
        assert not before & logged(log, "begin")
        log.unlink(missing_ok=True)
    assert number > 20


# Ctrl-C and SIGTERM


def interrupt_as_terminal(child: Any) -> None:
    """Ctrl-C reaches all processes of the group."""
    os.killpg(child.pid, signal.SIGINT)


def interrupt(child: Any) -> None:
    child.send_signal(signal.SIGINT)


def terminate(child: Any) -> None:
    child.terminate()


def interrupt_twice(child: Any) -> None:
    """The second comes while the first is heeded."""
    interrupt_as_terminal(child)
    time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        interrupt_as_terminal(child)


@linux
@pytest.mark.parametrize(
    ("send", "workers"),
    [
        (interrupt_as_terminal, 2),
        pytest.param(terminate, 1, marks=pytest.mark.slow),
        pytest.param(interrupt, 2, marks=pytest.mark.slow),
        pytest.param(interrupt_as_terminal, 1, marks=pytest.mark.slow),
        pytest.param(terminate, 2, marks=pytest.mark.slow),
        pytest.param(interrupt_twice, 1, marks=pytest.mark.slow),
        pytest.param(interrupt_twice, 2, marks=pytest.mark.slow),
    ],
)
def test_an_interruption_keeps_what_is_finished_and_says_how_to_continue(
    tmp_path: Path, undisturbed: bytes, send: Callable[[Any], None], workers: int
) -> None:
    log = tmp_path / "log"
    child = start(*SWEEP, "--workers", workers, cwd=tmp_path, log=log, seconds=SLOW)
    try:
        wait_until(lambda: len(logged(log, "end")) >= 12 or child.poll() is not None)
        send(child)
        said = finish(child)
    finally:
        child.kill()
    assert (said.code, said.out) == (130, "")
    (line,) = said.err.splitlines()
    wait_until(lambda: not family(log))
    kept = committed(tmp_path / "run")
    assert kept
    # A worker hands over a block at a time, here of three: no more than that is lost.
    assert len(logged(log, "end") - kept) <= 3 * workers
    advised = shlex.split(line.partition("To continue: ")[2])
    assert advised == ["tsmech", *map(str, SWEEP), "--workers", str(workers)]
    again = tmp_path / "again"
    assert run_child(*advised[1:], "--quiet", cwd=tmp_path, log=again) == (0, "", "")
    assert not kept & logged(again, "begin")
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


@pytest.mark.slow
@linux
def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path: Path, undisturbed: bytes) -> None:
    """As when the machine runs out of memory."""
    log = tmp_path / "log"
    child = start(*SWEEP, "--workers", 2, "--quiet", cwd=tmp_path, log=log, seconds=SLOW)
    try:
        wait_until(lambda: len(logged(log, "end")) >= 10 or child.poll() is not None)
        parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in family(log)}
        workers = [pid for pid, parent in parents.items() if parent in parents and parent != child.pid]
        assert workers
        os.kill(workers[0], signal.SIGKILL)
        said = finish(child)
    finally:
        child.kill()
    assert said == (0, "", "")
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


@pytest.mark.slow
@linux
def test_workers_end_with_a_run_that_is_killed_while_they_compute(tmp_path: Path) -> None:
    """In compiled code that lets no thread of theirs run, too: they would go on for hours."""
    log = tmp_path / "log"
    words = ("run", "gauge", "--level", 1, "--fault", "compute", "--answers", "reduced", "--out", "run")
    child = start(*words, "--workers", 2, "--quiet", cwd=tmp_path, log=log)
    try:
        wait_until(lambda: logged(log, "begin") or child.poll() is not None)
        assert family(log)
    finally:
        child.kill()
        child.communicate()
    wait_until(lambda: not family(log))


@linux
def test_a_second_run_in_the_same_directory_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = start(*SWEEP, "--workers", 1, cwd=tmp_path, log=log, seconds=SLOW)
    try:
        wait_until(lambda: logged(log, "begin") or child.poll() is not None)
        said = command(*SWEEP)
        assert said.code == 2
        assert "is in use by another run" in said.err
        fresh = command(*SWEEP, "--fresh")
        assert fresh.code == 2
        assert "is in use by another run" in fresh.err
        assert "removing" not in fresh.err
    finally:
        child.kill()
        child.communicate(timeout=PATIENCE)


@linux
@pytest.mark.slow
def test_of_two_runs_that_are_started_at_once_one_is_refused(tmp_path: Path, undisturbed: bytes) -> None:
    log = tmp_path / "log"
    children = [start(*SWEEP, "--workers", 1, "--quiet", cwd=tmp_path, log=log, seconds=SLOW) for _ in range(2)]
    try:
        said = sorted(finish(child) for child in children)
    finally:
        for child in children:
            child.kill()
    assert [one.code for one in said] == [0, 2]
    assert "is in use by another run" in said[1].err
    assert len(said[1].err.splitlines()) == 1
    assert log.read_text().count("begin") == SIMULATIONS, "each task was performed once"
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


@pytest.mark.slow
def test_a_script_needs_no_guarded_entry(tmp_path: Path) -> None:
    """Its workers import what they need, which is not the script."""
    script = tmp_path / "script.py"
    script.write_text(
        'import tsmech\ntsmech.run("ridge", alpha="0.5:2:50", answers="reduced", dimension=10, workers=2)\n'
    )
    child = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (child.returncode, child.stderr) == (0, "")
