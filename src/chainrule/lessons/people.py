"""Lesson people, text 003: the same network trained on four people, and why scaling helps."""

from collections.abc import Iterator

import numpy as np

from ..core.activation_layers import Sigmoid
from ..core.layers import Dense
from ..core.losses import SquaredError
from ..core.network import Network
from ..writing.blocks import Table
from .alice import two_two_one
from .common import bits, curve, loss_on, picture, slope, trained
from .parts import Part, claim, in_sections, numbers, say, section
from .text_data import NAMES, PEOPLE, Rows

LOSS = SquaredError()
SCALED = Rows((PEOPLE.X - PEOPLE.X.mean(axis=0)) / PEOPLE.X.std(axis=0), PEOPLE.y)


def _training() -> Iterator[Part]:
    """Training

    Four people: weight less 135 pounds, height less 66 inches, and the target 1 for female, 0 for
    male. The 2-2-1 network of `alice` starts with all weights 1 and all biases 0, sees one person
    at a time, in this order, and takes a step of 0.1 after each: stochastic gradient descent with
    batches of one. An epoch is one round of four steps.
    """
    net = two_two_one()
    before = loss_on(net, LOSS, PEOPLE)
    once = yield from trained(net, LOSS, PEOPLE, epochs=1, lr=0.1, batch_size=1)
    after_one = loss_on(net, LOSS, PEOPLE)
    rest = yield from trained(net, LOSS, PEOPLE, epochs=999, lr=0.1, batch_size=1)
    records = once + [record._replace(epoch=record.epoch + 1) for record in rest]
    after_all = loss_on(net, LOSS, PEOPLE)
    output = net.predict(PEOPLE.X)[:, 0]
    rows = [
        (name, bits(x), f"{y:.0f}", f"{o:.6f}")
        for name, x, y, o in zip(NAMES, *PEOPLE, output, strict=True)
    ]
    yield Table("After 1,000 epochs", ("person", "input", "target", "output"), rows)
    yield numbers(
        "The mean squared error of the four",
        ("before", "all weights 1", None, before),
        ("after epoch 1", "4 steps", None, after_one),
        ("after epoch 1,000", "4,000 steps", None, after_all),
    )
    yield curve("people-loss", "The loss falls over 1,000 epochs", records)
    yield claim("The error before any step", 0.5071183179199986, before)
    yield claim("The error after one epoch", 0.500194529252766, after_one)
    yield claim("The error after 1,000", 0.0023927078180747594, after_all, 1e-9)
    yield claim("All four answers", [0.940184, 0.039759, 0.039759, 0.946789], output, 1e-6)
    hidden = net.forward(PEOPLE.X)[1][1]["A"]
    yield say(
        """Bob and Charlie get the same answer to six digits, though one is 8 pounds and 2 inches
        larger: both have driven the hidden units to an end of σ, where size no longer shows. And
        the two hidden units are one. They began alike, so they got equal gradients and stayed
        alike through 4,000 steps: all weights 1 leaves a network of two hidden units with the
        reach of one. Weights must start different.""",
    )
    yield claim("h1 and h2 differ, for each person, by", np.zeros(4), np.ptp(hidden, axis=1))


def _asleep() -> Iterator[Part]:
    """Why three of the four teach the hidden units nothing at first

    Look at where the first step begins. The shifts 135 and 66 are round numbers, not the means
    (141.25 and 66.75), and the pounds are left as large as they are. So the hidden pre-activations
    reach 31, where σ is flat: whatever comes back from the loss is multiplied by a slope of 3e-14.
    """
    net = two_two_one()
    caches = net.forward(PEOPLE.X)[1]
    Z, S = caches[0]["Z"][:, 0], slope(net, caches, 1)[:, 0]
    rows = [(name, float(z), f"{s:.3g}") for name, z, s in zip(NAMES, Z, S, strict=True)]
    columns = ("person", "z = weight + height", "σ(z)(1 - σ(z))")
    yield Table("Hidden pre-activation and slope at the start", columns, rows)
    yield claim("The hidden pre-activations", [-3, 31, 21, -21], Z)
    yield claim("Alice's slope", 0.04517665973091214, S[0])
    yield claim("The other three slopes are below 1e-9", True, (S[1:] < 1e-9).all())


def _scaled() -> Iterator[Part]:
    """Centred, scaled, and with weights that differ

    So subtract the means and divide by the standard deviations, 15.7 pounds and 4.66 inches, and
    start from small random weights (Glorot's: uniform, within `√(6 / (inputs + outputs))`). Same
    order, same rate.
    """
    random = [Dense(2), Sigmoid(), Dense(1), Sigmoid()]
    runs = {
        "as in the text": (two_two_one(), PEOPLE),
        "scaled, all weights 1": (two_two_one(), SCALED),
        "scaled, random weights": (Network(2, random, rng=1), SCALED),
    }
    smallest, errors, rows = dict[str, float](), dict[str, list[float]](), []
    for name, (net, data) in runs.items():
        smallest[name], errors[name] = slope(net, net.forward(data.X)[1], 1).min(), []
        for epochs in (10, 90, 900):
            yield from trained(net, LOSS, data, epochs=epochs, lr=0.1, batch_size=1, task=name)
            errors[name].append(loss_on(net, LOSS, data))
        rows.append((name, f"{smallest[name]:.1g}", *(f"{error:.5f}" for error in errors[name])))
    title = "Smallest hidden slope at the start, and the error after so many epochs"
    yield Table(title, ("run", "slope", "10", "100", "1,000"), rows)
    last = {name: values[-1] for name, values in errors.items()}
    yield from section(_scaled_claims, net, smallest, last)


def _scaled_claims(
    net: Network, smallest: dict[str, float], last: dict[str, float]
) -> Iterator[Part]:
    """Four easy rows are learned either way; after 100 epochs the text's run is even ahead. What
    the scaling buys is that everyone is heard from the first step, and that a column no longer
    outweighs another because of its unit. What the random start buys is a second hidden unit that
    does something of its own. On a real table both are needed.
    """
    text, scaled = "as in the text", "scaled, random weights"
    difference = np.ptp(net.forward(SCALED.X)[1][1]["A"], axis=1).max()
    yield claim("Scaled, no slope starts below 0.04", True, smallest[scaled] > 0.04)
    yield claim("In the text's units one starts below 1e-13", True, smallest[text] < 1e-13)
    yield claim("The error of the scaled run", 0.002068837866067, last[scaled], 1e-9)
    yield claim("It is below that of the text's run", True, last[scaled] < last[text])
    yield claim("All four are on the right side of ½", PEOPLE.y, net.predict(SCALED.X) > 0.5)
    yield claim("Its hidden units differ by more than 0.9", True, difference > 0.9)
    title = "Where the scaled network draws the line"
    labels = {"classes": ("male", "female"), "names": ("weight, scaled", "height, scaled")}
    yield picture("people-boundary", title, "decision_boundary", net.predict, *SCALED, **labels)


PARTS = in_sections(_training, _asleep, _scaled)
