"""exp, tanh, sigmoid, cos and their kin as polynomials without branches, so that loops over them
use vector registers. Only the normal distribution's calls the C library.

All compute in float64, within three units in the last place (those of the normal distribution for
their z² and z/√2 as rounded; Mish's slope four, and from -8 to -1/2, where it passes 0, of its
larger term); nan and inf come out as NumPy's do. The reduction, with ln 2 and π/2 in parts, follows
Cody and Waite 1980.
"""

import math

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from .jit import exact

INVERSE_LN2 = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # HIGH has 21 trailing zero bits
MAGIC = 6755399441055744.0  # 1.5 · 2^52: adding it leaves the nearest integer in the last bits
MAGIC_BITS = 0x4338000000000000
BIAS = 1023  # of the exponent of a float64
SQRT_HALF = math.sqrt(0.5)
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17 = (
    1.0 / math.factorial(n) for n in range(2, 18)
)
TURNS = 2.0 / math.pi
# π/2 in three parts, the first two with 20 trailing zero bits: (π/2 - HIGH - MIDDLE) is LOW.
QUARTER_HIGH = float.fromhex("0x1.921fb54400000p+0")
QUARTER_MIDDLE = float.fromhex("0x1.0b4611a600000p-34")
QUARTER_LOW = float.fromhex("0x1.3198a2e037073p-69")
FAR = 1e6  # beyond it cos_sin has lost digits


# (atanh(√q) / √q - 1) / q = 1/3 + q/5 + q²/7 + … for 0 ≤ q ≤ 1/9, as a polynomial through the
# Chebyshev points: 10 terms do what 17 of the series would.
A0, A1, A2, A3, A4, A5, A6, A7, A8, A9 = (
    Chebyshev.interpolate(
        lambda q: sum(q**k / (2 * k + 3) for k in range(30)), 9, domain=[0.0, 1.0 / 9.0]
    )
    .convert(kind=Polynomial)
    .coef.tolist()
)


@exact
def _split(x):
    """(k, e^r - 1) with x = k ln 2 + r, k whole, |r| ≤ ½ ln 2: the Taylor series to r^13."""
    shifted = x * INVERSE_LN2 + MAGIC
    whole = shifted - MAGIC
    r = (x - whole * LN2_HIGH) - whole * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (C2 + r * C3) + r2 * (C4 + r * C5)
    high = ((C6 + r * C7) + r2 * (C8 + r * C9)) + r4 * ((C10 + r * C11) + r2 * (C12 + r * C13))
    return np.float64(shifted).view(np.int64) - MAGIC_BITS, r + r2 * (low + r4 * high)


@exact
def _power_of_two(k):
    """2^k for -1022 ≤ k ≤ 1023."""
    return np.int64((k + BIAS) << 52).view(np.float64)


@exact
def exp(x):
    """e^x; 0 below -745, inf above 709.8."""
    x = np.float64(x)
    x = 710.0 if x > 710.0 else x
    x = -746.0 if x < -746.0 else x
    k, p = _split(x)
    half = k >> 1
    return (1.0 + p) * _power_of_two(half) * _power_of_two(k - half)


@exact
def expm1_negative(x):
    """e^x - 1 for x ≤ 0, without the cancellation near 0."""
    x = -700.0 if x < -700.0 else np.float64(x)
    k, p = _split(x)
    scale = _power_of_two(k)
    return scale * p + (scale - 1.0)


@exact
def _log1p_by(s):
    """ln(1 + u) = 2 atanh(s) from s = u / (2 + u), 0 ≤ s ≤ 1/3."""
    q = s * s
    q2 = q * q
    q4 = q2 * q2
    low = (A0 + q * A1) + q2 * (A2 + q * A3)
    high = ((A4 + q * A5) + q2 * (A6 + q * A7)) + q4 * (A8 + q * A9)
    return 2.0 * (s + s * q * (low + q4 * high))


@exact
def log1p_unit(u):
    """ln(1 + u) for 0 ≤ u ≤ 1."""
    return _log1p_by(u / (2.0 + np.float64(u)))


@exact
def sigmoid(z):
    """1 / (1 + e^-z)."""
    e = exp(-abs(z))
    return (e if z < 0.0 else 1.0) / (1.0 + e)


@exact
def tanh(z):
    """(e^z - e^-z) / (e^z + e^-z), from e^(-2|z|) - 1."""
    t = expm1_negative(-2.0 * abs(z))
    a = -t / (2.0 + t)
    return -a if z < 0.0 else a


@exact
def softplus(z):
    """ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|)."""
    return (0.0 if z < 0.0 else z) + log1p_unit(exp(-abs(z)))


@exact
def softplus_and_sigmoid(z):
    """(ln(1 + e^z), 1 / (1 + e^-z)) from one exponential and one division."""
    e = exp(-abs(z))
    r = 1.0 / ((1.0 + e) * (2.0 + e))
    level = (0.0 if z < 0.0 else z) + _log1p_by(e * (1.0 + e) * r)
    return level, (e if z < 0.0 else 1.0) * (2.0 + e) * r


@exact
def tanh_softplus(z):
    """tanh(ln(1 + e^z)) = n / (n + 2), n = e^z (e^z + 2); 1 above 30."""
    e = exp(30.0 if z > 30.0 else z)
    n = e * (e + 2.0)
    return n / (n + 2.0)


@exact
def mish_slope(z):
    """t + z σ(z) (1 - t²) with t = tanh(ln(1 + e^z)), which is t + 4 z e^z (1 + e^z) / (n + 2)²."""
    z = 30.0 if z > 30.0 else (-746.0 if z < -746.0 else np.float64(z))
    e = exp(z)
    n = e * (e + 2.0)
    r = 1.0 / (n + 2.0)
    return n * r + 4.0 * z * e * (1.0 + e) * r * r


@exact
def cos_sin(u):
    """(cos u, sin u) for |u| ≤ FAR: u = k π/2 + r, |r| ≤ π/4, by the Taylor series to r^17."""
    u = np.float64(u)
    shifted = u * TURNS + MAGIC
    whole = shifted - MAGIC
    r = ((u - whole * QUARTER_HIGH) - whole * QUARTER_MIDDLE) - whole * QUARTER_LOW
    q = r * r
    q2 = q * q
    q4 = q2 * q2
    low, high = (C5 - q * C7) + q2 * (C9 - q * C11), (C13 - q * C15) + q2 * C17
    sine = r + r * q * (q * (low + q4 * high) - C3)
    low, high = (C4 - q * C6) + q2 * (C8 - q * C10), (C12 - q * C14) + q2 * C16
    cosine = 1.0 - q * (C2 - q * (low + q4 * high))
    k = np.float64(shifted).view(np.int64) - MAGIC_BITS
    a, b = (sine, cosine) if k & 1 else (cosine, sine)
    return -a if (k + 1) & 2 else a, -b if k & 2 else b


@exact
def normal_cdf(z):
    """Φ(z) = erfc(-z/√2) / 2."""
    return 0.5 * math.erfc(-np.float64(z) * SQRT_HALF)


@exact
def normal_pdf(z):
    """φ(z) = e^(-z²/2) / √2π."""
    return exp(-0.5 * z * z) * INVERSE_SQRT_2PI
