"""The command that runs: what a person types, what comes out where, and with which exit code."""

import csv
import json
import math
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tsmech
from tests.commands import Said, command
from tests.gauge import Gauge
from tsmech import experiment
from tsmech.cli import messages
from tsmech.engine import tasks
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS
from tsmech.store.locks import FILE
from tsmech.words import printable

SMALL = ("--workers", 1, "--replicates", 2)


def strict(said: Said) -> Any:
    """Read stdout as JSON that any parser takes, after a command that went well."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    assert said.code == 0, said.err
    return json.loads(said.out, parse_constant=refuse)


# Run


def test_a_run_prints_a_table_and_where_the_rest_is(unpainted: None) -> None:
    said = command("run", "gauge", "--level", "1,2", *SMALL)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    (directory,) = Path("runs").iterdir()
    assert re.fullmatch(r"gauge-[0-9a-f]{8}", directory.name)
    assert lines[0] == "mean of the readings:"
    assert lines[1].split() == ["level", "theory", "reduced", "direct", "agreement"]
    assert lines[4].startswith("agreement: ")
    assert len(lines) == 2 + 2 + 1 + len(PRODUCTS)
    assert lines[5:] == [str(directory / name) for name in PRODUCTS]
    assert {path.name for path in directory.iterdir()} == {FILE, *PRODUCTS}


def test_json_is_all_there_is_on_stdout_and_nothing_is_written() -> None:
    rows = strict(command("run", "gauge", "--level", "1,2", *SMALL, "--json"))
    assert [row["answer"] for row in rows] == ["theory", "reduced", "direct"] * 2
    assert list(rows[0]) == ["system", "answer", "level", "level_read", "spread", "luck"]
    assert list(rows[1]) == [
        "system", "answer", "level", "level_read", "level_read_sem", "spread", "spread_sem",
        "luck", "luck_sem", "replicates",
    ]  # fmt: skip
    assert not list(Path().iterdir())


def test_json_has_the_coordinate_and_the_entries_of_a_matrix() -> None:
    rows = strict(command("run", "walk", "--length", 3, "--answers", "theory", "--json"))
    assert rows == [
        {"system": "walk", "answer": "theory", "time": t, "position": t}
        | {"overlap[0, 0]": 1.0, "overlap[0, 1]": t, "overlap[1, 0]": t, "overlap[1, 1]": t**2 + t}
        for t in (1.0, 2.0, 3.0)
    ]


def test_infinity_is_a_number_in_json() -> None:
    rows = strict(command("run", "ridge", "--alpha", "0.5,1", "--answers", "theory", "--json"))
    assert [row["generalization_error"] for row in rows] == [pytest.approx(0.375), math.inf]
    rows = strict(command("run", "gauge", "--level", 1, "--fault", "inf", *SMALL, "--json"))
    assert rows[2]["level_read"] == math.inf


def test_options_a_file_and_python_give_the_same_table(unpainted: None) -> None:
    Path("e.toml").write_text(
        'system = "gauge"\nanswers = ["theory", "direct"]\nreplicates = 3\nseed = 7\n'
        '[parameters]\nnoise = 0.3\nlevel = "0.5:2:4"\n'
    )
    words = ("--level", "0.5:2:4", "--noise", 0.3, "--answers", "theory,direct", "--replicates", 3, "--seed", 7)
    tsmech.run("gauge", level="0.5:2:4", noise=0.3, answers="theory,direct", replicates=3, seed=7, out="python")
    for out in ("options", "toml"):
        what = ("gauge", *words) if out == "options" else ("e.toml",)
        assert command("run", *what, "--workers", 1, "--out", out).code == 0
    tables = [Path(out, "table.csv").read_bytes() for out in ("options", "toml", "python")]
    assert tables[0] == tables[1] == tables[2]
    rows = strict(command("export", "toml", "--format", "json"))
    assert rows == strict(command("run", "e.toml", "--workers", 1, "--json"))


def test_names_take_hyphens_or_underscores() -> None:
    given = ("--alpha", 1, "--answers", "theory", "--json")
    one, other = (strict(command("run", "ridge", *given, "--spectrum", name)) for name in ("two-level", "two_level"))
    assert one == other
    assert command("run", "ridge", *given, "--dry_run").out == command("run", "ridge", *given, "--dry-run").out
    assert command("show", "double-descent").out == command("show", "double_descent").out != ""


def test_quiet_says_nothing(unpainted: None) -> None:
    assert command("run", "gauge", "--level", 1, *SMALL, "--quiet") == (0, "", "")
    assert list(Path("runs").iterdir())


def test_a_dry_run_shows_what_would_be_run_and_runs_nothing() -> None:
    said = command("run", "gauge", "--level", "0.1:4:40", "--noise", "0.1,0.2", "--dry-run", "--fresh", "--out", "x")
    assert (said.code, said.err) == (0, "")
    assert not list(Path().iterdir())
    Path("again.toml").write_text(said.out)
    assert (
        experiment.from_file("again.toml").digest()
        == experiment.build(Gauge, {"level": "0.1:4:40", "noise": [0.1, 0.2]}).digest()
    )
    assert command("show", "again.toml").out == said.out


def test_an_experiment_that_comes_along_is_shown_as_toml_that_says_the_same() -> None:
    for name in ("double_descent", "learning_curve_few", "semantic_development_embedding"):
        Path(f"{name}.toml").write_text(command("show", name).out)
        assert experiment.from_file(f"{name}.toml") == experiment.from_file(experiment.experiments()[name])


def test_parameters_replace_what_a_file_says() -> None:
    Path("e.toml").write_text('system = "gauge"\n[parameters]\nlevel = 1\n[plot]\nx = "level"\n')
    (row,) = strict(command("run", "e.toml", "--level", 5, "--answers", "theory", "--json"))
    assert row["level_read"] == 5.0


def test_an_experiment_can_be_run_at_one_point_of_its_axis(unpainted: None) -> None:
    said = command("run", "double_descent", "--alpha", 2, "--answers", "theory")
    assert said.code == 0, said.err
    assert "penalty" in said.out


def test_the_same_command_continues_and_fresh_starts_anew(unpainted: None) -> None:
    words = ("run", "gauge", "--level", 1, *SMALL, "--out", "d")
    assert command(*words).code == 0
    table = Path("d/table.csv").read_bytes()
    Path("d/notes.txt").write_text("mine")
    said = command(*words)
    assert (said.code, said.err) == (0, "")
    said = command(*words, "--seed", 1)
    assert said.code == 2
    assert "seed is 0 there and 1 here" in said.err
    said = command(*words, "--seed", 1, "--fresh")
    assert said.code == 0
    assert said.err.splitlines() == ["removing table.csv, figure.png, figure.svg, run.sqlite in d"]
    assert Path("d/table.csv").read_bytes() != table
    assert Path("d/notes.txt").read_text() == "mine"


def test_fresh_removes_nothing_for_an_experiment_that_is_refused(unpainted: None) -> None:
    command("run", "gauge", "--level", 1, *SMALL, "--out", "d")
    before = {path: path.read_bytes() for path in Path("d").iterdir()}
    said = command("run", "gauge", "--level", "nan", "--out", "d", "--fresh")
    assert said.code == 2
    assert "removing" not in said.err
    assert {path: path.read_bytes() for path in Path("d").iterdir()} == before


@pytest.mark.parametrize(
    "refused",
    [
        ("--timeout", "soon"),
        ("--timeout", "-1"),
        ("--executor", "nowhere"),
        ("--scheduler", "tcp://127.0.0.1:9"),
        ("--executor", "dask", "--scheduler", "nonsense"),
        ("--executor", "dask", "--scheduler", "tcp://127.0.0.1:9"),
        ("--replicates", "none"),
        ("--shard", "3/2"),
    ],
    ids=" ".join,
)
def test_fresh_removes_nothing_where_the_command_is_refused(
    refused: tuple[str, ...], unpainted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be refused is refused first, the address of a scheduler that is not there included."""
    if "dask" in refused:
        pytest.importorskip("distributed")
        monkeypatch.setattr("tsmech.engine.cluster.SCHEDULER_SECONDS", 0.3)
    words = ("run", "gauge", "--level", 1, "--replicates", 2, "--out", "d")
    assert command(*words).code == 0
    before = {path: path.read_bytes() for path in Path("d").iterdir()}
    said = command(*words, "--fresh", *refused)
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    assert {path: path.read_bytes() for path in Path("d").iterdir()} == before


# What goes wrong


def test_failed_points_are_four_and_the_rest_is_kept(unpainted: None) -> None:
    said = command("run", "gauge", "--level", "1,2", "--fault", "none,nan,raise", *SMALL, "--out", "d")
    assert said.code == 4
    (line,) = said.err.splitlines()
    assert re.search(r"18 tasks failed, the first \w+: .*; what was finished is kept", line)
    with Path("d/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["fault"], row["answer"]) for row in rows} == {
        ("none", "theory"), ("none", "reduced"), ("none", "direct"), ("nan", "theory")
    }  # fmt: skip
    assert not any("nan" in row[name] for row in rows for name in row if name != "fault")
    shown = command("show", "d", "--failures")
    assert shown.code == 0
    assert shown.out.count("Traceback (most recent call last)") == 18
    assert "ZeroDivisionError: the gauge" in shown.out
    assert "returned NaN as spread" in shown.out
    assert "fault = raise" in shown.out
    assert "# failed: 18" in command("show", "d").out


def test_an_error_in_words_that_nothing_can_store_is_stored_and_shown(
    monkeypatch: pytest.MonkeyPatch, unpainted: None
) -> None:
    """A lone surrogate is no UTF-8, and escapes would colour the terminal; the other points are kept."""

    def broken(gauge: Gauge) -> None:
        raise ValueError("\ud800 \x1b[31mred\x9b" + "x" * 10_000)

    monkeypatch.setattr(Gauge, "_go_wrong", broken)
    said = command("run", "gauge", "--level", 1, *SMALL, "--answers", "theory", "--out", "d")
    assert said.code == 4
    assert r"theory: ValueError: \ud800 \u001b[31mred\u009bxxx" in said.err
    assert len(said.err) < 600
    for words in (("show", "d"), ("show", "d", "--failures"), ("export", "d")):
        shown = command(*words)
        assert shown.code == 0
        assert printable(shown.out) == shown.out


def test_titles_and_names_of_files_reach_terminal_and_picture_without_escapes() -> None:
    title = r"\u001b[31mred\u0000\u009b"
    text = (
        f'system = "gauge"\ntitle = "{title}"\nanswers = ["theory"]\n[parameters]\nlevel = [1, 2]\n[plot]\ny = "luck"\n'
    )
    name = "\x1b[32mgreen.toml"
    Path(name).write_text(text)
    said = command("run", name)
    assert said.code == 0, said.err
    (directory,) = Path("runs").iterdir()
    assert directory.name.startswith(r"\u001b[32mgreen-")
    for words in (("show", directory), ("show", name), ("plot", directory), ("run", name, "--dry-run")):
        shown = command(*words)
        assert shown.code == 0, shown.err
        assert printable(shown.out + shown.err) == shown.out + shown.err
    ElementTree.parse(directory / "figure.svg")


def test_a_solver_that_does_not_converge_is_three() -> None:
    said = command("run", "gauge", "--level", 1, "--fault", "none,unsolved", *SMALL, "--json")
    assert said.code == 3
    assert "ConvergenceError: the gauge does not settle" in said.err
    assert len(said.err.splitlines()) == 1
    assert {row["fault"] for row in json.loads(said.out)} == {"none"}


def test_a_bug_is_one_and_a_traceback_is_for_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken\nin two lines")

    monkeypatch.setattr("tsmech.runs.tables.to_json", broken)
    said = command("run", "gauge", "--level", 1, "--answers", "theory", "--json")
    assert said.code == 1
    assert len(said.err.splitlines()) == 1
    assert "RuntimeError" in said.err
    assert "--debug" in said.err
    for words in (("--debug", "run", "gauge"), ("run", "gauge", "--debug")):
        traced = command(*words, "--level", 1, "--answers", "theory", "--json")
        assert traced.code == 1
        assert "Traceback" in traced.err
        assert traced.err.splitlines()[-1] == said.err.splitlines()[0]


def test_an_interruption_is_130_and_says_how_to_continue(monkeypatch: pytest.MonkeyPatch, unpainted: None) -> None:
    calls: list[int] = []
    original = tasks.perform_one

    def perform_one(*task: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*task)

    monkeypatch.setattr(tasks, "perform_one", perform_one)
    words = ("run", "gauge", "--level", "1:9:9", "--out", "my run", "--answers", "theory")
    said = command(*words, "--fresh")
    assert said.code == 130
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.endswith("tsmech run gauge --level 1:9:9 --out 'my run' --answers theory")
    assert re.search(r"# finished: 3 theory", command("show", "my run").out)
    assert command(*words).code == 0
    with Store.open(Path("my run")) as store:
        between = store.line_points()
    assert len(calls) == 4 + (9 - 3) + between, "what was finished is not performed again"


def test_an_interruption_of_what_is_not_kept_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Gauge, "curve", interrupted)
    for words in (("run", "gauge", "--level", 1, "--json", "--answers", "theory"), ("check", "gauge", "--workers", 1)):
        said = command(*words)
        assert said.code == 130
        assert "is kept" not in said.err
        assert len(said.err.splitlines()) == 1


# Tables and switches


def test_columns_of_a_file_are_chosen_and_standardised_by_options(tmp_path: Path) -> None:
    """Two correlated columns beside an index and words: eigenvalues 1 ± r once standardised."""
    table = np.random.default_rng(0).standard_normal((50, 2)) @ [[1.0, 0.5], [0.0, 1e3]]
    lines = [f"{i},{a!r},{b!r},word" for i, (a, b) in enumerate(table.tolist())]
    Path("t.csv").write_text("\n".join([",a,b,kind", *lines]))
    words = ("run", "ridge", "--alpha", 0.5, "--spectrum", "t.csv", "--answers", "theory", "--json")
    r = np.corrcoef(table.T)[0, 1]
    expected = tsmech.Ridge(alpha=0.5, eigenvalues=[1 + r, 1 - r]).theory().test_error[0]
    (chosen,) = strict(command(*words, "--columns", "-kind", "--standardise"))
    (named,) = strict(command(*words, "--columns=a,b", "--standardise"))
    (plain,) = strict(command(*words, "--columns", "1,2", "--no-standardise"))
    assert chosen["test_error"] == named["test_error"] == pytest.approx(expected, rel=1e-9)
    values = np.linalg.eigvalsh(np.cov(table.T, bias=True))
    assert plain["test_error"] == pytest.approx(tsmech.Ridge(alpha=0.5, eigenvalues=values).theory().test_error[0])


def test_a_switch_is_an_axis_of_a_sweep_and_another_setting_is_another_experiment(unpainted: None) -> None:
    np.save("t.npy", np.random.default_rng(0).standard_normal((50, 3)) * [1.0, 10.0, 100.0])
    text = 'system = "ridge"\nanswers = ["theory"]\n[parameters]\nalpha = 0.5\nspectrum = "t.npy"\n'
    Path("both.toml").write_text(text + "standardise = [false, true]\n")
    rows = strict(command("run", "both.toml", "--json"))
    assert [row["standardise"] for row in rows] == [False, True]
    assert rows[0]["test_error"] != rows[1]["test_error"]
    Path("one.toml").write_text(text)
    assert command("run", "one.toml", "--out", "d", "--quiet").code == 0
    said = command("run", "one.toml", "--out", "d", "--standardise")
    assert said.code == 2
    assert "d holds another experiment: standardise is False there and True here" in said.err
    assert command("run", "one.toml", "--out", "d", "--no-standardise", "--quiet").code == 0


def test_reading_that_takes_long_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Spectra of tables are taken where these are read, before there is anything to count."""
    words = "ridge: resolving parameters; files, if any, and their spectra are read here\n"
    for patience, said in ((60.0, ""), (0.0, words)):
        monkeypatch.setattr(messages, "PATIENCE", patience)
        told, end = "", time.monotonic() + 20.0
        with messages.reading("ridge"):
            while said != told and time.monotonic() < end:
                time.sleep(0.005)
                told += capsys.readouterr().err
        assert told + capsys.readouterr().err == said
