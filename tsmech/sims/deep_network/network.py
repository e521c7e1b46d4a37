"""Gradient descent and gradient flow of a deep network, every weight of it: linear, or with tanh hidden units.

The network W_D φ(W_(D-1) ... φ(W_1 X)) is fitted to targets Y by the loss ½ ‖W_D ... - Y‖², summed over the columns of
X and the outputs.  Whitened inputs have X = 1, and then Y is the matrix of input-output correlations.  All weights lie
in one vector, layer after layer, row by row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.kernels.jit import kernel
from tsmech.kernels.tanh import tanh as hyperbolic_tangent

Array = NDArray[np.float64]

RTOL = 5e-14
"""Relative accuracy of a step of gradient flow, almost rounding: a plateau multiplies an error at its beginning."""
LARGEST_GROWTH = 1e6
"""A network has diverged when its weights are this many times the largest of their start and their targets."""


@dataclass(frozen=True)
class Task:
    """What a network learns: inputs and targets, whether inputs are whitened, and the hidden units.

    Parameters
    ----------
    targets
        Y, shape (outputs, columns).
    inputs
        X, shape (inputs, columns); None is the identity, of whitened inputs.
    tanh
        Whether hidden units are tanh; else they are linear.
    """

    targets: Array
    inputs: Array | None = None
    tanh: bool = False
    whitened: bool = field(init=False)
    matrix: Array = field(init=False)

    def __post_init__(self) -> None:
        """Keep the inputs as a contiguous matrix, which of whitened ones, the identity, is left empty."""
        object.__setattr__(self, "targets", np.ascontiguousarray(self.targets))
        object.__setattr__(self, "whitened", self.inputs is None)
        given = np.empty((0, self.targets.shape[1])) if self.inputs is None else self.inputs
        object.__setattr__(self, "matrix", np.ascontiguousarray(given))


class Network:
    """The weights of a network and what it computes.

    Parameters
    ----------
    weights : sequence of ndarray, shapes (n_1, inputs), (n_2, n_1), ...
        W_1, ..., W_D at the start.
    task : Task
        What it learns.
    """

    def __init__(self, weights: Sequence[Array], task: Task) -> None:
        self.task = task
        self.sizes = np.array([weights[0].shape[1], *(one.shape[0] for one in weights)], dtype=np.int64)
        self.flat = np.concatenate([one.ravel() for one in weights])
        units, columns = int(self.sizes[1:].sum()), task.targets.shape[1]
        self._work = np.empty(units * columns), np.empty(units * columns), np.empty(self.flat.size)
        self._pace = 0.0
        self._bound = LARGEST_GROWTH * max(1.0, float(abs(self.flat).max()), float(abs(task.targets).max()))

    def layers(self) -> list[Array]:
        """Return W_1, ..., W_D, views of the weights."""
        return self._cut(self.flat)

    def _cut(self, flat: Array) -> list[Array]:
        ends = np.cumsum(self.sizes[:-1] * self.sizes[1:])
        return [one.reshape(rows, -1) for one, rows in zip(np.split(flat, ends[:-1]), self.sizes[1:], strict=True)]

    def output(self) -> Array:
        """Return what the network computes from X, shape (outputs, columns)."""
        found: Array | None = None if self.task.whitened else self.task.matrix
        layers = self.layers()
        for one in layers[:-1]:
            found = one if found is None else one @ found
            if self.task.tanh:
                found = np.tanh(found)
        return layers[-1].copy() if found is None else layers[-1] @ found

    def velocity(self) -> Array:
        """Return minus the gradient of the loss, shape (weights,): the velocity of gradient flow."""
        return self.velocity_at(self.flat)

    def diverged(self) -> bool:
        """Return whether the weights have grown beyond all bounds."""
        return not bool(abs(self.flat).max() <= self._bound)

    def follow(self, times: Array, step: float) -> Iterator[float]:
        """Train up to each of the times, in whole steps or where these are 0 by gradient flow, and yield it.

        It ends where the weights have diverged.
        """
        before = 0.0
        for time in times:
            if step > 0:
                self.descend(step, round((time - before) / step))
            else:
                self.flow(time - before)
            before = time
            if self.diverged():
                return
            yield time

    def descend(self, step: float, count: int) -> None:
        """Make steps of gradient descent."""
        task = self.task
        _descend(self.flat, self.sizes, task.matrix, task.targets, task.whitened, task.tanh, *self._work, step, count)

    def flow(self, duration: float) -> None:
        """Follow gradient flow for some time.

        Raises
        ------
        ConvergenceError
            If the integration stops short.
        """
        from scipy.integrate import DOP853

        if duration == 0.0:
            return
        # Weights that start small grow by factors: what is accurate is small against the smallest of layers' sizes.
        size = min(float(np.sqrt(np.mean(one**2))) for one in self.layers())
        solver = DOP853(
            lambda _, flat: self.velocity_at(flat),
            0.0,
            self.flat,
            duration,
            first_step=min(self._pace, duration) if self._pace else None,
            rtol=RTOL,
            atol=RTOL * (min(size, 1.0) if size > 0.0 else 1e-12),
        )
        errors = self._work[1][-self.task.targets.size :]
        learnt = RTOL * float(np.linalg.norm(self.task.targets))
        while solver.status == "running":
            message = solver.step()
            if np.linalg.norm(errors) <= learnt:
                break
        if solver.status == "failed":
            raise ConvergenceError(f"gradient flow could not be followed: {message}")
        self.flat[:], self._pace = solver.y, solver.h_abs

    def velocity_at(self, flat: Array) -> Array:
        """Return minus the gradient at other weights, shape (weights,)."""
        task, (activity, errors, gradient) = self.task, self._work
        _descend(  # a step of length 0
            flat, self.sizes, task.matrix, task.targets, task.whitened, task.tanh, activity, errors, gradient, 0.0, 1
        )
        return gradient.copy()

    def plain_velocity(self, flat: Array) -> Array:
        """Return what :meth:`velocity_at` does without compiled code: a few hundred velocities do not pay for it."""
        layers, activity, found = self._cut(flat), [self.task.matrix], np.empty_like(flat)
        for layer, one in enumerate(layers):
            above = one if layer == 0 and self.task.whitened else one @ activity[-1]
            activity.append(np.tanh(above) if self.task.tanh and layer < len(layers) - 1 else above)
        error = self.task.targets - activity[-1]
        for layer, change in reversed(list(enumerate(self._cut(found)))):
            below = activity[layer]
            change[...] = error if layer == 0 and self.task.whitened else error @ below.T
            if layer:
                error = layers[layer].T @ error
                if self.task.tanh:
                    error *= 1.0 - below * below
        return found


@kernel
def _descend(
    flat: Array,
    sizes: NDArray[np.int64],
    inputs: Array,
    targets: Array,
    whitened: bool,
    tanh: bool,
    activity: Array,
    errors: Array,
    gradient: Array,
    step: float,
    count: int,
) -> None:
    """Make `count` steps of gradient descent; `gradient` becomes minus the gradient before the last of them.

    `activity` and `errors` have room for each unit and column.
    """
    depth, columns = sizes.size - 1, targets.shape[1]
    for _ in range(count):
        below = inputs
        start, place = 0, 0
        for layer in range(depth):  # forwards
            rows, width = sizes[layer + 1], sizes[layer]
            weights = flat[start : start + rows * width].reshape(rows, width)
            above = activity[place : place + rows * columns].reshape(rows, columns)
            if layer == 0 and whitened:
                for i in range(rows * columns):
                    activity[i] = flat[i]
            else:
                np.dot(weights, below, above)
            if tanh and layer < depth - 1:
                units = activity[place : place + rows * columns]
                for i in range(units.size):
                    units[i] = hyperbolic_tangent(units[i])
            below = above
            start += rows * width
            place += rows * columns
        last = place - sizes[depth] * columns
        for row in range(sizes[depth]):
            for column in range(columns):
                i = last + row * columns + column
                errors[i] = targets[row, column] - activity[i]
        for layer in range(depth - 1, -1, -1):  # backwards
            rows, width = sizes[layer + 1], sizes[layer]
            start -= rows * width
            place -= rows * columns
            error = errors[place : place + rows * columns].reshape(rows, columns)
            change = gradient[start : start + rows * width].reshape(rows, width)
            if layer == 0:
                if whitened:
                    for i in range(rows * columns):
                        gradient[i] = errors[i]
                else:
                    np.dot(error, inputs.T, change)
                continue
            first = place - width * columns
            weights = flat[start : start + rows * width].reshape(rows, width)
            under = activity[first:place].reshape(width, columns)
            np.dot(error, under.T, change)
            np.dot(weights.T, error, errors[first:place].reshape(width, columns))
            if tanh:
                units, pulled = activity[first:place], errors[first:place]
                for i in range(units.size):
                    pulled[i] *= 1.0 - units[i] * units[i]
        for i in range(flat.size):
            flat[i] += step * gradient[i]
