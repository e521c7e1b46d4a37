"""Carries an experiment out: from what is asked to tables and pictures."""

from tsmech.runs.execution import (
    LONG_STEPS,
    carry_out,
    draw,
    failure,
    merge,
    most_steps,
    publish,
    resolve,
    run,
)
from tsmech.runs.report import remarks, summarise

__all__ = [
    "LONG_STEPS",
    "carry_out",
    "draw",
    "failure",
    "merge",
    "most_steps",
    "publish",
    "remarks",
    "resolve",
    "run",
    "summarise",
]
