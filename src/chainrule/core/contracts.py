"""check_layer and check_loss: does a layer or loss of yours keep the protocol, and is its
derivative right?

Each raises AssertionError with one sentence for the first promise that is broken, and returns None
where all are kept. Derivatives are held against central differences in float64; a point beside a
kink, where the left and the right difference disagree, is left out.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array
from .layers import Layer
from .losses import Loss
from .network import Network

RTOL = 1e-6


def central_difference(
    f: Callable[[], float], x: Array, i: int, eps: float = 1e-5
) -> tuple[float, bool]:
    """df/dxᵢ from f(xᵢ ± ε) and f(xᵢ ± ε/2), and whether a kink lies within ε of xᵢ.

    `f` reads x (flat, changed in place and put back). ε is scaled by max(1, |xᵢ|). The gap between
    the two one-sided differences halves with ε where f is smooth; at a kink it does not.
    """
    old, step = x[i], eps * max(1.0, abs(float(x[i])))
    middle, ends, gaps = f(), [], []
    for h in (step, step / 2, step / 4):
        x[i] = old + h
        above = f()
        x[i] = old - h
        below = f()
        ends.append(above - below)
        gaps.append(abs(above - 2 * middle + below) / h)
    x[i] = old
    # Two halvings, since a kink at ε/3 passes for curvature in the first.
    allowed = max(0.1 * gaps[0], 3e-14 * max(1.0, abs(middle)) / step)
    kink = max(abs(gaps[1] - gaps[0] / 2), abs(gaps[2] - gaps[0] / 4)) > allowed
    return (8 * ends[1] - ends[0]) / (6 * step), bool(kink)


def compare_gradients(
    f: Callable[[], float], x: Array, grad: Array, picks: Sequence[int], what: str
) -> int:
    """Hold grad[i] against central differences of f at each pick; returns how many were compared.

    Raises AssertionError with the place and both numbers where they differ by more than RTOL of
    their size, plus the rounding noise of the difference itself.
    """
    compared = 0
    for i in picks:
        numeric, kink = central_difference(f, x, i)
        if kink:
            continue
        scale = max(abs(numeric), abs(float(grad[i])))
        noise = 4e-16 * max(1.0, abs(f())) / 1e-5 * 20
        _require(
            abs(numeric - grad[i]) <= RTOL * scale + noise,
            f"{what}[{i}] is {grad[i]:.12g}, but central differences give {numeric:.12g}: "
            "the backward pass is not the derivative of the forward pass",
        )
        compared += 1
    return compared


def _require(holds: object, promise: str) -> None:
    if not holds:  # no assert statement: the checks hold under python -O too
        raise AssertionError(promise)


def check_layer(layer: Layer, n_in: int = 3, *, rows: int = 5, seed: int = 0) -> None:
    """Shapes, names, purity, absorb and both gradients (by X and by every parameter) of one layer.

    Tested in prediction and in training mode on `rows` rows of n_in standard normal inputs.
    """
    rng = np.random.default_rng(seed)
    net = Network(n_in, [layer], rng=rng)
    _require(net.n_out >= 1, f"{layer}.shapes({n_in}) gives {net.n_out} outputs: at least 1")
    net.theta = net.theta + 0.1 * rng.normal(size=net.theta.shape)
    X = rng.normal(size=(rows, n_in))
    for train in (False, True):
        _check_mode(net, X, train, seed)


def _check_mode(net: Network, X: Array, train: bool, seed: int) -> None:
    layer, mode = net.layers[0], "training" if train else "prediction"

    def forward() -> tuple[Array, list[dict[str, Array]]]:
        return net.forward(X, train=train, rng=np.random.default_rng(seed + 1))

    before = net.theta.copy(), net.buffers.copy(), X.copy()
    Y, caches = forward()
    promised = (len(X), net.n_out)
    _require(Y.shape == promised, f"{layer} gave Y {Y.shape}, promised {promised}")
    arrays = all(isinstance(v, np.ndarray) for v in caches[0].values())
    _require(arrays, f"{layer}: cache holds arrays only")
    dY = np.random.default_rng(seed + 2).normal(size=Y.shape)
    cached = {k: v.copy() for k, v in caches[0].items()}
    dX, grad = net.backward(caches, dY)
    after = {"theta": net.theta, "buffers": net.buffers, "X": X}
    for (name, new), old in zip(after.items(), before, strict=True):
        pure = f"{layer} changed {name} in {mode}: forward and backward are pure"
        _require(np.array_equal(old, new), pure)
    unchanged = all(np.array_equal(v, caches[0][k]) for k, v in cached.items())
    _require(unchanged, f"{layer}.backward changed its cache")
    again = np.array_equal(forward()[0], Y)
    _require(again, f"{layer} gave two results for the same input and rng in {mode}")
    _require(dX.shape == X.shape, f"{layer} gave dX {dX.shape} for X {X.shape}")

    def f() -> float:
        return float(np.sum(dY * forward()[0]))

    for x, dx, what in ((X.reshape(-1), dX.reshape(-1), "dX"), (net.theta, grad, "gradient")):
        compare_gradients(f, x, dx, range(x.size), f"{layer} {what} in {mode}, flat")
    if train:
        net.absorb(caches)
        spared = np.array_equal(before[0], net.theta)
        _require(spared, f"{layer}.absorb changed a parameter: buffers only")
        net.buffers = before[1]


def check_loss(loss: Loss, y: ArrayLike, n_outputs: int = 1, *, seed: int = 0) -> None:
    """Value against gradient, weights, reduction and factors of one loss on the targets y it is
    meant for.
    """
    rng = np.random.default_rng(seed)
    targets = np.asarray(y)
    n = len(targets)
    Z = rng.normal(size=(n, n_outputs)) * 2.0
    for weight in (None, rng.uniform(0.1, 2.0, n)):
        before, value = Z.copy(), partial(loss.value, Z, targets, weight)
        grad = loss.grad(Z, targets, weight)
        _require(grad.shape == Z.shape, f"{loss}.grad has shape {grad.shape}, but Z is {Z.shape}")
        _require(np.array_equal(before, Z), f"{loss}.grad changed Z")
        what = f"{loss} gradient, flat"
        compare_gradients(value, Z.reshape(-1), grad.reshape(-1), range(Z.size), what)
        multiplied = np.allclose(contract(loss.factors(Z, targets, weight)), grad, 1e-9, 1e-12)
        _require(multiplied, f"{loss}.factors do not multiply to grad")
    once, ones = loss.value(Z, targets), loss.value(Z, targets, np.ones(n))
    doubled = loss.value(np.r_[Z, Z], np.r_[targets, targets])
    reduced = np.isclose(doubled, once * (2.0 if loss.reduction == "sum" else 1.0), rtol=1e-12)
    _require(reduced, f"{loss} is no {loss.reduction} over rows")
    _require(np.isclose(ones, once, rtol=1e-12), f"{loss} with weights of 1 differs")
    far = np.where(rng.random(Z.shape) < 0.5, -1000.0, 1000.0)
    finite = np.isfinite(loss.value(far, targets)) or np.isinf(loss.link(far)).any()
    _require(finite, f"{loss} is not finite at z = ±1000")


def contract(factors: dict[str, Array]) -> Array:
    """The product of a loss's factors (n, k), summed over the outputs that the link mixes."""
    outer = factors["dL_dl"] * factors["dl_dYhat"]
    inner = factors["dYhat_dZ"]
    return np.asarray(np.einsum("na,nab->nb", outer, inner) if inner.ndim == 3 else outer * inner)
