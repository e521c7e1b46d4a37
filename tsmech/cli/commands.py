"""The commands but `run`, `plot` and `export`, which have modules of their own: one call of the library each."""

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmech.cli.messages import reading, say, say_out
from tsmech.cli.options import Command, Json, Quiet, Seed, Workers, path_argument, path_option
from tsmech.cli.products import export, open_store, plot
from tsmech.cli.run import RunCommands, perform, raise_failure
from tsmech.errors import IncompleteError, InputError
from tsmech.words import shown

if TYPE_CHECKING:
    from tsmech.problem.system import System

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
def cite(
    what: Annotated[str, typer.Argument(help="a system, an experiment's name, a TOML file or a run directory")],
) -> None:
    """Print what a system rests on, or that of an experiment or a run, and tsmech itself, as BibTeX."""
    from tsmech.experiment import experiments, find_file, toml_files
    from tsmech.systems import REGISTRY, find
    from tsmech.words import nearest

    if what.replace("-", "_") in REGISTRY:
        say_out(find(what).bibtex())
        return
    if (file := find_file(what)) is not None:
        system, source = toml_files.system(file), toml_files.source(file)
    elif what and os.path.isdir(what):
        with open_store(Path(what)) as store:
            system, source = store.experiment.system, store.experiment.source
    else:
        hint = nearest(what, [*REGISTRY, *experiments()])
        raise InputError(f"{shown(what)} is neither a system nor an experiment, a TOML file or a run directory: {hint}")
    after = f" (after {source})" if source else ""
    say(f"tsmech: {shown(what)}{after} asks the system {system.name}, which rests on")
    say_out(system.bibtex())


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
    with open_store(Path(what)) as store:
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


app.command(cls=Command)(plot)
app.command(cls=Command)(export)


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
    from tsmech.runs import publish, resolve
    from tsmech.store.directory import replace_file
    from tsmech.words import nearest

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
