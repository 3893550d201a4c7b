"""Three more kinds of numbers for formulas: 40 decimal digits, floats with a bound on their
rounding errors, and floats that carry the Python expression that computes them.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..formulas.expression import FUNCTIONS, Kind

DIGITS = 40
FEW = 16  # terms of a sum that is within 4u Σ|terms| however it is added


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

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> "Rounded":
        return rounded(other) - self

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


_BOUNDED_FUNCTIONS: dict[str, Any] = {
    "exp": _through("exp", lambda _, f: f), "expm1": _through("expm1", lambda _, f: abs(f) + 1),
    "cos": _through("cos", lambda *_: 1.0, 1.0), "sin": _through("sin", lambda *_: 1.0, 1.0),
    "log": _through("log", lambda x, _: 1 / abs(x)), "tanh": _through("tanh", lambda *_: 1.0),
    "sqrt": _through("sqrt", lambda _, f: 0.5 / f if f else 0.0),
    "sigma": _through("sigma", lambda _, f: f), "softplus": _through("softplus", lambda *_: 1.0),
    "sign": lambda x: Rounded(float(FUNCTIONS["sign"](rounded(x).value))),
    "abs": lambda x: abs(rounded(x)), "phi": _phi, "Phi": _Phi,
    "max": lambda *parts: max(map(rounded, parts), key=float),
    "min": lambda *parts: min(map(rounded, parts), key=float),
    "ratio": lambda a, b: rounded(a) / b if rounded(a).value else Rounded(0.0),
}  # fmt: skip


def steps(n: int) -> float:
    """How far rounding may move a sum of n terms, in u Σ|terms|."""
    return 4.0 if n <= FEW else 2.0 * math.sqrt(n)


def _bounded_total(terms: Sequence[Any]) -> Rounded:
    """Σ terms; the last rounding of each term is part of the sum's own."""
    terms = [rounded(term) for term in terms]
    size = sum(abs(term.value) for term in terms)
    before = sum(max(term.off - abs(term.value), 0.0) for term in terms)
    return Rounded(math.fsum(term.value for term in terms), before + steps(len(terms)) * size)


def _bounded_dot(a: Sequence[Any], b: Sequence[Any]) -> Rounded:
    """Σ a·b of exact numbers."""
    products = [float(x) * float(y) for x, y in zip(a, b, strict=True)]
    return Rounded(math.fsum(products), steps(len(products)) * sum(map(abs, products)))


BOUNDED = Kind(lambda x: Rounded(float(x)), _BOUNDED_FUNCTIONS, _bounded_total, _bounded_dot)
"""Floats with a bound on their rounding errors, in units u = 2^-53."""


class Written(float):
    """A float with the Python expression that computes it."""

    text: str

    def __new__(cls, value: float, text: str = "") -> "Written":
        """`text` is the number itself unless it is passed."""
        number = super().__new__(cls, value)
        number.text = text or (f"({float(value)!r})" if value < 0 else repr(float(value)))
        return number

    def __neg__(self) -> "Written":
        return Written(-float(self), f"(-{self.text})")

    def __abs__(self) -> "Written":
        return Written(abs(float(self)), f"abs({self.text})")


def _text(number: Any) -> str:
    return str(getattr(number, "text", None) or repr(number))


def _operation(sign: str, act: Callable[[float, float], float]) -> Callable[[Any, Any], Written]:
    return lambda a, b: Written(act(float(a), float(b)), f"({_text(a)} {sign} {_text(b)})")


for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}.items():
    _act = _operation(_sign, getattr(operator, _name))
    setattr(Written, f"__{_name}__", _act)
    setattr(Written, f"__r{_name}__", lambda a, b, act=_act: act(b, a))


class NamedList(list[Any]):
    """Numbers, or lists of them, that a script has a name for; "" if it has none."""

    def __init__(self, items: Iterable[Any], name: str) -> None:
        super().__init__(items)
        self.name = name


def _function(name: str) -> Callable[..., Written]:
    return lambda *parts: Written(
        FUNCTIONS[name](*map(float, parts)), f"{name}({', '.join(map(_text, parts))})"
    )


def _written_total(terms: Sequence[Any]) -> Written:
    if len(terms) == 1:
        return Written(terms[0], _text(terms[0]))
    listed = getattr(terms, "name", "") or f"[{', '.join(map(_text, terms))}]"
    return Written(math.fsum(terms), f"fsum({listed})")


def _written_dot(a: Sequence[Any], b: Sequence[Any]) -> Written:
    terms = [x * y for x, y in zip(a, b, strict=True)]
    names = getattr(a, "name", ""), getattr(b, "name", "")
    if not all(names):
        return _written_total(terms)
    return Written(math.fsum(terms), f"fsum([x * y for x, y in zip({', '.join(names)})])")


WRITTEN = Kind(
    lambda x: x if isinstance(x, Written) else Written(x),
    {name: _function(name) for name in FUNCTIONS}, _written_total, _written_dot,
)  # fmt: skip
"""Floats that carry the Python expression that computes them."""
