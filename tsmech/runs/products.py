"""The products of a run: its table and its picture in the run directory, exports, and the table as a DataFrame."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech import plots
from tsmech.plots.picture import choose
from tsmech.problem.observables import observable_of
from tsmech.runs import arrays, entries, tables
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS

if TYPE_CHECKING:
    import pandas as pd


def publish(store: Store) -> list[Path]:
    """Write a run's table and figure into its directory, none of a shard's; return the files."""
    if store.directory is None or store.shard:
        return []
    if store.is_empty():
        return []
    try:
        tables.write(store.rows(), store.directory / PRODUCTS[0], "csv", store.columns())
        return [store.directory / PRODUCTS[0], *draw_files(store, store.directory)]
    finally:
        store.check_kept()


def export(store: Store, path: Path, kind: str, *, long: bool = False) -> None:
    """Write a run's table to a file, whole or not at all.

    Parameters
    ----------
    store
        The run.
    path
        The file; of Zarr a directory that is not there yet.
    kind
        ``csv``, ``json`` or ``parquet`` (which needs ``tsmech[data]``), or as arrays ``netcdf`` or ``zarr`` (which need
        ``tsmech[xarray]``).
    long
        Whether a table has a row for each number, not a column.
    """
    if kind in arrays.NAMES:
        arrays.write(store, path, kind)
    elif long:
        tables.write(entries.rows(store), path, kind, entries.columns(store))
    else:
        tables.write(store.rows(), path, kind, store.columns())


def draw_files(
    store: Store, directory: Path, stem: str = "figure", formats: Sequence[str] = ("png", "svg"), **choice: Any
) -> list[Path]:
    """Draw a run and save the picture in each of the formats; ``choice`` is as in :func:`tsmech.plots.draw`."""
    picture = choose(store.experiment, **choice)
    drawn = {observable_of(name) for name in (picture.x, *picture.observables)}
    left_out = {name for name in store.experiment.system.observables if name not in drawn}
    left_out |= {f"{name}_sem" for name in left_out}
    # Of a large sweep the numbers that are not drawn would take most of the memory.
    left_out = {column for column in store.columns() if observable_of(column) in left_out}
    rows = ({name: value for name, value in row.items() if name not in left_out} for row in store.rows())
    figure = plots.draw(store.experiment, rows, lines=store.lines(picture.x), **choice)
    return plots.save(figure, directory, stem, formats)


def table(store: Store) -> "pd.DataFrame":
    """Return the rows of a run as a DataFrame, the experiment among its attributes."""
    import pandas as pd

    table = pd.DataFrame(list(store.rows()))
    table.attrs["experiment"] = store.experiment.describe()
    return table
