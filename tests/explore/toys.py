"""Lets a child process know the made-up system that has every kind of parameter, observable and coordinate."""

BEGIN = """
import sys
import tests.systems.test_every_kind as kinds
from tsmech.systems import REGISTRY
REGISTRY["two_tasks"] = "TwoTasks"
sys.modules["tsmech.systems.two_tasks"] = kinds
"""
