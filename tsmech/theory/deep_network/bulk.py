"""What is learnt of the bulk of a noisy teacher's training modes, by panels that are halved where learning passes.

At a time t those modes are learnt that are stronger than a front, a = x, and hardly any of the weaker ones.  The front
is the sharper the smaller the start, and moves through the bulk.  A tree of panels of θ keeps what does not depend on
time; at each time, the sums over panels beyond the front are known, and others are halved as far as the front needs.
Derivations and equation numbers: ``theory/deep_linear.md``, section 6.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.kernels.jit import deferred_inlined_kernel, deferred_kernel, deferred_kernel_of
from tsmech.theory.deep_network.clock import Clock, clock_of, elapsed, shares

Array = NDArray[np.float64]

NODES = 16
"""Nodes of Gauss's rule in a panel, which is exact up to degree 31."""
ACCURACY = 3e-6
"""Size of the last two of as many Legendre coefficients, as a share of the sum, at which a panel is not halved: the
rule's error is of the order of their square."""
ROUNDING = 1e-16
"""A share of a sum that changes nothing."""
NEGLIGIBLE = 1e-25
"""Share of the largest sum below which another need not be accurate."""
PASSED = 38.0
"""What the clock shows of modes that are learnt, to rounding."""
FRONT = (-30.0, 36.0)
"""Between these the clock's time changes what is learnt."""
STEEP = 14.0
"""A panel with more of that is halved before it is tried."""
GROWTH = 12.0
"""... and so is one over which the time until a deep front comes falls by so much,"""
FAINT = 1e-6
"""unless less than this share is learnt."""
NARROW = 1e-15
"""Width of a panel that is not halved."""
SEEN = 0.05
"""Distance of a singularity from an edge that the first panel's nodes see."""
GRADE = 4.0
"""Ratio of the first panels' distances from one that is nearer, and"""
NARROWEST = 1e-11
"""how near it must be to be none: it leaves an error of this order."""
PANELS = 2048
"""Panels that are kept."""
INTERPRETED = 1000.0
"""What a time costs where it is interpreted, in the units of :mod:`tsmech.kernels.deferral`."""


class Law(NamedTuple):
    """The singular values of noise that has a few modes in it, and where their learning begins."""

    unit: float
    """g, the unit of singular values here."""
    ratio: float
    """c = C/N."""
    number: float
    """min(N, C)."""
    edges: tuple[float, float]
    """abs(1 - √c) and 1 + √c."""
    spikes: Array
    """s² of the teacher's modes, shape (modes,)."""
    initial: float
    """a₀."""


class Tree(NamedTuple):
    """Panels of θ, a row for each."""

    ends: Array
    """θ, shape (panels, 2)."""
    strengths: Array
    """x there, shape (panels, 2)."""
    clocks: Array
    """What the clock shows at first and its rate, at the nodes and at the ends; shape (panels, 2, nodes + 2)."""
    weights: Array
    """ρ_s x of the teacher's modes, ρ x², and what is subtracted from that at the upper edge (26a), times the rule's
    weights; shape (panels, modes + 2, nodes)."""
    known: Array
    """Their sums, shape (panels, modes + 2)."""
    smooth: NDArray[np.bool_]
    """Whether these are accurate, shape (panels,)."""
    halves: NDArray[np.int64]
    """The left half, which the right one follows, or 0; shape (panels,)."""
    used: NDArray[np.int64]
    """How many panels there are, shape (1,)."""


class Rule(NamedTuple):
    """Gauss's rule between -1 and 1."""

    nodes: Array
    weights: Array
    last: Array
    """The last two Legendre polynomials, times 2k + 1 at degree k; shape (2, nodes)."""


class Sums(NamedTuple):
    """Sums over panels of a along the teacher's modes, a² and (x - a)², shapes (modes + 2,)."""

    total: Array
    absolute: Array
    """... of the terms' absolute values."""
    expected: Array
    """A lower bound of these at the end; 0 where there is none, infinite for a rough look."""
    largest: Array
    """An upper bound of them."""


def _gauss() -> Rule:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    last = np.array([NODES - 2, NODES - 1])
    polynomials = np.polynomial.legendre.legvander(nodes, NODES - 1).T[last]
    return Rule(nodes, weights, (2.0 * last[:, None] + 1.0) * polynomials)


RULE = _gauss()


class Bulk:
    """Sums over the bulk at any times, but for what (26a) adds at its upper edge.

    Parameters
    ----------
    law : Law
    depth : int
        D of balanced layers.
    """

    def __init__(self, law: Law, depth: int) -> None:
        modes = law.spikes.size
        self._roots = _roots(law)
        self._problem = law, clock_of(depth), RULE
        self._tree = Tree(
            np.empty((PANELS, 2)),
            np.empty((PANELS, 2)),
            np.empty((PANELS, 2, NODES + 2)),
            np.empty((PANELS, modes + 2, NODES)),
            np.empty((PANELS, modes + 2)),
            np.empty(PANELS, dtype=np.bool_),
            np.empty(PANELS, dtype=np.int64),
            np.zeros(1, dtype=np.int64),
        )

    def sums(self, times: Array) -> Array:
        """Return sums of a along the teacher's modes, of a² and of (x - a)², shape (T, modes + 2).

        Raises
        ------
        ConvergenceError
            If they need too many panels.
        """
        found = np.empty((times.size, self._tree.known.shape[1]))
        if not _follow(times, self._roots, *self._problem, self._tree, found):
            raise ConvergenceError(f"the average over the noise's modes does not settle with {PANELS} panels")
        return found


def _roots(law: Law) -> Array:
    """Return the ends of the first panels: where learning begins, and where an edge is narrower than their nodes see.

    Towards an edge, integrands vary with the distance of a singularity beyond it: of x = 0, and of outliers.
    """
    low, high = law.edges
    width = (high - low) * (high + low)
    share = ((law.initial / law.unit) ** 2 - low**2) / width
    bend = 2.0 * math.asin(math.sqrt(min(max(share, 0.0), 1.0)))  # up to here a = x for ever
    nearest = np.min(abs(law.spikes - math.sqrt(law.ratio)) / np.sqrt(law.spikes * width))
    below, above = (_graded(2.0 * distance) for distance in (low / math.sqrt(width), float(nearest)))
    return np.unique(np.concatenate([[0.0, bend, math.pi], below, math.pi - above]))


def _graded(distance: float) -> Array:
    """Return distances from an edge up to 1, from that of a singularity on, of which the rule sees a twentieth."""
    if not NARROWEST < distance < SEEN:
        return np.empty(0)
    return np.asarray(distance * GRADE ** np.arange(1, math.ceil(math.log(1.0 / distance, GRADE))))


@deferred_kernel_of(lambda times, *_: INTERPRETED * times.size)
def _follow(times: Array, roots: Array, law: Law, clock: Clock, rule: Rule, tree: Tree, found: Array) -> bool:
    """Write sums at times, shape (T, modes + 2); return False where the panels do not suffice."""
    columns, first = law.spikes.size + 2, roots.size - 1
    sums = Sums(np.empty(columns), np.empty(columns), np.empty(columns), np.zeros(columns))
    shared, part = np.empty((3, NODES + 1)), np.empty((2, columns))
    tree.used[0] = 0
    for row in range(times.size):
        if not 0 < tree.used[0] < PANELS // 2:  # what other times have needed is forgotten
            tree.used[0] = first
            for root in range(first):
                _fill(tree, root, roots[root], roots[root + 1], law, clock, rule)
            for k in range(columns):
                sums.largest[k] = 0.0
                for root in range(first):
                    sums.largest[k] += abs(tree.known[root, min(k, columns - 2)])
                    if k >= columns - 2:
                        sums.largest[k] += abs(tree.known[root, columns - 1])
            for root in range(first):
                _judge(tree, root, rule, sums)
        for rough in range(1 if row == 0 or times[row] < times[row - 1] else 0, -1, -1):
            for k in range(columns):  # what is missing falls in time, the others grow
                sums.expected[k] = math.inf if rough else 0.0 if k == columns - 1 else sums.absolute[k]
            if not _add(times[row], first, law, clock, rule, tree, sums, shared, part):
                return False
        for k in range(columns):
            found[row, k] = sums.total[k]
    return True


@deferred_kernel
def _add(
    t: float, first: int, law: Law, clock: Clock, rule: Rule, tree: Tree, sums: Sums, shared: Array, part: Array
) -> bool:
    """Add up all panels at a time, weak modes first: of those that are missing, these are most."""
    last, rough = sums.total.size - 1, sums.expected[0] == math.inf
    stack = np.empty(128, dtype=np.int64)
    waiting = first
    for root in range(first):
        stack[first - 1 - root] = root
    for k in range(last + 1):
        sums.total[k] = sums.absolute[k] = 0.0
    turn = _turn(t, law.initial, clock)
    bottom = math.inf
    if turn < math.inf:  # else no panel has it within
        bottom, rate = _begins(turn, law.initial, clock)
        bottom += rate * t
    at, rate = _begins(law.unit * law.edges[1], law.initial, clock)
    _share(at + rate * t, NODES, clock, shared)
    faint = FAINT**-clock.power / clock.power if clock.depth > 2 else -math.inf
    while waiting > 0:
        panel = stack[waiting - 1]
        begin = tree.clocks[panel, 0, NODES] + tree.clocks[panel, 1, NODES] * t
        end = tree.clocks[panel, 0, NODES + 1] + tree.clocks[panel, 1, NODES + 1] * t
        rises, falls = tree.strengths[panel, 0] >= turn, tree.strengths[panel, 1] <= turn
        least = begin if rises else end if falls else bottom
        if least > PASSED and tree.smooth[panel]:
            rest = math.exp(2.0 - 2.0 * least) * abs(tree.known[panel, last - 1])
            if rest <= ROUNDING * max(sums.absolute[last], NEGLIGIBLE * sums.largest[last]):
                for k in range(last):
                    sums.total[k] += tree.known[panel, k]
                    sums.absolute[k] += abs(tree.known[panel, k])
                sums.total[last - 1] += tree.known[panel, last] * shared[1, NODES]
                sums.total[last] += tree.known[panel, last] * shared[2, NODES]
                waiting -= 1
                continue
        steep = min(end, FRONT[1]) - max(least, FRONT[0]) > STEEP
        steep = steep or (-end < faint and -least > GROWTH * max(-end, 1.0))
        if rough or falls or not steep:
            narrow = tree.ends[panel, 1] - tree.ends[panel, 0] < NARROW
            if _measure(t, panel, clock, rule, tree, sums, shared, part) or narrow:
                for k in range(last + 1):
                    sums.total[k] += part[0, k]
                    sums.absolute[k] += part[1, k]
                waiting -= 1
                continue
        if tree.halves[panel] == 0 and not _halve(panel, law, clock, rule, tree, sums):
            return False
        stack[waiting - 1] = tree.halves[panel] + 1
        stack[waiting] = tree.halves[panel]
        waiting += 1
    return True


@deferred_kernel
def _measure(
    t: float, panel: int, clock: Clock, rule: Rule, tree: Tree, sums: Sums, shared: Array, part: Array
) -> bool:
    """Write a panel's part of the sums, and return whether it is accurate."""
    last, enough = sums.total.size - 1, True
    for i in range(NODES):
        _share(tree.clocks[panel, 0, i] + tree.clocks[panel, 1, i] * t, i, clock, shared)
    for k in range(last + 1):
        row, column = max(k - last + 2, 0), min(k, last - 1)
        total, absolute, one, two = 0.0, 0.0, 0.0, 0.0
        for i in range(NODES):
            term = tree.weights[panel, column, i] * shared[row, i]
            if row > 0:
                term += tree.weights[panel, last, i] * shared[row, NODES]
            total += term
            absolute += abs(term)
            one += term * rule.last[0, i]
            two += term * rule.last[1, i]
        part[0, k], part[1, k] = total, absolute
        size = max(sums.expected[k], sums.absolute[k] + absolute, NEGLIGIBLE * sums.largest[k])
        enough = enough and max(abs(one), abs(two)) <= ACCURACY * size
    return enough


@deferred_kernel
def _halve(panel: int, law: Law, clock: Clock, rule: Rule, tree: Tree, sums: Sums) -> bool:
    """Halve a panel; return False where there is no place for that."""
    new = tree.used[0]
    if new + 2 > PANELS:
        return False
    begin, end = tree.ends[panel]
    _fill(tree, new, begin, (begin + end) / 2.0, law, clock, rule)
    _fill(tree, new + 1, (begin + end) / 2.0, end, law, clock, rule)
    _judge(tree, new, rule, sums)
    _judge(tree, new + 1, rule, sums)
    tree.halves[panel], tree.used[0] = new, new + 2
    return True


@deferred_kernel
def _fill(tree: Tree, panel: int, begin: float, end: float, law: Law, clock: Clock, rule: Rule) -> None:
    """Write what a panel without halves knows at any time."""
    c, (low, high), modes = law.ratio, law.edges, law.spikes.size
    width, middle, half, top = (high - low) * (high + low), (begin + end) / 2.0, (end - begin) / 2.0, law.unit * high
    tree.ends[panel, 0], tree.ends[panel, 1], tree.halves[panel] = begin, end, 0
    for k in range(modes + 2):
        tree.known[panel, k] = 0.0
    for i in range(NODES + 2):
        theta = middle + half * rule.nodes[i] if i < NODES else tree.ends[panel, i - NODES]
        cos, sin = math.cos(theta / 2.0), math.sin(theta / 2.0)
        above, below = width * (cos * cos), width * (sin * sin)
        zeta = low * low + below  # x²/g²
        x = law.unit * math.sqrt(zeta)
        tree.clocks[panel, 0, i], tree.clocks[panel, 1, i] = _begins(x, law.initial, clock)
        if i >= NODES:
            tree.strengths[panel, i - NODES] = x
            continue
        weight, product, peak = half * rule.weights[i] / (2.0 * math.pi), above * below, 0.0  # (dζ/dθ)²
        for k in range(modes):
            spike = law.spikes[k]
            apart = spike - math.sqrt(c)
            beyond = apart * apart / spike + above  # of the outlier's square, eq. 24
            peak += (spike - c / spike) / beyond  # eq. 26a
            tree.weights[panel, k, i] = weight * product / (math.sqrt(spike * zeta) * beyond) * x  # eq. 23
        density = law.number * product / (min(c, 1.0) * zeta) - modes - 1.0  # eqs. 21, 26a, 27
        tree.weights[panel, modes, i] = weight * (density - peak) * x * x
        tree.weights[panel, modes + 1, i] = weight * peak * (top * top)
        for k in range(modes + 2):
            tree.known[panel, k] += tree.weights[panel, k, i]


@deferred_kernel
def _judge(tree: Tree, panel: int, rule: Rule, sums: Sums) -> None:
    """Write whether a panel's sums are accurate where all is learnt."""
    tree.smooth[panel] = True
    for k in range(sums.total.size - 1):
        one, two = 0.0, 0.0
        for i in range(NODES):
            term = tree.weights[panel, k, i]
            if k == sums.total.size - 2:
                term += tree.weights[panel, k + 1, i]
            one += term * rule.last[0, i]
            two += term * rule.last[1, i]
        tree.smooth[panel] &= max(abs(one), abs(two)) <= ACCURACY * sums.largest[k]


@deferred_inlined_kernel
def _share(time: float, place: int, clock: Clock, shared: Array) -> None:
    """Write which share of a mode is learnt, its square and that of what is missing."""
    learnt, missing = shares(time, clock)
    shared[0, place], shared[1, place], shared[2, place] = learnt, learnt * learnt, missing * missing


@deferred_inlined_kernel
def _begins(x: float, initial: float, clock: Clock) -> tuple[float, float]:
    """Return what the clock of a mode shows at first, and its rate."""
    rate = 1.0 if clock.depth == 1 else clock.depth * x ** (1.0 + clock.power)
    if x <= initial:
        return math.inf, rate
    return elapsed(initial / x, (x - initial) / x, clock), rate


@deferred_inlined_kernel
def _turn(t: float, initial: float, clock: Clock) -> float:
    """Return the strength of the modes whose clock shows least (eq. 28b)."""
    if clock.depth == 1 or t == 0.0:
        return math.inf
    return float(initial + 1.0 / ((1.0 + clock.power) * clock.depth * initial**clock.power * t))
