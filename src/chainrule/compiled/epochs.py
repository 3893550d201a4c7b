"""Epochs: the training loop as one kernel, step after step."""

import numpy as np

from ..core.targets import LARGEST_WEIGHT
from .draws import Draws, shuffle
from .jit import inlined, kernel
from .program import BLOCK
from .step import LR, SUMS, Parts, Work, inlined_ceil_div, plan_step, run_step

DONE = -1  # a call's answer; otherwise the step at which it stopped
MEAN, LAST_LR, RESULTS = range(3)  # columns of the results: an epoch's mean loss, its last rate


@inlined
def batch_mass(work, start, stop):
    """Σ w of the batch."""
    if len(work.weight) == 0:
        return float(stop - start)
    mass = 0.0
    for i in range(start, stop):
        mass += work.weight[work.order[i]]
    return mass


@inlined
def keep(layout, memory, history, epoch):
    """Theta and buffers after an epoch, for the record that will be handed out."""
    if len(history):
        for i in range(layout.n_theta):
            history[epoch, i] = memory[layout.theta + i]
        for i in range(layout.n_buffers):
            history[epoch, layout.n_theta + i] = memory[layout.buffers + i]


@kernel
def train(layouts, rules, table, memory, X, Y, weight, order, rates, clock, limit, results,
          history, state, double, uint32):  # fmt: skip
    """Run as many epochs as `results` is long; returns DONE, or the step at which it stopped: at
    `limit`, or at one that made a number which is not finite.

    `rates` has a row for each step; `clock` is the number of updates made, and grows. `results`
    receives the mean loss and the last learning rate of each epoch, `history` (if it has rows)
    theta and buffers after it. The members of Work and Draws come one by one, because Numba takes
    twenty microseconds to look at a named tuple of Python's.
    """
    work, draws = Work(table, memory, X, Y, weight, order), Draws(state, double, uint32)
    layout, rule, number = layouts[0], rules[0], memory.dtype.type
    n, blocks, k = len(order), inlined_ceil_div(layout.n_theta, BLOCK), 0
    parts = Parts(np.zeros(layout.lanes), np.zeros((blocks, SUMS)), np.ones(blocks, np.bool_))
    # Every epoch is one step of the same rows, and every shard has a lane of its own.
    stays = not rule.shuffle and rule.batch >= n and n <= layout.lanes * layout.rows
    for epoch in range(len(results)):
        if rule.shuffle:
            shuffle(order, draws)
        total, counted = 0.0, 0.0
        for start in range(0, n, rule.batch):
            if k == limit:
                return k
            stop = min(n, start + rule.batch)
            mass = batch_mass(work, start, stop)
            if mass != 0.0:
                if not 1.0 / LARGEST_WEIGHT < mass < LARGEST_WEIGHT:
                    return k  # the readable engine makes this step, and refuses the weights
                clock[0] += 1
                moved = k == 0 or not stays
                step = plan_step(layout, rule, rates, k, start, stop, mass, moved, clock[0])
                loss = run_step(layouts, rules, work, step, parts, rates, k, draws)
                if not abs(number(loss)) < np.inf:
                    return k
                total, counted = total + loss * mass, counted + mass
                results[epoch, LAST_LR] = rates[k, LR]
            k += 1
        results[epoch, MEAN] = total / counted
        keep(layout, memory, history, epoch)
    return DONE
