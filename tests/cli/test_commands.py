"""The other commands: help, lists, pictures, exports, checks."""

import json
import re
from pathlib import Path

import pytest

import tsmech
from tests.commands import command
from tests.gauge import Gauge
from tsmech import experiment
from tsmech.runs import carry_out
from tsmech.systems import REGISTRY

SMALL = ("--workers", 1, "--replicates", 2)


def undrawn(**sweep: list[float]) -> None:
    """Leave a run in ``d``, without its picture."""
    carry_out(experiment.build("gauge", sweep, answers="theory"), Path("d"), pictured=True).close()


def test_help_lists_each_parameter_with_symbol_meaning_range_and_default() -> None:
    said = command("run", "ridge", "--help")
    assert said.code == 0
    words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", said.out).split())
    for name, declared in tsmech.Ridge.parameters().items():
        assert f"--{name.replace('_', '-')}" in words
        assert declared.symbol in words
        assert declared.help[:20] in words
    assert "a number above 0" in words
    assert "default 0.5" in words
    for option in ("--answers", "--replicates", "--seed", "--out", "--workers", "--json", "--fresh", "--dry-run"):
        assert option in words


def test_help_is_had_without_a_mistake() -> None:
    for words in (("--help",), ("-h",), ("run", "--help"), ("check", "--help"), ("run", "double_descent", "--help")):
        said = command(*words)
        assert (said.code, said.err) == (0, "")
        assert "Usage" in said.out
    assert "ridge" in command("run", "--help").out


def test_the_version_is_printed() -> None:
    assert command("--version") == (0, f"{tsmech.__version__}\n", "")


def test_systems_and_experiments_are_listed() -> None:
    said = command("list")
    assert said.code == 0
    for name in [*REGISTRY, *experiment.experiments()]:
        assert name in said.out


def test_a_finished_run_is_shown(unpainted: None) -> None:
    command("run", "gauge", "--level", "1,2", *SMALL, "--out", "d")
    said = command("show", "d")
    assert said.code == 0
    assert 'system = "gauge"' in said.out
    assert "level = [1.0, 2.0]" in said.out
    assert re.search(r"# finished: .*2 theory \(.* s each\)", said.out)
    assert "# failed: 0" in said.out
    assert f"tsmech: {tsmech.__version__}" in said.out


def test_a_run_is_drawn_again_without_computing() -> None:
    text = 'system = "gauge"\nanswers = ["theory"]\n[parameters]\nlevel = [1, 2]\nnoise = [0.1, 0.2]\n'
    Path("e.toml").write_text(text + '[plot]\ny = "spread"\n')
    command("run", "e.toml", "--out", "d")
    before = Path("d/figure.svg").read_bytes()
    said = command("plot", "d", "--x", "noise", "--y", "spread,luck", "--by", "level")
    assert (said.code, said.out) == (0, "d/figure.png\nd/figure.svg\n")
    (line,) = said.err.splitlines()
    assert line.startswith("tsmech: nothing is stored between the points of the sweep along noise: theory is drawn")
    assert Path("d/figure.svg").read_bytes() != before
    assert command("plot", "d", "--out", "pic").out == "pic.png\npic.svg\n"
    assert Path("pic.svg").read_bytes() == before


@pytest.mark.parametrize(("kind", "begins"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_suffix_says_what_a_picture_is_written_as(kind: str, begins: bytes) -> None:
    undrawn(level=[1, 2])
    before = {*Path().iterdir()}
    words = ("plot", "d", "--y", "spread", "--log", "y", "--out", f"p.{kind}")
    said = command(*words)
    assert (said.code, said.out, said.err) == (0, f"p.{kind}\n", "")
    assert {*Path().iterdir()} - before == {Path(f"p.{kind}")}
    found = Path(f"p.{kind}").read_bytes()
    assert found.startswith(begins)
    command(*words)
    assert Path(f"p.{kind}").read_bytes() == found


def test_a_run_is_drawn_again_as_a_map_and_with_observables_together() -> None:
    undrawn(level=[1, 2], noise=[0.1, 0.2])
    words = [
        ("--value", "spread", "--x", "noise", "--y", "level"),
        ("--y", "spread,luck", "--together"),
        ("--y", "spread,luck", "--apart"),
    ]
    found = set()
    for number, options in enumerate(words):
        said = command("plot", "d", *options, "--out", f"{number}.svg")
        assert (said.code, said.out, said.err) == (0, f"{number}.svg\n", "")
        found.add(Path(f"{number}.svg").read_bytes())
    assert len(found) == 3


def test_a_run_that_is_drawn_as_a_map_ends_with_the_table_of_what_it_shows(unpainted: None) -> None:
    text = 'system = "gauge"\nanswers = ["theory"]\n[parameters]\nlevel = [1, 2]\nnoise = [0.1, 0.2]\n'
    Path("e.toml").write_text(text + '[plot]\nvalue = "spread"\nx = "level"\ny = "noise"\n')
    said = command("run", "e.toml", "--out", "d")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("mean square deviation of the readings:\n")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_run_is_exported(kind: str, unpainted: None) -> None:
    command("run", "gauge", "--level", "1,2", *SMALL, "--out", "d")
    said = command("export", "d", "--format", kind, "--out", f"t.{kind}")
    assert said == (0, "", "")
    if kind == "parquet":
        assert Path("t.parquet").read_bytes().startswith(b"PAR1")
    else:
        assert command("export", "d", "--format", kind).out == Path(f"t.{kind}").read_text()
    if kind == "csv":
        assert Path("t.csv").read_bytes() == Path("d/table.csv").read_bytes()


def test_the_suffix_of_a_file_says_how_a_run_is_exported(unpainted: None) -> None:
    command("run", "gauge", "--level", "1,2", *SMALL, "--out", "d")
    for name, kind in (("t.csv", "csv"), ("t.JSON", "json"), ("t.parquet", "parquet"), ("t.pq", "parquet")):
        assert command("export", "d", "--out", name) == (0, "", "")
        assert command("export", "d", "--format", kind, "--out", f"same.{kind}") == (0, "", "")
        assert Path(name).read_bytes() == Path(f"same.{kind}").read_bytes()
    assert command("export", "d", "--format", "json", "--out", "t.txt") == (0, "", "")
    assert Path("t.txt").read_bytes() == Path("t.JSON").read_bytes()


def test_checks_sum_each_observable_up_and_the_exit_code_is_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    said = command("check", "gauge", "--workers", 1)
    assert said.code == 0
    assert re.fullmatch(r"\d\d comparisons with 200 replicates, 0 disagree", said.out.splitlines()[-1])
    assert said.err == ""
    rows = said.out.splitlines()[1:-1]
    assert [row.split()[:2] for row in rows] == [["gauge", name] for name in Gauge.observables]
    assert all(row.endswith("yes") and row.count("tests, p >=") == 2 for row in rows)
    original = Gauge.theory_curve
    monkeypatch.setattr("tsmech.compare.REPLICATES", 50)
    monkeypatch.setattr(Gauge, "theory_curve", lambda gauge: original(Gauge(level=1.05 * gauge.level)))
    said = command("check", "gauge", "--workers", 1, "--json")
    assert said.code == 1
    verdicts = json.loads(said.out)
    assert {verdict["observable"] for verdict in verdicts if not verdict["agrees"]} >= {"level_read"}
    wrong = command("check", "gauge", "--workers", 1).out
    assert re.search(r"gauge +level_read .* NO\n", wrong)
    assert "reduced -> theory" in wrong.partition("\n\n")[2], "what disagrees is shown one by one"


def test_a_strict_check_has_more_replicates_and_a_short_one_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsmech.compare.STRICT_REPLICATES", 30)
    assert "with 30 replicates" in command("check", "gauge", "--workers", 1, "--strict").out
    assert "with 50 replicates" in command("check", "gauge", "--workers", 1, "--short").out
    assert command("check", "gauge", "--strict", "--short").code == 2


def test_experiments_are_reproduced_as_pictures(monkeypatch: pytest.MonkeyPatch, unpainted: None) -> None:
    Path("sims").mkdir()
    Path("sims/small.toml").write_text('system = "gauge"\nanswers = ["theory"]\n[parameters]\nlevel = [1, 2]\n')
    found = {"small": Path("sims/small.toml")}
    monkeypatch.setattr(experiment, "experiments", lambda: found)
    said = command("reproduce", "--workers", 1)
    assert said.code == 0, said.err
    assert {path.name for path in Path("figures").iterdir()} == {"small.png", "small.svg"}
    assert command("reproduce", "small", "--workers", 1, "--quiet") == (0, "", "")
    said = command("reproduce", "smal")
    assert (said.code, said.err) == (2, "tsmech: experiment smal is unknown: did you mean small?\n")
