"""Does a network fit into memory? Checked before it is built: afterwards the machine may hang."""

import os
from collections.abc import Sequence
from itertools import pairwise

COPIES = 8
"""Vectors like theta in training: it, its best, gradient, step, Adam's two, two of factors."""


def training_bytes(sizes: Sequence[int], rows: int = 0) -> int:
    """8 · (COPIES · p + 2 · rows · units) bytes, p the parameters of [inputs, hidden …, outputs].

    `rows` go through the network at once, as validation rows do; each layer keeps its Z and A.
    """
    parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    return 8 * (COPIES * parameters + 2 * rows * sum(sizes[1:]))


def require_memory(sizes: Sequence[int], rows: int = 0, networks: int = 1) -> None:
    """Raise ValueError if training this many networks takes more than this machine's memory.

    Nothing is raised if the system does not report its memory.
    """
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = networks * training_bytes(sizes, rows)
    which = f"{networks} networks with " if networks > 1 else ""
    if needed > memory > 0:
        raise ValueError(
            f"{which}layers of {', '.join(map(str, sizes[1:]))} units on {sizes[0]} features would "
            f"take {needed / 1e9:,.0f} GB of memory in training, this machine has "
            f"{memory / 1e9:,.0f}: use smaller layers"
        )
