"""Where work is done from Python: as on the command line, with the same numbers, in any script and any session."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT, TIMEOUT, run_child
from tests.gauge import Gauge
from tsmech.engine.place import needs_script, place
from tsmech.experiment import build
from tsmech.machine.threads import LINEAR_ALGEBRA, cores

pytest.importorskip("threadpoolctl")

THREADS = '''
import os
from dataclasses import dataclass
from typing import ClassVar

from threadpoolctl import threadpool_info

from tsmech.problem.curve import Curve
from tsmech.problem.observables import Observable
from tsmech.problem.system import System
from tsmech.problem.parameters import parameter


@dataclass(frozen=True)
class Threads(System):
    """What a task sees of the process that it is performed in."""

    name = "threads"
    title = "Threads"
    observables: ClassVar = {"threads": Observable("n", "most threads"), "pools": Observable("m", "thread pools"),
                             "process": Observable("p", "process")}
    level: float = parameter("l", "nothing", default=1.0)

    def direct_curve(self, rng):
        import scipy.linalg  # brings linear algebra of its own

        counts = [pool["num_threads"] for pool in threadpool_info()]
        return Curve.point({"threads": max(counts), "pools": len(counts), "process": os.getpid()})
'''


def python(tmp_path: Path, script: str, how: str = "file") -> list[str]:
    """Run a script in a process whose linear algebra has two threads, and return the lines that it prints."""
    (tmp_path / "things.py").write_text(THREADS)
    (tmp_path / "script.py").write_text(script)
    words = {"file": ["script.py"], "stdin": ["-"], "command": ["-c", script]}[how]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    environment |= dict.fromkeys(LINEAR_ALGEBRA, "2")
    said = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=TIMEOUT,
        input=script if how == "stdin" else None,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    return said.stdout.splitlines()


REPORT = """
print(set(table.threads) == {1.0}, set(table.pools) != {0.0}, sorted(set(table.process == os.getpid())))
print(before == most())
"""
MOST = """
import threadpoolctl

def most():
    return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())

before = most()
"""
HEAD = f"""
import multiprocessing, os
from concurrent.futures import ThreadPoolExecutor
import numpy, tsmech
from things import Threads
{MOST}
"""


def test_every_pool_of_threads_has_one_within_a_task_and_as_many_as_before_after_it(tmp_path: Path) -> None:
    """In this process, in workers, and in threads of somebody's executor."""
    places = {", workers=1": True, "": False, ", executor=ThreadPoolExecutor(2)": True}
    script = "".join(f"table = tsmech.run(Threads, replicates=3{place})\n{REPORT}" for place in places)
    said = python(tmp_path, HEAD + script)
    assert said == [line for here in places.values() for line in (f"True True [{here}]", "True")]


@pytest.mark.slow
def test_workers_have_one_thread_though_somebody_else_started_what_they_are_forked_from(tmp_path: Path) -> None:
    start = (
        'process = multiprocessing.get_context("forkserver").Process(target=int)\nprocess.start()\nprocess.join()\n'
        if sys.platform != "win32"
        else ""
    )
    guarded = f"table = tsmech.run(Threads, replicates=3)\n{REPORT}"
    body = "".join(f"    {line}\n" for line in (start + guarded).splitlines())
    said = python(tmp_path, f'{HEAD}\nif __name__ == "__main__":\n{body}')
    assert said == ["True True [False]", "True"]


def test_without_threadpoolctl_the_work_is_done_by_a_process_that_begins_with_one_thread(tmp_path: Path) -> None:
    (tmp_path / "threadless.py").write_text(
        "import sys\nimport threadpoolctl\nsys.modules['threadpoolctl'] = None\nfrom tests.gauge import Gauge\n"
        "from tsmech.engine.place import place\nfrom tsmech.experiment import build\n"
    )
    script = (
        "from threadless import place, build, Gauge\n"
        "for simulated in (True, False):\n    print(place(build(Gauge, {'level': 1}), simulated, 1))\n"
    )
    assert python(tmp_path, script) == ["(1, 'local')"] * 2
    environment = "".join(f"os.environ[{name!r}] = '1'\n" for name in LINEAR_ALGEBRA)
    assert python(tmp_path, f"import os\n{environment}{script}") == ["(1, None)"] * 2


GAUGE = "import os, sys\nimport tsmech\nfrom tests.gauge import Gauge\n"


@pytest.mark.parametrize("how", ["file", *(pytest.param(how, marks=pytest.mark.slow) for how in ("stdin", "command"))])
def test_a_script_needs_no_guard(tmp_path: Path, how: str) -> None:
    """It is not run again by the workers, however it is started."""
    calls = "".join(
        f"print(len(tsmech.run(Gauge, level=[1, 2], {more}replicates=3)))\n" for more in ("", "workers=2, ")
    )
    assert python(tmp_path, f'{GAUGE}print("once", flush=True)\n{calls}', how) == ["once", "6", "6"]


def test_what_a_script_itself_defines_is_performed_in_its_own_process(tmp_path: Path) -> None:
    system = THREADS.replace("import os\n", "import os, tsmech\nprint('once', flush=True)\n", 1)
    said = python(tmp_path, f"{system}\n{MOST}\ntable = tsmech.run(Threads, replicates=3)\n{REPORT}")
    assert said == ["once", "True True [True]", "True"]


@pytest.mark.slow
def test_a_script_that_is_imported_by_a_process_of_its_own_gets_its_table_too(tmp_path: Path) -> None:
    """A child of multiprocessing may start none itself while it reads the script."""
    script = (
        "import multiprocessing\nimport tsmech\nfrom tests.gauge import Gauge\n"
        "table = tsmech.run(Gauge, level=1, replicates=2)\n"
        'if __name__ == "__main__":\n'
        '    with multiprocessing.get_context("spawn").Pool(1) as pool:\n'
        "        print(pool.apply(len, (table,)))\n"
    )
    assert python(tmp_path, script) == ["3"]


def shift(x: Any) -> Any:
    return x + 1


def test_the_place_is_chosen_by_what_is_asked() -> None:
    experiment = build(Gauge, {"level": 1})
    assert needs_script(experiment) is False
    assert needs_script([lambda: None]) is None
    script = sys.modules["__main__"]
    shift.__module__ = "__main__"
    try:
        script.shift = shift
        assert needs_script(shift) is True
        assert place(shift, True, None) == (1, None)
        assert place(shift, True, 3) == (3, None)
    finally:
        shift.__module__ = __name__
        del script.shift
    assert place(experiment, True, 2) == (2, None)
    assert place(experiment, False, None) == place(experiment, True, 1) == (1, None)
    assert place(experiment, True, None) == (cores(), "local")


@pytest.mark.slow
def test_python_and_the_command_line_give_the_same_bits_and_their_shards_are_merged(tmp_path: Path) -> None:
    """Dense linear algebra, whose last digits depend on the number of threads."""
    given = "alpha=[0.7, 1.5], dimension=400, noise=0.5, answers='theory,direct', replicates=2"
    words = ("--alpha", "0.7,1.5", "--dimension", 400, "--noise", 0.5, "--answers", "theory,direct")
    command = ("run", "ridge", *words, "--replicates", 2, "--quiet", "--out")
    ways = ("workers=1, out='one'", "out='many'", "workers=2, out='two'", "shard='1/2', out='half'")
    calls = "".join(f"tsmech.run('ridge', {given}, {way})\n" for way in ways)
    python(tmp_path, f"import tsmech\ntsmech.run('ridge', alpha=1, answers='theory')\n{calls}")
    assert run_child(*command, "cli", cwd=tmp_path).code == 0
    assert run_child(*command, "other", "--shard", "2/2", cwd=tmp_path).code == 0
    assert run_child("merge", "merged", "half", "other", "--quiet", cwd=tmp_path).code == 0
    tables = {(tmp_path / out / "table.csv").read_bytes() for out in ("one", "many", "two", "cli", "merged")}
    assert len(tables) == 1
