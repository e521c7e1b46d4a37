"""The run directory: what is finished is on disk and stays there."""

from tsmech.store.reader import damaged
from tsmech.store.store import Store

__all__ = ["Store", "damaged"]
