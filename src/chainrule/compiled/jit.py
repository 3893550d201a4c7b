"""How the kernels are compiled: one place for the flags, and why each is safe.

`reassoc` lets a sum be split over the lanes of a vector register, `contract` fuses a * b + c,
`nsz` and `arcp` ignore the sign of zero and multiply by an inverse. nan and inf keep their meaning
(no `nnan`, no `ninf`): a diverging run must be seen. `error_model="numpy"` gives inf for a division
by zero; a check at each division would stop the compiler from using vector registers.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

FAST = {"reassoc", "contract", "nsz", "arcp"}
SHARED = {"cache": True, "nogil": True, "error_model": "numpy"}
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **SHARED}  # called by kernels only

Compile = Callable[[Any], Any]

kernel: Compile = numba.njit(fastmath=FAST, **SHARED)  # called from Python
jit: Compile = numba.njit(fastmath=FAST, **INNER)
inlined: Compile = numba.njit(fastmath=FAST, forceinline=True, **INNER)  # the glue of a step
exact: Compile = numba.njit(fastmath={"contract"}, forceinline=True, **INNER)  # sums as written
parallel: Compile = numba.njit(fastmath=FAST, parallel=True, **INNER)

# An index of this type is not checked for counting from the end, which would keep a loop over
# memory from being vectorised.
at = np.uintp
