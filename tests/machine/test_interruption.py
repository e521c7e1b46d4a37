"""Ctrl-C in Python: answered while a kernel computes, and by work that ends by itself as if there were no thread."""

import signal
import subprocess
import sys
import threading

import pytest

from tests.commands import ROOT, TIMEOUT
from tsmech.machine.interruption import interruptible

SESSION = """
import tsmech
from tests.commands import heed_signals

heed_signals()
HOURS = {"duration": 1e9, "samples": 2, "dimension": 1000}
tsmech.OnlineSGD(**HOURS | {"duration": 1.0}).reduced(0)  # nothing is compiled later
for simulate in (
    lambda: tsmech.run("online_sgd", **HOURS, answers="reduced", workers=1, progress=False),
    lambda: tsmech.OnlineSGD(**HOURS).reduced(0),
):
    print("begun", flush=True)
    try:
        simulate()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_a_session_is_given_back_while_a_kernel_computes_for_hours() -> None:
    child = subprocess.Popen([sys.executable, "-c", SESSION], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    alarm = threading.Timer(TIMEOUT, child.kill)
    alarm.start()
    try:
        for _ in range(2):
            assert child.stdout.readline() == "begun\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.3)  # by now the kernel computes
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
        assert child.wait() == 0
    finally:
        alarm.cancel()
        child.kill()
        child.communicate()


def test_work_in_a_thread_returns_and_raises_what_it_does_without() -> None:
    assert interruptible(threading.current_thread) is not threading.main_thread()
    assert interruptible(lambda: interruptible(threading.current_thread) is threading.current_thread())
    for error in (TimeoutError, KeyboardInterrupt):
        with pytest.raises(error, match="as it is"):
            interruptible(lambda error=error: _raise(error("as it is")))


def _raise(error: BaseException) -> None:
    raise error
