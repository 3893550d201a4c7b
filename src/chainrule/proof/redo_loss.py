"""The loss once more, and what the update made of each parameter."""

from dataclasses import fields
from functools import cached_property
from typing import Any

from ..formulas import AFTER, CLIPPED, LOSSES, MOVED, OPTIMIZERS, PENALTY, Formula, d, kind
from .redo import Made, Redo, Rule


def add_loss(redo: Redo) -> None:
    """Put the rules of the loss among the others; of somebody's own those that need no formula."""
    loss = LossRules(redo)
    rules: dict[str, Rule] = {
        "dL_dl": loss.share,
        "L_data": loss.data,
        "L": loss.whole,
        d(loss.z): loss.slope,
    }
    if "penalty" in redo.trace.values:
        rules["penalty"] = loss.penalty
    if kind(loss.loss) == "SoftmaxCrossEntropy":
        rules |= {"Yhat": loss.softmax, "l": loss.entropy, "dl_dZ": loss.apart}
        rules |= {"dl_dYhat": loss.outer, "dYhat_dZ": loss.jacobian}
    elif loss.goal is not None:
        rules |= {"Yhat": loss.link, "l": loss.term, "dl_dZ": loss.fused}
        rules |= {"dl_dYhat": loss.outer, "dYhat_dZ": loss.inner}
    redo.rules.update(rules)


class LossRules:
    """ŷ, l and its derivatives of one output; each row's share; L."""

    def __init__(self, redo: Redo) -> None:
        self.redo, self.loss = redo, redo.trace.settings.loss
        self.goal, self.z = LOSSES.get(kind(self.loss)), redo.trace.output

    def names(self, r: int, k: int) -> dict[str, Any]:
        """z, y, ŷ and the loss's own setting."""
        found = {"z": self.redo.at(self.z, r, k), "y": self.redo.at("Y", r, k)}
        found |= {"p": self.redo.at("Yhat", r, k), "delta": getattr(self.loss, "delta", 0.0)}
        q = getattr(self.loss, "quantile", 0.0)
        return found | {"q": q[k] if isinstance(q, tuple) else q}

    def link(self, r: int, k: int) -> Made:
        """ŷ of z."""
        assert self.goal is not None
        return self.redo.formula(self.goal.link, z=self.redo.at(self.z, r, k))

    def term(self, r: int, k: int) -> Made:
        """l of z and y."""
        assert self.goal is not None
        return self.redo.formula(self.goal.value, **self.names(r, k))

    def fused(self, r: int, k: int) -> Made:
        """dl/dz."""
        assert self.goal is not None
        return self.redo.formula(self.goal.slope, **self.names(r, k))

    def outer(self, r: int, k: int) -> Made:
        """dl/dŷ."""
        assert self.goal is not None
        return self.redo.formula(self.goal.outer, **self.names(r, k))

    def inner(self, r: int, k: int) -> Made:
        """dŷ/dz."""
        assert self.goal is not None
        return self.redo.formula(self.goal.inner, **self.names(r, k))

    def softmax(self, r: int, k: int) -> Made:
        """p_k = e^z_k / Σ_j e^z_j."""
        z, f = self.redo.row(self.z, r), self.redo.kind
        top = max(z)
        powers = [f.functions["exp"](one - top) for one in z]
        p = powers[k] / f.fsum(powers)
        far = max(abs(float(one - top)) for one in z)
        return p, float(p) * (6.0 + 2.0 * far)

    def entropy(self, r: int, k: int) -> Made:
        """y_k (ln Σ_j e^z_j - z_k)."""
        z, f = self.redo.row(self.z, r), self.redo.kind
        top, y = max(z), self.redo.at("Y", r, k)
        level = f.functions["log"](f.fsum([f.functions["exp"](one - top) for one in z])) + top
        size = abs(float(top)) + abs(float(z[k])) + abs(float(level)) + 2.0
        return y * (level - z[k]), 6.0 * abs(float(y)) * size

    def apart(self, r: int, k: int) -> Made:
        """dl/dz_k = p_k - y_k."""
        p, off = self.softmax(r, k)
        y = self.redo.at("Y", r, k)
        return p - y, off + 2.0 * abs(float(p) + float(y))

    def jacobian(self, r: int, a: int, b: int) -> Made:
        """dp_a/dz_b = p_a (1 if a is b else 0 - p_b)."""
        p, q = self.redo.at("Yhat", r, a), self.redo.at("Yhat", r, b)
        return p * ((1 if a == b else 0) - q), 4.0 * abs(float(p)) * (1.0 + abs(float(q)))

    def share(self, r: int, _: int) -> Made:
        """scale w_r / Σ w, or scale w_r where the loss is a sum."""
        batch, of = self.redo.trace.batch, self.redo.kind.of
        weight = 1.0 if batch.weight is None else float(batch.weight[r])
        share = of(self.loss.scale) * of(weight) / self.whole_weight
        return share, 8.0 * abs(float(share))

    @cached_property
    def whole_weight(self) -> Any:
        """Σ w of the rows, or 1 where the loss is a sum."""
        batch, kind = self.redo.trace.batch, self.redo.kind
        if self.loss.reduction != "mean":
            return kind.of(1.0)
        if batch.weight is None:
            return kind.of(float(len(batch)))
        return kind.fsum(map(kind.of, batch.weight.tolist()))

    def slope(self, r: int, k: int) -> Made:
        """dL/dz = share · dl/dz."""
        share, slope = self.redo.at("dL_dl", r, 0), self.redo.at("dl_dZ", r, k)
        return self.redo.formula(Formula("share * slope"), share=share, slope=slope)

    def data(self) -> Made:
        """Σ share · l."""
        shares, terms = self.redo.all("dL_dl"), self.redo.all("l")
        pairs = [(s[0], one) for s, row in zip(shares, terms, strict=True) for one in row]
        return self.redo.dot([s for s, _ in pairs], [one for _, one in pairs])

    def penalty(self) -> Made:
        """l1 Σ f|θ| + ½ l2 Σ f θ²."""
        net, chosen, of = self.redo.trace.net, self.redo.trace.settings.penalty, self.redo.kind.of
        factors = net.views(net.decay_factor)
        pairs = [
            pair
            for name in net.shapes
            for pair in zip(_flat(self.redo.all(name)), factors[name].ravel().tolist(), strict=True)
        ]
        one = [of(chosen.l1) * of(f) * abs(t) for t, f in pairs if f and chosen.l1]
        two = [of(chosen.l2) * of(f) * t**2 / 2 for t, f in pairs if f and chosen.l2]
        return self.redo.sum([*one, *two])

    def whole(self) -> Made:
        """L with the penalty."""
        extra = [self.redo.at("penalty")] if "penalty" in self.redo.trace.values else []
        return self.redo.sum([self.redo.at("L_data"), *extra])


def add_given(redo: Redo) -> None:
    """Put the rules of what is given among the others: it must be what the step was given."""
    trace, of = redo.trace, redo.kind.of
    redo.rules["X"] = lambda r, i: (of(float(trace.batch.X[r, i])), 0.0)
    for key, vector in trace.state.items():
        if vector.shape == trace.net.theta.shape:
            for name, view in trace.net.views(vector).items():
                redo.rules[f"{name}.{key}_before"] = lambda *at, v=view: (of(float(v[at])), 0.0)
    for place in trace.places:
        for name in {"Dropout": ["rate"], "Temperature": ["T"]}.get(kind(place.layer), []):
            kept = trace.net[f"{place.name}.{name}"]
            redo.rules[f"{place.name}.{name}.after"] = lambda *at, v=kept: (of(float(v[at])), 0.0)


def add_update(redo: Redo) -> None:
    """Put the rules of the update among the others: of each parameter, and of the buffers."""
    trace = redo.trace
    if "clip" in trace.values:
        redo.rules |= {"norm": lambda: _norm(redo), "clip": lambda: _scale(redo)}
    for name in trace.net.shapes:
        update = UpdateRules(redo, name)
        redo.rules[f"{name}.after"] = lambda *at, u=update: u.made("after", AFTER, at)
        redo.rules[f"{name}.g"] = lambda *at, u=update: u.made("g", CLIPPED, at)
        if trace.settings.penalty is not None:
            redo.rules[f"{name}.penalty"] = lambda *at, u=update: u.made("penalty", PENALTY, at)
        for stage in OPTIMIZERS.get(kind(trace.settings.optimizer), ()):
            redo.rules[f"{name}.{stage.name}"] = lambda *at, u=update, s=stage: u.made(
                s.name, s.value, at
            )
    for place in trace.places:
        if kind(place.layer) == "BatchNorm":
            _Running(redo, place).add()


class UpdateRules:
    """The numbers of one parameter on its way to the new one."""

    def __init__(self, redo: Redo, name: str) -> None:
        self.redo, self.name = redo, name
        trace = redo.trace
        self.prefix = f"{name}."
        self.stages = [key for key in trace.values if key.startswith(self.prefix)]
        optimizer = trace.settings.optimizer
        settings = {f.name: getattr(optimizer, f.name) for f in fields(optimizer)}
        self.settings = {k: v for k, v in settings.items() if isinstance(v, float | int)}
        self.lr, self.decay = (
            trace.net.views(vector)[name].tolist()
            for vector in (trace.net.lr_factor, trace.net.decay_factor)
        )

    def made(self, stage: str, formula: Formula, at: tuple[int, ...]) -> Made:
        """One stage by its formula."""
        names = self.names(at)
        return self.redo.formula(formula, **{k: names[k] for k in formula.letters if k in names})

    def names(self, at: tuple[int, ...]) -> dict[str, Any]:
        """Every number that a formula of the update may name."""
        redo, trace = self.redo, self.redo.trace
        found: dict[str, Any] = dict(self.settings)
        found |= {key[len(self.prefix) :]: redo.at(key, *at) for key in self.stages}
        lr, decay = (_pick(lists, at) for lists in (self.lr, self.decay))
        found |= {"lr": trace.lr * lr, "decay": trace.decay * decay, "f": decay}
        found |= {"theta": redo.at(self.name, *at), "gradient": redo.at(d(self.name), *at)}
        found |= {"scale": redo.at("clip") if "clip" in trace.values else 1.0}
        found |= {
            "change": found["delta"],
            "t": int(trace.state["t"]) + 1 if "t" in trace.state else 0,
        }
        if trace.settings.penalty is None:
            return found | {"penalty": 0.0}
        return found | {"l1": trace.settings.penalty.l1, "l2": trace.settings.penalty.l2}


def _pick(lists: Any, at: tuple[int, ...]) -> float:
    for i in at:
        lists = lists[i]
    return float(lists)


def _norm(redo: Redo) -> Made:
    """√ Σ (g + penalty)² of all parameters."""
    squares = []
    for name in redo.trace.net.shapes:
        slopes = _flat(redo.all(d(name)))
        penalised = f"{name}.penalty" in redo.trace.values
        more = _flat(redo.all(f"{name}.penalty")) if penalised else [0.0] * len(slopes)
        squares += [(g + p) ** 2 for g, p in zip(slopes, more, strict=True)]
    norm = redo.kind.functions["sqrt"](redo.kind.fsum(squares))
    return norm, 4.0 * float(norm)


def _flat(lists: Any) -> list[Any]:
    if not isinstance(lists, list):
        return [lists]
    return [one for part in lists for one in _flat(part)]


def _scale(redo: Redo) -> Made:
    """min(1, limit / norm)."""
    norm = redo.at("norm")
    scale = min(redo.kind.of(1.0), redo.trace.settings.clip / norm) if norm else redo.kind.of(1.0)
    return scale, 4.0 * float(scale)


class _Running:
    """The running mean and variance of a BatchNorm after the step."""

    def __init__(self, redo: Redo, place: Any) -> None:
        self.redo, self.name, self.momentum = redo, place.name, place.layer.momentum
        self.rows = len(redo.trace.batch)

    def add(self) -> None:
        """Put the rules among the others."""
        for which, share in (("mean", 1.0), ("var", self.rows / max(1, self.rows - 1))):
            self.redo.rules[f"{self.name}.{which}.after"] = lambda j, w=which, s=share: self.moved(
                w, s, j
            )

    def moved(self, which: str, share: float, j: int) -> Made:
        """momentum · before + (1 - momentum) · the batch's; one row moves nothing."""
        before = self.redo.kind.of(float(self.redo.trace.net[f"{self.name}.{which}"][j]))
        if self.rows < 2:
            return before, 0.0
        batch = self.redo.at(f"{self.name}.{which}", j) * share
        names = {"momentum": self.momentum, "before": before, "batch": batch}
        value, off = self.redo.formula(MOVED, **names)
        return value, off + 2.0 * abs(float(batch))
