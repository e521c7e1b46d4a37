"""What options and arguments of several commands have in common: how they are declared, and what is refused of them."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from tsmech.errors import InputError
from tsmech.words import shown


def _path(words: str) -> Path:
    if not words:
        raise typer.BadParameter("it is empty: give a name")
    return Path(words)


def path_option(help: str, metavar: str = "PATH") -> Any:
    """Declare an option that is a path: an empty one is refused, which an unset variable of a shell leaves."""
    return typer.Option(help=help, metavar=metavar, parser=_path)


def path_argument(help: str, metavar: str) -> Any:
    """Declare an argument that is a path, likewise."""
    return typer.Argument(help=help, metavar=metavar, parser=_path)


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
    typer.Option(help="the Dask scheduler's address", metavar="ADDRESS"),
]
Timeout = Annotated[
    str | None, typer.Option(help="seconds that one replicate may take; a longer one fails", metavar="SECONDS")
]


class Command(typer.core.TyperCommand):
    """A command that refuses an option which is given twice, instead of using the last."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a command line."""
        order = self.make_parser(ctx).parse_args(list(args))[2]
        for parameter, count in Counter(order).items():
            if count > 1:
                raise InputError(f"{parameter.opts[0]} is given {count} times: give it once")
        return super().parse_args(ctx, args)


def check_out(path: Path) -> None:
    """Refuse a file that cannot be written because of its name or its place, before anything is computed."""
    from tsmech.store.directory import check_regular

    try:
        usable = path.parent.is_dir()
        if usable and path.name:
            path.with_name(f".{path.name}.partial").exists()  # in which it is made; refuses a name that is too long
    except OSError as error:
        raise InputError(f"--out {shown(str(path))} cannot be written: {error.strerror}") from None
    if not usable:
        raise InputError(f"--out {shown(str(path))} cannot be written: name a file in a directory that exists")
    check_regular(path)


def need_stdout(words: str) -> None:
    """Refuse a command whose result would be written to a closed stdout."""
    if getattr(sys.stdout, "name", "") == os.devnull:
        raise InputError(f"{words} writes on stdout, which is closed: give --out")
