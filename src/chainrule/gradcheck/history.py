"""Whether the same parameters give the same numbers: noise, and what earlier calls leave behind."""

import numpy as np

from ..core.arrays import Array
from .examination import Examination, Finding, number
from .user_code import Returned, UserCode

CALLS = 4


def calls_differ(code: UserCode, start: Array, moved: Array) -> Finding | None:
    """`stale` where a gradient depends on the calls before it, `nondeterministic` where two calls
    differ without such an order, None where the parameters alone decide.

    Both functions are called several times at `start`, then at `moved`.
    """
    values = [code.value(start) for _ in range(3)]
    if _differ(np.array(values[:1]), np.array(values[1:]), 1e-9):
        told = f"value gave {', '.join(repr(v) for v in values)} for the same parameters"
        fix = "fix the seed of its random numbers, or leave dropout out of the check"
        return Finding("nondeterministic", (told, fix))
    before = [_flat(code.gradient(start)) for _ in range(2)]
    after = [code.gradient(moved) for _ in range(CALLS)]
    flat = [_flat(returned) for returned in after]
    if not all(len(f) == len(before[0]) and np.isfinite(f).all() for f in [*flat, *before]):
        return None
    eps = _rounding(after)
    if not any(_differ(flat[0], f, eps) for f in flat[1:]):
        return _first_call(before, eps)
    if _differ(flat[0], flat[-1], eps) and not _differ(flat[-2], flat[-1], eps):
        return _stale(before[-1], flat, eps)
    return _accumulated(flat, eps) or _random(flat)


def repeated(exam: Examination) -> Finding | None:
    """`nondeterministic` where three calls at the worst point differ: at the first all may be 0."""
    calls = [exam.code.gradient(exam.worst()[0].theta) for _ in range(3)]
    flat, eps = [_flat(returned) for returned in calls], _rounding(calls)
    same = not _differ(flat[0], flat[1], eps) and not _differ(flat[1], flat[2], eps)
    return None if same else _random(flat)


def never_changes(exam: Examination) -> Finding | None:
    """`stale` where the gradient is the same at all points and right at the first: of a time before
    they moved.
    """
    first = exam.points[0].g
    same = all(np.array_equal(first, point.g) for point in exam.points[1:])
    if not same or not np.any(first) or exam.points[0].wrong.any():
        return None
    told = f"the gradient is the same at {len(exam.points)} points, and right at the first only"
    return exam.finding("stale", told, where=exam.wrong_blocks())


def _rounding(calls: list[Returned]) -> float:
    """How far, relative to their size, gradients may differ by rounding."""
    return max([1e-9, *(1e3 * returned.eps for returned in calls)])


def _flat(returned: Returned) -> Array:
    misshapen = [x.reshape(-1).astype(float) for x in returned.misshapen.values() if x is not None]
    return np.concatenate([np.where(np.isnan(returned.g), 0.0, returned.g), *misshapen])


def _differ(a: Array, b: Array, relative: float) -> bool:
    size = max(float(np.abs(a).max()), float(np.abs(b).max()))
    return bool(np.abs(a - b).max() > relative * size)


def _first_call(before: list[Array], eps: float) -> Finding | None:
    """Only the very first call differs: it gave what was there before any gradient."""
    if not _differ(before[0], before[1], eps):
        return None
    told = f"the first call gave {_sample(before[0])}, the second {_sample(before[1])} at the same "
    return Finding("stale", (f"{told}parameters: what is returned was computed a call earlier",))


def _stale(last: Array, flat: list[Array], eps: float) -> Finding:
    told = (
        f"at new parameters the first call gave {_sample(flat[0])}, the same call again "
        f"{_sample(flat[-1])}: the gradient depends on the call before"
    )
    same = not _differ(flat[0], last, eps)
    more = ("the first is exactly the gradient of the parameters of the call before",) * same
    return Finding("stale", (told, *more))


def _accumulated(flat: list[Array], eps: float) -> Finding | None:
    """Each call adds a multiple of the same vector: the gradient is never set back to zero."""
    steps = [later - earlier for earlier, later in zip(flat, flat[1:], strict=False)]
    size = np.linalg.norm(steps[0])
    ratios = [float(s @ steps[0]) / float(size**2) for s in steps] if size else []
    if not ratios or abs(ratios[2] - ratios[1] ** 2) > 1e-3 * max(1.0, abs(ratios[1])):
        return None
    errors = [np.linalg.norm(s - r * steps[0]) for s, r in zip(steps, ratios, strict=True)]
    if max(errors) > max(1e-6, eps) * float(size):
        return None
    grows = "the whole gradient is added" if abs(ratios[1] - 1) < 1e-6 else "a part of it stays"
    told = (
        f"{CALLS} calls with the same parameters gave {', '.join(_sample(f) for f in flat)}: "
        f"{grows} at each call, it is not set back to zero"
    )
    return Finding("stale", (told,))


def _random(flat: list[Array]) -> Finding:
    told = f"two calls with the same parameters gave {_sample(flat[0])} and {_sample(flat[1])}"
    fix = "the loss does not change: the randomness is in the gradient function"
    return Finding("nondeterministic", (told, fix))


def _sample(g: Array) -> str:
    """The first entries of a gradient, from the first that is not 0."""
    start = int(np.argmax(g != 0))
    shown = ", ".join(number(float(x)) for x in g[start : start + 2])
    return f"({'…, ' if start else ''}{shown}{', …' if start + 2 < len(g) else ''})"
