"""Pictures of numbers: loss curves, a fitted curve, residuals, scores and baselines."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..core import metrics as measure
from ..core.arrays import Array, ceil_div
from ..writing.words import capitalized, clean, number, plural, score, shorten, wrap
from . import style

if TYPE_CHECKING:
    from ..training.loop import Record

BLUES = LinearSegmentedColormap.from_list("blues", ["#b9d5ec", style.FIXED_BLUE, "#0b2f52"])
LOWER_IS_BETTER = ("loss", "log_loss", "rmse", "mae", "mse", "error")


def loss_curves(records: Sequence["Record"], held_out: str = "validation loss") -> Figure:
    """Training and validation loss by epoch, the lowest marked; logarithmic from a factor of 50.

    `held_out` is what the records' `valid_loss` is called. Epochs are shown counted from 1. Raises
    ValueError without records or finite losses.
    """
    if not records:
        raise ValueError("records is empty: keep what train() hands out, list(train(…))")
    epochs = np.array([record.epoch + 1 for record in records])
    losses = {"training loss": [r.loss for r in records], held_out: [r.valid_loss for r in records]}
    arrays = {name: np.array(values, float) for name, values in losses.items()}  # None is nan
    curves = {name: values for name, values in arrays.items() if np.isfinite(values).any()}
    if not curves:
        raise ValueError("records hold no finite loss: there is nothing to draw")
    watched = list(curves)[-1]
    best = int(np.nanargmin(np.where(np.isfinite(curves[watched]), curves[watched], np.nan)))
    figure, axes = style.one_panel("epoch", "loss", grid="y")
    for name, values in curves.items():
        _draw_curve(axes, name, epochs, values, accent=name == watched)
    shown = np.concatenate([v[np.isfinite(v)] for v in curves.values()])
    if shown.min() > 0 and shown.max() / shown.min() > 50:
        style.log_axis(axes)
        axes.set_ylabel("loss (log scale)")
    elif np.ptp(shown) <= 1e-12 * np.abs(shown).max():
        axes.set_ylim(*style.padded(shown))
    style.whole_numbers(axes.xaxis)
    if len(epochs) > 1:
        axes.set_xlim(epochs[0], epochs[-1])
    else:
        axes.set_xticks(epochs)
    _mark_best(axes, int(epochs[best]), float(curves[watched][best]))
    _label_ends(axes, curves, watched)
    return style.finish(figure, *_loss_words(curves, watched, epochs, best))


def _draw_curve(axes: Axes, name: str, epochs: Any, values: Any, accent: bool) -> None:
    look: dict[str, Any] = {"color": style.BLUE, "linewidth": 2.0, "zorder": 2}
    if not accent:  # thin, dashed and on top: it shows where the two meet
        look = {"color": style.ORANGE, "linewidth": 1.5, "zorder": 3, "linestyle": (0, (4, 1.5))}
    if len(epochs) == 1:
        look |= {"marker": "o", "clip_on": False}
    axes.plot(epochs, values, label=name, **look)


def _mark_best(axes: Axes, epoch: int, value: float) -> None:
    axes.axvline(epoch, color=style.MUTED, linewidth=0.8, linestyle=":", zorder=1)
    look: dict[str, Any] = {"color": style.BLUE, "mec": style.PAGE, "mew": 1.5, "markersize": 7}
    axes.plot([epoch], [value], "o", clip_on=False, zorder=5, label="lowest", **look)


def _label_ends(axes: Axes, curves: Mapping[str, Any], watched: str) -> None:
    """The name and last value of each curve at its right end, moved apart where they collide."""
    ends = {name: float(values[np.isfinite(values)][-1]) for name, values in curves.items()}
    heights = [style.share_of_height(axes, value) for value in ends.values()]
    places = style.move_apart(heights, 0.065)
    for (name, value), height in zip(ends.items(), places, strict=True):
        text = f"{name.removesuffix(' loss')} {number(value, 3)}"
        style.write_at_end(axes, text, height, style.BLUE if name == watched else style.ORANGE)


def _loss_words(
    curves: Mapping[str, Any], watched: str, epochs: Array, best: int
) -> tuple[str, str]:
    values = curves[watched]
    changes = "; ".join(
        f"{name} goes from {number(v[0], 3)} to {number(v[-1], 3)}" for name, v in curves.items()
    )
    description = f"Over {plural(len(epochs), 'epoch')}, {changes}."
    if len(epochs) == 1:
        return f"After one epoch the {watched} is {number(values[0], 3)}", description
    if np.ptp(values[np.isfinite(values)]) == 0:
        return f"The {watched} stays at {number(values[0], 3)}", description
    lowest = f"{capitalized(watched)} is lowest at epoch {epochs[best]}"
    return f"{lowest}: {number(values[best], 3)}", description


def fitted_line(
    predict: style.Predict, x: ArrayLike, y: ArrayLike, *, names: tuple[str, str] = ("x", "y")
) -> Figure:
    """The points (x, y) and the curve ŷ = predict(X) through them   x (n,), y (n,), X (m, 1).

    `predict` gives (m,) or (m, 1), in the unit of y.
    """
    x, y = style.columns(x=x, y=y)
    grid = np.linspace(*style.padded(x, 0.03), 400)
    curve = style.column("predict(X)", predict(grid[:, None]))
    figure, axes = style.one_panel(shorten(names[0], 50), shorten(names[1], 40), grid="y")
    points: dict[str, Any] = {"color": style.MUTED, "markersize": 4.5, "alpha": 0.55, "mew": 0}
    axes.plot(x, y, "o", label="data", rasterized=len(x) > style.DENSE, **points)
    axes.plot(grid, curve, color=style.BLUE, linewidth=2.2, label="fitted")
    axes.set_xlim(grid[0], grid[-1])
    style.write_at_end(axes, "fitted", style.share_of_height(axes, curve[-1]), style.BLUE)
    fit = measure.r2(y, style.column("predict(X)", predict(x[:, None])))
    title = f"The fitted curve through {plural(len(x), 'point')}: R² {number(fit, 3)}"
    return style.finish(figure, title, f"{clean(names[1])} against {clean(names[0])}.")


def residuals(y: ArrayLike, predicted: ArrayLike, unit: str | None = None) -> Figure:
    """Predicted against actual, and the histogram of y - ŷ   y (n,), predicted (n,), same unit.

    Above 2,000 rows the points are drawn as density.
    """
    actual, answers = style.columns(y=y, predicted=predicted)
    off = actual - answers
    in_unit = f" ({shorten(unit, 16)})" if unit else ""
    figure = style.new_figure(7.0, 3.9)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    style.quiet(left, f"actual{in_unit}", f"predicted{in_unit}")
    low, high = style.padded(_within(np.concatenate([actual, answers])), 0.04)
    if len(actual) > style.DENSE:
        look: dict[str, Any] = {"gridsize": 48, "bins": "log", "mincnt": 1, "linewidths": 0.1}
        extent = (low, high, low, high)
        left.hexbin(actual, answers, extent=extent, cmap=BLUES, rasterized=True, **look)
    else:
        left.plot(actual, answers, "o", color=style.BLUE, markersize=4, alpha=0.55, mew=0)
    left.axline((low, low), slope=1, color=style.INK, linewidth=1, linestyle=style.DASHED)
    left.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    style.note(left, "above the line: predicted too high")
    _residual_histogram(right, off, in_unit)
    half = float(np.median(np.abs(off)))
    within = f"{number(half, 3)} {shorten(unit, 16)}" if unit else number(half, 3)
    mean = f"The mean residual is {number(float(off.mean()), 3)}, {plural(len(off), 'row')}."
    return style.finish(figure, f"Half of the predictions are within {within} of the truth", mean)


def _residual_histogram(axes: Axes, off: Array, in_unit: str) -> None:
    style.quiet(axes, f"actual − predicted{in_unit}", "rows")
    reach = float(np.abs(_within(off)).max()) or 1.0
    bins = int(np.clip(np.sqrt(len(off)), 8, 40)) // 2 * 2 + 1
    look: dict[str, Any] = {"color": style.BLUE, "alpha": 0.8, "edgecolor": style.PAGE}
    axes.hist(off, bins=bins, range=(-reach, reach), linewidth=0.5, **look)
    axes.axvline(0, color=style.INK, linewidth=1, linestyle=style.DASHED)
    style.whole_numbers(axes.yaxis)
    if len(off) > style.DENSE:
        style.note(axes, "without the outermost 0.2 % of rows")


def _within(values: Array) -> Array:
    """(low, high) of the values; many values lose their outliers, which would squeeze the rest."""
    outside = 0.001 if len(values) > style.DENSE else 0.0
    return np.asarray(np.quantile(values, [outside, 1 - outside]))


def scores(
    by_model: Mapping[str, Mapping[str, float | None]], *, title: str | None = None
) -> Figure:
    """A panel for each metric, a bar for each model: the first model is ours, the rest baselines.

    {"network": {"accuracy": 0.83, "log_loss": 0.42}, "linear model": {…}}; None and nan leave a
    gap. Without a `title` it names who is ahead by the first metric, by however little: give one
    where the rows are known. Raises ValueError without a model or a number.
    """
    models = list(by_model)
    every = dict.fromkeys(name for model in models for name in by_model[model])
    table = {metric: [_finite(by_model[model].get(metric)) for model in models] for metric in every}
    table = {metric: row for metric, row in table.items() if np.isfinite(row).any()}
    if not table:
        raise ValueError("scores got no number: give {model: {metric: value}}, our model first")
    rows = ceil_div(len(table), 3)
    across = min(len(table), 3)
    figure = style.new_figure(max(6.0, 2.1 + 1.9 * across), 0.9 + rows * (0.6 + 0.34 * len(models)))
    panels = figure.subplots(rows, across, squeeze=False)
    for panel in panels.flat[len(table) :]:
        panel.set_axis_off()
    for i, (metric, values) in enumerate(table.items()):
        _score_panel(panels.flat[i], metric, models, values, named=i % across == 0)
    return style.finish(
        figure, title or _headline(table, models), _scores_description(table, models)
    )


def _finite(value: float | None) -> float:
    return float(value) if value is not None and np.isfinite(value) else np.nan


def _lower(metric: str) -> bool:
    return any(word in metric.lower() for word in LOWER_IS_BETTER)


def _score_panel(
    axes: Axes, metric: str, models: Sequence[str], values: Sequence[float], named: bool
) -> None:
    style.quiet(axes)
    axes.spines["bottom"].set_visible(False)
    places = np.arange(len(models))[::-1]
    bars = axes.barh(places, np.nan_to_num(values), height=0.62, color=style.MUTED, alpha=0.5)
    bars[0].set(color=style.BLUE, alpha=1)
    low, high = min(0.0, np.nanmin(values)), max(0.0, np.nanmax(values))
    span = (high - low) or 1.0
    axes.set_xlim(low - 0.02 * span if low < 0 else 0, high + 0.5 * span)
    for place, value in zip(places, values, strict=True):
        end = (max(np.nan_to_num(value), 0.0) + 0.03 * span, float(place))
        weight = "bold" if place == places[0] else "normal"
        style.write(axes, score(metric, value), end, ha="left", fontweight=weight)
    axes.set_yticks(places, [wrap(shorten(m, 44), 20) for m in models] if named else [])
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    better = "lower is better" if _lower(metric) else "higher is better"
    axes.set_title(
        f"{shorten(_spoken(metric), 18)}\n{better}", fontsize=8.5, color=style.INK, loc="left"
    )


def _spoken(metric: str) -> str:
    names = {"r2": "R²", "auc": "AUC", "rmse": "RMSE", "mae": "MAE", "mse": "MSE"}
    return names.get(metric.lower(), clean(metric).replace("_", " "))


def _headline(table: Mapping[str, Sequence[float]], models: Sequence[str]) -> str:
    """The first metric: who is ahead of whom; ours where it is level with the best."""
    metric, row = next(iter(table.items()))
    sign = -1.0 if _lower(metric) else 1.0
    order = sorted(
        (i for i, value in enumerate(row) if np.isfinite(value)), key=lambda i: -sign * row[i]
    )
    first = shorten(models[order[0]], 28)
    title = f"{capitalized(first)}: {_spoken(metric)} {score(metric, row[order[0]])}"
    if len(order) == 1:
        return title
    level = "level with" if row[order[1]] == row[order[0]] else "ahead of"
    rival = f"{shorten(models[order[1]], 28)} at {score(metric, row[order[1]])}"
    return f"{title}, {level} {rival}"


def _scores_description(table: Mapping[str, Sequence[float]], models: Sequence[str]) -> str:
    return "; ".join(
        f"{metric}: "
        + ", ".join(f"{clean(m)} {score(metric, v)}" for m, v in zip(models, values, strict=True))
        for metric, values in table.items()
    )
