"""The recipe of CONTRIBUTING.md, "Adding to the mathematics", followed in a copy of the sources: an
activation, a layer, a loss, an optimizer and a schedule, and the kernels of the first four.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).parents[2] / "src" / "chainrule"


class Addition(NamedTuple):
    """A text that a file of the package receives, in front of one that it has; or a new file."""

    file: str
    text: str
    before: str = ""


CLASSES = (
    Addition("core/activation_layers.py", '''
@dataclass(frozen=True)
class ISRU(ElementwiseLayer):
    """A = Z / √(1 + alpha Z²),  slope (1 / √(1 + alpha Z²))³. Carlile et al. 2017."""

    alpha: float = 1.0
    name, formula = "isru", "z / sqrt(1 + alpha * z**2)"
    slope_formula = "(1 / sqrt(1 + alpha * z**2))**3"
    limits = {"alpha": (0, LARGEST)}

    def values(self, Z: Array) -> Array:
        return np.asarray(Z / np.hypot(1.0, self.alpha**0.5 * Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.asarray((1.0 / np.hypot(1.0, self.alpha**0.5 * Z)) ** 3)

''', "\n@dataclass(frozen=True)\nclass PReLU("),
    Addition("core/offset_layers.py", '''"""Offsets."""

from dataclasses import dataclass

from .arrays import Array, Arrays, Pass, Random
from .equations import EquationText
from .layers import LearnedPerUnit


@dataclass(frozen=True)
class Offset(LearnedPerUnit):
    """Y = X + strength * c   c (n,) is learned.

    dX = dY,  dc = strength * Σ_rows dY; `start` is where every c begins.
    """

    start: float = 0.5
    strength: float = 0.7
    learned, linear = "c", True

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        return X + self.strength * p["c"], {"X": X}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        return dY, {"c": self.strength * dY.sum(axis=0)}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            "Y[r,j] = X[r,j] + strength * c[j]",
            "dX[r,j] = dY[r,j]",
            "dc[j] = strength * sum_r(dY[r,j])",
        )
'''),
    Addition("core/losses.py", '''
@dataclass(frozen=True)
class PseudoHuber(Loss):
    """l = √(width² + r²) - width,  r = z - y,  dl/dz = r / √(width² + r²)."""

    width: float = 1.5
    formula = "sqrt(width**2 + (z - y)**2) - width"
    slope_formula = "(z - y) / sqrt(width**2 + (z - y)**2)"
    positive = ("scale", "width")

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(np.sqrt(self.width**2 + (Z - Y) ** 2) - self.width)

    def slopes(self, Z: Array, Y: Array) -> Array:
        return np.asarray((Z - Y) / np.sqrt(self.width**2 + (Z - Y) ** 2))

''', "\ndef _ratio("),
    Addition("core/optimizers.py", '''
@dataclass(frozen=True, kw_only=True)
class Bounded(Optimizer):
    """u ← keep u + (1 - keep) g,  delta = -lr u / √(1 + u²)."""

    keep: float = 0.8
    limits = {"keep": (0, BELOW_ONE)}
    state_vectors = ("u",)
    stages = (
        ("u", "keep * u_before + (1 - keep) * g"),
        ("delta", "-lr * u / sqrt(1 + u**2)"),
    )

    def delta(self, grad: Array, state: State, lr: Rate) -> Array:
        state["u"][...] = self.keep * state["u"] + (1.0 - self.keep) * grad
        return -lr * state["u"] / np.sqrt(1.0 + state["u"] * state["u"])

''', "\nOPTIMIZERS: "),
    Addition("core/schedules.py", '''
@dataclass(frozen=True)
class Falling(Schedule):
    """multiplier = 1 - (1 - end) t: a straight fall to `end`."""

    end: float = 0.25
    limits = {"end": (0, 1)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return 1.0 - (1.0 - self.end) * step / steps

''', "\ndef value_at("),
    Addition("__init__.py", '"ISRU", ', '"Identity", "Step",'),
    Addition("__init__.py", '    "core.offset_layers": ["Offset"],\n', '    "core.losses": ['),
    Addition("__init__.py", '"PseudoHuber", ', '"Loss", "SquaredError",'),
    Addition("__init__.py", '"Bounded", ', '"Optimizer", "SGD",'),
    Addition("__init__.py", '"Falling", ', '"Schedule", "Constant",'),
)  # fmt: skip
KERNELS = (
    Addition("compiled/activations.py", """    (
        al.ISRU,
        lambda z, c: z / np.hypot(c.one, np.sqrt(c.alpha) * z),
        lambda z, a, c: (c.one / np.hypot(c.one, np.sqrt(c.alpha) * z)) ** 3,
    ),
""", "    (al.Softplus,"),
    Addition("compiled/activations.py", "import numpy as np\n\n", "from ..core import activation"),
    Addition("compiled/layers.py", '''
@jit
def offset_forward(row, table, memory, numbers):
    """Y = X + strength * c."""
    x, y, c, n = row.x, row.y, row.p, row.n
    for r in range(row.rows):
        for j in range(n):
            shift = row.alpha * numbers[at(c + j)]
            memory[at(y + r * n + j)] = memory[at(x + r * n + j)] + shift


@jit
def offset_backward(row, table, memory):
    """dX = dY,  dc = strength * Σ_rows dY."""
    d, d_c, n = row.dy, row.g, row.n
    for r in range(row.rows):
        for j in range(n):
            memory[at(d_c + j)] += row.alpha * memory[at(d + r * n + j)]

''', "\n@jit\ndef temper_forward("),
    Addition("compiled/losses.py", '''
@elementwise
def pseudo_huber(z, y, width):
    """l = √(width² + r²) - width,  dl/dz = r / √(width² + r²),  r = z - y."""
    r = z - y
    root = np.sqrt(width * width + r * r)
    return root - width, r / root

''', "\n@elementwise\ndef binary("),
    Addition("compiled/updates.py", '''
@inlined
def bounded(T, G, F, M, V, E, rule, step):
    """u ← keep u + (1 - keep) g,  θ ← θ - lr u / √(1 + u²)."""
    number = T.dtype.type
    rate, keep, rest, one = number(step.lr), number(rule.keep), number(rule.rest_keep), number(1)
    for i in range(len(T)):
        M[i] = keep * M[i] + rest * G[i]
        T[i] -= rate * F[i] * M[i] / np.sqrt(one + M[i] * M[i])

''', "\n@inlined\ndef adagrad("),
    Addition("compiled/operations.py", "from ..core.offset_layers import Offset\n",
             "from ..core.penalty "),
    Addition("compiled/operations.py",
             "    Operation(\n        Offset, layers.offset_forward, layers.offset_backward, "
             'settings=("strength",),\n    ),\n',
             "    Operation(Temperature,"),
    Addition("compiled/operations.py",
             '    LossKernel(cl.PseudoHuber, losses.pseudo_huber, "width"),\n',
             "    LossKernel(cl.Pinball,"),
    Addition("compiled/operations.py", "    co.Bounded: updates.bounded,\n", "    co.Adam: "),
    Addition("compiled/operations.py", '"keep", ', '"epsilon", "rho")'),
    Addition("compiled/operations.py", '"u": "m", ', '"v": "v", "s": "v"}'),
)  # fmt: skip


def copied(folder: Path, additions: Iterable[Addition]) -> Path:
    """A copy of the sources with these additions, for PYTHONPATH."""
    shutil.copytree(SOURCES, folder / "chainrule", ignore=shutil.ignore_patterns("__pycache__"))
    for file, text, before in additions:
        path = folder / "chainrule" / file
        source = path.read_text(encoding="utf-8") if before else ""
        assert not before or source.count(before) == 1, f"{before!r} is not once in {file}"
        path.write_text(source.replace(before, text + before), encoding="utf-8")
    return folder
