"""The layers once more: their outputs, and the derivatives by their inputs and parameters."""

from typing import Any

from ..formulas import (
    ACTIVATIONS,
    KEPT,
    MIXED,
    NORMALISED,
    SCALED,
    TEMPERED,
    TURN,
    WAVES,
    Formula,
    d,
    kind,
    mixed_slope,
)
from .redo import Made, Redo, steps


def add_layers(redo: Redo) -> None:
    """Put the rules of every layer among the others."""
    for place in redo.trace.places:
        Forward(redo, place).add()
        Backward(redo, place).add()


class Forward:
    """The rules of one layer's output."""

    def __init__(self, redo: Redo, place: Any) -> None:
        self.redo, self.place, self.layer = redo, place, place.layer
        self.name, self.x = place.name, place.x
        self.kind = kind(place.layer)

    def add(self) -> None:
        """Put them among the rules."""
        rules = self.redo.rules
        if self.kind in ACTIVATIONS:
            rules[self.place.y] = self.bend
        elif self.kind in ("Dense", "Scale", "Dropout", "Temperature"):
            rules[self.place.y] = getattr(self, self.kind.lower())
            if f"{self.name}.M" in self.redo.trace.values:
                rules[f"{self.name}.M"] = self.mask
        elif self.place.inside:
            rules[self.place.y] = self.branched
        elif self.kind == "ParametricActivation":
            rules[self.place.y], rules[f"{self.name}.F"] = self.mixed, self.bent
        elif self.kind == "CosineEmbedding":
            rules[self.place.y] = self.embedded
            for key in ("C", "S"):
                rules[f"{self.name}.{key}"] = lambda r, c, f, k=key: self.wave(k, r, c, f)
        elif self.kind == "CategoryEmbedding":
            rules[self.place.y] = self.picked
        elif self.kind in ("LayerNorm", "BatchNorm"):
            rules[self.place.y] = self.scaled
            for key in ("H", "S", "mean", "var"):
                rules[f"{self.name}.{key}"] = getattr(self, key.lower())

    def dense(self, r: int, j: int) -> Made:
        """z = Σ_i x_i w_ij + b_j."""
        bias = [self.redo.at(f"{self.name}.b", j)] if self.layer.bias else []
        return self.redo.dot(self.redo.row(self.x, r), self.redo.column(f"{self.name}.W", j), *bias)

    def scale(self, r: int, j: int) -> Made:
        """y = gamma x."""
        gamma = self.redo.at(f"{self.name}.gamma", j)
        return self.redo.formula(SCALED, gamma=gamma, x=self.redo.at(self.x, r, j))

    def temperature(self, r: int, j: int) -> Made:
        """z = x / T."""
        T = self.redo.at(f"{self.name}.T", 0)
        return self.redo.formula(TEMPERED, x=self.redo.at(self.x, r, j), T=T)

    def branched(self, r: int, j: int) -> Made:
        """y = [x +] share Σ_m f_m(x)."""
        outputs = [self.redo.at(name, r, j) for name in self.place.inside]
        skipped = [self.redo.at(self.x, r, j)] if self.layer.skip else []
        return self.redo.dot([share(self)] * len(outputs), outputs, *skipped)

    def bent(self, r: int, j: int) -> Made:
        """f(z), which a ParametricActivation mixes with z."""
        bend, z = self.layer.bend, self.redo.at(self.x, r, j)
        return self.redo.formula(ACTIVATIONS[kind(bend)].value, z=z, alpha=bend.alpha)

    def mixed(self, r: int, j: int) -> Made:
        """a = (1 - mix) z + mix f(z)."""
        names = {"z": self.redo.at(self.x, r, j), "f": self.redo.at(f"{self.name}.F", r, j)}
        return self.redo.formula(MIXED, mix=self.redo.at(f"{self.name}.mix", j), **names)

    def dropout(self, r: int, j: int) -> Made:
        """y = x m."""
        m = self.redo.at(f"{self.name}.M", r, j)
        return self.redo.formula(Formula("x * m"), x=self.redo.at(self.x, r, j), m=m)

    def mask(self, r: int, j: int) -> Made:
        """0 or 1 / (1 - rate): which of them is the draw's."""
        if float(self.redo.trace[f"{self.name}.M"][r][j]) == 0.0:
            return self.redo.kind.of(0.0), 0.0
        return self.redo.formula(KEPT, rate=self.redo.at(f"{self.name}.rate"))

    def bend(self, r: int, j: int) -> Made:
        """a = f(z)."""
        names = {"z": self.redo.at(self.x, r, j)} | alpha(self.redo, self.place, j)
        return self.redo.formula(ACTIVATIONS[self.kind].value, **names)

    def scaled(self, r: int, j: int) -> Made:
        """y = gamma h + beta."""
        names = {key: self.redo.at(f"{self.name}.{key}", j) for key in ("gamma", "beta")}
        h = self.redo.at(f"{self.name}.H", r, j)
        return self.redo.formula(Formula("gamma * h + beta"), h=h, **names)

    def wave(self, key: str, r: int, c: int, f: int) -> Made:
        """cos and sin of u = 2π x w + b."""
        names = {name: self.redo.at(f"{self.name}.{name}", c, f) for name in ("w", "b")}
        column = self.layer.embedded(len(self.redo.row(self.x, r)))[c]
        return self.redo.formula(WAVES[key], x=self.redo.at(self.x, r, column), **names)

    def embedded(self, r: int, j: int) -> Made:
        """x itself, or Σ_f cos u_f v_f + a."""
        n = len(self.redo.row(self.x, r))
        if j < n:
            return self.redo.at(self.x, r, j), 0.0
        c, o = divmod(j - n, self.layer.size - 1)
        v = [row[o] for row in self.redo.all(f"{self.name}.V")[c]]
        a = self.redo.at(f"{self.name}.a", c, o)
        return self.redo.dot(self.redo.row(f"{self.name}.C", r)[c], v, a)

    def picked(self, r: int, j: int) -> Made:
        """x itself, or Σ_i x_i e_i of a group."""
        x = self.redo.row(self.x, r)
        alone = self.layer.alone(len(x))
        if j < len(alone):
            return x[alone[j]], 0.0
        g, o = divmod(j - len(alone), self.layer.size)
        return self.redo.dot(
            x[slice(*self.layer.groups[g])], self.redo.column(f"{self.name}.E{g}", o)
        )

    def mean(self, *index: int) -> Made:
        """The mean of a row (LayerNorm) or a column (BatchNorm)."""
        x = self._group(index[0])
        value, bound = self.redo.sum(x)
        return value / len(x), bound / len(x)

    def var(self, *index: int) -> Made:
        """The mean square about it."""
        mean = self.redo.at(f"{self.name}.mean", *index)
        apart = [x - mean for x in self._group(index[0])]
        value, bound = self.redo.dot(apart, apart)
        return value / len(apart), bound / len(apart)

    def s(self, *index: int) -> Made:
        """s = 1 / √(var + epsilon)."""
        var = self.redo.at(f"{self.name}.var", *index)
        return self.redo.formula(NORMALISED["S"], var=var, epsilon=self.layer.epsilon)

    def h(self, r: int, j: int) -> Made:
        """h = (x - mean) s."""
        at = (r, 0) if self.kind == "LayerNorm" else (j,)
        names = {key: self.redo.at(f"{self.name}.{key}", *at) for key in ("mean", "S")}
        x = self.redo.at(self.x, r, j)
        return self.redo.formula(NORMALISED["H"], x=x, mean=names["mean"], s=names["S"])

    def _group(self, i: int) -> list[Any]:
        """What is normalised together."""
        found: list[Any] = (
            self.redo.row(self.x, i) if self.kind == "LayerNorm" else self.redo.column(self.x, i)
        )
        return found


class Backward:
    """The rules of the derivatives by one layer's input and parameters."""

    def __init__(self, redo: Redo, place: Any) -> None:
        self.redo, self.place, self.layer = redo, place, place.layer
        self.name, self.x, self.dy = place.name, place.x, d(place.y)
        self.kind = kind(place.layer)

    def add(self) -> None:
        """Put them among the rules."""
        rules, name = self.redo.rules, self.name
        if self.place.inside:
            for branch in self.place.inside:
                rules[d(branch)] = self.passed
            rules[self._target()] = self.joined
        elif self.kind == "ParametricActivation":
            rules[self._target()], rules[f"{name}.dmix"] = self.mixed, self.mix
        elif self.kind == "Dense":
            rules[self._target()] = self.dense
            rules[f"{name}.dW"], rules[f"{name}.db"] = self.weight, self.column
        elif self.kind in ACTIVATIONS:
            rules[self._target()] = self.bend
            rules[f"{name}.dalpha"] = self.alpha
        elif self.kind == "CosineEmbedding":
            Embedded(self).add(self._target())
        elif self.kind == "CategoryEmbedding":
            rules[self._target()] = self.unpicked
            for g in range(len(self.layer.groups)):
                rules[f"{name}.dE{g}"] = lambda i, o, g=g: self.level(g, i, o)
        elif self.kind == "Scale":
            rules[self._target()], rules[f"{name}.dgamma"] = self.scale, self.factor
        elif self.kind in ("Dropout", "Temperature"):
            rules[self._target()] = getattr(self, self.kind.lower())
        elif self.kind in ("LayerNorm", "BatchNorm"):
            rules[self._target()] = self.normal
            rules[f"{name}.dgamma"], rules[f"{name}.dbeta"] = self.gain, self.column

    def _target(self) -> str:
        """Where the derivative by the input stands: in a branch's first layer, of the branch."""
        return f"{self.name[:-2]}.dX" if self.name.endswith(".0") else d(self.x)

    def passed(self, r: int, j: int) -> Made:
        """dF = share dY."""
        dy = self.redo.at(self.dy, r, j)
        return share(self) * dy, abs(float(dy))

    def joined(self, r: int, j: int) -> Made:
        """dX = [dY +] the sum of the branches' dX."""
        names = [f"{self.name}.{prefix}dX" for prefix in self.layer.branches]
        skipped = [self.redo.at(self.dy, r, j)] if self.layer.skip else []
        return self.redo.sum([*skipped, *(self.redo.at(name, r, j) for name in names)])

    def mixed(self, r: int, j: int) -> Made:
        """dz = da · (1 - mix + mix f′(z))."""
        bend, mix = self.layer.bend, self.redo.at(f"{self.name}.mix", j)
        names = {"z": self.redo.at(self.x, r, j), "a": self.redo.at(f"{self.name}.F", r, j)}
        slope, off = self.redo.formula(
            mixed_slope(ACTIVATIONS[kind(bend)]), mix=mix, alpha=bend.alpha, **names
        )
        dy = self.redo.at(self.dy, r, j)
        return dy * slope, abs(float(dy)) * (off + abs(float(slope)))

    def mix(self, j: int) -> Made:
        """dmix_j = Σ_rows da_j (f(z_j) - z_j)."""
        pairs = zip(self.redo.column(f"{self.name}.F", j), self.redo.column(self.x, j), strict=True)
        return self.redo.dot(self.redo.column(self.dy, j), [f - z for f, z in pairs])

    def unpicked(self, r: int, i: int) -> Made:
        """dx = dy of a column of no group, dx_i = Σ_o dy_o e_io of another."""
        alone = self.layer.alone(len(self.redo.row(self.x, r)))
        if i in alone:
            return self.redo.at(self.dy, r, alone.index(i)), 0.0
        ((g, first),) = ((g, a) for g, (a, b) in enumerate(self.layer.groups) if a <= i < b)
        start = len(alone) + g * self.layer.size
        dy = self.redo.row(self.dy, r)[start : start + self.layer.size]
        return self.redo.dot(dy, self.redo.row(f"{self.name}.E{g}", i - first))

    def level(self, g: int, i: int, o: int) -> Made:
        """de_io = Σ_rows x_i dy_o."""
        x = self.redo.column(self.x, self.layer.groups[g][0] + i)
        alone = len(self.layer.alone(len(self.redo.row(self.x, 0))))
        return self.redo.dot(x, self.redo.column(self.dy, alone + g * self.layer.size + o))

    def dense(self, r: int, i: int) -> Made:
        """dx_i = Σ_j dz_j w_ij."""
        return self.redo.dot(self.redo.row(self.dy, r), self.redo.row(f"{self.name}.W", i))

    def weight(self, i: int, j: int) -> Made:
        """dw_ij = Σ_rows x_i dz_j."""
        return self.redo.dot(self.redo.column(self.x, i), self.redo.column(self.dy, j))

    def column(self, j: int) -> Made:
        """db_j = Σ_rows dz_j; dbeta the same."""
        return self.redo.sum(self.redo.column(self.dy, j))

    def scale(self, r: int, j: int) -> Made:
        """dx = gamma dy."""
        gamma = self.redo.at(f"{self.name}.gamma", j)
        return self.redo.formula(SCALED, gamma=gamma, x=self.redo.at(self.dy, r, j))

    def factor(self, j: int) -> Made:
        """dgamma_j = Σ_rows dy_j x_j."""
        return self.redo.dot(self.redo.column(self.dy, j), self.redo.column(self.x, j))

    def gain(self, j: int) -> Made:
        """dgamma_j = Σ_rows dy_j h_j."""
        return self.redo.dot(self.redo.column(self.dy, j), self.redo.column(f"{self.name}.H", j))

    def alpha(self, j: int) -> Made:
        """dalpha_j = Σ_rows da_j min(z_j, 0)."""
        below = [min(z, self.redo.kind.of(0.0)) for z in self.redo.column(self.x, j)]
        return self.redo.dot(self.redo.column(self.dy, j), below)

    def bend(self, r: int, j: int) -> Made:
        """dz = da · f′(z)."""
        names = {"z": self.redo.at(self.x, r, j), "a": self.redo.at(self.place.y, r, j)}
        slope, off = self.redo.formula(
            ACTIVATIONS[self.kind].slope, **names, **alpha(self.redo, self.place, j)
        )
        dy = self.redo.at(self.dy, r, j)
        return dy * slope, abs(float(dy)) * (off + abs(float(slope)))

    def temperature(self, r: int, j: int) -> Made:
        """dx = dz / T."""
        T = self.redo.at(f"{self.name}.T", 0)
        return self.redo.formula(TEMPERED, x=self.redo.at(self.dy, r, j), T=T)

    def dropout(self, r: int, j: int) -> Made:
        """dx = dy m."""
        m = self.redo.at(f"{self.name}.M", r, j)
        return self.redo.formula(Formula("dy * m"), dy=self.redo.at(self.dy, r, j), m=m)

    def normal(self, r: int, j: int) -> Made:
        """dx = s (dh - mean dh - h mean (dh h)),  dh = dy gamma, over a row or a column."""
        redo, rows = self.redo, self.kind == "LayerNorm"
        H, dY = f"{self.name}.H", self.dy
        h, dy = (redo.row(n, r) if rows else redo.column(n, j) for n in (H, dY))
        gamma = redo.all(f"{self.name}.gamma")
        dh = [one * (gamma[k] if rows else gamma[j]) for k, one in enumerate(dy)]
        i, n, fsum = j if rows else r, len(h), redo.kind.fsum
        s = redo.at(f"{self.name}.S", r, 0) if rows else redo.at(f"{self.name}.S", j)
        mean, along = fsum(dh) / n, redo.kind.dot(dh, h) / n
        sizes = [abs(float(v)) for v in dh]
        spread = sum(a * abs(float(b)) for a, b in zip(sizes, h, strict=True)) / n
        size = sizes[i] + sum(sizes) / n + abs(float(h[i])) * spread
        return s * (dh[i] - mean - h[i] * along), steps(n) * float(s) * size


def share(rules: Forward | Backward) -> Any:
    """What each branch of a layer counts, as a number of the redo's kind."""
    return rules.redo.kind.of(rules.layer.share)


def alpha(redo: Redo, place: Any, j: int) -> dict[str, Any]:
    """The setting alpha of an activation, for a PReLU the unit's own."""
    if "alpha" in place.p:
        return {"alpha": redo.at(f"{place.name}.alpha", j)}
    return {"alpha": getattr(place.layer, "alpha", 0.0)}


class Embedded:
    """The derivatives by a CosineEmbedding's input and parameters."""

    def __init__(self, behind: Backward) -> None:
        self.redo, self.name, self.x = behind.redo, behind.name, behind.x
        self.dy, self.sums = behind.dy, behind.layer.size - 1
        self.rows, self.n = range(len(behind.redo.trace.batch)), len(self.redo.row(self.x, 0))
        self.columns = behind.layer.embedded(self.n)
        self.turn = behind.redo.kind.of(float(TURN))

    def add(self, target: str) -> None:
        """Put the rules among the others."""
        rules, name = self.redo.rules, self.name
        rules[target] = self.input
        rules[f"{name}.dw"], rules[f"{name}.db"] = self.w, self.b
        rules[f"{name}.dV"], rules[f"{name}.da"] = self.V, self.a

    def _bent(self, r: int, c: int, f: int) -> list[Any]:
        """The terms of du = -sin u Σ_o dy_o v_o."""
        s, V = self.redo.row(f"{self.name}.S", r)[c][f], self.redo.all(f"{self.name}.V")[c][f]
        first = self.n + c * self.sums
        dy = self.redo.row(self.dy, r)[first : first + self.sums]
        return [-s * one * v for one, v in zip(dy, V, strict=True)]

    def b(self, c: int, f: int) -> Made:
        """db = Σ_rows du."""
        return self._sum([term for r in self.rows for term in self._bent(r, c, f)])

    def w(self, c: int, f: int) -> Made:
        """dw = 2π Σ_rows x du."""
        return self._sum([
            self.turn * self.redo.at(self.x, r, self.columns[c]) * term
            for r in self.rows for term in self._bent(r, c, f)
        ])  # fmt: skip

    def V(self, c: int, f: int, o: int) -> Made:
        """dv = Σ_rows cos u dy."""
        C = [self.redo.row(f"{self.name}.C", r)[c][f] for r in self.rows]
        return self.redo.dot(C, self.redo.column(self.dy, self.n + c * self.sums + o))

    def a(self, c: int, o: int) -> Made:
        """da = Σ_rows dy."""
        return self.redo.sum(self.redo.column(self.dy, self.n + c * self.sums + o))

    def input(self, r: int, j: int) -> Made:
        """dx = dy + 2π Σ_f w_f du_f, the sum for an embedded column alone."""
        own = self.redo.at(self.dy, r, j)
        if j not in self.columns:
            return own, 0.0
        c = self.columns.index(j)
        w = self.redo.row(f"{self.name}.w", c)
        terms = [self.turn * w[f] * t for f in range(len(w)) for t in self._bent(r, c, f)]
        return self._sum([own, *terms])

    def _sum(self, terms: list[Any]) -> Made:
        """Σ of products of several factors, each of which was rounded on the way."""
        value, bound = self.redo.sum(terms)
        return value, 2.0 * bound
