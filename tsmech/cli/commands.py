"""The commands: each reads what a person typed, makes one call of the library, and prints."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from tsmech.cli.run import Json, Quiet, RunCommands, Seed, Workers, need_stdout, perform, raise_failure, say, say_out
from tsmech.errors import IncompleteError, InputError

Run = Annotated[Path, typer.Argument(help="a run directory", metavar="RUN")]

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


@app.command("list")
def list_all() -> None:
    """List the systems, with the answers that each has, and the experiments that come along."""
    from tsmech.experiment import experiments, from_file
    from tsmech.systems import REGISTRY, find
    from tsmech.systems.contract import ANSWERS

    print("systems (tsmech run NAME --help):")
    for name in REGISTRY:
        system = find(name)
        has = ", ".join(answer for answer in ANSWERS if hasattr(system, f"{answer}_curve"))
        print(f"  {name:24} {system.title} ({has})")
    print("experiments (tsmech run NAME):")
    for name, path in experiments().items():
        print(f"  {name:24} {from_file(path).title}")


@app.command()
def show(
    what: Annotated[str, typer.Argument(help="a run directory, an experiment's name or a TOML file")],
    failures: Annotated[bool, typer.Option("--failures", help="show what failed, with tracebacks")] = False,
) -> None:
    """Show a resolved experiment, and what a run directory holds of it."""
    from tsmech.experiment import find_file
    from tsmech.runs import resolve
    from tsmech.store import Store

    if not Path(what).is_dir():
        if find_file(what) is None:
            raise InputError(f"{what} is neither a run directory nor an experiment, nor a TOML file")
        print(resolve(what, {}).to_toml())
        return
    with Store.open(Path(what)) as store:
        if failures:
            for entry in store.failures():
                trace = entry.pop("trace")
                print(", ".join(f"{name} = {value}" for name, value in entry.items()), trace, sep="\n")
            return
        print(store.experiment.to_toml())
        seconds, counts = store.timing(), store.counts()
        print(
            "\n# finished: " + ", ".join(f"{n} {answer} ({seconds[answer]:.3g} s each)" for answer, n in counts.items())
        )
        print(f"# failed: {len(store.failures())}")
        print("# " + ", ".join(f"{name}: {value}" for name, value in store.provenance().items()))


@app.command()
def plot(
    run: Run,
    x: Annotated[str | None, typer.Option(help="horizontal axis: a parameter or the coordinate")] = None,
    y: Annotated[
        str | None,
        typer.Option(help="observables, separated by commas: one panel each; with --value the vertical axis of a map"),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="the parameter whose values have their own colours (or panels)")
    ] = None,
    value: Annotated[str | None, typer.Option(help="draw a map of this observable over --x and --y")] = None,
    together: Annotated[
        bool | None, typer.Option("--together/--apart", help="all observables in one panel, told apart by colour")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write OUT.png and OUT.svg (default: the run's figure)")] = None,
) -> None:
    """Redraw a run without computing it again."""
    from tsmech.runs import draw
    from tsmech.store import Store

    with Store.open(run) as store:
        target = out.with_suffix("") if out and out.suffix in (".png", ".svg") else out
        directory, stem = (target.parent, target.name) if target else (run, "figure")
        if not directory.is_dir():
            raise InputError(f"--out {out} cannot be written: {directory} is not a directory")
        listed = y.split(",") if y else None
        for path in draw(store, directory, stem, x=x, y=listed, by=by, value=value, together=together):
            print(path)


@app.command()
def export(
    run: Run,
    kind: Annotated[str, typer.Option("--format", help="csv, json or parquet")] = "csv",
    out: Annotated[Path | None, typer.Option(help="the file to write (default: stdout; parquet needs a file)")] = None,
) -> None:
    """Export a run's summary table."""
    from tsmech import tables
    from tsmech.store import Store

    if kind not in tables.FORMATS:
        raise InputError(f"--format {kind} is unknown: it must be one of {', '.join(tables.FORMATS)}")
    if kind == "parquet" and out is None:
        raise InputError("--format parquet needs a file: give --out FILE")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(f"--out {out} cannot be written: name a file in a directory that exists")
    if out is None:
        need_stdout("export")
    with Store.open(run) as store:
        if out is not None:
            tables.write(store.rows(), out, kind)
        else:
            sys.stdout.write(tables.to_csv(store.rows()) if kind == "csv" else tables.to_json(store.rows()) + "\n")


@app.command()
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
    from tsmech import compare, tables
    from tsmech.experiment import whole
    from tsmech.progress import Meter, Progress
    from tsmech.systems import REGISTRY, find

    systems = [find(name) for name in names or REGISTRY]
    number = whole("seed", seed or 0, 0)
    if strict and short:
        raise InputError("--strict and --short exclude each other")
    replicates = compare.REPLICATES
    replicates = compare.STRICT_REPLICATES if strict else compare.SHORT_REPLICATES if short else replicates
    with Meter("check", quiet) as meter:

        def report(done: int, total: int) -> None:
            meter.show(Progress(total, finished=done))

        verdicts = [
            verdict
            for system in systems
            for verdict in compare.check(
                system, replicates=replicates, seed=number, workers=workers or None, report=report
            )
        ]
    wrong = [verdict._asdict() for verdict in verdicts if not verdict.agrees]
    if as_json:
        print(tables.to_json([verdict._asdict() for verdict in verdicts]))
    elif not quiet:
        print(tables.to_text(compare.summarise(verdicts)))
        if wrong:
            print("\n" + tables.to_text([{**row, "agrees": "NO"} for row in wrong]))
        print(f"{len(verdicts)} comparisons with {replicates} replicates, {len(wrong)} disagree")
    if wrong:
        raise typer.Exit(1)


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="the run directory to make or to add to", metavar="OUT")],
    shards: Annotated[list[Path], typer.Argument(help="run directories of shards", metavar="SHARD...")],
    quiet: Quiet = False,
) -> None:
    """Join what the shards of an experiment have done, and say what is missing."""
    from tsmech import shards as joining
    from tsmech.runs import publish

    with joining.merge(out, shards) as store:
        for path in publish(store):
            say_out(str(path), quiet)
        if words := joining.missing(store, shards):
            raise IncompleteError(f"{words}; what is there is merged")
        raise_failure(store)


@app.command()
def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(help="experiments; all where none is named", metavar="[NAME]...")
    ] = None,
    out: Annotated[Path, typer.Option(help="where the pictures go")] = Path("figures"),
    runs: Annotated[Path, typer.Option(help="where the runs are kept")] = Path("runs"),
    workers: Workers = 0,
    quiet: Quiet = False,
) -> None:
    """Run the experiments that come along and draw their figures."""
    from tsmech.experiment import experiments
    from tsmech.runs import publish, resolve
    from tsmech.systems.parameters import nearest

    known = experiments()
    chosen = [name.replace("-", "_") for name in names or known]
    for name in chosen:
        if name not in known:
            raise InputError(f"experiment {name} is unknown: {nearest(name, known)}")
    for option, folder in (("--out", out), ("--runs", runs)):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{option} {folder} is a file: name a directory")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    for name in chosen:
        store = perform(resolve(str(known[name]), {}), runs / name, quiet, workers=workers)
        with store:
            for path in publish(store):
                if path.stem == "figure":
                    shutil.copyfile(path, out / f"{name}{path.suffix}")
                    say(str(out / f"{name}{path.suffix}"), quiet)
            raise_failure(store)
