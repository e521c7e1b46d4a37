"""Draws a finished run: rows in, ink out."""

from tsmech.plots.figure import FORMATS, draw, draw_panels, save
from tsmech.plots.style import STYLE

__all__ = ["FORMATS", "STYLE", "draw", "draw_panels", "save"]
