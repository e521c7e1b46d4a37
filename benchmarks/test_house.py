"""What the house costs around the mathematics: the start-up of whole processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TSMECH = str(Path(sys.executable).parent / "tsmech")


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
