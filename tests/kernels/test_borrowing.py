"""Arguments that a kernel borrows: the same numbers, no references counted, none lost."""

import sys
from typing import NamedTuple

import numba
import numpy as np

from tsmech.kernels.borrowing import borrowed


class _Machine(NamedTuple):
    values: np.ndarray
    count: int
    rng: np.random.Generator


@numba.njit(inline="always")
def _draw(machine: _Machine) -> None:
    for i in range(machine.count):
        machine.values[i % machine.values.size] += machine.rng.standard_normal()


@numba.njit
def _borrowing(machine: _Machine) -> None:
    _draw(borrowed(machine))


@numba.njit
def _counting(machine: _Machine) -> None:
    _draw(machine)


def _machine() -> _Machine:
    return _Machine(np.zeros(3), 100, np.random.default_rng(1))


def test_what_is_borrowed_is_the_callers_own() -> None:
    first, second = _machine(), _machine()
    _borrowing(first)
    _counting(second)
    np.testing.assert_array_equal(first.values, second.values)
    assert first.values.any()


def test_references_are_neither_lost_nor_kept() -> None:
    machine = _machine()
    before = sys.getrefcount(machine.values), sys.getrefcount(machine.rng)
    for _ in range(50):
        _borrowing(machine)
    assert (sys.getrefcount(machine.values), sys.getrefcount(machine.rng)) == before


def test_no_reference_is_counted() -> None:
    counted = []
    for kernel in (_borrowing, _counting):
        kernel(_machine())
        counted.append("NRT_incref" in kernel.inspect_llvm(kernel.signatures[0]))
    assert counted == [False, True]
