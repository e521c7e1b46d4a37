"""The command line: reads what a person typed, calls the library, prints.

Machine output goes to stdout; progress, warnings and errors to stderr.  Exit codes: 0 done, 1 a bug or answers that
disagree, 2 usage, 3 a solver did not converge, 4 some points failed or could not be stored, 130 interrupted.
"""

import io
import os
import shlex
import shutil
import signal
import sys
import traceback
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from tsmech.errors import CutShortError, IncompleteError, InputError, TsmechError
from tsmech.threads import ONE_THREAD

if TYPE_CHECKING:
    from tsmech.experiment import Experiment
    from tsmech.systems.parameters import Parameter

INTERRUPTED = 130

_VALUES = "Each parameter takes a number, a list (0.1,0.5,1), a range start:stop:count or log:start:stop:count."

Json = Annotated[bool, typer.Option("--json", help="print the result as JSON on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but errors")]
Seed = Annotated[str | None, typer.Option(help="the number that all randomness comes from", metavar="N")]
Workers = Annotated[
    int, typer.Option(help="worker processes (default: the number of cores)", min=0, show_default=False)
]
Executor = Annotated[
    str | None, typer.Option(help="where to compute: local (worker processes) or dask (a cluster)", metavar="WHERE")
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="the Dask scheduler's address (default: a cluster on this machine)", metavar="ADDRESS"),
]
Timeout = Annotated[
    str | None, typer.Option(help="seconds that one replicate may take; a longer one fails", metavar="SECONDS")
]
Run = Annotated[Path, typer.Argument(help="a run directory", metavar="RUN")]


class _RunCommands(typer.core.TyperGroup):
    """One command a system and a TOML file, made from the system's declared parameters."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        from tsmech.systems import REGISTRY

        return list(REGISTRY)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        return _run_command(cmd_name)


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda s: s.replace("_", "-"),
    },
)
app.add_typer(
    typer.Typer(cls=_RunCommands),
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
    """List the systems and the experiments that come along."""
    from tsmech.experiment import experiments, from_file
    from tsmech.systems import REGISTRY, find

    print("systems (tsmech run NAME --help):")
    for name in REGISTRY:
        print(f"  {name:24} {find(name).title}")
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
                system, replicates=replicates, seed=number, workers=workers or _cores(), report=report
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
            _say_out(str(path), quiet)
        if words := joining.missing(store, shards):
            raise IncompleteError(f"{words}; what is there is merged")
        _raise_failure(store)


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
        store = _perform(resolve(str(known[name]), {}), runs / name, quiet, workers=workers)
        with store:
            for path in publish(store):
                if path.stem == "figure":
                    shutil.copyfile(path, out / f"{name}{path.suffix}")
                    _say(str(out / f"{name}{path.suffix}"), quiet)
            _raise_failure(store)


def _run_command(name: str) -> Any:
    """Return the command that runs a system or an experiment: an option a parameter, made from the declarations."""
    from tsmech.experiment import find_file, from_file
    from tsmech.systems import REGISTRY, find

    file = None if name.replace("-", "_") in REGISTRY else find_file(name)
    if file is None and name.replace("-", "_") not in REGISTRY:
        from tsmech.experiment import experiments
        from tsmech.systems.parameters import nearest

        raise InputError(f"{name} is neither a system nor an experiment: {nearest(name, [*REGISTRY, *experiments()])}")
    system = find(name) if file is None else from_file(file).system
    declared = system.parameters()

    def command(**given: Any) -> None:
        parameters = {known: given.pop(known) for known in declared}
        _run(name, {known: words for known, words in parameters.items() if words is not None}, **given)

    command.__doc__ = f"{system.title}.\n\n{_VALUES}"
    options = [_option(parameter) for parameter in declared.values()]
    fixed = Signature.from_callable(_run_options).parameters.values()
    command.__signature__ = Signature([*options, *fixed])  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in [*options, *fixed]}
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(command)
    return typer.main.get_command(single)


def _option(parameter: "Parameter") -> Argument:
    default = "" if parameter.required or parameter.default is None else f"; default {parameter.default}"
    flag = "--" + parameter.name.replace("_", "-")
    described = typer.Option(flag, help=f"{parameter.help}; {parameter.allowed}{default}", metavar=parameter.symbol)
    annotation = Annotated[str | None, described]
    return Argument(parameter.name, Argument.KEYWORD_ONLY, default=None, annotation=annotation)


def _run_options(
    *,
    answers: Annotated[str | None, typer.Option(help="theory, reduced, direct (default: all that exist)")] = None,
    replicates: Annotated[str | None, typer.Option(help="draws of each simulation at each point", metavar="N")] = None,
    target_error: Annotated[
        str | None,
        typer.Option(help="add replicates until the relative standard error is so small; needs --max-replicates"),
    ] = None,
    max_replicates: Annotated[str | None, typer.Option(help="most draws of --target-error", metavar="N")] = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(help="the run directory (default: runs/NAME-HASH)")] = None,
    workers: Workers = 0,
    executor: Executor = None,
    scheduler: Scheduler = None,
    timeout: Timeout = None,
    shard: Annotated[
        str | None, typer.Option(help="run this share alone, for tsmech merge to join", metavar="K/N")
    ] = None,
    as_json: Json = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="remove what the run directory holds and start anew")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the resolved experiment, run nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="begin a very long run without asking")] = False,
    quiet: Quiet = False,
) -> None:
    """Declare the options that every run has."""


def _run(
    name: str,
    parameters: dict[str, str],
    *,
    out: Path | None,
    workers: int,
    executor: str | None,
    scheduler: str | None,
    timeout: str | None,
    shard: str | None,
    as_json: bool,
    fresh: bool,
    dry_run: bool,
    yes: bool,
    quiet: bool,
    **wanted: str | None,
) -> None:
    from tsmech import tables
    from tsmech.plots.picture import choose
    from tsmech.runs import LONG_STEPS, most_steps, publish, remarks, resolve, summarise
    from tsmech.shards import WHOLE, Shard

    experiment = resolve(name, parameters, **wanted)
    share = WHOLE if shard is None else Shard.read(shard)
    if dry_run:
        print(experiment.to_toml())
        return
    if share != WHOLE and as_json and out is None:
        raise InputError(f"--shard {shard} with --json needs a directory to be merged from: give --out")
    if (steps := most_steps(experiment)) > LONG_STEPS:
        estimate = f"one simulation takes about {steps:.1g} steps, more than {LONG_STEPS:.0g}"
        if sys.stdin.isatty() and not yes:
            raise InputError(f"{estimate}: --yes begins it")
        _say(estimate, quiet)
    suffix = share.suffix if share != WHOLE else ""
    directory = out or (None if as_json else Path("runs") / f"{experiment.name}-{experiment.digest()}{suffix}")
    if fresh and directory is not None:
        _discard(directory, quiet)
    places: dict[str, Any] = {"workers": workers, "executor": executor, "scheduler": scheduler, "timeout": timeout}
    silent = quiet or (as_json and not sys.stderr.isatty())
    with _perform(experiment, directory, silent, shard=share, **places) as store:
        files = publish(store)
        if as_json:
            print(tables.to_json(store.rows()))
        elif share != WHOLE:
            counts = ", ".join(f"{count} {answer}" for answer, count in store.counts().items())
            _say_out(f"shard {share}: finished {counts}; tsmech merge joins {directory} with the others", quiet)
        elif not quiet:
            observable = choose(store.experiment).observables[0]
            print(f"{experiment.system.observables[observable].label}:")
            print(tables.to_text(summarise(store, observable)))
            for line in remarks(store):
                print(line)
            for path in files:
                print(path)
        _raise_failure(store)


def _perform(
    experiment: "Experiment",
    directory: Path | None,
    quiet: bool,
    *,
    workers: int,
    executor: str | None = None,
    timeout: str | None = None,
    **more: Any,
) -> Any:
    """Carry an experiment out with a progress display, in this process where it is only theory."""
    from tsmech.interruption import end_in_time
    from tsmech.progress import Meter
    from tsmech.runs import carry_out

    try:
        seconds = None if timeout is None else float(timeout)
    except ValueError:
        raise InputError(f"timeout = {timeout} is not allowed: it must be a number of seconds above 0") from None
    if executor is None and set(experiment.answers) == {"theory"}:
        workers = 1
    elif executor is None:
        executor = "local"  # though it be one worker: a simulation may hang, be killed, or take all the memory
    with Meter(experiment.name, quiet) as meter, end_in_time(_end_interrupted):
        places: dict[str, Any] = {"workers": workers or _cores(), "executor": executor, "timeout": seconds}
        store = carry_out(experiment, directory, report=meter.show, **places, **more)
    if store.notice:
        print(f"tsmech: {store.notice}", file=sys.stderr)
    return store


def _raise_failure(store: Any) -> None:
    from tsmech.runs import failure

    error = failure(store)
    if error is not None:
        raise error


def _discard(directory: Path, quiet: bool) -> None:
    from tsmech.store.directory import contents, discard

    if directory.is_dir() and contents(directory):
        discard(directory, lambda names: _say(f"removing {', '.join(names)} in {directory}", quiet))


def _say(words: str, quiet: bool) -> None:
    if not quiet:
        print(words, file=sys.stderr)


def _say_out(words: str, quiet: bool) -> None:
    if not quiet:
        print(words)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv[1:])
    os.environ.update(ONE_THREAD)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where it cannot show ± or σ
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        code = app(args=arguments, standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (TsmechError, typer.TyperException) as error:
        if debug:
            traceback.print_exc()
        if words := _one_line(error):  # the help that a bare command shows has none
            words += (
                _again(arguments).removeprefix("; what is finished is kept") if isinstance(error, CutShortError) else ""
            )
            print(f"tsmech: {words}", file=sys.stderr)
        code = error.exit_code
    except SystemExit:  # what typer makes of a reader of stdout that went away
        code = 0
    except OSError as error:
        if debug:
            traceback.print_exc()
        # stdout cannot take more, at its closing neither
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0 if isinstance(error, BrokenPipeError) else 4
        if code:
            print(f"tsmech: {error.filename or 'the output'} cannot be written: {error.strerror}", file=sys.stderr)
    except Exception as error:
        if debug:
            traceback.print_exc()
        words = f"{type(error).__name__}: {_one_line(error)}"
        print(f"tsmech: this is a bug: {words} (--debug shows where)", file=sys.stderr)
        code = 1
    if code == INTERRUPTED:
        print(f"tsmech: interrupted{_again(arguments)}", file=sys.stderr)
    sys.exit(code or 0)


def _again(arguments: list[str]) -> str:
    """Return how the command that is interrupted is continued."""
    if arguments[:1] not in (["run"], ["reproduce"]):
        return ""
    again = shlex.join(["tsmech", *(word for word in arguments if word != "--fresh")])
    lost = "--json" in arguments and not any(word.startswith("--out") for word in arguments)
    return f". To start again: {again}" if lost else f"; what is finished is kept. To continue: {again}"


def _end_interrupted() -> None:
    """End a process that does not come to its end by itself."""
    print(f"tsmech: interrupted{_again([word for word in sys.argv[1:] if word != '--debug'])}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _one_line(error: Exception) -> str:
    words = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    return " ".join(words.split())


def _interrupt(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # people press twice; the end is near
    raise KeyboardInterrupt
