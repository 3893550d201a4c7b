"""One step of training: the lanes' gradients, their sum, the optimizer.

A batch is cut into shards of a fixed number of rows. Shard s belongs to lane s modulo the number of
lanes; a lane adds up the gradients of its shards in their order, and the lanes are added in theirs.
Lanes may run on several threads: nothing that is added depends on how many.
"""

from collections import namedtuple
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from ..core.arrays import Array, ceil_div
from .draws import uniform
from .jit import addressed, at, by_address, inlined, jit, parallel
from .layers import absorb_batch_norm
from .operations import BATCH_NORM, DROPOUT, OPTIMIZER_SETTINGS, run_update
from .passes import call_backward, call_forward, call_loss
from .products import copy, fill, zero
from .program import BLOCK, BUFFER, EXTRA, MOMENTUM, N_OUT, OP, SETTINGS
from .updates import all_finite, combine, largest, square_sum

LANES = 16  # at most: as many threads have work
PARALLEL_BLOCKS = 8  # from which on several threads pay for the optimizer, as measured
LR, DECAY, RATES = range(3)  # columns of rates: learning rate, weight decay, dropout
L1, L2, SQUARES, SUMS = range(4)  # columns of Parts.sums

# How a step is made. `batch`: rows; `clip_norm`: 0 for none; `corrects`: whether the optimizer
# corrects for its start from zero, as Adam does. `threaded` is set for each call. `rest_rho` is
# 1 - rho, and so on: if the kernel subtracted, LLVM could turn b v + (1 - b) g into g + b (v - g),
# which is rounded differently.
WHOLE = ("loss", "averaged", "optimizer", "corrects", "batch", "shuffle", "threaded")
REAL = ("scale", "l1", "l2", "per_row", "clip_norm", *OPTIMIZER_SETTINGS)
REAL += tuple(f"rest_{name}" for name in OPTIMIZER_SETTINGS)
FIELDS = [(name, np.int64) for name in WHOLE] + [(name, np.float64) for name in REAL]
RULE = np.dtype((np.record, FIELDS))


class Work(NamedTuple):
    """The arrays of a run: X and Y stand row after row, `weight` is empty where every row counts 1,
    and `order` says which row comes when.
    """

    table: Array
    memory: Array
    X: Array
    Y: Array
    weight: Array
    order: Array


# One update of theta: its batch is the rows order[start:stop], on so many lanes. `factor` times a
# row's weight is the row's share in the loss. `moved` is False where the lanes hold the rows of the
# step before, which are the same. c1 and c2 are Adam's 1 / (1 - beta^t); the penalty is multiplied
# by `penalty_factor`.
Step = namedtuple("Step", "start stop lanes factor moved lr decay c1 c2 penalty_factor")


class Parts(NamedTuple):
    """What a step's lanes and blocks leave: the loss of each lane; of each block Σ f|θ|, Σ f θ² and
    Σ g², and whether theta is finite.
    """

    losses: Array
    sums: Array
    sound: Array


inlined_ceil_div = inlined(ceil_div)


@inlined
def gather(layout, work, base, start, rows, factor):
    """Copy a shard's rows, targets and shares into its lane."""
    memory, n_in, n_out, width = work.memory, layout.n_in, layout.n_out, layout.y_width
    x, y, share = base + layout.x, base + layout.y, base + layout.share
    for r in range(rows):
        row = work.order[at(start + r)]
        copy(memory, x + r * n_in, work.X, row * n_in, n_in)
        copy(memory, y + r * width, work.Y, row * width, width)
        part = work.weight[at(row)] * factor if len(work.weight) else factor
        fill(memory, share + r * n_out, n_out, part)


@addressed
def run_lane(layout, rule, work, step, lane):
    """Forwards and backwards for every shard of one lane; leaves the gradient, returns the loss."""
    table, memory = work.table, work.memory
    base, grad = layout.lane + lane * layout.lane_size, layout.grad + lane * layout.grad_size
    fresh, total = True, 0.0
    for start in range(step.start + lane * layout.rows, step.stop, step.lanes * layout.rows):
        rows, first_row = min(layout.rows, step.stop - start), start - step.start
        if step.moved:
            gather(layout, work, base, start, rows, step.factor)
        call_forward(layout.forward, layout, table, memory, memory, base, first_row, rows)
        total += call_loss(layout.loss, layout, rule.loss, memory, base, rows)
        call_backward(layout.backward, layout, table, memory, base, grad, first_row, rows, fresh)
        fresh = False
    return total


call_lane = by_address(run_lane, types.float64)


@parallel
def run_lanes_in_parallel(layouts, rules, work, step, losses):
    """run_lane for every lane, on several threads."""
    for lane in numba.prange(step.lanes):
        losses[lane] = call_lane(layouts[0].run_lane, layouts[0], rules[0], work, step, lane)


@inlined
def run_lanes(layouts, rules, work, step, losses):
    """run_lane for every lane, each loss in its place."""
    if rules[0].threaded and step.lanes > 1:
        run_lanes_in_parallel(layouts, rules, work, step, losses)
    else:
        for lane in range(step.lanes):
            losses[lane] = call_lane(layouts[0].run_lane, layouts[0], rules[0], work, step, lane)


@inlined
def combine_block(layout, rule, memory, step, block, sums):
    """Sum the lanes' gradients in one block, and Σ g² where it will be clipped."""
    start = block * BLOCK
    n, g = min(BLOCK, layout.n_theta - start), layout.grad + start
    l1, l2 = rule.l1 * step.penalty_factor, rule.l2 * step.penalty_factor
    combine(memory, layout.theta + start, layout.decay_factor + start, l1, l2, g, step.lanes,
            layout.grad_size, n, sums[block])  # fmt: skip
    if rule.clip_norm > 0.0:
        sums[block, SQUARES] = square_sum(memory, g, n, 1.0)


@addressed
def run_block(layout, rule, memory, step, scale, block, sums):
    """Combine, unless clipping has done it already, and update one block; says whether theta is
    finite after it.
    """
    if not rule.clip_norm > 0.0:
        combine_block(layout, rule, memory, step, block, sums)
    start = block * BLOCK
    n, first = min(BLOCK, layout.n_theta - start), 0 if layout.one_lr else start
    theta, m, v, g = (layout.theta + start, layout.m + start, layout.v + start,
                      layout.grad + start)  # fmt: skip
    lr_factor, decay_factor = layout.lr_factor + first, layout.decay_factor + start
    T, G, M, V = memory[theta : theta + n], memory[g : g + n], memory[m : m + n], memory[v : v + n]
    F, E = memory[lr_factor : lr_factor + n], memory[decay_factor : decay_factor + n]
    for i in range(n if scale != 1.0 else 0):
        G[i] *= memory.dtype.type(scale)
    run_update(rule.optimizer, T, G, F, M, V, E, rule, step)
    return all_finite(memory, theta, n)


call_block = by_address(run_block, types.boolean)


@parallel
def run_blocks_in_parallel(layouts, rules, memory, step, scale, parts):
    """run_block for every block, on several threads."""
    for block in numba.prange(len(parts.sound)):
        parts.sound[block] = call_block(layouts[0].run_block, layouts[0], rules[0], memory, step,
                                        scale, block, parts.sums)  # fmt: skip


@inlined
def run_blocks(layouts, rules, memory, step, parts):
    """The optimizer on every block; says whether theta is finite after it."""
    layout, rule, blocks, scale = layouts[0], rules[0], len(parts.sound), 1.0
    if rule.clip_norm > 0.0:
        for block in range(blocks):
            combine_block(layout, rule, memory, step, block, parts.sums)
        scale = clip_scale(layout, rule.clip_norm, memory, parts.sums)
    if rule.threaded and blocks >= PARALLEL_BLOCKS:
        run_blocks_in_parallel(layouts, rules, memory, step, scale, parts)
    else:
        for block in range(blocks):
            parts.sound[block] = call_block(layout.run_block, layout, rule, memory, step, scale,
                                            block, parts.sums)  # fmt: skip
    sound = True
    for block in range(blocks):
        sound &= parts.sound[block]
    return sound


@jit
def clip_scale(layout, limit, memory, sums):
    """What brings the gradient's norm down to the limit, 1 where it is not above it."""
    squares = 0.0
    for block in range(len(sums)):
        squares += sums[block, SQUARES]
    if np.isinf(squares):  # the square may overflow where the gradient does not
        top = largest(memory, layout.grad, layout.n_theta)
        return limit / np.sqrt(square_sum(memory, layout.grad, layout.n_theta, top)) / top
    norm = np.sqrt(squares)
    return 1.0 if norm <= limit else limit / norm


@jit
def draw_masks(layout, work, rates, k, rows, draws):
    """Set the dropout rates of this step and draw its masks, layer after layer.

    Row k of rates has the rate of each dropout layer, or -1 where no schedule drives it.
    """
    table, memory, column = work.table, work.memory, RATES
    for i in range(layout.operations):
        if table[i, OP] == DROPOUT:
            b, m = layout.buffers + table[i, BUFFER], layout.masks + table[i, EXTRA]
            if rates[k, column] >= 0.0:
                memory[b] = rates[k, column]
            column += 1
            rate, none = np.float64(memory[b]), zero(memory)
            survivor = memory.dtype.type(1) / memory.dtype.type(1.0 - rate)
            for j in range(rows * table[i, N_OUT]):
                memory[at(m + j)] = survivor if uniform(draws) >= rate else none


@jit
def absorb(layout, work, rows):
    """Move the running statistics; says whether all buffers are finite after it.

    Batch norm makes the batch one shard, so its means stand in the first lane.
    """
    table, memory = work.table, work.memory
    for i in range(layout.operations):
        if table[i, OP] == BATCH_NORM:
            momentum = memory[layout.settings + i * SETTINGS + MOMENTUM]
            running = layout.buffers + table[i, BUFFER]
            absorb_batch_norm(memory, layout.lane + table[i, EXTRA], running, momentum, rows,
                              table[i, N_OUT])  # fmt: skip
    return all_finite(memory, layout.buffers, layout.n_buffers)


@inlined
def plan_step(layout, rule, rates, k, start, stop, mass, moved, t):
    """The step that updates theta for the t-th time, with row k of rates."""
    lanes = min(layout.lanes, inlined_ceil_div(stop - start, layout.rows))
    factor, c1, c2 = rule.scale / mass if rule.averaged else rule.scale, 1.0, 1.0
    penalty_factor = 1.0 / mass if rule.per_row else 1.0
    if rule.corrects:
        c1, c2 = 1.0 / (1.0 - rule.beta1**t), 1.0 / (1.0 - rule.beta2**t)
    return Step(start, stop, lanes, factor, moved, rates[k, LR], rates[k, DECAY], c1, c2,
                penalty_factor)  # fmt: skip


@inlined
def run_step(layouts, rules, work, step, parts, rates, k, draws):
    """One update of theta; returns the loss before it, penalty included: not finite where a number
    of the step is not.
    """
    layout, rule, rows = layouts[0], rules[0], step.stop - step.start
    if layout.dropouts:
        draw_masks(layout, work, rates, k, rows, draws)
    run_lanes(layouts, rules, work, step, parts.losses)
    sound, loss = run_blocks(layouts, rules, work.memory, step, parts), 0.0
    if layout.n_buffers:
        sound &= absorb(layout, work, rows)
    for lane in range(step.lanes):
        loss += parts.losses[lane]
    penalty = 0.0
    for block in range(len(parts.sums)):
        penalty += rule.l1 * parts.sums[block, L1] + 0.5 * rule.l2 * parts.sums[block, L2]
    loss += penalty * step.penalty_factor
    return loss if sound else np.nan
