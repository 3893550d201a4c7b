"""Slopes of a black box: central differences whose step, error bar and kinks are measured.

D(h) = (f(h) - f(-h)) / 2h is taken at steps that shrink by 4. Two neighbours give Richardson's
R = (16 D(h/4) - D(h)) / 15, and the change from one R to the next is the bar of what the series
leaves out. The noise of f over h is added. The step with the smallest bar is taken, so it
is large for a rough f (float32) and small beside a kink. The noise is measured by a table of
differences along a line (Moré and Wild, Estimating computational noise, 2011).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..core.arrays import Array
from .user_code import UserCode, resolution

EPS = float(np.finfo(np.float64).eps)
RTOL = 1e-6
"""The relative error allowed beyond the bars: what the project asks of its own gradients."""
ROUGH = 1e-13
"""The noise, as a share of the loss, above which it is not a float64 computation."""
ROUGH_SHARE = 0.01
LEVELS = 12
FIRST_STEP = 0.1


@dataclass(frozen=True)
class Slope:
    """df/dt at t = 0, its error bar, and the step it comes from; nan where f is not finite."""

    value: float
    bar: float
    step: float


def smooth_slope(f: Callable[[float], float], step: float, noise: float) -> Slope:
    """df/dt at 0 by Richardson's central differences from `step` downwards; see the module.

    It stops when the bar is a hundredth of RTOL, or when the noise alone exceeds the best bar.
    """
    best = Slope(math.nan, math.inf, step)
    before_d = before_r = math.nan
    h = step
    for _ in range(LEVELS):
        above, below = f(h), f(-h)
        if above == below and abs(before_d) > 0:
            break  # a step too small for float32, or for a rounded loss, to see
        d = (above - below) / (2 * h)
        r = (16 * d - before_d) / 15
        noisy = 4 * noise / h
        bar = abs(r - before_r) + noisy
        if bar < best.bar:
            best = Slope(r, bar, h)
        if best.bar <= 0.01 * RTOL * abs(best.value) or noisy > best.bar:
            break
        before_d, before_r, h = d, r, h / 4
    return best


def rough_slope(f: Callable[[float], float], noise: float) -> Slope:
    """df/dt at 0 of a rough f: the D(h) with the smallest bar by its neighbours and the noise.

    Richardson's step would only amplify the noise, and Ridders' bars rely on luck.
    """
    best, before = Slope(math.nan, math.inf, FIRST_STEP), math.nan
    for h in 1.6 / 2.0 ** np.arange(24):
        d = (f(h) - f(-h)) / (2 * h)
        bar = 2 * abs(d - before) + 16 * noise / h
        best = Slope(d, bar, float(h)) if bar < best.bar else best
        if 16 * noise / h > best.bar:
            break
        before = d
    return best


def noise_of(values: Array) -> Array:
    """The noise of f from values (k, …) at k equal, tiny steps: the standard deviation that makes
    k-th differences of this size, the middle one of the orders 3 to 5.
    """
    sizes, differences = [], values
    for order in range(1, 6):
        differences = np.diff(differences, axis=0)
        if order >= 3:
            factor = math.factorial(order) ** 2 / math.factorial(2 * order)
            sizes.append(np.sqrt(factor * np.mean(differences**2, axis=0)))
    return np.asarray(np.median(sizes, axis=0))


@dataclass
class Point:
    """Both gradients at theta: g (n,) is the user's, d (n,) is measured by differences with error
    bars `bar`, nan for entries that were not measured; `kink` marks entries at a kink. `rounding`
    is that of g (n,), `noise` that of the loss.
    """

    theta: Array
    g: Array
    d: Array
    bar: Array
    rounding: Array
    kink: Array
    noise: float

    @property
    def tolerance(self) -> Array:
        """How far g and d may be apart (n,): the error bar, RTOL of the entry, and the rounding."""
        with np.errstate(invalid="ignore"):
            size = np.fmax(np.abs(self.g), np.abs(self.d))
        return np.asarray(3 * self.bar + RTOL * size + self.rounding)

    @property
    def comparable(self) -> Array:
        """Which entries can be compared (n,)."""
        return np.asarray(np.isfinite(self.d) & np.isfinite(self.g) & ~self.kink)

    @property
    def wrong(self) -> Array:
        """Which entries are further apart than the tolerance (n,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.comparable & (np.abs(self.g - self.d) > self.tolerance))

    @property
    def clear(self) -> Array:
        """Which derivatives are large enough for a ratio (n,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.comparable & (np.abs(self.d) > 20 * self.tolerance))

    def error(self, span: slice) -> float:
        """The largest |g - d| of a block as a share of its largest |d|, 0 where no d is known."""
        at = self.comparable[span]
        d, g = self.d[span][at], self.g[span][at]
        size = float(np.abs(d).max()) if d.size else 0.0
        return float(np.abs(g - d).max()) / size if size else 0.0


@dataclass
class SlopeMeasurer:
    """Measures slopes of the user's loss; remembers the best step of each block."""

    code: UserCode
    rng: np.random.Generator
    gradient_noise: Array = field(init=False)
    loss_size: float = 0.0
    least_noise: float = 0.0
    _steps: dict[str, float] = field(default_factory=dict)

    def sizes(self, theta: Array) -> Array:
        """The natural size of each entry (n,): its own or the root mean square of its block; that
        of all blocks if the block is zero, and 1 if all are.
        """
        usual = float(np.sqrt(np.mean(theta[theta != 0] ** 2))) if theta.any() else 1.0
        sizes = np.full_like(theta, usual)
        for block in self.code.layout.blocks:
            part = theta[block.span]
            if part.any():
                sizes[block.span] = np.maximum(np.abs(part), np.sqrt(np.mean(part**2)))
        return sizes

    def step(self, theta: Array) -> Array:
        """A random step (n,) in the natural size of each entry."""
        return np.asarray(self.sizes(theta) * self.rng.normal(size=theta.size))

    def signs(self, theta: Array) -> Array:
        """The natural size of each entry (n,) with a random sign: a direction that involves all."""
        return np.asarray(self.sizes(theta) * self.rng.choice([-1.0, 1.0], theta.size))

    def is_rough(self, noise: float) -> bool:
        """Whether the loss is computed in less than float64, or rounded."""
        return noise > ROUGH * self.loss_size

    def noise_at(self, theta: Array) -> float:
        """The noise of the loss near theta."""
        f = self.code.along(theta, self.signs(theta))
        noises: list[float] = []
        floor = max(2 * EPS * max(self.loss_size, abs(self.code.value(theta))), self.least_noise)
        for delta in (1e-8, 1e-7, 1e-6, 1e-4, 1e-2):
            moved = [f(i * delta) for i in range(8)]
            values = np.array([v for v in moved if np.isfinite(v)])
            if len(values) < 8 or (len(set(moved)) < 6 and delta < 1e-2):
                continue  # steps too small for float32, or for a rounded loss, to see
            floor = max(floor, 2 * resolution(values) * float(np.abs(values).max()))
            noise = float(noise_of(values))
            noises += [noise] * (noise > 0)  # rounded values may be evenly spaced by chance
            if noises and delta >= 1e-6:
                break
        if not noises:
            return floor
        # The median of three: the shortest steps miss float32, the longest may show curvature.
        return max(sorted(noises)[min(1, len(noises) - 1)], floor)

    def measure_loss_size(self, *thetas: Array) -> None:
        """Measure the size of the loss near these points. A saturated loss may be 1e-60, and yet be
        the sum of numbers that are rounded to 16 digits of 1.
        """
        sizes = [abs(self.code.value(theta)) for theta in (*thetas, 0.1 * thetas[0])]
        usual = max(size for size in sizes[:-1] if np.isfinite(size))
        far = sizes[-1] if np.isfinite(sizes[-1]) else usual
        self.loss_size = max(usual, far)
        noise = max(self.noise_at(theta) for theta in thetas)
        # Code that is rough at one point is rough at all; at a tiny start it may only look smooth.
        self.least_noise = noise if self.is_rough(noise) else 0.0

    def measure_gradient_noise(self, theta: Array) -> None:
        """Measure how much of the gradient is rounding, relative to the largest entry of each
        block.
        """
        direction = self.signs(theta)
        rows = [self.code.gradient(theta + i * 1e-7 * direction) for i in range(8)]
        noise = noise_of(np.array([row.g for row in rows]))
        eps = max(row.eps for row in rows)
        relative = np.full(theta.size, 8 * eps)
        for block in self.code.layout.blocks:
            part, g = noise[block.span], np.abs(rows[0].g[block.span])
            if np.isfinite(part).all() and g.size and g.max() > 0:
                relative[block.span] = max(8 * eps, 5 * float(np.median(part)) / float(g.max()))
        self.gradient_noise = np.minimum(relative, 1e-3)

    def slope_along(self, theta: Array, direction: Array, key: str, noise: float) -> Slope:
        """The slope of the loss at theta along a direction; `key` names the step to remember."""
        f = self.code.along(theta, direction)
        if self.is_rough(noise):
            return rough_slope(f, noise)
        start = self._steps.get(key, FIRST_STEP)
        best = smooth_slope(f, start, noise)
        if not best.bar <= 0.1 * RTOL * abs(best.value) and start < FIRST_STEP:
            again = smooth_slope(f, FIRST_STEP, noise)
            best = best if again.bar >= best.bar else again
        if np.isfinite(best.value):
            self._steps[key] = min(FIRST_STEP, best.step * 16)
        return best

    def point(self, theta: Array, entries: Array) -> Point:
        """Both gradients at theta, differences at these entries only."""
        noise, g, sizes = self.noise_at(theta), self.code.gradient(theta).g, self.sizes(theta)
        d, bar, kink = np.full_like(g, np.nan), np.full_like(g, np.nan), np.zeros_like(g, bool)
        for k in entries:
            name = self.code.layout.block(k).name
            slope = self.slope_along(theta, _axis(sizes, k), name, noise)
            d[k], bar[k] = slope.value / sizes[k], slope.bar / sizes[k]
        point = Point(theta, g, d, bar, self._rounding(g, noise), kink, noise)
        for k in map(int, np.flatnonzero(point.wrong)):
            self._confirm(point, k, sizes)
        for k in map(int, np.flatnonzero(point.wrong)):
            kink[k] = self._is_kink(point, k, sizes)
        return point

    def _confirm(self, point: Point, k: int, sizes: Array) -> None:
        """Let the bar cover the difference unless D(h) stays at d from the smallest steps on.

        A rough loss, or one with many kinks, may agree with itself by chance; its differences then
        change from step to step, as far down as the noise allows.
        """
        size, steady = sizes[k], 0
        gap = abs(point.g[k] - point.d[k]) * size
        if gap > 1000 * point.bar[k] * size and not self.is_rough(point.noise):
            return
        f = self.code.along(point.theta, _axis(sizes, k))
        for h in 16 * point.noise / gap * np.array([1.0, 2.0, 4.0, 16.0, 64.0]):
            above, below = f(h), f(-h)
            if h > FIRST_STEP or above == below:
                break
            off = abs((above - below) / (2 * h) - point.d[k] * size)
            steady = steady + 1 if off < 0.3 * gap else -9
        if steady < 2:
            point.bar[k] = max(point.bar[k], gap / size)

    def _rounding(self, g: Array, noise: float) -> Array:
        """How far rounding may move each entry of g (n,)."""
        largest, finite = np.zeros_like(g), np.where(np.isfinite(g), np.abs(g), 0.0)
        for block in self.code.layout.blocks:
            largest[block.span] = finite[block.span].max(initial=0.0)
        relative = self.gradient_noise
        if self.is_rough(noise):  # rounding of its large entries reaches the small ones
            relative = np.maximum(relative, ROUGH_SHARE)
        return np.asarray(relative * largest)

    def _is_kink(self, point: Point, k: int, sizes: Array) -> bool:
        """Whether an entry (index k) lies on a kink that can explain how far g and d are apart."""
        gap = abs(point.g[k] - point.d[k]) * sizes[k]
        steps = max(1e-7, 40 * point.noise / gap) * np.array([64.0, 16.0, 4.0, 1.0])
        least = 1e-4 * max(abs(point.g[k]), abs(point.d[k])) * sizes[k]
        return self.kink_along(point, _axis(sizes, k), steps, least)

    def kink_along(self, point: Point, direction: Array, steps: Array, least: float) -> bool:
        """Whether the slopes on both sides of a point stay apart, by more than `least`, along a
        direction at these shrinking steps.
        """
        f, gaps = self.code.along(point.theta, direction), []
        middle = f(0.0)
        for h in steps:
            gap = abs(f(h) - 2 * middle + f(-h)) / h
            if gap > 10 * point.noise / h:
                gaps.append(gap)
        return len(gaps) >= 2 and gaps[-1] > 0.5 * gaps[0] and gaps[-1] > least


def _axis(sizes: Array, k: int) -> Array:
    """The direction (n,) along one entry, as long as its natural size."""
    direction = np.zeros_like(sizes)
    direction[k] = sizes[k]
    return direction
