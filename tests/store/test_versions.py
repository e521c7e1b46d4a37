"""Runs of other versions: each has the first format that can say what it holds, and what is not known is refused."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tests.gauge import Gauge, register
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.explore.reading import RunFile
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Coordinate, Observable
from tsmech.runs import carry_out
from tsmech.runs.merging import merge
from tsmech.runs.shards import Shard
from tsmech.store import Store, database, origin
from tsmech.store.checksums import description_checksum, format_of, meta, origin_checksum
from tsmech.store.directory import discard
from tsmech.store.locks import FILE

READERS = ("run gauge --level 1,2 --answers theory --out d", "show d", "export d", "plot d", "merge out d")


@pytest.fixture(autouse=True)
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


def make(out: str = "d", noise: Any = 0.2, **more: Any) -> None:
    carry_out(build(Gauge, {"level": [1, 2], "noise": noise}, answers="theory"), Path(out), **more).close()


def number(out: str) -> int:
    with contextlib.closing(sqlite3.connect(Path(out) / FILE)) as connection:
        return format_of(connection)


def rewrite(change: Callable[[sqlite3.Connection, dict[str, str]], None]) -> None:
    """Let another version have written the run: its description and origin have the checksums that they ask for."""
    with contextlib.closing(sqlite3.connect(Path("d") / FILE)) as connection, connection:
        stored = meta(connection)
        change(connection, stored)
        stored["checksum"] = description_checksum(stored)
        stored["origin"] = origin_checksum(stored, format_of(connection))
        connection.executemany("UPDATE meta SET value = ? WHERE key = ?", [(v, k) for k, v in stored.items()])


def describe(**more: Any) -> None:
    """Add to what the run says that it was asked for."""

    def change(_: sqlite3.Connection, stored: dict[str, str]) -> None:
        described = json.loads(stored["experiment"])
        parameters = {**described["parameters"], **more.get("parameters", {})}
        stored["experiment"] = json.dumps({**described, **more, "parameters": parameters})

    rewrite(change)


def refused(*says: str) -> None:
    """Check that every reader refuses the run in one line that says all of it, and leaves all as it is."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    for words in READERS:
        said = command(*words.split())
        assert (said.code, said.out) == (2, ""), words
        (line,) = said.err.splitlines()
        assert all(part in line for part in says), line
    for read in (tsmech.open_run, lambda path: RunFile(Path(path)).open()):
        with pytest.raises(InputError) as found:
            read("d")
        assert all(part in str(found.value) for part in says)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_run_has_the_first_format_that_can_say_what_it_holds() -> None:
    """Versions that know no absences read all other runs; where some are added, they read it no more."""
    for noise, expected in ((0.2, 3), ([0.2, 0.4], 3), ([0.2, 50.0], 3), ([0.2, 150.0], 4), ([0.2, 0.4], 4)):
        make(noise=noise)
        assert number("d") == expected
        with Store.open(Path("d")) as store:
            why = "gauge has no theory answer here: such noise drowns the level"
            assert store.experiment.lacking == ({"theory": {why: 2}} if expected == 4 else {})
            assert store.counts() == {
                "theory": 2 * sum(value < 100 for value in store.experiment.axes.get("noise", [0]))
            }
    for noise, expected in ((0.2, 3), ([0.2, 150.0], 4)):
        places = [f"{expected}-{share}" for share in (1, 2)]
        for share, place in enumerate(places, 1):
            make(place, noise, shard=Shard(share, 2))
        merge(Path(f"m{expected}"), [*map(Path, places)]).close()
        assert [number(place) for place in (*places, f"m{expected}")] == [expected] * 3


def test_a_format_changes_with_what_is_described_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr("tsmech.store.store.write_origin", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make(noise=[0.2, 150.0])
    assert number("d") == 3
    assert len(tsmech.open_run("d").table) == 2


def test_a_version_that_knows_fewer_formats_reads_what_it_can_and_refuses_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make()
    make("plain")
    make(noise=[0.2, 150.0])
    for module in (database, origin):
        monkeypatch.setattr(module, "FORMATS", (3,))
    assert len(tsmech.open_run("plain").table) == 2
    refused(
        "d/run.sqlite was written by a newer tsmech 0.1.0", "(format 4), and this is 0.1.0", "(formats 3): use that"
    )


@pytest.mark.parametrize(("version", "age"), [(99, "a newer"), (1, "an older")])
def test_a_run_of_a_format_that_is_not_known_is_refused(version: int, age: str) -> None:
    make()

    def change(connection: sqlite3.Connection, _: dict[str, str]) -> None:
        connection.execute(f"PRAGMA user_version = {version}")

    rewrite(change)
    refused(f"d/run.sqlite was written by {age} tsmech 0.1.0", f"(format {version}), and this is 0.1.0", "3 and 4")
    discard(Path("d"))
    make()
    assert number("d") == 3


@pytest.mark.parametrize("noise", [0.2, [0.2, 150.0]])
def test_a_number_of_a_format_that_was_altered_is_damage(noise: Any) -> None:
    make(noise=noise)
    expected = number("d")
    with contextlib.closing(sqlite3.connect(Path("d") / FILE)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {7 - expected}")
    with pytest.raises(InputError, match="d is damaged"):
        tsmech.open_run("d")
    make(noise=noise)
    assert number("d") == expected
    with Store.open(Path("d")) as store:
        assert store.counts() == {"theory": 2}


def test_a_run_of_the_format_before_is_refused_as_one_of_an_older_version() -> None:
    """Format 2 had one column for where a curve diverged, and none for why it ended."""
    make()
    with contextlib.closing(sqlite3.connect(Path("d") / FILE)) as connection, connection:
        columns = "point, answer, replicate, seconds, stopped_at AS diverged_at, layout, data, checksum"
        connection.execute(f"CREATE TABLE before AS SELECT {columns} FROM curves")
        connection.execute("DROP TABLE curves")
        connection.execute("ALTER TABLE before RENAME TO curves")
        connection.execute("PRAGMA user_version = 2")
    refused("d/run.sqlite was written by an older tsmech (format 2), and this is", "start anew with --fresh")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"mood": "good"}, "an experiment has no key mood"),
        ({"parameters": {"colour": 1}}, "gauge has no parameter colour"),
        ({"parameters": {"noise": -1}}, "noise = -1 is not allowed"),
        ({"answers": ["theory", "dreamt"]}, "gauge has no answer dreamt"),
        ({"plot": {"smell": "sweet"}}, "plot has no key smell"),
        ({"replicates": "many"}, "replicates = many is not a whole number"),
    ],
)
def test_a_description_that_is_not_known_is_refused_in_a_line_that_names_the_versions(
    more: dict[str, Any], says: str
) -> None:
    make()
    describe(**more)
    refused(says, "d/run.sqlite was written by tsmech 0.1.0", "(format 3), and this is 0.1.0")


def test_a_system_that_is_not_known_may_be_somebodys_own() -> None:
    """Nothing says that its run is of no use."""
    make()
    describe(system="gouge")
    with pytest.raises(InputError, match="is a run of the system gouge, which is not known here") as found:
        Store.open(Path("d"))
    assert "--fresh" not in str(found.value)


@dataclass(frozen=True)
class Plucked(Gauge):
    """A gauge of another version, that reports one thing more."""

    observables: ClassVar = {**Gauge.observables, "pluck": Observable("p", "pluck")}

    def theory_curve(self) -> Curve:
        return Curve({**super().theory_curve().observables, "pluck": np.ones(1)})


@dataclass(frozen=True)
class Moody(Gauge):
    """A gauge of another version, that runs along a coordinate."""

    coordinates: ClassVar = {"mood": Coordinate("m", "mood")}

    def theory_curve(self) -> Curve:
        seen = super().theory_curve().observables
        return Curve({name: value[[0, 0]] for name, value in seen.items()}, {"mood": np.array([0.0, 1.0])})


@pytest.mark.parametrize(("other", "says"), [(Plucked, "no observable pluck"), (Moody, "no coordinate mood")])
def test_curves_of_what_is_not_known_are_refused(other: type[Gauge], says: str) -> None:
    carry_out(build(other, {"level": [1, 2]}, answers="theory"), Path("d")).close()
    refused(f"gauge has {says}", "d/run.sqlite was written by tsmech 0.1.0")


def test_a_run_of_a_system_that_is_not_registered_is_continued_by_its_class() -> None:
    class Mine(Gauge):
        name = "mine"

    for levels in ([1, 2], [1, 2, 3]):
        with carry_out(build(Mine, {"level": levels}, answers="theory"), Path("mine")) as store:
            assert [row["level_read"] for row in store.rows()] == levels
    with pytest.raises(InputError, match="the system mine, which is not known here"):
        tsmech.open_run("mine")
