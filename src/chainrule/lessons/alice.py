"""Lesson alice, text 003: one sample through a 2-2-1 network, every factor of the chain rule."""

import ast
from collections.abc import Iterator

import numpy as np

from ..chain.session import Session
from ..core.activation_layers import Sigmoid
from ..core.layers import Dense
from ..core.losses import SquaredError
from ..core.network import Network
from ..core.optimizers import SGD
from ..proof.verify import verify
from ..trace.notation import Notation
from ..trace.step import replay
from ..writing.blocks import Equation, Table
from ..writing.labels import text_labels
from ..writing.mathematics import Writer
from ..writing.page import page
from .common import descent, gradients, loss_on, picture, slope
from .parts import Part, claim, in_sections, numbers, say
from .text_data import Rows

ALICE = Rows(np.array([[-2.0, -1.0]]), np.array([1.0]))
LOSS = SquaredError()
PLACES = {
    "w1": ("0.W", (0, 0)), "w2": ("0.W", (1, 0)), "w3": ("0.W", (0, 1)), "w4": ("0.W", (1, 1)),
    "b1": ("0.b", (0,)), "b2": ("0.b", (1,)), "w5": ("2.W", (0, 0)), "w6": ("2.W", (1, 0)),
    "b3": ("2.b", (0,)),
}  # fmt: skip


def two_two_one(weight: float = 1.0) -> Network:
    """Ŷ = σ(σ(X @ W + b) @ V + c): the network of text 003, every weight the same, biases 0."""
    layers = [Dense(2, init=weight), Sigmoid(), Dense(1, init=weight), Sigmoid()]
    return Network(2, layers, rng=0)


def _warm_up() -> Iterator[Part]:
    """Warm up

    A neuron multiplies each input by a weight, adds them up with a bias, and bends the sum with an
    activation: `z = w·x + b`, `a = σ(z)`, where `σ(z) = 1 / (1 + e^-z)` maps any number to one
    between 0 and 1. A network feeds the outputs of neurons to further neurons. Two small sums
    first; do them on paper before you look.
    """
    net = Network(2, [Dense(1), Sigmoid()], rng=0)
    net["0.W"], net["0.b"] = [[0.0], [1.0]], [4.0]
    output, caches = net.forward([[2.0, 3.0]])
    pair = two_two_one()
    pair["0.W"], pair["2.W"] = [[0.0, 0.0], [1.0, 1.0]], [[0.0], [1.0]]
    pair_output, pair_caches = pair.forward([[2.0, 3.0]])
    mse = LOSS.value(np.zeros((4, 1)), np.array([1.0, 0.0, 0.0, 1.0]))
    yield numbers(
        "Weights (0, 1) and input (2, 3), in one neuron and in three",
        ("z", "0·2 + 1·3 + 4", "7", caches[0]["Z"][0, 0]),
        ("a", "σ(7)", "0.9990889488055994", output[0, 0]),
        ("h1 = h2", "σ(0·2 + 1·3 + 0)", "0.9526", pair_caches[1]["A"][0, 0]),
        ("o1", "σ(0·h1 + 1·h2 + 0)", "0.7216325609518421", pair_output[0, 0]),
        ("MSE", "mean of (1-0)², 0, 0, (1-0)²", "0.5", mse),
    )
    yield say(
        """The text calls 0.9526 the output at one point and 0.7216 at another. The first is the
        last neuron's `z`, the second its `a`: keep two names and the puzzle is gone.""",
    )
    yield claim("One neuron gives σ(7)", 0.9990889488055994, output)
    yield claim("Both hidden units give σ(3)", [0.9525741268224334] * 2, pair_caches[1]["A"])
    yield claim("Three neurons give σ(σ(3))", 0.7216325609518421, pair_output)
    yield claim("The mean squared error of four guesses of 0", 0.5, mse)


def _forward() -> Iterator[Part]:
    """Forward

    Alice weighs 2 pounds less than 135 and is an inch shorter than 66, so her input is (-2, -1);
    her target is 1. The network has two hidden units and one output, every weight is 1 and every
    bias 0. The loss is `L = (y - ŷ)²`.
    """
    net = two_two_one()
    out, caches = net.forward(ALICE.X)
    hidden, loss = caches[1]["A"][0, 0], LOSS.value(out, ALICE.y)
    yield numbers(
        "Alice's forward pass",
        ("z of h1 and h2", "1·(-2) + 1·(-1) + 0", None, caches[0]["Z"][0, 0]),
        ("h1 = h2", "σ(-3)", "0.0474", hidden),
        ("z of the output", "1·h1 + 1·h2 + 0", "0.0948", caches[2]["Z"][0, 0]),
        ("ŷ", "σ(z)", "0.524", out[0, 0]),
        ("L", "(1 - ŷ)²", None, loss),
    )
    yield claim("The hidden pre-activations", [-3, -3], caches[0]["Z"])
    yield claim("The hidden units give σ(-3)", [0.04742587317756678] * 2, caches[1]["A"])
    yield claim("The output's pre-activation", 0.09485174635513356, caches[2]["Z"])
    yield claim("The output", 0.5236951740839997, out)
    yield claim("The loss", 0.22686628719087137, loss)

    title, inputs = "The 2-2-1 network before the first step", ["weight", "height"]
    yield picture("alice-network", title, "network", net, inputs, ["female"])


def _factors() -> Iterator[Part]:
    """The chain rule, factor by factor

    How does `L` change when `w1`, the weight from the first input to `h1`, changes? Walk from `L`
    back to `w1` and multiply what each station passes on: `∂L/∂w1 = ∂L/∂ŷ · ∂ŷ/∂h1 · ∂h1/∂w1`. The
    slope of σ is `σ(z)(1 - σ(z))`, so it can be read off the output that the forward pass already
    has.
    """
    net = two_two_one()
    out, caches = net.forward(ALICE.X)
    to_output = LOSS.grad(out, ALICE.y)[0, 0]
    output_slope, hidden_slope = slope(net, caches, 3)[0, 0], slope(net, caches, 1)[0, 0]
    to_hidden = net["2.W"][0, 0] * output_slope
    to_weight = ALICE.X[0, 0] * hidden_slope
    product = to_output * to_hidden * to_weight
    yield numbers(
        "The factors of ∂L/∂w1",
        ("∂L/∂ŷ", "-2 (1 - ŷ)", "-0.952", to_output),
        ("∂ŷ/∂z", "ŷ (1 - ŷ)", None, output_slope),
        ("∂ŷ/∂h1", "w5 · ∂ŷ/∂z", "0.25", to_hidden),
        ("∂h1/∂z", "h1 (1 - h1)", None, hidden_slope),
        ("∂h1/∂w1", "x1 · ∂h1/∂z", "-0.0904", to_weight),
        ("∂L/∂w1", "the product", "0.0215", product),
    )
    yield say(
        """Two of the printed factors are rounded on the way. 0.25 stands for 0.2494: a quarter is
        the largest slope σ has, reached at z = 0 only. -0.0904 was taken from full precision; from
        the printed 0.0474 you get -0.0903. Multiplying the printed factors gives 0.0215152, the
        exact ones 0.0214695, and both round to 0.0215, so the slips stay out of sight.""",
    )
    yield claim("∂L/∂ŷ", -0.9526096518320006, to_output)
    yield claim("∂ŷ/∂h1, printed as 0.25", 0.24943853872512894, to_hidden)
    yield claim("The slope of σ at -3", 0.04517665973091214, hidden_slope)
    yield claim("∂h1/∂w1", -0.09035331946182427, to_weight)
    yield claim("The factors multiply to ∂L/∂w1", 0.02146953526581111, product)
    yield claim("The printed factors multiply to", 0.0215152, -0.952 * 0.25 * -0.0904)


def _gradients() -> Iterator[Part]:
    """All nine

    One backward pass gives all nine derivatives at once, because the factors near the output are
    shared. Call `δ` the derivative by the output's `z` and `δ1` that by the `z` of h1: a bias has
    its unit's δ, a weight has that times the input it multiplies. Read the table as the pass goes,
    from the output back.
    """
    net = two_two_one()
    by_layer = gradients(net, LOSS, ALICE)
    grad = {name: by_layer[layer][at] for name, (layer, at) in PLACES.items()}
    yield numbers(
        "The gradient of Alice's loss",
        ("b3", "δ = ∂L/∂ŷ · ŷ (1 - ŷ)", None, grad["b3"]),
        ("w5 = w6", "h1 · δ", None, grad["w5"]),
        ("∂L/∂h1", "w5 · δ", None, net["2.W"][0, 0] * grad["b3"]),
        ("b1 = b2", "δ1 = ∂L/∂h1 · h1 (1 - h1)", None, grad["b1"]),
        ("w1 = w3", "x1 · δ1", "0.0215", grad["w1"]),
        ("w2 = w4", "x2 · δ1", None, grad["w2"]),
    )
    yield claim("∂L/∂w1 and ∂L/∂w3", [0.02146953526581111] * 2, [grad["w1"], grad["w3"]])
    yield claim("∂L/∂w2 and ∂L/∂w4", [0.010734767632905555] * 2, [grad["w2"], grad["w4"]])
    yield claim("∂L/∂b1 and ∂L/∂b2", [-0.010734767632905555] * 2, [grad["b1"], grad["b2"]])
    yield claim("∂L/∂w5 and ∂L/∂w6", [-0.011269220242958155] * 2, [grad["w5"], grad["w6"]])
    yield claim("∂L/∂b3", -0.23761755952842809, grad["b3"])


def _step() -> Iterator[Part]:
    """One step

    Gradient descent moves every parameter against its derivative: `w ← w - η ∂L/∂w`, here with the
    learning rate η = 0.1. The network has seen one person once and is a little less wrong about
    her.
    """
    net = two_two_one()
    list(descent(net, LOSS, ALICE, epochs=1, lr=0.1))
    new = {name: net[layer][at] for name, (layer, at) in PLACES.items()}
    output, loss = net.predict(ALICE.X), loss_on(net, LOSS, ALICE)
    yield numbers(
        "After the step",
        ("w1 = w3", "1 - 0.1 · ∂L/∂w1", None, new["w1"]),
        ("w2 = w4", "1 - 0.1 · ∂L/∂w2", None, new["w2"]),
        ("b1 = b2", "0 - 0.1 · ∂L/∂b1", None, new["b1"]),
        ("w5 = w6", "1 - 0.1 · ∂L/∂w5", None, new["w5"]),
        ("b3", "0 - 0.1 · ∂L/∂b3", None, new["b3"]),
        ("ŷ", "forward again", None, output),
        ("L", "(1 - ŷ)², was 0.22687", None, loss),
    )
    yield claim("w1 after the step", 0.9978530464734189, new["w1"])
    yield claim("w2 after the step", 0.9989265232367095, new["w2"])
    yield claim("b1 after the step", 0.0010734767632905556, new["b1"])
    yield claim("w5 after the step", 1.0011269220242958, new["w5"])
    yield claim("b3 after the step", 0.02376175595284281, new["b3"])
    yield claim("The output after the step", 0.529790848182593, output)
    yield claim("The loss after the step", 0.22109664645284527, loss)
    yield claim("w3 is still w1, so h2 is still h1", new["w1"], new["w3"], 0.0)


def _chain() -> Iterator[Part]:
    """The whole chain, and its proof

    The same chain once more, as `chainrule.explain` reads it off one step: from (-2, -1) forwards
    to the loss, from the loss back to `w1`, and on to the new `w1`. Then its proof: the step is
    made again and must have the same bits, and every number is made anew in plain Python and in 40
    digits.
    """
    session = Session(two_two_one(), LOSS, SGD(), *ALICE, lr=0.1)
    trace = session.trace()
    notation = Notation(digits=None, labels=text_labels(trace))
    rows = []
    for block in page(session.explain("0.W[0,0]")):
        if isinstance(block, Equation):
            first, *between, _ = (Writer(notation)(side) for side in block.sides)
            value = ast.literal_eval(block.sides[-1])
            rows.append((first, between[0] if between else "", value))
    yield Table("From (-2, -1) to the new w1", ("name", "formula", "exact"), rows)
    proof = verify(trace)
    proven = str(proof).partition(";")[0]  # how far off they are depends on the processor
    yield say(
        f"""The step made again has the same bits, and it is {proven}, each as close as rounding
        allows."""
    )
    by_name = {first: value for first, _, value in rows}
    yield claim("The whole chain comes to ∂L/∂w1", 0.02146953526581111, by_name["∂L/∂w₁"])
    yield claim("The step made again has the same bits", True, replay(trace) == [])
    yield claim("Every number of the step is proven", True, bool(proof))
    yield claim("All nine gradients agree with central differences", 9, len(proof.differences))


def _rate() -> Iterator[Part]:
    """A rate is not an amount

    The text says that raising `w1` raises the loss by 0.0215. That is a rate, not an amount: so
    much loss per unit of weight, for as long as the curve is straight. Try it.
    """
    rises = {}
    for change in (1.0, 0.01):
        net = two_two_one()
        before = loss_on(net, LOSS, ALICE)
        net["0.W"][0, 0] += change
        rises[change] = loss_on(net, LOSS, ALICE) - before
    yield numbers(
        "What the loss really does when w1 alone grows",
        ("w1 + 1", "L(2) - L(1)", "0.0215", rises[1.0]),
        ("w1 + 0.01", "L(1.01) - L(1)", None, rises[0.01]),
        ("per unit of w1", "the second / 0.01", "0.0215", rises[0.01] / 0.01),
    )
    yield say(
        """A whole unit lifts the loss by less than half of what was promised, since σ flattens on
        the way. A hundredth lifts it by about a hundredth of the rate, which is all that a
        derivative promises. Now see `people`, where all four are trained, and where two hidden
        units that start equal stay equal for ever.""",
    )
    yield claim("Raising w1 by 1 raises the loss by", 0.009790295952561034, rises[1.0])
    yield claim("Raising w1 by 0.01 raises the loss by", 0.0002128168310126799, rises[0.01])


PARTS = in_sections(_warm_up, _forward, _factors, _gradients, _step, _chain, _rate)
