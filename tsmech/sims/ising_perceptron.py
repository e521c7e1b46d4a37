"""A binary perceptron at finite N: the Gibbs law of one training set, by enumeration or by Markov chains.

Inputs are standard normal numbers, rounded to whole multiples of a small unit, so that fields are sums of integers:
exact, in whichever order weights are visited.  The teacher is (1, ..., 1); another one is a change of signs of the
inputs, whose law does not see it.  Equation numbers: theory/ising_perceptron.md.
"""

import math

import numpy as np
from numpy.random import Generator

from tsmech.sims import enumeration
from tsmech.sims.equilibrium import judge
from tsmech.sims.metropolis import Array, Whole, run_chain
from tsmech.sims.tempering import ladder, log_partition, temper


def draw_examples(examples: int, dimension: int, rng: Generator) -> Whole:
    """Draw a training set, each example times its label, shape (P, N), in whole units.

    The unit is a power of two such that the absolute values of a row sum up to 2^29 at most; 2^-18 of a standard
    deviation at N = 1000.
    """
    inputs = rng.standard_normal((examples, dimension))
    largest = float(np.abs(inputs).sum(axis=1).max())
    scale = 2.0 ** min(math.floor(29.0 - math.log2(largest)), 26)
    whole = np.rint(inputs * scale).astype(np.int32)
    whole[whole.sum(axis=1) < 0] *= -1
    return whole


def enumerate_students(examples: int, temperature: float, dimension: int, rng: Generator) -> dict[str, float]:
    """Return the exact Gibbs means of one training set, over all 2^N students.

    Parameters
    ----------
    examples, dimension : int
        P, and N of at most 30.
    temperature : float
        T >= 0.
    rng : Generator

    References
    ----------
    theory/ising_perceptron.md, section 5.
    """
    found = enumeration.census(draw_examples(examples, dimension, rng), temperature)
    energies, plus = np.arange(examples + 1.0), np.arange(dimension + 1.0)
    factors = np.exp(-energies / temperature) if temperature > 0.0 else (energies == 0.0) * 1.0
    weights = found.counts * factors[:, None]
    total = float(weights.sum())
    weights /= total
    cosines = 2.0 * plus / dimension - 1.0
    energy = float(weights.sum(axis=1) @ energies)
    log_partition = math.log(total) / dimension
    entropy = log_partition + (energy / temperature / dimension if temperature > 0.0 else 0.0)
    return {
        "R": float(weights.sum(axis=0) @ cosines),
        "q": float(found.means @ found.means) / dimension,
        "generalization_error": float(weights.sum(axis=0) @ np.arccos(cosines)) / math.pi,
        "train_error": energy / examples,
        "free_energy": 0.0 - temperature * log_partition,
        "entropy": entropy,
    }


def sample_students(
    examples: int, temperature: float, dimension: int, sweeps: int, branch: str, rng: Generator
) -> dict[str, float]:
    """Return Gibbs means of one training set by two chains, from a random student and from the teacher.

    Parameters
    ----------
    examples, dimension : int
        P and N.
    temperature : float
        T >= 0; at 0 no step that adds an error is taken.
    sweeps : int
        Sweeps that each chain records, after half as many.
    branch : str
        Which chain is reported: ``poor``, the one from a random student; ``perfect``, the one from the teacher;
        ``stable``, the mean of both, which means something where they are in equilibrium.
    rng : Generator

    References
    ----------
    theory/ising_perceptron.md, section 5.
    """
    example_stream, start_stream, *streams = rng.spawn(4)
    oriented = draw_examples(examples, dimension, example_stream)
    starts = [start_stream.choice(np.array([-1, 1], dtype=np.int32), dimension), np.ones(dimension, dtype=np.int32)]
    before = max(1, sweeps // 2)
    chains = [run_chain(oriented, w, temperature, (before, sweeps), s) for w, s in zip(starts, streams, strict=True)]
    chosen = {"poor": chains[:1], "perfect": chains[1:], "stable": chains}[branch]
    halves = chosen[0][2] if len(chosen) == 1 else [chain[2].mean(axis=0) for chain in chosen]
    cosines, errors = (np.concatenate(parts) for parts in zip(*(chain[:2] for chain in chosen), strict=True))
    return {
        "q": float(halves[0] @ halves[1]) / dimension,
        **_means(cosines, errors, examples),
        **_equilibrium([chain[:2] for chain in chains], before, temperature),
    }


def temper_students(examples: int, temperature: float, dimension: int, sweeps: int, rng: Generator) -> dict[str, float]:
    """Return Gibbs means of one training set by parallel tempering, twice: all chains from the teacher, or at random.

    Parameters
    ----------
    examples, dimension, temperature
        As of :func:`sample_students`.
    sweeps : int
        Sweeps that each chain of either ladder records, after half as many.
    rng : Generator

    References
    ----------
    theory/ising_perceptron.md, section 5.
    """
    example_stream, start_stream, pilot, *streams = rng.spawn(5)
    oriented = draw_examples(examples, dimension, example_stream)
    betas = ladder(oriented, temperature, pilot)
    shape = betas.size, dimension
    starts = [start_stream.choice(np.array([-1, 1], dtype=np.int32), shape), np.ones(shape, dtype=np.int32)]
    before = max(1, sweeps // 2)
    runs = [temper(oriented, w, betas, (before, sweeps), s) for w, s in zip(starts, streams, strict=True)]
    cosines, errors = (np.concatenate(parts) for parts in zip(*(run[:2] for run in runs), strict=True))
    found = _means(cosines, errors, examples)
    log_partition_ = float(np.mean([log_partition(betas, run.counts, dimension) for run in runs])) / dimension
    thermal = found["train_error"] * examples / (temperature * dimension) if temperature > 0.0 else 0.0
    return {
        "q": float(runs[0].mean @ runs[1].mean) / dimension,
        **found,
        "free_energy": 0.0 - temperature * log_partition_,
        "entropy": log_partition_ + thermal,
        "temperatures": float(betas.size),
        **_equilibrium([run[:2] for run in runs], before, temperature),
    }


def _means(cosines: Array, errors: Array, examples: int) -> dict[str, float]:
    return {
        "R": float(cosines.mean()),
        "generalization_error": float(np.arccos(np.clip(cosines, -1.0, 1.0)).mean()) / math.pi,
        "train_error": float(errors.mean()) / examples,
    }


def _equilibrium(runs: list[tuple[Array, Array]], before: int, temperature: float) -> dict[str, float]:
    """Return what the overlaps and errors of two runs say; at T = 0 a student with an error is not of the law."""
    verdict = judge(runs[0][0], runs[1][0], before)
    lawful = temperature > 0.0 or not any(errors.any() for _, errors in runs)
    return {
        "R_random": verdict.random,
        "R_teacher": verdict.teacher,
        "autocorrelation_time": verdict.autocorrelation_time,
        "burn_in": verdict.burn_in,
        "equilibrated": float(verdict.equilibrated and lawful),
    }
