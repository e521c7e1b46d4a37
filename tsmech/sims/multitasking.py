"""Gated deep linear networks that learn several tasks: every weight, and the strengths of aligned pathways alone.

Arrays have the input domain first and the output domain second.  Equation numbers are those of theory/multitasking.md.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.sims.deep_network import directions, sharpness

Array = NDArray[np.float64]

DIVERGED = 1e6
TINY = 1e-140
"""Least size of weights whose squares are numbers."""


class Weights(NamedTuple):
    """All weights: M input domains of n inputs, K output domains of m outputs, c common units and h of each task."""

    encoders: Array
    """E, shape (M, c, n)."""
    decoders: Array
    """D, shape (M, K, m, c)."""
    own_encoders: Array
    """e, shape (M, K, h, n)."""
    own_decoders: Array
    """d, shape (M, K, m, h)."""

    def products(self) -> tuple[Array, Array]:
        """Return what common units compute, and what all units do, shapes (M, K, m, n)."""
        common = self.decoders @ self.encoders[:, None]
        return common, common + self.own_decoders @ self.own_encoders


class Mapping(NamedTuple):
    """The tasks: modes of the map from each input domain to each output domain."""

    outputs: Array
    """U, shape (K, m, modes)."""
    strengths: Array
    """s, shape (modes,)."""
    inputs: Array
    """V, shape (M, n, modes)."""

    def targets(self) -> Array:
        """Return the maps that the tasks ask for, shape (M, K, m, n) (eq. 1)."""
        found: Array = np.einsum("kos,s,mis->mkoi", self.outputs, self.strengths, self.inputs, optimize=True)
        return found


class Measured(NamedTuple):
    """What networks have learnt at the times, which are fewer where they diverged."""

    strengths: Array
    """Mean over tasks along the modes, shape (T, modes)."""
    common: Array
    """Of these what goes through common units, shape (T, modes)."""
    error: Array
    """Half the squared distance from the targets, mean over tasks, shape (T,)."""
    crosstalk: Array
    """Half the square of what common units send from one domain to another, mean over tasks, shape (T,)."""


def draw_mapping(strengths: Array, domains: int, inputs: int, outputs: int, rng: Generator) -> Mapping:
    """Return tasks between domains with modes in random directions, those of an input domain shared by its tasks."""
    left = np.stack([directions(outputs, strengths.size, rng) for _ in range(domains)])
    right = np.stack([directions(inputs, strengths.size, rng) for _ in range(domains)])
    return Mapping(left, strengths, right)


def aligned_weights(mapping: Mapping, start: Array, common: int, own: int, rng: Generator) -> Weights:
    """Return weights whose pathways are aligned with the tasks, of strengths ε, δ, e, d, shape (4, modes)."""
    M, K, count = len(mapping.inputs), len(mapping.outputs), mapping.strengths.size

    def turn(units: int) -> Array:
        rank = min(units, count)
        return np.pad(directions(units, rank, rng), ((0, 0), (0, count - rank))) if units else np.zeros((0, count))

    between = np.stack([turn(common) for _ in range(M)])
    separate = np.stack([[turn(own) for _ in range(K)] for _ in range(M)])
    encoder, decoder, own_encoder, own_decoder = start
    return Weights(
        np.einsum("mhs,s,mis->mhi", between, encoder, mapping.inputs),
        np.einsum("kos,s,mhs->mkoh", mapping.outputs, decoder, between),
        np.einsum("mkhs,s,mis->mkhi", separate, own_encoder, mapping.inputs),
        np.einsum("kos,s,mkhs->mkoh", mapping.outputs, own_decoder, separate),
    )


def random_weights(mapping: Mapping, scale: float, width: int, common: int, own: int, rng: Generator) -> Weights:
    """Return independent normal weights of standard deviation scale/√width."""
    (M, n, _), (K, m, _) = mapping.inputs.shape, mapping.outputs.shape
    shapes = ((M, common, n), (M, K, m, common), (M, K, own, n), (M, K, m, own))
    return Weights(*(scale / math.sqrt(width) * rng.standard_normal(shape) for shape in shapes))


def velocities(weights: Weights, targets: Array) -> Weights:
    """Return minus the gradient of half the squared distance from the targets, summed over tasks (eq. 2)."""
    missing = targets - weights.products()[1]
    return Weights(
        (weights.decoders.transpose(0, 1, 3, 2) @ missing).sum(axis=1),
        missing @ weights.encoders[:, None].transpose(0, 1, 3, 2),
        weights.own_decoders.transpose(0, 1, 3, 2) @ missing,
        missing @ weights.own_encoders.transpose(0, 1, 3, 2),
    )


def train(weights: Weights, mapping: Mapping, times: Array, step: float) -> Iterator[Weights]:
    """Yield all weights at the times, fewer where they diverge; a step of 0 is gradient flow."""
    for state in _follow(_velocity(weights, mapping), _flat(weights), times, step):
        yield _shaped(state, weights)


def first_sharpness(weights: Weights, mapping: Mapping) -> float:
    """Return the largest curvature of the loss at the weights."""
    return sharpness(_velocity(weights, mapping), _flat(weights))


def _velocity(like: Weights, mapping: Mapping) -> Callable[[Array], Array]:
    targets = mapping.targets()
    return lambda flat: _flat(velocities(_shaped(flat, like), targets))


def _flat(weights: Weights) -> Array:
    return np.concatenate([one.ravel() for one in weights])


def _shaped(flat: Array, like: Weights) -> Weights:
    parts = np.split(flat, np.cumsum([one.size for one in like])[:-1])
    return Weights(*(part.reshape(one.shape) for part, one in zip(parts, like, strict=True)))


def measure(states: Iterator[Weights], mapping: Mapping) -> Measured:
    """Return what is measured of networks at all times."""
    targets = mapping.targets()
    rows = []
    for weights in states:
        common, total = weights.products()
        along = [
            np.einsum("kos,mkoi,mis->s", mapping.outputs, one, mapping.inputs, optimize=True) / targets[..., 0, 0].size
            for one in (total, common)
        ]
        apart = [(one**2).sum() / 2 / targets[..., 0, 0].size for one in (targets - total, common)]
        rows.append((*along, *apart))
    columns = list(zip(*rows, strict=True)) or [()] * 4
    modes = mapping.strengths.size
    shapes = ((-1, modes), (-1, modes), (-1,), (-1,))
    return Measured(*(np.array(one, float).reshape(shape) for one, shape in zip(columns, shapes, strict=True)))


def new_output(weights: Weights, fresh: Weights, mapping: Mapping, *, aligned: bool) -> Weights:
    """Return weights for one new output domain: the encoders of common units are kept, all others are fresh.

    Parameters
    ----------
    weights : Weights
        After the first tasks.
    fresh : Weights
        Of one output domain, at its start.
    mapping : Mapping
        Of the new tasks.
    aligned : bool
        Whether the fresh decoders are turned to the modes as the kept encoders have them, each with its strength.
    """
    decoders = fresh.decoders
    if aligned and decoders.size:
        hidden = weights.encoders @ mapping.inputs
        lengths = np.linalg.norm(hidden, axis=1, keepdims=True)
        hidden = hidden / np.where(lengths > 0.0, lengths, 1.0)  # of modes that common units do not carry there is none
        strengths = np.linalg.norm(np.einsum("kos,mkoh->mksh", mapping.outputs, decoders), axis=3)
        decoders = np.einsum("kos,mks,mhs->mkoh", mapping.outputs, strengths, hidden, optimize=True)
    return Weights(weights.encoders, decoders, fresh.own_encoders, fresh.own_decoders)


def race(start: Array, strengths: Array, tasks: int, times: Array, step: float) -> Array:
    """Return the strengths of aligned pathways, output domain by output domain, shape (T, 1 + 3 K, modes) (eq. 3).

    Parameters
    ----------
    start : ndarray, shape (4, modes)
        ε, δ, e and d, alike for all output domains.
    strengths : ndarray, shape (modes,)
        s.
    tasks : int
        K.
    times, step
        As of :func:`train`.

    Returns
    -------
    ndarray
        ε, then δ of each output domain, then e, then d.
    """
    modes = strengths.size

    def velocity(flat: Array) -> Array:
        rows = flat.reshape(-1, modes)
        encoder, decoders, own_encoders, own_decoders = rows[0], *rows[1:].reshape(3, tasks, modes)
        missing = strengths - encoder * decoders - own_encoders * own_decoders
        changes = [(missing * decoders).sum(axis=0)[None], missing * encoder, missing * own_decoders]
        return np.concatenate([*changes, missing * own_encoders]).ravel()

    flat = np.concatenate([start[:1], *(np.repeat(one[None], tasks, axis=0) for one in start[1:])]).ravel()
    found = list(_follow(velocity, flat, times, step))
    return np.array(found).reshape(len(found), -1, modes)


def _follow(velocity: Callable[[Array], Array], flat: Array, times: Array, step: float) -> Iterator[Array]:
    """Yield the state at the times: by steps, or by gradient flow."""
    from scipy.integrate import solve_ivp

    bound = DIVERGED * max(1.0, float(abs(flat).max(initial=0.0)))
    floor = 1e-9 * max(float(np.sqrt(np.mean(flat**2))), TINY)
    before = 0.0
    for time in times:
        if step > 0:
            for _ in range(round((time - before) / step)):
                flat = flat + step * velocity(flat)
        elif time > before:
            found = solve_ivp(lambda _, state: velocity(state), (before, time), flat, rtol=1e-9, atol=floor)
            if not found.success:
                raise ConvergenceError(f"gradient flow could not be followed: {found.message}")
            flat = found.y[:, -1]
        before = time
        if not abs(flat).max(initial=0.0) <= bound:
            return
        yield flat
