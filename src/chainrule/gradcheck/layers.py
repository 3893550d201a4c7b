"""Causes inside a layer, found by experiments at other parameters.

With every wrong array at zero and one bias at c, the pre-activation of its unit is z = c on every
row. What stands in the place of f'(z) then is f'(c) · g / d, measured at several c and held
against the table of activations: 1 (missing), f'(f(c)) (taken at the activation), the formula in
terms of a fed with z, or f'(c)² (applied once more though the loss has cancelled it).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..core.activations import ACTIVATIONS, Activation
from ..core.arrays import Array
from .case import Case, Finding, names, number
from .code import Block, stretch
from .slopes import Point

GRID = (0.0, 0.7, -0.9, 1.6, -0.35)
INPUTS = (1.0, 0.5)
"""z / c: 1 for a bias; without biases what a weight is multiplied by: ½ where it is σ(0)."""
ALPHAS = {"leaky_relu": (0.01, 0.1, 0.2, 0.3), "elu": (1.0,)}
SHOWN = 3
ORDERS = {2: ("derivative_missing", "missing"), 4: ("derivative_place", "taken at the wrong place")}
"""The order of the error in the size of the weights, for tanh."""
SOFTMAX = {
    "derivative_missing": "d = (diag p - p pᵀ) g: this factor is missing",
    "derivative_place": "g = p (1 - p) d: a derivative that the loss has cancelled",
}


class Guess(NamedTuple):
    """What stands in the place of an activation's derivative, as a function of z."""

    activation: str
    cause: str
    words: str
    slope: Callable[[Array], Array]
    stand_in: Callable[[Array], Array]


class Reading(NamedTuple):
    """One experiment: the entry at c, both gradients there and how far they may be apart."""

    c: float
    g: float
    d: float
    tolerance: float


def is_symmetric_cure(case: Case) -> Finding | None:
    """The gradient is right wherever a square matrix is symmetric: W stands where Wᵀ belongs."""
    for block in case.blocks:
        if len(block.shape) != 2 or block.shape[0] != block.shape[1] or block.shape[0] < 2:
            continue
        theta = case.generic.theta
        W = theta[block.span].reshape(block.shape)
        point = case.point_with(theta, block.span, ((W + W.T) / 2).reshape(-1))
        if not point.wrong.any() and (point.clear & case.wrong).any():
            told = f"all of it is right once {block.name} is made symmetric, and wrong before"
            fix = f"use {block.name} transposed on the way back"
            return case.finding("transposed", told, fix)
    return None


def is_derivative(case: Case) -> Finding | None:
    """A layer's factor f'(z) is missing or taken at the wrong place; see the module."""
    for base in _bases(case):
        for run in case.runs():
            base[run.span] = 0.0
        for entry in _candidates(case):
            readings = [_read(case, base, entry, c) for c in GRID]
            found = _explain(case, entry, readings)
            if found:
                return found
        found = _is_softmax(case, base)
        if found:
            return found
    return None


def _bases(case: Case) -> Iterator[Array]:
    """Parameters for the layers that are right: where they are dead, nothing shows before them."""
    for point in (case.generic, *case.points[:2]):
        yield point.theta.copy()
    for _ in range(2):
        theta = case.generic.theta
        yield theta + case.ruler.step(theta)


def _candidates(case: Case) -> Iterator[int]:
    """Entries to set: of biases before weights, of later arrays before earlier, a few of each."""
    runs = case.runs()[::-1]
    if case.code.layout.flat:
        step = max(1, runs[0].size // 40)
        yield from range(runs[0].stop - 1, runs[0].start - 1, -step)
        return
    for run in sorted(runs, key=lambda run: not run.is_bias):
        yield from (run.start + i for i in sorted({0, run.size // 2, run.size - 1}))


def _read(case: Case, base: Array, entry: int, c: float) -> Reading:
    """Both gradients at an entry that is set to c, the others as in `base` (n,)."""
    point = case.point_with(base, entry, c, np.array([entry]))
    return Reading(c, float(point.g[entry]), float(point.d[entry]), float(point.tolerance[entry]))


def guesses() -> Iterator[Guess]:
    """What may stand in the place of each activation's derivative."""
    for name, row in ACTIVATIONS.items():
        if name in ("identity", "step", "hard_sigmoid", "hard_tanh"):
            continue
        for alpha in ALPHAS.get(name, (1.0,)):
            yield from _guesses_of(row, alpha)


def _guesses_of(row: Activation, alpha: float) -> Iterator[Guess]:
    def f(Z: Array) -> Array:
        return row.function(Z, alpha)

    def slope(Z: Array) -> Array:
        return row.slope(Z, f(Z), alpha)

    name = row.name
    yield Guess(name, "derivative_missing", "1", slope, np.ones_like)
    yield Guess(name, "derivative_place", "f'(a), a = f(z)", slope, lambda Z: slope(f(Z)))
    yield Guess(
        name, "derivative_place", f"the formula {row.slope_formula} with z in the place of a",
        slope, lambda Z: row.slope(Z, Z, alpha),
    )  # fmt: skip
    yield Guess(
        name, "derivative_place", "f'(z)², the factor once more than the loss needs it",
        slope, lambda Z: slope(Z) ** 2,
    )  # fmt: skip
    yield Guess(name, "derivative_missing", "f(z), the activation itself", slope, f)
    other = ACTIVATIONS[{"tanh": "sigmoid", "sigmoid": "tanh"}.get(name, name)]
    if other is not row:
        yield Guess(
            name, "unknown", f"the derivative {other.slope_formula} of {other.name}",
            slope, lambda Z: other.slope(Z, f(Z), alpha),
        )  # fmt: skip


def _explain(case: Case, entry: int, readings: list[Reading]) -> Finding | None:
    """The guess that makes g f'(z) = stand-in(z) d at every reading, none where none does."""
    telling = [r for r in readings if max(abs(r.g), abs(r.d)) > 50 * r.tolerance]
    if len(telling) < 3:
        return None
    used = [r for r in readings if np.isfinite(r.g + r.d)]
    c, g, d, tolerance = np.array(used).T
    off = np.abs(g - d) > 3 * tolerance
    for x in INPUTS:
        for guess in guesses():
            slope, stand_in = guess.slope(x * c), guess.stand_in(x * c)
            # At a kink either side's slope is a derivative.
            smooth = (np.abs(c) > 0) | (not ACTIVATIONS[guess.activation].kinks)
            if not (off & smooth).any() or np.any(off & smooth & (slope == stand_in)):
                continue
            allowed = 3 * tolerance * np.maximum(1.0, np.maximum(np.abs(slope), np.abs(stand_in)))
            if np.all((np.abs(g * slope - d * stand_in) <= allowed)[smooth]):
                return _told(case, entry, guess, telling)
    return None


def _told(case: Case, entry: int, guess: Guess, readings: list[Reading]) -> Finding:
    block = case.code.layout.block(entry)
    place, wrong = block.entry(entry), names(case.runs())
    measured = "; ".join(
        f"{place} = {r.c:g}: g / d = {number(r.g / r.d) if r.d else 'inf'}"
        for r in readings[:SHOWN]
    )
    return case.finding(
        guess.cause,
        f"with {wrong} at zero but {place}, z is the same on every row, and g / d is "
        f"that of {guess.words} in the place of f'(z), f = {guess.activation}: {measured}",
        where=(block,),
    )


def is_derivative_at_zero(case: Case) -> Finding | None:
    """Without a bias: with W = 0 z = 0 on every row, one factor stand_in(0) / f'(0) in all of W."""
    everything = not case.right_blocks()
    for run in case.runs()[::-1]:
        point = case.point_with(case.generic.theta, run.span, 0.0, case.drawn(run))
        r = _one_ratio(point, run)
        # Rows that are left out of everything give such plain ratios too.
        if r is None or (everything and abs(2 * r - round(2 * r)) < 1e-6 and round(r) != 4):
            continue
        for guess in guesses():
            slope, stand_in = (float(f(np.zeros(1))[0]) for f in (guess.slope, guess.stand_in))
            kinked = bool(ACTIVATIONS[guess.activation].kinks)
            if kinked or slope == 0 or abs(stand_in / slope - 1) < 1e-3:
                continue
            if abs(stand_in / slope - r) < 1e-5 * max(1.0, abs(r)):
                there = f"{guess.words} in the place of f'(0) = {number(slope)}"
                return case.finding(
                    guess.cause,
                    f"with {run.name} at zero z = 0 on every row, and g / d = {number(r)} in it: "
                    f"{there}, f = {guess.activation}",
                    where=(run,),
                )
    return None


def _one_ratio(point: Point, run: Block) -> float | None:
    """g / d where it is one number in all of a block that has a slope."""
    clear = np.flatnonzero(point.clear[run.span]) + run.start
    if len(clear) < 2:
        return None
    ratios = point.g[clear] / point.d[clear]
    r = float(np.median(ratios))
    return r if np.all(np.abs(ratios - r) <= 1e-4 * max(1.0, abs(r))) else None


def _is_softmax(case: Case, base: Array) -> Finding | None:
    """d = (diag p - p pᵀ) g with p = softmax(b): the softmax's own derivative is missing."""
    for block in _last_biases(case, base):
        first, second = (_softmax_kinds(case, base, block) for _ in range(2))
        for cause in first & second:
            told = f"with {names(case.runs())} at zero but {block.name}, p = softmax({block.name})"
            return case.finding(cause, f"{told}: {SOFTMAX[cause]}", where=(block,))
    return None


def _last_biases(case: Case, base: Array) -> list[Block]:
    """The wrong biases; in a vector the stretches at the end of what has a slope at zero."""
    if not case.code.layout.flat:
        return [block for block in case.wrong_blocks() if block.is_bias and block.size > 1]
    point = case.new_point(base)
    either = np.fmax(np.abs(point.g), np.abs(point.d)) > 20 * point.tolerance
    sloping = np.flatnonzero(either & case.wrong)
    stop = int(sloping[-1]) + 1 if len(sloping) else 0
    starts = range(max(0, stop - 10), stop - 1)
    return [stretch(start, stop) for start in starts]


def _softmax_kinds(case: Case, base: Array, block: Block) -> set[str]:
    """Which of the two mistakes with a softmax the gradients at one random bias show."""
    b = case.ruler.rng.normal(size=block.size)
    point = case.point_with(base, block.span, b, np.arange(block.start, block.stop))
    p = np.exp(b) / np.exp(b).sum()
    g, d = point.g[block.span], point.d[block.span]
    allowed = 3 * point.tolerance[block.span].max()
    if not np.abs(d).max() > 20 * allowed:
        return set()
    errors = {
        "derivative_missing": p * g - p * (p @ g) - d,
        "derivative_place": p * (1 - p) * d - g,
    }
    return {cause for cause, error in errors.items() if np.all(np.abs(error) <= allowed)}


def is_derivative_by_order(case: Case) -> Finding | None:
    """Without any bias: how the error dies out as a weight matrix W shrinks to s W.

    For f = tanh, f'(z) = 1 - z² + …: what is missing is of the order s², and f'(a) - f'(z) of the
    order s⁴. For ReLU the slopes at W and -W add up to 1: d(sW) + d(-sW) → g.
    """
    if case.code.layout.flat:
        return None
    for run in [run for run in case.runs()[::-1] if not run.is_bias or len(case.blocks) < 3]:
        entries = case.drawn(run)[:24]
        found = _dies_out(case, run, entries) or _is_relu(case, run, entries)
        if found:
            return found
    return None


def _dies_out(case: Case, run: Block, entries: Array) -> Finding | None:
    """The error is of the order s² or s⁴ as W shrinks to s W."""
    points = [_shrunk(case, run, s, entries) for s in (0.4, 0.2, 0.1, 0.05, 0.025)]
    errors = [float(np.linalg.norm((p.g - p.d)[entries])) for p in points]
    steps = list(zip(errors, errors[1:], points[1:], strict=False))
    for large, small, point in reversed(steps):
        rounding = np.linalg.norm(point.bar[entries]) + 1e-9 * np.linalg.norm(point.d[entries])
        if not small > 20 * float(rounding):
            continue  # the smallest W that the rounding allows tells the order best
        order = float(np.log2(large / small))
        for whole, (cause, words) in ORDERS.items():
            if abs(order - whole) < 0.2:
                return case.finding(
                    cause,
                    f"the error falls like s^{order:.2f} as {run.name} shrinks to s {run.name}, "
                    f"as for tanh whose derivative is {words}",
                    where=(run,),
                )
    return None


def _is_relu(case: Case, run: Block, entries: Array) -> Finding | None:
    """d at a tiny W and at -W add up to a multiple of g."""
    plus, minus = (_shrunk(case, run, s, entries) for s in (1e-4, -1e-4))
    both, g = (plus.d + minus.d)[entries], plus.g[entries]
    largest = np.abs(g).max()
    ratio = float(both @ g) / float(g @ g) if largest > 0 else 0.0
    near = 0.99 < ratio < 1.4 and np.all(np.abs(both - ratio * g) <= 1e-2 * largest)
    if not near or np.abs(plus.d - minus.d)[entries].max() <= 0.1 * largest:
        return None
    return case.finding(
        "derivative_missing",
        f"for tiny {run.name} the derivatives at W and -W add up to {ratio:.2f} g, "
        f"as for ReLU and its leaky kin, whose slopes on both sides of 0 add up to that",
        where=(run,),
    )


def _shrunk(case: Case, run: Block, s: float, entries: Array) -> Point:
    """Both gradients where W is s W."""
    theta = case.generic.theta
    return case.point_with(theta, run.span, s * theta[run.span], entries)
