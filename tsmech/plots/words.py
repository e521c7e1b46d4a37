"""What a picture says: labels, names of answers, the fixed parameters, and what its reader must know."""

import math
import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmech.experiment import Experiment
from tsmech.plots.maps import FEWEST_CONTOURED
from tsmech.plots.picture import Picture, Row, is_logarithmic
from tsmech.plots.style import printable
from tsmech.plots.translation import Translation
from tsmech.problem.observables import Coordinate, observable_of
from tsmech.problem.parameters import Parameter
from tsmech.problem.reports import REPORTS
from tsmech.problem.system import System, simulations
from tsmech.words import shown as shortened

BAND = 0.01
"""Relative standard error of a prediction from which on its band can be seen."""


def axis_label(system: type[System], name: str, translation: Translation | None = None) -> str:
    """Return the symbol and the words of a parameter, an observable or the coordinate: a paper's, with ours behind."""
    theirs = None if translation is None else translation.symbol(name)
    if theirs is not None:
        symbol, _, words = axis_label(system, name).partition("   (")
        return f"{mathematical(theirs)}   (ours: {symbol}, {words}"
    if observable_of(name) in system.observables:
        return f"{entry_symbol(system, name)}   ({system.observables[observable_of(name)].label})"
    if name in system.coordinates:
        along = system.coordinates[name]
        return f"{along.symbol}   ({along.label}{f', in units of {along.unit}' if along.unit else ''})"
    declared = system.parameters()[name]
    return f"{mathematical(declared.symbol)}   ({re.split('[;(]', declared.help)[0].strip()})"


def wrapped(label: str, inches: float) -> str:
    """Return a label on as many lines as it needs beside a panel of a given length."""
    symbol, gap, words = label.partition("   ")
    return symbol + gap + textwrap.fill(words, int(12 * inches) - 4) if gap else label


def symbols(system: type[System], observables: Iterable[str], translation: Translation) -> str:
    """Return the symbols of observables that share a panel, a paper's where it has others."""
    found = ((translation.symbol(name), entry_symbol(system, name)) for name in observables)
    return ",   ".join(ours if theirs is None else mathematical(theirs) for theirs, ours in found)


def entry_symbol(system: type[System], name: str) -> str:
    """Return the symbol of an observable or of one of its entries, such as R with the indices 01 below it."""
    symbol = system.observables[observable_of(name)].symbol
    if "[" not in name:
        return mathematical(symbol)
    indices = name.partition("[")[2][:-1].split(", ")
    if not all(index.isdigit() for index in indices):
        return f"{mathematical(symbol)}[{printable(', '.join(indices))}]"
    head, _, subscript = symbol.partition("_")
    below = ("" if max(map(len, indices)) == 1 else ",").join(indices)
    words = rf"\mathrm{{{subscript}}},\," if subscript else ""
    return f"${head}_{{{words}{below}}}$"


def mathematical(symbol: str) -> str:
    """Return a symbol such as ``ε_test`` with its subscript set as one."""
    head, _, subscript = symbol.partition("_")
    return rf"${head}_{{\mathrm{{{subscript}}}}}$" if subscript else symbol


def key_words(system: type[System], key: Row) -> str:
    """Return such words as ``λ = 0.1, σ = 0.5``."""
    declared: dict[str, Parameter | Coordinate] = {**system.parameters(), **system.coordinates}
    return ", ".join(f"{mathematical(declared[name].symbol)} = {_words(value)}" for name, value in key.items())


def _words(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def answer_names(experiment: Experiment, shown: Mapping[str, list[Row]]) -> dict[str, str]:
    """Return what the points that are shown call each answer, each name once, in the system's order."""
    rows = [row for found in shown.values() for row in found]
    known = {row["answer"] for row in rows}
    answers = [answer for answer in experiment.system.answers if answer in known]
    if experiment.system.answer_label is System.answer_label:
        return {answer: answer for answer in answers}
    names: dict[str, dict[str, None]] = {answer: {} for answer in answers}
    for place in dict.fromkeys((row["answer"], *(row[name] for name in experiment.axes)) for row in rows):
        point = experiment.system(**experiment.fixed, **dict(zip(experiment.axes, place[1:], strict=True)))
        names[place[0]][printable(point.answer_label(place[0]))] = None
    return {answer: "; ".join(found) for answer, found in names.items()}


def contoured(experiment: Experiment, answers: Collection[str]) -> str | None:
    """Return the answer of which maps show the contours on those of all others: the first prediction there is."""
    return next(
        (name for name in experiment.system.answers if name in answers and not experiment.simulates(name)), None
    )


def title(experiment: Experiment, letters: int) -> str:
    """Return the title of a picture, the system's where the experiment has none, in lines of so many letters."""
    lines = textwrap.wrap(experiment.title or experiment.system.title, letters)
    return "\n".join(printable(line, mathematics=True) for line in lines)


def setting(experiment: Experiment, shown: Mapping[str, Sequence[Row]], picture: Picture) -> str:
    """Return the fixed parameters that a reader of a picture must know, and how many draws a mean is of.

    These are the parameters that differ from their default or have none, those that the system wants stated, and the
    dimension of a simulation.
    """
    rows = [row for found in shown.values() for row in found]
    drawn = [row["replicates"] for row in rows if experiment.simulates(row["answer"])]
    declared = experiment.system.parameters()
    words = []
    for name, value in experiment.fixed.items():
        stated = name in experiment.system.stated
        if name in (picture.x, picture.y, *REPORTS) or (declared[name].single and not stated):
            continue
        needed = stated or value != declared[name].default
        if not (drawn if name == "dimension" else needed):
            continue
        if isinstance(value, tuple):
            words.append(f"{name} = {printable(shortened(', '.join(map(str, value)), 60))}")
        elif isinstance(value, str) or not declared[name].symbol[0].isalpha():
            value = str(value)
            words.append(f"{name} = {printable(Path(value).name if declared[name].file else value)}")
        elif isinstance(value, (int, float)):
            words.append(key_words(experiment.system, {name: value}))
    if drawn and max(drawn) > 1:
        words.append(f"means of {max(drawn):g} draws")
    return ", ".join(words)


def notes(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture) -> list[str]:
    """Return what a reader of the picture must know: remarks of the system, and what the picture leaves out."""
    system = experiment.system
    rows = [row for found in shown.values() for row in found]
    answers = {row["answer"] for row in rows}
    # The network itself approximates nothing.
    remarks = experiment.remarks() if answers != {*simulations(system)[-1:]} else []
    words = setting(experiment, shown, picture)
    found = [*([words] if words else []), *(printable(remark) for remark in remarks)]
    if whose := Translation(experiment, picture.convention).remark(picture, rows):
        found.insert(0, printable(whose))
    coordinate, axes = system.running(), (picture.x, picture.y)
    summaries = all(system.observables[observable_of(name)].summary for name in shown)
    if coordinate not in (None, picture.along, *axes) and not summaries and not picture.matrix:
        ends = {row[coordinate] for row in rows if row.get("diverged_at") is None}
        found.append(f"at {coordinate} = {ends.pop():.4g}" if len(ends) == 1 else "at the end of each curve")
    for name in picture.panels:
        used, known = {key[name] for key in picture.keys(experiment)}, picture.values(experiment, name)
        if len(used) < len(known):
            found.append(f"{len(used)} of the {len(known)} values of {name} are shown")
    for axis, along in (("x", picture.x), ("y", picture.y)):
        values = [row[str(along)] for row in rows] if along in experiment.parameters else []
        if 0 in values and is_logarithmic(picture, axis, values):
            found.append(f"{along} = 0 has no place on a logarithmic axis")
    if not picture.y and not picture.matrix and picture.along is None and _has_bands(experiment, shown):
        found.append("bands: the standard error that theory states")
    if picture.spread and any(row.get("replicates", 1) > 1 for row in rows):
        shape = "bands" if picture.x == coordinate else "bars"
        found.append(f"{shape} of simulations: one standard deviation between draws")
    diverged = _diverged_curves(experiment, rows)
    infinite = any(math.isinf(row[observable]) for observable, some in shown.items() for row in some)
    if picture.y:
        contours = all(len({row[name] for row in rows}) >= FEWEST_CONTOURED for name in (picture.x, picture.y))
        first = contoured(experiment, answers)
        found += [f"dashed: the contours of {first}"] if contours and first and len(answers) > 1 else []
        marks = {name: number for name, number in picture.mark if name in axes}
        found += [f"dotted: {key_words(system, marks)}"] if marks else []
        found += ["hatched: infinite, or diverged" if diverged else "hatched: infinite"] if infinite else []
        lacking = coordinate not in axes and len({*Counter(row["answer"] for row in rows).values()}) > 1
        found += ["grey: no value"] if lacking or (coordinate in axes and diverged) else []
    return [*found, *diverged]


def _has_bands(experiment: Experiment, shown: Mapping[str, Sequence[Row]]) -> bool:
    """Return whether a prediction states standard errors that can be seen."""
    return any(
        (row.get(f"{name}_sem") or 0.0) > BAND * abs(row[name])
        for name, rows in shown.items()
        for row in rows
        if not experiment.simulates(row["answer"])
    )


def _diverged_curves(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    """Return for each answer of which curves diverged how many did."""
    points: dict[str, dict[tuple[Any, ...], bool]] = {}
    for row in rows:
        point = tuple(row[name] for name in experiment.axes)
        points.setdefault(row["answer"], {})[point] = row.get("diverged_at") is not None
    words = []
    for answer, places in points.items():
        if count := sum(places.values()):
            some = "some draws of " if experiment.simulates(answer) else ""
            which = f": {some}{count} of {len(places)} curves" if len(places) > 1 else ""
            words.append(f"{answer}{which} diverged")
    return words
