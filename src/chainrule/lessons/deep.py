"""Lessons deep and xor-stuck, text 002-B: any layer sizes, and a network that never learns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..core.losses import BinaryCrossEntropy
from ..core.network import Network
from ..writing.blocks import Table
from .bugs import find_the_bugs
from .common import curve, gradients, loss_on, outputs, predictions, trained
from .parts import Part, claim, in_sections, numbers, section
from .text_data import LN_2, TRUTH_TABLE, XOR, Rows

LOSS = BinaryCrossEntropy()


def small_start(sizes: Sequence[int], std: float = 0.01) -> Network:
    """σ layers of any sizes, biases 0, weights RandomState(3).randn(outputs, inputs) · std."""
    net = Network.mlp(sizes, "sigmoid", init=0.0, rng=0)
    rng = np.random.RandomState(3)
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        net[f"{2 * i}.W"] = (rng.randn(n_out, n_in) * std).T  # the text keeps W transposed
    return net


def _one_pass() -> Iterator[Part]:
    """Forward and back through any number of layers

    A network of L layers is one loop forward and one loop back. Forward: each layer takes the
    activations below, computes `Z = A @ W + b` and `σ(Z)`, and keeps both. Backward: each layer
    takes `dA` from above and returns its own `dW`, `db`, and the `dA` for the layer below. The text
    keeps the parameters in a dictionary, W1, b1, W2 and on, so that any list of sizes works. Its
    printed code does not run: `log` has lost its `np.`, `sigmoid` returns a pair that is used as a
    number, the update reads W1 where the gradients are called dW1, and the backward pass files the
    last layer under the number of the one before, where it is overwritten. Repaired, sizes 3, 4, 1,
    on the truth table of 001:
    """
    net = small_start([3, 4, 1])
    cost = loss_on(net, LOSS, TRUTH_TABLE)
    grad = gradients(net, LOSS, TRUTH_TABLE)
    w, dw1 = net["0.W"][:, 0], grad["0.W"][:, 0]
    yield numbers(
        "The first pass",
        ("W1 of the first unit", "randn · 0.01", None, w[0]),
        ("cost 0", "log loss, mean of 8", None, cost),
        ("dW2, first", "Aᵀ @ dZ / m", None, grad["2.W"][0, 0]),
        ("db2", "Σ dZ / m", None, grad["2.b"][0]),
        ("dW1, first unit", "by x", None, dw1[0]),
    )
    first = [0.017886284734303187, 0.004365098505119894, 0.0009649746807200863]
    yield claim("The first unit's weights", first, w)
    yield claim("The first cost", 0.6917654873530734, cost)
    dW2 = [-0.061762400784418386, -0.06055586877004766, -0.06089984238874478, -0.06027233243472459]
    yield claim("The gradient by W2", dW2, grad["2.W"])
    yield claim("The gradient by b2", -0.12221062970373357, grad["2.b"])
    dW1 = [-0.0002723098248197323, -0.0002723025024120898, 0.0002784868899716836]
    yield claim("The gradient by the first unit's weights", dW1, dw1)


def _histories() -> Iterator[Part]:
    """Learning, slowly and less slowly

    With these small weights the first-layer gradients are a hundred times smaller than the
    second's: `dA` comes down multiplied by weights of about 0.01. At learning rate 0.1 a thousand
    steps are hardly a beginning; at 1, five thousand finish the job.
    """
    slow = yield from trained(
        small_start([3, 4, 1]), LOSS, TRUTH_TABLE, epochs=1000, lr=0.1, task="rate 0.1"
    )
    net = small_start([3, 4, 1])
    fast = yield from trained(net, LOSS, TRUTH_TABLE, epochs=5000, lr=1.0, task="rate 1")
    yield numbers(
        "The cost history",
        ("cost 0", "the start", None, slow[0].loss),
        ("cost 1", "rate 0.1", None, slow[1].loss),
        ("cost 100", "rate 0.1", None, slow[100].loss),
        ("cost 999", "rate 0.1", None, slow[999].loss),
        ("cost 4999", "rate 1", None, fast[4999].loss),
    )
    yield curve("deep-slow", "1,000 steps at learning rate 0.1", slow)
    yield curve("deep-fast", "5,000 steps at learning rate 1", fast)
    yield claim("The cost after one step", 0.6888637340759093, slow[1].loss)
    yield claim("The cost of step 100", 0.6600853387063488, slow[100].loss, 1e-9)
    yield claim("The last of 1,000 at rate 0.1", 0.3085170368803317, slow[999].loss, 1e-9)
    yield claim("The last of 5,000 at rate 1", 0.0007789723393580256, fast[4999].loss, 1e-9)
    output = outputs(net, LOSS, TRUTH_TABLE.X)
    yield predictions("After 5,000 steps at rate 1", TRUTH_TABLE, output)


def _sizes() -> Iterator[Part]:
    """Any list of sizes

    The same functions for other lists of sizes, 1,000 steps at learning rate 1. Each layer more
    divides the gradient of the first by another hundred or two, until nothing arrives: the
    vanishing gradient, made by a start of 0.01 and a slope of σ that is never above ¼. A constant
    answer of 5/8, the share of ones, would cost 0.6616, and that is about all the deeper two have
    learned.
    """
    rows, costs, first = [], [], []
    for sizes in ([3, 1], [3, 4, 1], [3, 5, 4, 1], [3, 8, 8, 8, 1]):
        net = small_start(sizes)
        first.append(np.abs(gradients(net, LOSS, TRUTH_TABLE)["0.W"]).max())
        name = "-".join(map(str, sizes))
        yield from trained(net, LOSS, TRUTH_TABLE, epochs=1000, lr=1.0, task=name)
        costs.append(loss_on(net, LOSS, TRUTH_TABLE))
        rows.append((name, f"{net.theta.size}", f"{first[-1]:.1e}", f"{costs[-1]:.4f}"))
    columns = ("sizes", "parameters", "largest first dW1", "cost after 1,000")
    yield Table("Truth table, weights of about 0.01", columns, rows)
    constant = _cost_of_constant(5 / 8, TRUTH_TABLE)
    yield claim("The cost of the best constant answer", 0.6615632381579821, constant)
    yield claim("The costs of the two deep ones", [constant] * 2, costs[2:], 1e-3)
    yield claim("The two shallow ones are below 0.03", True, max(costs[:2]) < 0.03)
    falls = all(a > 10 * b for a, b in zip(first, first[1:], strict=False))
    yield claim("Each layer more divides dW1 by over 10", True, falls)


def _cost_of_constant(p: float, rows: Rows) -> float:
    """The cost of answering p to every row."""
    return LOSS.value(np.full((len(rows.y), 1), np.log(p / (1 - p))), rows.y)


def _stuck() -> Iterator[Part]:
    """Forty thousand epochs for nothing

    XOR is 1 when exactly one of two inputs is 1. One neuron cannot do it, for no line parts the
    ones from the zeros; a hidden layer of four can. The text's code, sizes 2, 4, 1, weights randn ·
    0.01, learning rate 1: forty thousand epochs.
    """
    net = small_start([2, 4, 1])
    largest = {name: np.abs(g).max() for name, g in gradients(net, LOSS, XOR).items()}
    records = yield from trained(net, LOSS, XOR, epochs=40_000, lr=1.0, task="XOR")
    output = outputs(net, LOSS, XOR.X)
    table = predictions("After 40,000 epochs", XOR, output)
    rows = zip(table.rows, output, strict=True)
    yield replace(table, rows=[(*row[:2], f"{o:.7f}", "undecided") for row, o in rows])
    yield numbers(
        "The cost, and the first gradient",
        ("cost 0", "the start", None, records[0].loss),
        ("cost 39999", "the end", None, records[-1].loss),
        ("ln 2", "-ln ½", None, LN_2),
        ("dW1", "largest, first step", None, f"{largest['0.W']:.2g}"),
        ("dW2", "largest, first step", None, f"{largest['2.W']:.2g}"),
    )
    yield curve("xor-stuck-cost", "The cost over 40,000 epochs: watch the scale", records)
    yield claim("The last cost", 0.6931471805551344, records[-1].loss, 1e-9)
    yield claim("All four outputs", [0.5] * 4, output, 1e-5)
    yield from section(_diagnosis, records[-1].loss)


def _diagnosis(cost: float) -> Iterator[Part]:
    """Reading the number

    The cost is a number to recognise. A network that gives every row the same answer p pays least
    when p is the share of ones, here ½, and then it pays ln 2 = 0.6931. A cost that settles there
    says: the inputs do not reach the output. The reason is the start. With weights near 0 every
    hidden unit sits at σ(0) = ½, on the straight middle of σ, and a network of straight units is a
    neuron. And a neuron on XOR has nothing to gain in any direction: the pulls of the four rows
    cancel.
    """
    costs = {p: _cost_of_constant(p, XOR) for p in (0.3, 0.5, 0.7)}
    rows = [(f"{p}", cost) for p, cost in costs.items()]
    yield Table("The cost of a constant answer p on XOR", ("p", "cost"), rows)
    yield claim("The best constant pays", LN_2, costs[0.5])
    yield claim("Others pay more", True, min(costs[0.3], costs[0.7]) > costs[0.5])
    yield claim("The network ends within 1e-10 of it", True, abs(LN_2 - cost) < 1e-10)


def _cure() -> Iterator[Part]:
    """The cure

    One change at a time, everything else as it was: the same random numbers times 0.1 and times 1,
    and Glorot's start, which picks the scale from the layer's sizes. 5,000 epochs each, an eighth
    of what was in vain above.
    """
    starts = {
        "randn · 0.01": small_start([2, 4, 1]),
        "randn · 0.1": small_start([2, 4, 1], 0.1),
        "randn · 1": small_start([2, 4, 1], 1.0),
        "Glorot": Network.mlp([2, 4, 1], "sigmoid", rng=0),
    }
    rows, ends = [], {}
    for name, net in starts.items():
        dW1 = np.abs(gradients(net, LOSS, XOR)["0.W"]).max()
        records = yield from trained(net, LOSS, XOR, epochs=5000, lr=1.0, task=name)
        ends[name] = records[-1].loss
        read = " ".join(f"{o:.3f}" for o in outputs(net, LOSS, XOR.X))
        rows.append((name, f"{dW1:.0e}", f"{records[-1].loss:.6f}", read))
    columns = ("start", "first dW1", "last cost", "outputs")
    yield Table("5,000 epochs on XOR, targets 0 1 1 0", columns, rows)
    yield claim("From randn · 1 the last cost is below 0.01", True, ends["randn · 1"] < 0.01)
    yield claim("From Glorot's start the last cost", 0.0013760771530008122, ends["Glorot"], 1e-9)
    yield claim("From randn · 0.01 the last cost is still", LN_2, ends["randn · 0.01"], 1e-4)


DEEP = in_sections(_one_pass, find_the_bugs, _histories, _sizes)
XOR_STUCK = in_sections(_stuck, _cure)
