"""A binary perceptron at finite N: the Gibbs law of one training set, by enumeration or by Metropolis' method.

Inputs are standard normal numbers, rounded to whole multiples of a small unit, so that fields are sums of integers:
exact, in whichever order weights are visited.  The teacher is (1, ..., 1); another one is a change of signs of the
inputs, whose law does not see it.  Equation numbers: theory/ising_perceptron.md.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.sims import enumeration
from tsmech.sims.equilibrium import judge

Array = NDArray[np.float64]
Whole = NDArray[np.int32]


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
    verdict = judge(chains[0][0], chains[1][0], before)
    chosen = {"poor": chains[:1], "perfect": chains[1:], "stable": chains}[branch]
    halves = chosen[0][2] if len(chosen) == 1 else [chain[2].mean(axis=0) for chain in chosen]
    cosines, errors = (np.concatenate(parts) for parts in zip(*(chain[:2] for chain in chosen), strict=True))
    return {
        "R": float(cosines.mean()),
        "q": float(halves[0] @ halves[1]) / dimension,
        "generalization_error": float(np.arccos(np.clip(cosines, -1.0, 1.0)).mean()) / math.pi,
        "train_error": float(errors.mean()) / examples,
        "R_random": verdict.random,
        "R_teacher": verdict.teacher,
        "autocorrelation_time": verdict.autocorrelation_time,
        "burn_in": verdict.burn_in,
        "equilibrated": float(verdict.equilibrated),
    }


def run_chain(
    oriented: Whole, start: Whole, temperature: float, counts: tuple[int, int], rng: Generator
) -> tuple[Array, Array, Array]:
    """Run a chain of sweeps over all weights in turn.

    Returns
    -------
    cosines, errors : ndarray, shape (n,)
        After each sweep of the record.
    halves : ndarray, shape (2, N)
        Mean weights over the first and the second half of the record.
    """
    before, recorded = counts
    w = start.copy()
    doubled = np.ascontiguousarray(2 * oriented.T)
    fields = (oriented @ w).astype(np.int32)
    cosines, errors, sums = np.empty(recorded), np.empty(recorded), np.zeros((2, w.size))
    chances = np.zeros(oriented.shape[0] + 1)
    chances[0] = 1.0
    if temperature > 0.0:
        chances[:] = np.exp(-np.arange(chances.size) / temperature)
    sweep(w, fields, doubled, chances, before, rng, cosines[:0], errors[:0], sums[0])
    middle = recorded // 2
    for k, part in enumerate((slice(None, middle), slice(middle, None))):
        sweep(w, fields, doubled, chances, cosines[part].size, rng, cosines[part], errors[part], sums[k])
    return cosines, errors, sums / np.array([[middle], [recorded - middle]])


@kernel
def sweep(
    w: Whole,
    fields: Whole,
    doubled: Whole,
    chances: Array,
    count: int,
    rng: Generator,
    cosines: Array,
    errors: Array,
    total: Array,
) -> None:
    """Make so many sweeps of Metropolis' method; record them where there is room.

    Parameters
    ----------
    w : ndarray of int32, shape (N,)
        The student, ±1; changed.
    fields : ndarray of int32, shape (P,)
        Its fields on the examples times their labels; changed.
    doubled : ndarray of int32, shape (N, P)
        Twice the examples.
    chances : ndarray, shape (P + 1,)
        With which probability a step is taken that adds so many errors.
    count : int
    rng : Generator
        Gives a number for each step that adds errors.
    cosines, errors : ndarray, shape (count,) or (0,)
    total : ndarray, shape (N,)
        To which the recorded students are added.
    """
    N, P = doubled.shape
    wrong = 0
    for mu in range(P):
        wrong += 1 if fields[mu] < 0 else 0
    for step in range(count):
        for i in range(N):
            row = doubled[i]
            after = _wrong_below(fields, row) if w[i] > 0 else _wrong_above(fields, row)
            if after > wrong and rng.random() >= chances[after - wrong]:
                continue
            for mu in range(P):
                fields[mu] -= w[i] * row[mu]
            w[i] = -w[i]
            wrong = after
        if cosines.size > 0:
            overlap = 0
            for i in range(N):
                overlap += w[i]
                total[i] += w[i]
            cosines[step], errors[step] = overlap / N, wrong


@kernel
def _wrong_below(fields, row):  # type: ignore[no-untyped-def]
    """Return how many of the fields less a row are negative: sums of 32 bits make it vector instructions."""
    count = np.int32(0)
    for mu in range(fields.size):
        count = np.int32(count - (np.int32(fields[mu] - row[mu]) >> np.int32(31)))
    return count


@kernel
def _wrong_above(fields, row):  # type: ignore[no-untyped-def]
    """Return how many of the fields plus a row are negative."""
    count = np.int32(0)
    for mu in range(fields.size):
        count = np.int32(count - (np.int32(fields[mu] + row[mu]) >> np.int32(31)))
    return count
