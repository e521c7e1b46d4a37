"""Started with stdin, stdout or stderr closed, as services and shells do: what is asked is done in silence."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT, TIMEOUT
from tests.gauge import register
from tsmech.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


RUN = ("run", "gauge", "--level", 1, "--replicates", 2, "--out", "d")


def run_closed(tmp_path: Path, closed: tuple[int, ...], *words: object, how: str = "close") -> tuple[int, str]:
    """Run the command line without some of its three streams; return its exit code and what it said on the others."""

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)
            if how == "read-only":
                assert os.open(os.devnull, os.O_RDONLY) == descriptor

    child = subprocess.run(
        [sys.executable, "-m", "tests.commands", *map(str, words)],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=TIMEOUT, text=True, preexec_fn=close,
        stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    return child.returncode, child.stdout + child.stderr


SETS = [s for n in (1, 2, 3) for s in itertools.combinations(range(3), n)]


@pytest.mark.parametrize("closed", [(0, 1, 2), *(pytest.param(s, marks=pytest.mark.slow) for s in SETS)], ids=str)
def test_a_run_is_made_in_silence(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """Its file does not take the place of a closed stream, into which others write."""
    code, said = run_closed(tmp_path, closed, *RUN)
    assert code == 0, said
    assert "bug" not in said
    with Store.open(tmp_path / "d") as store:
        assert store.counts() == {"theory": 1, "reduced": 2, "direct": 2}
    assert (tmp_path / "d" / "table.csv").is_file()


EXPORT, JSON = ("export", "d"), ("run", "gauge", "--level", 1, "--json")


@pytest.mark.parametrize(
    ("words", "how"),
    [
        (EXPORT, "close"),
        (JSON, "read-only"),
        pytest.param(EXPORT, "read-only", marks=pytest.mark.slow),
        pytest.param(JSON, "close", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_what_would_be_lost_is_refused_in_one_line(tmp_path: Path, words: tuple[Any, ...], how: str) -> None:
    code, said = run_closed(tmp_path, (1,), *words, how=how)
    assert code == 2
    (line,) = said.splitlines()
    assert "stdout, which is closed" in line


def test_an_error_without_a_stderr_is_its_exit_code(tmp_path: Path) -> None:
    assert run_closed(tmp_path, (2,), "run", "gauge", "--level", "high") == (2, "")
    assert run_closed(tmp_path, (1, 2), "list") == (0, "")
