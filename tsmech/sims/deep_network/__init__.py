"""Deep linear networks at finite size: their starts, gradient descent of every weight, and of aligned modes alone."""

from tsmech.sims.deep_network.decoupled import decoupled
from tsmech.sims.deep_network.network import Network, Task
from tsmech.sims.deep_network.sharpness import sharpness
from tsmech.sims.deep_network.starts import (
    FirstWeights,
    Teacher,
    aligned_directions,
    aligned_layers,
    directions,
    draw_teacher,
    orthogonal_layers,
    pretrain,
    random_layers,
    shapes,
    teacher_of,
)

__all__ = [
    "FirstWeights",
    "Network",
    "Task",
    "Teacher",
    "aligned_directions",
    "aligned_layers",
    "decoupled",
    "directions",
    "draw_teacher",
    "orthogonal_layers",
    "pretrain",
    "random_layers",
    "shapes",
    "sharpness",
    "teacher_of",
]
