"""Semantic development: a deep linear network learns which items have which properties, broad distinctions first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.answers import USUAL, Answer, prediction
from tsmech.problem.curve import Curve
from tsmech.problem.deep_network import LEARNING, STRENGTHS, DeepNetwork
from tsmech.problem.first_layers import ALIGNED
from tsmech.problem.item_structures import ItemTable
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.property_tables import find
from tsmech.problem.references import SAXE_DEEP, SAXE_SEMANTIC, Reference
from tsmech.problem.representations import embed
from tsmech.problem.system import Convergence

if TYPE_CHECKING:
    import pandas as pd

    from tsmech.sims.deep_network import FirstWeights, Teacher
    from tsmech.sims.semantic_development import Knowledge, Question
    from tsmech.theory.deep_network import LearningCurve

Array = NDArray[np.float64]

ROUNDING = 1e-14
"""Length of a representation, as a share of the longest, up to which there is none."""
SHOWN_ITEMS = 40
"""Most items whose similarity matrix is reported entry by entry; :meth:`SemanticDevelopment.similarities` has all."""


@dataclass(frozen=True, kw_only=True)
class SemanticDevelopment(ItemTable, DeepNetwork):
    r"""A deep linear network that learns which items have which properties.

    Items are presented one by one, all equally often, and their properties Y (items x properties) are to be named:

    .. math:: \Sigma^x = 1, \qquad \Sigma^{yx} = Y^T / \sqrt{\text{properties}} .

    Broad distinctions have the largest singular values and are learnt first.  Tables are drawn (``structure``) or read
    (``table``: a header of properties, then a row for each named item).  The derivation is in
    ``theory/semantic_development.md``.

    Notes
    -----
    ``theory`` runs on the modes of the drawn table; ``limit`` is that of infinitely many properties of a regular tree,
    which a table of 200 approaches slowly.  ``embedding`` places the items in the plane by the representations of the
    first hidden layer, ``similarity`` has their inner products.  ``responses`` is what the network says of ``property``
    for each item, ``illusion`` its strongest belief in a property that an item lacks.  ``projection`` extends a new
    property, taught for ``item`` alone, to all items; ``new_item`` is how much a new item, of which ``property`` alone
    is known, resembles each.  Without a hidden layer representations are the outputs themselves.

    Examples
    --------
    Singular values of a tree with two branches at three levels, of infinitely many properties and of 200:

    >>> import tsmech
    >>> tree = tsmech.SemanticDevelopment(branching=2, levels=3, flip=0.1)
    >>> tree.limit_strengths().round(5)[:4].tolist()
    [1.87291, 1.1877, 0.90598, 0.90598]
    >>> len(tree.mode_strengths())
    8
    """

    name = "semantic_development"
    title = "Semantic development: items and properties are learnt from broad to fine"
    observables: ClassVar = {
        "strengths": STRENGTHS,
        "train_error": Observable("ε_train", "training error"),
        "embedding": Observable("x", "position of an item", axes=("item", "axis")),
        "similarity": Observable("S", "similarity of representations", axes=("item", "other item")),
        "responses": Observable("y", "belief in the property", axes=("item",)),
        "illusion": Observable("y_max", "strongest illusion"),
        "projection": Observable("p", "a new property extended to an item", axes=("item",), undefined=True),
        "new_item": Observable("n", "resemblance of a new item", axes=("item",), undefined=True),
        **LEARNING,
    }
    answers: ClassVar[Mapping[str, Answer]] = {**USUAL, "limit": prediction(3)}
    references = (
        SAXE_SEMANTIC,
        SAXE_DEEP,
        Reference(
            "T. T. Rogers, J. L. McClelland",
            2004,
            "Semantic cognition: a parallel distributed processing approach",
            "MIT Press",
            book=True,
        ),
        Reference("C. Kemp, J. B. Tenenbaum", 2008, "The discovery of structural form", "PNAS 105, 10687"),
    )
    pictured = ("strengths", "illusion")
    stated = ("depth", "initial")
    checks = (
        {
            "structure": "ring",
            "properties": 40,
            "initial_strengths": (0.01,),
            "duration": 6.0,
            "samples": (1.0, 3.0, 6.0),
        },
        {
            "structure": "cross_cutting",
            "depth": 3,
            "properties": 40,
            "initial_strengths": (0.05,),
            "duration": 6.0,
            "samples": (1.0, 3.0, 6.0),
        },
        {"structure": "grid", "depth": 1, "items": 9, "properties": 40, "duration": 3.0, "samples": (0.5, 3.0)},
    )
    convergence = Convergence("step", (0.02, 0.01, 0.005, 0.0025), power=1.0)

    property: str | None = parameter(
        "p", "name or number (from 0) of the property that is asked; none takes the one with the strongest illusion",
        default=None,
    )  # fmt: skip
    item: str | None = parameter(
        "i", "name or number (from 0) of the item that a new property is taught for; none takes the first", default=None
    )
    width: int = parameter("H", "units of each hidden layer", default=16, minimum=1, range=(1, 64))
    duration: float = parameter(
        "t_end",
        "training time in units of the inverse learning rate",
        default=20.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 1000.0),
    )

    def prepare(self) -> None:
        """Read or draw the table, and find what is asked."""
        super().prepare()
        found = self.items_and_properties()
        object.__setattr__(
            self, "_asked", (find("property", self.property, found.properties), find("item", self.item, found.items))
        )

    def no_prediction(self, answer: str) -> str | None:
        """Return why there is no theory of this start, or no limit of this table, or None."""
        if answer != "limit":
            return self._no_theory()
        if reason := self.no_limit() or self._no_theory():
            return reason
        if self.initial != "balanced":
            return "the limit is that of a balanced start"
        given, items = len(self.listed("initial_strengths")), self.sizes()[0]
        return None if given in (1, items) else f"initial_strengths has {given} values, the limit {items} modes"

    def too_large(self, answer: str) -> str | None:
        """Return what does not fit into memory: the network, or what is reported of items."""
        items = self.sizes()[0]
        similarity = shortage(8.0 * 4 * len(self.times()) * items**2, "the similarity of items at all times")
        return super().too_large(answer) or similarity

    def _no_theory(self) -> str | None:
        if self.initial in ALIGNED or (self.initial == "small" and self.depth <= 2):
            return self.no_exact_theory()
        return f"with initial = {self.initial} at depth {self.depth} the representations are not known"

    def remark(self) -> str | None:
        """Return what theory leaves out."""
        shallow = self.initial == "small" and self.depth == 1
        start = ["theory leaves out random weights across the modes"] if shallow else []
        return "; ".join([*self.remarks(), *start]) or None

    # What is asked

    def question(self) -> "Question":
        """Return what is asked of the network: a property, and where the table is binary what items lack."""
        from tsmech.sims.semantic_development import Question
        from tsmech.theory.semantic_development import most_illusory

        known: Question | None = self.__dict__.get("_question")
        if known is None:
            table = self.items_and_properties()
            lacking = (table.values.T <= 0.0).astype(float) if table.binary else None
            place = self.__dict__["_asked"][0]
            if place is None:
                place = 0 if lacking is None else most_illusory(*self.teacher(), lacking)
            known = Question(place, math.sqrt(table.values.shape[1]), lacking)
            object.__setattr__(self, "_question", known)
        return known

    def illusory(self) -> "pd.DataFrame":
        """Return the strongest illusions by theory: item, property, the strongest belief and when it is held.

        Raises
        ------
        InputError
            Where there is no theory, or the table holds values other than 0 and 1, or -1 and 1.
        """
        import pandas as pd

        if reason := self.refusal("theory"):
            raise InputError(reason)
        table, times = self.items_and_properties(), self.times()
        if not table.binary:
            row, column = np.argwhere(~np.isin(table.values, (0.0, 1.0)))[0]
            raise InputError(
                f"illusions need values 0 and 1, or -1 and 1: {table.items[row]}, {table.properties[column]} has "
                f"{table.values[row, column]:g}"
            )
        strengths = self._learnt().strengths
        beliefs = self.question().scale * np.einsum(
            "pm,tm,im->tip", self.teacher().outputs, strengths, self.teacher().inputs, optimize=True
        )
        beliefs = np.where(table.values <= 0.0, beliefs, -np.inf)
        peak = beliefs.max(axis=0)
        rows = [
            {"item": table.items[i], "property": table.properties[p], "belief": peak[i, p],
             "time": times[int(beliefs[:, i, p].argmax())]}
            for i, p in np.argwhere(peak > 1e-9)
        ]  # fmt: skip
        frame = pd.DataFrame(rows, columns=["item", "property", "belief", "time"])
        return frame.sort_values("belief", ascending=False, ignore_index=True)

    def similarities(self, answer: str = "theory", rng: int | None = None) -> "dict[float, pd.DataFrame]":
        """Return the similarity matrix of the items at each time of one answer, to compare with other data."""
        import pandas as pd

        if reason := self.refusal(answer):
            raise InputError(reason)
        if answer == "theory":
            similarity = self._foretell(self._learnt()).similarity
        elif answer == "limit":
            similarity = self._limit()[1]
        else:
            similarity = self._simulate(answer, np.random.default_rng(rng))[0].similarity
        names = list(self.items_and_properties().items)
        pairs = zip(self.times(), similarity, strict=False)
        return {float(time): pd.DataFrame(one, names, names) for time, one in pairs}

    # Answers

    def _learnt(self) -> "LearningCurve":
        return self.exact_theory(self.known_start())

    def _foretell(self, found: "LearningCurve") -> "Knowledge":
        """Return what aligned modes say."""
        from tsmech.sims.semantic_development import Knowledge
        from tsmech.theory.semantic_development import beliefs

        layers = found.strengths[:, None] if found.layers is None else found.layers  # one layer, from any start
        question, teacher, rank = self.question(), self.teacher(), layers.shape[2]
        said = beliefs(layers, teacher.outputs[:, :rank], teacher.inputs[:, :rank], question.property, question.lacking)
        return Knowledge(
            found.strengths,
            2.0 * found.error,
            question.scale * said.responses,
            question.scale * said.illusion,
            said.similarity,
            said.backward,
            said.longest,
        )

    def drawn(self, rng: np.random.Generator) -> "tuple[Teacher, FirstWeights]":
        """Return the modes of the table and the first weights of one network."""
        shared = rng if self.start_seed is None else np.random.default_rng(self.start_seed)
        return self.teacher(), self.first_weights(self.teacher(), shared.spawn(1)[0])

    def _simulate(self, answer: str, rng: np.random.Generator) -> "tuple[Knowledge, float]":
        """Return what one network knows, and the steps that its pretraining took."""
        from tsmech.sims import semantic_development as sims

        asked = self.teacher(), self.question(), self.times(), self.step
        if answer == "reduced":
            return sims.decouple(self.layers(self.mode_strengths())[:, : self.rank], *asked), 0.0
        weights = self.drawn(rng)[1]
        return sims.learn(weights.layers, *asked, tanh=self.nonlinearity == "tanh"), weights.pretraining

    def theory_curve(self) -> Curve:
        """Return the prediction from the modes of the table."""
        found = self._learnt()
        return self._curve(self._foretell(found), half=found.half)

    def _limit(self) -> "tuple[LearningCurve, Array]":
        """Return the modes and the similarity of items in a regular tree of infinitely many properties."""
        from tsmech.theory.deep_network import aligned_curve
        from tsmech.theory.semantic_development import tree_modes

        modes = tree_modes(self.branching, self.levels, self.flip)
        rank = self.passed(modes.strengths.size)
        found = aligned_curve(self.times(), modes.strengths, self.layers(modes.strengths), rank)
        assert found.layers is not None
        vectors = modes.items[:, :rank]
        return found, np.einsum("im,tm,jm->tij", vectors, found.layers[:, 0] ** 2, vectors, optimize=True)

    def limit_curve(self) -> Curve:
        """Return the prediction for infinitely many properties of a regular tree: strengths and similarity."""
        found, similarity = self._limit()
        observables = {"strengths": found.strengths, "train_error": found.error}
        if len(similarity[0]) <= SHOWN_ITEMS:
            observables["similarity"] = similarity
        return replace(Curve.along("time", self.times(), observables), labels=self._labels(observables))

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return aligned modes, each by itself, and what they say together."""
        return self._curve(*self._simulate("reduced", rng))

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of the whole network."""
        return self._curve(*self._simulate("direct", rng))

    def _curve(self, known: "Knowledge", pretraining: float = 0.0, half: Array | None = None) -> Curve:
        every, rows = self.times(), len(known.missing)
        times = every[:rows]
        item = self.__dict__["_asked"][1] or 0
        squares = np.diagonal(known.similarity, axis1=1, axis2=2)
        projection = _shares(known.similarity[:, item], squares[:, item], squares.max(axis=1))
        new_item = _shares(known.responses / self.question().scale, known.backward, known.longest)
        found = {
            "strengths": known.strengths,
            "train_error": known.missing / 2,
            "embedding": embed(known.similarity),
            "responses": known.responses,
            "projection": projection,
            "new_item": new_item,
        }
        if self.question().lacking is not None:
            found["illusion"] = known.illusion
        if known.similarity.shape[1] <= SHOWN_ITEMS:
            found["similarity"] = known.similarity
        ended = float(every[rows]) if rows < len(every) else None
        summaries = self.learning(times, known.strengths, half, pretraining)
        curve = Curve.along("time", times, found, summaries=summaries, diverged_at=ended)
        return replace(curve, labels=self._labels(found))

    def _labels(self, found: Mapping[str, Array]) -> dict[str, tuple[str, ...]]:
        """Return the names of items along the axes of what is reported, where a file names them."""
        if self.table is None:
            return {}
        names = self.items_and_properties().item_columns()
        return {"item": names, "other item": names} if "similarity" in found else {"item": names}


def _shares(products: Array, squares: Array, largest: Array) -> Array:
    """Return products with a representation over its square, shape (T, items); NaN where that is rounding alone."""
    known = squares > ROUNDING**2 * largest
    return np.where(known[:, None], products / np.where(known, squares, 1.0)[:, None], np.nan)
