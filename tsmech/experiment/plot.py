"""What a picture is asked to show, in words and checked: an experiment's ``[plot]``, options and Python arguments."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tsmech.errors import InputError
from tsmech.problem.observables import observable_of
from tsmech.problem.parameters import Parameter
from tsmech.problem.system import System
from tsmech.words import nearest, shown

OUTSIDE = re.compile(r",(?![^\[\]]*\])")
"""A comma that is not between brackets."""
ENTRY = re.compile(r"([^\[\]]*)\[([^\[\]]*)\]")
"""An entry of a vector or a matrix: its name, and its indices between brackets."""
KEYS = ("x", "y", "by", "value", "matrix", "at", "together", "spread", "log", "mark", "reference", "convention")
OURS = "tsmech"
"""The convention that is our own, where a picture is to have it again."""


def read_plot(given: Mapping[str, Any], system: type[System], mark: str = "plot ") -> dict[str, Any]:
    """Return what a picture is asked to show, checked.

    Curves: ``y`` is a list of observables, one panel each, or one panel for all where ``together``.  A vector or a
    matrix (``R``) is drawn as a family of lines, an entry (``R[0, 1]``) as one.  ``x`` is a parameter, a coordinate, or
    an observable that is one number, against which ``y`` is then drawn as a trajectory; ``R[*, 0]`` and ``R[*, 1]`` are
    paths, one for each index.  ``by`` is a parameter or a
    coordinate of names.

    Maps: ``value`` is an observable that is one number; ``x`` and ``y`` are parameters or the coordinate.  ``matrix``
    is a matrix, drawn entry by entry ``at`` some values of the coordinate.

    ``spread`` shows how far simulations lie apart, in place of the standard error of their mean.

    ``log`` names the axes that are logarithmic (``x``, ``y``, both or ``none``), ``mark`` numbers that a vertical line
    marks, by parameter, and ``reference`` numbers that a horizontal line marks, by label.

    ``convention`` names the paper whose symbols and scalings the axes have: one of the system's ``conventions``, or
    ``tsmech``.
    """
    declared = system.parameters()
    seen = list(system.observables)
    names = [name for name, coordinate in system.coordinates.items() if coordinate.names]
    running = [name for name, coordinate in system.coordinates.items() if not coordinate.names]
    running += [name for name, parameter in declared.items() if parameter.numeric]
    is_map = given.get("value") is not None
    allowed = {"x": [*running, *names], "y": running, "by": [*declared, *names], "matrix": _matrices(system)}
    allowed |= {"x": running} if is_map else {}
    plot: dict[str, Any] = {}
    for key, value in given.items():
        if key not in KEYS:
            raise InputError(f"plot has no key {shown(key)}: {nearest(key, KEYS)}")
        if value is None:
            continue
        if key == "log":
            plot[key] = _read_log(value, mark)
        elif key == "mark":
            plot[key] = _read_marks(value, declared, mark)
        elif key == "reference":
            plot[key] = _read_references(value, mark)
        elif key == "at":
            plot[key] = _read_times(value, mark)
        elif key == "convention":
            plot |= _read_convention(value, system, mark)
        elif key in ("together", "spread"):
            if not isinstance(value, bool):
                raise InputError(f"{mark}{key} = {shown(repr(value))} is not allowed: it must be true or false")
            plot[key] = value
        elif key == "y" and not is_map:
            listed = split_names(value) if isinstance(value, str) else value
            listed = list(listed) if isinstance(listed, (list, tuple)) else [listed]
            if listed:
                plot[key] = [_read_observable(name, system, mark, key, seen) for name in listed]
        elif key == "value" or (key == "x" and not is_map and _plain(value) not in allowed[key]):
            others = seen if key == "value" else [*allowed[key], *seen]
            plot[key] = _read_observable(value, system, mark, key, others)
            if is_family(system, plot[key]):
                what = "a map shows" if key == "value" else "an axis has"
                example = f"{plot[key]}[{', '.join('0' for _ in system.observables[plot[key]].axes)}]"
                raise InputError(f"{mark}{key} {plot[key]} cannot be drawn: {what} single numbers, such as {example}")
        else:
            several = value if isinstance(value, (list, tuple)) and key == "y" else [value]
            plain = [_plain(name) for name in several]
            for name in plain:
                if name not in allowed[key]:
                    role = " as an axis of a map" if key == "y" else ""
                    raise InputError(
                        f"{mark}{key} {shown(name)} cannot be drawn{role}: {nearest(str(name), allowed[key])}"
                    )
            if len(plain) > 1:
                raise InputError(f"{mark}y {','.join(plain)} cannot be drawn: a map has one vertical axis")
            if plain:
                plot[key] = plain[0]
    _check_together(plot, mark, is_map, system)
    return plot


def _check_together(plot: Mapping[str, Any], mark: str, is_map: bool, system: type[System]) -> None:
    """Refuse what cannot be asked for in one picture."""
    if plot.get("spread") and (is_map or "matrix" in plot):
        raise InputError(f"{mark}spread cannot be drawn beside a {'value' if is_map else 'matrix'}: it shows means")
    if is_map and plot.get("together"):
        raise InputError(f"{mark}together cannot be drawn beside a value: a map shows one observable")
    if is_map and "x" in plot and plot["x"] == plot.get("y"):
        raise InputError(f"{mark}x and y cannot both be {plot['x']}: a map needs two axes")
    if "matrix" in plot and (others := [key for key in ("x", "y", "value", "together") if plot.get(key)]):
        raise InputError(f"{mark}{others[0]} cannot be drawn beside a matrix: its axes are the matrix's own")
    if "at" in plot and "matrix" not in plot:
        raise InputError(f"{mark}at chooses when a matrix is shown: give matrix too")
    if "at" in plot and system.running() is None:
        raise InputError(f"{mark}at cannot be drawn: {system.name} runs along no number")
    if observable_of(str(plot.get("x", ""))) in system.observables and not is_map:
        if families := [name for name in plot.get("y", []) if is_family(system, name)]:
            raise InputError(f"{mark}y {families[0]} cannot be drawn against {plot['x']}: name its entries one by one")
        if plot.get("together"):
            raise InputError(
                f"{mark}together cannot be drawn against {plot['x']}: colour shows where on the curve it is"
            )


def split_names(words: str) -> list[str]:
    """Return names that commas separate, though not those between brackets.

    Examples
    --------
    >>> split_names("Q, R[0,1]")
    ['Q', 'R[0,1]']
    """
    return [piece.strip() for piece in OUTSIDE.split(words)]


def is_family(system: type[System], name: str) -> bool:
    """Return whether a name means a vector or a matrix as a whole, not what is, or may be, one number."""
    return name in system.observables and bool(system.observables[name].axes) and not system.observables[name].single


def _matrices(system: type[System]) -> list[str]:
    return [name for name, observable in system.observables.items() if len(observable.axes) == 2]


def _plain(name: Any) -> Any:
    return name.strip().replace("-", "_") if isinstance(name, str) else name


def _read_observable(given: Any, system: type[System], mark: str, key: str, known: Sequence[str]) -> str:
    """Return the name of an observable, or of one of its entries as tables call it."""
    found = ENTRY.fullmatch(given.strip()) if isinstance(given, str) else None
    name = _plain(given if found is None else found[1])
    if not isinstance(name, str) or name not in system.observables:
        raise InputError(f"{mark}{key} {shown(name)} cannot be drawn: {nearest(str(name), known)}")
    if found is None:
        return name
    axes = system.observables[name].axes
    indices = [piece.strip() for piece in found[2].split(",")]
    if len(indices) != len(axes) or "" in indices:
        has = f"has the indices {', '.join(axes)}" if axes else "is one number, without indices"
        raise InputError(f"{mark}{key} {shown(given)} cannot be drawn: {name} {has}")
    return f"{name}[{', '.join(indices)}]"


def _read_times(value: Any, mark: str) -> list[float]:
    """Return the values of the coordinate at which a matrix is shown."""
    pieces = value.split(",") if isinstance(value, str) else value
    try:
        times = [float(piece) for piece in (pieces if isinstance(pieces, (list, tuple)) else [pieces])]
    except (TypeError, ValueError, OverflowError):
        times = []
    if not times or not all(map(math.isfinite, times)):
        raise InputError(f"{mark}at {shown(value)} is not allowed: it must be numbers, such as 0,10,100")
    return times


def _read_convention(value: Any, system: type[System], mark: str) -> dict[str, str]:
    papers = [OURS, *(convention.paper for convention in system.conventions)]
    if value not in papers:
        has = nearest(str(value), papers) if len(papers) > 1 else f"{system.name} has our own symbols alone"
        raise InputError(f"{mark}convention {shown(value)} is unknown: {has}")
    return {} if value == OURS else {"convention": value}


def _read_log(value: Any, mark: str) -> list[str]:
    names = value.split(",") if isinstance(value, str) else value
    names = [str(name).strip() for name in names] if isinstance(names, (list, tuple)) else [""]
    if names == ["none"]:
        return []
    if not {*names} <= {"x", "y"}:
        raise InputError(f"{mark}log {value} is not allowed: it must be x, y, x,y or none")
    return sorted({*names})


def _read_marks(value: Any, declared: Mapping[str, Parameter], mark: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InputError(f"{mark}mark = {value!r} is not allowed: it must be a table of numbers by parameter")
    for name in value:
        if name not in declared or not declared[name].numeric:
            numeric = [known for known, parameter in declared.items() if parameter.numeric]
            raise InputError(f"{mark}mark {name} cannot be drawn: {nearest(str(name), numeric)}")
    return _read_numbers(value, f"{mark}mark")


def _read_references(value: Any, mark: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{mark}reference = {shown(repr(value))} is not allowed: it must be a table of numbers by label"
        )
    return _read_numbers(value, f"{mark}reference")


def _read_numbers(value: Mapping[Any, Any], what: str) -> dict[str, float]:
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise InputError(f"{what} {name} = {number!r} is not allowed: it must be a number")
    return {str(name): float(number) for name, number in value.items()}
