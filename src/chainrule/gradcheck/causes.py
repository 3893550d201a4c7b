"""Causes that the numbers show without further calls: zeros, a factor, a gradient in another's
place, a transposed matrix, a bias that is not summed, a missing weight penalty, a wrong shape.

Each function takes the examination and returns its Finding, or None if the numbers contradict it.
"""

import numpy as np

from ..core.arrays import Array
from .examination import Examination, Finding, agree, first, names, six_digits
from .slopes import Point
from .user_code import Block, stretch


def is_zero(exam: Examination) -> Finding | None:
    """g = 0 at every wrong entry and point, where the derivative is not."""
    wrong, parts = exam.wrong, exam.wrong_parts()
    if any(np.any(np.abs(p.g[wrong]) > 1e-12 * np.nanmax(np.abs(p.d))) for p in exam.points):
        return None
    whole = all(np.all(p.g[part.span] == 0) for p in exam.points for part in parts)
    which = names(parts) if whole else f"a part of {int(wrong.sum())} entries of {names(parts)}"
    evidence = f"the gradient of {which} is exactly 0 at all {len(exam.points)} points"
    return exam.finding("zero", evidence)


def is_factor(exam: Examination) -> Finding | None:
    """g = r · d with one r for each wrong block, the same at every point."""
    parts, factors = exam.wrong_parts(), list[float]()
    for part in parts:
        inside = np.zeros(exam.wrong.size, dtype=bool)
        inside[part.span] = True
        r = _factor(exam, inside)
        if r is None and 2 * (inside & exam.wrong).sum() >= (inside & exam.sloping).sum():
            r = _factor(exam, inside & exam.wrong)
        if r is None:
            return None
        factors.append(r)
    r, points = factors[0], f"at all {len(exam.points)} points"
    same = max(factors) - min(factors) <= 1e-4 * abs(r)
    evidence = f"g / d = {six_digits(r)} in {names(parts)} {points}"
    if not same:
        pairs = list(zip(factors, parts, strict=True))[:6]
        each = ", ".join(f"{six_digits(factor)} in {part.name}" for factor, part in pairs)
        evidence = f"g / d is the same {points}: {each}"
    if all(factor < 0 for factor in factors):
        reason = f"beside the sign: {reason_for_factor(exam, -r)}" if abs(r + 1) > 1e-4 else ""
        return exam.finding("sign", evidence, factor=r, reason=reason)
    if same and _summed_too_often(exam, parts, r):
        reason = (
            f"the bias is summed {six_digits(r)} times: over the inputs or outputs besides rows"
        )
        return exam.finding("bias_sum", evidence, factor=r, reason=reason)
    return exam.finding("scale", evidence, factor=r, reason=reason_for_factor(exam, r))


def _factor(exam: Examination, where: Array) -> float | None:
    """r with g = r · d at all these entries and points, or None."""
    g, d, tolerance, _ = exam.measured(where)
    clear = np.abs(d) > 20 * tolerance
    if clear.sum() < 2:
        return None
    r = float(np.median(g[clear] / d[clear]))
    before, after = np.abs(g - d), np.abs(g - r * d)
    explained = np.all((after <= 0.5 * before)[before > tolerance])
    return r if explained and np.all(after <= 3 * max(1.0, abs(r)) * tolerance) else None


def _summed_too_often(exam: Examination, parts: list[Block], r: float) -> bool:
    """Whether only biases are off, by the number of inputs or outputs of their layer."""
    sizes = {n for block in exam.blocks for n in block.shape if n > 1} - {exam.rows or 0}
    biases = all(part.is_bias for part in parts) and len(exam.blocks) > len(parts)
    has_weights = any(block.size > 1 for block in exam.right_blocks())
    return biases and has_weights and any(abs(r - n) < 1e-4 * n for n in sizes)


def reason_for_factor(exam: Examination, r: float) -> str:
    """What makes a factor: 2, ½, the rows m, the outputs k, their products and inverses."""
    m, last = exam.rows or 0, exam.blocks[-1]
    k = last.size if last.is_bias and len(exam.blocks) > 1 else 0  # a guess
    rows, outputs, both = f"m = {m} rows", f"k = {k} outputs", f"{m} rows, {k} outputs"
    reasons = [
        (m, 1, f"1/m is missing ({rows})"),
        (1, m, f"1/m is there twice ({rows})"),
        (2, 1, "the 2 of the square's derivative is there once too often"),
        (1, 2, "the 2 of the square's derivative is missing, or a ½ is there once too often"),
        (2 * m, 1, f"1/m is missing ({rows}), and there is a 2 too many"),
        (m, 2, f"1/m and the 2 of the square's derivative are missing ({rows})"),
        (2, m, f"an extra 1/m ({rows}) and a 2 too many"),
        (1, 2 * m, f"an extra 1/m ({rows}) and the 2 of the square's derivative missing"),
    ]
    if k > 1:
        reasons += [
            (k, 1, f"1/k is missing: the loss is a mean over the {outputs}"),
            (1, k, f"an extra 1/k: the loss is a sum over the {outputs}"),
            (m * k, 1, f"1/(m k) is missing ({both})"),
            (1, m * k, f"an extra 1/(m k) ({both})"),
            (m, k, f"1/m is missing and an extra 1/k is there ({both})"),
            (k, m, f"an extra 1/m and a missing 1/k ({both})"),
        ]
    factors = [
        (a / b, text) for a, b, text in reasons if a and b
    ]  # m = 0: the number of rows is unknown
    fitting = dict.fromkeys(text for factor, text in factors if abs(r - factor) < 1e-4 * factor)
    if fitting:
        return "; or ".join(fitting)
    for factor, text in ((r, "1/m is missing"), (1 / (r or 1.0), "1/m is there twice")):
        if not m and 2.5 < factor < 1e9 and abs(factor - round(factor)) < 1e-4 * factor:
            return f"{text}, if there are {round(factor)} rows (say so with rows=)"
    return f"a constant factor {six_digits(r)}, such as a learning rate or a weight"


def is_overwritten(exam: Examination) -> Finding | None:
    """The gradient of one array is in the place of another's."""
    for part in exam.wrong_parts():
        if source := _source(exam, part):
            points = f"at all {len(exam.points)} points"
            evidence = f"the gradient of {part.name} is that of {source.name} {points}"
            return exam.finding("overwritten", evidence, where=(part, source))
    return None


def _source(exam: Examination, part: Block) -> Block | None:
    """The block, or the entries of a vector, whose derivative is in the place of a part's."""
    if exam.code.layout.flat:
        starts = range(exam.code.layout.size - part.size + 1)
        others = [stretch(start, start + part.size) for start in starts if start != part.start]
    else:
        others = [b for b in exam.blocks if b.size == part.size and b.name != part.name]
    return next((other for other in others if _stands_for(exam, part, other)), None)


def _stands_for(exam: Examination, part: Block, other: Block) -> bool:
    own, source = part.span, other.span
    return all(
        agree(p.g[own], p.d[source], p.tolerance[own] + p.tolerance[source])
        or (np.array_equal(p.g[own], p.g[source]) and bool(np.any(p.g[own] != 0)))
        for p in exam.moved_points
    )


def is_transposed(exam: Examination) -> Finding | None:
    """g is the derivative with rows and columns exchanged."""
    for part in exam.wrong_parts():
        for matrix in _matrices(exam, part):
            if all(_is_turned(point, matrix) for point in exam.moved_points):
                rows, columns = matrix.shape
                evidence = (
                    f"the gradient of {part.name} is right after its {rows} rows and {columns} "
                    f"columns are exchanged"
                )
                return exam.finding("transposed", evidence, where=(part,))
    return None


def _matrices(exam: Examination, part: Block) -> list[Block]:
    """The matrix to examine; in a vector, every matrix that starts one entry before the first wrong
    entry and ends one after the last.
    """
    if not exam.code.layout.flat:
        return [part] if len(part.shape) == 2 and min(part.shape) > 1 else []
    start, stop = part.start - 1, part.stop + 1
    if start < 0 or stop > exam.code.layout.size:
        return []
    size = stop - start
    shapes = [(n, size // n) for n in range(2, size) if size % n == 0]
    return [Block(part.name, shape, start, stop) for shape in shapes]


def _is_turned(point: Point, matrix: Block) -> bool:
    rows, columns = matrix.shape
    g = point.g[matrix.span]
    d, allowed = (x[matrix.span].reshape(rows, columns) for x in (point.d, point.tolerance))
    turned = g.reshape(columns, rows).T
    mirrored = g.reshape(rows, columns).T if rows == columns else turned
    return agree(turned, d, allowed + np.nanmax(allowed)) or agree(mirrored, d, allowed)


def is_bias_sum(exam: Examination) -> Finding | None:
    """A bias with the right total at the wrong entries, or the total at every entry."""
    for part in exam.wrong_parts():
        if not part.is_bias or part.size < 2:
            continue
        whole = [p for p in exam.points if p.comparable[part.span].all()]
        measured = [[x[part.span] for x in (p.g, p.d, p.tolerance)] for p in whole]
        if mistake := _sum_mistake(measured):
            evidence = f"the gradient of {part.name} {mistake}"
            return exam.finding("bias_sum", evidence, where=(part,))
    return None


def _sum_mistake(measured: list[list[Array]]) -> str | None:
    # The slopes of a softmax always add up to 0: such a total reveals nothing.
    telling = [(g, d, t) for g, d, t in measured if abs(d.sum()) > 20 * t.sum()]
    if not telling:
        return None
    if all(np.all(np.abs(g - d.sum()) <= 3 * t.sum()) for g, d, t in telling):
        return "holds the sum over all its entries in each of them: it is summed over every axis"
    if all(abs(g.sum() - d.sum()) <= 3 * t.sum() for g, d, t in telling):
        return "has the right total at the wrong entries: it is summed over the wrong axis"
    return None


def is_penalty(exam: Examination) -> Finding | None:
    """d - g = λ θ: a weight penalty is in the loss and not in the gradient, or with another λ."""
    g, d, tolerance, theta = exam.measured(exam.wrong)
    large, missing = np.abs(theta) > 1e-3, d - g
    if large.sum() < 4:
        return None
    weight = float(np.median(missing[large] / theta[large]))
    fits = np.all(np.abs(missing - weight * theta) <= 3 * tolerance + 1e-9)
    if not fits or np.all((np.abs(missing) <= 20 * tolerance)[large]):
        return None
    return exam.finding(
        "unknown",
        f"what is missing is {six_digits(weight)} times the parameter itself in "
        f"{names(exam.wrong_parts())}: the gradient of a weight penalty",
    )


def wrong_shapes(
    exam: Examination, misshapen: dict[str, Array | None], arrays: dict[str, Array]
) -> Finding:
    """The cause if an array of the gradient is missing or has another shape than its parameter.

    Raises ValueError in one sentence if the shape reveals no cause.
    """
    returned = [(block, misshapen[block.name]) for block in exam.blocks if block.name in misshapen]
    if finding := first(
        _missing(exam, block, arrays) if g is None else _shape(exam, block, g)
        for block, g in returned
    ):
        return finding
    block, g = returned[0]
    hint = "give it the shape of its parameter"
    if g is not None and g.size == block.size and block.is_bias:
        hint = "the numbers fit: use keepdims=True or reshape"
    shape = "missing" if g is None else f"of shape {g.shape}"
    raise ValueError(
        f"the gradient of {block.name} is {shape}, but {block.name} is {block.shape}: {hint}"
    )


def _missing(exam: Examination, block: Block, arrays: dict[str, Array]) -> Finding:
    d = exam.generic.d[block.span]
    allowed = np.full(block.size, 1e-5 * np.nanmax(np.abs(d)))
    place = "stored under another name, or nowhere"
    for key, g in arrays.items():
        if g.size == block.size and agree(g.reshape(-1), d, allowed):
            place = f"misplaced, and its numbers stand under {key}"
            break
    others = ", ".join(list(arrays)[:8])
    evidence = f"the gradient has no entry for {block.name}, only {others}: it was {place}"
    return Finding("overwritten", (evidence,), (block.name,))


def _shape(exam: Examination, block: Block, g: Array) -> Finding | None:
    point, d, name = exam.generic, exam.generic.d[block.span], block.name
    allowed = np.nan_to_num(point.bar[block.span], nan=0.0) * 2 + 1e-5 * np.nanmax(np.abs(d))
    shapes = f"it has the shape {g.shape}, but {name} is {block.shape}"
    if g.ndim == 2 and g.T.shape == block.shape and agree(g.T.reshape(-1), d, allowed):
        evidence = f"the transpose of the gradient of {name} is right: {shapes}"
        return Finding("transposed", (evidence,), (name,))
    for other in exam.blocks:
        if other.name != name and g.size == other.size:
            tolerance = np.nan_to_num(point.tolerance[other.span]) + 1e-9
            if agree(g.reshape(-1), point.d[other.span], tolerance):
                evidence = f"the gradient of {name} is that of {other.name}: {shapes}"
                return Finding("overwritten", (evidence,), (name, other.name))
    if block.is_bias and (mistake := _unsummed(g, d, allowed)):
        return Finding("bias_sum", (f"the gradient of {name} {mistake}: {shapes}",), (name,))
    return None


def _unsummed(g: Array, d: Array, allowed: Array) -> str | None:
    """Which sum makes a bias gradient of another shape right, in words; None if none does."""
    lengths = {1.0, *map(float, g.shape), 1.0 * g.size, g.size / d.size}
    factors = lengths | {1 / length for length in lengths if length}

    def fits(total: Array, right: Array, tolerance: Array) -> bool:
        return any(agree(f * total, right, tolerance * max(1.0, f)) for f in factors)

    for axis in range(g.ndim):
        total = g.sum(axis=axis).reshape(-1)
        if g.shape[axis] > 1 and total.size == d.size and fits(total, d, allowed):
            return f"is right when it is summed over its axis {axis}"
    if g.size != d.size and fits(*(np.atleast_1d(x.sum()) for x in (g, d, allowed))):
        return "has the right total over the wrong axis"
    return None
