"""Numbers of four kinds for the formulas of a proof: Python's floats, 40 decimal digits, floats
with a bound on what rounding may have done to them, and floats that know their own Python.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..formulas.expression import FUNCTIONS, Names

DIGITS = 40


@dataclass(frozen=True)
class Kind:
    """Numbers of one kind: how to make one of a float, their functions, and exact sums."""

    of: Callable[[float], Any]
    functions: Names
    fsum: Callable[[Iterable[Any]], Any]
    dot: Callable[[Sequence[Any], Sequence[Any]], Any]


def floats() -> Kind:
    """Python's floats and `math`; sums without rounding on the way."""
    return Kind(
        float, FUNCTIONS, math.fsum,
        lambda a, b: math.fsum(x * y for x, y in zip(a, b, strict=True)),
    )  # fmt: skip


def decimals() -> Kind:
    """40 significant decimal digits, by mpmath."""
    import mpmath  # type: ignore[import-untyped]

    mp = mpmath.MPContext()
    mp.dps = DIGITS
    names = ("exp", "expm1", "log", "sqrt", "tanh", "sign", "cos", "sin")
    functions: dict[str, Any] = {name: getattr(mp, name) for name in names}
    functions |= {"abs": abs, "min": min, "max": max, "ratio": FUNCTIONS["ratio"]}
    functions["sigma"] = lambda z: 1 / (1 + mp.exp(-z))
    functions["softplus"] = lambda z: mp.log1p(mp.exp(z)) if z < 0 else z + mp.log1p(mp.exp(-z))
    functions["Phi"], functions["phi"] = mp.ncdf, mp.npdf
    return Kind(mp.mpf, functions, mp.fsum, lambda a, b: mp.fdot(zip(a, b, strict=True)))


@dataclass(frozen=True)
class Rounded:
    """A float, and how many units u = 2^-53 rounding may have moved it: running error analysis,
    Higham 2002, section 3.3.
    """

    value: float
    off: float = 0.0

    def __neg__(self) -> "Rounded":
        return Rounded(-self.value, self.off)

    def __add__(self, other: Any) -> "Rounded":
        b, value = rounded(other), self.value + rounded(other).value
        return Rounded(value, self.off + b.off + abs(value))

    def __sub__(self, other: Any) -> "Rounded":
        return self + -rounded(other)

    def __mul__(self, other: Any) -> "Rounded":
        b = rounded(other)
        value = self.value * b.value
        return Rounded(value, abs(self.value) * b.off + abs(b.value) * self.off + abs(value))

    def __truediv__(self, other: Any) -> "Rounded":
        b = rounded(other)
        value = self.value / b.value
        return Rounded(value, (self.off + abs(value) * b.off) / abs(b.value) + abs(value))

    def __pow__(self, power: Any) -> "Rounded":
        n = rounded(power).value
        value = self.value**n
        slope = abs(n * self.value ** (n - 1)) if self.value or n >= 1 else 0.0
        return Rounded(value, slope * self.off + 2 * abs(value))

    def __radd__(self, other: Any) -> "Rounded":
        return rounded(other) + self

    def __rsub__(self, other: Any) -> "Rounded":
        return rounded(other) - self

    def __rmul__(self, other: Any) -> "Rounded":
        return rounded(other) * self

    def __rtruediv__(self, other: Any) -> "Rounded":
        return rounded(other) / self

    def __rpow__(self, base: Any) -> "Rounded":
        return Rounded(rounded(base).value ** self.value, 0.0) * 1.0

    def __lt__(self, other: Any) -> bool:
        return self.value < rounded(other).value

    def __le__(self, other: Any) -> bool:
        return self.value <= rounded(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > rounded(other).value

    def __abs__(self) -> "Rounded":
        return Rounded(abs(self.value), self.off)

    def __float__(self) -> float:
        return self.value


def rounded(number: Any) -> Rounded:
    """A number as it is, exact unless it says otherwise."""
    return number if isinstance(number, Rounded) else Rounded(float(number))


def _through(
    name: str, slope: Callable[[float, float], float], least: float = 0.0
) -> Callable[[Any], Rounded]:
    """A function f whose |f′| is slope(x, f): an error of x passes through it, f adds its own, that
    of a number of at least `least`.
    """

    def function(x: Any) -> Rounded:
        x = rounded(x)
        value = float(FUNCTIONS[name](x.value))
        return Rounded(value, slope(x.value, value) * x.off + 3 * max(abs(value), least))

    return function


def _phi(x: Any) -> Rounded:
    """The normal density: z² is rounded before the exponential, which takes it z² further."""
    z, value = rounded(x), FUNCTIONS["phi"](rounded(x).value)
    return Rounded(value, value * (z.value**2 + 3) + abs(z.value) * value * z.off)


def _Phi(x: Any) -> Rounded:
    """The normal integral: z/√2 is rounded before erfc, whose slope is the density."""
    z, density = rounded(x), FUNCTIONS["phi"](rounded(x).value)
    value = FUNCTIONS["Phi"](z.value)
    return Rounded(value, density * (z.off + 2 * abs(z.value)) + 3 * value)


BOUNDED: dict[str, Any] = {
    "exp": _through("exp", lambda _, f: f), "expm1": _through("expm1", lambda _, f: abs(f) + 1),
    "cos": _through("cos", lambda *_: 1.0, 1.0), "sin": _through("sin", lambda *_: 1.0, 1.0),
    "log": _through("log", lambda x, _: 1 / abs(x)), "tanh": _through("tanh", lambda *_: 1.0),
    "sqrt": _through("sqrt", lambda _, f: 0.5 / f if f else 0.0),
    "sigma": _through("sigma", lambda _, f: f), "softplus": _through("softplus", lambda *_: 1.0),
    "sign": lambda x: Rounded(float(FUNCTIONS["sign"](rounded(x).value))),
    "abs": lambda x: abs(rounded(x)), "phi": _phi, "Phi": _Phi,
    "max": lambda *given: max(map(rounded, given), key=lambda one: one.value),
    "min": lambda *given: min(map(rounded, given), key=lambda one: one.value),
    "ratio": lambda a, b: rounded(a) / b if rounded(a).value else Rounded(0.0),
}  # fmt: skip


class Written(float):
    """A float, and the Python expression that makes it."""

    text: str

    def __new__(cls, value: float, text: str = "") -> "Written":
        """`text` is the number itself unless given."""
        made = super().__new__(cls, value)
        made.text = text or (f"({float(value)!r})" if value < 0 else repr(float(value)))
        return made

    def __neg__(self) -> "Written":
        return Written(-float(self), f"(-{self.text})")

    def __abs__(self) -> "Written":
        return Written(abs(float(self)), f"abs({self.text})")


def _text(number: Any) -> str:
    return str(getattr(number, "text", None) or repr(number))


def _operation(sign: str, act: Callable[[float, float], float]) -> Callable[[Any, Any], Written]:
    return lambda a, b: Written(act(float(a), float(b)), f"({_text(a)} {sign} {_text(b)})")


for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}.items():
    _made = _operation(_sign, getattr(operator, _name))
    setattr(Written, f"__{_name}__", _made)
    setattr(Written, f"__r{_name}__", lambda a, b, made=_made: made(b, a))


class Named(list[Written]):
    """A list that a script has a name for."""

    name = ""


def written() -> Kind:
    """Floats that know their own Python."""

    def function(name: str) -> Callable[..., Written]:
        return lambda *given: Written(
            FUNCTIONS[name](*map(float, given)), f"{name}({', '.join(map(_text, given))})"
        )

    def fsum(terms: Iterable[Any]) -> Written:
        terms = terms if isinstance(terms, list) else list(terms)
        if len(terms) == 1:
            return Written(terms[0], _text(terms[0]))
        listed = getattr(terms, "name", "") or f"[{', '.join(map(_text, terms))}]"
        return Written(math.fsum(terms), f"fsum({listed})")

    def dot(a: Sequence[Any], b: Sequence[Any]) -> Written:
        terms = [x * y for x, y in zip(a, b, strict=True)]
        names = getattr(a, "name", ""), getattr(b, "name", "")
        if not all(names):
            return fsum(terms)
        return Written(math.fsum(terms), f"fsum([x * y for x, y in zip({', '.join(names)})])")

    functions = {name: function(name) for name in FUNCTIONS}
    return Kind(lambda x: x if isinstance(x, Written) else Written(x), functions, fsum, dot)
