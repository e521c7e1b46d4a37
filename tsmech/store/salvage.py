"""Salvages a damaged run: intact curves are copied, lost tasks are performed again, the damaged file is kept."""

import contextlib
import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tsmech.experiment import Experiment
from tsmech.store.checksums import FORMATS, UNREADABLE, count, curve_checksum, is_described, is_of_format, meta
from tsmech.store.database import initialise, joined_identity, stored_experiment, written_parameters
from tsmech.store.directory import PARTIAL
from tsmech.store.locks import FILE
from tsmech.store.origin import write_origin

_CURVE = "SELECT answer, replicate, seconds, stop, stopped_at, layout, data, checksum FROM curves WHERE point = ?"


def salvage(directory: Path, asked: Experiment, shard: str, reason: str) -> str:
    """Replace a run's damaged file by a new one with all intact curves; return the notice for the user.

    Every curve is looked up by its address and must match its checksum, which covers the seed, the point and the
    numbers: nothing of another seed is taken over, even where the description is lost.

    Raises
    ------
    InputError
        Where the file holds another experiment.
    """
    file, partial = directory / FILE, directory / PARTIAL
    partial.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(file)) as old:
            experiment, described = asked, {}
            with contextlib.suppress(*UNREADABLE):
                described = meta(old)
            if is_described(described):
                joined_identity(described, asked, directory)
                experiment = stored_experiment(old, directory, asked.system, curves=False).joined(asked)
            with contextlib.closing(sqlite3.connect(partial)) as new:
                believed = is_of_format(described, *FORMATS)
                initialise(new, experiment, described.get("shard", shard) if believed else shard)
                with new:
                    if believed:
                        write_origin(new, meta(new) | described)
                    kept = _copy(old, new, experiment)
                    count(new, experiment.seed).write(new)
        aside = _set_aside(file)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)
    return (
        f"{file} was damaged ({' '.join(reason.split())}): {kept} finished tasks were salvaged, what is lost is "
        f"performed again; the damaged file is kept as {aside.name}"
    )


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, experiment: Experiment) -> int:
    """Copy all curves that match their checksums, point by point of the experiment; return how many there are.

    Points between these, on the lines of a picture, are computed again.
    """
    numbers = dict(_read(old, "SELECT key, id FROM points NOT INDEXED"))
    numbers |= dict(_read(old, "SELECT key, id FROM points"))  # from the index, which holds them once more
    layouts = dict(_read(old, "SELECT id, layout FROM layouts NOT INDEXED"))
    layouts |= dict(_read(old, "SELECT id, layout FROM layouts"))
    entered_layouts: dict[str, int] = {}
    kept = 0
    for system in experiment.points():
        key, parameters = system.key(), written_parameters(system)
        if key not in numbers:
            continue
        entered = False
        for answer, replicate, seconds, *ended, layout, data, checksum in _curves(old, numbers[key]):
            address = (experiment.seed, key + parameters, answer, replicate, ended)
            if layout not in layouts or curve_checksum(*address, layouts[layout], data) != checksum:
                continue
            if not entered:
                new.execute("INSERT INTO points VALUES (?, ?, ?, 0)", (numbers[key], key, parameters))
                entered = True
            words = layouts[layout]
            if words not in entered_layouts:
                entered_layouts[words] = len(entered_layouts) + 1
                new.execute("INSERT INTO layouts VALUES (?, ?)", (entered_layouts[words], words))
            values = (numbers[key], answer, replicate, seconds, *ended, entered_layouts[words], data, checksum)
            kept += new.execute("INSERT OR IGNORE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values).rowcount
    return kept


def _curves(old: sqlite3.Connection, point: int) -> Iterator[Any]:
    """Yield what can be read of a point: from its first curve on, from its last one back, and what lies between."""
    found: dict[str, set[int]] = {}
    whole = True
    for order in ("", " DESC"):
        whole = True
        try:
            for row in old.execute(f"{_CURVE} ORDER BY answer{order}, replicate{order}", (point,)):
                if row[1] not in found.setdefault(row[0], set()):
                    found[row[0]].add(row[1])
                    yield row
        except UNREADABLE:
            whole = False
        if whole:
            return
    for answer, seen in found.items():
        for replicate in itertools.filterfalse(seen.__contains__, range(max(seen))):
            yield from _read(old, f"{_CURVE} AND (answer, replicate) = (?, ?)", point, answer, replicate)


def _read(connection: sqlite3.Connection, query: str, *values: Any) -> Iterator[Any]:
    """Yield rows as far as they can be read."""
    with contextlib.suppress(*UNREADABLE):
        yield from connection.execute(query, values)


def _set_aside(file: Path) -> Path:
    """Keep the damaged file and its write-ahead log under another name; return that name."""
    for number in itertools.count(1):
        aside = file.with_name(f"{file.stem}.damaged-{number}{file.suffix}")
        if not os.path.lexists(aside):
            break
    for suffix in ("", "-wal"):
        source, target = Path(f"{file}{suffix}"), Path(f"{aside}{suffix}")
        if source.exists():
            try:
                os.link(source, target)
            except OSError:  # a file system without hard links
                shutil.copy2(source, target)
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    return aside
