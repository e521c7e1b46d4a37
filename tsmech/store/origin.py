"""Where a run comes from: the versions, the machine and the times of the commands that made it, and its format."""

import importlib.metadata
import itertools
import json
import platform
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tsmech.errors import InputError
from tsmech.store.checksums import FORMATS, format_of, origin_checksum


class OtherVersionError(InputError):
    """A run that another version of tsmech has written, and that cannot be read here."""


def other_version(file: Path, stored: Mapping[str, str], number: int, what: str = "") -> OtherVersionError:
    """Return the error that says which version wrote a run, which this is, and ``what`` is not known here.

    ``stored`` is what the file says of itself, and ``number`` that of its format.
    """
    age = "a newer " if number > max(FORMATS) else "an older " if number < min(FORMATS) else ""
    try:
        theirs = f" {version(json.loads(stored['history'])[-1])}"
    except (LookupError, TypeError, ValueError):  # of a format that says it in another way
        theirs = ""
    ours = f"{version(provenance())} (formats {' and '.join(map(str, FORMATS))})"
    return OtherVersionError(
        f"{file} was written by {age}tsmech{theirs} (format {number}), and this is {ours}: {what}{what and '; '}"
        "use that version, start anew with --fresh, or name another directory"
    )


def version(entry: Mapping[str, str]) -> str:
    """Return in words with which version of tsmech a command was performed."""
    return entry["tsmech"] + (f" at commit {entry['commit']}" if "commit" in entry else "")


def provenance() -> dict[str, str]:
    """Return what the numbers of a command depend on beside what is asked: versions, machine, and the time."""
    versions = {name: importlib.metadata.version(name) for name in ("tsmech", "numpy", "numba", "scipy")}
    place = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    commit = checkout()
    return {
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **versions,
        **place,
        **({"commit": commit} if commit else {}),
    }


def checkout() -> str:
    """Return the commit of the checkout that the package lies in, or nothing where it lies in none."""
    top = Path(__file__).parents[2] / ".git"
    try:
        if top.is_file():  # a work tree beside its repository
            top = Path(top.read_text().partition("gitdir: ")[2].strip())
        head = (top / "HEAD").read_text().strip()
        name = head.partition("ref: ")[2]
        places = (top, top.parent.parent)
        return (
            next((at / name).read_text().strip()[:12] for at in places if (at / name).is_file()) if name else head[:12]
        )
    except (OSError, StopIteration):
        return ""


def begun(shard: str) -> dict[str, str]:
    """Return the origin of a run that this command begins."""
    return {"history": json.dumps([provenance()]), "shard": shard}


def continued(stored: Mapping[str, str]) -> dict[str, str]:
    """Return the description of a run once this command adds to it."""
    history, now = json.loads(stored["history"]), provenance()
    same = {**history[-1], "begun": ""} == {**now, "begun": ""}
    return {**stored, "history": json.dumps(history if same else [*history, now])}


def joined_history(*histories: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return what several runs say of the commands that made them, one entry for all that differ in time alone."""
    found: dict[str, Mapping[str, str]] = {}
    for entry in itertools.chain(*histories):
        found.setdefault(json.dumps({**entry, "begun": ""}, sort_keys=True), entry)
    return list(found.values())


def write_origin(connection: sqlite3.Connection, stored: Mapping[str, str]) -> None:
    """Write with which versions a run was begun and continued, when, as which shard, and the checksum.

    The checksum covers the number of the format, which :func:`tsmech.store.database.write_experiment` writes before.
    """
    told = {key: stored[key] for key in ("history", "shard") if key in stored}
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        (told | {"origin": origin_checksum(told, format_of(connection))}).items(),
    )
