"""What was measured, as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine_show import LABELS, TRAINED, number
from engine_work import BASE, THREADS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

STYLES = {
    "ours": ("o", "#1f6fb2"),
    "sklearn": ("o", "#de7b17"), "torch": ("s", "#b4569a"), "jax": ("D", "#25855a"),
    "onnxruntime": ("^", "#5b4fb0"), "floor": ("|", "#1d2733"),
}  # fmt: skip
INK, GRID = "#1d2733", "#d8dde3"


def picture(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """How many times longer than ours each peer takes, a row for each work."""
    figure = figure_with_title(
        "Time of each peer over chainrule's; right of the line chainrule is faster\n"
        "In parentheses its own time; floor: matrix products and the optimizer's memory alone",
        (10, 1.6 + 0.4 * len(rows)),
    )
    axes = figure.subplots()
    axes.axvline(1, color=STYLES["ours"][1], linewidth=2, label="chainrule = 1×")
    for name, (marker, colour) in STYLES.items():
        at = [i for i, row in enumerate(rows) if name in row["times"]]
        if not at or name == "ours":
            continue
        ratios = [rows[i]["times"][name]["best"] / rows[i]["times"]["ours"]["best"] for i in at]
        axes.plot(  # hollow, so that one on another is seen
            ratios, at, marker, color=colour, fillstyle="none", markeredgewidth=2,
            markersize=14 if marker == "|" else 9, label=LABELS[name],
        )  # fmt: skip
    named = [
        f"{row['name']}   ({number(row['times']['ours']['best'] / row['divide'])} {row['unit']})"
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), named)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
    axes.xaxis.set_minor_formatter(NullFormatter())
    quiet(axes)
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    figure.savefig(file, dpi=150)


def growth_picture(found: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Four panels: ns a row against rows, width, depth, batch size."""
    figure = figure_with_title(
        "What a row costs in an epoch, in ns: one thing changed at a time\n"
        f"from {BASE.name}, {BASE.rows:,} rows, batch {BASE.batch}, Adam, {THREADS} threads",
        (10, 7),
    )
    names = list(dict.fromkeys(point["axis"] for point in found))
    for axes, axis in zip(figure.subplots(2, 2, sharey=True).flat, names, strict=True):
        points = [point for point in found if point["axis"] == axis]
        values = [point["value"] for point in points]
        for who in TRAINED:
            marker, colour = STYLES[who]
            times = [point["times"][who]["best"] for point in points]
            axes.plot(values, times, marker + "-", color=colour, markersize=6, label=LABELS[who])
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(axis, color=INK, fontsize=9)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        quiet(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(file, dpi=150)


def figure_with_title(title: str, size: tuple[float, float]) -> Figure:
    """An empty figure with its title at the left."""
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def quiet(axes: Axes) -> None:
    """A light grid, no frame, small labels."""
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelcolor=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
