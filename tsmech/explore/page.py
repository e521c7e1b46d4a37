"""The page of a system or an experiment: controls, live theory, simulations that stream, and the ways to ask."""

import dataclasses
import html
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import panel as pn

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.explore import frame, products
from tsmech.explore.choices import Choices, show
from tsmech.explore.controls import Control
from tsmech.explore.frame import Pictures
from tsmech.explore.lanes import Lane, News, Question
from tsmech.explore.series import draw
from tsmech.explore.stages import draws, predictions
from tsmech.explore.underlay import Underlay
from tsmech.explore.view import View, shown_observables
from tsmech.explore.wording import sentence, whole_words
from tsmech.problem.system import System
from tsmech.runs import LONG_STEPS, most_steps
from tsmech.words import one_line

FADE = 150
"""Milliseconds after which a picture fades that is not the latest question's."""
LATE = 300
"""Milliseconds that the next value waits for the picture of the one before, while a control is dragged."""
SETTLE = 400
"""Milliseconds of rest before simulations start."""
WATCH = 500
REFUSALS = ("link", "question", "picture", "file")
"""What a page says that refuses something."""
ALONE = 20
"""Watches without a connection after which the processes of a tab are ended."""


class Page:
    """One tab: its view, its controls, and the two lanes that work for it."""

    def __init__(self, first: View) -> None:
        self._document = pn.state.curdoc
        self._later = frame.teller(self._document)
        self.base = first.base
        self.view = first
        self._number = itertools.count(1)
        self._question = 0
        self._experiment: Experiment | None = None
        self._rows: dict[str, Sequence[Any]] = {"theory": [], "simulations": []}
        self._drawn = 0
        self._behind = self._late = False
        self._busy = {"theory": False, "simulations": False}
        self._said: dict[str, str] = {}
        self._stopped = self._gone = self._quiet = False
        self._alone = 0
        self._theory = Lane(self._tell("theory"))
        self._simulations = Lane(self._tell("simulations"))
        self.pictures = Pictures()
        self._underlay = Underlay(first.base, self._later, self._redraw) if first.base is not None else None
        self._make()

    # What is shown

    def _make(self) -> None:
        system = self.view.system
        declared = system.parameters()
        self._controls = {name: Control(one, self._typed) for name, one in declared.items()}
        self._choices = Choices(system, self._choose)
        self._answers = frame.checks(self.view.known(), "answers")
        self._replicates = frame.number("replicates", "replicates")
        self._seed = frame.number("seed", "seed")
        self._stop = pn.widgets.Button(name="Stop simulations", width=140, css_classes=["stop"], margin=(18, 5, 5, 5))
        self._stop.on_click(lambda event: self._press())
        self._status, self._remarks = frame.line("status"), frame.line("remarks")
        self._ways = frame.Ways()
        watched: list[tuple[Any, Callable[[Any], None]]] = [
            (self._answers, lambda new: self._more(answers=tuple(one for one in self.view.known() if one in new))),
            (self._replicates, lambda new: self._whole("replicates", new)),
            (self._seed, lambda new: self._whole("seed", new)),
        ]
        for widget, act in watched:
            widget.param.watch(lambda event, act=act: None if self._quiet else act(event.new), "value")
        stem = self.view.base.name if self.view.base is not None else system.name
        files = frame.downloads(self._file, stem, lambda words: self._say("file", words))
        self.layout = frame.lay_out(
            title=self.view.base.title if self.view.base is not None else system.title,
            about=f"{system.name}" + (f", experiment {self.view.base.name}" if self.view.base is not None else ""),
            side=[control.layout for control in self._controls.values()],
            top=[*self._choices.widgets, self._answers, self._replicates, self._seed, self._stop],
            main=[self._status, self.pictures.layout, self._remarks, *files, self._ways.layout],
        )

    def start(self) -> None:
        """Begin: the view that the link asks for, beside the one that is opened."""
        words = []
        for key, said in frame.query().items():  # one that is not known here takes no other away
            try:
                self.view = self.view.read({key: said})
            except InputError as error:
                words.append(str(error))
        pn.state.add_periodic_callback(self._watch, WATCH)
        pn.state.on_session_destroyed(lambda context: self.close())
        self._change(self.view)
        if words:
            self._say("link", "; ".join(words))

    def close(self) -> None:
        """End all work."""
        self._gone = True
        for lane in (self._theory, self._simulations):
            lane.close()

    # What a person does

    def _typed(self, name: str, words: str) -> None:
        """Take up another value, when the picture of the one before is there: of those in between none is asked for."""
        self.view = self.view.with_words(name, words)
        self._behind = self._busy["theory"] and self._drawn != self._question
        if not self._behind:
            self._change(self.view)

    def _catch_up(self, number: int) -> None:
        """Take up the value that waits for the picture of a question, if one does."""
        if self._behind and number == self._question and not self._gone:
            self._change(self.view)

    def _choose(self, key: str, said: Any) -> None:
        """Take up what is chosen of the picture."""
        if key == "value":
            self._change(self.view.with_map(said))
        elif key in ("x", "by", "up"):
            self._change(self.view.with_axis("y" if key == "up" else key, said))
        else:
            words = said if isinstance(said, str) else ",".join(said)
            plot = {known: other for known, other in self.view.plot.items() if known != key}
            self._more(plot=plot | ({key: words} if words else {}))

    def _more(self, **changes: Any) -> None:
        self._change(dataclasses.replace(self.view, **changes))

    def _whole(self, key: str, words: Any) -> None:
        try:
            self._more(**{key: whole_words(key, "" if words is None else str(words))})
        except InputError as error:
            self._say("question", str(error))

    def _press(self) -> None:
        self._stopped = not self._stopped
        if self._stopped:
            self._simulations.cancel()
            self._busy["simulations"] = False
            self._say("simulations", "simulations are stopped")
        else:
            self._said.pop("simulations", None)
            self._simulate()
        self._name_button()

    def _name_button(self) -> None:
        self._stop.name = "Go on with simulations" if self._stopped else "Stop simulations"

    # From the view to what is asked

    def _change(self, view: View) -> None:
        """Take up another view: theory anew, simulations when it has settled."""
        with pn.io.hold(self._document):
            self._take_up(view)

    def _take_up(self, view: View) -> None:
        if self._theory.closed:  # a tab that was cut off for a while is back
            self._theory, self._simulations = Lane(self._tell("theory")), Lane(self._tell("simulations"))
        self.view = view
        self._behind = self._late = False
        self._question = number = next(self._number)
        self._simulations.cancel()
        self._busy["simulations"] = False
        self._said = {}
        self._rows = {"theory": [], "simulations": []}  # the picture of the question before stays until there are some
        self._show()
        self._document.add_timeout_callback(lambda: self._settled(number), SETTLE)
        try:
            experiment = view.experiment()
        except InputError as error:
            self._experiment = None
            self._theory.cancel()
            self._busy["theory"] = False
            self._refuse(str(error))
            return
        self._experiment = experiment
        self._refuse("")
        self._busy["theory"] = any(not experiment.simulates(answer) for answer in experiment.answers)
        if self._busy["theory"]:
            self._document.add_timeout_callback(lambda: self._fade(number), FADE)
            self._document.add_timeout_callback(lambda: self._catch_up(number), LATE)
        self._theory.ask(
            Question(number, experiment, lambda: predictions(experiment), 0, True, lambda: remarks(view, experiment))
        )
        self._tell_status()

    def _settled(self, number: int) -> None:
        """Say how to ask for what is shown, and simulate, when a person rests."""
        if number != self._question or self._gone:
            return
        with pn.io.hold(self._document):
            view, asked = self.view, self._experiment
            said = {} if asked is None else {"command": view.command(asked), "Python": view.python(asked)}
            self._ways.show(view.query(), said if asked is None else {**said, "TOML": asked.to_toml()})
            self._simulate()

    def _simulate(self) -> None:
        experiment = self._experiment
        if experiment is None or self._stopped or self._gone:
            return
        simulated = [answer for answer in experiment.answers if experiment.simulates(answer)]
        if not simulated:
            return
        if (steps := most_steps(experiment)) > LONG_STEPS:
            self._say("simulations", f"one simulation takes about {steps:.1g} steps: tsmech run performs it")
            return
        self._busy["simulations"] = True
        count = sum(map(experiment.points_with, simulated)) * experiment.replicates
        self._simulations.ask(Question(self._question, experiment, lambda: draws(experiment, simulated), count))
        self._say("simulations", f"simulations: 0 of {count}")

    def _fade(self, number: int) -> None:
        if number == self._question and self._drawn != number and not self._gone:
            self._late = True
            with pn.io.hold(self._document):
                self.pictures.fade()
                self._tell_status()

    def _show(self) -> None:
        """Let all widgets show the view."""
        view = self.view
        self._quiet = True
        try:
            for name, control in self._controls.items():
                control.show(view.words.get(name, ""))
            self._choices.show(view.plot, shown_observables(view))
            for widget, value in (
                (self._answers, list(view.answers)),
                (self._replicates, view.replicates),
                (self._seed, view.seed),
            ):
                show(widget, value)
        finally:
            self._quiet = False

    def _refuse(self, words: str) -> None:
        """Show the line that refuses the view: beside the control that it names, and above the pictures."""
        named = ""
        if words:
            named = next((name for name in self._controls if _is_of(name, words)), "")
            self.pictures.fade()
        for name, control in self._controls.items():
            control.refuse(words if name == named else "")
        if words:
            self._say("question", words)

    # What comes back

    def _tell(self, lane: str) -> Callable[[News], None]:
        def tell(news: News) -> None:
            if not self._gone:
                self._later(lambda: self._hear(lane, news))

        return tell

    def _hear(self, lane: str, news: News) -> None:
        if news.number != self._question or self._gone:
            return
        if lane == "simulations" and self._stopped:
            return
        with pn.io.hold(self._document):
            if news.remarks is None:
                self._take_in(lane, news)
            else:
                self._remarks.object = "".join(f"<div>{html.escape(one_line(note))}</div>" for note in news.remarks)
        if self._drawn == news.number or news.ended:
            self._catch_up(news.number)

    def _take_in(self, lane: str, news: News) -> None:
        known, self._rows[lane] = self._rows[lane], news.rows
        self._busy[lane] = not news.ended
        words = [f"{lane}: {failure}" for failure in news.failures]
        diverged = [row["diverged_at"] for row in news.rows if row.get("diverged_at") is not None]
        if diverged:
            along = self.view.system.running() or "step"
            words.append(f"{lane}: diverged, the first at {along} = {min(diverged):.4g}")
        if news.compiling:
            words.append(f"{lane}: compiling for the first time on this machine, up to a minute")
        if lane == "simulations" and not news.ended:
            words.append(f"simulations: {news.finished} of {news.total}")
        if lane == "simulations" and news.ended:
            words.append(f"simulations: all {news.total} done")
        self._said[lane] = "; ".join(words)
        if news.rows and (news.rows is not known or self._drawn != self._question):
            self._redraw()
        elif news.ended and news.failures:
            self.pictures.fade()
        self._tell_status()

    def _redraw(self) -> None:
        """Draw what there is of the latest question."""
        experiment = self._experiment
        rows = [*self._rows["theory"], *self._rows["simulations"]]
        if experiment is None or not rows:
            return
        try:
            drawing = draw(experiment, rows)
            self.pictures.show(drawing if self._underlay is None else self._underlay.lay(experiment, drawing))
            self._said.pop("picture", None)
        except Exception as error:  # whatever it is, also a bug, the page says it and goes on
            self._said["picture"] = sentence(error)
            self.pictures.fade()
        self._drawn = self._question

    def _say(self, key: str, words: str) -> None:
        self._said[key] = words
        self._tell_status()

    def _tell_status(self) -> None:
        refused = [one_line(self._said[key], 300) for key in REFUSALS if self._said.get(key)]
        words = [one_line(said, 300) for key, said in self._said.items() if said and key not in REFUSALS]
        if self._underlay is not None and self._underlay.words:
            words.append(self._underlay.words)
        if self._busy["theory"] and (self._late or self._drawn in (0, self._question)):
            words.append("theory is under way")
        parts = [f'<span class="refused" role="alert">{html.escape(one)}</span>' for one in refused]
        self._status.object = " · ".join([*parts, *map(html.escape, words)]) or "ready"

    def _watch(self) -> None:
        """Stop the work of a tab that is closed; paint maps anew where a person has zoomed."""
        session = getattr(self._document.session_context, "session", None)
        connected = session is None or session.connection_count > 0
        self._alone = 0 if connected else self._alone + 1
        if self._alone == 1:
            self._theory.cancel()
            self._simulations.cancel()
        if self._alone == ALONE:
            self._theory.close()
            self._simulations.close()
        self._document.add_next_tick_callback(self.pictures.watch)

    def _file(self, kind: str) -> Any:
        """Return the picture or the table as a file of a kind."""
        if self._experiment is None or self._drawn != self._question:  # what there is answers another question
            raise InputError("there is nothing to save")
        rows, between = products.as_run(self._experiment, [*self._rows["theory"], *self._rows["simulations"]])
        return products.file(self._experiment, rows, kind, between)


def remarks(view: View, experiment: Experiment) -> Iterator[str | None]:
    """Yield what a reader of the answers must know, point by point: some systems solve theory for it."""
    if experiment.system.remark is not System.remark:
        yield from (point.remark() for point in experiment.points())
    yield from view.lacking(experiment)


def _is_of(name: str, words: str) -> bool:
    """Return whether a refusal is that of a parameter's value."""
    return words.startswith((f"{name} ", f"{name}[", f"{name}:")) or f" needs {name} " in words
