"""Carries an experiment out: from what is asked to tables and pictures."""

from tsmech.runs.execution import (
    LONG_STEPS,
    add_lines,
    carry_out,
    failure,
    merge,
    most_steps,
    resolve,
    run,
)
from tsmech.runs.lines import lacks_lines
from tsmech.runs.products import draw_files, export, publish
from tsmech.runs.report import remarks, summarise

__all__ = [
    "LONG_STEPS",
    "add_lines",
    "carry_out",
    "draw_files",
    "export",
    "failure",
    "lacks_lines",
    "merge",
    "most_steps",
    "publish",
    "remarks",
    "resolve",
    "run",
    "summarise",
]
