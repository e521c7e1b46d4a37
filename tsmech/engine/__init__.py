"""Runs tasks wherever they can be performed, and yields what comes of each as it is finished."""

from tsmech.engine.dispatch import drive
from tsmech.engine.tasks import Outcome, perform, perform_one

__all__ = ["Outcome", "drive", "perform", "perform_one"]
