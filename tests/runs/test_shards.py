"""Shards: together they are the whole, bit for bit; what does not belong together is refused, what is missing said."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsmech
from tests.commands import ROOT, command
from tests.gauge import Gauge, register
from tsmech.engine import perform
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build
from tsmech.runs import carry_out, tables
from tsmech.runs.merging import merge, missing
from tsmech.runs.shards import Shard
from tsmech.store import Store
from tsmech.store.locks import FILE


@pytest.fixture(autouse=True)
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


def experiment(**more: Any) -> Experiment:
    return build(Gauge, {"level": [1, 2, 3], "noise": [0.1, 0.2]}, **{"replicates": 4, **more})


def run_shards(asked: Experiment, count: int, *left_out: int) -> list[Path]:
    places = [Path(f"shard{number}") for number in range(1, count + 1) if number not in left_out]
    for place in places:
        carry_out(asked, place, shard=Shard(int(place.name[5:]), count)).close()
    return places


def content(store: Store) -> list[Any]:
    return [
        (values, answer, [{name: v.tobytes() for name, v in curve.observables.items()} for curve in curves])
        for values, answer, curves in store.curves()
    ]


@given(st.integers(1, 9), st.integers(1, 5), st.booleans())
@settings(deadline=None, max_examples=30)
def test_shards_are_disjoint_and_together_the_whole(count: int, replicates: int, target: bool) -> None:
    more = {"target_error": 0.1, "max_replicates": 10} if target else {}
    asked = experiment(replicates=replicates, **more)
    shares = [Shard(number, count) for number in range(1, count + 1)]
    held = [list(share.tasks(asked)) for share in shares]
    together = [task for tasks in held for task in tasks]
    assert len(together) == len(set(together))
    assert set(together) == set(asked.tasks())
    if target:
        points = [{task.system for task in tasks} for tasks in held]
        assert sum(map(len, points)) == asked.size, "a point is judged as a whole"
    else:
        assert max(map(len, held)) - min(map(len, held)) <= 1


@pytest.mark.parametrize("more", [{}, {"target_error": 0.02, "max_replicates": 30}])
def test_merged_shards_are_the_run_that_was_not_divided(tmp_path: Path, more: dict[str, Any]) -> None:
    asked = experiment(**more)
    places = run_shards(asked, 3)
    with carry_out(asked, Path("whole")) as whole, merge(Path("merged"), places) as merged:
        assert content(merged) == content(whole)
        assert tables.to_csv(merged.rows()) == tables.to_csv(whole.rows())
        assert missing(merged, places) == ""
        assert merged.shard == ""
    with merge(Path("merged"), places) as again:  # which adds nothing
        assert sum(again.counts().values()) == sum(merged_counts().values())


def merged_counts() -> dict[str, int]:
    with Store.open(Path("merged")) as store:
        return store.counts()


def test_what_is_missing_is_said_and_can_be_added() -> None:
    asked = experiment()
    places = run_shards(asked, 3, 2)
    with merge(Path("merged"), places) as merged:
        words = missing(merged, places)
    assert words.startswith(
        f"{len(list(Shard(2, 3).tasks(asked)))} tasks are missing (reduced at level = 1.0, noise = 0.1, replicate 0;"
    )
    assert words.endswith("; not given: shard 2/3")
    with carry_out(asked, Path("merged")) as completed, carry_out(asked) as whole:
        assert content(completed) == content(whole)


def test_a_shard_that_did_not_come_to_its_end_is_said_to_lack_tasks() -> None:
    asked = experiment()
    places = [*run_shards(asked, 2, 2), Path("shard2")]
    with Store.create(asked, places[1], "2/2") as store:
        store.add(perform([task for task in Shard(2, 2).tasks(asked) if task.answer != "direct"], 0))
    with merge(Path("merged"), places) as merged:
        words = missing(merged, places)
    assert re.match(r"\d+ tasks are missing \(direct at ", words)
    assert "not given" not in words


def test_failures_are_merged_but_not_where_another_shard_succeeded() -> None:
    asked = build(Gauge, {"level": [1, 2], "fault": ["none", "raise"]}, answers="direct", replicates=2)
    places = run_shards(asked, 2)
    with merge(Path("merged"), places) as merged:
        assert merged.counts() == {"direct": 4}
        assert len(merged.failures()) == 4


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"seed": 1}, "seed is 1 in the one and 0 in the other"),
        ({"replicates": 5}, "replicates is 5 in the one and 4 in the other"),
        ({"answers": "direct"}, "answers is "),
    ],
)
def test_shards_of_another_experiment_are_refused_and_nothing_is_written(other: dict[str, Any], says: str) -> None:
    carry_out(experiment(), Path("a"), shard=Shard(1, 2)).close()
    carry_out(experiment(**other), Path("b"), shard=Shard(2, 2)).close()
    with pytest.raises(InputError, match="b does not belong to a: " + says):
        merge(Path("merged"), [Path("a"), Path("b")])
    assert not Path("merged").exists()


def test_shards_of_another_system_format_or_place_are_refused(tmp_path: Path) -> None:
    carry_out(experiment(), Path("a"), shard=Shard(1, 2)).close()
    carry_out(build("walk", {}, replicates=4), Path("w")).close()
    carry_out(experiment(), Path("newer"), shard=Shard(2, 2)).close()
    with sqlite3.connect(Path("newer") / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("UPDATE meta SET value = 'of that format' WHERE key = 'origin'")
    connection.close()
    for sources, says in (
        (["a", "w"], "w does not belong to a: system is walk in the one and gauge in the other"),
        (["a", "newer"], "by a newer tsmech"),
        (["a", "nowhere"], "nowhere is not a run directory"),
        (["a", "merged"], "merged cannot be merged into itself"),
    ):
        said = command("merge", "merged", *sources)
        assert (said.code, said.out) == (2, "")
        assert says in said.err
        assert len(said.err.splitlines()) == 1
        assert not Path("merged").exists()


def test_two_that_disagree_are_refused_and_nothing_is_added() -> None:
    """As after a change of machine: the same task with other numbers, each whole in itself."""
    places = run_shards(experiment(), 2)
    asked = experiment()
    with Store.create(asked, Path("other")) as other:
        first = next(task for task in asked.tasks() if task.answer == "direct")
        (outcome,) = perform([first], 0)
        assert outcome.curve is not None
        outcome.curve.observables["luck"][0] += 1e-15
        other.add([outcome])
    with pytest.raises(InputError, match="other has another direct, replicate 0, than what was merged before"):
        merge(Path("merged"), [*places, Path("other")])
    with Store.open(Path("merged")) as store:
        assert store.counts() == {}


@pytest.mark.slow
def test_a_shard_has_a_directory_of_its_own_and_the_commands_join_them() -> None:
    words = ("run", "gauge", "--level", "1,2", "--replicates", 3, "--workers", 1)
    for number in (1, 2):
        said = command(*words, "--shard", f"{number}/2")
        assert said.code == 0
        assert said.err == ""
        assert f"shard {number}/2: finished " in said.out
    places = sorted(Path("runs").iterdir())
    assert [re.sub(r"gauge-[0-9a-f]{8}", "gauge", path.name) for path in places] == ["gauge.1-of-2", "gauge.2-of-2"]
    assert all([path.name for path in place.iterdir()] == [FILE] for place in places)
    short = command("merge", "merged", places[1])
    assert short.code == 4
    assert "tasks are missing" in short.err
    assert "; not given: shard 1/2; what is there is merged" in short.err
    said = command("merge", "merged", *places)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == "merged/table.csv"
    assert command(*words, "--out", "whole", "--quiet").code == 0
    assert Path("merged/table.csv").read_bytes() == Path("whole/table.csv").read_bytes()
    refused = command(*words, "--shard", "2/2", "--out", places[0])
    assert refused.code == 2
    assert "holds shard 1/2, not shard 2/2: name another --out" in refused.err
    assert "holds shard 1/2, not a whole run" in command(*words, "--out", places[0]).err


def test_python_takes_a_shard_too(unpainted: None) -> None:
    with pytest.raises(InputError, match="shard = 1/2 needs a directory"):
        tsmech.run("gauge", level=1, shard="1/2")
    for number in (1, 2):
        tsmech.run("gauge", level=1, replicates=3, shard=f"{number}/2", out=f"s{number}")
    whole = tsmech.run("gauge", level=1, replicates=3)
    with pytest.raises(InputError, match="sources = s1 is one path: give a list"):
        tsmech.merge("merged", "s1")
    merged = tsmech.merge("merged", ["s1", "s2"])
    assert merged.equals(whole)


@pytest.mark.slow
def test_the_slurm_script_runs_as_an_array(tmp_path: Path) -> None:
    """What Slurm would do: the script once for each index, with its variables."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = ROOT / "examples" / "slurm_array.sh"
    for index in range(1, 11):
        variables = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "10", "SLURM_CPUS_PER_TASK": "1"}
        subprocess.run(
            ["bash", script, "ridge", "--alpha", "0.5,2", "--dimension", "20", "--replicates", "5"],
            cwd=tmp_path, env=os.environ | variables | {"PATH": path}, check=True, timeout=60, capture_output=True,
        )  # fmt: skip
    said = command("merge", "merged", *sorted((tmp_path / "runs").iterdir()))
    assert (said.code, said.err) == (0, "")
    command("run", "ridge", "--alpha", "0.5,2", "--dimension", 20, "--replicates", 5, "--out", "whole", "--quiet")
    assert Path("merged/table.csv").read_bytes() == Path("whole/table.csv").read_bytes()
