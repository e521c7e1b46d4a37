"""The page of a run directory: read-only, as large as it may be."""

import dataclasses
import html
import io
import itertools
import math
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn

from tsmech.errors import InputError, TsmechError
from tsmech.experiment import Experiment, read_plot
from tsmech.explore import frame, products
from tsmech.explore.cells import map_drawing, tabulate
from tsmech.explore.choices import Choices
from tsmech.explore.drawing import Drawing
from tsmech.explore.frame import Pictures
from tsmech.explore.series import draw, shown_codes
from tsmech.explore.translation import Translation
from tsmech.explore.view import matrices
from tsmech.explore.wording import word
from tsmech.plots.picture import Picture, choose, named_coordinates, names_in, visible
from tsmech.problem.observables import observable_of
from tsmech.runs import remarks
from tsmech.store import Store

Row = Mapping[str, Any]

HELD = 50_000
"""Rows that a page holds; of a larger run it reads what a picture needs, anew for each picture."""
TELL = 0.5
WATCH = 1000


class SavedPage:
    """One tab that shows a run directory."""

    def __init__(self, directory: Path) -> None:
        self._document = pn.state.curdoc
        self._later = frame.teller(self._document)
        self._directory = directory
        self._rows: list[Row] | None = None
        self._asked = itertools.count(1)
        self._latest = 0
        self._gone = self._missing = False
        with Store.open(directory) as store:
            self._experiment = store.experiment
            self._about = _about(store)
            self._large = sum(store.counts().values()) > HELD
        self._plot = dict(self._experiment.plot)
        self._drawn: Experiment = self._experiment
        self.pictures = Pictures()
        self._make()

    def _make(self) -> None:
        system = self._experiment.system
        swept = [*self._experiment.axes, *system.coordinates]
        self._choices = Choices(system, self._change, swept)
        self._status, self._remarks = frame.line("status"), frame.line("remarks")
        self._show()
        toml = frame.text(f"<pre>{html.escape(self._experiment.to_toml())}</pre>")
        command = frame.text(f"<pre>tsmech plot {html.escape(str(self._directory))}</pre>")
        call = f'import tsmech\n\nrun = tsmech.open_run("{self._directory}")\nrun.table\nrun.draw()'
        python = frame.text(f"<pre>{html.escape(call)}</pre>")
        files = frame.downloads(self._file, self._directory.name)
        ways = pn.Tabs(("TOML", toml), ("command", command), ("Python", python), css_classes=["ways"])
        self.layout = frame.lay_out(
            title=self._experiment.title or system.title,
            about=f"run {self._directory} (read only): {self._about}",
            side=[],
            top=self._choices.widgets,
            main=[self._status, self.pictures.layout, self._remarks, *files, ways],
        )

    def _show(self) -> None:
        """Let the widgets show what the picture is."""
        plot = read_plot(self._plot, self._experiment.system)
        picture = choose(dataclasses.replace(self._experiment, plot=plot))
        kind = "matrix" if picture.matrix else "value" if picture.y is not None else ""
        shown = {key: plot[key] for key in ("at", "log") if key in plot} | {"x": picture.x, "by": picture.by or ""}
        shown = {key: value if isinstance(value, str) else ",".join(map(word, value)) for key, value in shown.items()}
        shown |= {"y": picture.y or "", **({kind: picture.observables[0]} if kind else {})}
        self._choices.show(shown, picture.observables)

    def start(self) -> None:
        """Begin to read."""
        pn.state.add_periodic_callback(self._watch, WATCH)
        pn.state.on_session_destroyed(lambda context: self._end())
        self._ask()

    def _end(self) -> None:
        self._gone, self._latest = True, 0

    def _change(self, key: str, value: Any) -> None:
        system = self._experiment.system
        matrix = key == "value" and value in matrices(system)
        key = {"up": "y"}.get(key, "matrix" if matrix else key)
        dropped = {key, "reference", *(("log",) if key in ("x", "y") else ())}
        if key in ("value", "matrix"):
            dropped |= {"at", "matrix", "value", *(("y", "by", "log", "together") if matrix or not value else ())}
            dropped |= {"x"} if matrix else set()
            if value and not matrix and not self._plot.get("value"):
                dropped |= {"y", "by", "log", "together"}
        if key == "x" and value in system.observables:
            dropped |= {"y", "value", "together"}
        plot = {known: said for known, said in self._plot.items() if known not in dropped}
        if value:
            plot[key] = value
        elif key == "value":  # curves are asked for, though two long axes would have a map
            plot["y"] = [*system.pictured, *system.observables][:2]
        before, self._plot = self._plot, plot
        try:
            self._show()
        except InputError as error:
            self._plot = before
            self._status.object = html.escape(str(error))
            return
        self._ask()

    def _ask(self) -> None:
        """Read what the picture needs, in the background, and draw it."""
        number = self._latest = next(self._asked)
        self._status.object = "reading"

        def say(words: str, then: Callable[[], None] = lambda: None) -> None:
            def tell() -> None:
                if number == self._latest and not self._gone:
                    then()
                    self._status.object = html.escape(words)

            if not self._gone:
                self._later(tell)

        def work() -> None:
            try:
                plot = read_plot(self._plot, self._experiment.system)
                self._drawn = dataclasses.replace(self._experiment, plot=plot)
                told = time.monotonic()

                def heard(count: int) -> bool:
                    nonlocal told
                    if time.monotonic() - told > TELL:
                        told = time.monotonic()
                        say(f"reading: {count} rows")
                    return number == self._latest

                drawing, notes = self._read(self._drawn, heard)
                say("ready", lambda: self._draw(drawing, notes))
            except TsmechError as error:
                say(str(error), self.pictures.fade)
            except OSError as error:
                say(f"{self._directory} cannot be read: {error.strerror}", self.pictures.fade)

        threading.Thread(target=work, daemon=True).start()

    def _draw(self, drawing: Drawing, notes: Sequence[str]) -> None:
        self.pictures.show(drawing)
        self._remarks.object = "".join(f"<div>{html.escape(note)}</div>" for note in notes)

    def _read(self, experiment: Experiment, heard: Callable[[int], bool]) -> tuple[Drawing, Sequence[str]]:
        """Return the drawing, and what its reader must know."""
        translation = Translation(experiment)
        if not self._large and self._rows is not None:
            return draw(experiment, self._rows, translation), ()
        with Store.open(self._directory) as store:
            notes = remarks(store)
            if not self._large:
                self._rows = [*store.rows(), *_between(store, experiment)]
                return draw(experiment, self._rows, translation), notes
            head = list(itertools.islice(store.rows(), 1000))
            picture = choose(experiment, names_in(experiment.system, head))
            rows = _heard(store.rows(), heard)
            if picture.y:
                return _read_map(experiment, picture, rows, translation), notes
            return draw(experiment, list(_needed(experiment, picture, rows)), translation), notes

    def _watch(self) -> None:
        self._document.add_next_tick_callback(self.pictures.watch)
        missing = not (self._directory / "run.sqlite").exists()
        if missing != self._missing:
            self._missing = missing
            gone = f"{self._directory} is not there any more: what is shown was read before"
            self._status.object = html.escape(gone) if missing else "ready"

    def _file(self, kind: str) -> Any:
        if kind == "csv":
            if self._rows is not None:
                return products.file(self._drawn, self._rows, kind)
            if (self._directory / "table.csv").is_file():
                return io.BytesIO((self._directory / "table.csv").read_bytes())
        if self._rows is not None:
            return products.file(self._drawn, self._rows, kind)
        raise InputError(
            f"the run is large: tsmech {'export' if kind == 'csv' else 'plot'} {self._directory} writes it"
        )


def _about(store: Store) -> str:
    counts = ", ".join(f"{count} {answer}" for answer, count in store.counts().items())
    failed = len(store.failures())
    return f"{store.experiment.size} points, {counts or 'nothing finished'}" + (f", {failed} failed" if failed else "")


def _between(store: Store, experiment: Experiment) -> Iterator[Row]:
    return store.lines(choose(experiment).x)


def _heard(rows: Iterable[Row], heard: Callable[[int], bool]) -> Iterator[Row]:
    """Yield rows while they are asked for."""
    for count, row in enumerate(rows):
        if not count % 2000 and not heard(count):
            raise InputError("another picture is asked for")
        yield row


def _needed(experiment: Experiment, picture: Picture, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows of the panels that are shown, without the columns that are not."""
    keys = [tuple(key.values()) for key in picture.keys(experiment)] if picture.panels else []
    kept = {*experiment.axes, *experiment.system.coordinates, "answer", "replicates", "diverged_at"}
    drawn = {observable_of(name) for name in (picture.x, *picture.observables)}
    kept |= drawn | {f"{name}_sem" for name in drawn}
    codes = shown_codes(experiment, picture)
    for row in _ends(experiment, picture, rows):
        if (not keys or tuple(row[name] for name in picture.panels) in keys) and (
            codes is None or row[str(picture.by)] in codes
        ):
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


def _read_map(experiment: Experiment, picture: Picture, rows: Iterable[Row], translation: Translation) -> Drawing:
    """Return the maps of a run that is read row by row: nothing but its numbers is held."""
    (value,), up = picture.observables, str(picture.y)
    keys = picture.keys(experiment)
    wanted = {tuple(key.values()): number for number, key in enumerate(keys)}
    found: dict[tuple[str, int], tuple[array[float], ...]] = {}
    for row in _ends(experiment, picture, rows):
        number = wanted.get(tuple(row[name] for name in picture.panels))
        if number is None:
            continue
        for seen in visible(experiment, picture, [row], value):
            place = found.setdefault((seen["answer"], number), tuple(array("d") for _ in range(4)))
            for column, name in zip(place, (picture.x, up, value, f"{value}_sem"), strict=True):
                column.append(math.nan if seen.get(name) is None else seen[name])
    answers = [answer for answer in experiment.system.answers if any(answer == one for one, _ in found)]
    places = [(answer, number) for answer in answers for number in range(len(keys)) if (answer, number) in found]
    if not places:
        raise InputError(f"{value} cannot be drawn: the run has no single numbers of it along {picture.x}")
    grids = tabulate([[np.array(column) for column in found[place]] for place in places])
    return map_drawing(experiment, picture, [(answer, keys[number]) for answer, number in places], grids, translation)
