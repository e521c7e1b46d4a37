"""What a picture needs of a run: all rows of a small one, of a large one nothing but the numbers that are drawn."""

import itertools
import math
import os
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.explore.cells import map_drawing, tabulate
from tsmech.explore.drawing import Drawing
from tsmech.explore.series import draw, shown_codes
from tsmech.plots.picture import Picture, choose, named_coordinates, names_in, visible
from tsmech.plots.translation import Translation
from tsmech.problem.observables import observable_of
from tsmech.store import Store

Row = Mapping[str, Any]
Heard = Callable[[int], bool]
"""Told how many rows are read; returns whether more of them are asked for."""
Block = dict[str, NDArray[Any]]

HELD = 50_000
"""Rows that a page holds; of a larger run it reads what a picture needs, anew for each picture."""
HEAD = 1000
"""Rows in which the names of a large run's coordinates are looked for."""
TELL = 2000
"""Rows between two tellings."""


class RunFile:
    """A run directory that several pages read: what was examined once is not again while its file stays as it is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._examined: Any = None

    def open(self) -> Store:
        """Open it to read it; the whole file is examined where that has not been done as it is now."""
        state = self.state()
        store = Store.open(self.directory, checked=state is not None and state == self._examined)
        if self.state() == state:
            self._examined = state
        return store

    def state(self) -> Any:
        """Return what changes where the file is written; None where it is not there."""
        found: list[Any] = []
        for name in ("run.sqlite", "run.sqlite-wal"):
            try:
                state = os.stat(self.directory / name)
            except OSError:
                found.append(None)
            else:
                # An empty log is made by reading.
                found.append((state.st_ino, state.st_size, state.st_mtime_ns) if state.st_size else None)
        return tuple(found) if found[0] is not None else None


class Held:
    """The rows of a run, and by axis those between the points of its sweep along it."""

    def __init__(self, store: Store) -> None:
        self.rows: list[Row] = list(store.rows())
        axes = store.experiment.axes if store.line_points() else ()
        self._lines: dict[str, list[Row]] = {name: list(store.lines(name)) for name in axes}

    def lines(self, experiment: Experiment) -> list[Row]:
        """Return the rows between the points that a picture of curves has."""
        picture = choose(experiment)
        of_curves = not (picture.y or picture.matrix or picture.along)
        return self._lines.get(picture.x, []) if of_curves else []

    def draw(self, experiment: Experiment) -> Drawing:
        """Return what a page shows."""
        return draw(experiment, [*self.rows, *self.lines(experiment)])


def draw_large(store: Store, experiment: Experiment, heard: Heard) -> Drawing:
    """Return what a page shows of a run whose rows it does not hold."""
    picture = choose(experiment, names_in(experiment.system, itertools.islice(store.rows(), HEAD)))
    if picture.y:
        return draw_map(store, experiment, picture, heard)
    return draw(experiment, list(_needed(store, experiment, picture, heard)))


def draw_map(store: Store, experiment: Experiment, picture: Picture, heard: Heard) -> Drawing:
    """Return the maps of a run of which nothing but their numbers is held."""
    asked = Translation(experiment, picture.convention)
    found = _places(store, experiment, picture, asked, heard)
    if asked.active and _is_scattered(experiment, picture, found):
        asked = Translation(experiment)
        found = _places(store, experiment, picture, asked, heard)
    keys = picture.keys(experiment)
    answers = [answer for answer in experiment.system.answers if any(answer == one for one, _ in found)]
    places = [(answer, number) for answer in answers for number in range(len(keys)) if (answer, number) in found]
    if not places:
        (value,) = picture.observables
        raise InputError(f"{value} cannot be drawn: the run has no single numbers of it along {picture.x}")
    grids = tabulate([found[place] for place in places])
    drawing = map_drawing(experiment, picture, [(answer, keys[number]) for answer, number in places], grids, asked)
    whose = f"axes as in {asked.paper}" if asked.active else "in our symbols" if picture.convention else ""
    return drawing._replace(notes=[*([whose] if whose else []), *drawing.notes])


def _places(
    store: Store, experiment: Experiment, picture: Picture, translation: Translation, heard: Heard
) -> dict[tuple[str, int], list[NDArray[np.float64]]]:
    """Return for each answer and panel of a map the columns of its places: both axes, the value and its error."""
    (value,), up = picture.observables, str(picture.y)
    names, keys = (picture.x, up, value, f"{value}_sem"), picture.keys(experiment)
    found: dict[tuple[str, int], list[array[float]]] = {}

    def columns(answer: str, number: int) -> list["array[float]"]:
        return found.setdefault((answer, number), [array("d") for _ in names])

    for answer, block in _blocks(store, experiment, [*names, *experiment.axes], heard):
        theirs = translation.block(block, names[:3])
        block[names[3]] = np.full(len(block[value]), math.nan)
        for number, key in enumerate(keys):
            kept = ~np.isnan(block[value]) & np.isfinite(theirs[names[0]]) & np.isfinite(theirs[up])
            for name, wanted in key.items():
                kept &= block[name] == wanted
            if kept.any():
                for column, name in zip(columns(answer, number), names, strict=True):
                    column.frombytes(theirs.get(name, block[name])[kept].astype(float).tobytes())
    numbers = {tuple(key.values()): number for number, key in enumerate(keys)}
    for row in _left(store, experiment, picture, heard):
        panel = numbers.get(tuple(row[name] for name in picture.panels))
        if panel is None:
            continue
        for seen in visible(experiment, picture, [row], value):
            cells = translation.row(seen, picture.x, up, value)
            if all(math.isfinite(cells[name]) for name in names[:2]):
                for column, name in zip(columns(row["answer"], panel), names, strict=True):
                    column.append(math.nan if cells.get(name) is None else cells[name])
    return {place: [np.frombuffer(column) for column in listed] for place, listed in found.items()}


def _blocks(store: Store, experiment: Experiment, names: Collection[str], heard: Heard) -> Iterator[tuple[str, Block]]:
    """Yield the columns of the answers that have one number a point, in pieces, while they are asked for."""
    count = 0
    for answer in experiment.answers:
        for block in store.blocks(answer, names) or ():
            _tell(count, heard)
            count += len(next(iter(block.values())))
            yield answer, block


def _is_scattered(experiment: Experiment, picture: Picture, found: Mapping[Any, list[NDArray[np.float64]]]) -> bool:
    """Return whether an axis of a paper depends on what the other says, so that a map has no rows and columns."""
    for axis, name in enumerate((picture.x, str(picture.y))):
        places = np.concatenate([columns[axis] for columns in found.values()]) if found else np.empty(0)
        most = len(experiment.axes[name]) if name in experiment.axes else math.isqrt(len(places))
        if len(np.unique(places)) > most:
            return True
    return False


def _left(store: Store, experiment: Experiment, picture: Picture, heard: Heard) -> Iterator[Row]:
    """Yield the rows of the answers that no blocks have, while they are asked for."""
    answers = [answer for answer in experiment.answers if store.blocks(answer, ()) is None]
    if answers:
        for count, row in enumerate(_ends(experiment, picture, store.rows(answers=answers))):
            if not count % TELL:
                _tell(count, heard)
            yield row


def _tell(count: int, heard: Heard) -> None:
    if not heard(count):
        raise InputError("another picture is asked for")


def _needed(store: Store, experiment: Experiment, picture: Picture, heard: Heard) -> Iterator[Row]:
    """Yield the rows of the panels that are shown, without the columns that are not."""
    keys = [tuple(key.values()) for key in picture.keys(experiment)] if picture.panels else []
    drawn = {observable_of(name) for name in (picture.x, *picture.observables)}
    kept = {*experiment.axes, *experiment.system.coordinates, "answer", "replicates", "diverged_at"}
    kept |= drawn | {f"{name}_sem" for name in drawn}
    codes = shown_codes(experiment, picture)

    def is_shown(row: Row) -> bool:
        panel = not keys or tuple(row[name] for name in picture.panels) in keys
        return panel and (codes is None or row[str(picture.by)] in codes)

    for answer, block in _blocks(store, experiment, kept, heard):
        if codes is not None:  # before rows are made
            shown = np.isin(block[str(picture.by)], codes)
            block = {name: column[shown] for name, column in block.items()}
        columns = {name: column.tolist() for name, column in block.items()}
        for values in zip(*columns.values(), strict=True):
            named = zip(columns, values, strict=True)
            row: Row = {"answer": answer} | {name: None if value != value else value for name, value in named}
            if is_shown(row):
                yield row
    for row in filter(is_shown, _left(store, experiment, picture, heard)):
        yield {name: value for name, value in row.items() if name in kept or observable_of(name) in drawn}


def _ends(experiment: Experiment, picture: Picture, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the last row of each curve where a picture does not run along the coordinate, else all."""
    coordinate = experiment.system.running()
    if picture.along is not None or coordinate in (None, picture.x, picture.y):
        yield from rows
        return
    names = ["answer", *experiment.axes, *named_coordinates(experiment.system)]
    for _, members in itertools.groupby(rows, lambda row: [row[name] for name in names]):
        *_, last = members
        yield last
