"""The run directory: what is no run is refused and left alone, one process writes at a time, and starting anew."""

import errno
import fcntl
import multiprocessing
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tsmech
import tsmech.store.locks as places
from tests.commands import command
from tests.gauge import Gauge, register
from tsmech.engine import perform
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.runs import carry_out, publish
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS, contents, discard
from tsmech.store.locks import FILE, LOCK


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
    """Write what another version would, whose description has a checksum of its own."""
    run(file.parent)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("UPDATE meta SET value = 'of that format' WHERE key = 'origin'")
    connection.commit()
    connection.close()


def make_folder(file: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (write_text, "cannot be read as a run|is not a run"),
        (write_foreign, "is not a run"),
        (write_newer, r"by a newer tsmech .*\(format 99\)"),
        (make_folder, "is a directory, which is not replaced|not a run"),
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


# What is no regular file of a run's


def make_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "mine")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
@pytest.mark.parametrize("make", [make_link, make_pipe, Path.mkdir])
@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal", "table.csv", "figure.svg"])
def test_what_is_no_regular_file_is_not_replaced(directory: Path, name: str, make: Callable[[Path], None]) -> None:
    """Neither by a run nor by starting anew, and a link is not followed."""
    run(directory)
    mine = directory.parent / "mine"
    mine.write_text("mine")
    (directory / name).unlink(missing_ok=True)
    make(directory / name)
    mode = (directory / name).lstat().st_mode
    for use in (lambda: run(directory), lambda: discard(directory)):
        with pytest.raises(InputError, match=f"{name} is a (link|pipe|directory), which is not replaced"):
            use()
    assert (directory / name).lstat().st_mode == mode
    assert mine.read_text() == "mine"


def test_a_partial_file_is_made_anew_though_a_link_lies_in_its_place(directory: Path) -> None:
    mine = directory.parent / "mine"
    mine.write_text("mine")
    directory.mkdir()
    for name in PRODUCTS:
        (directory / f".{name}.partial").symlink_to(mine)
    (directory / FILE).touch()
    with carry_out(build("gauge", {"level": 1}, replicates=2), directory) as store:
        assert len(publish(store)) == 3
    assert mine.read_text() == "mine"
    assert {path.name for path in directory.iterdir()} == {FILE, *PRODUCTS}
    assert not any(path.is_symlink() for path in directory.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_an_export_replaces_nothing_but_a_regular_file(directory: Path, tmp_path: Path) -> None:
    run(directory)
    mine, link, pipe, table = (tmp_path / name for name in ("mine", "link", "pipe", "table.csv"))
    mine.write_text("mine")
    link.symlink_to(mine)
    os.mkfifo(pipe)
    for place, says in ((link, "is a link"), (pipe, "is a pipe"), (Path(os.devnull), "is a device")):
        said = command("export", directory, "--format", "csv", "--out", place)
        assert (said.code, said.out) == (2, "")
        assert f"{place} {says}, which is not replaced: remove it, or name another place" in said.err
    assert link.is_symlink()
    assert pipe.is_fifo()
    assert Path(os.devnull).is_char_device()
    assert mine.read_text() == "mine"
    table.write_text("before")
    assert command("export", directory, "--out", table).code == 0
    assert table.read_text().startswith("system,answer")


def test_a_foreign_database_is_not_removed(directory: Path) -> None:
    directory.mkdir()
    write_foreign(directory / FILE)
    before = (directory / FILE).read_bytes()
    said = command("run", "gauge", "--level", 1, "--out", directory, "--fresh")
    assert (said.code, said.out) == (2, "")
    assert "is not a run of tsmech: move it away, or name another directory" in said.err
    assert "removing" not in said.err
    assert (directory / FILE).read_bytes() == before
    write_text(directory / FILE)
    with pytest.raises(InputError, match="cannot be read as a run"):
        discard(directory)


def test_a_run_of_another_version_and_a_damaged_one_can_be_removed(directory: Path) -> None:
    write_newer(directory / FILE)
    discard(directory)
    assert run(directory) == run(None)
    with open(directory / FILE, "r+b") as file:
        file.truncate(5 * 4096)
    discard(directory)
    assert (directory / FILE).stat().st_size == 0


# Disks that other machines write, and disks without locks


def refuse_locks(patch: pytest.MonkeyPatch, number: int, files: bool) -> None:
    """Let the disk lock no directory, as one that locks only what is opened for writing; or no file either."""

    def flock(descriptor: int, operation: int) -> None:
        if files or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        original(descriptor, operation)

    original = fcntl.flock
    patch.setattr(fcntl, "flock", flock)


NO_LOCKS = [errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK]


@pytest.mark.parametrize("number", NO_LOCKS)
def test_where_a_directory_cannot_be_locked_a_file_in_it_is(
    directory: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    expected = run(None)
    refuse_locks(monkeypatch, number, files=False)
    experiment = build("gauge", {"level": 1}, replicates=2)
    with Store.create(experiment, directory) as store:
        assert store.notice == ""
        for use in (lambda: Store.create(experiment, directory), lambda: discard(directory)):
            with pytest.raises(InputError, match="is in use by another run"):
                use()
    assert run(directory) == expected
    assert {path.name for path in directory.iterdir()} == {FILE, LOCK}
    (directory / FILE).unlink()
    assert run(directory) == expected, "a run that was killed before it had a file is one that never began"


@pytest.mark.parametrize("number", NO_LOCKS)
def test_on_a_disk_without_locks_a_run_goes_on_without_and_says_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch, number: int, unpainted: None
) -> None:
    refuse_locks(monkeypatch, number, files=True)
    words = f"{directory} lies on a disk without locks: see to it that no other run writes there"
    with carry_out(build("gauge", {"level": 1}, replicates=2), directory) as store:
        assert store.notice == words
    with Store.open(directory) as store:
        assert list(store.rows()) == run(None)
    if number == errno.ENOLCK:
        said = command("run", "gauge", "--level", 1, "--replicates", 2, "--workers", 1, "--out", directory, "--quiet")
        assert said == (0, "", f"tsmech: {words}\n")
        with pytest.warns(UserWarning, match="lies on a disk without locks"):
            tsmech.run("gauge", level=1, replicates=2, out=directory)


def test_another_fault_of_a_lock_is_an_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_locks(monkeypatch, errno.EIO, files=True)
    with pytest.raises(InputError, match="cannot be written: Input/output error"):
        run(directory)


@pytest.mark.parametrize("network", [True, False])
def test_on_a_network_disk_nothing_is_written_ahead(
    directory: Path, monkeypatch: pytest.MonkeyPatch, network: bool
) -> None:
    """Its log would need memory that two machines share.  A log that a killed run has left is taken over."""
    experiment = build("gauge", {"level": [1, 2]}, replicates=3)
    outcomes = perform(list(experiment.tasks()), 0)
    killed = directory.parent / "killed"
    with Store.create(experiment, directory) as store:
        store.add(outcomes[:5])
        shutil.copytree(directory, killed)
    assert (killed / f"{FILE}-wal").stat().st_size > 0
    monkeypatch.setattr(places, "on_network", lambda directory: network)
    for there in (killed, directory.parent / "new"):
        with Store.create(experiment, there) as store:
            assert store.counts() == ({"theory": 1, "reduced": 3, "direct": 1} if there == killed else {})
            assert (there / f"{FILE}-wal").exists() == (not network)
            store.add(outcomes[5:])
            with Store.open(there) as reader:
                assert reader.counts() == store.counts()
            store.add(outcomes[:5])
        assert [path.name for path in there.iterdir() if "shm" not in path.name] == [FILE]
        with Store.open(there) as store:
            assert sum(store.counts().values()) == len(outcomes)


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="reads the mounts of Linux")
def test_a_network_disk_is_known_by_its_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path.stat().st_dev
    for kind, network in (("ext4", False), ("nfs4", True), ("lustre", True), ("fuse.sshfs", True)):
        line = f"36 35 {os.major(device)}:{os.minor(device)} / /home rw shared:1 - {kind} host:/home rw\n"
        monkeypatch.setattr(Path, "read_text", lambda path, line=line: "20 1 0:1 / / rw - nfs a rw\n" + line)
        assert places.on_network(tmp_path) == network


# What a run holds beyond what is asked


@pytest.mark.slow
def test_what_a_run_holds_beyond_what_is_asked_is_said(directory: Path) -> None:
    carry_out(build("gauge", {"level": [1, 2, 3]}, replicates=4), directory).close()
    shown = "the table and the picture show all that it holds; name another directory for less"
    for level, more, says in (
        ([1, 2, 3], {"replicates": 2}, "4 replicates (asked for: 2)"),
        (1, {"replicates": 4}, "3 values of level (asked for: 1)"),
        ([1, 2, 3], {"answers": "theory"}, "the answers theory, reduced, direct (asked for: theory)"),
        ([1, 2], {"replicates": 3}, "4 replicates (asked for: 3); 3 values of level (asked for: 2)"),
        ([1, 2, 3], {"replicates": 4}, ""),
        ([1, 2, 3, 4], {"replicates": 5}, ""),
    ):
        with carry_out(build("gauge", {"level": level}, **more), directory) as store:
            assert store.surplus == (f"{directory} holds {says}: {shown}" if says else "")
    with pytest.warns(UserWarning, match=r"holds 5 replicates \(asked for: 2\)"):
        table = tsmech.run("gauge", level=[1, 2, 3, 4], replicates=2, out=directory)
    assert set(table.replicates.dropna()) == {5}
    words = ("run", "gauge", "--level", "1:4:4", "--replicates", 2, "--workers", 1, "--out", directory)
    assert command(*words).err == f"tsmech: {directory} holds 5 replicates (asked for: 2): {shown}\n"
    assert command(*words, "--quiet") == (0, "", "")


@pytest.mark.slow
def test_replicates_that_a_target_asked_for_are_no_surplus_to_the_same_target(directory: Path) -> None:
    target = {"target_error": 1e-9, "max_replicates": 16, "answers": "direct"}
    first = tsmech.run("gauge", level=1, replicates=2, out=directory, **target)
    assert set(first.replicates) == {16}
    assert tsmech.run("gauge", level=1, replicates=2, out=directory, **target).equals(first)
    with pytest.warns(UserWarning, match=r"replicates \(asked for: 2\)"):
        tsmech.run("gauge", level=1, replicates=2, answers="direct", out=directory)
