"""The page of a run directory: read-only, as large as it may be."""

import dataclasses
import html
import io
import itertools
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
from tsmech.explore.frame import Pictures
from tsmech.explore.series import Drawing, UnsuitedError, draw, map_drawing
from tsmech.explore.translation import Translation
from tsmech.explore.view import coloured, horizontal, mapped
from tsmech.plots import maps
from tsmech.plots.picture import Picture, choose, named_coordinates, names_in, visible
from tsmech.problem.observables import observable_of
from tsmech.runs import remarks
from tsmech.store import Store

Row = Mapping[str, Any]

HELD = 50_000
"""Rows that a page holds; of a larger run it reads what a picture needs, anew for each picture."""
TELL = 0.5
WATCH = 1000
LOGS = {"as the values are spread": "", "none": "none", "x": "x", "y": "y", "x and y": "x,y"}


class SavedPage:
    """One tab that shows a run directory."""

    def __init__(self, directory: Path) -> None:
        self._document = pn.state.curdoc
        self._directory = directory
        self._rows: list[Row] | None = None
        self._asked = itertools.count(1)
        self._latest = 0
        self._gone = self._quiet = self._missing = False
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
        across = [name for name in horizontal(system) if name in swept] or horizontal(system)[:1]
        open_choice = {"as it is": ""}
        self._x = frame.select("horizontal axis", {**open_choice, **{one: one for one in across}}, "axis-x")
        shown = [name for name in coloured(system) if name in swept]
        self._by = frame.select("colours", {**open_choice, **{one: one for one in shown}}, "axis-by")
        self._y = frame.several("panels", list(system.observables), "panels")
        self._value = frame.select("map of", {"–": "", **{one: one for one in mapped(system)}}, "map-value")
        self._up = frame.select("map: vertical axis", {**open_choice, **{one: one for one in across}}, "map-y")
        self._log = frame.select("logarithmic", LOGS, "log")
        self._status, self._remarks = frame.line("status"), frame.line("remarks")
        self._show()
        for key, widget in (
            ("x", self._x),
            ("by", self._by),
            ("y", self._y),
            ("value", self._value),
            ("log", self._log),
        ):
            widget.param.watch(lambda event, key=key: self._change(key, event.new), "value")
        self._up.param.watch(lambda event: self._change("y", event.new), "value")
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
            top=[self._x, self._by, self._y, self._log, self._value, self._up],
            main=[self._status, self.pictures.layout, self._remarks, *files, ways],
        )

    def _show(self) -> None:
        """Let the widgets show what the picture is."""
        self._quiet = True
        plot = read_plot(self._plot, self._experiment.system)
        picture = choose(dataclasses.replace(self._experiment, plot=plot))
        is_map = picture.y is not None
        for widget, value in (
            (self._x, picture.x),
            (self._by, picture.by or ""),
            (self._value, picture.observables[0] if is_map else ""),
            (self._up, picture.y or ""),
        ):
            if value in {*widget.options.values()}:
                widget.value = value
        if not is_map:
            self._y.options = list(dict.fromkeys([*self._y.options, *picture.observables]))
            self._y.value = list(picture.observables)
        self._y.visible, self._up.visible = not is_map, is_map
        self._quiet = False

    def start(self) -> None:
        """Begin to read."""
        pn.state.add_periodic_callback(self._watch, WATCH)
        pn.state.on_session_destroyed(lambda context: self._end())
        self._ask()

    def _end(self) -> None:
        self._gone, self._latest = True, 0

    def _change(self, key: str, value: Any) -> None:
        if self._quiet:
            return
        dropped = (key, "matrix", "at", "reference", *(("log",) if key in ("x", "y") else ()))
        plot = {known: said for known, said in self._plot.items() if known not in dropped}
        if key == "value" and bool(value) != bool(self._plot.get("value")):
            plot = {known: said for known, said in plot.items() if known not in ("y", "by", "log")}
        if value:
            plot[key] = value
        try:
            read_plot(plot, self._experiment.system)
            before, self._plot = self._plot, plot
            try:
                self._show()
            except InputError:
                self._plot = before
                raise
        except InputError as error:
            self._quiet = False
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
                self._document.add_next_tick_callback(tell)

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
                if isinstance(drawing, bytes):
                    paper = drawing
                    say("ready", lambda: self.pictures.show_paper(paper))
                elif drawing is not None:
                    found = drawing
                    say("ready", lambda: self._draw(found, notes))
            except TsmechError as error:
                say(str(error), self.pictures.fade)
            except OSError as error:
                say(f"{self._directory} cannot be read: {error.strerror}", self.pictures.fade)

        threading.Thread(target=work, daemon=True).start()

    def _draw(self, drawing: Drawing, notes: Sequence[str]) -> None:
        self.pictures.show(drawing)
        self._remarks.object = "".join(f"<div>{html.escape(note)}</div>" for note in notes)

    def _read(
        self, experiment: Experiment, heard: Callable[[int], bool]
    ) -> tuple[Drawing | bytes | None, Sequence[str]]:
        """Return the drawing, None where it is not asked for any more, and what its reader must know."""
        translation = Translation(experiment)
        if not self._large and self._rows is not None:
            return _drawing(experiment, self._rows, translation), ()
        with Store.open(self._directory) as store:
            notes = remarks(store)
            if not self._large:
                self._rows = [*store.rows(), *_between(store, experiment)]
                return _drawing(experiment, self._rows, translation), notes
            head = list(itertools.islice(store.rows(), 1000))
            picture = choose(experiment, names_in(experiment.system, head))
            rows = _heard(store.rows(), heard)
            if picture.y:
                return _read_map(experiment, picture, rows, translation), notes
            return _drawing(experiment, list(_needed(experiment, picture, rows)), translation), notes

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


def _drawing(experiment: Experiment, rows: Sequence[Row], translation: Translation) -> Drawing | bytes:
    try:
        return draw(experiment, rows, translation)
    except UnsuitedError:
        return products.paper(experiment, rows)


def _needed(experiment: Experiment, picture: Picture, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows of the panels that are shown, without the columns that are not."""
    keys = [tuple(key.values()) for key in picture.keys(experiment)] if picture.panels else []
    kept = {*experiment.axes, *experiment.system.coordinates, "answer", "replicates", "diverged_at"}
    drawn = {observable_of(name) for name in (picture.x, *picture.observables)}
    kept |= drawn | {f"{name}_sem" for name in drawn}
    for row in _ends(experiment, picture, rows):
        if not keys or tuple(row[name] for name in picture.panels) in keys:
            yield {name: value for name, value in row.items() if name in kept or observable_of(name) in drawn}


def _ends(experiment: Experiment, picture: Picture, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the last row of each curve where a picture does not run along the coordinate, else all."""
    coordinate = experiment.system.running()
    if coordinate in (None, picture.x, picture.y):
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
    found: dict[tuple[str, int], tuple[array[float], array[float], array[float]]] = {}
    for row in _ends(experiment, picture, rows):
        number = wanted.get(tuple(row[name] for name in picture.panels))
        if number is None:
            continue
        for seen in visible(experiment, picture, [row], value):
            place = found.setdefault((seen["answer"], number), (array("d"), array("d"), array("d")))
            for column, name in zip(place, (picture.x, up, value), strict=True):
                column.append(seen[name])
    answers = [answer for answer in experiment.system.answers if any(answer == one for one, _ in found)]
    places = [(answer, number) for answer in answers for number in range(len(keys)) if (answer, number) in found]
    if not places:
        raise InputError(f"{value} cannot be drawn: the run has no single numbers of it along {picture.x}")
    grids = [maps.tabulate_columns(*(np.array(column) for column in found[place])) for place in places]
    return map_drawing(experiment, picture, [(answer, keys[number]) for answer, number in places], grids, translation)
