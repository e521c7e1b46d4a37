"""The command that runs a system or an experiment: an option for each declared parameter, and those of all runs."""

import os
import sys
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from tsmech.cli.help import arrange
from tsmech.cli.messages import reading, say, say_out
from tsmech.cli.options import (
    Command,
    Executor,
    Json,
    Quiet,
    Scheduler,
    Seed,
    Timeout,
    Workers,
    need_stdout,
    path_option,
)
from tsmech.errors import InputError
from tsmech.words import shown

if TYPE_CHECKING:
    from tsmech.experiment import Experiment
    from tsmech.problem.parameters import Parameter

_VALUES = "Each parameter takes a number, a list (0.1,0.5,1), a range start:stop:count or log:start:stop:count."


class RunCommands(typer.core.TyperGroup):
    """One command a system and a TOML file, made from the system's declared parameters.

    A context is of typer's own copy of click, whose types it does not make public.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names that the help shows; a shell completes the experiments' too."""
        from tsmech.experiment import experiments
        from tsmech.systems import REGISTRY

        return [*REGISTRY, *(experiments() if ctx.resilient_parsing else ())]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Ask for a name where there is none."""
        if not args and not ctx.resilient_parsing:
            raise InputError("name a system, an experiment or a TOML file: tsmech run --help lists the systems")
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a system or an experiment."""
        return _run_command(cmd_name)


def _run_command(name: str) -> Any:
    """Return the command that runs a system or an experiment: an option a parameter, made from the declarations."""
    from tsmech.experiment import find_file, toml_files
    from tsmech.systems import REGISTRY, find

    file = None if name.replace("-", "_") in REGISTRY else find_file(name)
    if file is None and name.replace("-", "_") not in REGISTRY:
        from tsmech.experiment import experiments
        from tsmech.words import nearest

        raise InputError(
            f"{shown(name)} is neither a system nor an experiment: {nearest(name, [*REGISTRY, *experiments()])}"
        )
    system = find(name) if file is None else toml_files.system(file)
    declared = system.parameters()

    def perform(**given: Any) -> None:
        parameters = {known: given.pop(known) for known in declared}
        _run(name, {known: words for known, words in parameters.items() if words is not None}, **given)

    command: Any = perform  # whose signature typer reads
    command.__doc__ = f"{system.title}.\n\n{_VALUES}"
    options = [_option(parameter) for parameter in declared.values()]
    fixed = Signature.from_callable(_run_options).parameters.values()
    command.__signature__ = Signature([*options, *fixed])
    command.__annotations__ = {option.name: option.annotation for option in [*options, *fixed]}
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    cited = "\n\n".join(str(reference) for reference in system.references)
    single.command(name, cls=Command, epilog=f"References:\n\n{cited}" if cited else None)(command)
    return arrange(typer.main.get_command(single), declared)


def _option(parameter: "Parameter") -> Argument:
    default = "" if parameter.required or parameter.default is None else f"; default {parameter.default}"
    flag = "--" + parameter.name.replace("_", "-")
    if parameter.kinds == ("bool",):
        switch = typer.Option(f"{flag}/--no-{flag[2:]}", help=parameter.help, show_default=False)
        return Argument(parameter.name, Argument.KEYWORD_ONLY, default=None, annotation=Annotated[bool | None, switch])
    described = typer.Option(flag, help=f"{parameter.help}; {parameter.allowed}{default}", metavar=parameter.symbol)
    annotation = Annotated[str | None, described]
    return Argument(parameter.name, Argument.KEYWORD_ONLY, default=None, annotation=annotation)


def _run_options(
    *,
    answers: Annotated[
        str | None, typer.Option(help="theory, reduced, direct, each where it exists (default: all)")
    ] = None,
    replicates: Annotated[str | None, typer.Option(help="draws of each simulation at each point", metavar="N")] = None,
    target_error: Annotated[
        str | None,
        typer.Option(help="add replicates until the relative standard error is so small; needs --max-replicates"),
    ] = None,
    max_replicates: Annotated[str | None, typer.Option(help="most draws of --target-error", metavar="N")] = None,
    seed: Seed = None,
    out: Annotated[Path | None, path_option("the run directory (default: runs/NAME-HASH)")] = None,
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
    from tsmech.problem.observables import observable_of
    from tsmech.runs import LONG_STEPS, most_steps, publish, resolve, tables
    from tsmech.runs.report import MOST_TABLES, remarks, shown_columns, summarise
    from tsmech.runs.shards import WHOLE, Shard

    with reading(name, quiet):
        experiment = resolve(name, parameters, **wanted)
    share = WHOLE if shard is None else Shard.read(shard)
    if dry_run or as_json or share != WHOLE:  # where no report follows that says it
        for words in experiment.absences():
            say(f"tsmech: {words}", quiet)
    if dry_run:
        say_out(experiment.to_toml())
        return
    if as_json and out is None:
        need_stdout("--json")
    if share != WHOLE and as_json and out is None:
        raise InputError(f"--shard {share} with --json needs a directory to be merged from: give --out")
    if (steps := most_steps(experiment)) > LONG_STEPS:
        estimate = f"one simulation takes about {steps:.1g} steps, more than {LONG_STEPS:.0g}"
        if sys.stdin.isatty() and not yes:
            raise InputError(f"{estimate}: --yes begins it")
        say(estimate, quiet)
    suffix = share.suffix if share != WHOLE else ""
    directory = out or (None if as_json else Path("runs") / f"{experiment.name}-{experiment.digest()}{suffix}")
    places: dict[str, Any] = {"workers": workers, "executor": executor, "scheduler": scheduler, "timeout": timeout}
    if fresh and directory is not None:
        places["begin"] = lambda: _discard(directory, quiet)
    silent = quiet or (as_json and not sys.stderr.isatty())
    with perform(experiment, directory, silent, shard=share, pictured=directory is not None, **places) as store:
        if store.surplus:
            say(f"tsmech: {store.surplus}", quiet)
        files = publish(store)
        if as_json:
            print(tables.to_json(store.rows()))
            for line in remarks(store):
                say(line, quiet)
        elif share != WHOLE:
            counts = ", ".join(f"{count} {answer}" for answer, count in store.counts().items())
            say_out(f"shard {share}: finished {counts}; tsmech merge joins {directory} with the others", quiet)
        elif not quiet:
            columns = shown_columns(store)
            for column in columns[:MOST_TABLES]:
                name = observable_of(column)
                entry = f", {column}" if column != name else ""
                say_out(f"{experiment.system.observables[name].label}{entry}:")
                table = summarise(store, column)
                say_out(tables.to_text(table.rows))
            if (more := len(columns) - MOST_TABLES) > 0:
                say_out(f"and {more} more, in the table of the run")
            for line in [*table.notes, *remarks(store)]:
                say_out(line)
            for path in files:
                say_out(str(path))
        raise_failure(store)


def perform(
    experiment: "Experiment",
    directory: Path | None,
    quiet: bool,
    *,
    workers: int,
    executor: str | None = None,
    timeout: str | None = None,
    **more: Any,
) -> Any:
    """Carry an experiment out with a progress display, in this process where nothing is simulated."""
    from tsmech.runs import carry_out
    from tsmech.runs.progress import Meter

    try:
        seconds = None if timeout is None else float(timeout)
    except ValueError:
        raise InputError(f"timeout = {shown(timeout)} is not allowed: it must be a number of seconds above 0") from None
    if executor is None and not any(map(experiment.simulates, experiment.answers)):
        workers = 0
    elif executor is None:
        executor = "local"  # even for one worker: a simulation may hang, be killed, or take all the memory
    with Meter(experiment.name, quiet) as meter:
        places: dict[str, Any] = {"workers": workers or None, "executor": executor, "timeout": seconds}
        store = carry_out(experiment, directory, report=meter.show, **places, **more)
    if store.notice:
        say(f"tsmech: {store.notice}")
    return store


def raise_failure(store: Any) -> None:
    """Raise the error that says which tasks failed, if any did."""
    from tsmech.runs import failure

    error = failure(store)
    if error is not None:
        raise error


def _discard(directory: Path, quiet: bool) -> None:
    from tsmech.store.directory import contents, discard

    if os.path.isdir(directory) and contents(directory):
        discard(directory, lambda names: say(f"removing {', '.join(names)} in {directory}", quiet))
