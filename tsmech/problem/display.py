"""What a notebook shows of a problem: its parameters with their symbols, and a small picture of a prediction."""

import dataclasses
import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tsmech.errors import TsmechError
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import Parameter
from tsmech.problem.written import plain
from tsmech.words import one_line, shown

if TYPE_CHECKING:
    from tsmech.problem.curve import Curve

POINTS = 40
"""Most values of a parameter along which the picture of a problem without a coordinate runs."""
WIDTH, HEIGHT, MARGIN = 260, 140, 24
LARGEST = 20.0
"""Multiple of the median above which a line that has a pole leaves the picture."""
CROWDED = 0.15
"""Median of the horizontal values over the largest below which their axis is logarithmic."""


def describe(system: Any) -> str:
    """Return a problem as HTML."""
    rows = []
    for name, declared in system.parameters().items():
        value = getattr(system, name)
        if value is None:
            continue
        changed = declared.required or value != _default(system, name, declared)
        cells = [declared.symbol, name, shown(plain(value)), declared.help]
        weight = "bold" if changed else "normal"
        texts = "".join(f"<td style='text-align:left'>{html.escape(str(cell))}</td>" for cell in cells)
        rows.append(f"<tr style='font-weight:{weight}'>{texts}</tr>")
    title = f"<b>{html.escape(system.title)}</b> ({html.escape(system.name)})"
    table = f"<table>{''.join(rows)}</table>"
    flex = "display:flex;gap:2em;align-items:flex-start;flex-wrap:wrap"
    return f"<div>{title}<div style='{flex}'>{table}<div>{picture(system)}</div></div></div>"


def _default(system: Any, name: str, declared: Parameter) -> Any:
    """Return what a parameter is where it is not given; some have the value that the others imply."""
    if declared.default is not None:
        return declared.default
    try:
        return getattr(dataclasses.replace(system, **{name: None}), name)
    except TsmechError:
        return None


def picture(system: Any) -> str:
    """Return a small picture of the first prediction as SVG, or in words why there is none.

    It runs along the coordinate where there is one, else along a parameter that has no default.
    """
    found = next((name for name, one in system.answers.items() if one.predicts and system.refusal(name) is None), None)
    name = next((one for one in [*system.pictured, *system.observables] if _is_number(system.observables[one])), "")
    if found is None or not name:
        return "no prediction"
    poles: Sequence[float] = ()
    try:
        along = system.running()
        if along is not None:
            curve = system.curve(found)
            label = f"{system.coordinates[along].symbol} ({system.coordinates[along].label.partition(':')[0]})"
            lines = _lines(curve, along, name)
        else:
            ranged = {one: it for one, it in system.parameters().items() if it.numeric and it.range is not None}
            along = min(ranged, key=lambda one: not ranged[one].required)
            declared = ranged[along]
            low, high = declared.range or (0.0, 1.0)
            space = np.geomspace if declared.scale == "logarithmic" else np.linspace
            number = min(POINTS, max(system.line_points() // 2, 2))
            at = np.unique([declared.check(_whole(declared.kinds, x)) for x in space(low, high, number)])
            points = [dataclasses.replace(system, **{along: _whole(declared.kinds, x)}) for x in at]
            curves = system.curves(found, points) or [point.curve(found) for point in points]
            values = [float(curve.observables[name].flat[0]) for curve in curves]
            label, lines = f"{declared.symbol} ({along})", [(at, np.array(values))]
            poles = system.poles(along)
    except (TsmechError, ArithmeticError, ValueError) as error:
        return html.escape(one_line(str(error))) or "no prediction"
    return _svg(lines, label, f"{system.observables[name].symbol} ({found})", cut=bool(poles))


def _is_number(observable: Observable) -> bool:
    return not observable.summary and (not observable.axes or observable.single)


def _whole(kinds: Sequence[str], value: float) -> Any:
    return round(value) if "int" in kinds else float(value)


def _lines(curve: "Curve", along: str, name: str) -> list[tuple[Any, Any]]:
    """Return a line for each combination of the names that a curve has."""
    at = np.asarray(curve.coordinates[along], dtype=float)
    values = curve.observables[name].reshape(len(at), -1)[:, 0]
    named = [listed for listed in curve.coordinates.values() if isinstance(listed, tuple)]
    if not named:
        return [(at, values)]
    found: dict[str, list[int]] = {}
    for row, one in enumerate(named[0]):
        found.setdefault(one, []).append(row)
    return [(at[rows], values[rows]) for rows in found.values()]


def _svg(lines: Sequence[tuple[Any, Any]], across: str, up: str, cut: bool) -> str:
    """Return lines as SVG, with the ends of both axes; what has poles is cut off above.

    Values that crowd at the lower end, as those of a logarithmic scale do, stand at their logarithms.
    """
    crowded = np.median(lines[0][0]) < CROWDED * np.max(lines[0][0])
    if crowded:
        lines = [(np.log10(x[x > 0]), y[x > 0]) for x, y in lines]
    xs = np.concatenate([x for x, _ in lines])
    ys = np.concatenate([y for _, y in lines])
    finite = np.isfinite(ys)
    if not finite.any():
        return "no finite values"
    ys = ys[finite]
    top = min(float(ys.max()), (LARGEST * float(np.median(np.abs(ys))) if cut else 0.0) or math.inf)
    bottom = min(0.0, float(ys.min())) if ys.min() < 0.5 * top else float(ys.min())
    left, right = float(xs.min()), float(xs.max())
    width, height = right - left or 1.0, top - bottom or 1.0
    parts = []
    for x, y in lines:
        for run in np.split(np.arange(len(x)), np.flatnonzero(np.diff(np.isfinite(y) & (y <= top))) + 1):
            if not len(run) or not np.isfinite(y[run]).all() or (y[run] > top).all():
                continue
            places = " ".join(
                f"{MARGIN + (WIDTH - 2 * MARGIN) * (a - left) / width:.1f},"
                f"{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (b - bottom) / height:.1f}"
                for a, b in zip(x[run], y[run], strict=True)
            )
            parts.append(f'<polyline points="{places}" fill="none" stroke="#0072B2" stroke-width="1.6"/>')
    first, last, scale = (10**left, 10**right, ", logarithmic") if crowded else (left, right, "")
    base = HEIGHT - MARGIN
    frame = f'<path d="M{MARGIN} {MARGIN}V{base}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>'
    small = 'font-size="10" font-family="sans-serif" fill="#444"'
    words = [
        f'<text x="{MARGIN}" y="14" {small}>{html.escape(up)}: {bottom:.3g} … {top:.3g}</text>',
        f'<text x="{MARGIN}" y="{HEIGHT - 8}" {small}>{html.escape(across)}: {first:.3g} … {last:.3g}{scale}</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(up)}">{frame}{"".join(parts)}{"".join(words)}</svg>'
    )
