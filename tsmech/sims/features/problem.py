"""What networks with random features learn, from how much, and how they are trained."""

from typing import NamedTuple

from tsmech.kernels.activations import Activation


class Problem(NamedTuple):
    """The sizes, the teacher, the features and the training of their second layer."""

    examples: int
    features: int
    """Of one network."""
    dimension: int
    penalty: float
    noise: float
    signal: float
    nonlinearity: float
    activation: str | Activation
    centred: bool
    networks: int = 1
    """Whose predictors are averaged, in regression."""
    initial_scale: float = 0.0
    """Standard deviation of the first weights of the second layer, in gradient flow."""
