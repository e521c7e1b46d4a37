"""The legend of curves: the answers, what colour says, lines that mark a number, and what an arrowhead means."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tsmech.experiment import Experiment
from tsmech.plots import curves
from tsmech.plots.picture import Picture, Row
from tsmech.plots.style import printable
from tsmech.plots.words import answer_names, key_words
from tsmech.problem.observables import observable_of

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

MARK: dict[str, Any] = {"color": "0.45", "linestyle": (0, (1, 1.5)), "linewidth": 1.2}
"""How a line looks that marks a number."""
REFERENCES = ((0, (6, 2)), (0, (6, 2, 1, 2)), (0, (2, 2)), (0, (9, 2, 1, 2, 1, 2)))
"""Dashes of the lines that an experiment's reference numbers have."""


def handles(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture, off: bool) -> list["Line2D"]:
    """Return the entries of the legend; many numbers that colour tells apart have a colour bar instead."""
    rows = [row for found in shown.values() for row in found]
    alone = curves.is_alone(experiment, picture, rows)
    entries = [_answer(experiment, answer, name, alone) for answer, name in answer_names(experiment, shown).items()]
    values = curves.codes(picture, rows)
    if values != [None] and not curves.has_bar(values):
        entries += [_value(experiment, shown, picture, value, values, alone) for value in values]
    for name, number in picture.mark:
        if name == picture.x:
            entries.append(_line(key_words(experiment.system, {name: number}), **MARK))
    entries += [_line(printable(label), **reference_style(picture, label)) for label, _ in picture.reference]
    if off:
        style = {"marker": "^", "markersize": 8, "markerfacecolor": "none", "linestyle": ""}
        entries.append(_line("off the scale", color="0.3", **style))
    return entries


def reference_style(picture: Picture, label: str) -> dict[str, Any]:
    """Return how the line of one of a picture's reference numbers looks."""
    place = [known for known, _ in picture.reference].index(label)
    return {**MARK, "linestyle": REFERENCES[place % len(REFERENCES)]}


def _answer(experiment: Experiment, answer: str, name: str, alone: bool) -> "Line2D":
    if not experiment.simulates(answer):
        width = curves.line_width(experiment, answer)
        return _line(name, color="0.3", linestyle="--" if alone else "-", linewidth=width)
    style = curves.face(curves.is_network(experiment, answer), "0.3") | {
        "marker": "o",
        "linestyle": "-" if alone else "",
        "linewidth": 0.9,
    }
    return _line(f"{name}, one network" if alone else name, **style)


def _value(
    experiment: Experiment,
    shown: Mapping[str, list[Row]],
    picture: Picture,
    value: Any,
    values: Sequence[Any],
    alone: bool,
) -> "Line2D":
    """Return the entry of a value of ``by``, or of an observable, which looks as the answers that have it."""
    every = shown[value] if picture.together else [row for rows in shown.values() for row in rows]
    found = [row for row in every if picture.together or row[str(picture.by)] == value]
    label = experiment.system.observables[observable_of(value)].label if picture.together else ""
    label = label or key_words(experiment.system, {str(picture.by): value})
    return entry(experiment, label, curves.look(value, values), {row["answer"] for row in found}, alone)


def entry(experiment: Experiment, label: str, look: curves.Look, answers: Collection[str], alone: bool) -> "Line2D":
    """Return an entry that looks as these answers do where they have a colour, a marker and dashes."""
    simulated = [answer for answer in answers if experiment.simulates(answer)]
    predicted = len(simulated) < len(answers)
    reduced = any(not curves.is_network(experiment, answer) for answer in simulated)
    colour, marker, dashes = look
    style: dict[str, Any] = {"linewidth": 0.9} if alone else {"linestyle": dashes if predicted else ""}
    style |= {"marker": marker if simulated else ""}
    style |= {"markerfacecolor": colour if reduced and not alone else "none"}
    return _line(label, color=colour, **style)


def _line(label: str, **style: Any) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)
