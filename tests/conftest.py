"""Shared test set-up: a Numba cache that is named by the sources it was compiled from."""

import hashlib
import os
import tempfile
from pathlib import Path

_package = Path(__file__).parents[1] / "tsmech"
_digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(_package.rglob("*.py")))).hexdigest()[:16]
# Numba's cache does not see edits in other files, so each state of the sources has its own.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"tsmech-numba-{_digest}"))
