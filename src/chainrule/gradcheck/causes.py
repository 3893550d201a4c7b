"""Causes that the numbers show without further calls: zeros, a factor, a gradient in another's
place, a transposed matrix, a bias that is not summed, a missing weight penalty, a wrong shape.

Each function takes the case and returns its Finding, or None where the numbers speak against it.
"""

import numpy as np

from ..core.arrays import Array
from .case import Case, Finding, agree, names, number
from .code import Block, stretch
from .slopes import Point


def is_zero(case: Case) -> Finding | None:
    """g = 0 at every wrong entry and point, where the derivative is not."""
    wrong = case.wrong
    if any(np.any(np.abs(p.g[wrong]) > 1e-12 * np.nanmax(np.abs(p.d))) for p in case.points):
        return None
    runs = case.runs()
    whole = all(np.all(p.g[run.span] == 0) for p in case.points for run in runs)
    part = "" if whole else f"a part of {int(wrong.sum())} entries of "
    told = f"the gradient of {part}{names(runs)} is exactly 0 at all {len(case.points)} points"
    return case.finding("zero", told)


def is_factor(case: Case) -> Finding | None:
    """g = r · d with one r for each wrong block, the same at every point."""
    runs = case.runs()
    factors: dict[str, float] = {}
    for run in runs:
        inside = np.zeros(case.wrong.size, dtype=bool)
        inside[run.span] = True
        r = _factor(case, inside)
        if r is None and 2 * (inside & case.wrong).sum() >= (inside & case.seen).sum():
            r = _factor(case, inside & case.wrong)
        if r is None:
            return None
        factors[run.name] = r
    values = list(factors.values())
    one = max(values) - min(values) <= 1e-4 * abs(values[0])
    r = values[0]
    told = f"g / d = {number(r)} in {names(runs)} at all {len(case.points)} points"
    if not one:
        each = ", ".join(f"{number(v)} in {name}" for name, v in list(factors.items())[:6])
        told = f"g / d is the same at all {len(case.points)} points: {each}"
    if all(v < 0 for v in values):
        reason = f"beside the sign: {what_makes(case, -r)}" if abs(r + 1) > 1e-4 else ""
        return case.finding("sign", told, factor=r, reason=reason)
    if one and _summed_too_often(case, runs, r):
        reason = f"the bias is summed {number(r)} times: over the inputs or outputs besides rows"
        return case.finding("bias_sum", told, factor=r, reason=reason)
    return case.finding("scale", told, factor=r, reason=what_makes(case, r))


def _factor(case: Case, where: Array) -> float | None:
    """r with g = r · d at all these entries and points, None where there is none."""
    g, d, tolerance, _ = case.known(where)
    clear = np.abs(d) > 20 * tolerance
    if clear.sum() < 2:
        return None
    r = float(np.median(g[clear] / d[clear]))
    off, left = np.abs(g - d), np.abs(g - r * d)
    explained = np.all(left[off > tolerance] <= 0.5 * off[off > tolerance])
    return r if explained and np.all(left <= 3 * max(1.0, abs(r)) * tolerance) else None


def _summed_too_often(case: Case, runs: list[Block], r: float) -> bool:
    """Whether only biases are off, by the number of inputs or outputs of their layer."""
    sizes = {n for block in case.blocks for n in block.shape if n > 1} - {case.rows or 0}
    biases = all(block.is_bias for block in runs) and len(case.blocks) > len(runs)
    weights = {b.size for b in case.right_blocks()}
    return biases and max(weights, default=0) > 1 and any(abs(r - n) < 1e-4 * n for n in sizes)


def what_makes(case: Case, r: float) -> str:
    """What makes a factor: 2, ½, the rows m, the outputs k, their products and inverses."""
    m, k = case.rows, case.outputs()
    known = [
        (2.0, "the 2 of the square's derivative is there once too often"),
        (0.5, "the 2 of the square's derivative is missing, or a ½ is there once too often"),
    ]
    if m:
        rows = f"m = {m} rows"
        known = [
            (float(m), f"1/m is missing ({rows})"), (1 / m, f"1/m is there twice ({rows})"),
            *known,
            (2.0 * m, f"1/m is missing ({rows}), and there is a 2 too many"),
            (m / 2, f"1/m and the 2 of the square's derivative are missing ({rows})"),
            (2 / m, f"an extra 1/m ({rows}) and a 2 too many"),
            (0.5 / m, f"an extra 1/m ({rows}) and the 2 of the square's derivative missing"),
        ]  # fmt: skip
    if k and k > 1:
        outputs = f"k = {k} outputs"
        known += [(float(k), f"1/k is missing: the loss is a mean over the {outputs}"),
                  (1 / k, f"an extra 1/k: the loss is a sum over the {outputs}")]  # fmt: skip
    if m and k and k > 1:
        known += [(float(m * k), f"1/(m k) is missing ({m} rows, {k} outputs)"),
                  (1 / (m * k), f"an extra 1/(m k) ({m} rows, {k} outputs)"),
                  (m / k, f"1/m is missing and an extra 1/k is there ({m} rows, {k} outputs)"),
                  (k / m, f"an extra 1/m and a missing 1/k ({m} rows, {k} outputs)")]  # fmt: skip
    told = list(dict.fromkeys(text for value, text in known if abs(r - value) < 1e-4 * abs(value)))
    if told:
        return "; or ".join(told)
    for value, word in ((r, "1/m is missing"), (1 / (r or 1.0), "1/m is there twice")):
        if m is None and 2.5 < value < 1e9 and abs(value - round(value)) < 1e-4 * value:
            return f"{word}, if there are {round(value)} rows (say so with rows=)"
    return f"a constant factor {number(r)}, such as a learning rate or a weight"


def is_overwritten(case: Case) -> Finding | None:
    """The gradient of one array stands in another's place."""
    for run in case.runs():
        source = _source(case, run)
        if source:
            at = f"at all {len(case.points)} points"
            told = f"the gradient of {run.name} is that of {source.name} {at}"
            return case.finding("overwritten", told, where=(run, source))
    return None


def _source(case: Case, run: Block) -> Block | None:
    """Whose derivative stands in the place of `run`: a block's, or other entries of a vector."""
    if not case.code.layout.flat:
        others = [b for b in case.blocks if b.size == run.size and b.name != run.name]
    else:
        starts = range(case.code.layout.size - run.size + 1)
        others = [stretch(start, start + run.size) for start in starts if start != run.start]
    return next((b for b in others if _stands_for(case, run, b)), None)


def _stands_for(case: Case, run: Block, other: Block) -> bool:
    return all(
        agree(p.g[run.span], p.d[other.span], p.tolerance[run.span] + p.tolerance[other.span])
        or (np.array_equal(p.g[run.span], p.g[other.span]) and bool(np.any(p.g[run.span] != 0)))
        for p in case.beside
    )


def is_transposed(case: Case) -> Finding | None:
    """g is the derivative with rows and columns exchanged."""
    for run in case.runs():
        for place in _matrices(case, run):
            if all(_is_turned(p, place) for p in case.beside):
                rows, columns = place.shape
                told = (
                    f"the gradient of {run.name} is right after its {rows} rows and {columns} "
                    f"columns are exchanged"
                )
                return case.finding("transposed", told, where=(run,))
    return None


def _matrices(case: Case, run: Block) -> list[Block]:
    """The matrix in question; in a vector every matrix that begins just before the first wrong
    entry and ends just behind the last.
    """
    if not case.code.layout.flat:
        wide = len(run.shape) == 2 and min(run.shape) > 1
        return [run] if wide else []
    start, stop = run.start - 1, run.stop + 1
    size = stop - start
    if start < 0 or stop > case.code.layout.size:
        return []
    shapes = [(n, size // n) for n in range(2, size) if size % n == 0]
    return [Block(run.name, shape, start, stop) for shape in shapes]


def _is_turned(point: Point, block: Block) -> bool:
    rows, columns = block.shape
    g, d, allowed = (x[block.span] for x in (point.g, point.d, point.tolerance))
    d, allowed = d.reshape(rows, columns), allowed.reshape(rows, columns)
    turned = g.reshape(columns, rows).T
    mirrored = g.reshape(rows, columns).T if rows == columns else turned
    return agree(turned, d, allowed + np.nanmax(allowed)) or agree(mirrored, d, allowed)


def is_bias_sum(case: Case) -> Finding | None:
    """A bias with the right total at the wrong entries, or the total at every entry."""
    for run in case.runs():
        if not run.is_bias or run.size < 2:
            continue
        known = [p for p in case.points if p.known[run.span].all()]
        told = _bias_told([[x[run.span] for x in (p.g, p.d, p.tolerance)] for p in known])
        if told:
            return case.finding("bias_sum", f"the gradient of {run.name} {told}", where=(run,))
    return None


def _bias_told(parts: list[list[Array]]) -> str | None:
    # A softmax's slopes add up to 0 whatever is done to its rows: such a total tells nothing.
    telling = [part for part in parts if abs(part[1].sum()) > 20 * part[2].sum()]
    if not telling:
        return None
    if all(np.all(np.abs(g - d.sum()) <= 3 * t.sum()) for g, d, t in telling):
        return "holds the sum over all its entries in each of them: it is summed over every axis"
    if all(abs(g.sum() - d.sum()) <= 3 * t.sum() for g, d, t in telling):
        return "has the right total at the wrong entries: it is summed over the wrong axis"
    return None


def is_penalty(case: Case) -> Finding | None:
    """d - g = λ θ: a weight penalty is in the loss and not in the gradient, or with another λ."""
    g, d, tolerance, theta = case.known(case.wrong)
    large = np.abs(theta) > 1e-3
    if large.sum() < 4:
        return None
    weight = float(np.median((d - g)[large] / theta[large]))
    fits = np.all(np.abs(d - g - weight * theta) <= 3 * tolerance + 1e-9)
    if not fits or np.all((np.abs(d - g) <= 20 * tolerance)[large]):
        return None
    return case.finding(
        "unknown",
        f"what is missing is {number(weight)} times the parameter itself in "
        f"{names(case.runs())}: the gradient of a weight penalty",
    )


def wrong_shapes(case: Case, odd: dict[str, Array | None], extra: dict[str, Array]) -> Finding:
    """The cause behind a gradient whose array is missing or has another shape than its parameter.

    Raises ValueError in one sentence where the shape tells no cause.
    """
    blocks = [block for block in case.blocks if block.name in odd]
    for block in blocks:
        got = odd[block.name]
        found = _missing(case, block, extra) if got is None else _shape(case, block, got)
        if found:
            return found
    block, got = blocks[0], odd[blocks[0].name]
    hint = "give it the shape of its parameter"
    if got is not None and got.size == block.size:
        hint = "the numbers fit: use keepdims=True or reshape" if block.is_bias else hint
    came = "missing" if got is None else f"of shape {got.shape}"
    raise ValueError(
        f"the gradient of {block.name} is {came}, but {block.name} is {block.shape}: {hint}"
    )


def _missing(case: Case, block: Block, extra: dict[str, Array]) -> Finding:
    d = case.generic.d[block.span]
    allowed = np.full(block.size, 1e-5 * np.nanmax(np.abs(d)))
    came, stored = ", ".join(list(extra)[:8]), "stored under another name, or nowhere"
    for key, got in extra.items():
        if got.size == block.size and agree(got.reshape(-1), d, allowed):
            stored = f"misplaced, and its numbers stand under {key}"
            break
    told = f"the gradient has no entry for {block.name}, only {came}: it was {stored}"
    return Finding("overwritten", (told,), (block.name,))


def _shape(case: Case, block: Block, got: Array) -> Finding | None:
    point, d = case.generic, case.generic.d[block.span]
    allowed = np.nan_to_num(point.bar[block.span], nan=0.0) * 2 + 1e-5 * np.nanmax(np.abs(d))
    shapes = f"it has the shape {got.shape}, but {block.name} is {block.shape}"
    where = (block.name,)
    turned = got.ndim == 2 and got.T.shape == block.shape
    if turned and agree(got.T.reshape(-1), d, allowed):
        told = f"the transpose of the gradient of {block.name} is right: {shapes}"
        return Finding("transposed", (told,), where)
    for other in case.blocks:
        if other.name != block.name and got.size == other.size:
            held = point.tolerance[other.span]
            if agree(got.reshape(-1), point.d[other.span], np.nan_to_num(held) + 1e-9):
                told = f"the gradient of {block.name} is that of {other.name}: {shapes}"
                return Finding("overwritten", (told,), (block.name, other.name))
    summed = _unsummed(got, d, allowed, block.size) if block.is_bias else None
    if summed:
        return Finding("bias_sum", (f"the gradient of {block.name} {summed}: {shapes}",), where)
    return None


def _unsummed(got: Array, d: Array, allowed: Array, size: int) -> str | None:
    """What a sum makes of a bias gradient of another shape, if that makes it right."""
    lengths = {1.0, *map(float, got.shape), 1.0 * got.size, got.size / size}
    factors = lengths | {1 / length for length in lengths if length}
    for axis in range(got.ndim):
        total = got.sum(axis=axis).reshape(-1)
        if got.shape[axis] > 1 and total.size == size:
            if any(agree(f * total, d, allowed * max(1.0, f)) for f in factors):
                return f"is right when it is summed over its axis {axis}"
    whole, right = np.atleast_1d(got.sum()), np.atleast_1d(d.sum())
    loose = np.atleast_1d(allowed.sum())
    if got.size != size and any(agree(f * whole, right, loose * max(1.0, f)) for f in factors):
        return "has the right total over the wrong axis"
    return None
