"""The diagram of a network shows its weights, named and strongest first."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from support.figures import HOSTILE, drawn, texts, title

from chainrule import (
    Average,
    CategoryEmbedding,
    CosineEmbedding,
    Dense,
    Network,
    ReLU,
    Residual,
    Sigmoid,
)
from chainrule.report import pictures, style


def segments(figure: Figure) -> list[LineCollection]:
    return [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]


def test_network_draws_every_weight_with_its_sign_and_size() -> None:
    net = Network(2, [Dense(2), Sigmoid(), Dense(1), Sigmoid()], rng=0)
    net["0.W"] = [[0.5, -1.0], [0.25, 0.0]]
    net["0.b"] = [0.1, -0.2]
    figure = pictures.network(net, ["weight", "height"], ["Male", "Female"])
    first, second = segments(figure)
    assert (len(first.get_segments()), len(second.get_segments())) == (4, 2)
    by_size = np.asarray(first.get_linewidths())
    np.testing.assert_allclose(by_size, 0.3 + 3 * np.array([0, 0.25, 0.5, 1.0]))
    hues = [tuple(np.round(colour[:3], 3)) for colour in np.asarray(first.get_colors())]
    blue, orange = (tuple(np.round(rgb(c), 3)) for c in (style.BLUE, style.ORANGE))
    assert hues[1:] == [blue, blue, orange]
    shown = texts(figure).split("\n")
    assert {"0.500", "-1", "0.250", "0", "0.10", "-0.20", "weight", "Female"} <= set(shown)
    assert "Male" not in shown
    assert title(figure) == "2-2-1 network, 9 parameters; weight has the strongest weights"


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """The pairs of texts on a picture that lie on each other."""
    figure.canvas.draw()
    boxes = [(t.get_text(), t.get_window_extent()) for t in figure.axes[0].texts if t.get_text()]
    pairs = ((a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    return [(a, b) for (a, first), (b, second) in pairs if first.overlaps(second)]


@pytest.mark.parametrize("sizes", [[2, 1], [2, 4, 1], [3, 3, 1], [4, 4, 4], [4, 4, 4, 2]])
def test_network_writes_numbers_apart_and_leaves_inputs_empty(sizes: list[int]) -> None:
    net = Network.mlp(sizes, "tanh", rng=0)
    net.theta = np.random.default_rng(0).normal(size=net.theta.size)
    figure = pictures.network(net)
    assert overlapping(figure) == []
    assert sum(text.get_text() == "" for text in figure.axes[0].texts) == sizes[0]


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def test_network_shows_the_strongest_units_of_large_layers() -> None:
    net = Network.mlp([784, 100, 10], rng=0, init=0.001)
    net["0.W"][345, 67] = 9.0
    figure = pictures.network(net, class_names=range(10))
    assert [len(c.get_segments()) for c in segments(figure)] == [100, 100]
    assert {"… 774 more", "… 90 more", "x345", "67"} <= set(texts(figure).split("\n"))
    assert drawn(figure)


@pytest.mark.parametrize(
    "net",
    [
        Network(3, [Dense(1, bias=False)], rng=0),
        Network(3, [Residual((Dense(3), ReLU())), Dense(2)], rng=0),
        Network(2, [Dense(4, init="zeros"), Dense(1, init="zeros")], rng=0),
    ],
    ids=["no bias", "residual", "zeros"],
)
def test_network_of_other_shapes(net: Network) -> None:
    assert drawn(pictures.network(net, [HOSTILE] * net.n_in))


def test_of_an_average_the_first_member_is_drawn() -> None:
    embedded = [CategoryEmbedding(((1, 3),), 2), CosineEmbedding(2, 3, columns=(1,)), Dense(4)]
    members = ((*embedded, ReLU(), Dense(2)), (Dense(9), Dense(2)))
    net = Network(4, [Average(members)], rng=0)
    figure = pictures.network(net, ["size", "town=a", "town=b", "age"], ["left", "right"])
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"size", "age", "town 0", "town 1", "age ~0", "age ~1", "left", "right"} <= texts
    assert "Dense 9" not in texts
    assert figure._suptitle is not None
    learned = sum(net[name].size for name in net.shapes if name.startswith("0.0."))
    title = f"The first of 2 networks: 6-4-2 network, {learned} parameters"
    assert figure._suptitle.get_text().startswith(title)
