"""Random numbers for kernels: those that NumPy's Generator would draw, from its bit generator.

A kernel gets the addresses of the C functions and of their state, never the Generator: Numba ends
the process where Ctrl-C comes while it looks at one.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from numba import types

from .jit import c_function, inlined, jit


class Draws(NamedTuple):
    """Where a bit generator's state and functions stand."""

    state: int
    double: int
    uint32: int


def draws_of(bit_generator: Any) -> Draws:
    """The addresses of a NumPy bit generator, which must live as long as they are used."""
    functions = bit_generator.ctypes
    double, uint32 = (
        ctypes.cast(function, ctypes.c_void_p).value or 0
        for function in (functions.next_double, functions.next_uint32)
    )
    return Draws(functions.state_address, double, uint32)


_double = c_function(types.float64, ctypes.c_double)
_uint32 = c_function(types.uint32, ctypes.c_uint32)


@inlined
def uniform(draws):
    """A number from [0, 1), as Generator.random draws it."""
    return _double(draws.double, draws.state)


@jit
def shuffle(order, draws):
    """The order of Generator.permutation(n), n < 2^32: Fisher and Yates 1938.

    For each i a number up to i is drawn: bits under the mask, the smallest 2^k - 1 that covers i,
    until they fit.
    """
    mask = 1
    while mask < len(order) - 1:
        mask = 2 * mask + 1
    for i in range(len(order)):
        order[i] = i
    for i in range(len(order) - 1, 0, -1):
        if i <= mask // 2:
            mask //= 2
        j = np.int64(_uint32(draws.uint32, draws.state)) & mask
        while j > i:
            j = np.int64(_uint32(draws.uint32, draws.state)) & mask
        order[i], order[j] = order[j], order[i]
