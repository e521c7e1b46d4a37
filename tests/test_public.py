"""What a person finds at the top of the package."""

import math
import subprocess
import sys

import pytest

import tsmech
from tests.commands import ROOT
from tsmech.systems import REGISTRY


def test_the_functions_of_the_problems_stand_at_the_top():
    assert tsmech.critical_learning_rate("erf") == pytest.approx(math.pi * math.sqrt(5 / 3))
    assert tsmech.optimal_penalty(1.0, 0.5) == pytest.approx(0.25)
    assert tsmech.optimal_stopping(1.0, 0.5) == tsmech.GradientFlow(alpha=1.0, noise=0.5).optimal_stopping()


def test_what_is_listed_is_what_is_public():
    names = [name for name in dir(tsmech) if not name.startswith("__")]
    assert names == sorted([*tsmech.PLACES, *REGISTRY.values()])
    assert "__version__" in dir(tsmech)


TYPED = """
import numpy as np
import tsmech

tsmech.OnlineSGD(samples=10, duration=1)
tsmech.OnlineSGD(samples=[0.5, 1.0], teacher_second_layer=np.ones(2), initial="informed")
tsmech.OnlineSGD(initial={"Q": [[0.5]], "R": [[0.1]]}, schedule={"alpha": [0, 5], "factor": [1, 0.5]})
tsmech.OnlineSGD(initial=tsmech.Overlaps(Q=[[0.5]], R=np.ones((1, 1))), schedule=tsmech.Steps([0, 5], np.ones(2)))
tsmech.SampleReuse(alpha=2, samples=np.linspace(0, 1, 5))
tsmech.GradientFlow(alpha=2, samples=(0.5, 1.0), eigenvalues=[1, 2])
tsmech.Ridge(alpha=1, eigenvalues=np.ones(3), teacher_weights=[1.0, 2.0, 3.0]).reduced(rng=1)
tsmech.Experiment.build("ridge", {"alpha": "0.1:4:40", "penalty": [0, 1]}, answers="theory")
tsmech.Ridge(alpha="2")  # refused
tsmech.OnlineSGD(samples="many")  # refused
"""


@pytest.mark.slow
def test_type_checkers_accept_what_is_documented_and_no_more(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    words = [*mypy, "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "typed.py")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    wrong = {int(line.split(":")[1]) for line in done.stdout.splitlines() if "error:" in line}
    assert wrong == {n for n, line in enumerate(TYPED.splitlines(), 1) if "# refused" in line}, done.stdout


@pytest.mark.parametrize("name", sorted(tsmech.PLACES))
def test_each_name_is_there_and_says_what_it_is(name):
    assert name in dir(tsmech)
    assert getattr(tsmech, name).__doc__.strip()
