"""Learning curves of ridge regression on a person's own table: predicted, and measured on held-out rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.columns import CHOICE
from tsmech.problem.curve import Curve
from tsmech.problem.feature_maps import MAPS, FeatureMap
from tsmech.problem.files import KINDS, state
from tsmech.problem.known_rows import Sample, sample
from tsmech.problem.made_up_tables import MADE_UP, made_up_table
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import Numbers, numbers, parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import System
from tsmech.problem.tables import Table, read_targets
from tsmech.words import shown

if TYPE_CHECKING:
    from tsmech.theory.learning_curve import Needed

Array = NDArray[np.float64]

FEWEST = 5
"""Least number of training rows."""
MOST = 1e12
"""Most training rows that are predicted for."""
ALL = 1e-9
"""Share of a target's variance that is lost in rounding."""
SHAPES = {"width": "random_features", "degree": "polynomial", "length": "kernel"}
TARGET = ("target",)


@dataclass(frozen=True, kw_only=True)
class LearningCurve(System):
    r"""Ridge regression on a table: its error against the number of training rows, predicted from some of them.

    Ridge regression on m rows minimises, with an intercept unless that is switched off,

    .. math:: \sum_{i \le m} (y_i - w \cdot x_i - w_0)^2 + a |w|^2 ,

    where a is ``penalty``, scikit-learn's ``alpha``; on standardised columns a over their number is the penalty λ of
    the other systems.  ``theory`` sees the known rows alone, ``direct`` trains on random subsets of all rows that are
    not held out, and measures on those that are.  Errors are halves of mean squares.  The derivation is in
    ``theory/learning_curve.md``.

    Examples
    --------
    >>> import tsmech
    >>> curve = tsmech.LearningCurve(data="made_up", fractions=[0.1, 0.5])
    >>> curve.theory()["rows"].tolist()
    [200.0, 1000.0]
    """

    name = "learning_curve"
    title = "Learning curves of ridge regression on a table"
    coordinates: ClassVar = {"rows": Coordinate("m", "training rows")}
    observables: ClassVar = {
        "test_error": Observable("ε_test", "test error", axes=TARGET, single=True),
        "train_error": Observable("ε_train", "training error", axes=TARGET, single=True),
        "explained": Observable("R²", "explained share of the target's variance", axes=TARGET, single=True),
        "optimal_penalty": Observable(
            "a*", "best penalty, as scikit-learn's alpha", axes=TARGET, single=True, scale="logarithmic"
        ),
        "noise_floor": Observable("ε_∞", "test error of infinitely many rows", axes=TARGET, single=True),
        "applied_penalty": Observable(
            "a", "penalty that is applied, as scikit-learn's alpha", axes=TARGET, single=True, scale="logarithmic"
        ),
        "scaled_penalty": Observable(
            "λ", "penalty that is applied, over the number of columns", axes=TARGET, single=True, scale="logarithmic"
        ),
        "explained_share": Observable("R²_e", "explained share of the explainable variance", axes=TARGET, single=True),
    }
    references = (
        Reference(
            "P. Patil, J.-H. Du",
            2023,
            "Generalized equivalences between subsampling and ridge regularization",
            "NeurIPS 2023",
            arxiv="2305.18496",
        ),
        Reference(
            "A. Wei, W. Hu, J. Steinhardt",
            2022,
            "More than a toy: random matrix models predict how real-world neural representations generalize",
            "ICML 2022",
            arxiv="2203.06176",
        ),
        Reference(
            "A. Jacot, B. Şimşek, F. Spadaro, C. Hongler, F. Gabriel",
            2020,
            "Kernel alignment risk estimator: risk prediction from training data",
            "NeurIPS 2020",
            arxiv="2006.09796",
        ),
        Reference(
            "B. Loureiro, C. Gerbelot, H. Cui, S. Goldt, F. Krzakala, M. Mézard, L. Zdeborová",
            2021,
            "Learning curves of generic features maps for realistic datasets with a teacher-student model",
            "NeurIPS 2021",
            arxiv="2102.08127",
        ),
    )
    pictured = ("test_error", "explained")
    stated = ("target", "known", "penalty")
    checks = (
        {"data": "made_up", "penalty": 1.0, "fractions": (0.02, 0.1, 0.4)},
        {"data": "made_up", "penalty": 0.1, "known": 0.1, "fractions": (0.04, 0.1, 0.2, 0.4)},
        {"data": "made_up_wide", "penalty": 1.0, "fractions": (0.05, 0.1, 0.2)},
        {"data": "made_up_noise", "penalty": 10.0, "intercept": False},
    )

    data: str = parameter(
        "D", f"the table, one row an example: {KINDS}; or a made-up one", choices=tuple(MADE_UP), file=True
    )
    target: tuple[str, ...] | None = parameter(
        "y",
        "columns that are predicted: names, numbers from 0, or patterns such as neuron_*; two values or words become "
        "-1 and 1",
        default=None,
    )
    columns: str | None = parameter(
        "c",
        f"which other columns are inputs: {CHOICE}",
        default=None,
    )
    standardise: bool = parameter(
        "z", "divide each column by its standard deviation over the rows that are trained on", default=False
    )
    intercept: bool = parameter("w0", "fit a constant, which is not penalised", default=True)
    fractions: Numbers = parameter(
        "f",
        "training rows as shares of all rows of the table",
        default=tuple(np.linspace(0.05, 0.8, 12).round(12).tolist()),
        minimum=0,
    )
    penalty: float | str = parameter(
        "a",
        "ridge penalty as scikit-learn's alpha; or the best one at each size by theory; or cross_validated within each "
        "training set",
        default="best",
        minimum=0,
        choices=("best", "cross_validated"),
        scale="logarithmic",
        range=(0.01, 1000.0),
    )
    known: float | None = parameter(
        "k",
        "share of all rows that theory is given (default: all that are not held out)",
        default=None,
        minimum=0,
        maximum=1,
        range=(0.1, 0.8),
    )
    held_out: float = parameter(
        "h",
        "share of all rows on which direct measures, hidden from theory",
        default=0.2,
        minimum=0,
        maximum=0.9,
        range=(0.1, 0.5),
    )
    split: int = parameter(
        "p", "which rows are held out and known: a number for each random split", default=0, minimum=0, range=(0, 10)
    )
    features: str = parameter(
        "Φ", "map of the standardised inputs to features, on which ridge regression works", default="none", choices=MAPS
    )
    width: int = parameter("n_Φ", "random_features: their number", default=1000, minimum=1, range=(100, 3000))
    degree: int = parameter("d", "polynomial: its degree", default=2, minimum=1, maximum=6, range=(1, 3))
    length: float = parameter(
        "ℓ",
        "kernel: its length, in units of the root of the number of columns",
        default=1.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(0.1, 10.0),
    )
    repeats: str | None = parameter(
        "r", "the column that names the stimulus of a row: rows of one stimulus are averaged", default=None
    )

    def __post_init__(self) -> None:
        """Check each parameter, and the table."""
        super().__post_init__()
        for name, kind in SHAPES.items():
            value = getattr(self, name)
            if value != self.parameters()[name].default and self.features != kind:
                raise InputError(f"{name} = {value:g} has no effect with features = {self.features}: it shapes {kind}")
        if self.standardise and self.features == "kernel":
            raise InputError(
                "standardise is not allowed with features = kernel: a kernel's inputs are standardised anyway, and its "
                "coordinates must not be"
            )
        if (self.known or 0.0) + self.held_out > 1.0 + 1e-9:
            raise InputError(
                f"known = {self.known:g} and held_out = {self.held_out:g} are not allowed: the rows that are held out "
                "are hidden, so the two add up to 1 at most"
            )
        count = len(self._read().inputs)
        sizes = np.round(np.array(self.fractions) * count)
        small = sizes < FEWEST
        if small.any() and (self.fractions != self.parameters()["fractions"].default or small.all()):
            first = int(np.argmax(small))
            raise InputError(
                f"fractions[{first}] = {self.fractions[first]:g} is not allowed: of {count} rows it takes "  # type: ignore[index]
                f"{sizes[first]:.0f}, and at least {FEWEST} are needed"
            )
        if sizes.max() > MOST:
            raise InputError(f"fractions: {sizes.max():.3g} training rows are not allowed: at most {MOST:g} are")
        self._sample().check()

    def table(self) -> Table:
        """Return the inputs and the targets, those of two values as -1 and 1."""
        return self._sample().table

    def _read(self) -> Table:
        """Return the inputs and the targets as they are."""
        if self.data not in MADE_UP:
            if self.target is None:
                state(self.data, "data", tuple(MADE_UP))  # a path that is wrong is said first
                raise InputError("target is needed: name the column that is predicted")
            return read_targets(self.data, "data", self.target, self.columns, self.repeats, tuple(MADE_UP))
        for name in ("target", "columns", "repeats"):
            if getattr(self, name) not in (None, ("y",)):
                raise InputError(f"{name} has no effect with data = {self.data}: a made-up table has one target, y")
        return made_up_table(self.data)

    def _sample(self) -> Sample:
        """Return the table's rows, held out and known, and what is made of them."""
        features = FeatureMap(self.features, self.width, self.degree, self.length)
        return sample(self._read(), self.held_out, self.known, self.split, features, self.intercept, self.standardise)

    def sizes(self) -> NDArray[np.intp]:
        """Return the numbers of training rows; of a small table those of the default that are enough."""
        sizes = np.unique(np.round(np.array(self.fractions) * len(self._read().inputs)).astype(np.intp))
        return sizes[sizes >= FEWEST]

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no law of a person's rows, or no rows to train and measure on."""
        if answer == "reduced":
            return "learning_curve has no reduced answer: the law of a table's rows is not known"
        if answer == "direct":
            rows = self._sample()
            if rows.held.size < 2:
                return "learning_curve has no direct answer without rows that are held out: raise held_out"
            if still := rows.constant(rows.held):
                return (
                    f"learning_curve has no direct answer here: over the {rows.held.size} rows that are held out the "
                    f"target {still} is constant: raise held_out, or take another split"
                )
            if self.sizes()[0] > rows.pool.size:
                return (
                    f"learning_curve has no direct answer here: all fractions ask for more than {rows.pool.size} rows"
                )
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        if answer == "direct":
            found = self._sample()
            rows = min(int(self.sizes()[-1]), found.pool.size)
            columns = found.features.number(found.table.inputs.shape[1], len(found.table.inputs))
            side = rows * columns if self._within else min(rows, columns) * 2 * columns
            if short := shortage(4.0 * 8 * side, f"training on {rows} rows of {columns} columns"):
                return f"learning_curve has no direct answer here: {short}: lower fractions"
        return super().obstacle(answer)

    def remark(self) -> str | None:
        """Return what is odd about the table: why theory may be wrong on it."""
        from tsmech.theory.learning_curve import oddities

        table, known = self.table(), self._sample().decomposed()
        words = table.oddities()
        told = [table.names[i] for i in np.flatnonzero(known.loo.min(axis=0) < ALL * known.variance)]
        if told and not table.copies:
            words.append(
                f"the inputs determine {shown(', '.join(told), 100)} to {ALL:g} of the variance: is a copy of it among "
                "them?"
            )
        words += oddities(known, float(self.sizes()[0]))
        return "; ".join(words) or None

    def theory_curve(self) -> Curve:
        """Return the prediction from the known rows, with its standard error."""
        from tsmech.theory.learning_curve import noise_floor, predict

        rows, sizes = self._sample(), self.sizes()
        table, population = rows.table, rows.population()
        penalty = float(self.penalty) if not isinstance(self.penalty, str) else None
        found = predict(population, sizes, penalty, reported=rows.held.size or np.inf, within=self._within)
        best = found if penalty is None else predict(population, sizes, None)
        floor, floor_error = (np.tile(part / 2, (sizes.size, 1)) for part in noise_floor(population))
        values = {
            "test_error": found.mean_square / 2,
            "train_error": found.train / 2,
            "explained": found.explained,
            "optimal_penalty": best.penalty,
            "noise_floor": floor,
            "applied_penalty": found.penalty,
            "scaled_penalty": found.penalty / population.columns,
        }
        errors = {
            "test_error": found.mean_square_error / 2,
            "train_error": found.train_error / 2,
            "explained": found.explained_error,
            "optimal_penalty": best.penalty_error,
            "noise_floor": floor_error,
        }
        if table.repeats is not None:
            share, share_error = table.repeats.explainable(table.targets, rows.known)
            values["explained_share"] = found.explained / share
            errors["explained_share"] = np.hypot(found.explained_error, values["explained_share"] * share_error) / share
        return self._curve(sizes, values, errors)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return what ridge regression gets on the held-out rows, trained on growing random subsets of the others."""
        from tsmech.sims.learning_curve import draw_direct

        rows, sizes = self._sample(), self.sizes()
        table, inputs = rows.table, rows.inputs()
        sizes = sizes[sizes <= rows.pool.size]
        penalties: Array | None = None
        if self.penalty == "best":
            from tsmech.theory.learning_curve import predict

            penalties = predict(rows.population(), sizes, None).penalty
        elif not isinstance(self.penalty, str):
            penalties = np.full((sizes.size, table.targets.shape[1]), float(self.penalty))
        found = draw_direct(
            inputs,
            table.targets,
            rows.pool,
            rows.held,
            sizes,
            penalties,
            rng,
            intercept=self.intercept,
            standardise=self.standardise,
        )
        values = {
            "test_error": found["test"] / 2,
            "train_error": found["train"] / 2,
            "explained": found["explained"],
        }
        if penalties is None:
            columns = rows.population().columns if self.features == "kernel" else inputs.shape[1]
            values |= {"applied_penalty": found["penalty"], "scaled_penalty": found["penalty"] / columns}
        if table.repeats is not None:
            values["explained_share"] = found["explained"] / table.repeats.explainable(table.targets)[0]
        return self._curve(sizes, values, {})

    def rows_for(self, error: float, target: str | None = None) -> "Needed":
        """Return how many rows would reach a test error, and between which numbers that lies.

        Parameters
        ----------
        error
            The test error, half a mean square, as ``test_error``.
        target
            The name of the target, needed where there are several.

        Returns
        -------
        Needed
            ``rows``, and ``least`` and ``most``: where the prediction less, and plus, one standard error reaches the
            error.  Infinite where it is below what any number of rows can reach.
        """
        from tsmech.theory.learning_curve import rows_for

        if numbers(error) is None or np.ndim(error) or not 0 < error < np.inf:
            raise InputError(f"error = {shown(repr(error))} is not allowed: it must be a number above 0")
        names = self.table().names
        if target is None and len(names) > 1:
            raise InputError(f"target is needed: one of {', '.join(names[:20])}")
        if target is not None and target not in names:
            raise InputError(f"target = {target} is not allowed: it must be one of {', '.join(names[:20])}")
        penalty = float(self.penalty) if not isinstance(self.penalty, str) else None
        place = 0 if target is None else names.index(target)
        return rows_for(self._sample().population(), 2.0 * error, penalty, place, within=self._within)

    def _curve(self, sizes: NDArray[np.intp], values: dict[str, Array], errors: dict[str, Array]) -> Curve:
        """Return a curve along the rows: plain numbers of one target, vectors named by the header of several."""
        names = self.table().names
        if len(names) == 1:
            values, errors = ({name: part[:, 0] for name, part in parts.items()} for parts in (values, errors))
        labels = {"target": names} if len(names) > 1 else {}
        return Curve(values, {"rows": sizes.astype(float)}, errors=errors, labels=labels)

    @property
    def _within(self) -> bool:
        """Whether each training set chooses its penalty itself."""
        return self.penalty == "cross_validated"
