"""check_gradients: is anybody's gradient the derivative of their loss, and if not, why?

The user's code is a black box of two functions. Their gradient is held against central differences
at three points; a difference is explained by its pattern (gradcheck_causes) or by experiments at
other parameters (gradcheck_layers, gradcheck_rows).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arrays import Array
from . import causes
from .case import Case, Finding, example, names, worst
from .code import Code, Layout, within
from .history import history, repeated
from .layers import (
    is_derivative,
    is_derivative_at_zero,
    is_derivative_by_order,
    is_symmetric_cure,
)
from .report import CAUSES, BlockCheck, GradientReport, kink, report, verdict
from .rows import is_few_rows, is_other_loss, is_penalty, is_row_by_row
from .slopes import Point, Ruler

MOST_EVALUATIONS = 60_000
CALLS_PER_ENTRY = 12
FEW = 300
"""Up to so many entries each one should have a slope at some point, not only each array."""
# In this order: what is exact and simple comes before what is inferred.
EXPLANATIONS: tuple[Callable[[Case], Finding | None], ...] = (
    causes.is_zero, causes.is_factor, causes.is_overwritten, causes.is_transposed,
    causes.is_bias_sum, is_symmetric_cure, is_row_by_row, is_penalty, is_derivative, is_few_rows,
    is_derivative_at_zero, is_derivative_by_order, is_other_loss,
)  # fmt: skip


def check_gradients(
    value: Callable[..., Any],
    gradient: Callable[..., Any],
    parameters: Any,
    *,
    rows: int | None = None,
    seed: int = 0,
    time_limit: float = 60.0,
) -> GradientReport:
    """Is gradient(θ) = ∂ value(θ) / ∂ θ? A report that says correct, or names the cause.

    `value(parameters)` returns the loss, one number; `gradient(parameters)` its derivative in the
    layout of the parameters: an array, a number, or dicts, lists and tuples of them; in a dict
    also under dW1, d_W1, grad_W1 or W1_grad for W1. A tuple in the order of a dict will do.
    Each call gets fresh float64 copies; value is called right before gradient, as in training.

    `rows`: how many rows the loss is over; it lets the report say that 1/m is missing. Where both
    functions take `rows=`, an array of row numbers, the report names the rows that are off. The
    check goes to other parameters too, drawn with `seed`. Of many parameters a part is drawn, and
    the rest checked along random directions; `checked` says so. Within `time_limit` seconds.

    Raises ValueError in one sentence where a function raises, returns something that is no loss or
    no gradient (wrong type, shape, nan), or parameters are not finite numbers; TimeoutError where a
    function does not come back in time.
    """
    for name, function in (("value", value), ("gradient", gradient)):
        if not callable(function):
            raise ValueError(f"{name} is {function!r}: give a function of the parameters")
    if rows is not None and rows < 1:
        raise ValueError(f"rows is {rows}: give the number of rows of the data, at least 1")
    if seed < 0:
        raise ValueError(f"seed is {seed}: give a whole number of at least 0")
    if not time_limit > 0:
        raise ValueError(f"time_limit is {time_limit}: give a number of seconds above 0")
    code = Code(value, gradient, Layout(parameters))

    share = 0.3 * time_limit  # for the comparison; the experiments need the rest
    return within(
        time_limit, lambda: _check(code, rows, seed, share), lambda: _late(code, time_limit)
    )


def _late(code: Code, time_limit: float) -> str:
    limit = f"within time_limit = {time_limit:g} s"
    if code.calls > 10:
        return (
            f"the check does not end {limit}, its {code.calls} calls took "
            f"{code.total / code.calls:.2g} s each: check fewer rows, or allow more time"
        )
    what = f"your {code.calling or 'value'} function"
    return f"{what} did not come back {limit}: look for a loop that never ends"


def _check(code: Code, rows: int | None, seed: int, seconds: float) -> GradientReport:
    rng = np.random.default_rng(seed)
    ruler = Ruler(code, rng)
    start = code.layout.theta
    code.value(start)
    first = code.gradient(start)
    code.strict = False
    near, far = (_moved(code, ruler, share) for share in (0.3, 1.0))
    found = history(code, start, near)
    if found:
        return GradientReport(found.cause, found.evidence, notes=_notes(code, start, far))
    ruler.measure_gradient_noise(near)
    ruler.measure_loss_size(start, near, far)
    case = Case(code, ruler, rng, rows, _drawn(code, first.g, rng, seconds))
    notes = _notes(code, start, far)
    if first.odd:
        case.points = [case.new_point(far)]
        odd = code.gradient(far)
        found = causes.wrong_shapes(case, odd.odd or first.odd, odd.extra)
        return report(case, found, notes)
    case.points = [case.new_point(theta) for theta in (start, near, far)]
    _wake(case)
    whole = len(case.entries) == code.layout.size or _follow(case)
    if case.wrong.any() or not whole:
        return report(case, _explained(case, whole), notes)
    return report(case, verdict(case), notes)


def _moved(code: Code, ruler: Ruler, share: float) -> Array:
    """The parameters moved at random by a share of their size, so that no zero and no equality of
    the start hides an error; less far where the loss leaves its range there.
    """
    theta = code.layout.theta
    sizes = ruler.sizes(theta) if share < 1 else np.maximum(ruler.sizes(theta), 0.5)
    direction = ruler.rng.normal(size=theta.size) * sizes
    highest = 3 * max(1.0, abs(code.value(theta)))
    for _ in range(12):
        moved = theta + share * direction
        if abs(code.value(moved)) <= highest and np.isfinite(_known(code, moved)).all():
            return np.asarray(moved)
        share /= 3
    return np.asarray(theta)


def _wake(case: Case) -> None:
    """Add points while some array has a slope at none: units that are dead everywhere hide errors.
    An array on which the loss does not depend stays as it is.
    """
    for share, kept in ((0.5, 1), (1.0, 0.1), (2.0, 1), (0.7, 0.01), (1.5, 1), (1.0, 0.001)):
        seen = np.any([point.clear() for point in case.points], axis=0)
        asleep = [block for block in case.blocks if not seen[block.span].any()]
        few = len(case.entries) <= FEW and not seen[case.entries].all()
        beside = any(point.wrong.any() for point in case.points[1:])
        if beside or not (asleep or (few and len(case.points) < 6)):
            return
        # Units that are saturated wake up near zero.
        theta = kept * _moved(case.code, case.ruler, share)
        if np.isfinite(case.code.value(theta)) and np.isfinite(_known(case.code, theta)).all():
            case.points.insert(1, case.new_point(theta))


def _known(code: Code, theta: Array) -> Array:
    """Their gradient where it came in the right shape; zeros for a shape to be judged later."""
    read = code.gradient(theta)
    odd = [block for block in code.layout.blocks if block.name in read.odd]
    for block in odd:
        read.g[block.span] = 0.0
    return read.g


def _drawn(code: Code, g: Array, rng: np.random.Generator, seconds: float) -> Array:
    """The entries to compare one by one: all, or as many as time allows, the largest among them."""
    affordable = min(MOST_EVALUATIONS, seconds / max(code.seconds, 1e-6))
    most = max(8, int(affordable / CALLS_PER_ENTRY / 3))
    if g.size <= most:
        return np.arange(g.size)
    each, chosen = max(4, most // len(code.layout.blocks)), []
    for block in code.layout.blocks:
        places = np.arange(block.start, block.stop)
        if block.size > each:
            order = np.argsort(-np.abs(np.nan_to_num(g[block.span])), kind="stable")
            largest = order[: each // 2]
            places = block.start + np.union1d(largest, rng.choice(block.size, each - each // 2))
        chosen.append(places)
    return np.concatenate(chosen)


def _follow(case: Case) -> bool:
    """Check what was not drawn along random directions, block by block; halve a wrong block until
    one wrong entry is found, and compare it. Returns whether every direction agreed.
    """
    theta = case.generic.theta
    for block in case.blocks:
        places = np.arange(block.start, block.stop)
        if all(_agrees_along(case, theta, places) for _ in range(2)):
            continue
        while len(places) > 1:
            half = places[: len(places) // 2]
            places = places[len(places) // 2 :] if _agrees_along(case, theta, half) else half
        case.entries = np.union1d(case.entries, places)
        case.points = [case.new_point(point.theta) for point in case.points]
        return False
    return True


def _agrees_along(case: Case, theta: Array, places: Array) -> bool:
    direction = np.zeros(theta.size)
    direction[places] = case.rng.choice([-1.0, 1.0], len(places)) * case.ruler.sizes(theta)[places]
    g = case.generic.g
    found = case.ruler.slope_along(theta, direction, f"along {len(places)}", case.generic.noise)
    loose = float(np.linalg.norm(g * direction))
    allowed = 2 * found.bar + 1e-5 * loose
    return bool(abs(float(g @ direction) - found.value) <= allowed or np.isnan(found.value))


def _explained(case: Case, whole: bool) -> Finding:
    if not case.wrong.any():
        told = "along random directions the gradient and central differences differ"
        return Finding("unknown", (told, "no single entry of those drawn is wrong"))
    if not any(point.wrong.any() for point in case.points[1:]) and _at_kink(case):
        return kink(case)
    found = _never_changes(case) or repeated(case.code, worst(case)[0].theta)
    if found:
        return found
    for explanation in EXPLANATIONS:
        found = explanation(case)
        if found:
            return found
    point, k = worst(case)
    wrong, right = case.wrong_blocks(), case.right_blocks()
    told = f"{int(case.wrong.sum())} of {len(case.entries)} entries are wrong, in {names(wrong)}"
    beside = f"; {names(right)} {'is' if len(right) == 1 else 'are'} right" if right else ""
    return Finding("unknown", (told + beside, example(case, point, k)), _names(case))


def _names(case: Case) -> tuple[str, ...]:
    return tuple(block.name for block in case.wrong_blocks())


def _never_changes(case: Case) -> Finding | None:
    """The gradient is the same at all points, and wrong at some: that of an earlier time."""
    first = case.points[0].g
    same = all(np.array_equal(first, point.g) for point in case.points[1:])
    if not same or not np.any(first) or case.points[0].wrong.any():
        return None
    told = f"the gradient is the same at {len(case.points)} points, and right at the first only"
    return Finding("stale", (told, example(case, *worst(case))), _names(case))


def _at_kink(case: Case) -> bool:
    """Whether the slopes on both sides of the start differ, along some entry or direction."""
    start = case.points[0]
    if start.kink.any():
        return True
    sizes = case.ruler.sizes(start.theta)
    for _ in range(4):
        direction = sizes * case.rng.normal(size=start.theta.size)
        gaps = [_gap(case, start, h * direction) / h for h in (1e-4, 1e-6)]
        if gaps[1] > 0.5 * gaps[0] and gaps[1] > 40 * start.noise / 1e-6:
            return True
    return False


def _gap(case: Case, start: Point, step: Array) -> float:
    above, below = case.code.value(start.theta + step), case.code.value(start.theta - step)
    return abs(above - 2 * case.code.value(start.theta) + below)


def _notes(code: Code, start: Array, far: Array) -> tuple[str, ...]:
    notes = [f"your {what} function changes the parameters it is given" for what in code.changed]
    code.value(far)
    alone, after = code.bare_gradient(start).g, code.gradient(start).g
    if not np.array_equal(alone, after, equal_nan=True) and np.isfinite(after).any():
        if np.nanmax(np.abs(alone - after)) > 1e-9 * np.nanmax(np.abs(after)):
            notes.append("gradient reads what the last call of value left: call value before it")
    return tuple(sorted(notes))


__all__ = ["CAUSES", "BlockCheck", "GradientReport", "check_gradients"]
