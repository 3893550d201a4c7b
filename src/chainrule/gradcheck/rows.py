"""Whether a wrong gradient is off on some rows of the data only, or belongs to another loss.

If both functions take `rows=`, an array of row numbers, each row is checked alone. Otherwise only
the gradient shows the data. The gradient of a first layer is Σ x_i δ_iᵀ, so
errors on k rows stay in the span of k fixed x_i whatever the parameters; and a loss of fewer rows
is still a loss: its gradient has a symmetric Jacobian, which no other bug of the list has.
"""

import inspect
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from ..core.arrays import Array
from .examination import Examination, Finding, first, six_digits
from .slopes import Slope, smooth_slope
from .user_code import Block, listed

MOST_ROWS = 40
PAIRS = 6


def takes_rows(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter called rows."""
    try:
        return "rows" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def is_row_by_row(exam: Examination) -> Finding | None:
    """Each row alone, if the user's functions take rows=."""
    code, m = exam.code, exam.rows
    if not m or not all(map(takes_rows, code.functions.values())):
        return None
    off = [i for i in range(min(m, 4 * MOST_ROWS)) if _row_is_off(exam, i)]
    if 0 < len(off) < m:
        rows = _rows(off)
        evidence = f"asked for one row at a time, the gradient is wrong on {rows} of {m} only"
        return exam.finding("some_rows", evidence)
    weights = _weights(exam, m) if m <= MOST_ROWS and not off else None
    if weights is None:
        return None
    usual = float(np.median(weights))  # most rows are as they should be, or are lost
    off = [i for i in range(m) if abs(weights[i] - usual) > 1e-3 * max(1.0, abs(usual))]
    if not 0 < len(off) < m:
        return None
    odd = six_digits(round(float(weights[off[0]]), 9) + 0.0)  # no -0
    return exam.finding(
        "some_rows",
        f"the gradient of all rows is the sum of those of each row times a weight: "
        f"{odd} for {_rows(off)}, {six_digits(usual)} for the others",
    )


def _row_is_off(exam: Examination, i: int) -> bool:
    theta, rows = exam.generic.theta, np.array([i])
    direction = _signs(exam) * exam.wrong
    g = exam.code.gradient(theta, rows=rows).g
    slope = _slope_of_rows(exam, theta, direction, rows)
    allowed = 3 * slope.bar + 1e-5 * float(np.abs(g).sum())
    return bool(abs(float(np.nansum(g * direction)) - slope.value) > allowed)


def _signs(exam: Examination) -> Array:
    return np.asarray(exam.measurer.rng.choice([-1.0, 1.0], exam.wrong.size))


def _slope_of_rows(exam: Examination, theta: Array, direction: Array, rows: Array) -> Slope:
    """The slope of the loss of these rows along a direction."""
    loss = exam.code.along(theta, direction, rows=rows)
    return smooth_slope(loss, 0.02, max(exam.generic.noise, 1e-16))


def _weights(exam: Examination, m: int) -> Array | None:
    """w (m,) with g = Σ_i w_i d_i, None if none fits. It solves A w = right, where A (m + 6, m)
    holds the slope of each row and right (m + 6,) that of g, along a random direction at each of m
    + 6 points.
    """
    A, right, full = np.empty((m + 6, m)), np.empty(m + 6), np.empty(m + 6)
    base = exam.generic.theta
    for e in range(m + 6):
        theta, direction = base + 0.2 * exam.measurer.step(base), _signs(exam)
        A[e] = [_slope_of_rows(exam, theta, direction, np.array([i])).value for i in range(m)]
        right[e] = float(exam.code.gradient(theta).g @ direction)
        full[e] = _slope_of_rows(exam, theta, direction, np.arange(m)).value
    if not np.isfinite(A).all() or not np.isfinite(right + full).all():
        return None
    w, _, rank, _ = np.linalg.lstsq(A, right, rcond=1e-9)
    if rank < m:  # a small model can distinguish one row, but not many
        return _single_row(A, right, full)
    fits = np.linalg.norm(A @ w - right) <= 1e-5 * np.linalg.norm(right)
    return np.asarray(w) if fits else None


def _single_row(A: Array, right: Array, full: Array) -> Array | None:
    """w (m,) where one row is enough to explain the error; `full` is the true slope of all."""
    total = A.sum(axis=1)
    usual, error = float(full @ total) / float(total @ total), right - full
    sizes = np.sum(A**2, axis=0)
    shares = A.T @ error / np.where(sizes > 0, sizes, 1.0)
    rest = np.linalg.norm(error[:, None] - A * shares, axis=0)
    i = int(np.argmin(rest))
    if rest[i] > 1e-5 * np.linalg.norm(right) or np.sum(rest <= 10 * rest[i]) > 1:
        return None
    w = np.full(A.shape[1], usual)
    w[i] += shares[i]
    return w


def is_few_rows(exam: Examination) -> Finding | None:
    """The error, or the gradient itself, stays in the span of few fixed inputs."""
    if exam.code.layout.flat or _is_constant(exam):
        return None
    small = [b for b in exam.wrong_blocks() if b.size <= 80 and len(b.shape) in (1, 2)]
    return first(_spans(exam, block, turned) for block in small for turned in (False, True))


def _spans(exam: Examination, block: Block, turned: bool) -> Finding | None:
    """Whether G or D - s G of several points side by side, (inputs + 1, points · units), has a
    smaller rank than D.
    """
    shape = block.shape if len(block.shape) == 2 else (block.size, 1)
    inputs, units = shape[::-1] if turned else shape
    biases = [b for b in exam.wrong_blocks() if b.is_bias and b.size == units and b != block][:1]
    if inputs + len(biases) < 2 or (not biases and any(b.is_bias for b in exam.blocks)):
        return None
    both, matrices, errors = (block, *biases), [], []
    entries = np.concatenate([np.arange(b.start, b.stop) for b in both])
    theta = exam.generic.theta
    for _ in range(max(6, 2 * (inputs + 2) // units)):
        point = exam.new_point(theta + 0.5 * exam.measurer.step(theta), entries)
        size = np.abs(point.d[entries]).max()
        if np.isfinite(size) and size > 0 and np.isfinite(point.g[entries]).all():
            matrices.append([_stack(x / size, both, shape, turned) for x in (point.g, point.d)])
            errors.append(float(np.max(point.tolerance[entries] / size)))
    if not matrices:
        return None
    G, D = (np.hstack(parts) for parts in zip(*matrices, strict=True))
    allowed, m = 30 * max(errors) * np.sqrt(D.size), exam.rows or 1
    full = _rank(D, allowed)
    missing = (("what is missing from the gradient", D - s / m * G) for s in range(m, 0, -1))
    for what, M in chain(missing, [("the gradient", G)]):
        low = _rank(M, allowed)
        if 0 < low < full and _like_rows(M, D, allowed):
            return exam.finding(
                "some_rows",
                f"at {len(matrices)} points {what} of {block.name} stays in the span of {low} "
                f"fixed {'row' if low == 1 else 'rows'} of inputs, the derivative needs {full}",
            )
    return None


def _like_rows(M: Array, D: Array, allowed: float) -> bool:
    """Whether an error M (inputs + 1, points · units) may come from rows of inputs: it is in most
    units that have a derivative D, and in more than one input.
    """
    units = np.abs(D).max(axis=0) > allowed
    wrong = np.abs(M) > 1e-3 * np.abs(M).max()
    return bool(2 * wrong.any(axis=0)[units].sum() >= units.sum() and wrong.any(axis=1).sum() > 1)


def _stack(x: Array, both: tuple[Block, ...], shape: tuple[int, ...], turned: bool) -> Array:
    """A gradient x (n,) as (inputs + 1, units): the weights, and the bias, if there is one, as the
    weight of an input 1.
    """
    weights, *bias = both
    W = x[weights.span].reshape(shape)
    return np.vstack([W.T if turned else W, *(x[b.span].reshape(1, -1) for b in bias)])


def _rank(M: Array, allowed: float) -> int:
    sizes = np.linalg.svd(M, compute_uv=False)
    return int(np.sum(sizes > max(allowed, 1e-5 * sizes[0])))


def is_other_loss(exam: Examination) -> Finding | None:
    """g is wrong, and yet the exact gradient of some function: its Jacobian is symmetric."""
    theta, n = exam.generic.theta, exam.generic.theta.size
    if n < 2 or exam.wrong.sum() < 2 or _is_constant(exam):
        return None
    telling = 0
    for _ in range(PAIRS):
        u, v = exam.measurer.step(theta), exam.measurer.step(theta)
        uv, vu = _second(exam, theta, u, v), _second(exam, theta, v, u)
        if not abs(uv - vu) <= 1e-5 * (abs(uv) + abs(vu)):
            return None
        telling += abs(uv) > 0
    if not telling:
        return None
    return exam.finding(
        "some_rows",
        f"it is the exact gradient of another loss, as that of a part of the rows or of other "
        f"weights of rows is: its Jacobian is symmetric in {PAIRS} of {PAIRS} pairs of directions",
    )


def _is_constant(exam: Examination) -> bool:
    """Whether the error is the same at every point, as no derivative of rows is."""
    errors = np.array([point.g - point.d for point in exam.points])
    errors = errors[:, np.isfinite(errors).all(axis=0)]
    return bool(np.ptp(errors, axis=0).max() <= 0.01 * np.abs(errors).max())


def _second(exam: Examination, theta: Array, u: Array, v: Array) -> float:
    """uᵀ J v by central differences of their gradient, with Richardson's step."""

    def along(h: float) -> float:
        above, below = (exam.code.gradient(theta + t * v).g for t in (h, -h))
        return float((above - below) @ u) / (2 * h)

    return (16 * along(2.5e-5) - along(1e-4)) / 15


def _rows(rows: list[int]) -> str:
    return f"rows=[{listed(rows, 8)}]"
