"""Pictures of a classifier on held-out rows: confusion matrix, calibration, ROC curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..core import metrics as measure
from ..core.arrays import Array
from ..writing.words import clean, count, number, percent, plural, score, shorten
from . import style

BINS = 10
FEW_ROWS = 10
"""A share among fewer rows says so little that its point is hollow and no line goes there."""
NUMBERED = 40
"""A matrix of more classes shows shades only: the numbers would be too small to read."""


def confusion(matrix: ArrayLike, classes: Sequence[object]) -> Figure:
    """C[a, b], rows of true class a predicted as b   matrix (k, k), classes k names.

    A cell is as dark as its share of its row, so that rare classes show as well as common ones.
    """
    C = np.asarray(matrix, dtype=np.float64)
    k = len(classes)
    if C.shape != (k, k) or k == 0:
        raise ValueError(f"matrix has shape {C.shape}, but there are {k} classes: it must be k × k")
    if not np.isfinite(C).all() or C.min() < 0:
        raise ValueError(
            "matrix holds a negative or non-finite count: give rows of true × predicted"
        )
    side = float(np.clip(2.2 + 0.27 * k, 3.6, 11.0))
    figure, axes = style.one_panel("predicted class", "true class", max(6.0, side + 1.2), side)
    totals = C.sum(axis=1, keepdims=True)
    share = C / np.where(totals > 0, totals, 1)
    colours = np.empty((k, k, 4))
    colours[..., :3], colours[..., 3] = to_rgb(style.FIXED_BLUE), 0.03 + 0.97 * share
    edges = np.arange(k + 1) - 0.5
    axes.pcolormesh(edges, edges, colours, edgecolors=style.PAGE, linewidth=1.5 if k < 30 else 0.3)
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal")
    _class_ticks(axes, [shorten(c, 22 if k < 12 else 14) for c in classes])
    if k <= NUMBERED:
        _cell_numbers(axes, C, share, 72 * (side - 1.2) / k)
    return style.finish(figure, _confusion_title(C, classes), _confusion_description(C, classes))


def _class_ticks(axes: Axes, names: Sequence[str]) -> None:
    k = len(names)
    places = list(range(0, k, 1 + k // (NUMBERED + 1)))
    size = 8.5 if k <= 12 else 7.0
    long = max(map(len, names)) * k > 42
    steep = 90.0 if k > 12 else 35.0
    shown = [names[i] for i in places]
    slanted = long and k <= 12
    axes.set_xticks(places, shown, rotation=steep if long else 0.0)
    for tick in axes.get_xticklabels():
        tick.set(ha="right" if slanted else "center", rotation_mode="anchor" if slanted else None)
    axes.set_yticks(places, shown)
    axes.tick_params(length=0, labelsize=size)
    axes.spines[:].set_visible(False)


def _cell_numbers(axes: Axes, C: Array, share: Array, cell: float) -> None:
    """The count in each cell of `cell` points, with its share of the row where there is room."""
    k = len(C)
    widest = max(len(count(value)) for value in C.ravel())
    size = float(np.clip(1.2 * cell / max(widest, 2), 4.5, 11.0 if k <= 4 else 9.0))
    for (a, b), rows in np.ndenumerate(C):
        if rows == 0 and k > 8:
            continue  # an empty cell says so better than hundreds of zeros
        under = f"\n{percent(float(share[a, b]))}" if k <= 4 and rows > 0 else ""
        colour = style.FIXED_PAGE if share[a, b] > 0.5 else style.INK
        style.write(axes, f"{count(rows)}{under}", (b, a), fontsize=size, color=colour)


def _confusion_title(C: Array, classes: Sequence[object]) -> str:
    total = C.sum()
    if total == 0:
        return "No rows to compare"
    share = score("accuracy", np.trace(C) / total)
    right = f"{count(np.trace(C))} of {count(total)} rows are right ({share})"
    wrong = C - np.diag(np.diag(C))
    if wrong.max() == 0:
        return right
    a, b = divmod(int(wrong.argmax()), len(C))
    called = f"{shorten(classes[a], 22)} was called {shorten(classes[b], 22)}"
    return f"{right}; {called} in {plural(wrong.max(), 'row')}"


def _confusion_description(C: Array, classes: Sequence[object]) -> str:
    return "; ".join(
        f"{clean(name)}: {count(C[i, i])} of {count(C[i].sum())} right"
        for i, name in enumerate(classes[:NUMBERED])
    )


def calibration(y: ArrayLike, p: ArrayLike, *, positive: object = "1") -> Figure:
    """How often the event happened where p was said, in ten bins   y (n,) of 0 and 1, p (n,).

    Bars are 95 % intervals (Wilson 1927); the counts stand below. Bins of fewer than ten rows are
    hollow, and the line leaves them out. `positive` names the class.
    Raises ValueError where y is not 0 and 1 or p no probability.
    """
    happened, p = _events(y, p)
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    n = np.maximum(rows, 1)
    predicted = np.bincount(bins, p, BINS) / n
    observed = np.bincount(bins, happened, BINS) / n
    figure = style.new_figure(6.0, 4.6)
    axes, below = figure.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
    style.quiet(axes, "", f"observed share of {shorten(positive, 18)}", grid="y")
    style.quiet(below, f"predicted probability of {shorten(positive, 24)}", "rows")
    _draw_diagonal(axes, "perfect")
    _draw_shares(axes, predicted, observed, rows)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.03, 1.03))
    hollow = f"; hollow: fewer than {FEW_ROWS} rows" if rows[rows > 0].min() < FEW_ROWS else ""
    style.note(axes, f"above the dashed line: it happens more often than predicted{hollow}")
    below.bar((np.arange(BINS) + 0.5) / BINS, rows, width=0.085, color=style.MUTED, alpha=0.5)
    for i, height in enumerate(rows):
        top = ((i + 0.5) / BINS, height)
        style.write(below, count(height), top, fontsize=7, va="baseline", offset=(0, 2))
    below.set(yticks=[], ylim=(0, rows.max() * 1.3))
    error = float(np.sum(rows * np.abs(observed - predicted)) / len(p))
    return style.finish(figure, *_calibration_words(happened, error))


def _draw_shares(axes: Axes, predicted: Array, observed: Array, rows: Array) -> None:
    """Shares (bins,) and intervals: neighbours of enough rows joined, those of few rows hollow."""
    enough, few = rows >= FEW_ROWS, (rows > 0) & (rows < FEW_ROWS)
    points: dict[str, Any] = {"color": style.BLUE, "markersize": 5.5}
    hollow: dict[str, Any] = {"label": "of few rows", "mfc": style.PAGE, "alpha": 0.7}
    for part, alpha in ((enough, 0.6), (few, 0.25)):
        low, high = _wilson(observed[part], rows[part])
        axes.vlines(predicted[part], low, high, color=style.BLUE, linewidth=1.4, alpha=alpha)
    joined = np.where(enough, observed, np.nan)
    axes.plot(predicted, joined, "o-", linewidth=1.6, label="observed", **points)
    axes.plot(predicted[few], observed[few], "o", **points, **hollow)


def _draw_diagonal(axes: Axes, label: str) -> None:
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=style.DASHED, label=label)


def _calibration_words(happened: Array, error: float) -> tuple[str, str]:
    rows = plural(len(happened), "row")
    if happened.min() == happened.max():
        return f"All {rows} are of one class: calibration says little here", ""
    off = f"Predicted probabilities are off by {100 * error:.1f} points on average"
    return off, f"Ten bins of {rows} in all, weighted by their rows."


def _events(y: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    happened, p = style.columns(y=y, p=p)
    if not np.isin(happened, (0, 1)).all():
        raise ValueError("y must be 0 or 1: for several classes give y == k and the column P[:, k]")
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"p goes from {p.min():g} to {p.max():g}: give probabilities, from loss.link(Z)"
        )
    return happened, p


def _wilson(share: Array, n: Array) -> tuple[Array, Array]:
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def roc(y: ArrayLike, p: ArrayLike, *, positive: object = "1") -> Figure:
    """True against false positives as the threshold falls   y (n,) of 0 and 1, p (n,).

    Raises ValueError where y holds one class only: there is nothing to rank.
    """
    happened, p = _events(y, p)
    if happened.min() == happened.max():
        raise ValueError(f"y holds only {happened[0]:g}: a ROC curve needs rows of both classes")
    order = np.argsort(-p, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(p[order]) != 0, True])  # equal scores move together
    hits = np.r_[0, np.cumsum(happened[order])[last]] / happened.sum()
    alarms = np.r_[0, np.cumsum(1 - happened[order])[last]] / (1 - happened).sum()
    area = measure.auc(happened.astype(int), p)
    name = shorten(positive, 18)
    alarm, hit = f"false alarms: share of the others called {name}", f"share of {name} found"
    figure, axes = style.one_panel(alarm, hit, height=4.4)
    axes.fill_between(alarms, hits, color=style.BLUE, alpha=0.12, linewidth=0)
    _draw_diagonal(axes, "chance")
    axes.plot(alarms, hits, color=style.BLUE, linewidth=2, label="model")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.text(0.6, 0.54, "chance", fontsize=8, color=style.MUTED, va="top")
    axes.text(0.97, 0.05, f"AUC {number(area, 3)}", fontsize=10, color=style.BLUE, ha="right")
    title = f"A row of class {name} outranks another {percent(area)} of the time"
    return style.finish(figure, title, f"Area under the curve {number(area)}.")
