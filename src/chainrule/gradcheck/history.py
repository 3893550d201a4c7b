"""Whether the same parameters give the same numbers: randomness, and leftovers of earlier calls."""

import numpy as np

from ..core.arrays import Array
from .examination import Examination, Finding, six_digits
from .user_code import Returned, UserCode

CALLS = 4


def calls_differ(code: UserCode, start: Array, moved: Array) -> Finding | None:
    """`stale` if a gradient depends on the calls before it, `nondeterministic` if calls differ
    without such an order, None if the parameters alone decide.

    Both functions are called several times at `start`, then at `moved`.
    """
    values = [code.value(start) for _ in range(3)]
    if _differ(np.array(values[:1]), np.array(values[1:]), 1e-9):
        evidence = f"value gave {', '.join(repr(v) for v in values)} for the same parameters"
        fix = "fix the seed of its random numbers, or leave dropout out of the check"
        return Finding("nondeterministic", (evidence, fix))
    before = [_flat(code.gradient(start)) for _ in range(2)]
    calls = [code.gradient(moved) for _ in range(CALLS)]
    after, eps = [_flat(returned) for returned in calls], _rounding(calls)
    if not all(len(g) == len(before[0]) and np.isfinite(g).all() for g in [*after, *before]):
        return None
    if not any(_differ(after[0], g, eps) for g in after[1:]):
        return _first_call(before, eps)
    if _differ(after[0], after[-1], eps) and not _differ(after[-2], after[-1], eps):
        return _stale(before[-1], after, eps)
    return _accumulated(after, eps) or _random(after)


def repeated(exam: Examination) -> Finding | None:
    """`nondeterministic` if three calls at the worst point differ: at the start all may be 0."""
    calls = [exam.code.gradient(exam.worst()[0].theta) for _ in range(3)]
    first, second, third = (_flat(returned) for returned in calls)
    eps = _rounding(calls)
    differ = _differ(first, second, eps) or _differ(second, third, eps)
    return _random([first, second]) if differ else None


def never_changes(exam: Examination) -> Finding | None:
    """`stale` if the gradient is the same at all points and right at the start: it was computed
    before the parameters moved.
    """
    first, *others = exam.points
    same = all(np.array_equal(first.g, point.g) for point in others)
    if not same or not np.any(first.g) or first.wrong.any():
        return None
    evidence = f"the gradient is the same at {len(exam.points)} points, and right at the first only"
    return exam.finding("stale", evidence, where=exam.wrong_blocks())


def _rounding(calls: list[Returned]) -> float:
    """How far, relative to their size, gradients may differ by rounding."""
    return max([1e-9, *(1e3 * returned.eps for returned in calls)])


def _flat(returned: Returned) -> Array:
    others = [x.reshape(-1).astype(float) for x in returned.misshapen.values() if x is not None]
    return np.concatenate([np.where(np.isnan(returned.g), 0.0, returned.g), *others])


def _differ(a: Array, b: Array, relative: float) -> bool:
    size = max(float(np.abs(a).max()), float(np.abs(b).max()))
    return bool(np.abs(a - b).max() > relative * size)


def _first_call(gradients: list[Array], eps: float) -> Finding | None:
    """`stale` if only the very first call differs: it returned what an array held before."""
    first, second = gradients
    if not _differ(first, second, eps):
        return None
    evidence = (
        f"the first call gave {_sample(first)}, the second {_sample(second)} at the same "
        f"parameters: what is returned was computed a call earlier"
    )
    return Finding("stale", (evidence,))


def _stale(before: Array, after: list[Array], eps: float) -> Finding:
    evidence = [
        f"at new parameters the first call gave {_sample(after[0])}, the same call again "
        f"{_sample(after[-1])}: the gradient depends on the call before"
    ]
    if not _differ(after[0], before, eps):
        evidence.append("the first is exactly the gradient of the parameters of the call before")
    return Finding("stale", tuple(evidence))


def _accumulated(gradients: list[Array], eps: float) -> Finding | None:
    """`stale` if each call adds a multiple of the same vector: it is never reset to zero."""
    steps = list(np.diff(gradients, axis=0))
    size = float(np.linalg.norm(steps[0]))
    ratios = [float(step @ steps[0]) / size**2 for step in steps] if size else []
    if not ratios or abs(ratios[2] - ratios[1] ** 2) > 1e-3 * max(1.0, abs(ratios[1])):
        return None
    errors = [np.linalg.norm(s - r * steps[0]) for s, r in zip(steps, ratios, strict=True)]
    if max(errors) > max(1e-6, eps) * size:
        return None
    grows = "the whole gradient is added" if abs(ratios[1] - 1) < 1e-6 else "a part of it stays"
    evidence = (
        f"{CALLS} calls with the same parameters gave {', '.join(map(_sample, gradients))}: "
        f"{grows} at each call, it is not set back to zero"
    )
    return Finding("stale", (evidence,))


def _random(gradients: list[Array]) -> Finding:
    first, second = map(_sample, gradients[:2])
    evidence = f"two calls with the same parameters gave {first} and {second}"
    fix = "the loss does not change: the randomness is in the gradient function"
    return Finding("nondeterministic", (evidence, fix))


def _sample(g: Array) -> str:
    """The first entries of a gradient, from the first that is not 0."""
    start = int(np.argmax(g != 0))
    shown = ", ".join(six_digits(float(x)) for x in g[start : start + 2])
    return f"({'…, ' if start else ''}{shown}{', …' if start + 2 < len(g) else ''})"
