"""What is asked: a system, fixed parameters, axes to sweep, answers, replicates, a seed; and the units of work."""

from tsmech.experiment.experiment import (
    LARGEST_SEED,
    REPLICATES,
    Experiment,
    Unit,
    build,
    experiments,
    find_file,
    from_file,
    read_plot,
    restore,
    whole,
)

__all__ = [
    "LARGEST_SEED",
    "REPLICATES",
    "Experiment",
    "Unit",
    "build",
    "experiments",
    "find_file",
    "from_file",
    "read_plot",
    "restore",
    "whole",
]
