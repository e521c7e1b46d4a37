"""The report of a run: a short table of the answers side by side, and remarks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tsmech.compare import deviation
from tsmech.experiment import in_order
from tsmech.plots.picture import choose, first_number, spread
from tsmech.problem.system import System
from tsmech.runs import tables
from tsmech.runs.rounds import reached
from tsmech.store import Store

MOST_ROWS, WHOLE_ROWS = 28, 40
"""Rows of the short table that a run ends with, extremes aside, and up to which all of them are shown."""
MOST_TABLES = 4
"""Most tables that a run ends with, one for each entry of what is no number."""
MOST_CURVES = 5
"""Curves of which the short table keeps the extremes of each."""
NEAR_POLE = 0.05
"""Relative distance from a pole of theory within which single draws have heavy tails, and means are not compared."""


Place = tuple[Any, ...]
"""Values of a run's axes, and of the coordinate where a table runs along it."""


class Table(NamedTuple):
    """The short table of a run, and what its reader must know."""

    rows: list[dict[str, Any]]
    notes: list[str]


def remarks(store: Store) -> list[str]:
    """Return what a reader of a run must know: approximations, answers that points lack, and which diverged."""
    experiment = store.experiment
    lines = [*experiment.absences(), *experiment.remarks()]
    diverged: dict[str, list[Mapping[str, Any]]] = {}
    for entry in store.divergences():
        diverged.setdefault(entry["answer"], []).append(entry)
    for answer, entries in diverged.items():
        first = min(entries, key=lambda entry: float(entry["diverged_at"]))
        where = "".join(f", {name} = {_word(first[name])}" for name in experiment.axes)
        points = f" at {len(entries)} of {experiment.size} points" if experiment.size > 1 else ""
        draws = ""
        if experiment.simulates(answer):
            draws = f"{sum(entry['diverged'] for entry in entries)} draws "
        at = f"{experiment.system.running()} = {first['diverged_at']:.6g}{where}"
        lines.append(f"{answer}: {draws}diverged{points}, {'the first ' if len(entries) > 1 or draws else ''}at {at}")
    return [*lines, *([reached(store)] if experiment.target_error is not None else [])]


def _word(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def shown_columns(store: Store) -> list[str]:
    """Return the columns of which a run ends with a table: a number, or the entries of what is no number here."""
    observable = first_number(store.experiment)
    if observable in store.columns():
        return [observable]
    entries = dict.fromkeys(column for column, name, *_ in store.entries() if name == observable)
    return list(entries) or [observable]


def summarise(store: Store, observable: str, most: int = MOST_ROWS) -> Table:
    """Return a short table of a run: the answers side by side and how far apart they are.

    Of a long sweep evenly spaced values of the running axis are shown, its extremes, and where theory is infinite.
    """
    experiment = store.experiment
    x = choose(experiment).x
    named = [name for name, coordinate in experiment.system.coordinates.items() if coordinate.names]
    names = [*experiment.axes, *named, *([x] if x == experiment.system.running() else [])]  # else a curve is its end
    running = names.index(x) if x in names else 0
    curves: dict[Place, dict[Any, float]] = {}
    for row in store.rows():
        place = tuple(row[name] for name in names)
        curve = curves.setdefault(_without(place, running), {})
        at = place[running] if names else None
        curve.setdefault(at, row.get(observable, math.nan))  # of theory, which comes first where there is one
    total = sum(map(len, curves.values()))
    shown = _shown(names, running, curves, most if total > max(most, WHOLE_ROWS) else total)
    places: dict[Place, dict[str, Mapping[str, Any]]] = {}
    for row in store.rows(only={place[: len(experiment.axes)] for place in shown}):
        place = tuple(row[name] for name in names)
        if place in shown:
            places.setdefault(place, {})[row["answer"]] = row
    rows: list[dict[str, Any]] = []
    near = False
    for place in sorted(
        places, key=lambda place: _in_order((*_without(place, running), *place[running : running + 1]))
    ):
        answers = places[place]
        line: dict[str, Any] = dict(zip(names, place, strict=True))
        for answer, found in answers.items():
            if observable in found:
                line[answer] = tables.to_words(found[observable], found.get(f"{observable}_sem"))
        point = experiment.system(**experiment.fixed, **{name: line[name] for name in experiment.axes})
        whole = curves[_without(place, running)].values()
        scale = max((abs(value) for value in whole if value is not None and math.isfinite(value)), default=0.0)
        apart = deviation(_comparable(point, answers), observable, scale)
        if apart is not None and _near_pole(point):
            near, apart = True, None
        words = "" if apart is None else f"{apart:.1f} σ" if apart < math.inf else "> 37 σ"
        rows.append(line | {"agreement": words})
    return Table(rows, _table_notes(rows, total, near))


def _in_order(place: Place) -> list[Any]:
    return [in_order(value) for value in place]


def _without(place: Place, position: int) -> Place:
    return (*place[:position], *place[position + 1 :])


def _shown(names: Sequence[str], running: int, curves: Mapping[Place, Mapping[Any, float]], most: int) -> set[Place]:
    """Return the places that have a row: about so many, and what must not be left out."""
    along = sorted({at for curve in curves.values() for at in curve}, key=in_order) if names else [None]
    chosen = spread(sorted(curves, key=_in_order), max(1, most // 2))
    every = spread(along, max(2, most // max(1, len(chosen))))
    shown = {(others, at) for others in chosen for at in every if at in curves[others]}
    for some in [curves, *({others: curves[others]} for others in chosen if len(chosen) <= MOST_CURVES)]:
        for pick in (min, max):
            known = ((others, at) for others, at_it in some.items() for at, value in at_it.items() if value == value)
            extreme = pick(known, key=lambda place: curves[place[0]][place[1]], default=None)
            shown |= {extreme} if extreme is not None else set()
    return {(*others[:running], at, *others[running:]) if names else () for others, at in shown}


def _comparable(point: System, answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the answers that should agree: not theory where it is no prediction, nor what diverged."""
    return {
        answer: row
        for answer, row in answers.items()
        if row.get("diverged_at") is None
        and (not point.answers[answer].predicts or point.answer_label(answer) == answer)
    }


def _near_pole(point: System) -> bool:
    """Return whether a point is close to a pole of theory."""
    return any(
        abs(getattr(point, name) - pole) <= NEAR_POLE * abs(pole)
        for name, parameter in point.parameters().items()
        if parameter.numeric
        for pole in point.poles(name)
    )


def _table_notes(rows: Sequence[Mapping[str, Any]], total: int, near: bool) -> list[str]:
    notes = [f"{len(rows)} of {total} rows, among them the ends and the extremes"] if len(rows) < total else []
    if any(row["agreement"] for row in rows):
        notes.append(
            "agreement: the largest difference between answers, in σ of the normal law at the p-value of Student's t"
        )
    if near:
        notes.append("agreement is left out near a pole of theory, where the errors of single draws have heavy tails")
    return notes
