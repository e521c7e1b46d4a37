"""Training of networks in NTK parametrisation by gradient flow or gradient descent, and what is seen of it.

Equations: theory/wide_network.md.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.steps import completed_steps
from tsmech.sims.wide_network.network import Architecture, Network

Array = NDArray[np.float64]
Descent = Callable[[Array, float, Array], float]

TOLERANCE, OF_RELU = 1e-5, 1e-3
"""Relative tolerance of a step of gradient flow, of what the weights have moved: its scale is 1/(s √n).  The gradient
of ReLU networks jumps where a unit falls silent on an example, and the flow may slide along such a jump."""

BEYOND = 1e100
"""Largest amplification of a mode by steps that are not stable, so that nothing overflows."""

DIVERGED = 1e6
"""Training has diverged when an output exceeds this many times the largest label, output at the start, and 1."""


class Data(NamedTuple):
    """Examples, other inputs, and which of these are probes."""

    inputs: Array
    """Shape (P + T, D), examples first."""
    labels: Array
    """Shape (P,)."""
    targets: Array
    """Clean outputs of the teacher on the others, shape (T,)."""
    probes: int
    """The first so many of the others are those whose outputs and hidden layer are reported."""


class Training(NamedTuple):
    """How a network is trained and reported."""

    times: Array
    scale: float
    centred: bool
    step: float


class Report(NamedTuple):
    """What is seen of a network in training, each with one row a time; rows end where it diverges."""

    observables: dict[str, Array]
    kernel_deviation: float
    diverged_at: float | None


def train(shape: Architecture, data: Data, training: Training, limit: Array, rng: np.random.Generator) -> Report:
    """Train one network from random weights and report on it.

    Parameters
    ----------
    shape, data, training
        The network, what it learns, and how.
    limit : ndarray, shape (P + T, P)
        The tangent kernel of infinite width, with which this network's is compared.
    rng : numpy.random.Generator
        Draws the first weights.

    Returns
    -------
    Report
        ``train_error``, ``test_error``, ``output``, ``output_square``, ``kernel_change``, ``weight_change``,
        ``distance`` and ``limit_distance``, and ``similarity``, in time.

    Notes
    -----
    Gradient flow by an explicit method of order 5 with step-size control; O(P n (D + L n)) an evaluation.

    References
    ----------
    theory/wide_network.md, eqs. 1, 2 and 12-16.
    """
    P = data.labels.size
    network = Network(shape)
    start = rng.standard_normal(network.count)
    first = network.output(start, data.inputs)
    own = network.kernel(start, data.inputs, P)
    offset = first if training.centred else np.zeros_like(first)
    begin = training.scale * (first - offset)
    linear, wide = (_linear(kernel, begin, data.labels, training) for kernel in (own, limit))
    bound = DIVERGED * max(1.0, float(abs(data.labels).max()), float(abs(begin).max()))

    rows: dict[str, list[Array]] = {}
    diverged = None
    path = _path(network, data, training, start, offset, bound)
    with np.errstate(over="ignore", invalid="ignore"):  # of trial steps of the flow, which are not taken
        for index, (time, parameters) in enumerate(zip(training.times, path, strict=False)):
            if parameters is None:
                diverged = float(time)
                break
            output, read, _ = network.forward(parameters, data.inputs)
            f = training.scale * (output - offset)
            hidden = read[-1][P : P + data.probes]
            W, W_0 = (network.parts(each)[0][0] for each in (parameters, start))
            seen = {
                "train_error": np.mean((f[:P] - data.labels) ** 2) / 2,
                "test_error": np.mean((f[P:] - data.targets) ** 2) / 2,
                "output": f[P : P + data.probes],
                "output_square": f[P : P + data.probes] ** 2,
                "kernel_change": _relative(network.kernel(parameters, data.inputs[:P], P), own[:P]),
                "weight_change": _relative(W, W_0),
                "distance": np.sqrt(np.mean((f[P:] - linear[index, P:]) ** 2)),
                "limit_distance": np.sqrt(np.mean((f[P:] - wide[index, P:]) ** 2)),
                "similarity": _cosines(hidden),
            }
            for name, value in seen.items():
                rows.setdefault(name, []).append(np.asarray(value))
    observables = {name: np.array(values) for name, values in rows.items()}
    return Report(observables, _relative(own[:P], limit[:P]), diverged)


def _path(
    network: Network, data: Data, training: Training, start: Array, offset: Array, bound: float
) -> Iterator[Array | None]:
    """Yield the parameters at each time, None where training has diverged."""
    P = data.labels.size
    X = data.inputs[:P]
    factor = 1.0 / (training.scale * P)

    def descent(parameters: Array, length: float, out: Array) -> float:
        """Write what gradient descent of some length changes, and return the largest output."""
        output, read, slopes = network.forward(parameters, X)
        f = training.scale * (output - offset[:P])
        network.gradient(parameters, read, slopes, length * factor * (data.labels - f), out)
        return float(abs(f).max())

    if training.step > 0:
        return _steps(descent, start, training, bound)
    typical = 1.0 / (training.scale * math.sqrt(network.shape.width))
    relative = OF_RELU if network.shape.activation == "relu" else TOLERANCE
    return _flow(descent, start, training.times, (relative, relative * typical))


def _steps(descent: Descent, start: Array, training: Training, bound: float) -> Iterator[Array | None]:
    parameters, change = start.copy(), np.empty_like(start)
    done = 0
    for count in completed_steps(training.times, training.step).astype(int):
        for _ in range(done, count):
            if not descent(parameters, training.step, change) <= bound:
                yield None
                return
            parameters += change
        done = count
        if not descent(parameters, 0.0, change) <= bound:
            yield None
            return
        yield parameters


def _flow(descent: Descent, start: Array, times: Array, tolerances: tuple[float, float]) -> Iterator[Array | None]:
    """Yield start + what it has moved: of that the error is controlled."""
    from scipy.integrate import RK45

    def velocity(_: float, moved: Array) -> Array:
        out = np.empty_like(start)
        descent(start + moved, 1.0, out)
        return out

    moved, now, step = np.zeros_like(start), 0.0, None
    for time in times:
        if time > now:
            first = None if step is None else min(step, time - now)
            solver = RK45(velocity, now, moved, time, rtol=tolerances[0], atol=tolerances[1], first_step=first)
            while solver.status == "running":
                taken = solver.h_abs
                solver.step()
            if solver.status == "failed":
                yield None
                return
            moved, now, step = solver.y, float(time), max(taken, solver.h_abs)
        yield start + moved


def _linear(kernel: Array, begin: Array, labels: Array, training: Training) -> Array:
    """Return the outputs of a network linear in its weights, with this tangent kernel, shape (times, P + T)."""
    P = labels.size
    rates, U = np.linalg.eigh(kernel[:P] / P)
    rates = np.maximum(rates, 0.0)
    if training.step > 0:
        counts = completed_steps(training.times, training.step)
        with np.errstate(over="ignore"):
            left = (1 - training.step * rates) ** counts[:, None]
        gone = 1 - np.clip(left, -BEYOND, BEYOND)  # of steps that are not stable
    else:
        gone = -np.expm1(-training.times[:, None] * rates)
    empty = rates <= 1e-14 * rates[-1]
    gain = np.where(empty, training.times[:, None], gone / np.where(empty, 1.0, rates)) / P
    return np.asarray(begin + (gain * (U.T @ (labels - begin[:P]))) @ (kernel @ U).T)


def _relative(found: Array, reference: Array) -> float:
    """Return how far one is from the other in units of its size; 0 where there is nothing."""
    change, size = float(np.linalg.norm(found - reference)), float(np.linalg.norm(reference))
    return change / size if size > 0 else 0.0


def _cosines(hidden: Array) -> Array:
    """Return the cosines between the rows of hidden activities; those of a silent layer are 0."""
    lengths = np.linalg.norm(hidden, axis=1, keepdims=True)
    unit = hidden / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(unit @ unit.T)
