"""Deep linear networks that learn a teacher from noisy examples, and what is measured of them.

:func:`train` follows every weight of a network; :func:`run_modes` the strengths of aligned modes alone, layer by layer,
which is the same descent step by step.  Equation numbers are those of theory/deep_linear.md.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.sims.deep_network import FirstWeights, Network, Task, Teacher, decoupled, directions, teacher_of

Array = NDArray[np.float64]

DENSE_HESSIAN = 2000
"""Most weights of which the Hessian's eigenvalues are computed."""


class Training(NamedTuple):
    """What is shown of a teacher: correlations of noisy examples."""

    correlations: Array
    """Those of the training examples, shape (outputs, inputs)."""
    residual: float
    """Mean square of the labels that no linear map of the inputs fits, summed over outputs."""


class Start(NamedTuple):
    """A problem as it is drawn for one network."""

    teacher: Teacher
    training: Training
    weights: FirstWeights


class Record(NamedTuple):
    """What is measured of a network at the times, which are fewer where it diverged."""

    strengths: Array
    """Along the teacher's modes, shape (T, modes)."""
    error: Array
    """Half the squared distance from the teacher, shape (T,)."""
    train_error: Array
    """Half the squared distance from the training correlations, and the labels' residual, shape (T,)."""
    gradient_norm: Array | None = None
    """Length of the gradient, shape (T,)."""
    curvatures: Array | None = None
    """Number of negative curvatures, measured, shape (T,)."""
    weights: Array | None = None
    """Shape (T, weights)."""


def show_examples(teacher: Teacher, examples: int, noise: float, rng: Generator) -> Training:
    """Return the correlations of examples, each of which is drawn: whitened inputs, noisy labels."""
    inputs, outputs = len(teacher.inputs), len(teacher.outputs)
    drawn = directions(examples, inputs, rng).T * math.sqrt(examples)  # X Xᵀ = P 1
    labels = teacher.correlations @ drawn + noise * rng.standard_normal((outputs, examples))
    correlations = labels @ drawn.T / examples
    residual = float(np.sum((labels - correlations @ drawn) ** 2)) / examples
    return Training(correlations, residual)


def draw_correlations(teacher: Teacher, examples: int, noise: float, rng: Generator) -> Training:
    """Return the correlations of noisy examples from their law (eq. 20), none of which is drawn."""
    inputs, outputs = len(teacher.inputs), len(teacher.outputs)
    added = noise / math.sqrt(examples) * rng.standard_normal((outputs, inputs))
    unseen = outputs * (examples - inputs)
    residual = noise**2 / examples * float(rng.chisquare(unseen)) if unseen else 0.0
    return Training(teacher.correlations + added, residual)


def train(
    start: Start,
    times: Array,
    step: float,
    *,
    tanh: bool = False,
    curved: float | None = None,
    keep_weights: bool = False,
) -> Record:
    """Train a network, and measure it at the times, which are whole steps where step > 0.

    Parameters
    ----------
    start : Start
        Teacher, training correlations and first weights.
    times : ndarray, shape (T,)
        Increasing.
    step : float
        Of gradient descent; 0 is gradient flow.
    tanh : bool
        Whether hidden units are tanh.
    curved : float, optional
        Curvature of the Hessian below minus which directions are counted; None counts none.
    keep_weights : bool
        Whether all weights are kept.

    Returns
    -------
    Record
    """
    teacher, (correlations, residual) = start.teacher, start.training
    network = Network(start.weights.layers, Task(correlations, tanh=tanh))
    strengths, errors, norms, indices, weights = [], [], [], [], []
    for _ in network.follow(times, step):
        product = network.output()
        strengths.append(np.einsum("om,oi,im->m", teacher.outputs, product, teacher.inputs, optimize=True))
        errors.append([((product - wanted) ** 2).sum() / 2 for wanted in (teacher.correlations, correlations)])
        norms.append(np.linalg.norm(network.velocity()))
        if curved is not None:
            indices.append(hessian_index(network.layers(), correlations, curved))
        if keep_weights:
            weights.append(network.flat.copy())
    both = np.array(errors).reshape(-1, 2)
    return Record(
        np.array(strengths).reshape(len(both), -1),
        both[:, 0],
        both[:, 1] + residual / 2,
        np.array(norms, dtype=float),
        None if curved is None else np.array(indices, dtype=float),
        np.array(weights) if keep_weights else None,
    )


def run_modes(layers: Array, strengths: Array, residual: float, times: Array, step: float) -> Record:
    """Follow modes that start aligned with their teacher, each by itself.

    Parameters
    ----------
    layers : ndarray, shape (depth, rank)
        Strengths of the layers at the start, of the modes that fit through the network.
    strengths : ndarray, shape (modes,)
        s of all modes.
    residual : float
        Mean square of the labels that no linear map fits.
    times, step
        As of :func:`train`.
    """
    rank = layers.shape[1]
    found = decoupled(layers, strengths[:rank], times, step)
    learnt = np.zeros((len(found), strengths.size))
    learnt[:, :rank] = found.prod(axis=1)
    error = 0.5 * ((strengths - learnt) ** 2).sum(axis=1)
    return Record(learnt, error, error + residual / 2, _gradient_norm(found, strengths[:rank]))


def run_noisy_modes(layers: Array, teacher: Teacher, training: Training, times: Array, step: float) -> Record:
    """Follow the modes of noisy training correlations, which start aligned with these.

    Parameters
    ----------
    layers : ndarray, shape (depth, rank)
        Strengths of the layers at the start, of the training modes that fit through the network.
    teacher : Teacher
    training : Training
    times, step
        As of :func:`train`.
    """
    modes, s, rank = teacher_of(training.correlations), teacher.strengths, layers.shape[1]
    x, beyond = modes.strengths[:rank], modes.strengths[rank:]
    found = decoupled(layers, x, times, step)
    learnt = found.prod(axis=1)
    overlaps = (modes.outputs[:, :rank].T @ teacher.outputs) * (modes.inputs[:, :rank].T @ teacher.inputs)
    strengths = learnt @ overlaps
    error = 0.5 * ((learnt**2).sum(axis=1) - 2.0 * strengths @ s + s @ s)
    train_error = 0.5 * (((x - learnt) ** 2).sum(axis=1) + beyond @ beyond + training.residual)
    return Record(strengths, error, train_error, _gradient_norm(found, x))


def _gradient_norm(layers: Array, strengths: Array) -> Array:
    """Return the length of the gradient of decoupled modes, shape (T,), from layers of shape (T, depth, modes)."""
    missing = strengths - layers.prod(axis=1)
    others = np.stack([np.delete(layers, layer, axis=1).prod(axis=1) for layer in range(layers.shape[1])], axis=1)
    return np.asarray(np.sqrt(((missing[:, None] * others) ** 2).sum(axis=(1, 2))))


def hessian_index(layers: Sequence[Array], correlations: Array, level: float) -> int:
    """Return how many eigenvalues of the Hessian of two layers are below -level.

    Raises
    ------
    InputError
        If there are not two layers, or more than 2000 weights.
    """
    if len(layers) != 2:
        raise InputError(f"the Hessian is computed for 2 layers, not {len(layers)}")
    first, second = layers
    width, inputs = first.shape
    outputs = len(second)
    count = first.size + second.size
    if count > DENSE_HESSIAN:
        raise InputError(f"the Hessian of {count} weights is not computed: at most {DENSE_HESSIAN}")
    missing = correlations - second @ first
    hessian = np.empty((count, count))
    hessian[: first.size, : first.size] = np.kron(second.T @ second, np.eye(inputs))
    hessian[first.size :, first.size :] = np.kron(np.eye(outputs), first @ first.T)
    # d²E / dW1[h, i] dW2[o, k] = W2[o, h] W1[k, i] - δ_hk missing[o, i]
    mixed = np.einsum("oh,ki->hiok", second, first)
    mixed -= np.einsum("hk,oi->hiok", np.eye(width), missing)
    mixed = mixed.reshape(first.size, second.size)
    hessian[: first.size, first.size :], hessian[first.size :, : first.size] = mixed, mixed.T
    return int(np.sum(np.linalg.eigvalsh(hessian) < -level))
