"""check_gradients: is anybody's gradient the derivative of their loss, and if not, why?

The user's code is a black box of two functions. Their gradient is held against central differences
at three points; a difference is explained by its pattern (causes) or by experiments at other
parameters (layers, rows) and repeated calls (history).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.checks import require_count
from . import causes
from .case import Case, Finding, names
from .code import Code, Layout
from .history import calls_differ, never_changes, repeated
from .layers import (
    is_derivative,
    is_derivative_at_zero,
    is_derivative_by_order,
    is_symmetric_cure,
)
from .limit import within
from .report import GradientReport, report
from .rows import is_few_rows, is_other_loss, is_row_by_row
from .slopes import Point, Ruler

LONGEST = 86_400
MOST_EVALUATIONS = 60_000
CALLS_PER_ENTRY = 12
FEW = 300
"""Up to so many entries each one should have a slope at some point, not only each array."""
WEAKEST = 0.03
"""A block whose slopes are less sure than this share of the largest cannot be called correct."""
UNSEEN = 1e-4
"""Differences above this share that a rough loss hides are told."""
# In this order: what is exact and simple comes before what is inferred.
EXPLANATIONS: tuple[Callable[[Case], Finding | None], ...] = (
    never_changes, repeated, causes.is_zero, causes.is_factor, causes.is_overwritten,
    causes.is_transposed, causes.is_bias_sum, is_symmetric_cure, is_row_by_row, causes.is_penalty,
    is_derivative, is_few_rows, is_derivative_at_zero, is_derivative_by_order, is_other_loss,
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
    if rows is not None:
        require_count("check_gradients", "rows", rows)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give a whole number of at least 0")
    if not isinstance(time_limit, int | float) or not 0 < time_limit <= LONGEST:
        raise ValueError(f"time_limit is {time_limit!r}: give seconds above 0, at most {LONGEST}")
    code = Code(value, gradient, Layout(parameters))

    share = 0.3 * time_limit  # for the comparison; the experiments need the rest
    return within(
        time_limit, lambda: _check(code, rows, seed, share), lambda: _late(code, time_limit)
    )


def _late(code: Code, time_limit: float) -> str:
    """What to say when the time is over: the code is slow, or one call never ends."""
    limit = f"within time_limit = {time_limit:g} s"
    if code.calls > 10:
        return (
            f"the check does not end {limit}, its {code.calls} calls took "
            f"{code.total / code.calls:.2g} s each: check fewer rows, or allow more time"
        )
    what = f"your {code.calling or 'value'} function"
    return f"{what} did not come back {limit}: look for a loop that never ends"


def _check(code: Code, rows: int | None, seed: int, seconds: float) -> GradientReport:
    """The whole check: the same call twice, both gradients at three points and more, the cause."""
    rng = np.random.default_rng(seed)
    ruler = Ruler(code, rng)
    start = code.layout.theta
    code.value(start)
    first = code.gradient(start)
    code.strict = False
    near, far = (_moved(ruler, share) for share in (0.3, 1.0))
    found = calls_differ(code, start, near)
    if found:
        return GradientReport(found.cause, found.evidence, notes=_notes(code, start, far))
    ruler.measure_gradient_noise(near)
    ruler.measure_loss_size(start, near, far)
    case = Case(code, ruler, rows, _drawn(code, first.g, rng, seconds))
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
        return report(case, _explained(case), notes)
    return report(case, _verdict(case), notes)


def _moved(ruler: Ruler, share: float) -> Array:
    """The parameters moved at random by a share of their size, so that no zero and no equality of
    the start hides an error; less far where the loss leaves its range there.
    """
    code, theta = ruler.code, ruler.code.layout.theta
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
        few = len(case.entries) <= FEW and not case.seen[case.entries].all()
        beside = any(point.wrong.any() for point in case.beside)
        if beside or not (case.asleep() or (few and len(case.points) < 6)):
            return
        # Units that are saturated wake up near zero.
        theta = kept * _moved(case.ruler, share)
        if np.isfinite(case.code.value(theta)) and np.isfinite(_known(case.code, theta)).all():
            case.points.insert(1, case.new_point(theta))


def _known(code: Code, theta: Array) -> Array:
    """Their gradient where it came in the right shape; zeros for a shape to be judged later."""
    read = code.gradient(theta)
    for block in code.layout.blocks:
        if block.name in read.odd:
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
    """Whether g and a difference agree along a random direction in the entries at `places`."""
    direction = np.zeros(theta.size)
    signs, g = case.ruler.rng.choice([-1.0, 1.0], len(places)), case.generic.g
    direction[places] = signs * case.ruler.sizes(theta)[places]
    found = case.ruler.slope_along(theta, direction, f"along {len(places)}", case.generic.noise)
    loose = float(np.linalg.norm(g * direction))
    allowed = 2 * found.bar + 1e-5 * loose
    return bool(abs(float(g @ direction) - found.value) <= allowed or np.isnan(found.value))


def _explained(case: Case) -> Finding:
    """Why the gradient is wrong: the first explanation that holds, else `unknown`."""
    if not case.wrong.any():
        told = "along random directions the gradient and central differences differ"
        return Finding("unknown", (told, "no single entry of those drawn is wrong"))
    if not any(point.wrong.any() for point in case.beside) and _at_kink(case):
        return _kink(case)
    for explanation in EXPLANATIONS:
        found = explanation(case)
        if found:
            return found
    wrong, right = case.wrong_blocks(), case.right_blocks()
    told = f"{int(case.wrong.sum())} of {len(case.entries)} entries are wrong, in {names(wrong)}"
    beside = f"; {names(right)} {'is' if len(right) == 1 else 'are'} right" if right else ""
    return case.finding("unknown", told + beside, where=wrong)


def _at_kink(case: Case) -> bool:
    """Whether the start lies on a kink, along some entry or direction."""
    start, steps = case.points[0], np.array([1e-4, 1e-6])
    least = 40 * start.noise / steps[-1]
    directions = (case.ruler.step(start.theta) for _ in range(4))
    return bool(start.kink.any()) or any(
        case.ruler.kink_along(start, direction, steps, least) for direction in directions
    )


def _kink(case: Case) -> Finding:
    """`kink`, with the first entry whose slopes differ."""
    start = case.points[0]
    places = np.flatnonzero(start.kink | start.wrong)
    first = int(places[0])
    told = (
        f"the loss has a kink at the given parameters ({len(places)} entries, "
        f"{case.code.layout.block(first).entry(first)} the first): its slopes on both sides differ"
    )
    return Finding("kink", (told, "beside it, at two other points, the gradient is right"))


def _verdict(case: Case) -> Finding:
    """`correct`, or `kink` where the start lies on one. Raises ValueError where the loss is too
    rough for its slopes to be measured.
    """
    largest = max(float(np.nanmax(np.abs(p.d), initial=0.0)) for p in case.points)
    hidden = 0.0
    for block in case.blocks:
        doubts = [_doubt(point, case.drawn(block), largest) for point in case.points]
        if not min(doubts, default=0.0) <= WEAKEST:
            raise ValueError(
                f"the loss is too rough to measure its slopes by {block.name} (a noise of "
                f"{case.generic.noise:.1g} in {case.code.value(case.generic.theta):.3g}): "
                f"compute it in float64 and do not round it"
            )
        hidden = max(hidden, min(doubts))
    if case.points[0].kink.any():
        return _kink(case)
    error = max(point.error(block.span) for point in case.points for block in case.blocks)
    told = [f"the largest difference is {error:.1g} of the largest entry of its array"]
    if hidden > UNSEEN:
        told.append(
            f"the loss is rough: of less than {hidden:.1g} of that entry it cannot tell; computed "
            "in float64 it could"
        )
    return Finding("correct", tuple(told))


def _doubt(point: Point, entries: Array, largest: float) -> float:
    """How far g and d may be apart at these entries, as a share of their largest |d|."""
    known = entries[np.isfinite(point.d[entries]) & np.isfinite(point.g[entries])]
    if not len(known):
        return float("inf")
    size = float(np.abs(point.d[known]).max())
    # An array whose slopes are all 0 is as sure as they are small beside the others.
    return float(np.quantile(point.tolerance[known], 0.9)) / max(size, 0.01 * largest, 1e-300)


def _notes(code: Code, start: Array, far: Array) -> tuple[str, ...]:
    notes = [f"your {what} function changes the parameters it is given" for what in code.changed]
    code.value(far)
    alone, after = code.bare_gradient(start).g, code.gradient(start).g
    if not np.array_equal(alone, after, equal_nan=True) and np.isfinite(after).any():
        if np.nanmax(np.abs(alone - after)) > 1e-9 * np.nanmax(np.abs(after)):
            notes.append("gradient reads what the last call of value left: call value before it")
    return tuple(sorted(notes))
