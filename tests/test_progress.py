"""The display of progress: a line now and then where there is no terminal, a bar on one, nothing when quiet."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.gauge import Gauge, register
from tsmech import progress
from tsmech.experiment import build
from tsmech.progress import Meter, Progress
from tsmech.runs import carry_out


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
    first, second = capsys.readouterr().err.splitlines()
    assert first == "sweep: 20 of 100, 2 of 10 points, 2 a second, 40 s left"
    assert second.startswith(
        "sweep: 40 of 100, 4 of 10 points, 2 a second, 30 s left, error 0.05, 3 failed (ValueError"
    )
    assert len(second) < 200


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
        clock[0] = 1000.0 + 7200.0
        meter.show(Progress(100, finished=50))
    assert capsys.readouterr().err.endswith("2 h 0 min left\n")


def test_points_are_counted_as_their_last_unit_is_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
        [sys.executable, "-m", "tests.commands", *words, "--workers", "1", "--out", str(tmp_path / "run")],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "160"},
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
