"""What the engine costs a task, what more workers gain, and what a store of many curves takes to resume and export.

``benchmarks/million_points.py`` is the largest sweep, of which peak memory is what matters.
"""

import contextlib
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from tsmech import engine
from tsmech.engine import Outcome, dispatch
from tsmech.engine.place import open_pool
from tsmech.experiment import build
from tsmech.machine.threads import one_thread_each
from tsmech.problem.system import Curve
from tsmech.runs import carry_out, tables
from tsmech.store import Store

TASKS = 10_000
CURVES = 100_000
DIRECT = {"alpha": 2.0, "dimension": 700}


def peak():
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.benchmark(
    group=f"engine and store, {TASKS} tasks of next to no work (target: < 1.5 ms a task, memory flat)"
)
@pytest.mark.parametrize("executor", [None, "local"], ids=["here", "two workers"])
def test_overhead(benchmark, tmp_path, monkeypatch, executor):
    # One task a block: each is sent, received and stored on its own.
    monkeypatch.setattr(dispatch, "BLOCK_TASKS", 1)
    places = iter(tmp_path / str(number) for number in range(100))

    def sweep(tasks):
        experiment = build("ridge", {"alpha": 0.5, "dimension": 4}, answers="reduced", replicates=tasks)
        carry_out(experiment, next(places), workers=1 if executor is None else 2, executor=executor).close()

    sweep(100)  # compile
    sweep(TASKS // 10)
    before = peak()
    benchmark.pedantic(sweep, args=(TASKS,), rounds=3)
    benchmark.extra_info["ms_per_task"] = 1e3 * benchmark.stats.stats.median / TASKS
    benchmark.extra_info["MiB_more_than_for_a_tenth"] = peak() - before


def direct(tasks):
    return list(build("ridge", DIRECT, answers="direct", replicates=tasks).tasks())


def seconds(pool, tasks):
    """Return how long so many direct simulations take on a pool that is warm."""
    start = time.perf_counter()
    found = [outcome for outcomes in engine.drive(pool, direct(tasks), 0) for outcome in outcomes]
    assert len(found) == tasks
    return time.perf_counter() - start


def plain_seconds(executor, tasks):
    """Return how long they take in as many pieces as the standard library's pool has workers: the machine's limit."""
    work = direct(tasks)
    start = time.perf_counter()
    count = executor._max_workers
    futures = [executor.submit(engine.perform, work[first::count], 0) for first in range(count)]
    assert sum(len(future.result()) for future in futures) == tasks
    return time.perf_counter() - start


@contextlib.contextmanager
def opened(executor, workers):
    """Yield a pool of so many workers, those of a Dask cluster that is started for it, or our own."""
    if executor == "local":
        with open_pool(workers=workers, executor=executor) as pool:
            yield pool
        return
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        open_pool(executor=executor, scheduler=cluster.scheduler_address) as pool,
    ):
        yield pool


@pytest.mark.benchmark(group="64 direct tasks, two workers (targets: 1.8x one worker; through Dask 1.6x)")
@pytest.mark.parametrize("executor", ["local", "dask"])
def test_two_workers(benchmark, executor):
    """One and two workers take turns, and so does a plain pool: what else the machine does slows all of them."""
    took = {"one": [], "two": [], "plain one": [], "plain two": []}
    context = multiprocessing.get_context("forkserver")
    with (
        one_thread_each(),
        opened(executor, 1) as one,
        opened(executor, 2) as two,
        ProcessPoolExecutor(1, mp_context=context) as plain_one,
        ProcessPoolExecutor(2, mp_context=context) as plain_two,
    ):
        for pool in (one, two):
            seconds(pool, 8)
        for pool in (plain_one, plain_two):
            plain_seconds(pool, 8)

        def turn():
            took["one"].append(seconds(one, 64))
            took["plain one"].append(plain_seconds(plain_one, 64))
            took["two"].append(seconds(two, 64))
            took["plain two"].append(plain_seconds(plain_two, 64))

        benchmark.pedantic(turn, rounds=3)
    medians = {name: float(np.median(values)) for name, values in took.items()}
    benchmark.extra_info.update(medians)
    benchmark.extra_info["gain"] = medians["one"] / medians["two"]
    benchmark.extra_info["gain_of_a_plain_pool"] = medians["plain one"] / medians["plain two"]
    benchmark.extra_info["best_gain"] = min(took["one"]) / min(took["two"])


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A finished run of 100 000 curves of 50 rows: 1000 points, 100 replicates."""
    directory = tmp_path_factory.mktemp("many") / "run"
    experiment = build("gradient_flow", {"alpha": "0.1:4:1000"}, answers="reduced", replicates=CURVES // 1000)
    rng, at = np.random.default_rng(0), np.linspace(0.0, 10.0, 50)
    names = list(experiment.system.observables)[:3]
    with Store.create(experiment, directory) as store:
        waiting = []
        for task in experiment.tasks():
            curve = Curve.along("time", at, {name: rng.random(50) for name in names})
            waiting.append(Outcome(task, curve, 0.01))
            if len(waiting) == 5000:
                store.add(waiting)
                waiting = []
        store.add(waiting)
    return experiment, directory


@pytest.mark.benchmark(group=f"{CURVES} stored curves (targets: resume < 2 s, export < 30 s)")
@pytest.mark.parametrize("what", ["resume", "export"])
def test_many_curves(benchmark, many, what):
    experiment, directory = many

    def resume():
        with carry_out(experiment, directory) as store:
            assert store.counts() == {"reduced": CURVES}

    def export():
        with Store.open(directory) as store:
            tables.write(store.rows(), directory / "table.csv", "csv", store.columns())

    benchmark.pedantic(resume if what == "resume" else export, rounds=3)
    benchmark.extra_info["MiB"] = (directory / "run.sqlite").stat().st_size / 2**20
