"""The planted bugs, in a table: what makes each, and the cause that check_gradients must name.

Every second bug is held out: the procedure was never tuned on it (see HELD_OUT).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from support.planted_deeper import by_rows, line, outputs, softmax_vector, square
from support.planted_networks import Problem, deep, neuron, people, two_layer

FOUR = (3, 4, 4, 1)
OUT2 = (3, 5, 2)
NORMAL = np.random.default_rng(2).normal(size=(8, 3))


class Bug(NamedTuple):
    name: str
    make: Callable[[], Problem]
    cause: str
    factor: float | None = None


def bug(cause: str, network: Callable[..., Problem], name: str, factor: float | None = None,
        **options: object) -> Bug:  # fmt: skip
    told = ", ".join([name, *(_shown(k, v) for k, v in options.items())])
    return Bug(f"{network.__name__}: {told}", partial(network, name, **options), cause, factor)


def _shown(name: str, value: object) -> str:
    plain = isinstance(value, str | int | float | tuple)
    return f"{name} {value if plain else getattr(value, '__name__', 'normal')}"


BUGS = [
    # Text 000/004: the sign of dA/dZ, 1/m that comes and goes, the double sum of ∂J/∂b.
    bug("sign", neuron, "slope sign", -1),
    bug("scale", neuron, "no 1/m", 8),
    bug("bias_sum", neuron, "double sum", 3),
    bug("bias_sum", neuron, "db unsummed"),
    bug("scale", neuron, "1/m twice", 1 / 8),
    bug("transposed", neuron, "dw turned"),
    bug("derivative_place", neuron, "slope twice"),
    bug("some_rows", neuron, "last lost", X=NORMAL.T),
    bug("zero", neuron, "db zero"),
    bug("stale", neuron, "stale"),
    bug("stale", neuron, "accumulates"),
    bug("scale", neuron, "db no 1/m", 8),
    bug("some_rows", neuron, "zeros missing"),
    bug("stale", neuron, "first"),
    # Text 002-B: the output layer stored under L-1, and all that its layout invites.
    bug("overwritten", deep, "L-1"),
    bug("overwritten", deep, "L-1", sizes=FOUR),
    bug("overwritten", deep, "L-1", sizes=(3, 1)),
    bug("derivative_missing", deep, "missing hidden"),
    bug("derivative_missing", deep, "missing hidden", sizes=FOUR),
    bug("derivative_missing", deep, "missing output"),
    bug("derivative_place", deep, "place"),
    bug("derivative_place", deep, "place everywhere", sizes=FOUR),
    bug("derivative_place", deep, "place", scale=0.01),
    bug("derivative_place", deep, "formula of z"),
    bug("derivative_place", deep, "formula of z", sizes=FOUR),
    bug("bias_sum", deep, "db unsummed"),
    bug("bias_sum", deep, "db unsummed", sizes=OUT2),
    bug("bias_sum", deep, "db wrong axis"),
    bug("scale", deep, "no 1/m in dW2", 8),
    bug("transposed", deep, "dW1 turned"),
    bug("sign", deep, "dAL sign", -1),
    bug("sign", deep, "dAL sign", -1, sizes=OUT2),
    bug("zero", deep, "dW1 zero"),
    bug("overwritten", deep, "dW3 in dW2", sizes=(3, 4, 4, 4, 1)),
    bug("nondeterministic", deep, "batch"),
    bug("nondeterministic", deep, "dropout"),
    bug("scale", deep, "1/k", 0.5, sizes=OUT2),
    bug("derivative_missing", deep, "a for slope"),
    bug("scale", deep, "W and b apart"),
    # Text 002-A: minus the gradient, and the derivative of the activation or of z.
    bug("sign", two_layer, "minus", -1),
    bug("derivative_place", two_layer, "place both"),
    bug("derivative_place", two_layer, "place hidden"),
    bug("derivative_place", two_layer, "place output"),
    bug("derivative_missing", two_layer, "missing hidden"),
    bug("derivative_missing", two_layer, "missing output"),
    bug("derivative_missing", two_layer, "missing both", X=NORMAL),
    bug("derivative_place", two_layer, "place hidden", X=NORMAL),
    bug("scale", two_layer, "half", 0.5),
    bug("some_rows", two_layer, "row 2 lost"),
    bug("transposed", two_layer, "dW2 turned"),
    bug("overwritten", two_layer, "swapped"),
    bug("derivative_missing", two_layer, "missing hidden", X=NORMAL, tanh=True),
    bug("derivative_place", two_layer, "place hidden", X=NORMAL, tanh=True),
    bug("sign", two_layer, "minus half", -0.5),
    # Text 003: nine numbers, one person after the other.
    bug("sign", people, "sign", -1),
    bug("some_rows", people, "= for +="),
    bug("derivative_place", people, "place h"),
    bug("derivative_place", people, "place o"),
    bug("derivative_missing", people, "missing h"),
    bug("derivative_missing", people, "missing o"),
    bug("overwritten", people, "b2 is b1"),
    bug("scale", people, "no 1/m", 4),
    bug("scale", people, "no 2", 0.5),
    bug("zero", people, "w3 zero"),
    bug("derivative_place", people, "place o", rows=1),
    bug("sign", people, "sign of h", -1),
    bug("derivative_missing", people, "missing h", rows=1),
    bug("overwritten", people, "w1 w2 swapped"),
    bug("some_rows", people, "y=0 doubled"),
    # Three outputs, rows are samples.
    bug("scale", outputs, "no 1/k", 3),
    bug("scale", outputs, "no 1/m", 12),
    bug("scale", outputs, "no 2", 0.5),
    bug("scale", outputs, "no 1/mk", 36),
    bug("derivative_missing", outputs, "missing"),
    bug("derivative_place", outputs, "place"),
    bug("derivative_place", outputs, "formula of z"),
    bug("derivative_missing", outputs, "missing", act="elu"),
    bug("derivative_place", outputs, "place", act="softplus"),
    bug("derivative_missing", outputs, "missing", act="leaky"),
    bug("scale", outputs, "b2 mean", 1 / 12),
    bug("bias_sum", outputs, "b1 total"),
    bug("bias_sum", outputs, "b1 axis"),
    bug("bias_sum", outputs, "b1 axis", m=5),
    bug("bias_sum", outputs, "b1 turned"),
    bug("zero", outputs, "W2 zero"),
    bug("sign", outputs, "W1 sign", -1),
    bug("transposed", outputs, "W1 reshaped"),
    bug("some_rows", outputs, "half lost"),
    bug("some_rows", outputs, "two lost"),
    bug("some_rows", outputs, "negative rows"),
    bug("scale", outputs, "lr", 0.01),
    bug("scale", outputs, "doubled W1", 2, dtype=np.float32),
    bug("derivative_missing", outputs, "missing", dtype=np.float32),
    bug("unknown", outputs, "decay missing"),
    bug("unknown", outputs, "decay W1 only"),
    # One flat vector, softmax.
    bug("derivative_missing", softmax_vector, "missing"),
    bug("derivative_missing", softmax_vector, "missing", act="tanh"),
    bug("derivative_place", softmax_vector, "place", act="sigmoid"),
    bug("derivative_missing", softmax_vector, "no softmax slope"),
    bug("some_rows", softmax_vector, "class 0 lost"),
    bug("some_rows", softmax_vector, "one kept"),
    bug("transposed", softmax_vector, "W1 turned"),
    bug("zero", softmax_vector, "W1 zero"),
    bug("zero", softmax_vector, "layer 1 zero"),
    bug("scale", softmax_vector, "db1 twice", 2),
    bug("overwritten", softmax_vector, "b1 holds W1"),
    bug("sign", softmax_vector, "layer 1 sign", -1),
    bug("scale", softmax_vector, "no 1/m", 15),
    bug("stale", softmax_vector, "stale"),
    bug("scale", softmax_vector, "extra 1/m", 1 / 15),
    # A list of dicts, square matrices.
    bug("transposed", square, "no transpose"),
    bug("transposed", square, "W1 turned"),
    bug("overwritten", square, "shared"),
    bug("overwritten", square, "shared b"),
    bug("derivative_missing", square, "missing 1"),
    bug("derivative_missing", square, "missing 0", act="relu"),
    bug("derivative_place", square, "place 0"),
    bug("derivative_place", square, "place 1", act="sigmoid"),
    bug("scale", square, "half 1", 0.5),
    bug("sign", square, "sign 0", -1),
    bug("scale", square, "m 0", 9),
    bug("bias_sum", square, "b total"),
    bug("zero", square, "zero 0"),
    bug("overwritten", square, "swapped W"),
    bug("stale", square, "momentum"),
    # A line, and a loss that can be asked row by row.
    bug("scale", line, "2", 2),
    bug("scale", line, "no 1/m", 20),
    bug("sign", line, "sign", -1),
    bug("some_rows", line, "half lost"),
    bug("some_rows", line, "one lost"),
    bug("zero", line, "intercept zero"),
    bug("stale", line, "accumulates"),
    bug("scale", line, "intercept no 1/m", 20),
    bug("some_rows", by_rows, "off by one"),
    bug("some_rows", by_rows, "half lost"),
    bug("some_rows", by_rows, "negative y"),
    bug("derivative_missing", by_rows, "missing"),
    bug("derivative_place", by_rows, "place"),
    bug("scale", line, "2m", 40),
]
HELD_OUT = BUGS[1::2]
TUNED = BUGS[0::2]


def main() -> None:
    """Print how many of each half are named rightly; docs/check.md quotes it."""
    from chainrule import check_gradients

    for half, bugs in (("tuned", TUNED), ("held out", HELD_OUT)):
        problems = [bug.make() for bug in bugs]
        found = [check_gradients(p.value, p.gradient, p.parameters, rows=p.rows) for p in problems]
        named = sum(r.cause == bug.cause for r, bug in zip(found, bugs, strict=True))
        passed = sum(r.ok for r in found)
        print(f"{half}: {named} of {len(bugs)} named rightly, {passed} called correct")


if __name__ == "__main__":
    main()
