"""Networks in NTK parametrisation: their outputs, gradients and tangent kernels.

Equations: theory/wide_network.md.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, RELU, TANH, Activation, built_in, functions
from tsmech.sims.wide_network.layers import respond, return_output, return_units

Array = NDArray[np.float64]

NONE = -1
"""Tag of activations that are functions of one's own."""


class Architecture(NamedTuple):
    """Sizes, activation and variances of a network."""

    dimension: int
    width: int
    hidden_layers: int
    activation: str | Activation
    weight_variance: float
    bias_variance: float


class Network:
    """A network whose weights and biases are one vector."""

    def __init__(self, shape: Architecture) -> None:
        self.shape = shape
        own = shape.activation
        self._tag = built_in(own).tag if isinstance(own, str) else NONE
        self._functions = functions(own) if isinstance(own, str) else (own.g, own.slope)
        n, D = shape.width, shape.dimension
        self._fans = [D, *[n] * shape.hidden_layers]
        self._sizes = [(n, D), *[(n, n)] * (shape.hidden_layers - 1), (1, n)]
        self._factors = [math.sqrt(shape.weight_variance / fan) for fan in self._fans]
        self._bias = math.sqrt(shape.bias_variance)
        self.count = sum(rows * (columns + 1) for rows, columns in self._sizes)

    def parts(self, parameters: Array) -> tuple[list[Array], list[Array]]:
        """Return views of the weight matrices and the biases of all layers."""
        weights, biases, at = [], [], 0
        for rows, columns in self._sizes:
            weights.append(parameters[at : at + rows * columns].reshape(rows, columns))
            biases.append(parameters[at + rows * columns : at + rows * (columns + 1)])
            at += rows * (columns + 1)
        return weights, biases

    def forward(self, parameters: Array, X: Array) -> tuple[Array, list[Array], list[Array]]:
        """Return f(x) for each row of X, what each layer reads, the inputs first, and the slopes of hidden units."""
        weights, biases = self.parts(parameters)
        read, slopes = [X], []
        for W, b, factor in zip(weights[:-1], biases[:-1], self._factors[:-1], strict=True):
            values, slope = self._respond(read[-1] @ W.T, factor, self._bias * b)
            read.append(values)
            slopes.append(slope)
        output = read[-1] @ (self._factors[-1] * weights[-1][0])
        output += self._bias * biases[-1]
        return output, read, slopes

    def _respond(self, fields: Array, factor: float, bias: Array) -> tuple[Array, Array]:
        """Return g and g' of a hidden layer, from the products of its weights with what it reads, which are lost."""
        slopes = np.empty_like(fields)
        respond(self._tag, factor, bias, fields, slopes)
        if self._tag in (ERF, RELU):
            return fields, slopes
        if self._tag == TANH:  # NumPy's is vectorised
            np.tanh(fields, out=fields)
            np.multiply(fields, fields, out=slopes)
            return fields, np.subtract(1.0, slopes, out=slopes)
        g, slope = self._functions
        slopes[:] = slope(fields)
        return np.ascontiguousarray(g(fields), dtype=np.float64), slopes

    def output(self, parameters: Array, X: Array) -> Array:
        """Return f(x) for each row of X."""
        return self.forward(parameters, X)[0]

    def gradient(self, parameters: Array, read: list[Array], slopes: list[Array], pull: Array, out: Array) -> Array:
        """Write Σ_μ pull_μ ∂f(x_μ)/∂θ into a vector, and return it."""
        weights, _ = self.parts(parameters)
        to_weights, to_biases = self.parts(out)
        np.matmul(self._factors[-1] * pull, read[-1], out=to_weights[-1][0])
        to_biases[-1][:] = self._bias * pull.sum()
        for layer in reversed(range(self.shape.hidden_layers)):
            factors = self._factors[layer], self._bias
            if layer + 1 == self.shape.hidden_layers:
                outputs = self._factors[-1] * weights[-1][0]
                back = return_output(pull, outputs, slopes[layer], factors, to_biases[layer])
            else:
                back = back @ weights[layer + 1]
                return_units(back, slopes[layer], factors, to_biases[layer])
            np.matmul(back.T, read[layer], out=to_weights[layer])
        return out

    def kernel(self, parameters: Array, X: Array, examples: int) -> Array:
        """Return the tangent kernel Σ_θ ∂f(x)/∂θ ∂f(x')/∂θ of all inputs with the first ones, shape (n, examples)."""
        weights, _ = self.parts(parameters)
        _, read, slopes = self.forward(parameters, X)
        found, back = np.zeros((len(X), examples)), np.ones((len(X), 1))
        for layer in reversed(range(len(weights))):
            within = self._factors[layer] ** 2 * (read[layer] @ read[layer][:examples].T) + self._bias**2
            found += (back @ back[:examples].T) * within
            if layer > 0:
                back = self._factors[layer] * (back @ weights[layer]) * slopes[layer - 1]
        return found
