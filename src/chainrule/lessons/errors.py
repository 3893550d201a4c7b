"""Lesson errors, text 001: four measures of error, and why the first two fail."""

from collections.abc import Iterator

import numpy as np

from ..core.activations import sigmoid
from ..core.layers import Dense
from ..core.losses import AbsoluteError, BinaryCrossEntropy, Loss, SquaredError, SumOfErrors
from ..core.network import Network
from ..core.optimizers import SGD
from ..training.loop import train
from ..writing.blocks import Table
from .common import descent, neuron, picture
from .parts import Part, claim, in_sections, numbers, say
from .text_data import Rows

HALF_SQUARES = SquaredError(scale=0.5, reduction="sum")
TARGETS, OUTPUTS = np.array([2.0, 3.0, 5.0, 9.0]), np.array([[1.0], [5.0], [3.0], [6.0]])


def _four_numbers() -> Iterator[Part]:
    """One number for all mistakes

    A measure of error turns all mistakes into one number that training then makes small. It must be
    smallest where every answer is right, and its slope must say which way to go and how far. Here
    are three candidates, and two of them as means, on targets 2, 3, 5, 9 and outputs 1, 5, 3, 6.
    The fourth, cross-entropy, is for yes or no and comes last.
    """
    measures = (
        ("sum of errors", "Σ (t - o)", "4", SumOfErrors(), 4),
        ("sum of absolute errors", "Σ |t - o|", "8", AbsoluteError(reduction="sum"), 8),
        ("half the sum of squares", "½ Σ (t - o)²", None, HALF_SQUARES, 9),
        ("mean squared error", "mean of (t - o)²", None, SquaredError(), 4.5),
        ("mean absolute error", "mean of |t - o|", None, AbsoluteError(), 2),
    )
    rows = [(*words, loss.value(OUTPUTS, TARGETS)) for *words, loss, _ in measures]
    yield numbers("The same four mistakes: 1, -2, 2, 3", *rows)
    for (name, *_, expected), (*_, value) in zip(measures, rows, strict=True):
        yield claim(f"The {name}".replace("The half", "Half"), expected, value)


def _sum() -> Iterator[Part]:
    """1. The sum of errors cancels

    The plain sum fails twice. Mistakes of opposite sign cancel, so 0 does not mean right: the
    outputs 5, 2, 8, 4 below are wrong four times and score a perfect 0. And there is nothing to
    minimise: outputs of a million each make it hugely negative, which a minimiser would take for
    splendid.
    """
    loss = SumOfErrors()
    answers = {
        "5, 2, 8, 4": np.array([[5.0], [2.0], [8.0], [4.0]]),
        "a million each": np.full((4, 1), 1e6),
    }
    rows = [
        (name, loss.value(outputs, TARGETS), HALF_SQUARES.value(outputs, TARGETS))
        for name, outputs in answers.items()
    ]
    yield Table("Targets 2, 3, 5, 9", ("outputs", "sum of errors", "half the sum of squares"), rows)
    refusal = _refusal(loss)
    yield say(f"Asked to train on it, the library refuses and says why: `{refusal}`")
    yield claim("Four wrong answers sum to", 0, rows[0][1])
    yield claim("A million each scores", -3999981, rows[1][1])
    yield claim("Training on the sum of errors is refused", True, "cancel" in refusal)


def _refusal(loss: Loss) -> str:
    try:
        train(Network(1, [Dense(1)], rng=0), loss, SGD(), OUTPUTS, TARGETS, epochs=1, lr=0.1)
    except ValueError as error:
        return str(error)
    return ""


def _absolute() -> Iterator[Part]:
    """2. The absolute error has one slope and a kink

    Absolute values stop the cancelling. But the slope of `|t - o|` is +1 or -1 however large the
    mistake, and at o = t it jumps: a kink, with no derivative. Descent with a fixed step marches at
    one speed and then hops across the answer for ever. Below, one lonely bias starts at 0 and looks
    for the target 0.25 with learning rate 0.1.
    """
    absolute, squared = _biases(AbsoluteError()), _biases(SquaredError(scale=0.5))
    rows = [
        (f"{step}", f"{absolute[step - 1]:.4f}", f"{squared[step - 1]:.4f}")
        for step in (1, 2, 3, 4, 5, 6, 59, 60)
    ]
    columns = ("step", "absolute error", "half squared error")
    yield Table("The bias after each step", columns, rows)
    slopes = [AbsoluteError().grad(np.array([[o]]), np.array([0.25])) for o in (0.26, 100.0)]
    yield claim("The slope of the absolute error, near the target and far off", [1, 1], slopes)
    yield claim("At steps 59 and 60 it still hops", [0.3, 0.2], absolute[58:60], 1e-9)
    yield claim("With the squared error the bias is at", 0.25, squared[59], 1e-3)


def _biases(loss: Loss) -> list[float]:
    """The bias of a neuron after each step on one row, whose target is 0.25."""
    net, row = neuron(1), Rows(np.zeros((1, 1)), np.array([0.25]))
    return [net["0.b"].item() for _ in descent(net, loss, row, epochs=60, lr=0.1)]


def _squared() -> Iterator[Part]:
    """3. Half the sum of squares

    Squaring stops the cancelling too, is smooth at 0, and has the slope `o - t` (the ½ is there to
    swallow the 2): far off it strides, close by it creeps. The price: a mistake ten times as large
    counts a hundred times, so one absurd row can pull the whole fit. The absolute error shrugs such
    rows off, and is used for that, with steps that shrink.
    """
    outputs = np.array([[0.26], [1.25], [100.25]])
    slopes = [SquaredError(scale=0.5).grad(o[None], np.array([0.25])) for o in outputs]
    yield claim("Its slope is the mistake itself", [0.01, 1.0, 100.0], slopes)


def _cross_entropy() -> Iterator[Part]:
    """4. Cross-entropy

    For yes or no behind a σ, squares have a blind spot. A network that is wrong and sure of it sits
    where σ is flat, so the slope that reaches its weights is almost nothing. Cross-entropy, `-(t ln
    o + (1 - t) ln(1 - o))`, grows without limit there, and its slope by `z` is simply `o - t`. The
    text prints only the first term; with its target 0 that is 0 for every output, so the second is
    not optional.
    """
    bce, half = BinaryCrossEntropy(), SquaredError(scale=0.5)
    no = np.array([0.0])
    rows = []
    for z in (0.0, 2.0, 5.0, 10.0):
        o, entropy = sigmoid(np.array([[z]])), bce.grad(np.array([[z]]), no).item()
        squares = (half.grad(o, no) * o * (1 - o)).item()
        rows.append((f"{z:.0f}", f"{o.item():.5f}", f"{squares:.3g}", f"{entropy:.5f}"))
    columns = ("z", "o = σ(z)", "half squares: o · o (1 - o)", "cross-entropy: o")
    yield Table("Target 0: the slope by z that each sends back", columns, rows)
    in_boolean = bce.value(np.array([[1.2146468772640069]]), no)
    yield claim("The cross-entropy of the network in `boolean`", 1.4745579873977763, in_boolean)
    at_40 = bce.value(np.array([[40.0]]), no)
    yield claim("Sure and wrong, at z = 40, it is finite", 40.0, at_40)
    yield picture("errors", "Three measures, and the slopes they send back", "error_measures")


PARTS = in_sections(_four_numbers, _sum, _absolute, _squared, _cross_entropy)
