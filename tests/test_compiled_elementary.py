"""The compiled engine's elementary functions against exact decimal arithmetic, in loops over arrays
as the kernels have them.
"""

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from support.numeric import Array

from chainrule.compiled import elementary
from chainrule.compiled.jit import FAST

INF, NAN = math.inf, math.nan
RNG = np.random.default_rng(0)
FAR, NEAR = RNG.uniform(-740, 709, 600), RNG.uniform(-30, 30, 600)
TINY = 10.0 ** RNG.uniform(-308, 0, 600) * RNG.choice([-1.0, 1.0], 600)
HALVES = np.arange(-60, 61) * (0.5 * math.log(2))  # where the reduction changes its whole number
EDGES = np.concatenate([HALVES, np.nextafter(HALVES, INF), np.nextafter(HALVES, -INF)])
POINTS = np.concatenate([FAR, NEAR, TINY, EDGES, [0.0, 1.0, -1.0, 5e-324, -5e-324]])
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628")
TURNS = np.arange(-3000, 3000, 7) * (0.5 * math.pi)  # near them a cosine or a sine is 0
ANGLES = np.concatenate([RNG.uniform(-1e6, 1e6, 600), NEAR, TINY, TURNS, [0.0, 1e6, -1e6, 5e-324]])


def d_expm1(x: Decimal) -> Decimal:
    return x.exp() - 1 if abs(x) > Decimal("1e-20") else x + x * x / 2


def d_log1p(u: Decimal) -> Decimal:
    return (1 + u).ln() if u > Decimal("1e-20") else u - u * u / 2


def d_tanh(z: Decimal) -> Decimal:
    t = d_expm1(-2 * abs(z))
    return (-t / (2 + t)).copy_sign(z)


def d_pdf(z: Decimal) -> Decimal:
    """With z² rounded as float64 rounds it: its relative error grows with z²."""
    square = Decimal(-0.5 * float(z) * float(z))
    return square.exp() / (2 * PI).sqrt()


def d_cdf(z: Decimal) -> Decimal:
    """erfc(a) / 2 with a = -z/√2 rounded as float64 rounds it: DLMF 7.6.2 and 7.9.1."""
    a = abs(Decimal(float(z) * math.sqrt(0.5)))
    if a > 3:
        below = a
        for n in range(200, 0, -1):
            below = a + Decimal(n) / 2 / below
        tail = (-a * a).exp() / PI.sqrt() / below / 2
    else:
        term, total = a, a
        for k in range(1, 80):
            term *= 2 * a * a / (2 * k + 1)
            total += term
        tail = (1 - 2 * (-a * a).exp() * total / PI.sqrt()) / 2
    return tail if z < 0 else 1 - tail


def d_tanh_softplus(z: Decimal) -> Decimal:
    n = z.exp() * (z.exp() + 2)
    return n / (n + 2)


def d_mish_slope(z: Decimal) -> Decimal:
    e = z.exp()
    n = e * (e + 2)
    return n / (n + 2) + 4 * z * e * (1 + e) / (n + 2) ** 2


def d_sine(x: Decimal) -> Decimal:
    """By its series at a sixteenth of x less whole turns, and (c, s) → (c² - s², 2 c s)."""
    r = (x - (x / (2 * PI)).to_integral_value() * 2 * PI) / 16
    sine, cosine, term = Decimal(0), Decimal(0), Decimal(1)
    for n in range(60):
        if n % 2:
            sine += term if n % 4 == 1 else -term
        else:
            cosine += term if n % 4 == 0 else -term
        term *= r / (n + 1)
    for _ in range(4):
        sine, cosine = 2 * sine * cosine, cosine * cosine - sine * sine
    return sine


# The function, the points it is defined at, the exact result.
CASES: dict[str, tuple[Array, Callable[[Decimal], Decimal]]] = {
    "exp": (POINTS, lambda x: x.exp()),
    "expm1_negative": (-np.abs(POINTS), d_expm1),
    "log1p_unit": (np.abs(POINTS[np.abs(POINTS) <= 1.0]), d_log1p),
    "sigmoid": (POINTS, lambda z: 1 / (1 + (-z).exp())),
    "tanh": (POINTS, d_tanh),
    "softplus": (POINTS, lambda z: max(z, Decimal(0)) + d_log1p((-abs(z)).exp())),
    "tanh_softplus": (POINTS, d_tanh_softplus),
    "mish_slope": (POINTS[(POINTS > -700) & (abs(POINTS + 4.2) > 3.8)], d_mish_slope),
    "cos_sin:0": (ANGLES, lambda x: d_sine(x + PI / 2)),
    "cos_sin:1": (ANGLES, d_sine),
    "normal_cdf": (POINTS, d_cdf),
    "normal_pdf": (POINTS, d_pdf),
}
PAIR = {
    "softplus_and_sigmoid:0": "softplus",
    "softplus_and_sigmoid:1": "sigmoid",
}  # one result each
CASES |= {part: CASES[single] for part, single in PAIR.items()}


WITHIN = {"mish_slope": 4.0}  # units of the last place


@cache
def loop(name: str) -> Callable[[Array], Array]:
    """The function over an array, compiled with the flags of the kernels."""
    name, _, part = name.partition(":")
    function, place = getattr(elementary, name), int(part or 0)

    @numba.njit(fastmath=FAST, error_model="numpy")
    def single(numbers: Any, out: Any) -> None:
        for i in range(len(numbers)):
            out[i] = function(numbers[i])

    @numba.njit(fastmath=FAST, error_model="numpy")
    def pair(numbers: Any, out: Any) -> None:
        for i in range(len(numbers)):
            out[i] = function(numbers[i])[place]

    run = pair if part else single

    def over(numbers: Array) -> Array:
        out = np.full_like(numbers, -77.0)
        run(numbers, out)
        return out

    return over


def ulps(got: Array, exact: list[Decimal]) -> Array:
    """How far off each number is, in units of the last place of its dtype."""
    rounded = np.array([float(e) for e in exact]).astype(got.dtype)
    spacing = np.spacing(np.abs(rounded)).tolist()
    pairs = zip(got.tolist(), exact, spacing, strict=True)
    return np.array([float(abs(Decimal(g) - e) / Decimal(s)) for g, e, s in pairs])


def test_every_function_is_tested() -> None:
    own = {name for name, f in vars(elementary).items() if isinstance(f, type(elementary.exp))}
    tested = {name.partition(":")[0] for name in CASES}
    assert {name for name in own if not name.startswith("_")} == tested
    assert set(CASES) == set(LIMITS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_results_are_exact_to_the_last_places(name: str, dtype: type) -> None:
    points, function = CASES[name]
    if dtype is np.float32:
        points = points[(np.abs(points) < 87) & ((np.abs(points) > 1e-37) | (points == 0))]
    numbers = points.astype(dtype)
    with decimal.localcontext(prec=60):
        exact = [function(Decimal(x)) for x in numbers.tolist()]
        off = ulps(loop(name)(numbers), exact)
    worst = int(off.argmax())
    assert off[worst] <= (WITHIN.get(name, 3.0) if dtype is np.float64 else 1.0), numbers[worst]


LIMITS: dict[str, dict[float, float]] = {
    "exp": {INF: INF, -INF: 0, 0: 1, 710: INF, 1e308: INF, -746: 0, -1e308: 0, 1e-300: 1},
    "expm1_negative": {-INF: -1, 0: 0, -1e308: -1, -50: -1, -5e-324: -5e-324, -1e-300: -1e-300},
    "log1p_unit": {0: 0, 1e-322: 1e-322, 1e-300: 1e-300},
    "sigmoid": {INF: 1, -INF: 0, 0: 0.5, 1e308: 1, -1e308: 0, 40: 1, 1e-300: 0.5},
    "tanh": {INF: 1, -INF: -1, 0: 0, 1e308: 1, -1e308: -1, 25: 1, -25: -1, 1e-300: 1e-300},
    "softplus": {INF: INF, -INF: 0, 40: 40, 1e308: 1e308, -1e308: 0},
    "tanh_softplus": {INF: 1, -INF: 0, 1e308: 1, -1e308: 0, 40: 1},
    "mish_slope": {INF: 1, -INF: 0, 1e308: 1, -1e308: 0, 40: 1},
    "cos_sin:0": {0: 1, 1e-300: 1},
    "cos_sin:1": {0: 0, 1e-300: 1e-300, -5e-324: -5e-324},
    "normal_cdf": {INF: 1, -INF: 0, 0: 0.5, 1e308: 1, -1e308: 0, 10: 1},
    "normal_pdf": {INF: 0, -INF: 0, 1e308: 0, -1e308: 0, 40: 0},
}
LIMITS |= {part: LIMITS[single] for part, single in PAIR.items()}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_exact(name: str, dtype: type) -> None:
    """Also in the middle and at the end of an array, where vectors and their rest are computed."""
    largest = float(np.finfo(dtype).max)
    table = {x: y for x, y in LIMITS[name].items() if abs(x) <= largest or math.isinf(x)}
    table = {x: y for x, y in table.items() if dtype is np.float64 or abs(x) > 1e-37 or x == 0}
    for place in (0, 5, 18):
        for given, wanted in [*table.items(), (NAN, NAN)]:
            numbers = np.full(19, -0.5 if name == "expm1_negative" else 0.5, dtype)
            around = loop(name)(numbers)
            numbers[place] = given
            got = loop(name)(numbers)
            np.testing.assert_array_equal(got[place], np.array(wanted, dtype), f"{name}({given})")
            np.testing.assert_array_equal(np.delete(got, place), np.delete(around, place))
            assert got[place] == got[place] or math.isnan(wanted)


def test_overflow_and_underflow_begin_where_numpy_has_them() -> None:
    edges = np.array([709.7827128933840, 709.7827128933845, -745.1332191019411, -745.1332191019413])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(loop("exp")(edges), np.exp(edges))


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "softplus", "normal_cdf"])
def test_symmetries_and_order(name: str) -> None:
    """tanh is odd, σ(z) + σ(-z) = 1, and none falls by more than rounding."""
    z = np.sort(POINTS)
    up, down = loop(name)(z), loop(name)(-z)
    assert (np.diff(up) >= -4 * np.spacing(np.abs(up[1:]))).all()
    if name == "tanh":
        np.testing.assert_array_equal(up, -down)
    if name == "sigmoid":
        np.testing.assert_allclose(up + down, 1.0, rtol=0, atol=3e-16)
