"""What memory there is, and amounts in words."""

from pathlib import Path

import pytest

from tsmech.machine import memory


def files(monkeypatch: pytest.MonkeyPatch, contents: dict[str, str]) -> None:
    """Let files have these contents, and no others exist."""

    def read(path: Path) -> str:
        if str(path) not in contents:
            raise FileNotFoundError(path)
        return contents[str(path)]

    monkeypatch.setattr(Path, "read_text", read)


KERNEL = {"/proc/meminfo": "MemTotal:  9000 kB\nMemFree:  100 kB\nMemAvailable:   5000 kB\n"}


def group(limit: str, used: str) -> dict[str, str]:
    return {"/sys/fs/cgroup/memory.max": limit + "\n", "/sys/fs/cgroup/memory.current": used + "\n"}


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (KERNEL, 5000 * 1024),
        (KERNEL | group("max", "100"), 5000 * 1024),
        (KERNEL | group("3000", "1000"), 2000),
        (KERNEL | group("3000", "4000"), 0),
        (group("3000", "1000"), 2000),
    ],
)
def test_the_least_of_what_is_known_is_available(monkeypatch, contents: dict[str, str], expected: int) -> None:
    files(monkeypatch, contents)
    assert memory.available() == expected


def test_elsewhere_it_is_what_is_built_in(monkeypatch) -> None:
    files(monkeypatch, {})
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert memory.available() == 40960

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr("os.sysconf", unknown)
    assert memory.available() is None


def test_here_it_is_more_than_nothing() -> None:
    found = memory.available()
    assert found is None or found > 0


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (999_600_000, "1 GB"),
        (4e18, "4e+06 TB"),
    ],
)
def test_amounts_in_words(amount: float, words: str) -> None:
    assert memory.in_words(amount) == words


def test_what_is_not_there_is_said_with_both_figures(monkeypatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    assert memory.shortage(2e12, "a matrix") == "a matrix takes 2 TB of memory, 1 GB are available"
    assert memory.shortage(1e9, "a matrix") is None
    monkeypatch.setattr(memory, "available", lambda: 1000)
    assert memory.shortage(memory.SMALL, "a matrix") is None, "so little is not asked for"
    assert memory.shortage(2000, "a row", 0) == "a row takes 2 kB of memory, 1 kB are available"
    monkeypatch.setattr(memory, "available", lambda: None)
    assert memory.shortage(2e12, "a matrix") is None
