"""The command line: reads what a person typed, calls the library, prints.

Machine output goes to stdout; progress, warnings and errors to stderr.  Exit codes: 0 done, 1 a bug or answers that
disagree, 2 usage, 3 a solver did not converge, 4 some points failed or could not be stored, 130 interrupted.
"""

import errno
import functools
import io
import os
import signal
import sys
import traceback
from typing import Any

import typer
import typer.main

from tsmech.cli.commands import app
from tsmech.cli.help import arrange
from tsmech.cli.messages import again, say
from tsmech.errors import CutShortError, TsmechError
from tsmech.machine.threads import ONE_THREAD
from tsmech.words import one_line

INTERRUPTED = 130
"""The exit code of a command that was interrupted."""
ENDS = [known for known in signal.Signals if known.name in ("SIGINT", "SIGTERM", "SIGHUP")]
"""Signals that end a run as Ctrl-C does: what is finished is kept, and the words say how to go on."""


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv[1:])
    os.environ.update(ONE_THREAD)
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where it cannot show ± or σ
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        code = _commands()(arguments, "tsmech", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (TsmechError, typer.TyperException) as error:
        if debug:
            traceback.print_exc()
        if words := _one_line(error):  # the help that a bare command shows has none
            words += (
                again(arguments).removeprefix("; what is finished is kept") if isinstance(error, CutShortError) else ""
            )
            say(f"tsmech: {words}")
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
            say(f"tsmech: {error.filename or 'the output'} cannot be written: {error.strerror}")
    except Exception as error:  # a bug: one line and exit code 1, a traceback where --debug asks for it
        if debug:
            traceback.print_exc()
        words = f"{type(error).__name__}: {_one_line(error)}"
        say(f"tsmech: this is a bug: {words} (--debug shows where)")
        code = 1
    if code == INTERRUPTED:
        from tsmech.machine.interruption import is_left_computing

        say(f"tsmech: interrupted{again(arguments)}")
        if is_left_computing():  # beside which the interpreter would come to its end slowly
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code or 0)


@functools.cache
def _commands() -> Any:
    """Return the commands, made from the signatures of their functions, with their help arranged."""
    return arrange(typer.main.get_command(app))


def _open_what_is_closed() -> None:
    """Open closed standard streams onto the null device, so that no file opened later takes their number."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
            if descriptor:
                os.write(descriptor, b"")
        except OSError as error:
            if error.errno != errno.EBADF:
                continue  # a full disk, say, of which a person must hear
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, open(os.devnull, "w" if descriptor else "r"))  # noqa: SIM115  (it stays open, and its name says that it is lost)


def _one_line(error: Exception) -> str:
    words = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    return one_line(words)


def _interrupt(*_: object) -> None:
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)  # people press twice; the end is near
    raise KeyboardInterrupt
