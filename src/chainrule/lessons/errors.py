"""Lesson errors, text 001: four measures of error, and why the first two fail."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..core.activations import sigmoid
from ..core.layers import Dense
from ..core.losses import AbsoluteError, BinaryCrossEntropy, Loss, SquaredError, SumOfErrors
from ..core.network import Network
from ..core.optimizers import SGD
from ..training.loop import train
from .parts import Lesson, Part, Picture, Table, claim, numbers, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGETS, OUTPUTS = np.array([2.0, 3.0, 5.0, 9.0]), np.array([[1.0], [5.0], [3.0], [6.0]])


def errors() -> Iterator[Part]:
    """The parts of the lesson."""
    yield from _four_numbers()
    yield from _sum()
    yield from _absolute()
    yield from _squared()
    yield from _cross_entropy()


def _four_numbers() -> Iterator[Part]:
    yield say(
        """A measure of error turns all mistakes into one number that training then makes small. It
        must be smallest where every answer is right, and its slope must say which way to go and
        how far. Here are three candidates, and two of them as means, on targets 2, 3, 5, 9 and
        outputs 1, 5, 3, 6. The fourth, cross-entropy, is for yes or no and comes last.""",
        "One number for all mistakes",
    )
    measured = {
        "plain": SumOfErrors().value(OUTPUTS, TARGETS),
        "absolute": AbsoluteError(reduction="sum").value(OUTPUTS, TARGETS),
        "half": SquaredError(scale=0.5, reduction="sum").value(OUTPUTS, TARGETS),
        "mse": SquaredError().value(OUTPUTS, TARGETS),
        "mae": AbsoluteError().value(OUTPUTS, TARGETS),
    }
    yield numbers(
        "The same four mistakes: 1, -2, 2, 3",
        ("sum of errors", "Σ (t - o)", "4", measured["plain"]),
        ("sum of absolute errors", "Σ |t - o|", "8", measured["absolute"]),
        ("half the sum of squares", "½ Σ (t - o)²", None, measured["half"]),
        ("mean squared error", "mean of (t - o)²", None, measured["mse"]),
        ("mean absolute error", "mean of |t - o|", None, measured["mae"]),
    )
    expected = {"plain": 4, "absolute": 8, "half": 9, "mse": 4.5, "mae": 2}
    titles = {
        "plain": "The sum of errors",
        "absolute": "The sum of absolute errors",
        "half": "Half the sum of squares",
        "mse": "The mean squared error",
        "mae": "The mean absolute error",
    }
    for name, value in expected.items():
        yield claim(titles[name], value, measured[name])


def _sum() -> Iterator[Part]:
    yield say(
        """The plain sum fails twice. Mistakes of opposite sign cancel, so 0 does not mean right:
        the outputs 5, 2, 8, 4 below are wrong four times and score a perfect 0. And there is
        nothing to minimise: outputs of a million each make it hugely negative, which a minimiser
        would take for splendid.""",
        "1. The sum of errors cancels",
    )
    loss = SumOfErrors()
    cancelling, huge = np.array([[5.0], [2.0], [8.0], [4.0]]), np.full((4, 1), 1e6)
    sums = (loss.value(cancelling, TARGETS), loss.value(huge, TARGETS))
    yield Table(
        "Targets 2, 3, 5, 9",
        ("outputs", "sum of errors", "half the sum of squares"),
        (
            (
                "5, 2, 8, 4",
                sums[0],
                SquaredError(scale=0.5, reduction="sum").value(cancelling, TARGETS),
            ),
            (
                "a million each",
                sums[1],
                SquaredError(scale=0.5, reduction="sum").value(huge, TARGETS),
            ),
        ),
    )
    refusal = _refusal(loss)
    yield say(f"Asked to train on it, the library refuses and says why: `{refusal}`")
    yield claim("Four wrong answers sum to", 0, sums[0])
    yield claim("A million each scores", -3999981, sums[1])
    yield claim("Training on the sum of errors is refused", True, "cancel" in refusal)


def _refusal(loss: Loss) -> str:
    try:
        train(Network(1, [Dense(1)], rng=0), loss, SGD(), OUTPUTS, TARGETS, epochs=1, lr=0.1)
    except ValueError as error:
        return str(error)
    return ""


def _absolute() -> Iterator[Part]:
    yield say(
        """Absolute values stop the cancelling. But the slope of `|t - o|` is +1 or -1 however
        large the mistake, and at o = t it jumps: a kink, with no derivative. Descent with a fixed
        step marches at one speed and then hops across the answer for ever. Below, one lonely
        bias starts at 0 and looks for the target 0.25 with learning rate 0.1.""",
        "2. The absolute error has one slope and a kink",
    )
    paths = {name: _path(loss) for name, loss in _SEEKERS.items()}
    yield Table(
        "The bias after each step",
        ("step", "absolute error", "half squared error"),
        tuple(
            (f"{k}", f"{paths['absolute'][k - 1]:.4f}", f"{paths['squared'][k - 1]:.4f}")
            for k in (1, 2, 3, 4, 5, 6, 59, 60)
        ),
    )
    near, far = np.array([[0.26]]), np.array([[100.0]])
    target = np.array([0.25])
    slopes = [float(_SEEKERS["absolute"].grad(z, target)[0, 0]) for z in (near, far)]
    yield claim("The slope of the absolute error, near the target and far off", [1, 1], slopes)
    yield claim("At steps 59 and 60 it still hops", [0.3, 0.2], paths["absolute"][58:60], 1e-9)
    yield claim("With the squared error the bias is at", 0.25, paths["squared"][59], 1e-3)


_SEEKERS: dict[str, Loss] = {"absolute": AbsoluteError(), "squared": SquaredError(scale=0.5)}


def _path(loss: Loss) -> list[float]:
    net = Network(1, [Dense(1, init=0.0)], rng=0)
    steps = train(net, loss, SGD(), [[0.0]], [0.25], epochs=60, lr=0.1, rng=0)
    return [float(net["0.b"][0]) for _ in steps]


def _squared() -> Iterator[Part]:
    yield say(
        """Squaring stops the cancelling too, is smooth at 0, and has the slope `o - t` (the ½ is
        there to swallow the 2): far off it strides, close by it creeps. The price: a mistake ten
        times as large counts a hundred times, so one absurd row can pull the whole fit. The
        absolute error shrugs such rows off, and is used for that, with steps that shrink.""",
        "3. Half the sum of squares",
    )
    loss = SquaredError(scale=0.5)
    outputs = np.array([[0.26], [1.25], [100.25]])
    slopes = [float(loss.grad(o[None], np.array([0.25]))[0, 0]) for o in outputs]
    yield claim("Its slope is the mistake itself", [0.01, 1.0, 100.0], slopes)


def _cross_entropy() -> Iterator[Part]:
    yield say(
        """For yes or no behind a σ, squares have a blind spot. A network that is wrong and sure
        of it sits where σ is flat, so the slope that reaches its weights is almost nothing.
        Cross-entropy, `-(t ln o + (1 - t) ln(1 - o))`, grows without limit there, and its slope by
        `z` is simply `o - t`. The text prints only the first term; with its target 0 that is 0
        for every output, so the second is not optional.""",
        "4. Cross-entropy",
    )
    bce, half = BinaryCrossEntropy(), SquaredError(scale=0.5)
    no = np.array([0.0])
    rows = []
    for z in (0.0, 2.0, 5.0, 10.0):
        Z = np.array([[z]])
        A = sigmoid(Z)
        squared_slope = float((half.grad(A, no) * A * (1 - A))[0, 0])
        rows.append((f"{z:.0f}", f"{A[0, 0]:.5f}", f"{squared_slope:.3g}",
                     f"{bce.grad(Z, no)[0, 0]:.5f}"))  # fmt: skip
    yield Table(
        "Target 0: the slope by z that each sends back",
        ("z", "o = σ(z)", "half squares: o · o (1 - o)", "cross-entropy: o"),
        tuple(rows),
    )
    worked = np.array([[1.2146468772640069]])
    yield claim(
        "The cross-entropy of the network in `boolean`",
        1.4745579873977763,
        bce.value(worked, no),
    )
    at_40 = bce.value(np.array([[40.0]]), no)
    yield claim("Sure and wrong, at z = 40, it is finite", 40.0, at_40)
    yield Picture("errors", "Three measures, and the slopes they send back", _draw)


def _draw() -> "Figure":
    from .figures import error_measures

    return error_measures()


LESSON = Lesson(
    "errors",
    "Four measures of error",
    "text 001",
    "Sum, absolute, half squares, cross-entropy: what each is, and why the first two fail.",
    errors,
)
