"""Panels of trails as Bokeh figures: one observable against another, coloured by where on the curve they are."""

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool

from tsmech.explore.canvas import Canvas, given, short
from tsmech.explore.drawing import Panel, Trail
from tsmech.explore.figures import FILLED, OPEN, TOLD, UNDER, with_errors

Parts = dict[str, dict[str, list[Any]]]
"""The columns of each source of a panel."""

COLUMNS = {
    "lines": ("x0", "y0", "x1", "y1", "along", "alpha"),
    "bars": ("x0", "y0", "x1", "y1", "along", "alpha"),
    "places": ("x", "y", "along", "size", "filled", "alpha", "label", "answer", "at", "across", "value"),
    "names": ("x", "y", "words", "align", "offset"),
}


class TrailCanvas(Canvas):
    """A panel of trails."""

    @classmethod
    def kind_of(cls, panel: Panel) -> tuple[Any, ...]:
        """Return what panels have in common that differ in their numbers alone."""
        assert panel.trails is not None
        colours = panel.trails.colours
        return (*super().kind_of(panel), colours.logarithmic, colours.label)

    def _make(self, panel: Panel) -> None:
        assert panel.trails is not None
        self._mapper = self._make_bar(panel.trails.colours)
        self._sources = {name: ColumnDataSource({one: [] for one in columns}) for name, columns in COLUMNS.items()}
        shade = {"field": "along", "transform": self._mapper}
        plot = self.figure
        ends = ("x0", "y0", "x1", "y1")
        for name, width in (("lines", 2.4), ("bars", 1.1)):
            plot.segment(*ends, source=self._sources[name], line_color=shade, line_width=width, line_alpha="alpha")
        places = plot.scatter(
            "x", "y", source=self._sources["places"], size="size", line_color=shade, line_alpha="alpha",
            fill_color=shade, fill_alpha="filled", line_width=1.4,
        )  # fmt: skip
        ink = {"text_font_size": "8pt", "x_offset": "offset", "text_align": "align", "text_baseline": "middle"}
        plot.text("x", "y", text="words", source=self._sources["names"], **ink)
        told = [("", "@label"), ("answer", "@answer"), (short(panel.trails.colours.label), "@at")]
        told += [(short(panel.x_label), "@across"), (short(panel.y_label), "@value")]
        plot.add_tools(HoverTool(renderers=[places], tooltips=told, attachment="horizontal", limit=TOLD))

    def _fill(self, panel: Panel) -> None:
        assert panel.trails is not None
        self._mapper.update(low=panel.trails.colours.low, high=panel.trails.colours.high)
        parts: Parts = {name: {one: [] for one in columns} for name, columns in COLUMNS.items()}
        for trails, opacity in ((panel.trails.under, UNDER), (panel.trails.trails, 1.0)):
            for one in trails:
                _enter(parts, one, opacity)
        for name, columns in parts.items():
            given(self._sources[name], **columns)


def _enter(parts: Parts, one: Trail, opacity: float) -> None:
    """Add one trail to the columns of a panel."""

    def add(part: str, *columns: Any) -> None:
        for into, values in zip(parts[part].values(), columns, strict=True):
            into.extend(values)

    x, y, at, count = one.x, one.y, one.along, len(one.x)
    if one.joined:
        add("lines", x[:-1], y[:-1], x[1:], y[1:], (at[1:] + at[:-1]) / 2, [opacity] * (count - 1))
        size, filled, alpha = 9, 0.0, 0.0
    else:
        add("bars", x, y - one.y_error, x, y + one.y_error, at, [opacity] * count)
        add("bars", x - one.x_error, y, x + one.x_error, y, at, [opacity] * count)
        size, filled, alpha = (OPEN, 0.0, opacity) if one.network else (FILLED, opacity, opacity)
    answer = one.answer if opacity == 1.0 else f"{one.answer}, saved"
    looks = ([value] * count for value in (size, filled, alpha, one.label, answer))
    words = with_errors(x, one.x_error), with_errors(y, one.y_error)
    add("places", x, y, at, *looks, [f"{value:.5g}" for value in at], *words)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if one.name and finite.size and opacity == 1.0:
        where = (["left"], [7]) if one.onward else (["right"], [-7])
        add("names", [x[finite[-1]]], [y[finite[-1]]], [one.name], *where)
