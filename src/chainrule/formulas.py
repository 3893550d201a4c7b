"""Formulas as data: each a Python expression, which is shown as mathematics, filled in with
numbers, run on its own as a proof, and copied into a script.

`show` is the textbook's; `run`, where it is not the same, is rearranged so that it neither
overflows nor cancels. Names: z and a of a unit; y and p = ŷ of an output; g, theta, m, v … of a
parameter. `sigma`, `softplus`, `Phi` and `phi` stand for σ, ln(1 + e^z) and the normal
distribution, `ratio` for a / b where 0 / 0 is 0. The tables go by the names of chainrule's own
layers, losses and optimizers.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

Names = Mapping[str, Any]
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.Gt: operator.gt, ast.Lt: operator.lt, ast.LtE: operator.le,
}  # fmt: skip


def evaluate(formula: "Formula", names: Names, functions: Names | None = None) -> Any:
    """The value of a formula for numbers of any kind by name, with functions for that kind."""
    return _meaning(formula.run)(names, FUNCTIONS if functions is None else functions)


@cache
def _letters(expression: str) -> frozenset[str]:
    """The names in an expression."""
    nodes = ast.walk(ast.parse(expression))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))


@cache
def _meaning(expression: str) -> Callable[[Names, Names], Any]:
    """An expression as a function of its names and functions."""
    return _build(ast.parse(expression, mode="eval").body)


def _build(node: ast.expr) -> Callable[[Names, Names], Any]:
    match node:
        case ast.Name(id=name):
            return lambda names, _: names[name]
        case ast.Constant(value=value):
            return lambda *_: value
        case ast.UnaryOp(operand=operand):
            inner = _build(operand)
            return lambda *given: -inner(*given)
        case (
            ast.BinOp(left=left, op=op, right=right)
            | ast.Compare(left=left, ops=[op], comparators=[right])
        ):
            one, act, two = _build(left), OPERATORS[type(op)], _build(right)
            return lambda *given: act(one(*given), two(*given))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            holds, then, other = _build(test), _build(body), _build(orelse)
            return lambda *given: then(*given) if holds(*given) else other(*given)
        case ast.Call(func=ast.Name(id=name), args=args):
            parts = [_build(part) for part in args]
            return lambda *given: given[1][name](*(part(*given) for part in parts))
    raise TypeError(f"{ast.unparse(node)} is no formula")


def sigma(z: float) -> float:
    """1 / (1 + e^-z), without overflow."""
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def softplus(z: float) -> float:
    """ln(1 + e^z), without overflow."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


FUNCTIONS: dict[str, Any] = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh,
    "cos": math.cos, "sin": math.sin,
    "abs": abs, "min": min, "max": max, "sign": lambda x: (x > 0) - (x < 0), "sigma": sigma,
    "softplus": softplus, "Phi": lambda z: math.erfc(-z * math.sqrt(0.5)) / 2,
    "phi": lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "ratio": lambda a, b: a / b if a else 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """An expression in Python's words: the one that is shown, and the one that is run."""

    show: str
    stable: str = ""

    @property
    def run(self) -> str:
        """The expression to evaluate."""
        return self.stable or self.show

    @property
    def letters(self) -> frozenset[str]:
        """The names in it."""
        return _letters(self.show) | _letters(self.run)


class Bend(NamedTuple):
    """An activation: a of z, and da/dz of z and a."""

    value: Formula
    slope: Formula


F = Formula
SCALE, ALPHA = "1.0507009873554805", "1.6732632423543772"  # λ, α of SELU

ACTIVATIONS: dict[str, Bend] = {
    "Identity": Bend(F("z"), F("1")),
    "Step": Bend(F("1 if z > 0 else 0"), F("0")),
    "Sigmoid": Bend(F("1 / (1 + exp(-z))", "sigma(z)"), F("a * (1 - a)")),
    "Tanh": Bend(F("tanh(z)"), F("1 - a**2", "(1 - a) * (1 + a)")),
    "ReLU": Bend(F("max(z, 0)"), F("1 if z > 0 else 0")),
    "LeakyReLU": Bend(F("z if z > 0 else alpha * z"), F("1 if z > 0 else alpha")),
    "PReLU": Bend(F("z if z > 0 else alpha * z"), F("1 if z > 0 else alpha")),
    "ELU": Bend(
        F("z if z > 0 else alpha * (exp(z) - 1)", "z if z > 0 else alpha * expm1(z)"),
        F("1 if z > 0 else a + alpha"),
    ),
    "SELU": Bend(
        F(f"{SCALE} * (z if z > 0 else {ALPHA} * (exp(z) - 1))",
          f"{SCALE} * (z if z > 0 else {ALPHA} * expm1(z))"),
        F(f"{SCALE} if z > 0 else a + {SCALE} * {ALPHA}"),
    ),
    "GELU": Bend(F("z * Phi(z)"), F("Phi(z) + z * phi(z)")),
    "SiLU": Bend(
        F("z * sigma(z)"), F("sigma(z) + a * (1 - sigma(z))", "sigma(z) + a * sigma(-z)")
    ),
    "Mish": Bend(
        F("z * tanh(log(1 + exp(z)))", "z * tanh(softplus(z))"),
        F("tanh(softplus(z)) + z * sigma(z) * (1 - tanh(softplus(z))**2)",
          "tanh(softplus(z)) + z * sigma(z) * (1 - tanh(softplus(z))) * (1 + tanh(softplus(z)))"),
    ),
    "Softplus": Bend(F("log(1 + exp(z))", "softplus(z)"), F("sigma(z)")),
    "Softsign": Bend(F("z / (1 + abs(z))"), F("(1 - abs(a))**2")),
    "HardSigmoid": Bend(
        F("min(max(z / 6 + 1 / 2, 0), 1)"), F("1 / 6 if abs(z) < 3 else 0")
    ),
    "HardTanh": Bend(F("min(max(z, -1), 1)"), F("1 if abs(z) < 1 else 0")),
}  # fmt: skip


class Goal(NamedTuple):
    """A loss: ŷ of z; l and dl/dz of z and y, fused; dl/dŷ and dŷ/dz, the unfused product.

    p stands for ŷ. Where the outputs depend on each other, as in softmax, `total` is Σ_k e^z_k,
    `level` its logarithm, and `inner` an output's by its own z.
    """

    link: Formula
    value: Formula
    slope: Formula
    outer: Formula
    inner: Formula


def plain(value: str, slope: str) -> Goal:
    """A loss whose ŷ is z."""
    return Goal(F("z"), F(value), F(slope), F(slope), F("1"))


LOSSES: dict[str, Goal] = {
    "SquaredError": plain("(z - y)**2", "2 * (z - y)"),
    "AbsoluteError": plain("abs(z - y)", "sign(z - y)"),
    "SumOfErrors": plain("y - z", "-1"),
    "Huber": plain(
        "(z - y)**2 / 2 if abs(z - y) <= delta else delta * (abs(z - y) - delta / 2)",
        "min(max(z - y, -delta), delta)",
    ),
    "Pinball": plain(
        "max(q * (y - z), (q - 1) * (y - z))", "-q if y > z else (1 - q if y < z else 0)"
    ),
    "Hinge": plain("max(0, 1 - y * z)", "-y if y * z < 1 else 0"),
    "BinaryCrossEntropy": Goal(
        F("1 / (1 + exp(-z))", "sigma(z)"),
        F("-(y * log(p) + (1 - y) * log(1 - p))", "softplus(z) - y * z"),
        F("p - y"),
        F("(1 - y) / (1 - p) - y / p", "ratio(1 - y, sigma(-z)) - ratio(y, sigma(z))"),
        F("p * (1 - p)", "sigma(z) * sigma(-z)"),
    ),
    "SoftmaxCrossEntropy": Goal(
        F("exp(z) / total", "exp(z - level)"), F("-y * log(p)", "y * (level - z)"), F("p - y"),
        F("-y / p", "-ratio(y, p)"), F("p * (1 - p)"),
    ),
    "Poisson": Goal(
        F("exp(z)"), F("p - y * z"), F("p - y"), F("1 - y / p", "1 - ratio(y, p)"), F("p")
    ),
}  # fmt: skip


class Stage(NamedTuple):
    """One number that an optimizer makes of a parameter, in the order in which it makes them."""

    name: str
    value: Formula


def stages(*pairs: tuple[str, str]) -> tuple[Stage, ...]:
    """Stages by name and expression; the last one is delta, which is added to theta."""
    return tuple(Stage(name, F(value)) for name, value in pairs)


ADAM = (
    ("m", "beta1 * m_before + (1 - beta1) * g"),
    ("v", "beta2 * v_before + (1 - beta2) * g**2"),
    ("m_hat", "m / (1 - beta1**t)"),
    ("v_hat", "v / (1 - beta2**t)"),
)
OPTIMIZERS: dict[str, tuple[Stage, ...]] = {
    "SGD": stages(("delta", "-lr * g")),
    "Momentum": stages(("v", "beta * v_before - lr * g"), ("delta", "v")),
    "Nesterov": stages(
        ("v", "beta * v_before - lr * g"), ("delta", "beta * v - lr * g")
    ),
    "AdaGrad": stages(
        ("s", "s_before + g**2"), ("delta", "-lr * g / (sqrt(s) + epsilon)")
    ),
    "RMSProp": stages(
        ("s", "rho * s_before + (1 - rho) * g**2"), ("delta", "-lr * g / (sqrt(s) + epsilon)")
    ),
    "Adam": stages(*ADAM, ("delta", "-lr * m_hat / (sqrt(v_hat) + epsilon)")),
    "AdamHat": stages(
        *ADAM[:2],
        ("delta", "-lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)"),
    ),
    "AdamW": stages(
        *ADAM, ("delta", "-lr * m_hat / (sqrt(v_hat) + epsilon) - lr * decay * theta")
    ),
}  # fmt: skip

PENALTY = Formula("f * (l1 * sign(theta) + l2 * theta)")
CLIPPED, AFTER = Formula("scale * (gradient + penalty)"), Formula("theta + change")
CLIP = Formula("min(1, limit / norm)")
NORMALISED = {  # how LayerNorm (over a row) and BatchNorm (over a column) make h
    "S": Formula("1 / sqrt(var + epsilon)"),
    "H": Formula("(x - mean) * s"),
}
MOVED = Formula("momentum * before + (1 - momentum) * batch")  # a running mean or variance
SCALED = Formula("gamma * x")
TEMPERED = Formula("x / T")
TURN = "6.283185307179586"  # 2π
WAVES = {  # of a CosineEmbedding
    "C": Formula("cos(2 * pi * x * w + b)", f"cos({TURN} * x * w + b)"),
    "S": Formula("sin(2 * pi * x * w + b)", f"sin({TURN} * x * w + b)"),
}
MIXED = Formula("(1 - mix) * z + mix * f")  # a ParametricActivation
KEPT = Formula("1 / (1 - rate)")  # a dropout's mask where the unit stays
CROSSED = Formula("-p * q")  # softmax: dp/dz of another class, whose probability is q


def mixed_slope(bend: Bend) -> Formula:
    """The slope of a ParametricActivation: `a` stands for f(z) of the activation that it mixes."""
    return Formula(*(f"1 - mix + mix * ({way})" for way in (bend.slope.show, bend.slope.run)))


def kind(thing: Any) -> str:
    """The name under which formulas know a layer, loss or optimizer; none for somebody's own."""
    return type(thing).__name__ if type(thing).__module__.startswith("chainrule.core.") else ""


def d(name: str) -> str:
    """The name of the derivative: "0.W" -> "0.dW", "X" -> "dX"."""
    layer, dot, own = name.rpartition(".")
    return f"{layer}{dot}d{own}"
