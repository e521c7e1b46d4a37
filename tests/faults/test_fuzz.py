"""Command lines and files that nobody means: each ends soon with a documented code, and what is refused writes nothing.

The examples are drawn from the same seed every time; the long test draws more of them.
"""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.commands import command
from tests.gauge import register
from tsmech.experiment import build
from tsmech.runs import carry_out
from tsmech.systems import REGISTRY, find
from tsmech.words import printable

QUICK = settings(
    max_examples=30, derandomize=True, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
LONG = settings(QUICK, max_examples=1500)
SECONDS, PATIENCE = 10.0, 120.0
"""Seconds of computing after which a command is ended, and of waiting (for a pipe that nobody writes)."""
LINES, LETTERS = 3, 500
"""Lines that a refusal has, and characters of a line."""


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """Let the toy systems be known."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch.setitem)
        yield


SYSTEMS = ("gauge", "walk", *REGISTRY)
with registered():
    PARAMETERS = {name: list(find(name).parameters()) for name in SYSTEMS}
    FIRST = {name: next(iter(find(name).observables)) for name in SYSTEMS}

NUMBERS = [
    "0", "1", "2", "-1", "0.5", "3.7", "nan", "-inf", "1e308", "1e-300", "1e99", "-1e99", "1e999", "1e12", "9" * 5000,
    "1,2", "1,,2", "1:2:3", "1:2:0", "log:1:10:3", "log:0:1:3", "1:2", "0.1:4:1000001", "1:1e999:3", "log:1e-320:1:4",
    "1_000", "0x10", "½", "٣", "True", "None", "[1]", "{}", "1 2", "1;2", "1e",
]  # fmt: skip
WORDS = [
    "", " ", "-", "--", "---", "-x", "--x", "=", "\t", "a\nb", "\x1b[31mred", "\x9b2J", "\u202eabc", "\udcff", "\x7f",
    "x" * 300, "x" * 5000, "$x^$", "%s", "{0}", "🙂", "erf", "isotropic", "two-level", "power_law", "random", "theory",
    "theory,theory", "direct,", "3/10", "0/1", "1/" + "9" * 5000, "1/1", "linear", "none", "raise",
]  # fmt: skip
PATHS = [
    ".", "..", "/", "/dev/null", "/dev/zero", "nowhere", "nowhere/below", "file", "file/below", "folder", "loop",
    "loop/below", "pipe.toml", "loop.toml", "zero.toml", "folder.toml", "empty.toml", "deep.toml", "dotted.toml",
    "binary.toml", "good.toml", "run", "run/table.csv", "x" * 300 + ".toml", "x" * 5000 + ".csv", "\x1b[31m.toml",
    "file.csv", "\udcff.csv", "picture.svg", "table.json", "table.xls",
]  # fmt: skip
RUNS = ["answers", "replicates", "target_error", "max_replicates", "seed", "out", "timeout", "shard", "workers"]
"""Options of a run; none of them begins a cluster."""
FLAGS = ["--json", "--quiet", "-q", "--dry-run", "--yes", "--debug=1", "--no-such"]

values = st.sampled_from(NUMBERS + WORDS + PATHS) | st.text(max_size=8).filter(lambda text: "\0" not in text)


@st.composite
def runs(draw: st.DrawFn) -> list[str]:
    """Return a command that would run something, if it were right: only the toys do so, and only their theory."""
    name = draw(st.sampled_from([*SYSTEMS, "double_descent", "good.toml"]) | st.sampled_from(PATHS + WORDS))
    declared = ["alpha", "level", "noise", "dimension", *PARAMETERS.get(name, PARAMETERS["ridge"])]
    words = ["run", name]
    for option in draw(st.lists(st.sampled_from([*declared, *RUNS]), max_size=5)):
        joint = draw(st.sampled_from([" ", "="]))
        value = draw(values)
        flag = "--" + option.replace("_", draw(st.sampled_from(["-", "_"])))
        words += [f"{flag}={value}"] if joint == "=" else [flag, value]
    words += draw(st.lists(st.sampled_from(FLAGS) | values, max_size=2))
    if name in ("gauge", "walk"):
        return [*words, *({"gauge": ["--level", "1"]}.get(name, [])), "--answers", "theory"]
    return [*words, "--dry-run"]


@st.composite
def others(draw: st.DrawFn) -> list[str]:
    """Return a command that reads runs or experiments."""
    name = draw(st.sampled_from(["show", "export", "plot", "merge", "check", "reproduce", "list", "rnu"]))
    options = {
        "show": ["--failures"],
        "export": ["--format", "--out"],
        "plot": ["--x", "--y", "--by", "--value", "--out"],
        "check": ["--seed", "--workers"],
        "reproduce": ["--out", "--runs", "--workers"],
    }.get(name, ["--quiet"])
    words = [name, draw(st.sampled_from(PATHS + WORDS[:-10]))]
    words += ["rigde"] if name in ("check", "reproduce") else []  # without a name they would run all there is
    for option in draw(st.lists(st.sampled_from(options), max_size=3)):
        words += [option] if option in ("--failures", "--quiet") else [option, draw(values)]
    return words + draw(st.lists(values, max_size=1))


def good(system: str) -> str:
    """Return an experiment of a system as a file says it."""
    parameters = {"gauge": "level = [1, 2]", "walk": "drift = 0.5", "online_sgd": "noise = 0.1"}.get(
        system, 'alpha = "0.5:2:4"'
    )
    return (
        f'system = "{system}"\ntitle = "a title"\nreplicates = 3\n[parameters]\n'
        f'{parameters}\n[plot]\ny = ["{FIRST[system]}"]\n'
    )


plain = st.sampled_from([*NUMBERS, *WORDS, *PATHS]) | st.integers() | st.floats() | st.booleans()
rows = st.lists(plain, max_size=3)
tables = st.dictionaries(
    st.sampled_from(["Q", "R", "alpha", "a"]), plain | rows | st.lists(rows, max_size=2), max_size=3
)
toml_values = plain | rows | st.lists(rows, max_size=3) | tables


def toml(value: Any) -> str:
    """Return a value as TOML writes it, or nearly so."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return what a file of an experiment may hold: keys with values that nobody means, or a good file with slips."""
    system = draw(st.sampled_from(SYSTEMS))
    if draw(st.booleans()):
        text = bytearray(good(system).encode())
        for _ in range(draw(st.integers(1, 4))):
            place = draw(st.integers(0, len(text) - 1))
            text[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        return bytes(text)
    keys = ["title", "source", "answers", "replicates", "seed", "target_error", "max_replicates", "sytem", "plot"]
    names = [name for name in PARAMETERS[system] if name != "alpha"]
    lines = [f'system = "{system}"']
    for choice in (keys, names):
        chosen = draw(st.lists(st.sampled_from(choice), max_size=3, unique=True))
        lines += [f"{key} = {toml(draw(toml_values))}" for key in chosen]
        lines += ["[parameters]", "alpha = 1" if "alpha" in PARAMETERS[system] else ""] if choice is keys else []
    return "\n".join(lines).encode()


@contextlib.contextmanager
def house() -> Iterator[Path]:
    """Work in a directory with one bad thing of each kind, and a run."""
    with registered(), TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in ("folder", "folder.toml"):
            Path(name).mkdir()
        for name, target in (("loop", "loop"), ("loop.toml", "loop.toml"), ("zero.toml", "/dev/zero")):
            Path(name).symlink_to(target)
        os.mkfifo("pipe.toml")
        contents = {
            "file": b"mine",
            "file.csv": b"1\n2\n",
            "empty.toml": b"",
            "deep.toml": b'system = "ridge"\n[parameters]\nalpha = ' + b"[" * 20_000 + b"]" * 20_000,
            "dotted.toml": b".".join([b"a"] * 50_000) + b" = 1",
            "binary.toml": bytes(range(256)),
            "good.toml": good("ridge").encode(),
        }
        for name, content in contents.items():
            Path(name).write_bytes(content)
        carry_out(build("gauge", {"level": [1, 2]}, answers="theory"), Path("run")).close()
        yield Path(folder)


def state() -> dict[str, Any]:
    """Return all that lies in the directory, without opening a pipe or a device."""
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else path.lstat().st_mode
        for path in Path().rglob("*")
    }


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Raise an error in a command that computes or waits for too long; a busy machine does not count as computing."""

    def end(*_: object) -> None:
        raise AssertionError(f"not at its end after {SECONDS:g} s of computing, or {PATIENCE:g} s of waiting")

    clocks = ((signal.SIGVTALRM, signal.ITIMER_VIRTUAL, SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE))
    before = [signal.signal(number, end) for number, _, _ in clocks]
    try:
        for _, clock, seconds in clocks:
            signal.setitimer(clock, seconds)
        yield
    finally:
        for (number, clock, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0.0)
            signal.signal(number, handler)


def attack(words: list[str]) -> None:
    """Run a command and demand what every command owes."""
    before = state()
    with in_time():
        said = command(*words)
    assert said.code in (0, 2), said.err
    lines = said.err.splitlines()
    assert len(lines) <= LINES, said.err
    assert all(len(line) <= LETTERS for line in lines), said.err
    for text in (said.out, said.err):
        assert printable(text) == text
        assert "Traceback" not in text
    if said.code == 2:
        assert said.out == ""
        assert lines[-1].startswith("tsmech: ")
        assert state() == before, "what is refused writes nothing"


def attack_by_words(words: list[str]) -> None:
    with house():
        attack(words)


def attack_by_file(content: bytes, show: bool) -> None:
    with house():
        Path("fuzz.toml").write_bytes(content)
        attack(["show", "fuzz.toml"] if show else ["run", "fuzz.toml", "--dry-run"])


@given(runs() | others())
@QUICK
def test_no_command_line_ends_in_anything_but_a_documented_way(words: list[str]) -> None:
    attack_by_words(words)


@given(files(), st.booleans())
@QUICK
def test_no_file_ends_in_anything_but_a_documented_way(content: bytes, show: bool) -> None:
    attack_by_file(content, show)


@pytest.mark.slow
@given(runs() | others())
@LONG
def test_no_command_line_of_thousands_ends_in_another_way(words: list[str]) -> None:
    attack_by_words(words)


@pytest.mark.slow
@given(files(), st.booleans())
@LONG
def test_no_file_of_thousands_ends_in_another_way(content: bytes, show: bool) -> None:
    attack_by_file(content, show)
