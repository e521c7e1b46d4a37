"""Carries an experiment out: the one way from an experiment through the engine to the store and its products."""

import contextlib
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech import engine, plots, shards, tables
from tsmech.adaptive import Rounds
from tsmech.engine import Outcome
from tsmech.engine.executors import open_pool
from tsmech.errors import ConvergenceError, IncompleteError, InputError, TsmechError
from tsmech.experiment import Experiment, Unit, build, find_file, from_file
from tsmech.plots.picture import choose
from tsmech.progress import Progress
from tsmech.shards import WHOLE, Shard
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS
from tsmech.systems import REGISTRY
from tsmech.systems.contract import SIMULATIONS, System

if TYPE_CHECKING:
    import pandas as pd

LONG_STEPS = 1e11
"""Steps of one simulation beyond which a person at a terminal is asked first: some hours of a core."""
WRITE_SECONDS = 0.2
"""Time after which finished units are written, those of several small blocks in one transaction."""
WRITE_UNITS = 2000
"""Finished units that are not kept waiting."""


def resolve(
    what: str | PathLike[str] | type[System] | Experiment, parameters: Mapping[str, Any], **options: Any
) -> Experiment:
    """Return the experiment that is meant: a system by name or class, an experiment by name or file, or itself.

    Options that are None are those of the file, or the defaults.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(what, Experiment):
        if parameters or given:
            raise InputError(f"{', '.join([*parameters, *given])} cannot be given beside an experiment: it holds them")
        return what
    if isinstance(what, PathLike):
        return from_file(Path(what), parameters, **given)
    if isinstance(what, str):
        file = None if what.replace("-", "_") in REGISTRY else find_file(what)
        return build(what, parameters, **given) if file is None else from_file(file, parameters, **given)
    if isinstance(what, type) and issubclass(what, System):
        return build(what, parameters, **given)
    raise InputError(f"{what!r} cannot be run: give a system, an experiment, or the path of a TOML file")


def carry_out(
    experiment: Experiment,
    directory: Path | None = None,
    *,
    workers: int = 1,
    executor: str | Executor | None = None,
    scheduler: str | None = None,
    timeout: float | None = None,
    shard: Shard = WHOLE,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Store:
    """Perform what an experiment still lacks, store it as it is finished, and return the store, open.

    Parameters
    ----------
    experiment
        What is asked.
    directory
        The run directory; None keeps the run in memory.
    workers, executor, scheduler, timeout
        As in :func:`tsmech.engine.executors.open_pool`.
    shard
        The share of the experiment that is performed, in a directory of its own.
    report
        Called after each batch of results.

    Raises
    ------
    InputError
        Where the directory cannot be used for this experiment.
    IncompleteError
        Where results could not be stored.
    """
    with open_pool(workers=workers, executor=executor, scheduler=scheduler, timeout=timeout) as pool:
        store = Store.create(experiment, directory, "" if shard == WHOLE else str(shard))
        work = _Work(store)
        try:
            rounds = Rounds(experiment, store, shard)
            if shard == WHOLE and (lacking := store.lacks(experiment)):
                work.progress.total, work.progress.points = lacking
            else:
                work.expect(rounds.units())
            while True:
                report(work.progress)
                # Where nothing is lacking there is no need to look for it.
                lacked = rounds.units() if work.progress.total > work.progress.finished else ()
                units = work.taken(store.remaining(lacked))
                with contextlib.closing(engine.drive(pool, units, experiment.seed)) as batches:
                    for outcomes in batches:
                        work.done(outcomes)
                        report(work.progress)
                work.write()
                again = rounds.advance()
                work.progress.error = rounds.error
                if not again:
                    store.check_kept()
                    return store
                work.expect(rounds.units())
        except BaseException as error:
            try:
                if not isinstance(error, IncompleteError):
                    work.write()
                store.check_kept()
            finally:
                store.close()
            raise


class _Work:
    """What becomes of a run's outcomes: they are counted, and written in batches."""

    def __init__(self, store: Store) -> None:
        self.progress = Progress(0)
        self._store = store
        self._waiting: list[Outcome] = []
        self._written = time.monotonic()
        self._under_way: Counter[System] = Counter()
        """For each point the units that are not done, and one more while units of it are still to come."""

    def expect(self, units: Iterable[Unit]) -> None:
        """Count what the store lacks of units, and the points that they belong to."""
        point = None
        for unit in self._store.remaining(units):
            self.progress.total += 1
            if unit.system is not point:
                point = unit.system
                self.progress.points += 1

    def taken(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """Yield units, and keep in mind which points are under way."""
        point = None
        for unit in units:
            if unit.system is not point:
                if point is not None:
                    self._settle(point)
                point = unit.system
                self._under_way[point] += 1
            self._under_way[point] += 1
            yield unit
        if point is not None:
            self._settle(point)

    def _settle(self, point: System) -> None:
        self._under_way[point] -= 1
        if not self._under_way[point]:
            del self._under_way[point]
            self.progress.finished_points += 1

    def done(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes, and write them when it is time."""
        for outcome in outcomes:
            self.progress.finished += 1
            if outcome.curve is None:
                self.progress.failed += 1
                self.progress.trouble = outcome.error
            self._settle(outcome.unit.system)
        self._waiting += outcomes
        if len(self._waiting) >= WRITE_UNITS or time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what is waiting, in one transaction."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._store.add(waiting)
        self._written = time.monotonic()


def publish(store: Store) -> list[Path]:
    """Write a run's table and figure into its directory, none of a shard's; return the files."""
    if store.directory is None or store.shard:
        return []
    if store.is_empty():
        return []
    try:
        tables.write(store.rows(), store.directory / PRODUCTS[0], "csv", store.columns())
        return [store.directory / PRODUCTS[0], *draw(store, store.directory)]
    finally:
        store.check_kept()


def draw(
    store: Store, directory: Path, stem: str = "figure", formats: Sequence[str] = ("png", "svg"), **choice: Any
) -> list[Path]:
    """Draw a run and save the picture in each of the formats; ``choice`` is as in :func:`tsmech.plots.draw`."""
    drawn = choose(store.experiment, **choice).observables
    left_out = {name for name in store.experiment.system.observables if name not in drawn}
    left_out |= {f"{name}_sem" for name in left_out}
    # Of a large sweep the numbers that are not drawn would take most of the memory.
    rows = ({name: value for name, value in row.items() if name not in left_out} for row in store.rows())
    return plots.save(plots.draw(store.experiment, rows, **choice), directory, stem, formats)


def failure(store: Store) -> TsmechError | None:
    """Return the error that says which units failed, or None."""
    failures = store.failures()
    if not failures:
        return None
    first = failures[0]
    words = f"{len(failures)} units failed, the first {first['answer']}: {first['error']}; what was finished is kept"
    unsolved = all(entry["error"].startswith(ConvergenceError.__name__) for entry in failures)
    return ConvergenceError(words) if unsolved else IncompleteError(words)


def most_steps(experiment: Experiment) -> float:
    """Return how many steps the longest simulation of an experiment takes."""
    simulated = any(answer in SIMULATIONS for answer in experiment.answers)
    return max(point.steps() for point in experiment.points()) if simulated else 0.0


def run(
    what: str | PathLike[str] | type[System] | Experiment,
    *,
    answers: str | Iterable[str] | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    target_error: float | None = None,
    max_replicates: int | None = None,
    out: str | Path | None = None,
    workers: int = 1,
    executor: str | Executor | None = None,
    scheduler: str | None = None,
    timeout: float | None = None,
    shard: str | None = None,
    **parameters: Any,
) -> "pd.DataFrame":
    """Run an experiment and return its summary table.

    Parameters
    ----------
    what
        A system (name or class), an experiment (name, TOML file or :class:`~tsmech.experiment.Experiment`).
    answers
        Which of theory, reduced and direct; all that exist where none are named.
    replicates, seed
        Draws of each simulation at each point, and the seed of all of them.
    target_error, max_replicates
        Relative standard error of the first plotted observable up to which replicates are added, and their cap.
    out
        The run directory, in which what is finished stays; without one nothing is written.
    workers
        Worker processes; with more than one, a script must guard its entry (``if __name__ == "__main__":``).
    executor, scheduler
        ``"local"`` (worker processes, though it be one), ``"dask"`` (at the address of a scheduler, or on a cluster of
        its own), or any ``concurrent.futures.Executor``; None computes in this process where ``workers`` is 1.
    timeout
        Seconds that one unit may take; one that takes longer fails.
    shard
        A share of the experiment, ``"3/10"``, for :func:`tsmech.runs.merge` to join; it needs ``out``.
    **parameters
        The system's parameters: a value, a list, or words such as ``"0.1:4:40"``.

    Returns
    -------
    pandas.DataFrame
        One row a point, answer and coordinate value: the mean of each observable ``X`` over ``replicates`` draws and
        its standard error ``X_sem`` for simulations, the value for theory.

    Raises
    ------
    InputError
        Where a parameter or option is unknown or not allowed.
    IncompleteError, ConvergenceError
        Where some units failed; with ``out`` what was finished is kept.

    Examples
    --------
    >>> import tsmech
    >>> table = tsmech.run("ridge", alpha=[0.5, 2.0], noise=0.5, answers=["theory"])
    >>> [round(float(error), 4) for error in table.generalization_error]
    [0.375, 0.125]
    """
    import pandas as pd

    wanted: dict[str, Any] = {"answers": answers, "replicates": replicates, "seed": seed}
    wanted |= {"target_error": target_error, "max_replicates": max_replicates}
    experiment = resolve(what, parameters, **wanted)
    share = WHOLE if shard is None else Shard.read(shard)
    if share != WHOLE and not out:
        raise InputError(f"shard = {shard} needs a directory to be merged from: give out")
    if out == "":
        raise InputError("out is empty: name a directory, or leave it out")
    directory = None if out is None else Path(out)
    places: dict[str, Any] = {"workers": workers, "executor": executor, "scheduler": scheduler, "timeout": timeout}
    with carry_out(experiment, directory, shard=share, **places) as store:
        for words in filter(None, (store.notice, store.surplus)):
            warnings.warn(words, stacklevel=2)
        publish(store)
        error = failure(store)
        if error:
            raise error
        return pd.DataFrame(list(store.rows()))


def merge(out: str | Path, sources: Sequence[str | Path]) -> "pd.DataFrame":
    """Join what shards of an experiment have done in a run directory, and return its summary table.

    Parameters
    ----------
    out
        The run directory, new or of the same experiment.
    sources
        The shards' run directories; they stay as they are.

    Raises
    ------
    InputError
        Where they are not shards of one experiment.
    IncompleteError
        Where units are missing; what is there is merged.
    """
    import pandas as pd

    places = [Path(source) for source in sources]
    with shards.merge(Path(out), places) as store:
        if store.notice:
            warnings.warn(store.notice, stacklevel=2)
        publish(store)
        if words := shards.missing(store, places):
            raise IncompleteError(f"{words}; what is there is merged")
        if error := failure(store):
            raise error
        return pd.DataFrame(list(store.rows()))
