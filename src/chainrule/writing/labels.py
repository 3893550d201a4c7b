"""The names that textbooks give to the numbers of a small network: x1, w5, b2, h1, ŷ1."""

import numpy as np

from ..core.layers import Dense
from ..trace.places import Place
from ..trace.step import Trace

ORDERS = ("unit", "input")


def text_labels(trace: Trace, by: str = "unit") -> dict[str, str]:
    """A label for each address of one row through Dense layers and their activations.

    Weights are numbered through all layers, `by` "unit" all into the first unit first (text 003),
    by "input" all from the first input first (text 001). Raises ValueError for another order.
    """
    if by not in ORDERS:
        raise ValueError(f"by is {by!r}: number the weights by {' or by '.join(map(repr, ORDERS))}")
    labels = {f"X[0,{i}]": f"x_{i + 1}" for i in range(trace.net.n_in)}
    *_, last_dense = [None, *(place for place in trace.places if isinstance(place.layer, Dense))]
    weights = biases = hidden = 0
    for place in trace.places:
        units = trace[place.y].shape[1]
        if isinstance(place.layer, Dense):
            for i, j in _order(place, by):
                weights += 1
                labels[f"{place.name}.W[{i},{j}]"] = f"w_{weights}"
            for j in range(units if place.layer.bias else 0):
                labels[f"{place.name}.b[{j}]"] = f"b_{biases + j + 1}"
            biases += units
            letter, start = ("z_o", 0) if place is last_dense else ("z_h", hidden)
        elif place is trace.places[-1]:
            letter, start = "ŷ_", 0
        else:
            letter, start = "h_", hidden
            hidden += units
        labels |= {f"{place.y}[0,{j}]": f"{letter}{start + j + 1}" for j in range(units)}
    outputs = range(trace.values["l"].shape[1])
    return labels | {f"l[0,{k}]": f"l_{k + 1}" if len(outputs) > 1 else "l" for k in outputs}


def _order(place: Place, by: str) -> list[tuple[int, ...]]:
    """The indices of W in the order in which a text numbers the weights."""
    n_in, n_out = place.p["W"].shape
    by_input = list(np.ndindex(n_in, n_out))
    return sorted(by_input, key=lambda index: index[::-1]) if by == "unit" else by_input
