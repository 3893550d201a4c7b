"""check_gradients: is a user's gradient the derivative of their loss, and if not, why?

The user's code is a black box of two functions. Their gradient is compared with central differences
at three points. The pattern of a difference explains it (causes), or experiments at other
parameters (layers, rows) and repeated calls (history) do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.checks import require_count
from . import causes
from .examination import Examination, Finding, first, names
from .history import calls_differ, never_changes, repeated
from .layers import (
    is_derivative,
    is_derivative_at_zero,
    is_derivative_by_order,
    is_symmetric_cure,
)
from .report import GradientReport, report
from .rows import is_few_rows, is_other_loss, is_row_by_row
from .slopes import Point, SlopeMeasurer
from .time_limit import within
from .user_code import Layout, UserCode

LONGEST = 86_400
MOST_EVALUATIONS = 60_000
CALLS_PER_ENTRY = 12
FEW = 300  # with up to this many entries, every entry should have a slope at some point
WEAKEST = 0.03  # the doubt about a block's slopes, as a share of the largest, may be this much
UNSEEN = 1e-4  # the report mentions differences above this share that a rough loss hides
MORE_POINTS = ((0.5, 1), (1.0, 0.1), (2.0, 1), (0.7, 0.01), (1.5, 1), (1.0, 0.001))
# Exact and simple explanations come before inferred ones.
EXPLANATIONS: tuple[Callable[[Examination], Finding | None], ...] = (
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
    also under dW1, d_W1, grad_W1 or W1_grad for W1. A tuple in the order of a dict works too.
    Each call gets fresh float64 copies; value is called right before gradient, as in training.

    `rows`: how many rows the loss is over; it lets the report say that 1/m is missing. If both
    functions take `rows=`, an array of row numbers, the report names the rows that are off. The
    check moves the parameters at random too, by `seed`. If there are many, a sample is compared one
    by one and the rest along random directions; `checked` says so. It takes at most `time_limit`
    seconds.

    Raises ValueError in one sentence if a function raises, returns something that is not a loss or
    not a gradient (wrong type, shape, nan), or parameters are not finite numbers; TimeoutError if a
    function does not return in time.
    """
    functions = {"value": value, "gradient": gradient}
    for name, function in functions.items():
        if not callable(function):
            raise ValueError(f"{name} is {function!r}: give a function of the parameters")
    if rows is not None:
        require_count("check_gradients", "rows", rows)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give a whole number of at least 0")
    if not isinstance(time_limit, int | float) or not 0 < time_limit <= LONGEST:
        raise ValueError(f"time_limit is {time_limit!r}: give seconds above 0, at most {LONGEST}")
    code = UserCode(functions, Layout(parameters))

    comparing = 0.3 * time_limit  # the experiments need the rest
    return within(
        time_limit, lambda: _check(code, rows, seed, comparing), lambda: _late(code, time_limit)
    )


def _late(code: UserCode, time_limit: float) -> str:
    """The message when the time is over: the code is slow, or one call never ends."""
    limit = f"within time_limit = {time_limit:g} s"
    if code.calls > 10:
        return (
            f"the check does not end {limit}, its {code.calls} calls took "
            f"{code.total / code.calls:.2g} s each: check fewer rows, or allow more time"
        )
    what = f"your {code.calling or 'value'} function"
    return f"{what} did not come back {limit}: look for a loop that never ends"


def _check(code: UserCode, rows: int | None, seed: int, seconds: float) -> GradientReport:
    """The whole check: the same call twice, both gradients at three points and more, the cause."""
    rng = np.random.default_rng(seed)
    measurer = SlopeMeasurer(code, rng)
    start = code.layout.theta
    code.value(start)
    returned = code.gradient(start)
    code.strict = False
    near, far = (_moved(measurer, share) for share in (0.3, 1.0))
    if finding := calls_differ(code, start, near):
        return GradientReport(finding.cause, finding.evidence, notes=_notes(code, start, far))
    measurer.measure_gradient_noise(near)
    measurer.measure_loss_size(start, near, far)
    exam = Examination(code, measurer, rows, _entries(code, returned.g, rng, seconds))
    notes = _notes(code, start, far)
    if returned.misshapen:
        exam.points = [exam.new_point(far)]
        again = code.gradient(far)
        shapes = again.misshapen or returned.misshapen
        return report(exam, causes.wrong_shapes(exam, shapes, again.arrays), notes)
    exam.points = [exam.new_point(theta) for theta in (start, near, far)]
    _add_points(exam)
    agrees = len(exam.entries) == code.layout.size or _check_the_rest(exam)
    right = agrees and not exam.wrong.any()
    return report(exam, _verdict(exam) if right else _explained(exam), notes)


def _moved(measurer: SlopeMeasurer, share: float) -> Array:
    """The parameters moved at random by a share of their size, so that no zero and no equality of
    the start hides an error; less far if the loss leaves its range there.
    """
    code, theta = measurer.code, measurer.code.layout.theta
    sizes = measurer.sizes(theta) if share < 1 else np.maximum(measurer.sizes(theta), 0.5)
    direction = measurer.rng.normal(size=theta.size) * sizes
    highest = 3 * max(1.0, abs(code.value(theta)))
    for _ in range(12):
        moved = np.asarray(theta + share * direction)
        if _is_usable(code, moved, highest):
            return moved
        share /= 3
    return theta.copy()


def _is_usable(code: UserCode, theta: Array, highest: float = np.inf) -> bool:
    """Whether the loss is finite and not above `highest`, and the gradient finite; arrays of a
    wrong shape are examined later.
    """
    if not abs(code.value(theta)) <= highest:
        return False
    gradient = code.gradient(theta)
    fitting = [block for block in code.layout.blocks if block.name not in gradient.misshapen]
    return all(np.isfinite(gradient.g[block.span]).all() for block in fitting)


def _add_points(exam: Examination) -> None:
    """Add points while some array has a slope at none of them, because units that are dead
    everywhere hide errors; at most one for each of MORE_POINTS.
    """
    for share, shrink in MORE_POINTS:
        some_flat = len(exam.entries) <= FEW and not exam.sloping[exam.entries].all()
        if any(point.wrong.any() for point in exam.moved_points):
            return
        if not (exam.flat_blocks() or (some_flat and len(exam.points) < 6)):
            return
        # Saturated units have slopes near zero.
        theta = shrink * _moved(exam.measurer, share)
        if _is_usable(exam.code, theta):
            exam.points.insert(1, exam.new_point(theta))


def _entries(code: UserCode, g: Array, rng: np.random.Generator, seconds: float) -> Array:
    """The entries to compare one by one: all, or as many as time allows, including the largest."""
    affordable = min(MOST_EVALUATIONS, seconds / max(code.seconds, 1e-6))
    limit = max(8, int(affordable / CALLS_PER_ENTRY / 3))
    if g.size <= limit:
        return np.arange(g.size)
    each, chosen = max(4, limit // len(code.layout.blocks)), []
    for block in code.layout.blocks:
        places = np.arange(block.size)
        if block.size > each:
            order = np.argsort(-np.abs(np.nan_to_num(g[block.span])), kind="stable")
            drawn = rng.choice(block.size, each - each // 2)
            places = np.union1d(order[: each // 2], drawn)
        chosen.append(block.start + places)
    return np.concatenate(chosen)


def _check_the_rest(exam: Examination) -> bool:
    """Check the other entries along random directions, block by block; halve a wrong block until
    one wrong entry is left, and compare it. Returns whether every direction agreed.
    """
    for block in exam.blocks:
        places = np.arange(block.start, block.stop)
        if all(_agrees_along(exam, places) for _ in range(2)):
            continue
        while len(places) > 1:
            half = places[: len(places) // 2]
            places = places[len(places) // 2 :] if _agrees_along(exam, half) else half
        exam.entries = np.union1d(exam.entries, places)
        exam.points = [exam.new_point(point.theta) for point in exam.points]
        return False
    return True


def _agrees_along(exam: Examination, places: Array) -> bool:
    """Whether g and a difference agree along a random direction in the entries at `places`."""
    theta, g = exam.generic.theta, exam.generic.g
    direction = np.zeros(theta.size)
    signs = exam.measurer.rng.choice([-1.0, 1.0], len(places))
    direction[places] = signs * exam.measurer.sizes(theta)[places]
    key = f"along {len(places)}"
    slope = exam.measurer.slope_along(theta, direction, key, exam.generic.noise)
    allowed = 2 * slope.bar + 1e-5 * float(np.linalg.norm(g * direction))
    return bool(abs(float(g @ direction) - slope.value) <= allowed or np.isnan(slope.value))


def _explained(exam: Examination) -> Finding:
    """Why the gradient is wrong: the first explanation that holds, else `unknown`."""
    if not exam.wrong.any():
        sentence = "along random directions the gradient and central differences differ"
        return Finding("unknown", (sentence, "no single entry of those drawn is wrong"))
    if not any(point.wrong.any() for point in exam.moved_points) and _at_kink(exam):
        return _kink(exam)
    if finding := first(explanation(exam) for explanation in EXPLANATIONS):
        return finding
    wrong, right = exam.wrong_blocks(), exam.right_blocks()
    count = f"{int(exam.wrong.sum())} of {len(exam.entries)} entries are wrong, in {names(wrong)}"
    others = f"; {names(right)} {'is' if len(right) == 1 else 'are'} right" if right else ""
    return exam.finding("unknown", count + others, where=wrong)


def _at_kink(exam: Examination) -> bool:
    """Whether the start lies on a kink, along some entry or direction."""
    start, steps = exam.points[0], np.array([1e-4, 1e-6])
    least = 40 * start.noise / steps[-1]
    return bool(start.kink.any()) or any(
        exam.measurer.kink_along(start, exam.measurer.step(start.theta), steps, least)
        for _ in range(4)
    )


def _kink(exam: Examination) -> Finding:
    """`kink`, with the first entry whose slopes differ."""
    places = np.flatnonzero(exam.points[0].kink | exam.points[0].wrong)
    index = int(places[0])
    sentence = (
        f"the loss has a kink at the given parameters ({len(places)} entries, "
        f"{exam.code.layout.block(index).entry(index)} the first): its slopes on both sides differ"
    )
    return Finding("kink", (sentence, "beside it, at two other points, the gradient is right"))


def _verdict(exam: Examination) -> Finding:
    """`correct`, or `kink` if the start lies on one. Raises ValueError if the loss is too rough for
    its slopes to be measured.
    """
    largest = max(float(np.nanmax(np.abs(p.d), initial=0.0)) for p in exam.points)
    hidden = 0.0
    for block in exam.blocks:
        doubts = [_doubt(point, exam.compared(block), largest) for point in exam.points]
        if not min(doubts) <= WEAKEST:
            raise ValueError(
                f"the loss is too rough to measure its slopes by {block.name} (a noise of "
                f"{exam.generic.noise:.1g} in {exam.code.value(exam.generic.theta):.3g}): "
                f"compute it in float64 and do not round it"
            )
        hidden = max(hidden, min(doubts))
    if exam.points[0].kink.any():
        return _kink(exam)
    error = max(point.error(block.span) for point in exam.points for block in exam.blocks)
    evidence = [f"the largest difference is {error:.1g} of the largest entry of its array"]
    if hidden > UNSEEN:
        evidence.append(
            f"the loss is rough: of less than {hidden:.1g} of that entry it cannot tell; computed "
            "in float64 it could"
        )
    return Finding("correct", tuple(evidence))


def _doubt(point: Point, entries: Array, largest: float) -> float:
    """How far g and d may be apart at these entries, as a share of their largest |d|."""
    finite = entries[np.isfinite(point.d[entries]) & np.isfinite(point.g[entries])]
    if not len(finite):
        return float("inf")
    size = float(np.abs(point.d[finite]).max())
    # An array whose slopes are all 0 is the more certain, the smaller they are beside the others.
    return float(np.quantile(point.tolerance[finite], 0.9)) / max(size, 0.01 * largest, 1e-300)


def _notes(code: UserCode, start: Array, far: Array) -> tuple[str, ...]:
    notes = [f"your {what} function changes the parameters it is given" for what in code.changed]
    code.value(far)
    bare, usual = code.bare_gradient(start).g, code.gradient(start).g
    if not np.array_equal(bare, usual, equal_nan=True) and np.isfinite(usual).any():
        if np.nanmax(np.abs(bare - usual)) > 1e-9 * np.nanmax(np.abs(usual)):
            notes.append("gradient reads what the last call of value left: call value before it")
    return tuple(sorted(notes))
