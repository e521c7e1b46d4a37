"""The commands: each reads what a person typed, makes one call of the library, and prints."""

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsmech.cli.run import (
    Command,
    Json,
    Quiet,
    RunCommands,
    Seed,
    Workers,
    check_out,
    need_stdout,
    path_argument,
    path_option,
    perform,
    raise_failure,
    reading,
    say,
    say_out,
)
from tsmech.errors import IncompleteError, InputError
from tsmech.words import printable, shown

if TYPE_CHECKING:
    from tsmech.problem.system import System
    from tsmech.store import Store

Run = Annotated[Path, path_argument("a run directory", "RUN")]

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda s: s.replace("_", "-"),
    },
)
app.add_typer(
    typer.Typer(cls=RunCommands),
    name="run",
    help="Run a system's sweep (tsmech run ridge --alpha 0.1:4:40) or an experiment (its name, or a TOML file).",
    subcommand_metavar="SYSTEM|EXPERIMENT [OPTIONS]",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from tsmech import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Statistical mechanics of learning: theory, exact reduced simulations and networks, side by side."""


def _open(run: Path) -> "Store":
    """Open a run to read it, and say what a reader must know of it."""
    from tsmech.store import Store

    store = Store.open(run)
    if store.notice:
        print(f"tsmech: {store.notice}", file=sys.stderr)
    return store


@app.command("list", cls=Command)
def list_all() -> None:
    """List the systems, with the answers that each has, and the experiments that come along."""
    from tsmech.experiment import experiments, toml_files
    from tsmech.problem.system import has
    from tsmech.systems import REGISTRY, find

    say_out("systems (tsmech run NAME --help):")
    for name in REGISTRY:
        system = find(name)
        answers = ", ".join(answer for answer in system.answers if has(system, answer))
        say_out(f"  {name:24} {system.title} ({answers})")
    say_out("experiments (tsmech run NAME):")
    for name, path in experiments().items():
        say_out(f"  {name:24} {toml_files.title(path)}")


@app.command(cls=Command)
def cite(system: Annotated[str, typer.Argument(help="a system's name")]) -> None:
    """Print what a system rests on, and tsmech itself, as BibTeX."""
    from tsmech.systems import find

    say_out(find(system).bibtex())


@app.command(cls=Command)
def show(
    what: Annotated[str, typer.Argument(help="a run directory, an experiment's name, a TOML file or a system")],
    failures: Annotated[bool, typer.Option("--failures", help="show what failed, with tracebacks")] = False,
) -> None:
    """Show a resolved experiment, and what a run directory holds of it; or a system, and what it rests on."""
    from tsmech.experiment import find_file
    from tsmech.runs import resolve
    from tsmech.systems import REGISTRY, find

    if not what or not os.path.isdir(what):  # to which a name that is too long is no error
        if what.replace("-", "_") in REGISTRY:
            say_out(_describe(find(what)))
            return
        if find_file(what) is None:
            raise InputError(f"{shown(what)} is neither a run directory nor an experiment, a TOML file or a system")
        with reading(what):
            experiment = resolve(what, {})
        say_out("\n".join([experiment.to_toml(), *(f"# {words}" for words in experiment.absences())]))
        return
    with _open(Path(what)) as store:
        if failures:
            for entry in store.failures():
                trace = entry.pop("trace")
                say_out("\n".join([", ".join(f"{name} = {value}" for name, value in entry.items()), trace]))
            return
        say_out(store.experiment.to_toml())
        seconds, counts = store.timing(), store.counts()
        say_out(
            "\n# finished: " + ", ".join(f"{n} {answer} ({seconds[answer]:.3g} s each)" for answer, n in counts.items())
        )
        say_out(f"# failed: {len(store.failures())}")
        for words in store.experiment.absences():
            say_out(f"# {words}")
        if points := store.line_points():
            say_out(f"# theory between the points of the sweep, for the lines of its picture: {points} points")
        for entry in store.history():
            say_out("# " + ", ".join(f"{name}: {value}" for name, value in entry.items()))
        if len(store.history()) > 1:
            say_out("# this run was made by several versions, commits or machines: its last digits may depend on them")


def _describe(system: "type[System]") -> str:
    """Return in words what a system is, what its answers report, and its references."""
    from tsmech.problem.system import has

    answers = ", ".join(answer for answer in system.answers if has(system, answer))
    lines = [f"{system.name}: {system.title} ({answers})"]
    if system.coordinates:
        along = ", ".join(f"{name} ({one.symbol}, {one.label})" for name, one in system.coordinates.items())
        lines.append(f"along {along}")
    lines += ["observables:", *(f"  {name:24} {one.symbol}, {one.label}" for name, one in system.observables.items())]
    if system.references:
        lines += ["references:", *(f"  {reference}" for reference in system.references)]
    return "\n".join([*lines, f"its parameters: tsmech run {system.name} --help"])


@app.command(cls=Command)
def explore(
    what: Annotated[
        str | None,
        typer.Argument(help="a system, an experiment, or a run directory (./NAME where it could be several)"),
    ] = None,
    port: Annotated[int, typer.Option(help="the port on 127.0.0.1; 0 takes any that is free")] = 5006,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open the page in the browser")] = True,
) -> None:
    """Play with a system in the browser: theory while you drag, simulations arriving; or look at a run."""
    try:
        from tsmech.explore.server import serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("panel", "bokeh", "param"):
            raise
        raise InputError("the explorer needs an extra: pip install 'tsmech[explore]'") from None
    serve(what, port=port, open_browser=browser, ready=lambda address: say(f"tsmech: {address} (Ctrl-C ends it)"))


@app.command(cls=Command)
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
    from tsmech.runs import draw, lacks_lines

    with _open(run) as store:
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
        for path in draw(store, directory, stem, formats, **choice):
            say_out(str(path))


@app.command(cls=Command)
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
    with _open(run) as store:
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


@app.command(cls=Command)
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="systems; all where none is named", metavar="[SYSTEM]...")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="ten times the replicates")] = False,
    short: Annotated[bool, typer.Option("--short", help="a quarter of the replicates")] = False,
    seed: Seed = None,
    workers: Workers = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare the answers: direct with reduced in law, simulations for growing N with theory.

    A row of the table sums up all tests of an observable; comparisons that disagree are shown one by one, and
    --json shows them all.
    """
    from tsmech import compare
    from tsmech.experiment import LARGEST_SEED, whole
    from tsmech.runs import tables
    from tsmech.runs.progress import Meter, Progress
    from tsmech.systems import REGISTRY, find

    systems = [find(name) for name in names or REGISTRY]
    number = whole("seed", 0 if seed is None else seed, 0, LARGEST_SEED)
    if strict and short:
        raise InputError("--strict and --short exclude each other")
    replicates = compare.REPLICATES
    replicates = compare.STRICT_REPLICATES if strict else compare.SHORT_REPLICATES if short else replicates
    with Meter("check", quiet) as meter:

        def report(done: int, total: int, remark: str) -> None:
            meter.show(Progress(total, finished=done, remark=remark))

        verdicts = [
            verdict
            for system in systems
            for verdict in compare.check(
                system, replicates=replicates, seed=number, workers=workers or None, report=report
            )
        ]
    wrong = [verdict._asdict() for verdict in verdicts if not verdict.agrees]
    if as_json:
        say_out(tables.to_json([verdict._asdict() for verdict in verdicts]))
    elif not quiet:
        say_out(tables.to_text(compare.summarise(verdicts)))
        if wrong:
            say_out("\n" + tables.to_text([{**row, "agrees": "NO"} for row in wrong]))
        say_out(f"{len(verdicts)} comparisons with {replicates} replicates, {len(wrong)} disagree")
    if wrong:
        raise typer.Exit(1)


@app.command(cls=Command)
def merge(
    out: Annotated[Path, path_argument("the run directory to make or to add to", "OUT")],
    shards: Annotated[list[Path], path_argument("run directories of shards", "SHARD...")],
    quiet: Quiet = False,
) -> None:
    """Join what the shards of an experiment have done, and say what is missing."""
    from tsmech.runs import add_lines, merging, publish
    from tsmech.runs.progress import Meter

    with merging.merge(out, shards) as store:
        if store.notice:
            print(f"tsmech: {store.notice}", file=sys.stderr)
        with Meter(store.experiment.name, quiet) as meter:
            add_lines(store, meter.show)
        for path in publish(store):
            say_out(str(path), quiet)
        if words := merging.missing(store, shards):
            raise IncompleteError(f"{words}; what is there is merged")
        raise_failure(store)


@app.command(cls=Command)
def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(help="experiments; all where none is named", metavar="[NAME]...")
    ] = None,
    out: Annotated[Path, path_option("where the pictures go")] = Path("figures"),
    runs: Annotated[Path, path_option("where the runs are kept")] = Path("runs"),
    workers: Workers = 0,
    quiet: Quiet = False,
) -> None:
    """Run the experiments that come along and draw their figures."""
    from tsmech.experiment import experiments
    from tsmech.problem.parameters import nearest
    from tsmech.runs import publish, resolve
    from tsmech.store.directory import replace_file

    known = experiments()
    chosen = [name.replace("-", "_") for name in names or known]
    for name in chosen:
        if name not in known:
            raise InputError(f"experiment {shown(name)} is unknown: {nearest(name, known)}")
    for option, folder in (("--out", out), ("--runs", runs)):
        try:
            if not stat.S_ISDIR(folder.stat().st_mode):
                raise InputError(f"{option} {folder} is a file: name a directory")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise InputError(f"{option} {folder} cannot be used: {error.strerror}") from None
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    for name in chosen:
        experiment = resolve(str(known[name]), {})
        for words in experiment.absences():
            say(f"tsmech: {name}: {words}", quiet)
        store = perform(experiment, runs / name, quiet, pictured=True, workers=workers)
        with store:
            for path in publish(store):
                if path.stem == "figure":
                    with replace_file(out / f"{name}{path.suffix}") as partial:
                        shutil.copyfile(path, partial)
                    say(str(out / f"{name}{path.suffix}"), quiet)
            raise_failure(store)
