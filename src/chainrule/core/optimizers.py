"""Optimizers: from the gradient to the change of theta. They see flat vectors and never a layer.

`update` returns delta, which the training step adds to theta, so the change can be looked at before
it is made. The state is a dict of named arrays, updated in place; `lr` and `decay` are numbers or
theta-shaped vectors of factors. Symbols: g gradient, θ theta, t the number of this update, from 1.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .arrays import Array
from .checks import BELOW_ONE, Limits, require_limits
from .equations import defined_below, forget_overridden
from .schedules import Schedule, value_at

State = dict[str, Array]
Rate = float | Array
Stages = tuple[tuple[str, str], ...]  # (name, formula) in order


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """delta = f(g, state, θ, lr)   all of theta's shape (p,).

    `limits` says between which numbers each setting must lie; raises ValueError beyond them.
    """

    limits: ClassVar[Limits] = {}
    stages: ClassVar[Stages] = ()
    """The stages of a parameter's update, in order: (name, formula); the last is delta. Names:
    g, theta, lr, decay, t, the settings, and the state with `_before` before it is updated."""

    state_vectors: ClassVar[tuple[str, ...]] = ()
    """The names of the state vectors, each with a number per parameter."""

    def __init_subclass__(cls) -> None:
        """An optimizer that overrides `update` or `delta` states its stages itself, or none."""
        forget_overridden(cls, {"update": {"stages": ()}, "delta": {"stages": ()}})

    def __post_init__(self) -> None:
        require_limits(self, self.limits)

    def init(self, theta: Array) -> State:
        """The state before the first update: a vector of zeros for each of `state_vectors`."""
        return {name: np.zeros_like(theta) for name in self.state_vectors}

    def update(
        self, grad: Array, state: State, theta: Array, lr: Rate, decay: Rate | None = None
    ) -> Array:
        """The change of theta (p,). Updates the state in place; changes neither grad nor theta.

        `decay` is this step's weight decay; None takes the optimizer's own, on every parameter.
        """
        return self.delta(grad, state, lr)

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        """The change of theta, for optimizers that look at neither theta nor decay."""
        raise TypeError(
            f"{type(self).__name__} has no update: define update(grad, state, theta, lr)"
        )

    @property
    def decay(self) -> float | Schedule:
        """The decoupled weight decay that the training step passes to `update`; 0 for most."""
        return 0.0


@dataclass(frozen=True)
class SGD(Optimizer):
    """delta = -lr g."""

    stages = (("delta", "-lr * g"),)

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        return -lr * grad


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v ← beta v - lr g,  delta = v. Polyak 1964, in scikit-learn's form."""

    beta: float = 0.9
    limits = {"beta": (0, BELOW_ONE)}
    state_vectors = ("v",)
    stages = (("v", "beta * v_before - lr * g"), ("delta", "v"))

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        state["v"][...] = self.beta * state["v"] - lr * grad
        return state["v"].copy()


@dataclass(frozen=True)
class Nesterov(Momentum):
    """v ← beta v - lr g,  delta = beta v - lr g: looks one step ahead. Nesterov 1983, Sutskever
    2013.
    """

    stages = (("v", "beta * v_before - lr * g"), ("delta", "beta * v - lr * g"))

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        v = super().delta(grad, state, lr)
        return self.beta * v - lr * grad


@dataclass(frozen=True, kw_only=True)
class AdaGrad(Optimizer):
    """s ← s + g²,  delta = -lr g / (√s + epsilon). Duchi et al. 2011."""

    epsilon: float = 1e-8
    limits = {"epsilon": (0, math.inf)}
    state_vectors = ("s",)
    stages = (("s", "s_before + g**2"), ("delta", "-lr * g / (sqrt(s) + epsilon)"))

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        state["s"] += grad * grad
        return -lr * grad / (np.sqrt(state["s"]) + self.epsilon)


@dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """s ← rho s + (1 - rho) g²,  delta = -lr g / (√s + epsilon). Tieleman and Hinton 2012."""

    rho: float = 0.9
    epsilon: float = 1e-8
    limits = {"rho": (0, BELOW_ONE), "epsilon": (0, math.inf)}
    state_vectors = ("s",)
    stages = (
        ("s", "rho * s_before + (1 - rho) * g**2"),
        ("delta", "-lr * g / (sqrt(s) + epsilon)"),
    )

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        state["s"][...] = self.rho * state["s"] + (1.0 - self.rho) * grad * grad
        return -lr * grad / (np.sqrt(state["s"]) + self.epsilon)


MOMENTS = (
    ("m", "beta1 * m_before + (1 - beta1) * g"),
    ("v", "beta2 * v_before + (1 - beta2) * g**2"),
)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """m ← β₁m + (1-β₁)g,  v ← β₂v + (1-β₂)g²,  delta = -lr m̂ / (√v̂ + epsilon).

    m̂ = m / (1 - β₁^t) and v̂ = v / (1 - β₂^t) undo the start from zero. Kingma and Ba 2015,
    Algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    limits = {"beta1": (0, BELOW_ONE), "beta2": (0, BELOW_ONE), "epsilon": (0, math.inf)}
    state_vectors = ("m", "v")
    stages: ClassVar[Stages] = (
        *MOMENTS,
        ("m_hat", "m / (1 - beta1**t)"),
        ("v_hat", "v / (1 - beta2**t)"),
        ("delta", "-lr * m_hat / (sqrt(v_hat) + epsilon)"),
    )

    def init(self, theta: Array) -> State:
        return {"t": np.zeros((), np.int64), **super().init(theta)}

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        t = self._move(grad, state)
        m_hat = state["m"] / (1.0 - self.beta1**t)
        v_hat = state["v"] / (1.0 - self.beta2**t)
        return -lr * m_hat / (np.sqrt(v_hat) + self.epsilon)

    def _move(self, grad: Array, state: State) -> int:
        """Update t, m and v; returns t."""
        state["t"] += 1
        state["m"][...] = self.beta1 * state["m"] + (1.0 - self.beta1) * grad
        state["v"][...] = self.beta2 * state["v"] + (1.0 - self.beta2) * grad * grad
        return int(state["t"])


@dataclass(frozen=True, kw_only=True)
class AdamHat(Adam):
    """delta = -lr √(1 - β₂^t) / (1 - β₁^t) m / (√v + epsilon): epsilon beside √v, not √v̂.

    The quicker form of Kingma and Ba 2015, section 2, who write ε̂ for it; scikit-learn's.
    """

    stages = (
        *MOMENTS,
        ("delta", "-lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)"),
    )

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        t = self._move(grad, state)
        rate = lr * (math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t))
        return -rate * state["m"] / (np.sqrt(state["v"]) + self.epsilon)


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """delta = Adam's - lr · decay · θ: decay apart from the gradient. Loshchilov and Hutter 2019.

    `weight_decay` is a number or a schedule; the training step multiplies it by `net.decay_factor`,
    which is 1 for matrices and 0 for vectors (biases, gains), and passes it as `decay`.
    """

    weight_decay: float | Schedule = 0.01
    stages = (
        *Adam.stages[:-1],
        ("delta", "-lr * m_hat / (sqrt(v_hat) + epsilon) - lr * decay * theta"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.weight_decay, Schedule):
            require_limits(self, {"weight_decay": (0, math.inf)})

    def update(
        self, grad: Array, state: State, theta: Array, lr: Rate, decay: Rate | None = None
    ) -> Array:
        if decay is None:
            decay = value_at(self.weight_decay, 0, 1)
        return super().update(grad, state, theta, lr) - lr * decay * theta

    @property
    def decay(self) -> float | Schedule:
        return self.weight_decay


OPTIMIZERS: dict[str, type[Optimizer]] = {
    name.lower(): optimizer for name, optimizer in defined_below(Optimizer, globals()).items()
}
"""Every optimizer by its name: "adamw"."""
