"""The first theory on a machine: what is compiled is what the problem's own activation needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

COMPILED = """
import importlib

event = importlib.import_module("numba.core.event")
found = set()
notes = {
    "on_start": lambda self, event: found.add(event.data["dispatcher"].py_func),
    "on_end": lambda self, event: None,
}
event.register("numba:compile", type("Listener", (event.Listener,), notes)())
import tsmech

tsmech.OnlineSGD(duration=5).theory()
print(*sorted({f"{one.__module__}.{one.__name__}" for one in found if one.__module__.startswith("tsmech")}))
"""
MOST = 25
"""Kernels, where all activations together have many times as many, and take minutes."""


@pytest.mark.slow
def test_the_first_theory_compiles_no_other_activation_s_averages(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    names = done.stdout.split()
    assert any(name.endswith("gaussian.drift_averages") for name in names)
    assert len(names) <= MOST, names
    assert [name for name in names if "relu" in name or "wedges" in name or "orthants" in name] == []
