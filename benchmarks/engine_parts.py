"""Where the time of one step goes: the kernels of the compiled engine one by one, on one thread.

$ python benchmarks/engine_parts.py

Nanoseconds for the first shard of the first batch: forward, loss, backward; the optimizer's first
block; a step of an epoch in the kernel; and, on two threads, a step of `train` with its records. In
the last column billions of floating-point operations a second in the products of forward and
backward, two for each multiply-add.
"""

from time import perf_counter
from typing import Any

import engine_ours
import numba
import numpy as np
from engine_ours import LOSSES, OPTIMIZERS
from engine_show import console
from engine_work import TRAINING, Work, data, network
from rich.table import Table

from chainrule.compiled import passes, step
from chainrule.compiled.engine import Run
from chainrule.core.epoch import StepSettings, check_batch
from chainrule.training.plan import Plan

ROUNDS, SECONDS = 15, 0.02  # of which the best counts, each about so long


@numba.njit
def forward(layouts, work, n):  # type: ignore[no-untyped-def]
    """Forwards, n times."""
    p = layouts[0]
    for _ in range(n):
        passes.call_forward(p.forward, p, work.table, work.memory, work.memory, p.lane, 0, p.rows)


@numba.njit
def loss(layouts, rules, work, n):  # type: ignore[no-untyped-def]
    """The loss and its derivative, n times."""
    p, total = layouts[0], 0.0
    for _ in range(n):
        total += passes.call_loss(p.loss, p, rules[0].loss, work.memory, p.lane, p.rows)
    return total


@numba.njit
def backward(layouts, work, n):  # type: ignore[no-untyped-def]
    """Backwards, n times."""
    p = layouts[0]
    for _ in range(n):
        passes.call_backward(
            p.backward, p, work.table, work.memory, p.lane, p.grad, 0, p.rows, True
        )


@numba.njit
def block(layouts, rules, work, sums, n):  # type: ignore[no-untyped-def]
    """The optimizer on the first block, n times."""
    p, sound = layouts[0], True
    first = step.Step(0, p.rows, 1, 1.0, True, 1e-9, 0.0, 1.0, 1.0, 1.0)
    for _ in range(n):
        sound &= step.call_block(p.run_block, p, rules[0], work.memory, first, 1.0, 0, sums)
    return sound


def best(function: Any, *given: Any) -> float:
    """Nanoseconds of one repeat."""
    function(*given, 1)
    began = perf_counter()
    function(*given, 10)
    n = max(10, int(10 * SECONDS / (perf_counter() - began)))
    found = []
    for _ in range(ROUNDS):
        began = perf_counter()
        function(*given, n)
        found.append((perf_counter() - began) / n)
    return min(found) * 1e9


def parts(work: Work) -> dict[str, float]:
    """Nanoseconds by name, and GFLOP/s."""
    X, y = data(work)
    net = network(work)
    settings = StepSettings(LOSSES[work.loss], OPTIMIZERS[work.optimizer], work.lr)
    rows = check_batch(net, settings.loss, X, y)
    plan = Plan(1, work.batch, False, None, "last", threads=1)
    run = Run(net, settings, rows, plan, np.random.default_rng(0), ahead=True)
    next(run.epochs([]))
    found = {
        "forward": best(forward, run.layouts, run.work),
        "loss": best(loss, run.layouts, run.rules, run.work),
        "backward": best(backward, run.layouts, run.work),
        "block": best(block, run.layouts, run.rules, run.work, np.zeros((1, 3))),
    }
    count = max(1, 1000 // run.per_epoch)
    rates, results = np.zeros((count * run.per_epoch, 2)), np.zeros((count, 2))
    kernel = [timed(lambda: run._call(rates, results)) for _ in range(ROUNDS)]
    whole = [engine_ours.training(work, X, y)()[0] for _ in range(3)]
    pairs = sum(n * m for n, m in zip(work.sizes, work.sizes[1:], strict=False))
    products = 2 * pairs + sum(n * m for n, m in zip(work.sizes[1:], work.sizes[2:], strict=False))
    flops = 2 * int(run.layout.rows) * products
    return found | {
        "step in the kernel": min(kernel) / len(rates) * 1e9,
        "step of train": min(whole) / work.steps * 1e9,
        "GFLOP/s": flops / (found["forward"] + found["backward"]),
    }


def timed(function: Any) -> float:
    """Seconds."""
    began = perf_counter()
    function()
    return perf_counter() - began


def main() -> None:
    """Print the table."""
    table, rows = Table(title="ns, on one thread"), dict[str, dict[str, float]]()
    for work in TRAINING:
        rows[work.name] = parts(work)
    table.add_column("work")
    for name in next(iter(rows.values())):
        table.add_column(name, justify="right")
    for name, found in rows.items():
        table.add_row(name, *(f"{value:,.0f}" for value in found.values()))
    console().print(table)


if __name__ == "__main__":
    main()
