"""Causes inside a layer, found by experiments at other parameters.

With every wrong array at zero and one bias at c, the pre-activation of its unit is z = c on every
row. What the code uses for f'(z) is then f'(c) · g / d, measured at several c and compared
with the table of activations: 1 (missing), f'(f(c)) (taken at the activation), the formula in
terms of a fed with z, or f'(c)² (applied once more though the loss has cancelled it).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..core.activation_layers import ACTIVATIONS
from ..core.arrays import Array
from ..core.elementwise_layer import ElementwiseLayer
from ..writing.mathematics import in_words
from .examination import Examination, Finding, first, names, six_digits
from .slopes import Point
from .user_code import Block, stretch

GRID = (0.0, 0.7, -0.9, 1.6, -0.35)
# z / c: 1 for a bias; without biases what a weight is multiplied by: ½ where it is σ(0).
INPUTS = (1.0, 0.5)
SETTINGS = {"leaky_relu": [(alpha,) for alpha in (0.01, 0.1, 0.2, 0.3)]}
SHOWN = 3
MISSING, PLACE = "derivative_missing", "derivative_place"
# The order of the error in the size of the weights, for tanh.
ORDERS = {2: (MISSING, "missing"), 4: (PLACE, "taken at the wrong place")}
SOFTMAX = {
    MISSING: "d = (diag p - p pᵀ) g: this factor is missing",
    PLACE: "g = p (1 - p) d: a derivative that the loss has cancelled",
}


class Guess(NamedTuple):
    """What may be used for an activation's derivative, as a function of z."""

    activation: ElementwiseLayer
    cause: str
    words: str
    slope: Callable[[Array], Array]
    stand_in: Callable[[Array], Array]


def is_symmetric_cure(exam: Examination) -> Finding | None:
    """The gradient is right once a square matrix is symmetric: W is used in the place of Wᵀ."""
    theta = exam.generic.theta
    for block in exam.blocks:
        if len(block.shape) != 2 or block.shape[0] != block.shape[1] or block.shape[0] < 2:
            continue
        W = theta[block.span].reshape(block.shape)
        point = exam.point_with(theta, block.span, ((W + W.T) / 2).reshape(-1))
        if not point.wrong.any() and (point.clear & exam.wrong).any():
            evidence = f"all of it is right once {block.name} is made symmetric, and wrong before"
            fix = f"use {block.name} transposed on the way back"
            return exam.finding("transposed", evidence, fix)
    return None


def is_derivative(exam: Examination) -> Finding | None:
    """A layer's factor f'(z) is missing or taken at the wrong place; see the module's docstring."""
    for base in _bases(exam):
        for part in exam.wrong_parts():
            base[part.span] = 0.0
        explained = (_explain(exam, base, entry) for entry in _candidates(exam))
        if finding := first(explained) or _is_softmax(exam, base):
            return finding
    return None


def _bases(exam: Examination) -> Iterator[Array]:
    """Parameters for the layers that are right: if they are dead, nothing shows before them."""
    for point in (exam.generic, *exam.points[:2]):
        yield point.theta.copy()
    for _ in range(2):
        yield exam.generic.theta + exam.measurer.step(exam.generic.theta)


def _candidates(exam: Examination) -> Iterator[int]:
    """Entries to set: biases before weights, later arrays before earlier ones, a few of each."""
    parts = exam.wrong_parts()[::-1]
    if exam.code.layout.flat:
        step = max(1, parts[0].size // 40)
        yield from range(parts[0].stop - 1, parts[0].start - 1, -step)
        return
    for part in sorted(parts, key=lambda part: not part.is_bias):
        yield from (part.start + i for i in sorted({0, part.size // 2, part.size - 1}))


def guesses() -> Iterator[Guess]:
    """What may be used for each activation's derivative."""
    classes: Mapping[str, Callable[..., ElementwiseLayer]] = ACTIVATIONS
    for name, activation in classes.items():
        if name not in ("identity", "step", "hard_sigmoid", "hard_tanh"):
            for settings in SETTINGS.get(name, [()]):
                yield from _guesses_of(activation(*settings))


def _guesses_of(activation: ElementwiseLayer) -> Iterator[Guess]:
    f = activation.values

    def slope(Z: Array) -> Array:
        return activation.slopes(Z, f(Z))

    formula = f"the formula {_shown(activation)} with z in the place of a"
    twice = "f'(z)², the factor once more than the loss needs it"
    yield Guess(activation, MISSING, "1", slope, np.ones_like)
    yield Guess(activation, PLACE, "f'(a), a = f(z)", slope, lambda Z: slope(f(Z)))
    yield Guess(activation, PLACE, formula, slope, lambda Z: activation.slopes(Z, Z))
    yield Guess(activation, PLACE, twice, slope, lambda Z: slope(Z) ** 2)
    yield Guess(activation, MISSING, "f(z), the activation itself", slope, f)
    if activation.name in ("tanh", "sigmoid"):
        other = ACTIVATIONS["sigmoid" if activation.name == "tanh" else "tanh"]()
        words = f"the derivative {_shown(other)} of {other.name}"
        yield Guess(activation, "unknown", words, slope, lambda Z: other.slopes(Z, f(Z)))


def _shown(activation: ElementwiseLayer) -> str:
    """The slope of an activation as a textbook has it."""
    return in_words(activation.slope_formula)


def _explain(exam: Examination, base: Array, entry: int) -> Finding | None:
    """The guess with g f'(z) = stand-in(z) d wherever the entry is set to a c of GRID, the others
    as in `base` (n,); None if no guess fits.
    """
    points = [exam.point_with(base, entry, c, np.array([entry])) for c in GRID]
    measured = np.array([(p.theta, p.g, p.d, p.tolerance) for p in points])[:, :, entry]
    c, g, d, tolerance = measured[np.isfinite(measured[:, 1:3]).all(axis=1)].T
    telling = np.fmax(np.abs(g), np.abs(d)) > 50 * tolerance
    if telling.sum() < 3:
        return None
    off = np.abs(g - d) > 3 * tolerance
    for x in INPUTS:
        for guess in guesses():
            slope, stand_in = guess.slope(x * c), guess.stand_in(x * c)
            # At a kink either side's slope is a derivative.
            smooth = (c != 0) | (not guess.activation.kinks)
            if not (off & smooth).any() or np.any(off & smooth & (slope == stand_in)):
                continue
            allowed = 3 * tolerance * np.maximum(1.0, np.maximum(np.abs(slope), np.abs(stand_in)))
            if np.all((np.abs(g * slope - d * stand_in) <= allowed)[smooth]):
                ratios = np.divide(g, d, out=np.full_like(g, np.inf), where=d != 0)
                return _finding(exam, entry, guess, c[telling][:SHOWN], ratios[telling])
    return None


def _finding(exam: Examination, entry: int, guess: Guess, c: Array, ratios: Array) -> Finding:
    block = exam.code.layout.block(entry)
    place, pairs = block.entry(entry), zip(c, ratios, strict=False)
    measured = "; ".join(f"{place} = {at:g}: g / d = {six_digits(ratio)}" for at, ratio in pairs)
    evidence = (
        f"with {names(exam.wrong_parts())} at zero but {place}, z is the same on every row, and "
        f"g / d is that of {guess.words} in the place of f'(z), f = {guess.activation.name}: "
        f"{measured}"
    )
    return exam.finding(guess.cause, evidence, where=(block,))


def is_derivative_at_zero(exam: Examination) -> Finding | None:
    """Without a bias: with W = 0 z = 0 on every row, one factor stand_in(0) / f'(0) in all of W."""
    everything = not exam.right_blocks()
    for part in exam.wrong_parts()[::-1]:
        point = exam.point_with(exam.generic.theta, part.span, 0.0, exam.compared(part))
        r = _common_ratio(point, part)
        # If rows are left out of everything, the ratios are such simple numbers too.
        if r is None or (everything and abs(2 * r - round(2 * r)) < 1e-6 and round(r) != 4):
            continue
        for guess in guesses():
            slope, stand_in = (float(f(np.zeros(1))[0]) for f in (guess.slope, guess.stand_in))
            if guess.activation.kinks or slope == 0 or abs(stand_in / slope - 1) < 1e-3:
                continue
            if abs(stand_in / slope - r) < 1e-5 * max(1.0, abs(r)):
                evidence = (
                    f"with {part.name} at zero z = 0 on every row, and g / d = {six_digits(r)} in "
                    f"it: {guess.words} in the place of f'(0) = {six_digits(slope)}, "
                    f"f = {guess.activation.name}"
                )
                return exam.finding(guess.cause, evidence, where=(part,))
    return None


def _common_ratio(point: Point, part: Block) -> float | None:
    """g / d if it is one number wherever a block has a slope."""
    clear = point.clear[part.span]
    if clear.sum() < 2:
        return None
    ratios = point.g[part.span][clear] / point.d[part.span][clear]
    r = float(np.median(ratios))
    return r if np.all(np.abs(ratios - r) <= 1e-4 * max(1.0, abs(r))) else None


def _is_softmax(exam: Examination, base: Array) -> Finding | None:
    """d = (diag p - p pᵀ) g with p = softmax(b): the softmax's own derivative is missing."""
    for block in _last_biases(exam, base):
        first, second = (_softmax_mistakes(exam, base, block) for _ in range(2))
        for cause in first & second:
            others = f"with {names(exam.wrong_parts())} at zero but {block.name}"
            evidence = f"{others}, p = softmax({block.name}): {SOFTMAX[cause]}"
            return exam.finding(cause, evidence, where=(block,))
    return None


def _last_biases(exam: Examination, base: Array) -> list[Block]:
    """The wrong biases; in a vector, the stretches up to its last wrong entry with a slope."""
    if not exam.code.layout.flat:
        return [block for block in exam.wrong_blocks() if block.is_bias and block.size > 1]
    point = exam.new_point(base)
    sloping = np.fmax(np.abs(point.g), np.abs(point.d)) > 20 * point.tolerance
    places = np.flatnonzero(sloping & exam.wrong)
    stop = int(places[-1]) + 1 if len(places) else 0
    return [stretch(start, stop) for start in range(max(0, stop - 10), stop - 1)]


def _softmax_mistakes(exam: Examination, base: Array, block: Block) -> set[str]:
    """Which of the two softmax mistakes fit the gradients at one random bias."""
    b = exam.measurer.rng.normal(size=block.size)
    point = exam.point_with(base, block.span, b, np.arange(block.start, block.stop))
    p = np.exp(b) / np.exp(b).sum()
    g, d = point.g[block.span], point.d[block.span]
    allowed = 3 * point.tolerance[block.span].max()
    if not np.abs(d).max() > 20 * allowed:
        return set()
    errors = {MISSING: p * g - p * (p @ g) - d, PLACE: p * (1 - p) * d - g}
    return {cause for cause, error in errors.items() if np.all(np.abs(error) <= allowed)}


def is_derivative_by_order(exam: Examination) -> Finding | None:
    """Without any bias: how the error dies out as a weight matrix W shrinks to s W.

    For f = tanh, f'(z) = 1 - z² + …: what is missing is of the order s², and f'(a) - f'(z) of the
    order s⁴. For ReLU the slopes at W and -W add up to 1: d(sW) + d(-sW) → g.
    """
    if exam.code.layout.flat:
        return None
    parts = [p for p in exam.wrong_parts()[::-1] if not p.is_bias or len(exam.blocks) < 3]
    tests = (_dies_out, _is_relu)
    return first(test(exam, part, exam.compared(part)[:24]) for part in parts for test in tests)


def _dies_out(exam: Examination, part: Block, entries: Array) -> Finding | None:
    """The error is of the order s² or s⁴ as W shrinks to s W."""
    points = [_shrunk(exam, part, s, entries) for s in (0.4, 0.2, 0.1, 0.05, 0.025)]
    errors = [float(np.linalg.norm((p.g - p.d)[entries])) for p in points]
    for i in range(len(points) - 1, 0, -1):
        large, small, point = errors[i - 1], errors[i], points[i]
        rounding = np.linalg.norm(point.bar[entries]) + 1e-9 * np.linalg.norm(point.d[entries])
        if not small > 20 * float(rounding):
            continue  # the smallest W that rounding allows shows the order best
        order = float(np.log2(large / small))
        for whole, (cause, words) in ORDERS.items():
            if abs(order - whole) < 0.2:
                evidence = (
                    f"the error falls like s^{order:.2f} as {part.name} shrinks to s {part.name}, "
                    f"as for tanh whose derivative is {words}"
                )
                return exam.finding(cause, evidence, where=(part,))
    return None


def _is_relu(exam: Examination, part: Block, entries: Array) -> Finding | None:
    """d at a tiny W and at -W add up to a multiple of g."""
    plus, minus = (_shrunk(exam, part, s, entries) for s in (1e-4, -1e-4))
    both, g = (plus.d + minus.d)[entries], plus.g[entries]
    largest = np.abs(g).max()
    ratio = float(both @ g) / float(g @ g) if largest > 0 else 0.0
    is_multiple = 0.99 < ratio < 1.4 and np.all(np.abs(both - ratio * g) <= 1e-2 * largest)
    if not is_multiple or np.abs(plus.d - minus.d)[entries].max() <= 0.1 * largest:
        return None
    evidence = (
        f"for tiny {part.name} the derivatives at W and -W add up to {ratio:.2f} g, "
        f"as for ReLU and its leaky kin, whose slopes on both sides of 0 add up to that"
    )
    return exam.finding(MISSING, evidence, where=(part,))


def _shrunk(exam: Examination, part: Block, s: float, entries: Array) -> Point:
    """Both gradients where W is s W."""
    theta = exam.generic.theta
    return exam.point_with(theta, part.span, s * theta[part.span], entries)
