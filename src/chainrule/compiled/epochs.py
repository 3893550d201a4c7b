"""Epochs, steps, lanes: the training loop as one kernel.

A batch is cut into shards of a fixed number of rows. Shard s belongs to lane s % LANES; a lane adds
up the gradients of its shards in their order, and the lanes are added in theirs. Lanes may run on
several threads: nothing that is added depends on how many.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from ..core.arrays import Array
from ..core.losses import LARGEST_WEIGHT
from .jit import at, by_address, exact, inlined, jit, kernel, parallel
from .layers import absorb_batch_norm
from .losses import loss_and_slope
from .passes import call_backward, call_forward
from .products import fill
from .program import (
    BATCH_NORM,
    BLOCK,
    BUFFER,
    DROPOUT,
    EXTRA,
    MOMENTUM,
    N_OUT,
    OP,
    SETTINGS,
)  # fmt: skip
from .updates import ADAM, ADAMW, combine, largest, square_sum, update

LANES = 16
PARALLEL_BLOCKS = 8  # from which on several threads pay for the optimizer
DONE = -1  # a call's answer; otherwise the step at which it stopped
LR, DECAY, RATES = 0, 1, 2  # columns of a course: learning rate, weight decay, dropout rates

# How a step is made. `batch`: rows; `clip_norm`: 0 for none; beta2 is rho of RMSProp.
WHOLE = ("loss", "averaged", "optimizer", "batch", "shuffle", "threaded")
REAL = ("scale", "beta1", "beta2", "epsilon", "l1", "l2", "clip_norm")
FIELDS = [(name, np.int64) for name in WHOLE] + [(name, np.float64) for name in REAL]
RULE = np.dtype((np.record, FIELDS))


class Data(NamedTuple):
    """Rows and targets, row after row, and weights; `weight` is empty where every row counts 1."""

    X: Array
    Y: Array
    weight: Array


class Parts(NamedTuple):
    """What lanes and blocks give: losses (LANES,), penalties and Σg² (blocks, 3), 0 or nan
    (blocks,).
    """

    losses: Array
    sums: Array
    finite: Array


call_loss = by_address(loss_and_slope, types.float64)


@inlined
def copy(memory, target, source, start, n):
    """n numbers of an array to the memory."""
    for i in range(n):
        memory[at(target + i)] = source[at(start + i)]


@inlined
def gather(program, data, order, memory, lane, start, rows, factor):
    """Copy a shard's rows, targets and shares into its lane."""
    n_in, n_out, width, weighted = program.n_in, program.n_out, program.y_width, len(data.weight)
    x, y, share = lane + program.x, lane + program.y, lane + program.share
    for r in range(rows):
        row = order[at(start + r)]
        copy(memory, x + r * n_in, data.X, row * n_in, n_in)
        copy(memory, y + r * width, data.Y, row * width, width)
        part = data.weight[at(row)] * factor if weighted else factor
        fill(memory, share + r * n_out, n_out, part)


@jit
def run_lane(program, rule, table, data, order, memory, lane, lanes, start, stop, factor, moved):
    """Forwards and backwards for every shard of one lane; leaves the gradient, returns the loss.

    `moved` is False where the lane still holds its rows from the step before.
    """
    place, grad = program.lanes + lane * program.lane_size, program.grads + lane * program.grad_size
    first, total = True, 0.0
    for s in range(start + lane * program.rows, stop, lanes * program.rows):
        rows = min(program.rows, stop - s)
        if moved:
            gather(program, data, order, memory, place, s, rows, factor)
        call_forward(program.forward, program, table, memory, memory, place, s - start, rows)
        total += call_loss(
            program.loss, rule.loss, program.loss_settings, memory, place + program.z,
            place + program.y, place + program.share, place + program.dz, rows, program.n_out,
        )  # fmt: skip
        call_backward(program.backward, program, table, memory, place, grad, s - start, rows, first)
        first = False
    return total


call_lane = by_address(run_lane, types.float64)


@parallel
def run_lanes_in_parallel(programs, rules, table, data, order, memory, lanes, start, stop, factor,
                          moved, losses):  # fmt: skip
    """run_lane for every lane, on several threads."""
    for lane in numba.prange(lanes):
        losses[lane] = call_lane(programs[0].run_lane, programs[0], rules[0], table, data, order,
                                 memory, lane, lanes, start, stop, factor, moved)  # fmt: skip


@inlined
def run_lanes(programs, rules, table, data, order, memory, lanes, start, stop, factor, moved,
              losses):  # fmt: skip
    """run_lane for every lane, each loss in its place."""
    program, rule = programs[0], rules[0]
    if rule.threaded and lanes > 1:
        run_lanes_in_parallel(programs, rules, table, data, order, memory, lanes, start, stop,
                              factor, moved, losses)  # fmt: skip
    else:
        for lane in range(lanes):
            losses[lane] = call_lane(program.run_lane, program, rule, table, data, order, memory,
                                     lane, lanes, start, stop, factor, moved)  # fmt: skip


@inlined
def combine_block(program, rule, memory, lanes, block, sums):
    """Sum the lanes' gradients in one block, and Σg² where it will be clipped."""
    start = block * BLOCK
    n, g = min(BLOCK, program.n_theta - start), program.grads + start
    combine(memory, program.theta + start, program.decay_factor + start, rule.l1, rule.l2, g, lanes,
            program.grad_size, n, sums[block])  # fmt: skip
    if rule.clip_norm > 0.0:
        sums[block, 2] = square_sum(memory, g, n, 1.0)


@jit
def run_block(program, rule, memory, lanes, lr, decay, scale, c1, c2, block, sums):
    """Combine, unless clipping has done it already, and update one block; returns 0 if theta stays
    finite, nan otherwise.
    """
    if not rule.clip_norm > 0.0:
        combine_block(program, rule, memory, lanes, block, sums)
    start = block * BLOCK
    return update(
        rule, memory, program.theta + start, program.lr_factor + (0 if program.uniform else start),
        program.decay_factor + start, program.m + start, program.v + start, program.grads + start,
        min(BLOCK, program.n_theta - start), lr, decay, scale, c1, c2,
    )  # fmt: skip


call_block = by_address(run_block, types.float64)


@parallel
def run_blocks_in_parallel(programs, rules, memory, lanes, lr, decay, scale, c1, c2, parts):
    """run_block for every block, on several threads."""
    for block in numba.prange(len(parts.finite)):
        parts.finite[block] = call_block(programs[0].run_block, programs[0], rules[0], memory,
                                         lanes, lr, decay, scale, c1, c2, block,
                                         parts.sums)  # fmt: skip


@inlined
def run_blocks(programs, rules, memory, lanes, t, lr, decay, parts):
    """The optimizer on every block; returns 0 if theta stays finite, nan otherwise."""
    program, rule = programs[0], rules[0]
    blocks, scale, finite, c1, c2 = len(parts.finite), 1.0, 0.0, 1.0, 1.0
    if rule.optimizer == ADAM or rule.optimizer == ADAMW:
        c1, c2 = 1.0 / (1.0 - rule.beta1**t), 1.0 / (1.0 - rule.beta2**t)
    if rule.clip_norm > 0.0:
        for block in range(blocks):
            combine_block(program, rule, memory, lanes, block, parts.sums)
        scale = clip_scale(program, rule.clip_norm, memory, parts.sums)
    if rule.threaded and blocks >= PARALLEL_BLOCKS:
        run_blocks_in_parallel(programs, rules, memory, lanes, lr, decay, scale, c1, c2, parts)
    else:
        for block in range(blocks):
            parts.finite[block] = call_block(program.run_block, program, rule, memory, lanes, lr,
                                             decay, scale, c1, c2, block, parts.sums)  # fmt: skip
    for block in range(blocks):
        finite += parts.finite[block]
    return finite


@jit
def clip_scale(program, limit, memory, sums):
    """What brings the gradient's norm down to the limit, 1 where it is not above it."""
    squares = 0.0
    for block in range(len(sums)):
        squares += sums[block, 2]
    if np.isinf(squares):  # the square may overflow where the gradient does not
        top = largest(memory, program.grads, program.n_theta)
        return limit / np.sqrt(square_sum(memory, program.grads, program.n_theta, top)) / top
    norm = np.sqrt(squares)
    return 1.0 if norm <= limit else limit / norm


@inlined
def draw_order(order, rng):
    """The order of the rows in an epoch."""
    drawn = rng.permutation(len(order))
    for i in range(len(order)):
        order[i] = drawn[i]


@inlined
def batch_mass(data, order, start, stop):
    """Σ w of the batch."""
    if len(data.weight) == 0:
        return float(stop - start)
    mass = 0.0
    for i in range(start, stop):
        mass += data.weight[order[i]]
    return mass


@jit
def draw_masks(program, table, course, memory, step, rows, rng):
    """Set the dropout rates of this step and draw its masks, layer after layer."""
    drawn, number = RATES, memory.dtype.type
    for i in range(len(table)):
        if table[i, OP] == DROPOUT:
            b, m = program.buffers + table[i, BUFFER], program.masks + table[i, EXTRA]
            if course[step, drawn] >= 0.0:  # a schedule drives it
                memory[b] = course[step, drawn]
            drawn += 1
            rate, zero = np.float64(memory[b]), number(0)
            kept = number(1) / number(1.0 - rate)
            for j in range(rows * table[i, N_OUT]):
                memory[at(m + j)] = kept if rng.random() >= rate else zero


@jit
def absorb(program, table, memory, rows):
    """Move the running statistics; returns 0 if all buffers are finite, nan otherwise."""
    bad = 0.0
    for i in range(len(table)):
        if table[i, OP] == BATCH_NORM:
            momentum = memory[program.settings + i * SETTINGS + MOMENTUM]
            absorb_batch_norm(memory, program.lanes + table[i, EXTRA],
                              program.buffers + table[i, BUFFER], momentum, rows,
                              table[i, N_OUT])  # fmt: skip
    for i in range(program.n_buffers):
        bad += memory[at(program.buffers + i)] * 0.0
    return bad


@inlined
def run_step(programs, rules, table, data, order, memory, course, step, t, start, stop, mass, moved,
             parts, rng):  # fmt: skip
    """One update of theta; returns the loss before it, penalty included: nan or inf where a number
    of the step is.
    """
    program, rule, rows = programs[0], rules[0], stop - start
    if program.dropouts:
        draw_masks(program, table, course, memory, step, rows, rng)
    lanes = min(LANES, (rows + program.rows - 1) // program.rows)
    factor = rule.scale / mass if rule.averaged else rule.scale
    run_lanes(programs, rules, table, data, order, memory, lanes, start, stop, factor, moved,
              parts.losses)  # fmt: skip
    lr, decay = course[step, LR], course[step, DECAY]
    loss, bad = 0.0, run_blocks(programs, rules, memory, lanes, t, lr, decay, parts)
    if program.n_buffers:
        bad += absorb(program, table, memory, rows)
    for lane in range(lanes):
        loss += parts.losses[lane]
    for block in range(len(parts.sums)):
        loss += rule.l1 * parts.sums[block, 0] + 0.5 * rule.l2 * parts.sums[block, 1]
    return loss + bad


@exact
def finite(x):
    """Whether x is neither nan nor inf. It is tested by x - x, which the flags of the other kernels
    allow to be cancelled term by term, nan and all.
    """
    return np.isfinite(x)


@inlined
def keep(program, memory, kept, epoch):
    """Theta and buffers after an epoch, for the record that will be handed out."""
    if len(kept):
        for i in range(program.n_theta):
            kept[epoch, i] = memory[program.theta + i]
        for i in range(program.n_buffers):
            kept[epoch, program.n_theta + i] = memory[program.buffers + i]


@kernel
def train(programs, rules, table, data, order, memory, course, clock, limit, means, kept, rng):
    """Run as many epochs as `means` is long; returns DONE, or the step at which it stopped: at
    `limit`, or at one that made a number which is not finite.

    `programs` and `rules` hold one record each: a parallel loop takes no lone record. `course` has
    a row for each step; `clock` is the number of updates made, and grows. `means` receives the mean
    loss and the last learning rate of each epoch, `kept` (if it has rows) theta and buffers after
    it.
    """
    program, rule = programs[0], rules[0]
    n, blocks, step = len(order), -(-program.n_theta // BLOCK), 0
    parts = Parts(np.zeros(LANES), np.zeros((blocks, 3)), np.zeros(blocks))
    stays = not rule.shuffle and rule.batch >= n and n <= LANES * program.rows
    for epoch in range(len(means)):
        if rule.shuffle:
            draw_order(order, rng)
        total, counted = 0.0, 0.0
        for start in range(0, n, rule.batch):
            if step == limit:
                return step
            stop = min(n, start + rule.batch)
            mass = batch_mass(data, order, start, stop)
            if mass != 0.0:
                if not 1.0 / LARGEST_WEIGHT < mass < LARGEST_WEIGHT:
                    return step  # the readable engine makes this step, and refuses the weights
                clock[0] += 1
                loss = run_step(programs, rules, table, data, order, memory, course, step, clock[0],
                                start, stop, mass, step == 0 or not stays, parts, rng)  # fmt: skip
                if not finite(loss):
                    return step
                total, counted = total + loss * mass, counted + mass
                means[epoch, 1] = course[step, LR]
            step += 1
        means[epoch, 0] = total / counted
        keep(program, memory, kept, epoch)
    return DONE
