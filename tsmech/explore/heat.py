"""Panels of cells as Bokeh figures: maps and matrices, as many cells as a screen has, finer where a person zooms."""

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSHover, HoverTool
from numpy.typing import NDArray

from tsmech.explore.canvas import Canvas, given, short
from tsmech.explore.drawing import Array, Cells, Panel

PIXELS = 320
"""Width and height of a large map's picture, in pixels of the nearest cells."""
WRITTEN = 5
"""Rows and columns up to which numbers are written into the cells."""
NAMES = """
const at = axis.data.at, words = axis.data.words, log = axis.tags[0];
const far = (i) => log ? Math.abs(Math.log(at[i] / value)) : Math.abs(at[i] - value);
let best = 0;
for (let i = 1; i < at.length; i++) if (far(i) < far(best)) best = i;
return words[best];
"""
"""Returns the words of the cell of an axis that the pointer is in."""
NUMBER = """
return value == null || Number.isNaN(value) ? 'no value' : String(Number(value.toPrecision(5)));
"""


class CellCanvas(Canvas):
    """A panel of cells."""

    @classmethod
    def kind_of(cls, panel: Panel) -> tuple[Any, ...]:
        """Return what panels have in common that differ in their numbers alone."""
        assert panel.cells is not None
        colours, scattered = panel.cells.colours, bool(np.isfinite(panel.cells.errors).any())
        return (*super().kind_of(panel), colours.logarithmic, colours.palette, colours.label, scattered)

    def _make(self, panel: Panel) -> None:
        cells = panel.cells
        assert cells is not None
        self._logs = panel.x_log, panel.y_log
        self._scattered = bool(np.isfinite(cells.errors).any())
        self._mapper = self._make_bar(cells.colours)
        columns = ("image", *(("error",) if self._scattered else ()), "x", "y", "dw", "dh")
        self._source = ColumnDataSource({name: [] for name in columns})
        self._axes = [ColumnDataSource({"at": [], "words": []}, tags=[log]) for log in self._logs]
        self._words = ColumnDataSource({"x": [], "y": [], "words": [], "colour": []})
        plot = self.figure
        image = plot.image(
            image="image", x="x", y="y", dw="dw", dh="dh", source=self._source, color_mapper=self._mapper
        )
        ink = {"text_align": "center", "text_baseline": "middle", "text_font_size": "9pt"}
        plot.text("x", "y", text="words", text_color="colour", source=self._words, **ink)
        plot.grid.visible = False
        names = [CustomJSHover(args={"axis": axis}, code=NAMES) for axis in self._axes]
        number = CustomJSHover(code=NUMBER)
        told = [(short(panel.x_label), "$x{custom}"), (short(panel.y_label), "$y{custom}"), ("value", "@image{custom}")]
        told += [("standard error", "@error{custom}")] if self._scattered else []
        formats = {"$x": names[0], "$y": names[1], "@image": number, "@error": number}
        plot.add_tools(HoverTool(renderers=[image], tooltips=told, formatters=formats))

    def _fill(self, panel: Panel) -> None:
        cells = panel.cells
        assert cells is not None
        self._cells = cells
        high = float(np.nextafter(np.float32(cells.colours.high), np.float32(np.inf)))  # as images are rounded
        self._mapper.update(low=cells.colours.low, high=high)
        for source, at, names in zip(self._axes, (cells.xs, cells.ys), (panel.names, panel.y_names), strict=True):
            given(source, at=at, words=names or [f"{value:.5g}" for value in at])
        self._write(cells)
        self._paint()

    def _write(self, cells: Cells) -> None:
        """Write the numbers of a small matrix into its cells."""
        few = cells.whole and max(cells.table.shape) <= WRITTEN
        found = [(k, i, value) for (k, i), value in np.ndenumerate(cells.table) if few and np.isfinite(value)]
        low, high = cells.colours.low, cells.colours.high
        middle = cells.colours.palette != "viridis"
        share = [(value - low) / ((high - low) or 1.0) for *_, value in found]
        light = [abs(one - 0.5) < 0.3 if middle else one > 0.55 for one in share]
        given(
            self._words,
            x=[float(i) for _, i, _ in found],
            y=[float(k) for k, _, _ in found],
            words=[f"{value:.2f}".replace("-", "−") for *_, value in found],
            colour=["black" if one else "white" for one in light],
        )

    def watch(self) -> None:
        """Paint a large map anew where a person has zoomed into it."""
        if self._window() != self._painted:
            self._paint()

    def _window(self) -> tuple[float, float, float, float]:
        x, y = self.figure.x_range, self.figure.y_range
        return float(x.start), float(x.end), float(y.start), float(y.end)

    def _paint(self) -> None:
        """Show the cells: all of them where pixels can, else those in the window, each pixel the nearest cell's."""
        cells = self._cells
        self._painted = self._window()
        if not (cells.xs.size and cells.ys.size):
            given(self._source, **{name: [] for name in self._source.data})
            return
        x0, x1, y0, y1 = self._painted
        x, dw, columns = _pixels(cells.xs, (x0, x1), self._logs[0], cells.whole)
        y, dh, lines = _pixels(cells.ys, (y0, y1), self._logs[1], cells.whole)
        found = {"image": cells.table, "error": cells.errors} if self._scattered else {"image": cells.table}
        images = {name: [table[np.ix_(lines, columns)].astype(np.float32)] for name, table in found.items()}
        self._source.data = {**images, "x": [x], "y": [y], "dw": [dw], "dh": [dh]}


def _pixels(
    values: Array, window: tuple[float, float], logarithmic: bool, whole: bool
) -> tuple[float, float, NDArray[np.int64]]:
    """Return where an axis' pixels begin, their extent, and for each the position of the nearest value.

    Cells end midway between values; the outermost, where they are not ``whole``, at their values.
    """
    scale, back = (np.log, np.exp) if logarithmic else (np.asarray, np.asarray)
    at = scale(values)
    if len(at) == 1 or whole:
        step = float(at[1] - at[0]) if len(at) > 1 else (0.4 if logarithmic else 0.2 * (abs(float(at[0])) or 1.0))
        low, high, count = float(at[0]) - step / 2, float(at[-1]) + step / 2, len(at)
    else:
        low, high, count = float(at[0]), float(at[-1]), 2 * (len(at) - 1)
    steps = np.diff(at)
    even = len(at) < 3 or float(np.ptp(steps)) <= 1e-6 * float(steps.max())
    if not even or count > PIXELS:
        count = PIXELS
        ends = (float(scale(max(end, 1e-300) if logarithmic else end)) for end in window)
        inside = max(low, next(ends)), min(high, next(ends))
        low, high = inside if inside[1] > inside[0] else (low, high)
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    start, end = float(back(low)), float(back(high))
    return start, end - start, np.searchsorted((at[1:] + at[:-1]) / 2, centres)
