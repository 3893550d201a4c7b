"""What keeping a health record costs: the same training with it and without, in turns.

$ python benchmarks/health.py
"""

from time import perf_counter
from typing import Any

import numpy as np
from engine_show import console
from rich.table import Table

import chainrule as cr

GOAL, ROUNDS = 1.03, 9  # of the time without; rounds of both
WORK = {  # rows, epochs
    "2-2-1": (4, 20_000), "30-64-1": (569, 300), "64-100-10": (1797, 60), "784-100-10": (4000, 8),
}  # fmt: skip

LOOKS = {"readable": 0, "compiled": 0}


def trained(net: cr.Network, loss: Any, data: Any, epochs: int, engine: str, keep: bool) -> float:
    """Seconds of a training; `LOOKS` says how often it looked."""
    net = net.copy()
    health = cr.Health(net, loss, *data)
    started = perf_counter()
    for record in cr.train(
        net, loss, cr.Adam(), *data, epochs=epochs, batch_size=64, lr=1e-3, rng=0, engine=engine
    ):
        if keep:
            health.update(record)
    LOOKS[engine] = len(health.history) if keep else LOOKS[engine]
    return perf_counter() - started


def main() -> None:
    """Print the table."""
    table = Table(title=f"time with a health record / without, median of {ROUNDS} pairs")
    for name in ("network", "rows", "readable", "compiled", "goal"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for name, (rows, epochs) in WORK.items():
        sizes = [int(part) for part in name.split("-")]
        rng, net = np.random.default_rng(0), cr.Network.mlp(sizes, rng=0)
        many = sizes[-1] > 1
        loss = cr.SoftmaxCrossEntropy() if many else cr.SquaredError()
        y = rng.integers(0, sizes[-1], rows) if many else rng.normal(size=rows)
        data, shares = (rng.normal(size=(rows, sizes[0])), y), dict[str, float]()
        for engine in ("readable", "compiled"):
            count = epochs if engine == "compiled" else max(4, epochs // 4)
            trained(net, loss, data, 2, engine, keep=False)  # compiles
            pairs = [
                [trained(net, loss, data, count, engine, keep=keep) for keep in order]
                for order in [(True, False), (False, True)] * (ROUNDS // 2 + 1)
            ][:ROUNDS]
            ratios = [a / b if i % 2 == 0 else b / a for i, (a, b) in enumerate(pairs)]
            shares[engine] = float(np.median(ratios))
        met = "met" if max(shares.values()) <= GOAL else "missed"
        told = [f"{share:.3f} ({LOOKS[engine]} looks)" for engine, share in shares.items()]
        table.add_row(name, str(rows), *told, f"≤ {GOAL}: {met}")
    console().print(table)


if __name__ == "__main__":
    main()
