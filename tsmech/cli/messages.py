"""What commands say: words made printable, on stdout or stderr, that reading takes long, and how a run is continued."""

import contextlib
import shlex
import sys
import threading
from collections.abc import Iterator

from tsmech.words import printable

PATIENCE = 2.0
"""Seconds of reading after which it is said that it goes on."""


def say(words: str, quiet: bool = False) -> None:
    """Print words on stderr, made printable."""
    if not quiet:
        print(printable(words), file=sys.stderr)


def say_out(words: str, quiet: bool = False) -> None:
    """Print words on stdout, made printable."""
    if not quiet:
        print(printable(words))


def again(arguments: list[str]) -> str:
    """Return in words how an interrupted command is continued."""
    if arguments[:1] not in (["run"], ["reproduce"]):
        return ""
    again = shlex.join(["tsmech", *(word for word in arguments if word != "--fresh")])
    lost = "--json" in arguments and not any(word.startswith("--out") for word in arguments)
    return f". To start again: {again}" if lost else f"; what is finished is kept. To continue: {again}"


@contextlib.contextmanager
def reading(name: str, quiet: bool = False) -> Iterator[None]:
    """Say where it takes long to read what a person names, spectra of tables too."""
    words = f"{name}: resolving parameters; files, if any, and their spectra are read here"
    timer = threading.Timer(PATIENCE, say, (words, quiet))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
