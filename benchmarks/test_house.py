"""What the house costs around the mathematics: start-up of whole processes, and the engine and store a task."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsmech import engine
from tsmech.experiment import build
from tsmech.runs import carry_out

TSMECH = str(Path(sys.executable).parent / "tsmech")
UNITS = 2000


@pytest.mark.benchmark(group="start-up of a process (targets: help <= 3x, run <= 8x of import numpy)")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, "-c", "import numpy"], id="import-numpy"),
        pytest.param([TSMECH, "--help"], id="tsmech-help"),
        pytest.param([TSMECH, "run", "ridge", "--alpha", "2", "--answers", "theory", "--json"], id="tsmech-run-theory"),
    ],
)
def test_start_up(benchmark, command):
    environment = {**os.environ, "COLUMNS": "80"}

    def start():
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60)

    benchmark.pedantic(start, rounds=9, warmup_rounds=1)


@pytest.mark.benchmark(group=f"engine and store, {UNITS} tasks of next to no work (target: < 2 ms a task)")
@pytest.mark.parametrize("workers", [1, 2])
def test_overhead(benchmark, tmp_path, monkeypatch, workers):
    # One unit a block: each is sent, received and stored on its own.
    monkeypatch.setattr(engine, "BLOCK_UNITS", 1)
    experiment = build("ridge", {"alpha": 0.5, "dimension": 4}, answers="reduced", replicates=UNITS)
    places = iter(tmp_path / str(number) for number in range(100))
    carry_out(build("ridge", {"alpha": 0.5, "dimension": 4}, answers="reduced", replicates=2)).close()  # compile

    def sweep():
        carry_out(experiment, next(places), workers=workers).close()

    benchmark.pedantic(sweep, rounds=3)
    benchmark.extra_info["ms_per_task"] = 1e3 * benchmark.stats.stats.median / UNITS
