"""How long it takes to trace a step, to explain a weight of it and to prove it.

$ python benchmarks/explain.py
"""

from time import perf_counter
from typing import Any

import numpy as np
from engine_show import console
from rich.table import Table

import chainrule as cr

NETS = {"30-64-64-1": 20.0, "784-512-256-10": 200.0}  # milliseconds that explaining may take
ROWS, ROUNDS = 128, 7


def best(function: Any, *given: Any) -> tuple[float, Any]:
    """(milliseconds of the best of some calls, what it gave)."""
    times, found = [], None
    for _ in range(ROUNDS):
        started = perf_counter()
        found = function(*given)
        times.append(perf_counter() - started)
    return 1000 * min(times), found


def traced(sizes: list[int]) -> cr.Trace:
    """One step of Adam on a batch."""
    rng, net = np.random.default_rng(0), cr.Network.mlp(sizes, rng=0)
    X, many = rng.normal(size=(ROWS, sizes[0])), sizes[-1] > 1
    y = rng.integers(0, sizes[-1], ROWS) if many else rng.normal(size=ROWS)
    loss = cr.SoftmaxCrossEntropy() if many else cr.SquaredError()
    return cr.trace_step(net, loss, cr.Adam(), X, y, lr=1e-3)


def main() -> None:
    """Print the table."""
    table = Table(title=f"milliseconds, a batch of {ROWS}, best of {ROUNDS}")
    for name in ("network", "trace", "explain 0.W", "as text", "verify it", "goal of explain"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for name, goal in NETS.items():
        sizes = [int(part) for part in name.split("-")]
        tracing, trace = best(traced, sizes)
        explaining, found = best(cr.explain, trace, "0.W[3,4]")
        writing, _ = best(str, found)
        started = perf_counter()
        proof = cr.verify(trace, "0.W[3,4]")
        proving = 1000 * (perf_counter() - started)
        assert proof, str(proof)
        met = "met" if explaining <= goal else "missed"
        shown = (f"{value:,.1f}" for value in (tracing, explaining, writing, proving))
        table.add_row(name, *shown, f"≤ {goal:g}: {met}")
    console().print(table)


if __name__ == "__main__":
    main()
