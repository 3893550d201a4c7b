"""How the cost grows with rows, width, depth and batch size; and the memory of whole processes."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine_cold
import engine_train
from engine_show import INK, LABELS, STYLES, figure_with_title, number, quiet
from engine_timing import rounds, summary
from engine_work import THREADS, TRAINING, Work
from matplotlib.ticker import LogLocator, NullFormatter
from rich.table import Table

WHO = ("ours", "sklearn", "torch", "jax")
BASE = Work("32-128-128-10", (32, 128, 128, 10), 8192, 128, 1, data="teacher")
AXES: dict[str, Sequence[int]] = {
    "rows": (128, 1024, 8192, 65_536, 524_288),
    "width of both hidden layers": (8, 32, 128, 512),
    "hidden layers of 128": (1, 2, 4, 8),
    "rows in a batch": (8, 32, 128, 512, 2048),
}


def work_at(axis: str, value: int) -> Work:
    """The base work with one thing changed; short runs get more epochs."""
    if axis == "rows":
        return replace(BASE, rows=value, epochs=max(1, 8192 // value))
    if axis == "rows in a batch":
        return replace(BASE, batch=value)
    width, depth = (value, 2) if axis.startswith("width") else (128, value)
    return replace(BASE, sizes=(32, *(width,) * depth, 10))


def measure(count: int) -> list[dict[str, Any]]:
    """Nanoseconds a row and epoch, by axis, value and name."""
    found = []
    for axis, values in AXES.items():
        for value in values:
            work = work_at(axis, value)
            runs = {
                name: engine_train.seconds_of(run)
                for name, run in engine_train.contestants(work, list(WHO[1:])).items()
            }
            times = summary(rounds(runs, count), work.rows * work.epochs / 1000)
            found.append({"axis": axis, "value": value, "times": times})
    return found


def memory(count: int) -> list[dict[str, Any]]:
    """Peak MB and best seconds of a whole process: digits, and an epoch of the largest net."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, epochs in (("64-100-10", 20), ("784-512-256-10", 1)):
            work = next(work for work in TRAINING if work.name == name)
            file, said = engine_cold.saved(work, folder), dict[str, Any]()
            times = rounds(
                {who: engine_cold.whole(who, file, work, epochs, said) for who in WHO}, count
            )
            found += [
                {"name": name, "epochs": epochs, "who": who, "seconds": min(times[who])} | said[who]
                for who in WHO
            ]
    return found


def growth_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """Nanoseconds a row and epoch."""
    table = Table(title=f"ns a row and epoch, {BASE.name} but for one thing", title_justify="left")
    for title in ("what", "", *(LABELS[who] for who in WHO), "best peer / ours"):
        table.add_column(title, justify="left" if title == "what" else "right", no_wrap=True)
    for point in found:
        best = {who: point["times"][who]["best"] for who in WHO}
        ratio = min(best[who] for who in WHO[1:]) / best["ours"]
        cells = [number(best[who]) for who in WHO]
        table.add_row(point["axis"], f"{point['value']:,}", *cells, f"{ratio:.2f}")
    return table


def memory_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """Peak memory and time of whole processes."""
    table = Table(title="whole processes", title_justify="left")
    for title in ("net", "epochs", "who", "peak MB", "seconds", "last loss"):
        table.add_column(title, justify="left" if title in ("net", "who") else "right")
    for row in found:
        table.add_row(
            row["name"], str(row["epochs"]), LABELS[row["who"]], f"{row['megabytes']:,.0f}",
            f"{row['seconds']:.2f}", f"{row['loss']:.4f}",
        )  # fmt: skip
    return table


def growth_picture(found: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Four panels: ns a row against rows, width, depth, batch size."""
    figure = figure_with_title(
        "What a row costs in an epoch, in ns: one thing changed at a time\n"
        f"from {BASE.name}, {BASE.rows:,} rows, batch {BASE.batch}, Adam, {THREADS} threads",
        (10, 7),
    )
    for axes, axis in zip(figure.subplots(2, 2, sharey=True).flat, AXES, strict=True):
        points = [point for point in found if point["axis"] == axis]
        values = [point["value"] for point in points]
        for who in WHO:
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
