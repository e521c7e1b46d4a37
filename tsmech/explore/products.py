"""What a page saves: the picture as it is drawn on paper, the table."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from tsmech import plots
from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.plots.style import own_style
from tsmech.runs import tables

Row = Mapping[str, Any]


def file(experiment: Experiment, rows: Sequence[Row], kind: str) -> io.BytesIO:
    """Return a file of what is shown: ``png`` or ``svg`` of the picture, ``csv`` of the table."""
    if not rows:
        raise InputError("there is nothing to save yet")
    if kind == "csv":
        return io.BytesIO(tables.to_csv(rows).encode("utf-8"))
    return io.BytesIO(_paper(experiment, rows, kind))


def _paper(experiment: Experiment, rows: Sequence[Row], kind: str) -> bytes:
    """Return the picture as ``tsmech plot`` draws it."""
    figure = plots.draw(experiment, rows)
    out = io.BytesIO()
    with own_style():
        figure.savefig(out, format=kind, metadata=plots.FORMATS[kind])
    return out.getvalue()
