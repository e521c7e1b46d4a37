"""The commands that make something of a run: a picture, a table, arrays."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsmech.cli.messages import say, say_out
from tsmech.cli.options import check_out, need_stdout, path_argument, path_option
from tsmech.errors import InputError
from tsmech.words import printable, shown

if TYPE_CHECKING:
    from tsmech.store import Store

Run = Annotated[Path, path_argument("a run directory", "RUN")]


def open_store(run: Path) -> "Store":
    """Open a run to read it, and say what a reader must know of it."""
    from tsmech.store import Store

    store = Store.open(run)
    if store.notice:
        print(f"tsmech: {store.notice}", file=sys.stderr)
    return store


def plot(
    run: Run,
    x: Annotated[
        str | None,
        typer.Option(help="horizontal axis: a parameter, the coordinate, or an observable (R[0,0]) to draw y against"),
    ] = None,
    y: Annotated[
        str | None,
        typer.Option(
            help="observables, separated by commas: one panel each, a vector or a matrix as lines (R), or an entry "
            "(R[0,1]); with --value the vertical axis of a map"
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="the parameter whose values have their own colours (or panels)")
    ] = None,
    value: Annotated[str | None, typer.Option(help="draw a map of this observable over --x and --y")] = None,
    matrix: Annotated[str | None, typer.Option(help="draw this matrix, a cell an entry, at the times --at")] = None,
    at: Annotated[
        str | None, typer.Option(help="where on the coordinate a matrix is drawn: 0,10,100 (default: start to end)")
    ] = None,
    together: Annotated[
        bool | None, typer.Option("--together/--apart", help="all observables in one panel, told apart by colour")
    ] = None,
    spread: Annotated[
        bool | None,
        typer.Option("--spread/--errors", help="how far simulations lie apart, or the standard error of their mean"),
    ] = None,
    log: Annotated[
        str | None, typer.Option(help="logarithmic axes: x, y, x,y or none (default: as the values are spread)")
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(help="axes in the symbols and scalings of a paper, or of tsmech", metavar="PAPER"),
    ] = None,
    out: Annotated[
        Path | None, path_option("write OUT.png and OUT.svg, or a file .png, .svg or .pdf (default: the run's figure)")
    ] = None,
) -> None:
    """Redraw a run without computing anything."""
    from tsmech.plots import FORMATS
    from tsmech.runs import draw_files, lacks_lines

    with open_store(run) as store:
        directory, stem, formats = (out.parent, out.stem, [out.suffix[1:].lower()]) if out else (run, "figure", [""])
        if formats == [""]:
            formats = ["png", "svg"]
        elif formats[0] not in FORMATS:
            raise InputError(f"--out {out} cannot be written: a picture ends in .{', .'.join(FORMATS)}")
        if out:
            check_out(directory / f"{stem}.{formats[-1]}")
        choice: dict[str, Any] = {"x": x, "y": y or None, "by": by, "value": value, "together": together, "log": log}
        choice |= {"matrix": matrix, "at": at, "spread": spread, "convention": convention}
        if words := lacks_lines(store, **choice):
            say(f"tsmech: {words}")
        for path in draw_files(store, directory, stem, formats, **choice):
            say_out(str(path))


def export(
    run: Run,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, json or parquet, netcdf or zarr (default: what OUT ends in, else csv)",
            metavar="FORMAT",
        ),
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", help="one row a number: observable, its indices, value, standard error")
    ] = False,
    out: Annotated[Path | None, path_option("the file to write (default: stdout)", "FILE")] = None,
) -> None:
    """Export a run's summary table, or its arrays with named dimensions."""
    from tsmech.runs import arrays, entries, tables
    from tsmech.runs import export as write

    form = _format(kind, out)
    if out is None and form not in ("csv", "json"):
        raise InputError(f"--format {form} needs a file: give --out FILE")
    if long and form in arrays.NAMES:
        raise InputError(f"--long makes a table, which {arrays.NAMES[form]} does not hold: leave it out")
    if out is None:
        need_stdout("export")
    else:
        check_out(out)
    with open_store(run) as store:
        if out is not None:
            write(store, out, form, long=long)
        else:
            rows = entries.rows(store) if long else store.rows()
            text = tables.to_csv(rows) if form == "csv" else tables.to_json(rows) + "\n"
            sys.stdout.write(printable(text))


def _format(kind: str | None, out: Path | None) -> str:
    """Return the format of an exported table: what is asked for, or what the file's name ends in."""
    from tsmech.runs.tables import FORMATS, SUFFIXES

    if kind is not None and kind not in FORMATS:
        raise InputError(f"--format {shown(kind)} is unknown: it must be one of {', '.join(FORMATS)}")
    if out is None:
        return kind or "csv"
    ending = SUFFIXES.get(out.suffix.lower())
    if kind is None and ending is None:
        raise InputError(f"--out {shown(str(out))} must end in {', '.join(SUFFIXES)}, or --format say what it holds")
    if kind is not None and ending not in (None, kind):
        raise InputError(f"--out {shown(str(out))} ends as {ending} does, and --format is {kind}: make them agree")
    return kind or str(ending)
