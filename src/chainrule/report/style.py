"""The look of every picture: one palette, quiet axes, plain text, a title that says what is seen.

Everything is set on the figure itself: no pyplot and no rcParams, so that pictures can be made in
threads, without a display, and under any matplotlibrc.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator, MaxNLocator
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..writing.words import clean, number, wrap

FONT = ["DejaVu Sans", "sans-serif"]  # the second for browsers: matplotlib brings the first

# A page swaps these for its CSS variables, so that pictures follow its theme.
INK, MUTED, GRID, PAGE = "#1d2733", "#69727e", "#d8dde3", "#ffffff"
BLUE, ORANGE = "#1f6fb2", "#dd7a16"
THEMED = {INK: "ink", MUTED: "muted", GRID: "grid", PAGE: "page", BLUE: "blue", ORANGE: "orange"}

# What stands on a coloured surface keeps its colour in every theme.
FIXED_INK, FIXED_PAGE, FIXED_BLUE = "#1b2531", "#fdfdfd", "#1e6eb1"
CLASS_COLOURS = (
    "#de7b17", "#1e6eb1", "#25855a", "#b4569a", "#5b4fb0", "#8a6d1a", "#4aa3c7", "#5f6770",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

DENSE = 2000
"""More points than this are drawn as pixels, not shapes: no viewer opens 100,000 circles."""
DASHED = (0, (4, 2))
Point = tuple[float, float]
Predict = Callable[[Array], ArrayLike]


def new_figure(width: float = 6.0, height: float = 4.0) -> Figure:
    """An empty figure of width × height inches that lays itself out."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAGE)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    return figure


def quiet(axes: Axes, xlabel: str = "", ylabel: str = "", grid: str | None = None) -> None:
    """Two thin spines, muted ticks, labels in words; `grid` is "x", "y", "both" or None."""
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)
    axes.tick_params(which="both", length=3, width=0.8, color=MUTED)
    axes.tick_params(which="both", labelcolor=INK, labelsize=8.5, labelfontfamily=FONT)
    axes.tick_params(which="minor", length=0)
    axes.grid(False)
    if grid is not None:
        axes.grid(True, axis=grid, color=GRID, linewidth=0.7)  # type: ignore[arg-type]
        axes.set_axisbelow(True)
    axes.set_xlabel(clean(xlabel), fontsize=9, color=INK)
    axes.set_ylabel(clean(ylabel), fontsize=9, color=INK)


def one_panel(
    xlabel: str, ylabel: str, width: float = 6.0, height: float = 4.0, grid: str | None = None
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure = new_figure(width, height)
    axes = figure.subplots()
    quiet(axes, xlabel, ylabel, grid)
    return figure, axes


def write(axes: Axes, text: str, at: Point, offset: Point | None = None, **look: Any) -> None:
    """A text at a point, or `offset` points away from it; `look` has matplotlib's names."""
    look = {"fontsize": 8.5, "color": INK, "ha": "center", "va": "center", **look}
    if offset is None:
        axes.text(*at, text, **look)
    else:
        axes.annotate(text, at, offset, textcoords="offset points", **look)


def write_at_end(axes: Axes, text: str, height: float, colour: str) -> None:
    """A text at the right end of a curve, at this share of the axes' height."""
    write(axes, text, (1.02, height), color=colour, ha="left", transform=axes.transAxes)


def share_of_height(axes: Axes, y: float) -> float:
    """Where y is on the way from the axes' lower end, 0, to the upper one, 1."""
    return float((axes.transData + axes.transAxes.inverted()).transform((0.0, y))[1])


def finish(figure: Figure, title: str, description: str = "") -> Figure:
    """Set the title at the left and the description that stands in for the picture; plain text all.

    A column may be called "$x" or "a_{b": nothing is read as a formula.
    """
    title = clean(title)
    lines = wrap(title, int(figure.get_figwidth() * 11))
    figure.suptitle(lines, x=0.015, ha="left", fontsize=11, fontweight="bold", color=INK)
    figure.set_label(f"{title}. {clean(description)}".strip())
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_fontfamily(FONT)
    return figure


def key(axes: Axes, columns: int) -> None:
    """The key above the axes, at the left, without a frame."""
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, frameon=False, ncols=columns,
        labelcolor=INK, fontsize=8.5, handletextpad=0.4, columnspacing=1.2, borderpad=0.2,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def log_axis(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers on it."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(10, (1.0,) if high / low > 1e4 else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=True, minor_thresholds=(0, 0)))


def note(axes: Axes, text: str) -> None:
    """A quiet line above the axes that says how to read them."""
    axes.set_title(text, fontsize=8, color=MUTED, loc="left", pad=4)


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers only, at most 8."""
    axis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def move_apart(values: Sequence[float], gap: float) -> list[float]:
    """The values moved apart as little as needed for neighbours to be `gap` from each other."""
    order = np.argsort(values, kind="stable")
    placed = np.asarray(values, float)[order]
    for _ in range(len(placed)):
        for i in range(1, len(placed)):
            overlap = gap - (placed[i] - placed[i - 1])
            if overlap > 0:
                placed[i] += overlap / 2
                placed[i - 1] -= overlap / 2
    back = np.empty_like(placed)
    back[order] = placed
    return [float(v) for v in back]


def padded(values: Any, share: float = 0.06) -> tuple[float, float]:
    """(low, high) a little beyond the values; a tenth of it around a constant."""
    low, high = float(np.min(values)), float(np.max(values))
    pad = share * (high - low) if high > low else abs(high) * 0.1 or 1.0
    return low - pad, high + pad


def column(name: str, values: Any) -> Array:
    """The values as float64 (n,); raises ValueError if they are not a column of finite numbers."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{name} has shape {array.shape}: a picture needs one number for each row")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{row}] is {array[row]}: a picture needs finite numbers")
    return array


def columns(**values: Any) -> list[Array]:
    """Several columns, by name; raises ValueError where they differ in rows."""
    arrays = {name: column(name, array) for name, array in values.items()}
    same_length(**arrays)
    return list(arrays.values())


def same_length(**columns: Any) -> None:
    """Raise ValueError unless all columns have as many rows as the first."""
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1:
        rows = " and ".join(f"{name} {n}" for name, n in sizes.items())
        raise ValueError(f"the columns differ in rows, {rows}: give both of the same rows")
