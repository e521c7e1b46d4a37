"""A file in which any byte is another, that ends too early or has lost pages: a reader never gives a wrong table."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tests.gauge import register
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build
from tsmech.runs import carry_out, tables
from tsmech.store import Store
from tsmech.store.locks import FILE

PAGE = 4096
SEED = 10
"""What the moments and places of the damage are drawn from."""


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


def experiment() -> Experiment:
    """Half of it fails, so that there are failures to lose."""
    return build("gauge", {"level": [1, 2, 3], "fault": ["none", "raise"]}, replicates=6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of an undisturbed run."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch.setitem)
        directory = tmp_path_factory.mktemp("whole") / "run"
        carry_out(experiment(), directory).close()
    return (directory / FILE).read_bytes()


def told(store: Store) -> list[Any]:
    """Return all that a reader can learn from a run."""
    return [
        tables.to_csv(store.rows()), store.columns(), store.counts(), store.timing(), store.failures(),
        store.divergences(), store.history(), store.shard, store.experiment.to_toml(),
    ]  # fmt: skip


def place(content: bytes, directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / FILE).write_bytes(content)
    return directory


class Truth:
    """What an undisturbed run tells, and the check that a damaged one tells it too or is refused."""

    def __init__(self, content: bytes, directory: Path) -> None:
        with Store.open(place(content, directory)) as store:
            self.told = told(store)
        self.directory = directory

    def check(self, content: bytes, what: str) -> bool:
        """Check readers and the command; return whether the reader refused."""
        place(content, self.directory)
        words = ""
        try:
            with Store.open(self.directory) as store:
                assert told(store) == self.told, f"a reader gives something else: {what}"
        except InputError as error:
            words = str(error)
        refused = bool(words)
        if refused:
            assert "run its command again" in words, f"the refusal does not say what to do: {what}"
            assert len(words.splitlines()) == 1
            assert len(words) < 600
        assert [path.name for path in self.directory.iterdir()] == [FILE], what
        assert (self.directory / FILE).read_bytes() == content, f"a reader has written: {what}"
        with carry_out(experiment(), self.directory) as store:
            again = told(store)
            salvaged = store.notice
        assert [again[0], again[1], again[2], len(again[4])] == [*self.told[:3], len(self.told[4])], what
        if refused:
            assert "was damaged" in salvaged, what
        with Store.open(self.directory) as store:
            assert told(store) == again, what
        return refused


@pytest.fixture
def truth(whole: bytes, tmp_path: Path) -> Truth:
    return Truth(whole, tmp_path / "run")


def with_another_byte(content: bytes, position: int, flip: int) -> bytes:
    return content[:position] + bytes([content[position] ^ flip]) + content[position + 1 :]


def anywhere(content: bytes, places: random.Random) -> int:
    return places.randrange(len(content))


def in_the_header(content: bytes, places: random.Random) -> int:
    return places.randrange(100)


def in_the_schema(content: bytes, places: random.Random) -> int:
    start, end = content.index(b"CREATE TABLE failures"), content.index(b"CREATE TABLE meta")
    return places.randrange(start, end)


def in_the_description(content: bytes, places: random.Random) -> int:
    return places.choice([position for position in range(PAGE, 2 * PAGE) if content[position]])


@pytest.mark.parametrize("where", [anywhere, in_the_header, in_the_schema, in_the_description])
@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_after_any_changed_byte_a_reader_gives_the_right_table_or_says_how_it_is_mended(
    truth: Truth, whole: bytes, where: Callable[[bytes, random.Random], int], count: int
) -> None:
    places = random.Random(SEED)
    refused = 0
    for _ in range(count):
        position, flip = where(whole, places), places.choice([1 << places.randrange(8), places.randrange(1, 256)])
        refused += truth.check(with_another_byte(whole, position, flip), f"byte {position} xor {flip}")
    if count >= 100:  # of a few, all may meet pages that are empty
        assert refused > count // 4


@pytest.mark.parametrize("count", [0, pytest.param(100, marks=pytest.mark.slow)])
def test_a_file_that_ends_too_early_is_salvaged(truth: Truth, whole: bytes, count: int) -> None:
    """Down to its header: at each of the first pages, whose loss takes the tables themselves, and anywhere."""
    places = random.Random(SEED)
    ends = [100, PAGE, *(PAGE * page for page in (2, 6, 7, 8)), PAGE * 7 + 1, len(whole) - 1]
    for end in [*ends, *(places.randrange(100, len(whole)) for _ in range(count))]:
        assert truth.check(whole[:end], f"the first {end} bytes")


@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_pages_of_zeros_are_noticed(truth: Truth, whole: bytes, count: int) -> None:
    places = random.Random(SEED)
    pages = len(whole) // PAGE
    assert pages > 10
    for _ in range(count):
        first = places.randrange(2, pages)
        length = min(places.randrange(1, 4), pages - first) * PAGE
        zeros = whole[: first * PAGE] + bytes(length) + whole[first * PAGE + length :]
        assert truth.check(zeros, f"{length} zeros from page {first}")


def test_a_file_without_its_first_page_is_salvaged(truth: Truth, whole: bytes) -> None:
    assert truth.check(bytes(PAGE) + whole[PAGE:], "no first page")


def test_of_what_can_no_longer_be_known_as_a_run_nothing_is_replaced(tmp_path: Path, whole: bytes) -> None:
    directory = place(bytes(3 * PAGE) + whole[3 * PAGE :], tmp_path / "run")
    before = (directory / FILE).read_bytes()
    uses: list[tuple[Any, ...]] = [("export", directory), ("show", directory)]
    uses += [("run", "gauge", "--level", "1", "--out", directory, *more) for more in ((), ("--fresh",))]
    for words in uses:
        said = command(*words)
        assert (said.code, said.out) == (2, "")
        (line,) = said.err.splitlines()
        assert "cannot be read as a run" in line
        assert "move it away, or name another directory" in line
        assert (directory / FILE).read_bytes() == before


# Rows that are not there have no checksum


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM curves WHERE point = 1", "its rows are not those that were written: "),
        ("DELETE FROM curves WHERE answer = 'direct' AND replicate = 3", "its rows are not"),
        ("DELETE FROM failures WHERE replicate = 5", "its rows are not those that were written: "),
        ("UPDATE failures SET error = 'nothing'", r"its rows are not those that were written\)"),
        ("UPDATE curves SET seconds = seconds + 1 WHERE point = 1", r"its rows are not those that were written\)"),
        ("DELETE FROM points WHERE id = 1", "curves do not match their checksums"),
        ("UPDATE points SET parameters = '{}' WHERE id = 1", "curves do not match their checksums"),
        ("DELETE FROM meta WHERE key = 'tally'", "what is written there cannot be understood"),
        ("DELETE FROM meta WHERE key IN ('tally', 'origin')", "its origin does not match its checksum"),
        ("UPDATE meta SET value = '1/2' WHERE key = 'shard'", "its origin does not match its checksum"),
        (
            "UPDATE meta SET value = '[]' WHERE key = 'history'",
            "its origin does not match its checksum",
        ),
        ("UPDATE meta SET value = replace(value, '6', '9') WHERE key = 'experiment'", "description of the experiment"),
    ],
)
def test_rows_that_are_lost_or_altered_are_noticed_by_every_reader(
    tmp_path: Path, whole: bytes, statement: str, says: str
) -> None:
    directory = place(whole, tmp_path / "run")
    connection = sqlite3.connect(directory / FILE)
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match=says):
        Store.open(directory)
    for words in (("export",), ("show",), ("show", "--failures"), ("plot",), ("merge", tmp_path / "out")):
        said = command(*words, directory)
        assert (said.code, said.out) == (2, "")
        (line,) = said.err.splitlines()
        assert "is damaged" in line
        assert "run its command again" in line
        assert not (tmp_path / "out").exists()
    with carry_out(experiment(), directory) as store:
        assert "was damaged" in store.notice
