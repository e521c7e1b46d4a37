"""A disk that is full or may not be written: one clear line, and what was stored stays readable and continues."""

import ctypes
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import TIMEOUT, Said, finish, run_child, start
from tests.faults.test_interruption import committed, logged, wait_until
from tests.gauge import LOG, register
from tsmech.errors import CutShortError, IncompleteError
from tsmech.experiment import build
from tsmech.runs import carry_out, products, publish, tables
from tsmech.runs.progress import Progress
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS
from tsmech.store.locks import FILE

# Each curve holds 1000 rows of a time, a position and a 2 × 2 overlap: 48 kB.
LARGE = ("run", "walk", "--length", 1000, "--replicates", 60, "--workers", 1, "--quiet")
CURVE = 48_000

posix = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


def mount(directory: Path, options: str) -> None:
    """Mount a small file system in memory, or skip the test where that is not permitted."""
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount(directory, "size=1m")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True, timeout=TIMEOUT)


def limit_files(size: int) -> Callable[[], None]:
    """Return what makes a child's files end at a size, as a full disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def stored(directory: Path) -> dict[str, int]:
    with Store.open(directory) as store:
        for _, _, curves in store.curves():
            assert all(len(curve.observables["position"]) == 1000 for curve in curves)
        return store.counts()


def check_refusal(said: Said, code: int) -> str:
    """Check that a command ended with a code and said why in one line; return that line."""
    assert said.code == code, said.err
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("tsmech: ")
    assert "bug" not in line
    return line


def check_continuation(directory: Path, before: dict[str, int], log: Path) -> None:
    """Run again where there is room: it ends as an undisturbed run does, and reuses what was stored."""
    experiment = build("walk", {"length": 1000}, replicates=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LOG, str(log))
        with carry_out(experiment, directory) as store:
            assert store.counts() == {"theory": 1, "direct": 60}
            rows = list(store.rows())
    assert log.read_text().count("begin direct") == 60 - before["direct"]
    with carry_out(experiment) as whole:
        assert rows == list(whole.rows())


@pytest.mark.slow
@posix
def test_a_file_that_can_grow_no_more_ends_the_run_with_a_clear_line(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    said = run_child(*LARGE, "--out", directory, cwd=tmp_path, preexec_fn=limit_files(20 * CURVE))
    line = check_refusal(said, 4)
    assert "cannot be stored" in line
    assert "kept" in line
    before = stored(directory)
    assert 0 < before["direct"] < 60
    check_continuation(directory, before, tmp_path / "log")


@pytest.mark.slow
def test_a_full_disk_ends_the_run_with_a_clear_line(disk: Path, tmp_path: Path) -> None:
    directory = disk / "run"
    line = check_refusal(run_child(*LARGE, "--out", directory, cwd=disk.parent), 4)
    assert "cannot be stored" in line
    assert "full" in line
    before = stored(directory)
    assert 0 < before["direct"] < 60
    assert run_child("export", directory, cwd=disk.parent).code == 0
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True, timeout=TIMEOUT)
    check_continuation(directory, before, tmp_path / "log")


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start_is_said_to_be(disk: Path) -> None:
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
    line = check_refusal(run_child("run", "gauge", "--level", 1, "--out", disk / "run", cwd=disk.parent), 2)
    assert str(disk / "run") in line
    (disk / "ballast").unlink()
    said = run_child("run", "gauge", "--level", 1, "--answers", "theory", "--out", disk / "run", cwd=disk.parent)
    assert said.code == 0, said.err


@posix
@pytest.mark.slow
def test_products_that_cannot_be_written_leave_the_run_whole(tmp_path: Path) -> None:
    """The store of a small run fits, its picture does not: there is none then, and no half of one."""
    words = ("run", "gauge", "--level", "1:10:10", "--replicates", 2, "--answers", "reduced,direct", "--workers", 1)
    words += ("--quiet", "--out", "run")
    assert run_child(*words, cwd=tmp_path) == (0, "", "")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "run").iterdir()}
    for name in PRODUCTS:
        (tmp_path / "run" / name).unlink()
    limit = (sizes[FILE] + min(sizes["figure.png"], sizes["figure.svg"])) // 2
    assert sizes[FILE] < limit, "the test needs a store that is smaller than the picture"
    line = check_refusal(run_child(*words, cwd=tmp_path, preexec_fn=limit_files(limit)), 4)
    assert "figure" in line
    assert "the run itself is kept" in line
    assert {path.name for path in (tmp_path / "run").iterdir()} == {FILE, "table.csv"}
    assert run_child(*words, cwd=tmp_path) == (0, "", "")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {FILE, *PRODUCTS}


def check_read_only(folder: Path, tmp_path: Path, **child: Any) -> None:
    """A folder that may not be written, with a finished run in it."""
    before = {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
    for words in (
        ("run", "gauge", "--level", 1, "--out", folder / "new"),
        ("run", "gauge", "--level", 1, "--out", folder / "empty"),
        ("run", "gauge", "--level", "1,2", "--answers", "theory", "--out", folder / "run"),
    ):
        line = check_refusal(run_child(*words, cwd=tmp_path, **child), 2)
        assert str(words[-1]) in line
    said = run_child("run", "gauge", "--level", 1, "--out", folder / "run", "--fresh", cwd=tmp_path, **child)
    assert said.code == 2
    assert "cannot be emptied: Read-only file system" in said.err or "Permission denied" in said.err
    for words in (("show", folder / "run"), ("export", folder / "run")):
        said = run_child(*words, cwd=tmp_path, **child)
        assert (said.code, said.err) == (0, "")
        assert said.out
    check_refusal(run_child("plot", folder / "run", cwd=tmp_path, **child), 4)
    assert {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")} == before


def prepare(folder: Path, tmp_path: Path) -> None:
    (folder / "empty").mkdir()
    words: tuple[Any, ...] = (
        "run",
        "gauge",
        "--level",
        "1,2",
        "--answers",
        "theory",
        "--quiet",
        "--out",
        folder / "run",
    )
    assert run_child(*words, cwd=tmp_path) == (0, "", "")


def bind_to_permissions() -> None:
    """Let even root be bound by the permissions of directories: what a child does with this is as anybody's."""
    drop_from_bounding_set, override, search = 24, 1, 2
    library = ctypes.CDLL(None)
    for capability in (override, search):
        library.prctl(drop_from_bounding_set, capability, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="gives up capabilities of Linux")
def test_a_directory_that_becomes_read_only_in_mid_run_costs_nothing(tmp_path: Path) -> None:
    """The open file is written to the end; table and picture are not, which the command that continues makes good."""
    log, directory = tmp_path / "log", tmp_path / "run"
    words = ("run", "gauge", "--level", "1,2", "--replicates", 20, "--out", directory, "--workers", 2, "--quiet")
    child = start(*words, cwd=tmp_path, log=log, seconds=0.03, preexec_fn=bind_to_permissions)
    try:
        wait_until(lambda: len(logged(log, "end")) >= 8 or child.poll() is not None)
        directory.chmod(0o555)
        said = finish(child)
    finally:
        child.kill()
        directory.chmod(0o755)
    line = check_refusal(said, 4)
    assert "table.csv cannot be written: Permission denied; the run itself is kept" in line
    kept = committed(directory)
    assert kept
    again = tmp_path / "again"
    assert run_child(*words, cwd=tmp_path, log=again) == (0, "", "")
    assert not kept & logged(again, "begin")
    with carry_out(build("gauge", {"level": [1, 2]}, replicates=20)) as whole:
        assert (directory / "table.csv").read_text() == tables.to_csv(whole.rows())


@pytest.mark.slow
def test_a_disk_that_may_only_be_read_is_refused_and_its_runs_are_readable(disk: Path, tmp_path: Path) -> None:
    prepare(disk, tmp_path)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=TIMEOUT)
    check_read_only(disk, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="gives up capabilities of Linux")
def test_a_directory_that_may_only_be_read_is_refused_and_its_runs_are_readable(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    prepare(folder, tmp_path)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        check_read_only(folder, tmp_path, preexec_fn=bind_to_permissions)
    finally:
        for path in paths:
            path.chmod(path.stat().st_mode | 0o200)


# The file or its directory is removed while the run goes on


def remove_file(directory: Path) -> None:
    (directory / FILE).unlink()


def put_another(directory: Path) -> None:
    """Another file takes the place, as of a run that was begun anew."""
    shutil.copyfile(directory / FILE, directory / "other")
    (directory / "other").replace(directory / FILE)


@pytest.mark.parametrize("remove", [shutil.rmtree, remove_file, put_another])
@pytest.mark.parametrize("moment", ["begin", "end", "write", "draw", "interrupt"])
def test_a_run_whose_file_is_removed_says_that_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remove: Callable[[Path], None], moment: str
) -> None:
    """Whenever it happens: while tasks are performed, when they are stored, when the table or the picture is made."""
    directory = tmp_path / "run"
    experiment = build("gauge", {"level": [1, 2]}, replicates=2)
    seen = [0]

    def report(progress: Progress) -> None:
        seen[0] += 1
        if progress.finished == (progress.total if moment == "end" else 0) and moment in ("begin", "end"):
            remove(directory)
        if moment == "interrupt" and progress.finished:
            remove(directory)
            raise KeyboardInterrupt

    def disturb(target: Any, name: str, error: Exception | None) -> None:
        def disturbed(*arguments: Any, **more: Any) -> Any:
            remove(directory)
            if error is not None:
                raise error
            return original(*arguments, **more)

        original = getattr(target, name)
        monkeypatch.setattr(target, name, disturbed)

    if moment == "write":
        disturb(Store, "_row", sqlite3.OperationalError("disk I/O error"))
    if moment == "draw":
        disturb(products, "draw_files", None)
    with (
        pytest.raises(IncompleteError, match=r"run\.sqlite was removed while the run was under way") as said,
        carry_out(experiment, directory, report=report) as store,
    ):
        publish(store)
    assert not isinstance(said.value, CutShortError)
    assert said.value.exit_code == 4
    assert "run the command again" in str(said.value)
    assert "kept" not in str(said.value)


def test_the_command_says_in_one_line_that_a_run_was_removed(tmp_path: Path) -> None:
    log, directory = tmp_path / "log", tmp_path / "run"
    words = ("run", "gauge", "--level", "1", "--replicates", 20, "--workers", 1, "--out", directory)
    child = start(*words, cwd=tmp_path, log=log, seconds=0.02)
    try:
        wait_until(lambda: len(logged(log, "end")) >= 5 or child.poll() is not None)
        shutil.rmtree(directory)
        said = finish(child)
    finally:
        child.kill()
    assert "was removed while the run was under way" in check_refusal(said, 4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_output_that_cannot_be_written_is_one_line() -> None:
    script = Path(sys.executable).with_name("tsmech")
    with open("/dev/full", "w") as full:
        child = subprocess.run([script, "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
    assert child.returncode not in (0, 1)
    (line,) = child.stderr.splitlines()
    assert "No space left on device" in line
    assert "bug" not in line
