"""Tables of items and properties: drawn (the leaves of a tree, a ring, a grid, two trees across each other) or read."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.parameters import parameter
from tsmech.problem.property_tables import PropertyTable, read_property_table
from tsmech.problem.system import System

if TYPE_CHECKING:
    import pandas as pd

    from tsmech.sims.deep_network import Teacher

Array = NDArray[np.float64]

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


@dataclass(frozen=True, kw_only=True)
class ItemTable(System):
    """A system that learns which items have which properties, of a table that is drawn or read."""

    structure: str = parameter(
        "structure",
        "how items are related: the leaves of a tree, a ring, a square grid, or two trees that cut across each other",
        default="tree",
        choices=STRUCTURES,
    )
    branching: int = parameter("B", "tree, cross_cutting: branches at each level", default=2, minimum=2, range=(2, 4))
    levels: int = parameter("L", "tree, cross_cutting: levels below the root", default=3, minimum=1, range=(1, 5))
    items: int = parameter("I", "ring, grid: number of items, for a grid a square", default=9, minimum=3, range=(3, 36))
    flip: float = parameter(
        "ε",
        "tree, cross_cutting: probability of a change at a branch; ring, grid: the pull κ that lets properties change",
        default=0.1,
        minimum=0,
        maximum=0.5,
        range=(0.01, 0.5),
    )
    properties: int = parameter("P", "properties of each item", default=200, minimum=1, range=(10, 1000))
    table_seed: int = parameter("q", "seed of the table that is drawn", default=0, minimum=0, range=(0, 100))
    table: str | None = parameter(
        "Y", "file of items x properties with their names, in place of structure", default=None, file=True
    )

    def prepare(self) -> None:
        """Read or draw the table."""
        from tsmech.sims.deep_network import teacher_of

        named = ("branching", "levels", "items", "flip", "properties")
        if self.table is None:
            found = draw_items(self.structure, **{name: getattr(self, name) for name in named}, seed=self.table_seed)
        else:
            found = self._read_table(self.table, ("structure", *named, "table_seed"))
        teacher = teacher_of(found.values.T / math.sqrt(found.values.shape[1]))
        object.__setattr__(self, "_held", (found, teacher))

    def _read_table(self, path: str, drawn: tuple[str, ...]) -> PropertyTable:
        defaults = {name: declared.default for name, declared in self.parameters().items()}
        for name in drawn:
            if getattr(self, name) != defaults[name]:
                raise InputError(f"table and {name} are both given: the file has its items and properties")
        return read_property_table(path, "table")

    def items_and_properties(self) -> PropertyTable:
        """Return the table that is learnt."""
        found: PropertyTable = self.__dict__["_held"][0]
        return found

    def teacher(self) -> "Teacher":
        """Return the modes of the table: over properties, their strengths, over items."""
        found: Teacher = self.__dict__["_held"][1]
        return found

    def mode_strengths(self) -> Array:
        """Return the singular values of Yᵀ/√properties, decreasing, shape (modes,)."""
        return self.teacher().strengths

    def sizes(self) -> tuple[int, int]:
        """Return the numbers of items and of properties."""
        items, properties = self.items_and_properties().values.shape
        return items, properties

    def limit_strengths(self) -> Array:
        """Return the singular values of a regular tree for infinitely many properties, shape (items,)."""
        from tsmech.theory.semantic_development import tree_modes

        if reason := self.no_limit():
            raise InputError(f"limit_strengths: {reason}")
        return tree_modes(self.branching, self.levels, self.flip).strengths

    def no_limit(self) -> str | None:
        """Return why the table has no known limit of many properties, or None."""
        if self.table is not None or self.structure != "tree":
            return "the limit of many properties is known of regular trees"
        return None

    def typicality(self) -> "pd.DataFrame":
        """Return how typical each item is of each mode: its loading, items x modes (eq. 8)."""
        import pandas as pd

        signs = np.where(self.teacher().inputs.sum(axis=0) < 0, -1.0, 1.0)
        return pd.DataFrame(self.teacher().inputs * signs, index=list(self.items_and_properties().items))

    def coherence(self, items: "list[str]") -> float:
        r"""Return how coherent a set of items is as a category: the share of their properties' variance they share.

        .. math:: c = \frac{|\bar y|^2}{\overline{|y|^2}}

        with the mean over the set of properties y from which the mean over all items is taken: 1 for items alike, about
        one over their number for items that have nothing in common (eq. 9).
        """
        return self.items_and_properties().coherence(items)
