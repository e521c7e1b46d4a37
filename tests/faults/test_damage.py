"""A damaged file: found at the next start, kept aside, what is whole taken over, and the rest performed again."""

import random
import shutil
import sqlite3
import warnings
from pathlib import Path

import pytest

import tsmech
from tests.commands import command
from tests.gauge import LOG, Gauge, register
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build
from tsmech.runs import carry_out, tables
from tsmech.store import Store
from tsmech.store.locks import FILE

REPLICATES = 30
LEVELS = list(range(1, 21))


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    return tmp_path / "log"


def experiment() -> Experiment:
    return build(Gauge, {"level": LEVELS}, replicates=REPLICATES)


UNITS = len(LEVELS) * (1 + 2 * REPLICATES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch.setitem)
        directory = tmp_path_factory.mktemp("whole") / "run"
        carry_out(experiment(), directory).close()
    return directory


def rows(directory: Path) -> str:
    with Store.open(directory) as store:
        return tables.to_csv(store.rows())


def page_size(file: Path) -> int:
    return int.from_bytes(file.read_bytes()[16:18], "big")


def check_mended(directory: Path, whole: Path, log: Path, may_be_unused: bool = False) -> int:
    """Run again, check that all is as if nothing had been, and return how many tasks were performed again.

    A page may hold nothing that is ever read; then nothing is said.
    """
    before = (directory / FILE).read_bytes()
    log.write_text("")
    with carry_out(experiment(), directory) as store:
        notice = store.notice
        assert tables.to_csv(store.rows()) == rows(whole)
    again = sum(not line.startswith("end") for line in log.read_text().splitlines())
    if may_be_unused and not notice:
        assert again == 0
        return 0
    assert "was damaged" in notice
    assert f"{UNITS - again} finished tasks were salvaged" in notice
    (aside,) = directory.glob("run.damaged-*.sqlite")
    assert aside.name in notice
    assert aside.read_bytes() == before
    with carry_out(experiment(), directory) as store:
        assert store.notice == ""
    return again


def damage(whole: Path, directory: Path, start: int, content: bytes) -> None:
    shutil.copytree(whole, directory)
    with open(directory / FILE, "r+b") as file:
        file.seek(start)
        file.write(content)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["zeros", "noise"])
def test_each_page_may_be_damaged(tmp_path: Path, whole: Path, log: Path, content: str) -> None:
    size = page_size(whole / FILE)
    pages = (whole / FILE).stat().st_size // size
    assert pages > 20
    noise, lost = random.Random(3), []
    # The first pages hold the header and the roots of the tables; of the many that hold curves some are enough.
    for page in [*range(12), *noise.sample(range(12, pages), 6)]:
        directory = tmp_path / f"run{page}"
        damage(whole, directory, page * size, bytes(size) if content == "zeros" else noise.randbytes(size))
        lost.append(check_mended(directory, whole, log, may_be_unused=page > 0))
    assert sum(0 < again < UNITS // 2 for again in lost) >= 6, "what is whole is salvaged"


def test_a_single_bit_of_a_curve_is_noticed(tmp_path: Path, whole: Path, log: Path) -> None:
    """The numbers themselves: the database cannot know."""
    with sqlite3.connect(whole / FILE) as connection:
        data = connection.execute("SELECT data FROM curves WHERE answer = 'direct' LIMIT 1 OFFSET 7").fetchone()[0]
    connection.close()
    start = (whole / FILE).read_bytes().index(data)
    damage(whole, tmp_path / "run", start + 5, bytes([data[5] ^ 4]))
    assert check_mended(tmp_path / "run", whole, log) == 1


def test_a_damaged_run_is_not_read_and_the_way_to_mend_it_is_said(tmp_path: Path, whole: Path) -> None:
    with sqlite3.connect(whole / FILE) as connection:
        (data,) = connection.execute("SELECT data FROM curves LIMIT 1").fetchone()
    connection.close()
    damage(whole, tmp_path / "run", (whole / FILE).read_bytes().index(data), bytes(3))
    said = command("export", "run")
    assert (said.code, said.out) == (2, "")
    assert "run is damaged (1 curves do not match their checksums): run its command again" in said.err
    said = command("merge", "out", "run")
    assert said.code == 2
    assert "run is damaged" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_says_what_was_salvaged(tmp_path: Path, whole: Path) -> None:
    with sqlite3.connect(whole / FILE) as connection:
        (data,) = connection.execute("SELECT data FROM curves LIMIT 1").fetchone()
    connection.close()
    start = (whole / FILE).read_bytes().index(data)
    damage(whole, tmp_path / "run", start, bytes(3))
    said = command("run", "gauge", "--level", "1:20:20", "--replicates", REPLICATES, "--out", "run", "--quiet")
    assert said.code == 0
    (line,) = said.err.splitlines()
    assert f"was damaged (1 curves do not match their checksums): {UNITS - 1} finished tasks were salvaged" in line
    damage(whole, tmp_path / "other", start, bytes(3))
    with pytest.warns(UserWarning, match="was damaged"):
        tsmech.run(experiment(), out=tmp_path / "other")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tsmech.run(experiment(), out=tmp_path / "other")


def test_another_experiment_is_refused_and_nothing_is_set_aside(tmp_path: Path, whole: Path) -> None:
    with sqlite3.connect(whole / FILE) as connection:
        (data,) = connection.execute("SELECT data FROM curves LIMIT 1").fetchone()
    connection.close()
    damage(whole, tmp_path / "run", (whole / FILE).read_bytes().index(data), bytes(3))
    before = (tmp_path / "run" / FILE).read_bytes()
    with pytest.raises(InputError, match="seed is 0 there and 1 here"):
        carry_out(build(Gauge, {"level": LEVELS}, replicates=REPLICATES, seed=1), tmp_path / "run")
    assert (tmp_path / "run" / FILE).read_bytes() == before
    assert [path.name for path in (tmp_path / "run").iterdir()] == [FILE]


def test_numbers_of_another_seed_are_not_taken_over_though_the_description_is_lost(
    tmp_path: Path, whole: Path, log: Path
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / FILE) as connection:
        connection.execute("UPDATE meta SET value = 'lost' WHERE key IN ('experiment', 'identity')")
    connection.close()
    other = build(Gauge, {"level": LEVELS}, replicates=REPLICATES, seed=1)
    with carry_out(other, tmp_path / "run") as store:
        assert ": 0 finished tasks were salvaged" in store.notice
        mended = tables.to_csv(store.rows())
    with carry_out(other) as store:
        assert tables.to_csv(store.rows()) == mended
