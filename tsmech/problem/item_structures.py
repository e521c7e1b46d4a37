"""Tables of items whose properties are drawn: the leaves of a tree, a ring, a grid, two trees across each other."""

import math

import numpy as np

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.property_tables import PropertyTable

STRUCTURES = ("tree", "ring", "grid", "cross_cutting")
MOST_ITEMS = 1024
"""Most items of a structure that is drawn."""


def draw_items(
    structure: str, *, branching: int, levels: int, items: int, flip: float, properties: int, seed: int
) -> PropertyTable:
    """Return a table of a structure, items and properties named by their numbers from 0.

    Raises
    ------
    InputError
        Where the numbers give no such structure, or more than fits.
    """
    from tsmech.sims import semantic_development as sims

    trees = structure in ("tree", "cross_cutting")
    if trees:
        items = branching**levels if levels * math.log(branching) < 30 else 1 << 40
    side = math.isqrt(items)
    if structure == "grid" and side**2 != items:
        raise InputError(f"items = {items} is not allowed with structure = grid: it must be a square, such as 9")
    if items > MOST_ITEMS:
        named = "branching and levels" if trees else "items"
        raise InputError(f"{named} give {items} items: at most {MOST_ITEMS} are allowed")
    if short := shortage(8.0 * 4 * items * properties, "the table"):
        raise InputError(f"properties = {properties} is not allowed: {short}")
    if flip == 0.0:
        raise InputError("flip = 0 is not allowed: no property would tell items apart")
    rng = np.random.default_rng(seed)
    if trees:
        draw = sims.draw_tree if structure == "tree" else sims.draw_crossing
        values = draw(branching, levels, flip, properties, rng)
    else:
        values = sims.draw_field(sims.ring(items) if structure == "ring" else sims.grid(side), flip, properties, rng)
    return PropertyTable(values, tuple(map(str, range(items))), tuple(map(str, range(properties))))
