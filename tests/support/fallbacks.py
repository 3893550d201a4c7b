"""A process that has to fall back to the readable engine, and the one warning that it gives."""

import os

import pytest

from support.compiled_runs import python

TRAIN = """
import sys, warnings
import numpy as np
import chainrule as cr
def run(dtype):
    net = cr.Network.mlp([3, 4, 1], rng=0, dtype=dtype)
    for record in cr.train(net, cr.SquaredError(), cr.SGD(), np.ones((8, 3)), np.ones(8),
                           epochs=10**6, lr=0.1, rng=0, engine=sys.argv[1]):
        net.predict(np.ones((2, 3)))
        return record.engine
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print(*(run(dtype) for dtype in ("float64", "float64", "float32")))
for one in told:
    print(one.category.__name__, one.filename, one.lineno, one.message)
"""
"""A toy of so many epochs that "auto" takes the compiled engine; prints engines, then warnings."""


def falls_back(engine: str, prepare: str = "", **variables: str) -> str:
    """The one warning of a process that trains and predicts on the readable engine."""
    lines = python(prepare + TRAIN, engine, **variables).stdout.splitlines()
    assert lines[0] == "readable readable readable"
    assert len(lines) == 2, lines
    category, file, line, message = lines[1].split(" ", 3)
    assert (category, file) == ("RuntimeWarning", "<string>")
    assert "for record in" in (prepare + TRAIN).splitlines()[int(line) - 1]
    assert message.endswith("; until then the readable engine runs")
    return message


BOTH = pytest.mark.parametrize("engine", ["compiled", "auto"])
POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users and modes of files")
