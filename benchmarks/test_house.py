"""What the house costs around the mathematics: the start-up of whole processes, and first use on a machine."""

import os
import resource
import subprocess
import sys

import pytest

from tsmech.systems import REGISTRY

TSMECH = [sys.executable, "-m", "tsmech"]
THEORY = [*TSMECH, "run", "ridge", "--alpha", "2", "--answers", "theory", "--json"]
NEEDED = {"alpha": 2.0, "features": 1.0, "examples": 100, "data": "made_up"}
FIRST = f"""
import sys, numpy
from tsmech.systems import find
system, answer = find(sys.argv[1]), sys.argv[2]
needed = {NEEDED}
one = system(**{{name: needed[name] for name, field in system.parameters().items() if field.required}})
one.theory() if answer == "theory" else getattr(one, answer)(numpy.random.default_rng(0))
"""


@pytest.mark.benchmark(group="start-up of a process (targets: help <= 3x, run <= 8x of import numpy)")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, "-c", "import numpy"], id="import-numpy"),
        pytest.param([sys.executable, "-c", "import tsmech"], id="import-tsmech"),
        pytest.param([*TSMECH, "--help"], id="tsmech-help"),
        pytest.param(THEORY, id="tsmech-run-theory"),
    ],
)
def test_start_up(benchmark, command):
    environment = {**os.environ, "COLUMNS": "80"}

    def start():
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60)

    benchmark.pedantic(start, rounds=9, warmup_rounds=1)


def first_use(benchmark, tmp_path, system, answer, rounds):
    """Time whole processes that find nothing compiled, and note their least CPU time."""
    cpu, numbers = [], iter(range(rounds))

    def start():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / str(next(numbers)))}
        subprocess.run([sys.executable, "-W", "ignore", "-c", FIRST, system, answer], env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    benchmark.pedantic(start, rounds=rounds)
    benchmark.extra_info["s of CPU"] = min(cpu)


@pytest.mark.benchmark(group="first theory by default, nothing compiled (target: 2 s of CPU)")
@pytest.mark.parametrize("system", REGISTRY)
def test_first_theory(benchmark, tmp_path, system):
    first_use(benchmark, tmp_path, system, "theory", rounds=3)


@pytest.mark.benchmark(group="first simulation by default, nothing compiled")
@pytest.mark.parametrize("use", ["ridge-reduced", "gradient_flow-reduced", "online_sgd-reduced", "online_sgd-direct"])
def test_first_simulation(benchmark, tmp_path, use):
    first_use(benchmark, tmp_path, *use.split("-"), rounds=1)
