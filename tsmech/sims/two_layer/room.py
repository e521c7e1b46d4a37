"""The memory that stored examples take, asked without loading what trains on them: theory's remarks ask too."""

import numpy as np

from tsmech.machine import memory

ITEM = np.dtype(np.float32).itemsize
"""Bytes of a stored input: see :func:`tsmech.sims.sample_reuse.train`."""


def too_large(examples: int, dimension: int) -> str | None:
    """Return in one line that a training set does not fit into the memory that is available, or None if it does."""
    needed = examples * (dimension * ITEM + 16)
    short = memory.shortage(needed, f"the training set of {examples:.6g} x {dimension:.6g} numbers", 0)
    return f"{short}: lower alpha or dimension" if short else None
