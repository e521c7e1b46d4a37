"""The first use on a machine: theory compiles nothing, and where it does, what its own activation needs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT
from tsmech.kernels import deferral
from tsmech.systems import REGISTRY, find

COMPILED = """
import importlib

event = importlib.import_module("numba.core.event")
found = set()
notes = {
    "on_start": lambda self, event: found.add(event.data["dispatcher"].py_func),
    "on_end": lambda self, event: None,
}
event.register("numba:compile", type("Listener", (event.Listener,), notes)())
"""
PRINTED = """
print(*sorted({f"{one.__module__}.{one.__name__}" for one in found if one.__module__.startswith("tsmech")}))
"""
MOST = 25
"""Kernels, where all activations together have many times as many, and take minutes."""
NEEDED = {"alpha": 2.0, "features": 1.0, "examples": 100, "data": "made_up"}
"""What has to be given to a problem that is otherwise by default."""


def in_a_new_place(code: str, folder: Path) -> list[str]:
    """Return the lines that a new process prints which finds nothing compiled."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILED + code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_first_theory_compiles_no_other_activation_s_averages(tmp_path: Path) -> None:
    """... once so much has been interpreted that compiling pays."""
    at_once = "import tsmech; from tsmech.kernels import deferral; deferral.WORK = 0; "
    (line,) = in_a_new_place(at_once + "tsmech.OnlineSGD(duration=5).theory()" + PRINTED, tmp_path)
    names = line.split()
    assert any(name.endswith("gaussian.drift_averages") for name in names)
    assert len(names) <= MOST, names
    assert [name for name in names if "relu" in name or "wedges" in name or "orthants" in name] == []


DEEP: list[dict[str, Any]] = [
    {"depth": 3},
    {"depth": 2, "alpha": 2.0, "noise": 0.3},
    {"depth": 3, "alpha": 2.0, "noise": 0.3},
    {"depth": 2, "initial": "orthogonal", "start_seed": 1},
]
"""Deep linear networks, whose theory has kernels for each of these alone."""
PROBLEMS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in REGISTRY),
    *(("deep_linear", one) for one in DEEP),
]


def bits(name: str, options: dict[str, Any]) -> str:
    """Return the bits of the theory of a system, by default but for options, as text."""
    system = find(name)
    given = {field: NEEDED[field] for field, one in system.parameters().items() if one.required}
    return system(**given | options).theory().to_numpy(dtype=float).tobytes().hex()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:theory is")
def test_the_theory_of_no_system_waits_for_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process; those that would be compiled have the bits that compiled code gives."""
    code = f"""
from tests.theory.online_sgd.test_first_use import bits
for name, options in {PROBLEMS}: print(bits(name, options))
"""
    *found, compiled = in_a_new_place(code + PRINTED, tmp_path)
    assert compiled == ""
    monkeypatch.setattr(deferral, "WORK", 0)
    for problem, known in zip(PROBLEMS, found, strict=True):
        if problem[0] in ("online_sgd", "sample_reuse") or problem[1]:
            assert known == bits(*problem)
