"""The engine: what a task draws depends on nothing but the task, and one that goes wrong stops no other."""

import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.gauge import LOG, Gauge, Walk
from tests.performing import run
from tsmech import engine
from tsmech.engine import Outcome, dispatch, perform
from tsmech.errors import IncompleteError, InputError
from tsmech.experiment import Task, build
from tsmech.machine.threads import ONE_THREAD, one_thread_each


def tasks(replicates: int = 3, **parameters: Any) -> list[Task]:
    return list(build(Gauge, {"level": [1, 2], **parameters}, replicates=replicates).tasks())


def generator(task: Task, seed: int) -> np.random.Generator:
    return task.system.stream(task.answer, seed, task.replicate)


def results(outcomes: Iterable[Outcome]) -> dict[Task, Any]:
    """Every bit of what came out, by task."""
    found = {}
    for outcome in outcomes:
        assert outcome.task not in found, "a task was performed twice"
        curve = outcome.curve
        found[outcome.task] = curve and {name: values.tobytes() for name, values in curve.observables.items()}
    return found


def flat(batches: Iterable[list[Outcome]]) -> list[Outcome]:
    return [outcome for batch in batches for outcome in batch]


# Streams


def test_a_stream_is_addressed_by_seed_point_answer_and_replicate() -> None:
    base = Task(Gauge(level=1.0), "direct", 0)
    others = [
        (Task(Gauge(level=2.0), "direct", 0), 0),
        (Task(Gauge(level=1.0), "reduced", 0), 0),
        (Task(Gauge(level=1.0), "direct", 1), 0),
        (base, 1),
    ]
    first = generator(base, 0).random()
    assert generator(Task(Gauge(level=1), "direct", 0), 0).random() == first
    assert len({first, *(generator(task, seed).random() for task, seed in others)}) == 5


def test_streams_stay_what_they_were() -> None:
    """What a seed gives is a promise: published numbers come out again."""
    assert generator(Task(Gauge(level=1.0), "direct", 0), 0).random() == 0.191214083806738
    assert generator(Task(Gauge(level=1.0), "reduced", 7), 12345).random() == 0.6892021600965661


def test_streams_of_replicates_points_and_seeds_are_as_good_as_independent() -> None:
    """First draws are uniform and uncorrelated along each part of the address; each test at 1e-3, seeds fixed."""
    count = 2000
    along = {
        "replicate": [generator(Task(Gauge(level=1.0), "direct", k), 0).random() for k in range(count)],
        "seed": [generator(Task(Gauge(level=1.0), "direct", 0), k).random() for k in range(count)],
        "point": [generator(Task(Gauge(level=k / count), "direct", 0), 0).random() for k in range(count)],
    }
    for name, drawn in along.items():
        assert stats.kstest(drawn, "uniform").pvalue > 1e-3, name
        assert stats.pearsonr(drawn[1:], drawn[:-1]).pvalue > 1e-3, name


# Results do not depend on how they are made


def run_here(work: list[Task]) -> list[Outcome]:
    return flat(run(work, 5))


def run_shuffled(work: list[Task]) -> list[Outcome]:
    return flat(run(random.Random(3).sample(work, len(work)), 5))


def run_in_threads(work: list[Task]) -> list[Outcome]:
    with ThreadPoolExecutor(3) as executor:
        return flat(run(work, 5, executor=executor))


def run_in_two_processes(work: list[Task]) -> list[Outcome]:
    return flat(run(work, 5, workers=2))


def run_one_by_one(work: list[Task]) -> list[Outcome]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "BLOCK_TASKS", 1)
        return run_here(work)


def run_in_one_block(work: list[Task]) -> list[Outcome]:
    return perform(work, 5)


def run_among_others(work: list[Task]) -> list[Outcome]:
    others = tasks(5, level=[0, 1, 2, 3], noise=[0.2, 0.7])
    return [outcome for outcome in run_here(others) if outcome.task in set(work)]


@pytest.mark.parametrize(
    "way",
    [run_shuffled, run_in_threads, run_in_two_processes, run_one_by_one, run_in_one_block, run_among_others],
)
def test_results_are_the_same_bit_for_bit_however_they_are_made(way: Callable[[list[Task]], list[Outcome]]) -> None:
    work = tasks()
    expected = results(run_here(work))
    assert len(expected) == len(work)
    assert results(way(work)) == expected


def test_a_seed_changes_every_simulation_and_no_theory() -> None:
    work = tasks()
    one, other = (results(flat(run(work, seed))) for seed in (0, 1))
    for task in work:
        assert (one[task] == other[task]) == (task.answer == "theory")


# Blocks


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.integers(1, 40), st.floats(0.001, 1))
@settings(deadline=None, max_examples=50)
def test_blocks_hold_every_task_once_in_order_and_keep_their_bounds(
    seconds: list[float], most: int, target: float
) -> None:
    work = [Task(Gauge(level=1.0), "direct", k) for k in range(len(seconds))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "BLOCK_TASKS", most)
        patch.setattr(dispatch, "BLOCK_SECONDS", target)
        blocks = dispatch._Blocks(work)
        taken: list[Task] = []
        while block := blocks.take():
            assert len(block) <= most
            assert taken or len(block) == 1, "what has not been measured goes alone"
            taken += block
            blocks.learn([Outcome(task, None, seconds[task.replicate]) for task in block])
    assert taken == work


def test_blocks_grow_to_the_time_that_they_are_meant_to_take() -> None:
    blocks = dispatch._Blocks(Task(Gauge(level=1.0), "direct", k) for k in range(10_000))
    blocks.learn([Outcome(task, None, dispatch.BLOCK_SECONDS / 10) for task in blocks.take()])
    assert len(blocks.take()) in (9, 10)
    blocks.learn([Outcome(Task(Gauge(level=1.0), "direct", 0), None, 0.0)] * 100)
    assert len(blocks.take()) == dispatch.BLOCK_TASKS


@pytest.mark.parametrize("places", [{}, {"executor": "local"}], ids=["here", "local"])
def test_a_block_that_outlasts_its_time_hands_the_rest_back(places: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that turn out to be a thousand times slower do not hold the other workers up."""
    monkeypatch.setattr(dispatch, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(dispatch._Blocks, "learn", lambda *_: None)
    work = tasks()
    batches = [batch for batch in run(work, 5, **places) if batch]
    assert [len(batch) for batch in batches] == [1] * len(work)
    assert [outcome.task for outcome in flat(batches)] == work
    assert results(flat(batches)) == results(run_here(work))


def test_work_is_taken_as_it_is_performed() -> None:
    """A sweep without end does not fill the memory."""
    taken = 0

    def endless() -> Iterator[Task]:
        nonlocal taken
        while True:
            yield Task(Gauge(level=1.0), "direct", taken)
            taken += 1

    batches = run(endless(), 0)
    for _ in range(5):
        next(batches)
    batches.close()
    assert taken <= 5 * dispatch.BLOCK_TASKS


def test_the_cost_of_a_task_is_small() -> None:
    """Two milliseconds of the processor are allowed; what the toy itself costs is measured beside it and taken off."""
    work = tasks(200)
    start = time.process_time()
    for task in work:
        task.system.curve(task.answer, np.random.default_rng(0))
    own = time.process_time() - start
    start = time.process_time()
    flat(run(work, 0))
    assert (time.process_time() - start - own) / len(work) < 2e-3


# What goes wrong


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_is_recorded_and_the_others_go_on(workers: int) -> None:
    outcomes = flat(run(tasks(2, fault=["none", "raise", "nan", "inf", "unsolved"]), 0, workers=workers))
    assert len(outcomes) == 2 * 5 * 5
    for outcome in outcomes:
        fault = outcome.task.system.fault
        if fault in ("none", "inf") or (fault == "nan" and outcome.task.answer == "theory"):
            assert outcome.curve is not None
            assert outcome.error == outcome.trace == ""
            continue
        assert outcome.curve is None
        expected = {
            "raise": "ZeroDivisionError: the gauge\nis broken",
            "nan": f"ArithmeticError: {outcome.task.answer} returned NaN as spread",
            "unsolved": "ConvergenceError: the gauge does not settle",
        }
        assert outcome.error == expected[fault]
        assert "Traceback" in outcome.trace
        assert outcome.seconds >= 0


@dataclass(frozen=True)
class Matrices(Walk):
    """A walk whose overlaps hold a NaN."""

    def theory_curve(self) -> Any:
        curve = super().theory_curve()
        curve.observables["overlap"][-1, 0, 1] = np.nan
        return curve


def test_nan_in_a_matrix_is_an_error_too() -> None:
    (outcome,) = perform([Task(Matrices(), "theory", 0)], 0)
    assert outcome.curve is None
    assert "theory returned NaN as overlap" in outcome.error


@pytest.mark.slow
def test_a_task_that_kills_its_worker_is_recorded_and_the_others_go_on() -> None:
    work = [task for task in tasks(4, fault=["none", "die"]) if task.answer == "direct"]
    outcomes = flat(run(work, 0, workers=2))
    assert set(results(outcomes)) == set(work)
    for outcome in outcomes:
        assert (outcome.curve is None) == (outcome.task.system.fault == "die")
        assert outcome.curve or "worker" in outcome.error
    expected = results(engine.perform([task for task in work if task.system.fault == "none"], 0))
    assert expected.items() <= results(outcomes).items()


def until_interrupted(batches: Iterable[list[Outcome]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    try:
        for batch in batches:
            outcomes += batch
    except KeyboardInterrupt:
        return outcomes
    pytest.fail("the interruption was swallowed")


def test_an_interruption_hands_over_what_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes during the third task, in the midst of a block."""
    original, performed = Gauge.curve, []

    def curve(gauge: Gauge, answer: str, rng: Any = None) -> Any:
        if len(performed) == 2:
            raise KeyboardInterrupt
        performed.append(original(gauge, answer, rng))
        return performed[-1]

    monkeypatch.setattr(Gauge, "curve", curve)
    outcomes = until_interrupted(run([Task(Gauge(level=1.0), "direct", k) for k in range(9)], 0))
    assert [outcome.curve for outcome in outcomes] == performed


class Late(Executor):
    """An executor that performs at once, and is interrupted when it is given its third block."""

    def __init__(self) -> None:
        self.given = 0

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given += 1
        if self.given == 3:
            raise KeyboardInterrupt
        future: Future[Any] = Future()
        future.set_result(work(*args, **kwargs))
        return future


def test_an_interruption_hands_over_what_an_executor_has_finished() -> None:
    assert len(until_interrupted(run(tasks(), 0, executor=Late()))) == 2


def test_closing_the_run_ends_its_workers() -> None:
    before = set(multiprocessing.active_children())
    batches = run(tasks(50), 0, workers=2)
    assert next(batch for batch in batches if batch)
    started = set(multiprocessing.active_children()) - before
    assert started
    batches.close()
    for process in started:
        process.join(10.0)
        assert not process.is_alive()


def test_an_executor_of_somebody_else_stays_open() -> None:
    with ThreadPoolExecutor(1) as executor:
        flat(run(tasks(), 0, executor=executor))
        assert executor.submit(int, "3").result() == 3


class Broken(Executor):
    """An executor whose workers are gone."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_an_executor_that_breaks_is_one_clear_error() -> None:
    with pytest.raises(IncompleteError, match="executor"):
        flat(run(tasks(), 0, executor=Broken()))


class Foreign(Executor):
    """An executor whose workers cannot import what the work is made of."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ModuleNotFoundError("No module named 'tsmech'"))
        return future


def test_an_executor_that_cannot_import_the_work_is_one_clear_error() -> None:
    with pytest.raises(IncompleteError, match="cannot perform the work: ModuleNotFoundError: No module named 'tsmech'"):
        flat(run(tasks(), 0, executor=Foreign()))


@pytest.mark.parametrize("workers", [0, -1])
def test_a_number_of_workers_below_one_is_refused(workers: int) -> None:
    with pytest.raises(InputError, match=f"workers = {workers} is not allowed"):
        flat(run(tasks(), 0, workers=workers))


def test_each_task_is_performed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    work = tasks(4)
    flat(run(work, 0))
    begun = [line for line in (tmp_path / "log").read_text().splitlines() if not line.startswith("end")]
    assert len(begun) == len(set(begun)) == len(work)


def test_the_environment_of_workers_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with one_thread_each():
        assert {name: os.environ[name] for name in ONE_THREAD} == ONE_THREAD
    assert dict(os.environ) == before
