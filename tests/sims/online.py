"""Rules and starts of online learning for its tests."""

import numpy as np

from tests.rules import by_keywords
from tsmech.kernels.schedules import constant
from tsmech.sims import online_sgd
from tsmech.sims.two_layer.starts import random_overlaps

run_direct, run_reduced = by_keywords(online_sgd.run_direct), by_keywords(online_sgd.run_reduced)


def rule(activation="erf", rate=0.5, **others):
    named = activation if isinstance(activation, tuple) else (activation, activation)
    schedule = others.pop("schedule", constant(rate))
    return {"student": named[0], "teacher": named[1], "schedule": schedule} | others


def start(K=3, M=2, N=60, scale=0.6, seed=0, orthonormal=False):
    """Return overlaps and unequal second layers."""
    teacher, student = (np.random.default_rng((seed, role)) for role in range(2))
    overlaps = random_overlaps(K, M, N, scale, teacher_rng=teacher, student_rng=student, orthonormal=orthonormal)
    return *overlaps, np.linspace(0.5, 1.0, K), np.linspace(0.8, 1.2, M)
