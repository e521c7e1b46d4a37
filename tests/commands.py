"""Runs the command line for tests: in this process, or as a child that knows the toy systems."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.gauge import LOG, SECONDS, register
from tsmech import cli
from tsmech.cli import ENDS
from tsmech.engine import dispatch

ROOT = Path(__file__).parent.parent
BLOCK = "BLOCK_SECONDS"
TIMEOUT = 120.0
"""Seconds after which a child that should have ended long ago is ended."""


class Said(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def command(*words: object) -> Said:
    """Run the command line in this process and return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in ENDS}
    try:
        with (
            mock.patch.dict(os.environ),
            mock.patch.object(sys, "argv", ["tsmech", *map(str, words)]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Said(code, out.getvalue(), err.getvalue())


def start(*words: object, cwd: Path, log: Path | None = None, seconds: float = 0.0, **more: Any) -> Any:
    """Start the command line as a child in a session of its own; ``seconds`` is what a toy's simulation takes.

    Blocks of a slow toy are of three simulations, so that what is finished is stored soon.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment |= {LOG: str(log)} if log else {}
    environment |= {SECONDS: str(seconds), BLOCK: str(3 * seconds)} if seconds else {}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.commands", *map(str, words)],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, **more,
    )  # fmt: skip


def finish(child: Any) -> Said:
    """Wait for a child to end and return what it said."""
    try:
        out, err = child.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    return Said(child.returncode, out, err)


def run_child(*words: object, cwd: Path, **more: Any) -> Said:
    """Run the command line as a child to its end."""
    return finish(start(*words, cwd=cwd, **more))


def heed_signals() -> None:
    """Let signals end this process that tests send, though the tests were started by ``nohup`` or in the background."""
    for number in ENDS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


if __name__ == "__main__":
    register()
    heed_signals()
    dispatch.BLOCK_SECONDS = float(os.environ.get(BLOCK, dispatch.BLOCK_SECONDS))
    cli.main()
