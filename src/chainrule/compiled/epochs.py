"""Epochs, steps, shards: the training loop as one kernel, and forwards and backwards by a program.

A batch is cut into shards of a fixed number of rows. Shard s belongs to lane s % LANES; a lane adds
up the gradients of its shards in their order, and the lanes are added in theirs. Lanes may run on
several threads: nothing that is added depends on how many.
"""

from typing import NamedTuple

import numba
import numpy as np

from ..core.arrays import Array
from .jit import at, inlined, jit, kernel, parallel
from .layers import (
    absorb_batch_norm, batch_norm_backward, batch_norm_forward, dropout, elementwise_backward,
    elementwise_forward, layer_norm_backward, layer_norm_forward, prelu_backward, prelu_forward,
    running_norm,
)  # fmt: skip
from .losses import loss_and_slope
from .products import dense_backward, dense_forward, fill
from .program import (
    ALPHA, BATCH_NORM, BIAS, BLOCK, BRANCH, BUFFER, DENSE, DROPOUT, DX, DY, ELEMENTWISE, EXTRA, JOIN,
    LAYER_NORM, MOMENTUM, N_IN, N_OUT, OP, PRELU, RUNNING_NORM, THETA, Program, X, Y,
)  # fmt: skip
from .updates import combine, largest, square_sum, update

LANES = 16
DONE = -1  # a call's answer; otherwise the step at which it stopped
LR, DECAY, RATES = 0, 1, 2  # columns of a course: learning rate, weight decay, dropout rates


class Rule(NamedTuple):
    """How a step is made: loss, optimizer, penalty and clipping (0: none) as numbers."""

    loss: int
    loss_setting: Array
    scale: float
    mean: bool
    optimizer: int
    beta1: float
    beta2: float
    epsilon: float
    l1: float
    l2: float
    clip: float


class Data(NamedTuple):
    """Rows, targets and weights; `weight` is empty where every row counts 1."""

    X: Array
    Y: Array
    weight: Array


@inlined
def forward(program, memory, lane, first_row, rows):
    """Run a shard's rows, which stand at the lane's x, through every layer."""
    table, settings = program.table, program.settings
    for i in range(len(table)):
        op, n_in, n = table[i, OP], table[i, N_IN], table[i, N_OUT]
        x, y, extra = lane + table[i, X], lane + table[i, Y], lane + table[i, EXTRA]
        p, alpha = program.theta + table[i, THETA], settings[i, ALPHA]
        if op == DENSE:
            dense_forward(memory, x, p, table[i, BIAS], y, rows, n_in, n)
        elif op < ELEMENTWISE:
            elementwise_forward(op, alpha, memory, x, y, rows * n)
        elif op == DROPOUT:
            dropout(memory, x, y, program.masks + table[i, EXTRA] + first_row * n, rows * n)
        elif op == PRELU:
            prelu_forward(memory, x, y, p, rows, n)
        elif op == LAYER_NORM:
            layer_norm_forward(memory, x, y, extra, p, alpha, rows, n)
        elif op == BATCH_NORM:
            batch_norm_forward(memory, x, y, extra, p, alpha, rows, n)
        elif op == RUNNING_NORM:
            running_norm(memory, x, y, p, program.buffers + table[i, BUFFER], alpha, rows, n)
        elif op == JOIN:
            for j in range(rows * n):
                memory[at(y + j)] = memory[at(extra + j)] + memory[at(x + j)]


@inlined
def backward(program, memory, lane, grad, first_row, rows, first):
    """From dZ to the gradient of every parameter at `grad`: set by a lane's first shard, added to
    by the others.
    """
    table, settings = program.table, program.settings
    for i in range(len(table) - 1, program.first - 1, -1):
        op, n_in, n = table[i, OP], table[i, N_IN], table[i, N_OUT]
        x, y, dy = lane + table[i, X], lane + table[i, Y], lane + table[i, DY]
        dx, extra = lane + table[i, DX], lane + table[i, EXTRA]
        p, g = program.theta + table[i, THETA], grad + table[i, THETA]
        if op == DENSE:
            dense_backward(
                memory, x, dy, dx if i > program.first else 0, lane + program.scratch, p, g,
                table[i, BIAS], first, rows, n_in, n,
            )  # fmt: skip
        elif op < ELEMENTWISE:
            elementwise_backward(op, settings[i, ALPHA], memory, x, y, dy, rows * n)
        elif op == DROPOUT:
            dropout(memory, dy, dy, program.masks + table[i, EXTRA] + first_row * n, rows * n)
        elif op == JOIN:
            for j in range(rows * n):
                memory[at(dx + j)] = memory[at(dy + j)]
        elif op == BRANCH:
            for j in range(rows * n):
                memory[at(dx + j)] += memory[at(dy + j)]
        else:
            if first:
                fill(memory, g, n if op == PRELU else 2 * n, memory.dtype.type(0))
            if op == PRELU:
                prelu_backward(memory, x, dy, p, g, rows, n)
            elif op == LAYER_NORM:
                layer_norm_backward(memory, dy, extra, p, g, rows, n)
            else:
                batch_norm_backward(memory, dy, extra, p, g, rows, n)


@inlined
def gather(program, data, order, memory, lane, start, rows, factor):
    """Copy a shard's rows, targets and shares into its lane."""
    k, width, weighted = program.n_out, data.Y.shape[1], len(data.weight) > 0
    for r in range(rows):
        row = order[at(start + r)]
        for j in range(program.n_in):
            memory[at(lane + program.x + r * program.n_in + j)] = data.X[at(row), at(j)]
        for j in range(width):
            memory[at(lane + program.y + r * width + j)] = data.Y[at(row), at(j)]
        share = data.weight[at(row)] * factor if weighted else factor
        for j in range(k):
            memory[at(lane + program.share + r * k + j)] = share


@jit
def run_lane(program, rule, data, order, memory, lane, lanes, start, stop, factor, moved):
    """Forwards and backwards for every shard of one lane; leaves the gradient, returns the loss.

    `moved` is False where the lane still holds its rows from the step before.
    """
    place, grad = program.lanes + lane * program.lane_size, program.grads + lane * program.grad_size
    first, total = True, 0.0
    for s in range(start + lane * program.rows, stop, lanes * program.rows):
        rows = min(program.rows, stop - s)
        if moved:
            gather(program, data, order, memory, place, s, rows, factor)
        forward(program, memory, place, s - start, rows)
        total += loss_and_slope(
            rule.loss, rule.loss_setting, memory, place + program.z, place + program.y,
            place + program.share, place + program.dz, rows, program.n_out,
        )  # fmt: skip
        backward(program, memory, place, grad, s - start, rows, first)
        first = False
    return total


@inlined
def draw_order(order, rng):
    """The order of the rows in an epoch."""
    drawn = rng.permutation(len(order))
    for i in range(len(order)):
        order[i] = drawn[i]


@inlined
def begin_step(program, course, memory, step, rows, rng):
    """Set the dropout rates of this step and draw its masks, layer after layer."""
    table, drawn, number = program.table, RATES, memory.dtype.type
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


@inlined
def end_step(program, memory, rows):
    """Absorb the batch's statistics; returns 0 if all buffers are finite, nan otherwise."""
    table, settings, bad = program.table, program.settings, 0.0
    if program.n_buffers == 0:
        return bad
    for i in range(len(table)):
        if table[i, OP] == BATCH_NORM:
            absorb_batch_norm(
                memory, program.lanes + table[i, EXTRA], program.buffers + table[i, BUFFER],
                settings[i, MOMENTUM], rows, table[i, N_OUT],
            )  # fmt: skip
    for i in range(program.n_buffers):
        bad += memory[at(program.buffers + i)] * 0.0
    return bad


@inlined
def combine_block(program, rule, memory, lanes, block, sums):
    """Sum the lanes' gradients in one block, and Σg² where it will be clipped."""
    start = block * BLOCK
    n, g = min(BLOCK, program.n_theta - start), program.grads + start
    combine(memory, program.theta + start, program.decay_factor + start, rule.l1, rule.l2,
            g, lanes, program.grad_size, n, sums[block])  # fmt: skip
    if rule.clip > 0.0:
        sums[block, 2] = square_sum(memory, g, n, 1.0)


@inlined
def update_block(program, rule, memory, t, lr, decay, scale, block):
    """The optimizer on one block; returns 0 if it stays finite."""
    start = block * BLOCK
    uniform = program.decay_factor - program.lr_factor < program.n_theta
    return update(
        rule.optimizer, rule.beta1, rule.beta2, rule.epsilon, t, lr, decay, scale, memory,
        program.theta + start, program.lr_factor + (0 if uniform else start),
        program.decay_factor + start, program.m + start, program.v + start,
        program.grads + start, min(BLOCK, program.n_theta - start),
    )  # fmt: skip


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
def batch_mass(data, order, start, stop):
    """Σ w of the batch."""
    if len(data.weight) == 0:
        return float(stop - start)
    mass = 0.0
    for i in range(start, stop):
        mass += data.weight[order[i]]
    return mass


@inlined
def step_loss(rule, losses, sums, lanes):
    """The loss of a step: the lanes' parts in their order, and the penalty."""
    total, absolute, squares = 0.0, 0.0, 0.0
    for lane in range(lanes):
        total += losses[lane]
    for block in range(len(sums)):
        absolute += sums[block, 0]
        squares += sums[block, 1]
    return total + rule.l1 * absolute + 0.5 * rule.l2 * squares


@inlined
def keep(program, memory, kept, epoch):
    """Theta and buffers after an epoch, for the record that will be handed out."""
    if len(kept):
        for i in range(program.n_theta):
            kept[epoch, i] = memory[program.theta + i]
        for i in range(program.n_buffers):
            kept[epoch, program.n_theta + i] = memory[program.buffers + i]


@jit
def run_block(program, rule, memory, lanes, t, lr, decay, scale, block, sums):
    """Combine, unless clipping has done it already, and update one block."""
    if not rule.clip > 0.0:
        combine_block(program, rule, memory, lanes, block, sums)
    return update_block(program, rule, memory, t, lr, decay, scale, block)


@parallel
def run_lanes_in_parallel(program, rule, data, order, memory, lanes, start, stop, factor, moved,
                          losses):  # fmt: skip
    """run_lane for every lane, on several threads."""
    for lane in numba.prange(lanes):
        losses[lane] = run_lane(program, rule, data, order, memory, lane, lanes, start, stop,
                                factor, moved)  # fmt: skip


@parallel
def run_blocks_in_parallel(program, rule, memory, lanes, t, lr, decay, scale, sums, finite):
    """run_block for every block, on several threads."""
    for block in numba.prange(len(finite)):
        finite[block] = run_block(program, rule, memory, lanes, t, lr, decay, scale, block, sums)


@kernel
def train(program, rule, data, order, memory, course, batch, shuffle, threaded, clock, limit,
          means, kept, rng):  # fmt: skip
    """Run as many epochs as `means` is long; returns DONE, or the step at which it stopped: at
    `limit`, or at one that made a number which is not finite.

    `course` holds a row for each step; `clock` the number of updates made, which grows. `means`
    receives the mean loss and the last learning rate of each epoch, `kept` (if it has rows) theta
    and buffers after it.
    """
    n, blocks, step = len(data.X), -(-program.n_theta // BLOCK), 0
    losses, sums, finite = np.zeros(LANES), np.zeros((blocks, 3)), np.zeros(blocks)
    stays = not shuffle and batch >= n and n <= LANES * program.rows
    for epoch in range(len(means)):
        if shuffle:
            draw_order(order, rng)
        total, counted = 0.0, 0.0
        for start in range(0, n, batch):
            if step == limit:
                return step
            stop = min(n, start + batch)
            mass = batch_mass(data, order, start, stop)
            if mass == 0.0:
                step += 1
                continue
            if not 1e-30 < mass < 1e30:
                return step
            begin_step(program, course, memory, step, stop - start, rng)
            lanes = min(LANES, (stop - start + program.rows - 1) // program.rows)
            factor = rule.scale / mass if rule.mean else rule.scale
            moved = step == 0 or not stays
            if threaded and lanes > 1:
                run_lanes_in_parallel(program, rule, data, order, memory, lanes, start, stop,
                                      factor, moved, losses)  # fmt: skip
            else:
                for lane in range(lanes):
                    losses[lane] = run_lane(program, rule, data, order, memory, lane, lanes, start,
                                            stop, factor, moved)  # fmt: skip
            clock[0] += 1
            t, lr, decay, scale = clock[0], course[step, LR], course[step, DECAY], 1.0
            if rule.clip > 0.0:
                for block in range(blocks):
                    combine_block(program, rule, memory, lanes, block, sums)
                scale = clip_scale(program, rule.clip, memory, sums)
            if threaded and blocks > 1:
                run_blocks_in_parallel(program, rule, memory, lanes, t, lr, decay, scale, sums,
                                       finite)  # fmt: skip
            else:
                for block in range(blocks):
                    finite[block] = run_block(program, rule, memory, lanes, t, lr, decay, scale,
                                              block, sums)  # fmt: skip
            bad = end_step(program, memory, stop - start)
            loss = step_loss(rule, losses, sums, lanes)
            for block in range(blocks):
                bad += finite[block]
            if not np.isfinite(loss + bad):
                return step
            total, counted = total + loss * mass, counted + mass
            means[epoch, 1] = lr
            step += 1
        means[epoch, 0] = total / counted
        keep(program, memory, kept, epoch)
    return DONE
