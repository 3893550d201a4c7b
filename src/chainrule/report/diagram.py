"""The network as a diagram: units as circles, weights as lines, biases as the fill of the units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..core.arrays import Array
from ..core.embedding_layers import CategoryEmbedding, CosineEmbedding
from ..core.layers import Layer, Temperature, within
from ..writing.words import number, plural, shorten
from . import style
from .inline import inline_svg

if TYPE_CHECKING:
    from ..core.network import Network

SHOWN = 10
"""The most units that are drawn of a layer: those with the strongest weights."""
NUMBERED = 4
"""Where no layer has more units than this, weights and biases are written as numbers."""
LABEL = (0.16, 0.26)
"""The size of a weight's number, as shares of the distance of two columns and of two units."""


def to_html(net: "Network") -> str:
    """The network as a picture in a page, for notebooks."""
    return inline_svg(network(net), f"a network with {net.n_in} inputs", "network-")


@dataclass(frozen=True)
class Column:
    """One column of circles: how many units there are, which are drawn, and their biases."""

    size: int
    shown: Array
    heights: Array
    bias: Array | None
    heading: str


def network(
    net: "Network",
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[object] | None = None,
) -> Figure:
    """Each Dense layer's units and weights: blue + and orange dashed −, width |w| within its layer.

    `feature_names` has n_in names, `class_names` one for each output (or two classes for one
    output: the second is the one whose logit it is). For an Average, only the first member is
    drawn, also if a Temperature follows it. Raises ValueError if they do not fit or no layer
    has a matrix W.
    """
    layers, numbers = _drawn_part(net)
    names = [name for name, W in numbers.items() if name.endswith(".W") and W.ndim == 2]
    if not names:
        raise ValueError("this network has no Dense layer: there are no weights to draw")
    weights = [numbers[name] for name in names]
    features = _names("feature_names", feature_names, net.n_in, "x")
    inputs = _embedded(layers[: int(names[0].partition(".")[0])], features)
    outputs = _output_names(class_names, weights[-1].shape[1])
    headings = _headings(layers, names, [len(weights[0]), *(W.shape[1] for W in weights)])
    columns = _columns(headings, weights, [numbers.get(f"{name[:-1]}b") for name in names])
    numbered = max(column.size for column in columns) <= NUMBERED
    tallest = max(len(c.shown) + (c.size > len(c.shown)) for c in columns)
    height = 1.6 + (0.75 if numbered else 0.42) * tallest
    figure = style.new_figure(max(6.0, 1.7 * len(columns) + 1.4), float(np.clip(height, 3.6, 6.4)))
    axes = figure.subplots()
    axes.set_axis_off()
    for i, W in enumerate(weights):
        part = W[np.ix_(columns[i].shown, columns[i + 1].shown)]
        _draw_weights(axes, i, part, columns[i], columns[i + 1])
        if numbered:
            _write_weights(axes, i, W, columns[i], columns[i + 1])
    largest = max((float(np.abs(c.bias).max()) for c in columns if c.bias is not None), default=0.0)
    for i, column in enumerate(columns):
        _draw_units(axes, i, column, largest or 1.0, numbered)
    _write_names(axes, 0, columns[0], inputs, "right", 17 if numbered else 13)
    _write_names(axes, len(columns) - 1, columns[-1], outputs, "left", 17 if numbered else 13)
    _write_key(axes, columns, numbered)
    members = len(net.layers[0].branches)
    first_of = f"The first of {members} networks: " if members > 1 else ""
    parameters = sum(values.size for values in numbers.values())
    title = _title(parameters, weights[0], columns, inputs)
    layers_in_words = ", ".join(column.heading.replace("\n", " ") for column in columns)
    return style.finish(figure, first_of + title, f"Its layers: {layers_in_words}.")


def _drawn_part(net: "Network") -> tuple[Sequence[Layer], dict[str, Array]]:
    """The layers and their numbers by name: those of the first member if the network averages
    several, else all.
    """
    numbers = {name: np.asarray(net[name], dtype=np.float64) for name in net.shapes}
    first, *others = net.layers
    if len(first.branches) > 1 and all(isinstance(layer, Temperature) for layer in others):
        branch, layers = next(iter(first.branches.items()))
        return layers, within(numbers, f"0.{branch}")
    return net.layers, numbers


def _embedded(layers: Sequence[Any], names: list[str]) -> list[str]:
    """The names of the columns after these layers; embeddings add columns."""
    for layer in layers:
        if isinstance(layer, CategoryEmbedding):
            picked = [
                f"{names[first].partition('=')[0]} {k}"
                for first, _ in layer.groups
                for k in range(layer.size)
            ]
            names = [*(names[i] for i in layer.alone(len(names))), *picked]
        elif isinstance(layer, CosineEmbedding):
            waves, fine = range(layer.size - 1), layer.embedded(len(names))
            names = [*names, *(f"{names[c]} ~{k}" for c in fine for k in waves)]
    return names


def _names(what: str, names: Sequence[object] | None, n: int, letter: str) -> list[str]:
    if names is None:
        return [f"{letter}{i}" for i in range(n)]
    if len(names) != n:
        raise ValueError(f"{what} has {len(names)} names, but the network has {n}: give one each")
    return [shorten(name, 20) for name in names]


def _output_names(names: Sequence[object] | None, n: int) -> list[str]:
    if names is not None and n == 1 and len(names) == 2:
        return [shorten(names[1], 20)]
    return _names("class_names", names, n, "z")


def _columns(
    headings: Sequence[str], weights: Sequence[Array], biases: Sequence[Array | None]
) -> list[Column]:
    strengths = [np.abs(weights[0]).sum(axis=1), *(np.abs(W).sum(axis=0) for W in weights)]
    columns = []
    for heading, strength, bias in zip(headings, strengths, [None, *biases], strict=True):
        n = len(strength)
        shown = np.sort(np.argsort(-strength, kind="stable")[: n if n <= SHOWN + 2 else SHOWN])
        places = len(shown) + (n > len(shown))
        heights = (places - 1) / 2 - np.arange(len(shown), dtype=float)
        columns.append(Column(n, shown, heights, bias, heading))
    return columns


def _headings(layers: Sequence[Layer], names: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """What stands above each column: its size, then the layers up to the next Dense."""
    places = [int(name.split(".")[0]) for name in names]
    headings = [f"{sizes[0]} in"]
    ends = [*places[1:], len(layers)]
    for start, end, size in zip(places, ends, sizes[1:], strict=True):
        first, *after = (type(layer).__name__ for layer in layers[start:end])
        headings.append("\n".join([f"{first} {size}", *after[:3]]))
    return headings


def _draw_weights(axes: Axes, i: int, W: Array, left: Column, right: Column) -> None:
    strength = np.abs(W) / (np.abs(W).max() or 1.0)
    order = np.argsort(strength, axis=None)  # the strongest on top
    a, b = np.unravel_index(order, W.shape)
    lines = [[(i, left.heights[j]), (i + 1, right.heights[k])] for j, k in zip(a, b, strict=True)]
    values, strong = W.ravel()[order], strength.ravel()[order]
    colours = [style.BLUE if w > 0 else style.ORANGE if w < 0 else style.GRID for w in values]
    dashes = ["-" if w >= 0 else (0, (3, 1)) for w in values]
    drawn = LineCollection(lines, colors=colours, linestyles=dashes, zorder=1)
    drawn.set(linewidths=0.3 + 3.0 * strong, alpha=0.2 + 0.75 * strong)
    axes.add_collection(drawn)


def _write_weights(axes: Axes, i: int, W: Array, left: Column, right: Column) -> None:
    """Each weight on its line, where no other line or number is near."""
    places = _label_places(left.heights, right.heights)
    for j, k in np.ndindex(W.shape):
        place = float(places[j, k])
        height = float(left.heights[j] + place * (right.heights[k] - left.heights[j]))
        box = {"facecolor": style.PAGE, "edgecolor": "none", "pad": 0.8}
        text = number(float(W[j, k]), 3)
        style.write(axes, text, (i + place, height), fontsize=7.5, zorder=2, bbox=box)


def _label_places(left: Array, right: Array) -> Array:
    """How far along each line (a, b) between units at these heights its number stands, 0 to 1.

    One line after the other takes the free place farthest from the other lines.
    """
    at = np.linspace(0.18, 0.82, 33)
    reach = np.linspace(-0.5, 0.5, 5) * LABEL[0]

    def heights(x: Array) -> Array:
        return np.asarray(left[:, None, None] + (right[:, None] - left[:, None, None]) * x)

    lines = np.stack([heights(at + shift) for shift in reach])  # (reach, a, b, places)
    chosen = np.zeros((len(left), len(right)))
    taken: list[tuple[float, float]] = []
    for j, k in np.ndindex(chosen.shape):
        mine = heights(at)[j, k]
        off = np.abs(lines - mine) / LABEL[1]
        off[:, j, k] = np.inf
        room = np.minimum(off.min(axis=(0, 1, 2)), 2.0)
        for x, y in taken:
            distance = np.maximum(np.abs(at - x) / LABEL[0], np.abs(mine - y) / LABEL[1])
            room = np.where(distance < 1, distance - 10, room)
        best = int(np.argmax(room - np.abs(at - 0.3)))
        chosen[j, k] = at[best]
        taken.append((float(at[best]), float(mine[best])))
    return chosen


def _draw_units(axes: Axes, i: int, column: Column, largest: float, numbered: bool) -> None:
    x = np.full(len(column.shown), float(i))
    area = 620 if numbered else 330
    axes.scatter(x, column.heights, s=area, color=style.PAGE, linewidths=0, zorder=3)
    biases = None if column.bias is None else column.bias[column.shown]
    if biases is not None:
        fill = [style.BLUE if b >= 0 else style.ORANGE for b in biases]
        shade: Any = 0.75 * np.abs(biases) / largest
        axes.scatter(x, column.heights, s=area, linewidths=0, zorder=4, color=fill, alpha=shade)
    axes.scatter(
        x, column.heights, s=area, facecolors="none", edgecolors=style.INK, linewidths=1, zorder=5
    )
    for n, (unit, height) in enumerate(zip(column.shown, column.heights, strict=True)):
        bias = "" if biases is None else number(float(biases[n]), 2)  # an input has none
        text = bias if numbered else str(unit)
        style.write(axes, text, (i, height), fontsize=7, va="center_baseline", zorder=6)
    if column.size > len(column.shown):
        text = f"… {column.size - len(column.shown)} more"
        style.write(axes, text, (i, column.heights[-1] - 1), color=style.MUTED)


def _write_names(
    axes: Axes, i: int, column: Column, names: Sequence[str], side: Any, gap: int
) -> None:
    for unit, height in zip(column.shown, column.heights, strict=True):
        offset = (-gap if side == "right" else gap, 0)
        style.write(axes, names[unit], (i, height), ha=side, offset=offset)


def _write_key(axes: Axes, columns: Sequence[Column], numbered: bool) -> None:
    top = max(float(c.heights[0]) for c in columns)
    low = min(float(c.heights[-1]) - (c.size > len(c.shown)) for c in columns)
    for i, c in enumerate(columns):
        look = {"fontsize": 8, "color": style.MUTED, "va": "bottom", "linespacing": 1.25}
        style.write(axes, c.heading, (i, top), offset=(0, 17), **look)
    axes.set(xlim=(-0.25, len(columns) - 0.75), ylim=(low - 0.6, top + 0.6))
    fill = "fill and number: bias" if numbered else "fill: bias, number: unit"
    key = f"blue +  ·  orange dashed −  ·  width: |weight| within its layer  ·  {fill}"
    place = {"xycoords": "axes fraction", "va": "top"}
    style.write(axes, key, (0.5, 0), offset=(0, -4), fontsize=7.5, color=style.MUTED, **place)


def _title(parameters: int, first: Array, columns: Sequence[Column], inputs: Sequence[str]) -> str:
    """The network's shape, and the input with the strongest weights W (inputs, units)."""
    shape = "-".join(str(c.size) for c in columns)
    power = np.abs(first).sum(axis=1)
    title = f"{shape} network, {plural(parameters, 'parameter')}"
    if len(inputs) < 2 or np.ptp(power) <= 1e-12 * power.max():
        return title
    return f"{title}; {inputs[int(power.argmax())]} has the strongest weights"
