"""Lesson two-layer, text 002-A: two layers without biases, sum of squared errors, 1,500 steps."""

from collections.abc import Iterator

import numpy as np

from ..core.activation_layers import Sigmoid
from ..core.activations import sigmoid
from ..core.arrays import Array
from ..core.layers import Dense
from ..core.losses import SquaredError
from ..core.network import Network
from ..writing.blocks import Table
from .common import curve, gradients, loss_on, predictions, trained
from .parts import Part, claim, in_sections, numbers, say, section
from .text_data import TRUTH_TABLE, XOR, Rows

LOSS = SquaredError(reduction="sum")


class MisplacedSigmoid(Sigmoid):
    """A = σ(Z), with the slope wrongly taken at A: what a mix of texts 002-A and 003 computes."""

    def slopes(self, Z: Array, A: Array) -> Array:
        return sigmoid(A) * (1.0 - sigmoid(A))


def no_biases(n_in: int, activation: Sigmoid, seed: int = 0) -> Network:
    """Ŷ = σ(σ(X @ W1) @ W2), weights from RandomState(seed): rand(n_in, 4), then rand(4, 1)."""
    layers = [Dense(4, bias=False), activation, Dense(1, bias=False), activation]
    net = Network(n_in, layers, rng=0)
    rng = np.random.RandomState(seed)
    net["0.W"], net["2.W"] = rng.rand(n_in, 4), rng.rand(4, 1)
    return net


def _run() -> Iterator[Part]:
    """The run

    The text's class has two weight matrices and no biases: `H = σ(X @ W1)`, `Ŷ = σ(H @ W2)`. Its
    error is the sum of squared errors, `E = Σ (y - ŷ)²`, squared so that mistakes of opposite sign
    cannot cancel. Each of 1,500 steps uses all rows at once and adds what the text calls
    `d_weights`. Those are minus the gradient, hence the plus sign, and the learning rate is a
    silent 1. The data set is missing in the text; here it is the truth table of 001, with numpy's
    RandomState(0) for the weights.
    """
    net = no_biases(3, Sigmoid())
    first = gradients(net, LOSS, TRUTH_TABLE)["2.W"][:, 0]
    records = yield from trained(net, LOSS, TRUTH_TABLE, epochs=1500, lr=1.0)
    output, end = net.predict(TRUTH_TABLE.X)[:, 0], loss_on(net, LOSS, TRUTH_TABLE)
    losses = [record.loss for record in records]
    yield numbers(
        "The sum of squared errors",
        ("E 0", "before any step", None, losses[0]),
        ("d_weights2", "-∂E/∂W2, first unit", None, -first[0]),
        ("E 1", "after one step", None, losses[1]),
        ("E 1500", "after 1,500 steps", None, f"{end:.10f}"),
    )
    yield curve("two-layer-loss", "The sum of squared errors over 1,500 iterations", records)
    yield predictions("Predictions after 1,500 iterations", TRUTH_TABLE, output)
    yield say(
        """The outputs are near 0 and 1 and never there, since σ only gets there at infinity. The
        text finds the small difference desirable, as a guard against overfitting. It is no such
        guard: these are the training rows, and only rows held out could tell.""",
    )
    yield claim("The error before any step", 2.082155501362624, losses[0])
    dW2 = [0.34548436656937764, 0.26079044377858973, 0.32166919142147615, 0.2836937158468808]
    yield claim("The text's first d_weights2, -∂E/∂W2", np.negative(dW2), -first)
    yield claim("The error after one step", 1.8793446862619012, losses[1])
    yield claim("The error after 1,500 steps", 0.0016872191, end, 1e-8)
    yield claim("Steps in which it rose", 0, (np.diff(losses) > 0).sum())
    yield claim("All eight rows are read rightly", TRUTH_TABLE.y, output > 0.5)


def _misplaced() -> Iterator[Part]:
    """The function that is not printed

    The text calls `sigmoid_derivative` on the layer's output, but does not print it. There it must
    be `a (1 - a)`. Text 003 has a function of the same name that expects z and applies σ itself;
    put that one in and the slope is taken at σ(a) instead of a. Nothing crashes, and the network
    may even learn. Only the gradient is wrong.
    """
    right = no_biases(3, Sigmoid())
    wrong = no_biases(3, MisplacedSigmoid())
    good, bad = (gradients(net, LOSS, TRUTH_TABLE) for net in (right, wrong))
    off = {k: np.linalg.norm(bad[k] - good[k]) / np.linalg.norm(good[k]) for k in good}
    floor = sigmoid(np.array(1.0)) * sigmoid(np.array(-1.0))
    yield numbers(
        "How far off the first gradient is",
        ("∂E/∂W1", "‖wrong - right‖ / ‖right‖", None, f"{off['0.W']:.1%}"),
        ("∂E/∂W2", "‖wrong - right‖ / ‖right‖", None, f"{off['2.W']:.1%}"),
        ("least a (1 - a)", "a = 0 or 1", None, 0.0),
        ("least σ(a)(1 - σ(a))", "a = 1", None, floor),
    )
    yield claim("The share by which ∂E/∂W1 is off", 0.3225, off["0.W"], 1e-4)
    yield claim("The share by which ∂E/∂W2 is off", 0.2621, off["2.W"], 1e-4)
    yield from section(_by_seed)
    yield from section(_finite_difference, right, good["2.W"], bad["2.W"])


def _by_seed() -> Iterator[Part]:
    """The wrong slope never falls below 0.197, so saturated units go on moving when they should
    rest. How much that hurts is luck. XOR, the same class and the same 1,500 steps; a third input
    that is always 1 stands in for the biases that are missing:
    """
    xor, ends = Rows(np.column_stack([XOR.X, np.ones(len(XOR.X))]), XOR.y), []
    for seed in range(4):
        pair = [no_biases(3, activation, seed) for activation in (Sigmoid(), MisplacedSigmoid())]
        for net in pair:
            yield from trained(net, LOSS, xor, epochs=1500, lr=1.0, task="XOR")
        ends.append([loss_on(net, LOSS, xor) for net in pair])
    rows = [(f"{seed}", f"{right:.4f}", f"{wrong:.1f}") for seed, (right, wrong) in enumerate(ends)]
    columns = ("RandomState", "a (1 - a)", "σ(a)(1 - σ(a))")
    yield Table("The sum of squared errors on XOR", columns, rows)
    yield say(
        """The last column has one decimal: with the wrong slope, training amplifies rounding, and
        further digits depend on the processor.""",
    )
    right, wrong = np.transpose(ends)
    yield claim("The wrong slope ends worse from every start", True, (right < wrong).all())
    stuck = "It is stuck near 1, a guess of 0.5 on each row, from so many of the four"
    yield claim(stuck, 2, ((wrong > 0.9) & (wrong < 1.1)).sum())


def _finite_difference(net: Network, good: Array, bad: Array) -> Iterator[Part]:
    """A gradient is right when it agrees with what the loss does. Move one weight a millionth up
    and down, and see what the loss does.
    """
    h, at = 1e-6, float(net["2.W"][0, 0])
    sides = []
    for value in (at + h, at - h):
        net["2.W"][0, 0] = value
        sides.append(loss_on(net, LOSS, TRUTH_TABLE))
    net["2.W"][0, 0] = at
    measured = (sides[0] - sides[1]) / (2 * h)
    yield numbers(
        "∂E/∂ of the first weight of W2",
        ("measured", "(E(w + h) - E(w - h)) / 2h", None, f"{measured:.9f}"),
        ("slope at a", "a (1 - a)", None, good[0, 0]),
        ("slope at σ(a)", "σ(a)(1 - σ(a))", None, bad[0, 0]),
    )
    yield claim("The right gradient is what is measured", measured, good[0, 0], 1e-7)
    yield claim("The other is not", True, abs(bad[0, 0] - measured) > 0.05)


PARTS = in_sections(_run, _misplaced)
