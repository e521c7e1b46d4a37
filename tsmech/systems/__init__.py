"""What the problems are: the registry of systems, one line each."""

import importlib
from typing import TYPE_CHECKING

from tsmech.errors import InputError
from tsmech.words import nearest

if TYPE_CHECKING:
    from tsmech.problem.system import System

REGISTRY = {
    "ridge": "Ridge",
    "gradient_flow": "GradientFlow",
    "online_sgd": "OnlineSGD",
    "sample_reuse": "SampleReuse",
    "deep_linear": "DeepLinear",
    "semantic_development": "SemanticDevelopment",
    "perceptual_learning": "PerceptualLearning",
    "multitasking": "Multitasking",
    "random_features": "RandomFeatures",
    "random_features_flow": "RandomFeaturesFlow",
    "wide_network": "WideNetwork",
    "kernel_regression": "KernelRegression",
    "learning_curve": "LearningCurve",
    "perceptron": "Perceptron",
    "online_perceptron": "OnlinePerceptron",
    "linear_perceptron": "LinearPerceptron",
    "ising_perceptron": "IsingPerceptron",
    "convex_classifier": "ConvexClassifier",
    "capacity": "Capacity",
}


def find(name: str) -> "type[System]":
    """Return the class of a system by its name (hyphens or underscores), importing that system alone."""
    module = name.replace("-", "_")
    if module not in REGISTRY:
        raise InputError(f"system {name} is unknown: {nearest(name, REGISTRY)}")
    found: type[System] = getattr(importlib.import_module(f"tsmech.systems.{module}"), REGISTRY[module])
    return found
