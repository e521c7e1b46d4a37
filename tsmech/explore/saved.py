"""The page of a run directory: read-only, as large as it may be."""

import dataclasses
import html
import io
import itertools
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import panel as pn

from tsmech.errors import InputError
from tsmech.experiment import Experiment, is_family
from tsmech.explore import frame, products
from tsmech.explore.choices import Choices
from tsmech.explore.drawing import Drawing
from tsmech.explore.frame import Pictures
from tsmech.explore.offers import mapped, matrices
from tsmech.explore.reading import HELD, Held, RunFile, draw_large
from tsmech.explore.view import PLOT, plot_words
from tsmech.explore.wording import sentence
from tsmech.plots.picture import choose, plan_of
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System
from tsmech.runs import remarks
from tsmech.store import Store
from tsmech.words import nearest, one_line, shown

READY = "ready"
TELL = 0.5
WATCH = 1000


class SavedPage:
    """One tab that shows a run directory."""

    def __init__(self, run: RunFile) -> None:
        self._document = pn.state.curdoc
        self._later = frame.teller(self._document)
        self._run, self._directory = run, run.directory
        self._held: Held | None = None
        self._asked = itertools.count(1)
        self._latest = 0
        self._gone = self._reading = False
        self._stands = READY
        with run.open() as store:
            self._experiment = store.experiment
            self._about = _about(store)
            self._large = store.row_count() > HELD
        self._state = run.state()
        self._choice: Mapping[str, str] = {}
        self._notes: Sequence[str] = ()
        self._command = ""
        self._drawn = self._experiment
        self.pictures = Pictures()
        self._make()

    def _make(self) -> None:
        system = self._experiment.system
        self._choices = Choices(system, self._choose, [*self._experiment.axes, *system.coordinates])
        self._refused = frame.line("refusal")
        self._status, self._remarks = frame.line("status"), frame.line("remarks")
        self._ways = frame.Ways()
        files = frame.downloads(self._file, self._directory.resolve().name or "run", self._refuse)
        self.layout = frame.lay_out(
            title=self._experiment.title or system.title,
            about=f"run {self._directory} (read only): {self._about}",
            side=[],
            top=self._choices.widgets,
            main=[self._refused, self._status, self.pictures.layout, self._remarks, *files, self._ways.layout],
        )

    def start(self) -> None:
        """Begin to read what the picture of the link needs."""
        pn.state.add_periodic_callback(self._watch, WATCH)
        pn.state.on_session_destroyed(lambda context: self._end())
        choice, words = linked(frame.query())
        try:
            self._take_up(choice)
        except InputError as error:
            self._take_up({})
            words.append(unhyphened(error))
        self._refuse("; ".join(words))

    def _refuse(self, words: str) -> None:
        said = f'<span class="refused" role="alert">{html.escape(one_line(words, 300))}</span>'
        self._refused.object = said if words else ""

    def _end(self) -> None:
        self._gone, self._latest = True, 0

    def _choose(self, key: str, said: Any) -> None:
        words = said if isinstance(said, str) else ",".join(said)
        seen = choose(self._experiment, None, **self._choice).observables
        try:
            self._take_up(chosen(self._choice, key, words, self._experiment.system, seen))
        except InputError as error:
            self._refuse(unhyphened(error))

    def _take_up(self, choice: Mapping[str, str]) -> None:
        """Show another picture of the run, as ``tsmech plot`` with these options draws it."""
        picture = choose(self._experiment, None, **choice)
        plot = plan_of(self._experiment, choice)
        self._choice, self._drawn = choice, dataclasses.replace(self._experiment, plot=plot)
        self._refuse("")
        with pn.io.hold(self._document):
            kind = "matrix" if picture.matrix else "value" if picture.y is not None else ""
            shown = {**plot_words(plot), "x": picture.x, "by": picture.by or "", "y": picture.y or ""}
            self._choices.show(shown | ({kind: picture.observables[0]} if kind else {}), picture.observables)
            options = [word for key, words in choice.items() for word in (f"--{key}", words)]
            given = ", ".join(f"{key}={words!r}" for key, words in choice.items())
            self._command = shlex.join(["tsmech", "plot", str(self._directory), *options])
            call = f"import tsmech\n\nrun = tsmech.open_run({str(self._directory)!r})\nrun.table\nrun.draw({given})"
            ways = {"command": self._command, "TOML": self._drawn.to_toml(), "Python": call}
            self._ways.show(urlencode({f"plot.{key}": words for key, words in choice.items()}), ways)
            self._ask()

    def _ask(self) -> None:
        """Read what the picture needs, in the background, and draw it."""
        number, asked = next(self._asked), self._drawn
        self._latest, self._reading = number, True
        self._status.object = "reading"

        def say(words: str, then: Callable[[], None] | None = None) -> None:
            def tell() -> None:
                if number == self._latest and not self._gone:
                    if then is not None:
                        self._reading = False
                        then()
                    self._status.object = html.escape(words)

            if not self._gone:
                self._later(tell)

        def work() -> None:
            try:
                told = time.monotonic()

                def heard(count: int) -> bool:
                    nonlocal told
                    if time.monotonic() - told > TELL:
                        told = time.monotonic()
                        say(f"reading: {count} rows")
                    return number == self._latest

                drawing, notes = self._read(asked, heard)
                say(self._standing(), lambda: self._draw(drawing, notes))
            except OSError as error:
                say(f"{self._directory} cannot be read: {error.strerror}", self.pictures.fade)
            except Exception as error:  # whatever it is, also a bug, the page says it and goes on
                say(sentence(error), self.pictures.fade)

        threading.Thread(target=work, daemon=True).start()

    def _draw(self, drawing: Drawing, notes: Sequence[str]) -> None:
        self.pictures.show(drawing)
        self._remarks.object = "".join(f"<div>{html.escape(note)}</div>" for note in notes)

    def _read(self, experiment: Experiment, heard: Callable[[int], bool]) -> tuple[Drawing, Sequence[str]]:
        """Return the drawing, and what its reader must know."""
        if self._held is not None:
            return self._held.draw(experiment), self._notes
        with self._run.open() as store:
            self._notes = self._notes or remarks(store)
            if self._large:
                return draw_large(store, experiment, heard), self._notes
            self._held = Held(store)
        return self._held.draw(experiment), self._notes

    def _watch(self) -> None:
        self._document.add_next_tick_callback(self.pictures.watch)
        stands = self._standing()
        if stands != self._stands and not self._reading:
            self._stands = stands
            self._status.object = html.escape(stands)

    def _standing(self) -> str:
        """Return what is said of the run while nothing is read of it."""
        state = self._run.state()
        if state is None:
            return f"{self._directory} is not there any more: what is shown was read before"
        if state != self._state:
            return f"{self._directory} has changed since the page was opened: reload the page to see it as it is"
        return READY

    def _file(self, kind: str) -> Any:
        if self._held is not None:
            return products.file(self._drawn, self._held.rows, kind, self._held.lines(self._drawn))
        if not self._large:
            raise InputError("there is nothing to save yet")
        if kind == "csv" and (table := self._directory / "table.csv").is_file():
            return io.BytesIO(table.read_bytes())
        command = f"tsmech export {self._directory}" if kind == "csv" else self._command
        raise InputError(f"the run is large: {command} writes it")


def linked(query: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return what a link says of the picture, and why what it says besides cannot be taken up."""
    found, refusals = {}, []
    for key, words in query.items():
        kind, _, name = key.partition(".")
        if kind != "plot" or name not in PLOT:
            known = [f"plot.{one}" for one in PLOT]
            refusals.append(f"the link says {shown(key)}, which the page of a run has not: {nearest(key, known)}")
        elif words:
            found[name] = words
    return found, refusals


def unhyphened(error: InputError) -> str:
    """Return what refuses a choice without the hyphens that options have on a command line."""
    return str(error).removeprefix("--").replace(" --", " ")


def chosen(
    choice: Mapping[str, str], key: str, words: str, system: type[System], seen: Sequence[str] = ()
) -> dict[str, str]:
    """Return what is asked of a run's picture when one more choice is made; no words leave it to the run.

    Parameters
    ----------
    choice
        What was asked before, as options of ``tsmech plot``.
    key
        What is chosen, as :class:`tsmech.explore.choices.Choices` tells it.
    words
        What it is.
    seen
        The observables that are shown.
    """
    if key == "convention":
        return {**choice, key: words}
    if key == "value":
        kept = {name: said for name, said in choice.items() if name == "convention"}
        if words in matrices(system):
            return {**kept, "matrix": words}
        if words:
            along = {name: said for name, said in choice.items() if name in ("x", "by")}
            along = {} if observable_of(along.get("x", "")) in system.observables else along
            return {**kept, **along, "value": words}
        return {**kept, "y": ",".join([*system.pictured, *system.observables][:2])}
    dropped = {key, *(("log",) if key in ("x", "y", "up") else ())}
    if key == "x" and observable_of(words) in system.observables:
        dropped |= {"value", "matrix", "at", "by"} | ({"y"} if "value" in choice else set())
        if all(name == words or is_family(system, name) for name in seen):
            other = next((name for name in mapped(system) if name != words), "")
            return {**{name: said for name, said in choice.items() if name == "convention"}, key: words, "y": other}
    rest = {name: said for name, said in choice.items() if name not in dropped and (key, name) != ("up", "y")}
    return {**rest, {"up": "y"}.get(key, key): words} if words else rest


def _about(store: Store) -> str:
    counts = ", ".join(f"{count} {answer}" for answer, count in store.counts().items())
    failed = len(store.failures())
    return f"{store.experiment.size} points, {counts or 'nothing finished'}" + (f", {failed} failed" if failed else "")
