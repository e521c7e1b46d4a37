"""The run directory: what is finished is on disk and stays there."""

from tsmech.store.store import Store, damaged

__all__ = ["Store", "damaged"]
