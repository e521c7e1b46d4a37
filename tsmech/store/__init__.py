"""The run directory: finished work on disk."""

from tsmech.store.reader import damaged
from tsmech.store.store import Store

__all__ = ["Store", "damaged"]
