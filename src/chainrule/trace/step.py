"""One training step with every number kept and named: forwards, backwards, the update.

Values have the names used on paper: "X", then of each layer "0.Z", "1.A", "2.Z"; the loss's "Yhat",
"l", "L"; backwards, with a d, "2.dZ", "1.dA", "0.dW"; and of each parameter what the update made of
it, "0.W.g", "0.W.delta", "0.W.after". All arithmetic is that of `core`, in float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..core.branch_layers import Branched
from ..core.epoch import (
    Batch,
    StepSettings,
    check_batch,
    check_settings,
    clip_by_norm,
    norm_of,
    start_state,
)
from ..core.layers import Layer, within
from ..core.losses import Loss
from ..core.network import RNG, Network, make_rng
from ..core.nonfinite import ADVICE, Diverged
from ..core.optimizers import Optimizer, State
from ..core.penalty import Penalty
from ..core.schedules import Schedule, value_at
from ..formulas.equation import Equation
from ..formulas.expression import Formula, derivative_of, evaluate
from .address import resolve
from .equations import equations, of_layer
from .places import Place, StepNumbers


class Cells(Protocol):
    """The methods that `trace_step` needs; `chainrule.tables.Preparation` has them."""

    @property
    def feature_names(self) -> list[str]:
        """A name for each column of X."""

    def transform(self, table: Any) -> Array:
        """X (n, d) of a table."""

    def target(self, table: Any) -> Array:
        """y (n,) of a table."""

    def steps(self, table: Any, row: int) -> Sequence[Any]:
        """Each cell of one row on its way to X."""


@dataclass(frozen=True, repr=False)
class Trace(StepNumbers):
    """One training step with every number named, as `trace_step` returns it."""

    @property
    def loss(self) -> float:
        """L, penalty included."""
        return float(self.values["L"])

    @cached_property
    def equations(self) -> dict[str, list[Equation]]:
        """The equations of each value, by name. What was given or is not stated has none."""
        return equations(self, self.stated)

    @cached_property
    def stated(self) -> dict[str, list[Equation]]:
        """The equations that each layer states, by its name."""
        return {place.name: list(of_layer(self, place)) for place in self.places}

    def find(self, address: str) -> tuple[str, tuple[int, ...]]:
        """(name, index) of the number at an address. Raises ValueError if there is none."""
        number = resolve(self, address)
        return number.name, number.index

    @property
    def theta_after(self) -> Array:
        """Theta after the step (p,)."""
        return np.concatenate([self.values[f"{name}.after"].ravel() for name in self.net.shapes])

    def __repr__(self) -> str:
        count = sum(value.size for value in self.values.values())
        return f"Trace({len(self.batch)} rows, {count} numbers, L = {self.loss:.6g})"


def trace_step(
    net: Network,
    loss: Loss,
    optimizer: Optimizer,
    X: Any,
    y: ArrayLike | None = None,
    *,
    lr: float | Schedule,
    weight: ArrayLike | None = None,
    penalty: Penalty | None = None,
    clip: float | None = None,
    state: State | None = None,
    rng: RNG = 0,
    preparation: Cells | None = None,
    step: int = 0,
    steps: int = 1,
) -> Trace:
    """One training step on these rows, computed in float64 and kept whole. Changes nothing.

    `state` is the optimizer's before the step (its start if None), `rng` draws the dropout masks,
    and `step` of `steps` is where schedules are asked. With a `preparation` X is a table, and y its
    target column unless given. Raises ValueError for data that do not fit, Diverged at a number
    that is not finite.
    """
    check_settings(StepSettings(loss, optimizer, lr, penalty, clip))
    X, y, features, rows = _prepared(net, X, y, preparation)
    if y is None:
        raise ValueError("y is missing: a training step needs the targets of its rows")
    twin = net.astype(np.float64)
    batch = check_batch(twin, loss, X, y, weight)
    settings = StepSettings(loss, optimizer, lr, penalty and penalty.of(batch.mass), clip)
    for name, schedule in twin.schedules().items():
        twin[name] = schedule.at(step, steps, ())
    generator, _ = make_rng(rng)
    start = generator.bit_generator.state
    before = start_state(optimizer, twin.theta, state)
    rate, decay = value_at(lr, step, steps), value_at(optimizer.decay, step, steps)
    recorded = _Recorder(twin, settings, batch).record(generator, before, rate, decay)
    return Trace(
        twin, settings, batch, rate, decay, before, start,
        tuple(recorded.places.values()), recorded.values, features, rows, _unit(preparation),
    )  # fmt: skip


def replay(trace: Trace) -> list[str]:
    """Repeat the step from its inputs; return the names of the values that have other bits.

    The list is empty if every number is the same to the last bit.
    """
    net, optimizer = trace.net.copy(), trace.settings.optimizer
    bits = getattr(np.random, trace.start["bit_generator"])()
    bits.state = trace.start
    before = start_state(optimizer, net.theta, dict(trace.state))
    again = _Recorder(net, trace.settings, trace.batch).record(
        np.random.Generator(bits), before, trace.lr, trace.decay
    )
    old, new = ({n: v.tobytes() for n, v in run.values.items()} for run in (trace, again))
    return [name for name in old | new if old.get(name) != new.get(name)]


def _prepared(
    net: Network, X: Any, y: ArrayLike | None, preparation: Cells | None
) -> tuple[Any, ArrayLike | None, tuple[str, ...], tuple[Sequence[Any], ...]]:
    """X and y, the names of X's columns, and each row's cells on their way to X."""
    if preparation is None:
        return X, y, tuple(f"x{i}" for i in range(net.n_in)), ()
    prepared = preparation.transform(X)
    rows = tuple(preparation.steps(X, row) for row in range(len(prepared)))
    answers = preparation.target(X) if y is None else y
    return prepared, answers, tuple(preparation.feature_names), rows


def _unit(preparation: Cells | None) -> tuple[str, float]:
    """The name and scale of a target that is a number."""
    name, scale = (getattr(preparation, key, None) for key in ("target_name", "target_scale"))
    return (str(name), float(scale)) if name and scale else ("", 1.0)


class _Recorder:
    """Makes the step and records each number."""

    def __init__(self, net: Network, settings: StepSettings, batch: Batch) -> None:
        self.net, self.settings, self.batch = net, settings, batch
        self.places, self.values = dict[str, Place](), dict[str, Array]()
        self.p = {name: net[name] for name in (*net.shapes, *net.buffer_shapes)}

    def record(
        self, rng: np.random.Generator, before: State, lr: float, decay: float
    ) -> "_Recorder":
        """The whole step, from the optimizer's state before it. Raises Diverged."""
        with np.errstate(all="ignore"):  # `_check` names what overflows
            self.forward(rng)
            self.backward()
            self.update(before, lr, decay)
        self._check()
        return self

    def forward(self, rng: np.random.Generator) -> None:
        """X, every layer, the loss."""
        loss, batch = self.settings.loss, self.batch
        self.values["X"] = batch.X
        self.output = self._layers(self.net.layers, self.p, "X", "", rng)
        Z = self.values[self.output]
        self.values["Y"] = loss.targets(Z, batch.y)
        self.values["Yhat"], self.values["l"] = loss.link(Z), loss.terms(Z, self.values["Y"])
        self.values["dl_dZ"] = loss.slopes(Z, self.values["Y"])
        L = loss.value(Z, batch.y, batch.weight)
        self.values |= loss.factors(Z, batch.y, batch.weight)
        self.values["L_data"] = np.asarray(L)
        if (penalty := self.settings.penalty) is not None:
            P = penalty.value(self.net.theta, self.net.decay_factor)
            self.values["penalty"] = np.asarray(P)
            L += P
        self.values["L"] = np.asarray(L)

    def _layers(
        self, layers: Sequence[Layer], p: Mapping[str, Array], x: str, prefix: str,
        rng: np.random.Generator,
    ) -> str:  # fmt: skip
        for i, layer in enumerate(layers):
            name, own, X = f"{prefix}{i}", within(p, f"{i}."), self.values[x]
            inside = tuple(
                self._layers(chain, within(own, branch), x, f"{name}.{branch}", rng)
                for branch, chain in layer.branches.items()
            )
            if isinstance(layer, Branched):
                Y, cache = layer.combine(X, [self.values[F] for F in inside]), dict[str, Array]()
            else:
                Y, cache = layer.forward(own, X, train=True, rng=rng)
            new = {key: array for key, array in cache.items() if array is not X}
            self.values |= {f"{name}.{key}": array for key, array in new.items()}
            last = next((key for key, array in new.items() if array is Y), "Y")
            self.values[f"{name}.{last}"] = Y
            y = f"{name}.{last}"
            self.places[name] = Place(name, layer, own, cache, x, y, inside)
            x = y
        return x

    def backward(self) -> None:
        """dL/dZ, and from the last layer to the first the derivative by its input and numbers."""
        Z = self.values[self.output]
        dZ = self.settings.loss.grad(Z, self.batch.y, self.batch.weight)
        self.values["dX"] = self._layers_back(self.net.layers, "", dZ)

    def _layers_back(self, layers: Sequence[Layer], prefix: str, dY: Array) -> Array:
        for i in reversed(range(len(layers))):
            place = self.places[f"{prefix}{i}"]
            self.values[derivative_of(place.y)] = dY
            if isinstance(place.layer, Branched):
                inputs = []
                for branch, chain in place.layer.branches.items():
                    start = f"{place.name}.{branch}"
                    dF = self._layers_back(chain, start, place.layer.shared(dY))
                    self.values[f"{start}dX"] = dF  # through this branch alone
                    inputs.append(dF)
                dY = place.layer.combine_dX(dY, inputs)
            else:
                dY, grads = place.layer.backward(place.p, place.cache, dY)
                self.values |= {derivative_of(f"{place.name}.{k}"): v for k, v in grads.items()}
        return dY

    def update(self, before: State, lr: float, decay: float) -> None:
        """Penalty, clipping, the optimizer, the new numbers."""
        net, penalty, optimizer = self.net, self.settings.penalty, self.settings.optimizer
        slopes = [self.values[derivative_of(name)].ravel() for name in net.shapes]
        grad = np.concatenate([np.zeros(0), *slopes])
        if penalty is not None:
            slope = penalty.grad(net.theta, net.decay_factor)
            self._write("penalty", slope)
            grad = grad + slope
        if self.settings.clip is not None:
            norm = norm_of(grad)
            grad = clip_by_norm(grad, self.settings.clip)
            self.values["norm"] = np.asarray(norm)
            self.values["clip"] = np.asarray(min(1.0, self.settings.clip / norm) if norm else 1.0)
        self._write("g", grad)
        rate, shrink = lr * net.lr_factor, decay * net.decay_factor
        state = {key: value.copy() for key, value in before.items()}
        delta = optimizer.update(grad, state, net.theta, rate, shrink)
        names: dict[str, Any] = {f.name: getattr(optimizer, f.name) for f in fields(optimizer)}
        names |= {f"{key}_before": value for key, value in before.items()} | state
        names |= {"lr": rate, "decay": shrink, "theta": net.theta, "g": grad, "delta": delta}
        for stage, formula in optimizer.stages:
            if stage not in names:
                names[stage] = evaluate(Formula(formula), names)
        for name, value in names.items():
            if name not in ("theta", "g", "lr", "decay") and np.shape(value) == net.theta.shape:
                self._write(name, value)
        self._write("after", net.theta + delta)
        for place in self.places.values():
            if place.layer.branches:
                continue  # its inner layers have places of their own
            buffers = {name: p.copy() for name, p in place.p.items()}
            place.layer.absorb(buffers, place.cache)
            for name, buffer in buffers.items():
                if f"{place.name}.{name}" in net.buffer_shapes:
                    self.values[f"{place.name}.{name}.after"] = buffer

    def _check(self) -> None:
        for name, array in self.values.items():
            if name != "dl_dYhat" and not np.isfinite(array).all():  # unfused, 1/0 at a saturated ŷ
                what = "nan" if np.isnan(array).any() else "inf"
                raise Diverged(f'the step made {what} in "{name}": {ADVICE}')

    def _write(self, stage: str, vector: Array) -> None:
        """A theta-shaped vector as a value of each parameter."""
        views = self.net.views(np.array(vector))
        self.values |= {f"{name}.{stage}": view for name, view in views.items()}
