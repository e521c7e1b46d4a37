"""How the command starts, what it loads and leaves alone, and the ways to it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tsmech
from tests.commands import TIMEOUT, command
from tests.gauge import Gauge

SMALL = ("--workers", 1, "--replicates", 2)


CHILD = """
import sys
sys.argv = ["tsmech", *{words!r}]
from tsmech.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(*(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], ["numpy", "scipy", "pandas", "numba", "matplotlib", "sqlite3", "multiprocessing"]),
        (
            ["run", "ridge", "--alpha", "2", "--answers", "theory", "--json"],
            ["scipy", "pandas", "numba", "matplotlib", "pyarrow"],
        ),
        (["run", "ridge", "--help"], ["scipy", "pandas", "numba", "matplotlib"]),
    ],
)
def test_what_is_not_needed_is_not_imported(words: list[str], heavy: list[str]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD.format(words=words, heavy=heavy)], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert child.returncode == 0, child.stderr
    assert child.stderr.split() == []
    assert child.stdout


def test_the_command_is_installed() -> None:
    script = Path(sys.executable).with_name("tsmech")
    child = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=TIMEOUT)
    assert (child.returncode, child.stdout) == (0, f"{tsmech.__version__}\n")


def test_an_output_without_greek_is_no_error() -> None:
    script = Path(sys.executable).with_name("tsmech")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    words = [script, "run", "ridge", "--help"]
    child = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, env=environment)
    assert (child.returncode, child.stderr) == (0, "")
    assert "penalty" in child.stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = f"'{Path(sys.executable).with_name('tsmech')}' list | true; exit ${{PIPESTATUS[0]}}"
    child = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=TIMEOUT)
    assert (child.returncode, child.stderr) == (0, "")


# Ways to it


def test_python_can_run_the_module() -> None:
    run = (subprocess.run([*way, "--version"], capture_output=True, text=True, timeout=TIMEOUT) for way in WAYS)
    assert [child.stdout for child in run] == [f"{tsmech.__version__}\n"] * 2


WAYS = ([sys.executable, "-m", "tsmech"], [Path(sys.executable).with_name("tsmech")])


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tsmech exp", ["explore", "export"]),
        ("tsmech run gradient", ["gradient-flow"]),
        ("tsmech run double", ["double_descent"]),
        ("tsmech run ridge --pen", ["--penalty"]),
        ("tsmech run double_descent --pen", ["--penalty"]),
    ],
)
def test_a_shell_completes_what_was_begun(typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, systems, the experiments that come along, and the options of each."""
    count = len(typed.split()) - 1
    for name, value in {"_TSMECH_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(count)}.items():
        monkeypatch.setenv(name, value)
    said = command()
    assert said.code == 0
    assert [word.replace("-", "_") for word in said.out.split()] == [word.replace("-", "_") for word in offered]


def test_the_list_says_which_answers_a_system_has() -> None:
    lines = command("list").out.splitlines()
    for name, title, has in (
        ("gauge", Gauge.title, "theory, reduced, direct"),
        ("walk", "A random walk", "theory, direct"),
    ):
        assert f"  {name:24} {title} ({has})" in lines


@pytest.mark.parametrize("words", [[], ["run", "gauge"], ["run", "ridge"], ["plot"], ["check"], ["reproduce"]])
def test_help_names_values_and_no_types(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = command(*words, "--help")
    assert said.code == 0
    for kind in ("<bool>", "<str>", "<int", "<path>"):
        assert kind not in "".join(line for line in said.out.splitlines() if "--" in line)


def test_the_help_of_a_run_is_in_groups() -> None:
    """The system's parameters, what is computed, where, and what becomes of it: each option in one of them."""
    said = command("run", "gauge", "--help").out
    groups = re.split(r"╭─ (.*?) ─+╮", said)[1:]
    found = {title: re.findall(r"--[a-z-]+", body) for title, body in zip(groups[::2], groups[1::2], strict=True)}
    assert found["Parameters"] == ["--level", "--noise", "--dimension", "--fault"]
    assert found["Options"] == ["--help"]
    assert found["What is computed"][:2] == ["--answers", "--replicates"]
    assert {"--workers", "--executor", "--scheduler", "--timeout", "--shard"} <= {*found["Where it is computed"]}
    assert {"--out", "--json", "--fresh", "--dry-run", "--yes", "--quiet"} <= {*found["What becomes of it"]}
