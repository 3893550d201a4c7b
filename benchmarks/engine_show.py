"""What was measured, for people: tables on the terminal and a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

LABELS = {
    "ours": "chainrule", "sklearn": "scikit-learn", "torch": "PyTorch", "jax": "JAX",
    "onnxruntime": "onnxruntime", "floor": "floor",
}  # fmt: skip
STYLES = {
    "ours": ("o", "#1f6fb2"),
    "sklearn": ("o", "#de7b17"), "torch": ("s", "#b4569a"), "jax": ("D", "#25855a"),
    "onnxruntime": ("^", "#5b4fb0"), "floor": ("|", "#1d2733"),
}  # fmt: skip
INK, GRID = "#1d2733", "#d8dde3"

Times = Mapping[str, Mapping[str, float]]


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def judge(times: Times, goals: Sequence[tuple[Sequence[str], float]]) -> list[dict[str, Any]]:
    """For each goal: the fastest of its peers, its time / ours (best, median), and whether met."""
    found = []
    for peers, factor in goals:
        fastest = min(peers, key=lambda peer: times[peer]["best"])
        ratios = {k: times[fastest][k] / times["ours"][k] for k in ("best", "median")}
        met = ratios["best"] >= factor
        found.append({"peers": list(peers), "factor": factor, "fastest": fastest} | ratios)
        found[-1]["met"] = met
    return found


def best_ratio(times: Times) -> float:
    """The fastest peer's time / ours."""
    peers = [t["best"] for name, t in times.items() if name not in ("ours", "floor")]
    return min(peers) / times["ours"]["best"]


def timing_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Best times of every row, in its unit, the ratio, and each goal with met or missed."""
    table = Table(title="best of the rounds (median in the JSON)", title_justify="left")
    table.add_column("work", no_wrap=True)
    names = [n for n in LABELS if any(n in row["times"] for row in rows)]
    for name in names:
        table.add_column(LABELS[name], justify="right", no_wrap=True)
    table.add_column("best peer\n/ ours", justify="right", no_wrap=True)
    table.add_column("goals", no_wrap=True)
    for row in rows:
        times = row["times"]
        cells = [number(times[n]["best"] / row["divide"]) if n in times else "–" for n in names]
        goals = [goal_text(goal) for goal in row["goals"]]
        named = f"{row['name']}, {row['unit']}"
        table.add_row(named, *cells, f"{best_ratio(times):.2f}", "\n".join(goals))
    return table


def goal_text(goal: Mapping[str, Any]) -> str:
    """One goal: what was asked, what was reached."""
    asked = f"≥ {goal['factor']:g} × {' and '.join(LABELS[p] for p in goal['peers'])}"
    colour, word = ("green", "met") if goal["met"] else ("red", "missed")
    return f"{asked}: {goal['best']:.2f} [{colour}]{word}[/]"


def validation_table(found: Mapping[tuple[str, str], Mapping[str, float]]) -> Table:
    """Largest relative difference of each one's loss curve from the readable engine's."""
    table = Table(
        title="validated: largest relative difference of the losses from the readable engine's",
        title_justify="left",
    )
    names = ("ours", "sklearn", "torch", "jax")
    for title in ("work", "dtype", *(LABELS[name] for name in names)):
        table.add_column(title, justify="left" if title in ("work", "dtype") else "right")
    for (work, dtype), differences in found.items():
        cells = [f"{differences[n]:.0e}" if n in differences else "–" for n in names]
        table.add_row(work, dtype, *cells)
    return table


def console() -> Console:
    """A terminal, or a pipe wide enough for the tables."""
    found = Console()
    return found if found.is_terminal else Console(width=190)


def picture(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """How many times longer than ours each peer takes, a row for each work."""
    figure = figure_with_title(
        "Time of each peer over chainrule's (right of the line: chainrule is faster)",
        (9, 1.4 + 0.42 * len(rows)),
    )
    axes = figure.subplots()
    axes.axvline(1, color=STYLES["ours"][1], linewidth=2, label="chainrule = 1×")
    for name, (marker, colour) in STYLES.items():
        at = [i for i, row in enumerate(rows) if name in row["times"]]
        if not at or name == "ours":
            continue
        ratios = [rows[i]["times"][name]["best"] / rows[i]["times"]["ours"]["best"] for i in at]
        size, edge = (14, 2) if marker == "|" else (9, 0)
        axes.plot(ratios, at, marker, color=colour, markersize=size, markeredgewidth=edge,
                  label=LABELS[name])  # fmt: skip
    named = [
        f"{row['name']}   ({number(row['times']['ours']['best'] / row['divide'])} {row['unit']})"
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), named)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
    quiet(axes)
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=9)
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
