"""Merges the shards of an experiment in one run, and says what is missing."""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.runs.rounds import lacking
from tsmech.runs.shards import Shard
from tsmech.store import Store
from tsmech.words import shown


def merge(out: Path, sources: Sequence[Path]) -> Store:
    """Join what shards of one experiment have done in a run directory, new or of the same experiment; return it, open.

    The shards stay as they are.

    Raises
    ------
    InputError
        Where the shards are not of one experiment, one is damaged, or two disagree; nothing is added then.
    """
    described: dict[str, Any] = {}
    notices = []
    if not sources:
        raise InputError("there is nothing to merge: name the run directories of the shards")
    for source in sources:
        if os.path.realpath(source) == os.path.realpath(out):
            raise InputError(f"{source} cannot be merged into itself: name another directory first")
        with Store.open(source) as store:
            found = _asked(store.experiment)
            notices.append(store.notice)
        described = described or found
        for key, value in found.items():
            if value != described[key]:
                raise InputError(
                    f"{source} does not belong to {sources[0]}: {key} is {_short(value)} in the one and "
                    f"{_short(described[key])} in the other"
                )
    with Store.open(sources[0], checked=True) as first:
        experiment = first.experiment
    merged = Store.create(experiment, out)
    merged.notice = "; ".join(filter(None, [merged.notice, *notices]))
    try:
        merged.absorb(_opened(sources))
    except BaseException:
        merged.close()
        raise
    return merged


def _opened(sources: Sequence[Path]) -> Iterator[Store]:
    """Open one run after the other, each of which was examined just now."""
    for source in sources:
        with Store.open(source, checked=True) as store:
            yield store


def _asked(experiment: Experiment) -> dict[str, Any]:
    """Return what shards of one experiment have in common."""
    asked = {**experiment.describe(), **experiment.identity()}
    keys = ("title", "source", "parameters", "plot")
    return {"target_error": None, "max_replicates": None} | {k: v for k, v in asked.items() if k not in keys}


def _short(value: Any) -> str:
    return shown(value[0] if isinstance(value, list) and len(value) == 1 else value)


def missing(store: Store, sources: Sequence[Path]) -> str:
    """Return in words what a merged run lacks, or nothing: how many tasks, the first of them, and which shards."""
    experiment = store.experiment
    tasks = lacking(store)
    first = list(itertools.islice(tasks, 3))
    if not first:
        return ""
    count = len(first) + sum(1 for _ in tasks)
    places = [
        ", ".join(
            [f"{name} = {task.system.values()[name]}" for name in experiment.axes] + [f"replicate {task.replicate}"]
        )
        for task in first
    ]
    listed = "; ".join(f"{task.answer} at {place}" for task, place in zip(first, places, strict=True))
    return f"{count} tasks are missing ({listed}{'; ...' if count > len(first) else ''}){_absent(sources)}"


def _absent(sources: Sequence[Path]) -> str:
    labels = set()
    for store in _opened(sources):
        labels.add(store.shard)
    shards = [Shard.read(label) for label in labels if label]
    counts = {shard.count for shard in shards}
    if len(counts) != 1:
        return ""
    (count,) = counts
    numbers = [number for number in range(1, count + 1) if Shard(number, count) not in shards]
    listed = ", ".join(f"{number}/{count}" for number in numbers)
    return f"; not given: shard{'s' * (len(numbers) > 1)} {listed}" if numbers else ""
