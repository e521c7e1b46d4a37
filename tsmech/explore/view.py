"""What one page shows, in words: parameters, picture and answers, as a link, a command, a file and a call of Python."""

import dataclasses
import math
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tsmech.errors import InputError
from tsmech.experiment import OURS, Experiment, build, is_family, split_names
from tsmech.experiment.toml_files import from_file
from tsmech.explore.offers import mapped, matrices
from tsmech.explore.wording import (
    COLOURED,
    default_words,
    how_many,
    is_swept,
    is_table,
    several,
    single,
    to_words,
    whole_words,
    word,
)
from tsmech.plots.picture import choose, named_coordinates
from tsmech.problem.observables import observable_of
from tsmech.problem.parameters import NONE
from tsmech.problem.system import System, has
from tsmech.words import nearest, shown

AXIS_POINTS = 40
"""Values of a parameter that is the horizontal axis, where its control chooses them."""
MAP_POINTS = 24
"""Values of each axis of a map, where its control chooses them."""
MOST_POINTS = 20_000
"""Points of a sweep that a page asks for at the most."""
REPLICATES = 10
PLOT = ("x", "y", "by", "value", "matrix", "at", "log", "convention")
"""What a link says of the picture, each under ``plot.``: the keys of an experiment's ``[plot]``."""


@dataclasses.dataclass(frozen=True)
class View:
    """What is asked of a system, with each parameter in words, and what its picture shows.

    Parameters
    ----------
    system
        The system's class.
    words
        The parameters that are given, by name, as a person types them; what has its default is left out.
    plot
        Keys of an experiment's ``[plot]`` in words, none of them empty.
    answers
        The answers wanted, in the system's order.
    replicates, seed
        As of any experiment.
    base
        The experiment that the page was opened with, whose parameters have no place in a link where they are tables.
    name
        What a command calls that experiment: its name, or the path of its file.
    """

    system: type[System]
    words: Mapping[str, str]
    plot: Mapping[str, str]
    answers: tuple[str, ...]
    replicates: int = REPLICATES
    seed: int = 0
    base: Experiment | None = None
    name: str = ""

    def experiment(self) -> Experiment:
        """Return the experiment that is asked for, checked.

        Raises
        ------
        InputError
            Where a parameter has no value or one that is not allowed, or the picture cannot be drawn.
        """
        plot: dict[str, Any] = {} if self.base is None else dict(self.base.plot)
        given = {key: self.plot.get(key) for key in PLOT}
        plot = {key: value for key, value in plot.items() if key not in PLOT}
        if self.plot.get("matrix"):
            plot.pop("together", None)
        plot |= {key: value for key, value in given.items() if value}
        said = {} if self.base is None else plot_words(self.base.plot)
        if any(said.get(key) not in (None, plot.get(key)) for key in ("y", "matrix")):
            plot.pop("reference", None)
        self._limit()
        named: dict[str, Any] = {}
        if self.base is not None:
            kept = ("name", "title", "source", "target_error", "max_replicates")
            named = {key: getattr(self.base, key) for key in kept}
        experiment = build(
            self.system,
            {**self._tables(), **self.words},
            replicates=self.replicates,
            seed=self.seed,
            plot=plot,
            **named,
        )
        answers = tuple(answer for answer in self.answers if answer in experiment.answers)
        if not answers:
            raise InputError("; ".join(self.lacking(experiment)) or "no answer is asked for: tick one")
        return dataclasses.replace(experiment, answers=answers)

    def _limit(self) -> None:
        """Refuse more points than a page can ask for while a person waits."""
        declared = self.system.parameters()
        counts = {
            name: how_many(declared[name], words, MOST_POINTS)
            for name, words in self.words.items()
            if is_swept(words) and not declared[name].single
        }
        if (size := math.prod(counts.values())) > MOST_POINTS:
            what = " and ".join(f"{name} ({many} values)" for name, many in counts.items() if many > 1)
            raise InputError(
                f"{what}: {size} points are too many while you wait (at most {MOST_POINTS}): tsmech run performs them, "
                "and tsmech explore opens its run"
            )

    def lacking(self, experiment: Experiment) -> list[str]:
        """Return why answers that are asked for do not exist here, or not at all of the points."""
        absent = [answer for answer in self.answers if answer not in experiment.answers]
        reasons = (point.refusal(answer) for answer in absent for point in experiment.points())
        return [*dict.fromkeys(reason for reason in reasons if reason), *experiment.absences()]

    def _tables(self) -> dict[str, Any]:
        """Return the parameters of the base that no words can say."""
        if self.base is None:
            return {}
        values = self.base.parameters.items()
        return {name: found[0] for name, found in values if name not in self.words and is_table(found)}

    def query(self) -> str:
        """Return the part of a link after its question mark."""
        start = opening(self.system, self.base, self.name)
        found = [(name, words) for name, words in self.words.items() if words != start.words.get(name)]
        found += [(name, "") for name in start.words if name not in self.words]
        found += [(f"plot.{key}", self.plot.get(key, "")) for key in PLOT if self.plot.get(key) != start.plot.get(key)]
        if self.answers != start.answers:
            found.append(("answers", ",".join(self.answers)))
        found += [
            (key, str(getattr(self, key)))
            for key in ("replicates", "seed")
            if getattr(self, key) != getattr(start, key)
        ]
        return urlencode(found)

    def read(self, query: Mapping[str, str]) -> "View":
        """Return the view that a link asks for, by what it says beside what this one shows.

        Raises
        ------
        InputError
            Where the link names what is not there.
        """
        words, plot = dict(self.words), dict(self.plot)
        more: dict[str, Any] = {}
        declared = self.system.parameters()
        for key, value in query.items():
            kind, _, name = key.partition(".")
            known = key.replace("-", "_")
            if kind == "plot" and name in PLOT:
                plot = {**plot, name: value} if value else {one: said for one, said in plot.items() if one != name}
            elif known in declared:
                words = {**words, known: value} if value else {one: said for one, said in words.items() if one != known}
            elif key == "answers":
                asked = [name for name in value.split(",") if name]
                if unknown := [name for name in asked if not has(self.system, name)]:
                    raise InputError(f"answer {shown(unknown[0])} is unknown: {nearest(unknown[0], self.known())}")
                more["answers"] = tuple(name for name in self.known() if name in asked)
            elif key in ("replicates", "seed"):
                more[key] = whole_words(key, value)
            else:
                raise InputError(
                    f"the link says {shown(key)}, which {self.system.name} has not: {nearest(key, declared)}"
                )
        return dataclasses.replace(self, words=words, plot=plot, **more)

    def known(self) -> list[str]:
        """Return the answers that the system has."""
        return [name for name in self.system.answers if has(self.system, name)]

    def command(self, experiment: Experiment) -> str:
        """Return the lines of the command line that compute and draw what is shown."""
        what, given, picture = self._asked(experiment)
        words = ["tsmech", "run", what]
        declared = self.system.parameters()
        for name, value in given.items():
            flag = "--" + name.replace("_", "-")
            if declared[name].kinds == ("bool",) and value in ("true", "false"):
                words.append(flag if value == "true" else f"--no-{flag[2:]}")
            else:
                words += [flag, value]
        words += ["--answers", ",".join(experiment.answers)]
        words += ["--replicates", str(self.replicates), "--seed", str(self.seed)]
        place = f"runs/{experiment.name}-{experiment.digest()}"
        drawn = [word for key, value in picture.items() for word in (f"--{key}", value)]
        lines = [[*words, "--out", place], *([["tsmech", "plot", place, *drawn]] if drawn else [])]
        return "\n".join(map(shlex.join, lines))

    def python(self, experiment: Experiment) -> str:
        """Return the call of Python that computes and draws what is shown."""
        what, given, picture = self._asked(experiment)
        parts = [repr(what), *(f"{name}={value!r}" for name, value in given.items())]
        parts += [f"answers={','.join(experiment.answers)!r}", f"replicates={self.replicates}", f"seed={self.seed}"]
        lines = ["import tsmech", "", "table = tsmech.run(", *(f"    {part}," for part in parts), ")"]
        drawn = ", ".join(["table", *(f"{key}={value!r}" for key, value in picture.items())])
        return "\n".join([*lines, f"tsmech.draw({drawn})"])

    def _asked(self, experiment: Experiment) -> tuple[str, Mapping[str, str], Mapping[str, str]]:
        """Return what a command runs, and which parameters and which words of its picture have to be said.

        What the experiment says that the page was opened with need not be said again.
        """
        start = opening(self.system, self.base, self.name)
        picture = choose(experiment)
        names = ",".join(picture.observables)
        drawn = {"matrix": names} if picture.matrix else {"x": picture.x, "y": picture.y or names}
        drawn |= {"value": names} if picture.y else {}
        drawn |= {key: self.plot[key] for key in ("at", "log", "convention") if self.plot.get(key)}
        if (by := self.plot.get("by", "")) and by in (picture.by, *picture.panels):
            drawn["by"] = by
        if self.base is None:
            return self.system.name, self.words, drawn
        defaults = {name: default_words(self.system.parameters()[name]) or NONE for name in start.words}
        words = {**{name: defaults[name] for name in start.words if name not in self.words}, **self.words}
        changed = {name: said for name, said in words.items() if said != start.words.get(name)}
        if self.plot == start.plot:
            return self.name, changed, {}
        if not self.plot.get("convention") and start.plot.get("convention"):
            drawn["convention"] = OURS
        same = {**self.plot, "convention": ""} == {**start.plot, "convention": ""}
        return self.name, changed, {"convention": drawn["convention"]} if same else drawn

    def with_words(self, name: str, words: str) -> "View":
        """Return the view with another value of a parameter; no words are its default."""
        rest = {known: said for known, said in self.words.items() if known != name}
        order = self.system.parameters()
        found = {**rest, name: words} if words.strip() else rest
        return dataclasses.replace(self, words={known: found[known] for known in order if known in found})

    def with_axis(self, key: str, name: str) -> "View":
        """Return the view with another parameter, or none, as ``x``, ``by`` or the vertical axis of a map.

        What becomes an axis takes several values, and what was one and is none any more a single one.  An observable as
        ``x`` makes trajectories.
        """
        plot = {known: said for known, said in self.plot.items() if known != key}
        if key != "log":
            plot.pop("log", None)
        plot |= {key: name} if name else {}
        if key == "x" and observable_of(name) in self.system.observables:
            return self._with_trajectory(plot, name)
        was_colour = key == "x" and plot.get("by") == name
        plot = {known: said for known, said in plot.items() if not (was_colour and known == "by")}
        view = dataclasses.replace(self, plot=plot)
        declared = self.system.parameters()
        before = self.plot.get(key)
        swept = {view.plot.get("x"), view.plot.get("by"), *([view.plot.get("y")] if view.plot.get("value") else [])}
        along = observable_of(str(before)) in self.system.observables and key == "x"
        for one in [before, *(self.words if along else [])]:  # a parameter that ran along trajectories does so no more
            if one in declared and one not in swept and is_swept(view.words.get(one, "")):
                view = view.with_words(one, single(declared[one], view.words[one]))
        if name in declared and (was_colour or not is_swept(view.words.get(name, ""))):
            count = MAP_POINTS if view.plot.get("value") else AXIS_POINTS if key == "x" else COLOURED
            view = view.with_words(name, several(declared[name], count, view.words.get(name, "")))
        return view

    def _with_trajectory(self, plot: Mapping[str, str], name: str) -> "View":
        """Return the view with single numbers drawn against another observable."""
        singles = [one for one in shown_observables(self) if one != name and not is_family(self.system, one)]
        singles = singles or [one for one in mapped(self.system) if one != name][:1]
        kept = {key: said for key, said in plot.items() if key in ("x", "by", "convention")}
        return dataclasses.replace(self, plot={**kept, "y": ",".join(singles)})

    def with_map(self, value: str) -> "View":
        """Return the view with a map of an observable, with a matrix entry by entry, or with curves again."""
        matrix = value in matrices(self.system)
        key = "matrix" if matrix else "value"
        if value and self.plot.get(key):
            return dataclasses.replace(self, plot={**self.plot, key: value})
        view, declared = self, self.system.parameters()
        for name in (self.plot.get("x"), self.plot.get("by"), self.plot.get("y")):
            if name in declared and is_swept(self.words.get(name, "")):
                view = view.with_words(name, single(declared[name], self.words[name]))
        kept = {key: said for key, said in self.plot.items() if key == "convention"}
        view = dataclasses.replace(view, plot=kept)
        if matrix:
            return dataclasses.replace(view, plot={**kept, "matrix": value})
        start = opening(self.system, self.base).plot
        if not value:
            if start.get("value") or start.get("matrix"):
                start = opening(self.system).plot
            return dataclasses.replace(view, plot={**kept, "y": start.get("y", "")}).with_axis("x", start.get("x", ""))
        ranged = [name for name, one in declared.items() if one.numeric and one.range]
        running = [name for name in (self.system.running(), *ranged) if name]
        x = str(self.plot.get("x"))
        x = x if x in running else running[0] if running else ""
        across = dataclasses.replace(view, plot={**kept, "value": value}).with_axis("x", x)
        maps = [across.with_axis("y", name) for name in running if name != x]
        return next((one for one in maps if one.is_allowed()), maps[0] if maps else across)

    def is_allowed(self) -> bool:
        """Return whether nothing that is asked for is refused."""
        try:
            self.experiment()
        except InputError:
            return False
        return True


def opening(system: type[System], base: Experiment | None = None, name: str = "") -> View:
    """Return what a page shows first: the experiment as it is, or the system along what it runs along."""
    known = tuple(name for name in system.answers if has(system, name))
    declared = system.parameters()
    if base is not None:
        words = {
            name: found
            for name, values in base.parameters.items()
            if not is_table(values) and (found := to_words(declared[name], values)) != default_words(declared[name])
        }
        return View(system, words, plot_words(base.plot), base.answers, base.replicates, base.seed, base, name)
    words = {}
    x = system.running() or next(iter(named_coordinates(system)), None)
    if x is None:
        ranged = [name for name, one in declared.items() if one.numeric and one.range is not None]
        numeric = [name for name in declared if declared[name].numeric]
        x = next(iter([*(name for name in ranged if declared[name].required), *ranged, *numeric]), None)
    for name, one in declared.items():
        if name == x:
            words[name] = several(one, AXIS_POINTS, "")
        elif one.required:
            words[name] = single(one, "")
    observables = [*(system.pictured or list(system.observables)[:2])]
    plot = {"x": x or "", "y": ",".join(observables)}
    words = {name: value for name, value in words.items() if value}
    view = View(system, words, {key: value for key, value in plot.items() if value}, known)
    simulated = [name for name in known if not system.answers[name].predicts]
    try:
        point = next(view.experiment().points())
    except InputError:  # a value is needed that no slider has
        return view
    first = next((name for name in simulated if point.refusal(name) is None), None)
    answers = tuple(name for name in known if name == first or name not in simulated)
    return dataclasses.replace(view, answers=answers)


def open_view(name: str) -> View:
    """Return the first view of a system or of an experiment, by name or file."""
    from tsmech.experiment import find_file
    from tsmech.systems import REGISTRY, find

    if name.replace("-", "_") in REGISTRY:
        return opening(find(name))
    file = find_file(name)
    if file is None:
        raise InputError(f"{shown(name)} is neither a system nor an experiment")
    experiment = from_file(file)
    return opening(experiment.system, experiment, name)


def plot_words(plot: Mapping[str, Any]) -> dict[str, str]:
    """Return those keys of a ``[plot]`` in words that a link can say."""
    found = {"log": ",".join(plot["log"]) or "none"} if "log" in plot else {}
    for key in PLOT:
        if key in plot and key != "log":
            listed = plot[key] if isinstance(plot[key], (list, tuple)) else [plot[key]]
            found[key] = ",".join(map(word, listed))
    return {key: found[key] for key in PLOT if found.get(key)}


def shown_observables(view: View) -> list[str]:
    """Return the observables that have panels."""
    if view.plot.get("value") or view.plot.get("matrix"):
        return [view.plot.get("value") or view.plot["matrix"]]
    return split_names(view.plot.get("y", "")) if view.plot.get("y") else []
