"""What a page saves: the picture as it is drawn on paper, the table."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from tsmech import plots
from tsmech.errors import InputError
from tsmech.experiment import Experiment, in_order
from tsmech.plots.picture import choose
from tsmech.plots.style import own_style
from tsmech.plots.translation import Translation
from tsmech.runs import tables

Row = Mapping[str, Any]


def file(experiment: Experiment, rows: Sequence[Row], kind: str, lines: Sequence[Row] = ()) -> io.BytesIO:
    """Return a file of what is shown: ``png`` or ``svg`` of the picture, ``csv`` of the table.

    The table has our columns; where the picture has the symbols of a paper, what that paper has otherwise stands in
    columns beside them, named by its symbol and the paper.
    """
    if not rows:
        raise InputError("there is nothing to save yet")
    if kind == "csv":
        translation = Translation(experiment, choose(experiment).convention)
        return io.BytesIO(tables.to_csv(translation.columns(rows)).encode("utf-8"))
    return io.BytesIO(_paper(experiment, rows, lines, kind))


def as_run(experiment: Experiment, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows of an experiment's points in the order of a run's table, and those between its points.

    A page has all of them in the order in which they were computed: from coarse to fine.
    """
    answers = {answer: place for place, answer in enumerate(experiment.answers)}
    axes = {name: {*values} for name, values in experiment.axes.items()}
    found: tuple[list[Row], list[Row]] = [], []
    for row in sorted(rows, key=lambda row: (*(in_order(row[name]) for name in axes), answers[row["answer"]])):
        found[any(row[name] not in values for name, values in axes.items())].append(row)
    return found


def _paper(experiment: Experiment, rows: Sequence[Row], lines: Sequence[Row], kind: str) -> bytes:
    """Return the picture as ``tsmech plot`` draws it."""
    figure = plots.draw(experiment, rows, lines=lines)
    out = io.BytesIO()
    with own_style():
        figure.savefig(out, format=kind, metadata=plots.FORMATS[kind])
    return out.getvalue()
