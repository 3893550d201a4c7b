"""The decision boundary: the probability as a surface, the boundary on it, the points over it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..writing.words import percent, plural, shorten
from . import style

GRID = 220


def decision_boundary(
    predict: style.Predict,
    X: ArrayLike,
    y: ArrayLike,
    *,
    classes: Sequence[object] | None = None,
    names: tuple[str, str] = ("x1", "x2"),
    line: style.Predict | None = None,
) -> Figure:
    """Where predict(X) turns from one class to the next   X (n, 2), y (n,) whole numbers 0 … k-1.

    `predict` gives the probability of class 1, (m,) or (m, 1), or of every class, (m, k): for a
    network `lambda X: loss.link(net.predict(X))`. `line` is the true line x2 = line(x1), drawn
    dashed. Raises ValueError where shapes do not fit or predict gives no probabilities.
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] != 2 or len(X) == 0 or not np.isfinite(X).all():
        raise ValueError(f"X has shape {X.shape}: a boundary is drawn over two finite features")
    targets = style.column("y", y)
    style.same_length(X=X, y=targets)
    P = probabilities(predict(X))
    kinds, k = targets.astype(int), P.shape[1]
    if (kinds != targets).any() or kinds.min() < 0 or kinds.max() >= k:
        raise ValueError(f"y must hold the classes 0 to {k - 1} as whole numbers")
    if classes is not None and len(classes) != k:
        raise ValueError(f"classes names {len(classes)}, but predict gives {k} classes")
    labels = [shorten(c, 18) for c in (range(k) if classes is None else classes)]
    figure, axes = style.one_panel(shorten(names[0], 40), shorten(names[1], 40), height=4.6)
    _draw_surface(axes, predict, X)
    if line is not None:
        _draw_line(axes, line)
    _draw_points(axes, X, kinds, labels)
    style.key(axes, columns=3 if max(map(len, labels)) > 9 else 4)
    right = float(np.mean(P.argmax(axis=1) == kinds))
    where = "on the side of their class" if len(labels) == 2 else "in the region of their class"
    title = f"{percent(right)} of {plural(len(X), 'point')} lie {where}"
    return style.finish(
        figure, title, f"Classes {', '.join(labels)} over {names[0]} and {names[1]}."
    )


def probabilities(answers: ArrayLike) -> Array:
    """P (m, k), rows summing to 1, from (m,), (m, 1) or (m, k); raises ValueError for others."""
    P = np.asarray(answers, dtype=np.float64)
    P = P[:, None] if P.ndim == 1 else P
    if P.ndim != 2 or not np.isfinite(P).all() or P.min() < -1e-6 or P.max() > 1 + 1e-6:
        raise ValueError(
            "predict gives no probabilities: pass lambda X: loss.link(net.predict(X)), not the "
            "raw output"
        )
    return np.hstack([1 - P, P]) if P.shape[1] == 1 else P


def _draw_surface(axes: Axes, predict: style.Predict, X: Array) -> None:
    (x_low, x_high), (y_low, y_high) = style.padded(X[:, 0]), style.padded(X[:, 1])
    xs, ys = np.linspace(x_low, x_high, GRID), np.linspace(y_low, y_high, GRID)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    P = probabilities(predict(grid.reshape(-1, 2))).reshape(GRID, GRID, -1)
    k = P.shape[-1]
    hues = np.array([to_rgb(class_colour(i)) for i in range(k)])
    sure = np.clip((P.max(axis=-1, keepdims=True) * k - 1) / (k - 1), 0, 1)
    # Paler where less sure: the boundary is where the surface is white.
    image = 1 - 0.42 * sure * (1 - hues[P.argmax(axis=-1)])
    extent = (x_low, x_high, y_low, y_high)
    look: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "bilinear"}
    axes.imshow(image, extent=extent, zorder=0, **look)
    margins = [P[..., i] - np.delete(P, i, axis=-1).max(axis=-1) for i in range(k if k > 2 else 1)]
    boundaries = [margin for margin in margins if margin.min() < 0 < margin.max()]
    for margin in boundaries:
        axes.contour(xs, ys, margin, levels=[0], colors=[style.FIXED_INK], linewidths=[1.8])
    if boundaries:
        axes.plot([], [], color=style.INK, linewidth=1.8, label="learned")
    axes.set(xlim=(x_low, x_high), ylim=(y_low, y_high))


def _draw_line(axes: Axes, line: style.Predict) -> None:
    x = np.linspace(*axes.get_xlim(), 200)
    height = style.column("line(x1)", line(x))
    axes.plot(x, height, color=style.FIXED_INK, linewidth=1.5, linestyle=(0, (2, 2)), scaley=False)
    axes.plot([], [], color=style.INK, linewidth=1.5, linestyle=(0, (2, 2)), label="true")


def _draw_points(axes: Axes, X: Array, kinds: Array, labels: Sequence[str]) -> None:
    size = 30 if len(X) < 200 else 20 if len(X) <= 600 else 12 if len(X) <= style.DENSE else 5
    look: dict[str, Any] = {"edgecolors": style.FIXED_PAGE, "linewidths": 0.5, "zorder": 3}
    for i, name in enumerate(labels):
        x, y = X[kinds == i].T
        look |= {"color": class_colour(i), "marker": style.MARKERS[i % len(style.MARKERS)]}
        axes.scatter(x, y, size, label=name or " ", rasterized=len(X) > style.DENSE, **look)


def class_colour(i: int) -> str:
    """The colour of class i; they come round after eight, so each class has a marker too."""
    return style.CLASS_COLOURS[i % len(style.CLASS_COLOURS)]
