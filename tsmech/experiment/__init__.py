"""What is asked: a system, fixed parameters, axes to sweep, answers, replicates, a seed; and the tasks of work."""

from tsmech.experiment.experiment import (
    LARGEST_SEED,
    REPLICATES,
    Experiment,
    Task,
    build,
    experiments,
    find_file,
    from_file,
    in_order,
    read_plot,
    restore,
    whole,
)

__all__ = [
    "LARGEST_SEED",
    "REPLICATES",
    "Experiment",
    "Task",
    "build",
    "experiments",
    "find_file",
    "from_file",
    "in_order",
    "read_plot",
    "restore",
    "whole",
]
