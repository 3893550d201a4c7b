"""The activations: one row of a table for each, its value and its slope.

The equations are those of `core.activation_layers`. A value is a function of z, a slope one of z
and a. Both take `c`: 0 and 1 in the memory's dtype, since a plain 0 or 1 would turn float32 into
float64, and the layer's setting alpha.
"""

from collections import namedtuple
from typing import Any

from ..core import activation_layers as al
from ..core.activations import SELU_ALPHA, SELU_SCALE
from . import elementary as e
from .jit import inlined, jit

Constants = namedtuple("Constants", "zero one alpha")

# The class of core, its value, its slope; None where the derivative passes unchanged.
ACTIVATIONS = (
    (al.Identity, lambda z, c: z, None),
    (al.Step, lambda z, c: c.one if z > c.zero else c.zero, lambda z, a, c: c.zero),
    (al.Sigmoid, lambda z, c: e.sigmoid(z), lambda z, a, c: a * (c.one - a)),
    (al.Tanh, lambda z, c: e.tanh(z), lambda z, a, c: (c.one - a) * (c.one + a)),
    (
        al.ReLU,
        lambda z, c: c.zero if z < c.zero else z,  # nan passes
        lambda z, a, c: c.one if z > c.zero else c.zero,
    ),
    (
        al.LeakyReLU,
        lambda z, c: z if z > c.zero else c.alpha * z,
        lambda z, a, c: 1.0 if z > c.zero else c.alpha,
    ),
    (
        al.ELU,
        lambda z, c: z if z > 0.0 else c.alpha * e.expm1_negative(z),
        lambda z, a, c: 1.0 if z > 0.0 else a + c.alpha,
    ),
    (
        al.SELU,
        lambda z, c: SELU_SCALE * (z if z > 0.0 else SELU_ALPHA * e.expm1_negative(z)),
        lambda z, a, c: SELU_SCALE if z > 0.0 else a + SELU_SCALE * SELU_ALPHA,
    ),
    (
        al.GELU,
        lambda z, c: z * e.normal_cdf(z),
        lambda z, a, c: e.normal_cdf(z) + z * e.normal_pdf(z),
    ),
    (al.SiLU, lambda z, c: z * e.sigmoid(z), lambda z, a, c: e.sigmoid(z) + a * e.sigmoid(-z)),
    (al.Mish, lambda z, c: z * e.tanh_softplus(z), lambda z, a, c: e.mish_slope(z)),
    (al.Softplus, lambda z, c: e.softplus(z), lambda z, a, c: e.sigmoid(z)),
    (
        al.Softsign,
        lambda z, c: z / (c.one + abs(z)),
        lambda z, a, c: (c.one - abs(a)) * (c.one - abs(a)),
    ),
    (
        al.HardSigmoid,
        lambda z, c: min(max(z / 6.0 + 0.5, 0.0), 1.0) if z == z else z,
        lambda z, a, c: 1.0 / 6.0 if abs(z) < 3.0 else 0.0,
    ),
    (
        al.HardTanh,
        lambda z, c: min(max(z, -c.one), c.one) if z == z else z,
        lambda z, a, c: c.one if abs(z) < c.one else c.zero,
    ),
)


def forward_kernel(value: Any) -> Any:
    """The kernel of A = f(Z)."""
    value = inlined(value)

    @jit
    def forward(row, table, memory, numbers):
        n, number = row.rows * row.n, memory.dtype.type
        Z, A = memory[row.x : row.x + n], memory[row.y : row.y + n]
        constants = Constants(number(0), number(1), row.alpha)
        for i in range(n):
            A[i] = value(Z[i], constants)

    return forward


def backward_kernel(slope: Any) -> Any:
    """The kernel of dZ = dA * f′(Z)."""
    slope = inlined(slope)

    @jit
    def backward(row, table, memory):
        n, number = row.rows * row.n, memory.dtype.type
        Z, A, D = memory[row.x : row.x + n], memory[row.y : row.y + n], memory[row.dy : row.dy + n]
        constants = Constants(number(0), number(1), row.alpha)
        for i in range(n):
            D[i] *= slope(Z[i], A[i], constants)

    return backward
