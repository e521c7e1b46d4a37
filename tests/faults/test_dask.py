"""Dask, with a real scheduler and real workers: the same numbers, though workers are killed and the scheduler dies."""

import contextlib
import logging
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.cluster import DaskCluster, dask_cluster
from tests.commands import ROOT, command, finish, run_child, start
from tests.faults.test_interruption import committed, wait_until
from tests.gauge import Gauge, register
from tsmech.engine import cluster as dask_pool
from tsmech.errors import CutShortError
from tsmech.experiment import build
from tsmech.runs import carry_out, tables
from tsmech.runs.progress import Progress
from tsmech.store import Store

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc"),
    pytest.mark.slow,
]

SWEEP = ("run", "gauge", "--level", "1,2,3", "--replicates", 30, "--out", "run", "--executor", "dask")
SLOW = 0.03


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    with dask_cluster(seconds=SLOW) as running:
        yield running


def begin(tmp_path: Path, *more: Any) -> Any:
    """Start the sweep and wait until something of it is stored."""
    child = start(*SWEEP, *more, cwd=tmp_path, seconds=SLOW)
    wait_until(lambda: committed(tmp_path / "run") or child.poll() is not None)
    return child


def test_a_scheduler_and_two_workers_give_the_same_table(
    tmp_path: Path, cluster: DaskCluster, undisturbed: bytes
) -> None:
    assert run_child(*SWEEP, "--scheduler", cluster.address, "--quiet", cwd=tmp_path) == (0, "", "")
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


def test_what_the_documents_say_works(tmp_path: Path) -> None:
    """The scheduler, the two workers and the run of docs/running.md, on another port and in little."""
    lines = [line.split() for line in (ROOT / "docs" / "running.md").read_text().splitlines()]
    said = [line[1:] for line in lines if line[:2] in (["dask", "scheduler"], ["dask", "worker"])]
    (run,) = [line[1:] for line in lines if "--executor" in line and "--scheduler" in line and line[0] == "tsmech"]
    assert [line[0] for line in said] == ["scheduler", "worker", "worker"]
    with dask_cluster(workers=0) as other:  # for its free port
        port, address = str(other.port), other.address
        other.stop()
        for line in said:
            other.start(*(word.replace("8786", port) for word in line))
        other.wait(2)
        words = [address if word.startswith("tcp:") else word.replace(":40", ":3") for word in run]
        more = ("--dimension", 10, "--replicates", 2, "--answers", "reduced", "--quiet", "--out", "run")
        assert run_child(*words, *more, cwd=tmp_path) == (0, "", "")
    with Store.open(tmp_path / "run") as store:
        assert store.counts() == {"reduced": 6}


def test_a_worker_that_is_killed_costs_nothing_but_time(
    tmp_path: Path, cluster: DaskCluster, undisturbed: bytes
) -> None:
    child = begin(tmp_path, "--scheduler", cluster.address, "--quiet")
    try:
        cluster.kill_a_worker()
        said = finish(child)
    finally:
        child.kill()
    assert said == (0, "", "")
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


def test_a_scheduler_that_is_killed_ends_the_run_and_another_continues_it(tmp_path: Path, undisturbed: bytes) -> None:
    with dask_cluster(seconds=SLOW) as cluster:
        child = begin(tmp_path, "--scheduler", cluster.address)
        try:
            before = committed(tmp_path / "run")
            cluster.scheduler.kill()
            said = finish(child)
        finally:
            child.kill()
    assert said.code == 4
    (line,) = said.err.splitlines()
    assert f"the Dask scheduler {cluster.address} is gone; what is finished is kept" in line
    assert before <= committed(tmp_path / "run")
    advised = shlex.split(line.partition("To continue: ")[2])
    assert advised == ["tsmech", *map(str, SWEEP), "--scheduler", cluster.address]
    with dask_cluster() as another:
        again = [another.address if word == cluster.address else word for word in advised[1:]]
        assert run_child(*again, "--quiet", cwd=tmp_path) == (0, "", "")
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


def test_what_fails_in_the_event_loop_of_dask_is_not_shown(cluster: DaskCluster) -> None:
    """As what waits for a block does when the scheduler dies while it is fetched."""
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise OSError("the connection is gone")

    with (
        dask_pool.open_cluster(cluster.address, None) as pool,
        mock.patch.object(logging.Logger, "callHandlers") as said,
    ):
        pool._client.loop.add_callback(fail)
        assert failed.wait(10.0)
        pool._client.ncores()  # the loop has gone on since
    said.assert_not_called()


def test_an_interruption_keeps_what_is_finished(tmp_path: Path, undisturbed: bytes) -> None:
    with dask_cluster(seconds=SLOW) as cluster:
        child = begin(tmp_path, "--scheduler", cluster.address)
        try:
            sent = time.monotonic()
            os.killpg(child.pid, signal.SIGINT)
            said = finish(child)
            assert time.monotonic() - sent < 2.0
        finally:
            child.kill()
        assert said.code == 130
        (line,) = said.err.splitlines()
        assert "To continue: tsmech run gauge" in line
        words = shlex.split(line.partition("To continue: ")[2])[1:]
        assert run_child(*words, "--quiet", cwd=tmp_path) == (0, "", "")
    assert (tmp_path / "run" / "table.csv").read_bytes() == undisturbed


def test_tasks_that_kill_their_worker_or_hang_are_recorded_and_the_others_go_on(
    tmp_path: Path, cluster: DaskCluster
) -> None:
    words = ("run", "gauge", "--level", "1,2", "--fault", "none,hang,die", "--answers", "direct", "--replicates", 1)
    said = run_child(
        *words,
        "--executor",
        "dask",
        "--scheduler",
        cluster.address,
        "--timeout",
        1,
        "--out",
        "run",
        "--quiet",
        cwd=tmp_path,
    )
    assert said.code == 4
    assert "4 tasks failed" in said.err
    shown = run_child("show", "run", "--failures", cwd=tmp_path).out
    assert shown.count("not finished within 1 s") == shown.count("the worker process died") == 2
    with carry_out(build("gauge", {"level": [1, 2]}, answers="direct", replicates=1)) as whole:
        expected = [row["luck"] for row in whole.rows()]
    table = (tmp_path / "run" / "table.csv").read_text()
    assert all(repr(value) in table for value in expected)


def test_without_a_scheduler_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    said = command(*SWEEP)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert "needs --scheduler ADDRESS: `dask scheduler` starts one" in line
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_it_connects_is_one_line(tmp_path: Path) -> None:
    """Ctrl-C reaches all of the group, while what has taken the call says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = start(*SWEEP, "--scheduler", f"tcp://127.0.0.1:{server.getsockname()[1]}", cwd=tmp_path)
        try:
            call, _ = server.accept()
            os.killpg(child.pid, signal.SIGINT)
            said = finish(child)
            call.close()
        finally:
            child.kill()
    assert said.code == 130
    (line,) = said.err.splitlines()
    assert line.startswith("tsmech: interrupted")


def test_a_scheduler_that_cannot_be_reached_is_named_with_how_long_it_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "SCHEDULER_SECONDS", 0.5)
    said = command("run", "gauge", "--level", 1, "--executor", "dask", "--scheduler", "tcp://127.0.0.1:9")
    assert (said.code, said.out) == (2, "")
    assert said.err == "tsmech: the Dask scheduler tcp://127.0.0.1:9 does not answer (tried for 0.5 s)\n"
    said = command("run", "gauge", "--level", 1, "--executor", "dask", "--scheduler", "nonsense")
    assert said.err == "tsmech: scheduler = nonsense is no address: write it as tcp://HOST:PORT\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=repr)
def test_what_takes_the_call_and_is_no_scheduler_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    monkeypatch.setattr(dask_pool, "SCHEDULER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls: list[socket.socket] = []

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    calls.append(server.accept()[0])
                    calls[-1].sendall(words)

        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        said = command("run", "gauge", "--level", 1, "--executor", "dask", "--scheduler", address)
        for call in calls:
            call.close()
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert address in line
    assert ("does not answer" if not words else "") in line
    assert len(line) < 300
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_without_workers_is_waited_for_in_so_many_words(undisturbed: bytes) -> None:
    experiment = build(Gauge, {"level": [1, 2, 3]}, replicates=30)
    with dask_cluster(workers=0) as cluster:
        seen: list[str] = []

        def report(progress: Progress) -> None:
            if progress.remark and not seen:
                seen.append(progress.remark)
                cluster.start("worker", cluster.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")

        with carry_out(experiment, executor="dask", scheduler=cluster.address, report=report) as whole:
            assert tables.to_csv(whole.rows()).encode() == undisturbed
        assert seen == [f"the Dask scheduler {cluster.address} has no workers: waiting for them"]


def test_a_scheduler_that_falls_silent_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "SILENCE_SECONDS", 1.0)
    experiment = build(Gauge, {"level": [1, 2, 3]}, replicates=300)
    with dask_cluster(seconds=SLOW) as cluster:

        def report(progress: Progress) -> None:
            if progress.finished:
                cluster.scheduler.send_signal(signal.SIGSTOP)

        with pytest.raises(CutShortError, match=f"the Dask scheduler {cluster.address} is gone"):
            carry_out(experiment, executor="dask", scheduler=cluster.address, report=report)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # as where it is not installed
    said = command("run", "gauge", "--level", 1, "--executor", "dask")
    assert (said.code, said.out) == (2, "")
    assert said.err == "tsmech: --executor dask needs an extra: pip install 'tsmech[cluster]'\n"
    assert list(tmp_path.iterdir()) == []
