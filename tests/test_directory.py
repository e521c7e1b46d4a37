"""The run directory: what is no run is refused and left alone, one process writes at a time, and starting anew."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gauge import Gauge, register
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.runs import carry_out
from tsmech.store import Store
from tsmech.store.directory import FILE, PRODUCTS, contents, discard


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


def run(directory: Path | None, **more: Any) -> list[dict[str, Any]]:
    with carry_out(build("gauge", {"level": 1}, replicates=2, **more), directory) as store:
        return list(store.rows())


def write_text(file: Path) -> None:
    file.write_text("this is no database, and longer than the header of one would be " * 10)


def write_foreign(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.commit()
    connection.close()


def write_newer(file: Path) -> None:
    run(file.parent)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def make_folder(file: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (write_text, "cannot be read as a run|is not a run"),
        (write_foreign, "is not a run"),
        (write_newer, r"newer version of tsmech \(format 99, known: \d+\)"),
        (make_folder, "cannot be opened|not a run"),
    ],
)
def test_a_file_that_is_not_a_run_is_refused_and_left_alone(
    directory: Path, damage: Callable[[Path], None], says: str
) -> None:
    directory.mkdir()
    damage(directory / FILE)
    before = {path: path.is_file() and path.read_bytes() for path in directory.rglob("*")}
    for use in (lambda: run(directory), lambda: Store.open(directory)):
        with pytest.raises(InputError, match=says):
            use()
    assert {path: path.is_file() and path.read_bytes() for path in directory.rglob("*")} == before


def test_a_directory_that_holds_something_else_is_refused(directory: Path) -> None:
    directory.mkdir()
    (directory / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds something that is not a run"):
        run(directory)
    with pytest.raises(InputError, match="holds something that is not a run"):
        discard(directory)
    assert [path.name for path in directory.iterdir()] == ["thesis.tex"]


def test_a_directory_that_is_a_file_is_refused(directory: Path) -> None:
    directory.write_text("mine")
    for wrong in (directory, directory / "below"):
        with pytest.raises(InputError, match=r"is a file|Not a directory"):
            run(wrong)
    assert directory.read_text() == "mine"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="run directory"):
        run(tmp_path / name)


def test_a_directory_without_a_run_cannot_be_opened(directory: Path) -> None:
    with pytest.raises(InputError, match=f"is not a run directory: it has no {FILE}"):
        Store.open(directory)
    directory.mkdir()
    (directory / FILE).touch()
    with pytest.raises(InputError, match="never began"):
        Store.open(directory)


def test_an_empty_directory_and_a_run_that_never_began_are_begun(directory: Path) -> None:
    directory.mkdir()
    expected = run(None)
    assert run(directory) == expected
    (directory / FILE).write_bytes(b"")
    assert run(directory) == expected


def _hold(directory: Path, held: Any, release: Any) -> None:
    with Store.create(build(Gauge, {"level": 1}, answers="theory"), directory):
        held.set()
        release.wait(60)


def test_a_directory_in_use_is_refused_to_others_and_free_afterwards(directory: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    held, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(directory, held, release))
    process.start()
    try:
        assert held.wait(60)
        for use in (lambda: run(directory, answers="theory"), lambda: discard(directory)):
            with pytest.raises(InputError, match="is in use by another run"):
                use()
    finally:
        release.set()
        process.join(60)
    assert run(directory, answers="theory")


def test_a_directory_in_use_by_this_process_is_refused_too(directory: Path) -> None:
    experiment = build("gauge", {"level": 1})
    with Store.create(experiment, directory), pytest.raises(InputError, match="is in use"):
        Store.create(experiment, directory)
    Store.create(experiment, directory).close()


# Starting anew


def test_discarding_removes_a_runs_own_files_and_no_other(directory: Path) -> None:
    """An empty file goes on marking the directory as a run's, so that starting anew works beside the others."""
    run(directory)
    for name in (*PRODUCTS, "notes.txt", ".table.csv.partial", f"{FILE}-wal"):
        (directory / name).write_text("")
    (directory / "sub").mkdir()
    assert set(contents(directory)) >= {FILE, *PRODUCTS}
    discard(directory)
    assert {path.name for path in directory.iterdir()} == {"notes.txt", "sub", FILE}
    assert (directory / FILE).stat().st_size == 0
    assert run(directory, seed=1) == run(None, seed=1)


def test_a_discard_that_is_cut_short_can_be_repeated(directory: Path) -> None:
    """At whatever file it stops, the directory is still a run's."""
    run(directory)
    for name in ("table.csv", "figure.svg", f"{FILE}-journal"):
        (directory / name).write_text("")
    assert contents(directory)[-1] == FILE
    for name in contents(directory)[:-1]:
        (directory / name).unlink()
        with pytest.raises(InputError, match="seed is 0 there and 1 here"):
            run(directory, seed=1)
    discard(directory)
    assert run(directory, seed=1) == run(None, seed=1)


def test_a_store_that_could_not_be_made_leaves_no_lock(directory: Path) -> None:
    run(directory)
    with pytest.raises(InputError):
        run(directory, seed=9)
    assert run(directory)
