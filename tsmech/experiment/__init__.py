"""What is asked: a system, fixed parameters, axes to sweep, answers, replicates, a seed; and the tasks of work."""

from tsmech.experiment.experiment import Experiment, Task, build, in_order, restore
from tsmech.experiment.options import LARGEST_SEED, REPLICATES, whole
from tsmech.experiment.plot import OURS, is_family, read_plot, split_names
from tsmech.experiment.toml_files import experiments, find_file, from_file

__all__ = [
    "LARGEST_SEED",
    "OURS",
    "REPLICATES",
    "Experiment",
    "Task",
    "build",
    "experiments",
    "find_file",
    "from_file",
    "in_order",
    "is_family",
    "read_plot",
    "restore",
    "split_names",
    "whole",
]
