"""How much memory there is, so that what cannot fit is refused before it starts."""

import os
from pathlib import Path

SMALL = 1 << 26
"""Bytes that are taken without asking."""


def available() -> int | None:
    """Return the bytes that can still be taken without swapping, or None where the system does not say.

    On Linux the kernel's own estimate, or what a control group's limit leaves where that is less; elsewhere all the
    memory that is built in.
    """
    found = [amount for amount in (_estimated(), _left_in_group()) if amount is not None]
    return min(found) if found else _built_in()


def shortage(needed: float, what: str, unasked: int = SMALL) -> str | None:
    """Return in one line that so many bytes are not available for what needs them, or None where they are.

    Up to ``unasked`` bytes are taken to be there: asking takes longer than making a point of a sweep.
    """
    left = available() if needed > unasked else None
    if left is None or needed <= left:
        return None
    return f"{what} takes {in_words(needed)} of memory, {in_words(left)} are available"


def in_words(amount: float) -> str:
    """Return a number of bytes in words, to three digits."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            return f"{amount:.3g} {unit}"
        amount /= 1000.0
    raise AssertionError


def _estimated() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(found[0][1]) if found else None


def _left_in_group() -> int | None:
    try:
        limit, used = (Path("/sys/fs/cgroup", name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return max(int(limit) - int(used), 0) if limit.isdigit() and used.isdigit() else None


def _built_in() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
