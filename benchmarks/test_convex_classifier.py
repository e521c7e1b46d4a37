"""Convex classifiers: the price of a prediction beside one fit."""

import numpy as np
import pytest

from tsmech.sims.convex_classifier import draw_direct
from tsmech.theory.convex_classifier import LOSSES, solve
from tsmech.theory.spectra import ISOTROPIC

pytest.importorskip("sklearn")


@pytest.mark.benchmark(group="a classifier at alpha = 2, λ = 0.1, f = 0.1")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("answer", ["theory", "direct at N = 400"])
def test_classifier(benchmark, answer, loss):
    rng, ones = np.random.default_rng(0), np.ones(400)
    if answer == "theory":
        benchmark.pedantic(solve, (2.0, loss, 0.1, 0.1, ISOTROPIC), rounds=3, warmup_rounds=1)
    else:
        arguments = (2.0, loss, 0.1, 0.1, rng)
        options = {"eigenvalues": ones, "teacher_weights": ones}
        benchmark.pedantic(draw_direct, arguments, options, rounds=3, warmup_rounds=1)
