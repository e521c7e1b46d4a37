"""What theory says of a perceptron that has learnt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A solution of the saddle-point equations and what follows from it; None where it is not defined."""

    R: float
    """Cosine of student and teacher."""
    distance: float
    """1 - R."""
    train_error: float | None = None
    """Share of the given labels that the student gets wrong."""
    q: float | None = None
    """Cosine of two students of the ensemble."""
    stability: float | None = None
    """Least stability of the training examples, min y w·x of weights of length 1."""
    free_energy: float | None = None
    """Per N."""
    entropy: float | None = None
    """Per N, against that of the uniform sphere."""
    replicon: float | None = None
    """Stability of the replica-symmetric solution: unstable above 1."""
    residual: float = 0.0
    """Largest relative change of an order parameter under the equations; 0 in a closed form."""
    iterations: int = 0
    """Evaluations of the equations."""
    branch: str = "unique"
    """Which solution it is: from which start it was found where there might be others."""
