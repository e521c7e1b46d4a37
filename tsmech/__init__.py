"""Teacher-student statistical mechanics: theory, exact reduced simulations and networks side by side.

Everything public is imported when it is first used, so that ``import tsmech`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmech.compare import check as check
    from tsmech.errors import InputError as InputError
    from tsmech.experiment import Experiment as Experiment
    from tsmech.kernels.activations import Activation as Activation
    from tsmech.problem.overlaps import Overlaps as Overlaps
    from tsmech.problem.stopping import early_stopping as early_stopping
    from tsmech.runs import merge as merge
    from tsmech.runs import run as run
    from tsmech.runs.opened import open_run as open_run
    from tsmech.runs.pictures import draw as draw
    from tsmech.systems.capacity import Capacity as Capacity
    from tsmech.systems.convex_classifier import ConvexClassifier as ConvexClassifier
    from tsmech.systems.deep_linear import DeepLinear as DeepLinear
    from tsmech.systems.gradient_flow import GradientFlow as GradientFlow
    from tsmech.systems.ising_perceptron import IsingPerceptron as IsingPerceptron
    from tsmech.systems.kernel_regression import KernelRegression as KernelRegression
    from tsmech.systems.learning_curve import LearningCurve as LearningCurve
    from tsmech.systems.linear_perceptron import LinearPerceptron as LinearPerceptron
    from tsmech.systems.multitasking import Multitasking as Multitasking
    from tsmech.systems.online_perceptron import OnlinePerceptron as OnlinePerceptron
    from tsmech.systems.online_sgd import OnlineSGD as OnlineSGD
    from tsmech.systems.online_sgd import Steps as Steps
    from tsmech.systems.perceptron import Perceptron as Perceptron
    from tsmech.systems.perceptual_learning import PerceptualLearning as PerceptualLearning
    from tsmech.systems.random_features import RandomFeatures as RandomFeatures
    from tsmech.systems.random_features_flow import RandomFeaturesFlow as RandomFeaturesFlow
    from tsmech.systems.ridge import Ridge as Ridge
    from tsmech.systems.sample_reuse import SampleReuse as SampleReuse
    from tsmech.systems.semantic_development import SemanticDevelopment as SemanticDevelopment
    from tsmech.systems.wide_network import WideNetwork as WideNetwork
    from tsmech.theory.capacity import critical_capacity as critical_capacity
    from tsmech.theory.gradient_flow.stopping import optimal_stopping as optimal_stopping
    from tsmech.theory.ising_perceptron import ising_transition as ising_transition
    from tsmech.theory.network_kernel import network_kernel as network_kernel
    from tsmech.theory.online_sgd.limits import critical_learning_rate as critical_learning_rate
    from tsmech.theory.ridge import optimal_penalty as optimal_penalty
    from tsmech.theory.spectra.population import Spectrum as Spectrum

__version__ = "0.1.0"

PLACES = {
    "Activation": "tsmech.kernels.activations",
    "Experiment": "tsmech.experiment",
    "InputError": "tsmech.errors",
    "Overlaps": "tsmech.problem.overlaps",
    "Spectrum": "tsmech.theory.spectra.population",
    "Steps": "tsmech.systems.online_sgd",
    "check": "tsmech.compare",
    "critical_capacity": "tsmech.theory.capacity",
    "critical_learning_rate": "tsmech.theory.online_sgd.limits",
    "draw": "tsmech.runs.pictures",
    "early_stopping": "tsmech.problem.stopping",
    "ising_transition": "tsmech.theory.ising_perceptron",
    "merge": "tsmech.runs",
    "network_kernel": "tsmech.theory.network_kernel",
    "open_run": "tsmech.runs.opened",
    "optimal_penalty": "tsmech.theory.ridge",
    "optimal_stopping": "tsmech.theory.gradient_flow.stopping",
    "run": "tsmech.runs",
}


def __getattr__(name: str) -> Any:
    from tsmech.systems import REGISTRY

    places = PLACES | {cls: f"tsmech.systems.{module}" for module, cls in REGISTRY.items()}
    if name not in places:
        raise AttributeError(f"module 'tsmech' has no attribute '{name}'")
    return getattr(importlib.import_module(places[name]), name)


def __dir__() -> list[str]:
    from tsmech.systems import REGISTRY

    return sorted(["__doc__", "__version__", *PLACES, *REGISTRY.values()])
