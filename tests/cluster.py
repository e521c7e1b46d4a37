"""A real Dask cluster for tests: one ``dask scheduler`` and ``dask worker`` processes on the loopback address."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.commands import ROOT
from tests.gauge import SECONDS

PATIENCE = 60.0
"""Seconds to wait for what takes a few."""


class DaskCluster:
    """A scheduler and its workers, each a process of its own in one session, so that none outlives the test."""

    def __init__(self, workers: int, seconds: float) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._environment = os.environ | {"PYTHONPATH": str(ROOT), SECONDS: str(seconds)}
        self._started: list[Any] = []
        self.scheduler = self.start_scheduler()
        self.workers = [
            self.start("worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
            for _ in range(workers)
        ]

    def start_scheduler(self) -> Any:
        return self.start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def start(self, *words: str) -> Any:
        """Start ``dask`` with these words."""
        script = Path(sys.executable).with_name("dask")
        process = subprocess.Popen(
            [script, *words], env=self._environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def wait(self, workers: int) -> None:
        """Wait until so many workers are there."""
        import distributed

        end = time.monotonic() + PATIENCE
        while True:
            try:
                with distributed.Client(self.address, timeout=2.0, set_as_default=False) as client:
                    if workers:
                        client.wait_for_workers(workers, timeout=PATIENCE)
                return
            except OSError:
                assert time.monotonic() < end, "the cluster does not start"

    def kill_a_worker(self) -> None:
        """Kill the process that computes for the first worker; its nanny replaces it."""
        (process,) = [
            pid for pid in children(self.workers[0].pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """End all that was started, and what that started."""
        family = [pid for process in self._started for pid in [process.pid, *children(process.pid)]]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait(PATIENCE)


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found


@contextlib.contextmanager
def dask_cluster(workers: int = 2, seconds: float = 0.0) -> Iterator[DaskCluster]:
    """Yield a running cluster whose toy simulations take so many seconds."""
    cluster = DaskCluster(workers, seconds)
    try:
        cluster.wait(workers)
        yield cluster
    finally:
        cluster.stop()
