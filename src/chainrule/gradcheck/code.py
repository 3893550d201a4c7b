"""Foreign code at arm's length: parameters of any layout as one flat vector, calls that end in one
sentence.
"""

import re
import time
import traceback
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Array
from .limit import Stopped

PREFIXES = ("", "d", "d_", "grad_", "g_", "g", "delta_", "D", "∂")
SUFFIXES = ("_grad", "_gradient", ".grad")
DEEPEST = 50
NUMBERS = (bool, int, float, np.number, np.bool_)


class Block(NamedTuple):
    """One array of the parameters: its name, its shape and its place in the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def span(self) -> slice:
        """Its entries in the flat vector."""
        return slice(self.start, self.stop)

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.stop - self.start

    @property
    def is_bias(self) -> bool:
        """Whether it is a vector: (n,), (n, 1), (1, n) or a number."""
        return self.size == max(self.shape, default=1)

    def entry(self, index: int) -> str:
        """The name of an entry by its place in the flat vector: W1[0, 2]."""
        if self.shape == ():
            return self.name
        where = np.unravel_index(index - self.start, self.shape)
        return f"{self.name}[{', '.join(str(int(i)) for i in where)}]"


def stretch(start: int, stop: int) -> Block:
    """A part of a flat vector, as a block of its own: entries 3 to 5."""
    return Block(f"entries {start} to {stop - 1}", (stop - start,), start, stop)


class Layout:
    """theta (n,) for parameters in any layout: an array, a number, or dicts, lists and tuples of
    them, nested as one likes.

    Raises ValueError where a leaf is not numeric, not finite or missing.
    """

    def __init__(self, parameters: Any) -> None:
        self._tree = parameters
        self.blocks: list[Block] = []
        parts, start = [], 0
        for name, leaf in _leaves(parameters, ""):
            values = _as_numbers(name, leaf)
            self.blocks.append(Block(name, values.shape, start, start + values.size))
            parts.append(values.reshape(-1))
            start += values.size
        if start == 0:
            raise ValueError("parameters hold no number: give an array or a dict of arrays")
        self.theta = np.concatenate(parts)
        self.flat = len(self.blocks) == 1 and len(self.blocks[0].shape) == 1
        self.size = start

    def block(self, index: int) -> Block:
        """The block that holds an entry of theta."""
        return next(block for block in self.blocks if block.start <= index < block.stop)

    def build(self, theta: Array) -> Any:
        """The parameters at theta in the user's own layout, every array a fresh float64 copy."""
        places = iter(self.blocks)

        def rebuild(node: Any) -> Any:
            if isinstance(node, dict):
                made = copy(node)
                made.update({key: rebuild(child) for key, child in node.items()})
                return made
            if isinstance(node, list | tuple):
                parts = [rebuild(child) for child in node]
                return type(node)(*parts) if hasattr(node, "_fields") else type(node)(parts)
            values = theta[next(places).span].copy()
            if isinstance(node, NUMBERS):
                return float(values[0])
            return values.reshape(np.shape(node))

        return rebuild(self._tree)

    def read(self, returned: Any) -> "Returned":
        """What a gradient function returned, entry by entry; see Returned."""
        arrays = list(_match(self._tree, returned, "", "the gradient"))
        g, odd, eps = np.full(self.size, np.nan), {}, 0.0
        for block, got in zip(self.blocks, arrays, strict=True):
            values = None if got is None else _as_real(block.name, got)
            if values is not None:
                eps = max(eps, resolution(values))
            one = values is not None and values.size == block.size == 1
            if values is not None and (values.shape == block.shape or one):
                g[block.span] = values.reshape(-1)
            else:
                odd[block.name] = values
        extra = {}
        if isinstance(returned, dict):
            extra = {str(k): np.asarray(v) for k, v in returned.items() if np.ndim(v) > 0}
        return Returned(g, odd, extra, eps or float(np.finfo(float).eps))


@dataclass(frozen=True)
class Returned:
    """A gradient as it came back: g (n,), nan where a block is missing or has another shape; `odd`
    maps such a block to what came (None: nothing); `extra` holds all arrays of a returned dict;
    `eps` is the resolution of its numbers.
    """

    g: Array
    odd: dict[str, Array | None]
    extra: dict[str, Array]
    eps: float


def _leaves(node: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict | list | tuple):
        if name.count(".") > DEEPEST:
            raise ValueError(f"parameters are nested more than {DEEPEST} deep: name them flatly")
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in pairs:
            yield from _leaves(child, f"{name}.{key}" if name else str(key))
    else:
        yield name or "parameters", node


def _as_numbers(name: str, leaf: Any) -> Array:
    values = np.asarray(leaf)
    if values.dtype.kind not in "fiu":
        kind = f"array of {values.dtype}" if isinstance(leaf, np.ndarray) else type(leaf).__name__
        raise ValueError(f"{name} is of type {kind}: parameters are real numbers in arrays")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds nan or inf: start from finite parameters")
    return values


def _as_real(name: str, got: Any) -> Array:
    try:
        values = np.asarray(got)
    except ValueError:
        values = np.empty(0, dtype=object)
    if values.dtype.kind not in "fiub":
        raise ValueError(
            f"the gradient of {name} is of type {type(got).__name__}: return an array of real "
            f"numbers"
        )
    return values


def resolution(values: Array) -> float:
    """eps of the numbers, from their dtype or because all of them fit into a shorter float."""
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        return float(np.finfo(values.dtype).eps)
    exact = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        short = exact.size > 3 and bool(np.array_equal(exact, exact.astype(np.float32)))
    round_numbers = bool(np.all(exact * 1024 == np.round(exact * 1024)))
    return float(np.finfo(np.float32 if short and not round_numbers else np.float64).eps)


def _match(node: Any, got: Any, name: str, what: str) -> Iterator[Any]:
    """The returned array of each leaf in turn, None where it is missing."""
    if not isinstance(node, dict | list | tuple):
        yield _only(got)
        return
    if got is None:
        raise ValueError(f"{what} is None: return it from your function")
    if isinstance(node, dict) and isinstance(got, dict):
        found = {key: _named(got, key) for key in node}
        if node and all(value is None for value in found.values()) and not _alike(node, got):
            raise ValueError(
                f"{what} has the names {_listed(got)}, but the parameters are {_listed(node)}: "
                f'name each as its parameter, or with a "d" before it'
            )
        children = [(key, child, found[key]) for key, child in node.items()]
    else:
        names = list(node) if isinstance(node, dict) else list(range(len(node)))
        parts = node.values() if isinstance(node, dict) else node
        lengths = np.shape(got)[:1] if isinstance(got, np.ndarray) else None
        length = len(got) if isinstance(got, list | tuple) or lengths else -1
        if length != len(names):
            kind = type(got).__name__ + (f" of {length}" if length >= 0 else "")
            raise ValueError(
                f"{what} is a {kind}, but there are {len(names)} parameters ({_listed(names)}): "
                f"return them in the layout of the parameters"
            )
        children = list(zip(names, parts, got, strict=True))
    for key, child, value in children:
        below = f"{name}.{key}" if name else str(key)
        if value is None and not isinstance(child, dict | list | tuple):
            yield None
        else:
            yield from _match(child, value, below, f"the gradient of {below}")


def _only(got: Any) -> Any:
    """The array itself, out of a dict, list or tuple that holds nothing else."""
    if isinstance(got, dict) and len(got) == 1:
        return next(iter(got.values()))
    if isinstance(got, tuple) and len(got) == 1:
        return got[0]
    return got


def _named(got: dict[Any, Any], key: Any) -> Any:
    """The entry of a gradient that belongs to a parameter: W1, dW1, d_W1, grad_W1, W1_grad."""
    names = [f"{prefix}{key}" for prefix in PREFIXES] + [f"{key}{suffix}" for suffix in SUFFIXES]
    return next((got[name] for name in [key, *names] if name in got), None)


def _alike(wanted: Any, got: Any) -> bool:
    """Whether names differ in their numbers only: dW0 for W1."""
    kinds = {re.sub(r"\d+", "", str(name)) for name in got}
    stems = [re.sub(r"\d+", "", str(name)) for name in wanted]
    return all(any(prefix + stem in kinds for prefix in PREFIXES) for stem in stems)


def _listed(names: Any) -> str:
    texts = [str(name) for name in names]
    return ", ".join(texts[:6]) + (", …" if len(texts) > 6 else "")


@dataclass
class Code:
    """The two functions of the user over theta. Each call hands over fresh copies.

    `value` and `gradient` raise ValueError in one sentence at the point they start from, and give
    nan elsewhere: a moved point may lie outside what the code is meant for.
    """

    value_function: Callable[..., Any]
    gradient_function: Callable[..., Any]
    layout: Layout
    strict: bool = True
    calling: str = ""
    seconds: float = 0.0
    total: float = 0.0
    calls: int = 0
    changed: set[str] = field(default_factory=set)

    def value(self, theta: Array, **extra: Any) -> float:
        """The loss at theta, nan where it is not finite or the code fails away from the start."""
        try:
            number = self._number(self._call("value", self.value_function, theta, extra))
        except ValueError:
            if self.strict:
                raise
            return float("nan")
        if self.strict and not np.isfinite(number):
            raise ValueError(
                f"your value function returned {number} for the given parameters: "
                f"start where the loss is finite"
            )
        return number if np.isfinite(number) else float("nan")

    def along(self, theta: Array, direction: Array, **extra: Any) -> Callable[[float], float]:
        """The loss at theta + t · direction as a function of t."""
        return lambda t: self.value(theta + t * direction, **extra)

    def gradient(self, theta: Array, **extra: Any) -> Returned:
        """What the gradient function returns at theta. The value is computed before, as in
        training: code may keep what its forward pass computed.
        """
        self.value(theta, **extra)
        return self.bare_gradient(theta, **extra)

    def bare_gradient(self, theta: Array, **extra: Any) -> Returned:
        """What the gradient function returns at theta, without a call of value before."""
        try:
            returned = self._call("gradient", self.gradient_function, theta, extra)
            if returned is None:
                raise ValueError("your gradient function returned None: return the gradient")
            read = self.layout.read(returned)
        except ValueError:
            if self.strict:
                raise
            return Returned(np.full(self.layout.size, np.nan), {}, {}, 0.0)
        if self.strict:
            self._refuse_infinite(read)
        return read

    def _refuse_infinite(self, read: Returned) -> None:
        for block in self.layout.blocks:
            bad = ~np.isfinite(read.g[block.span])
            if block.name not in read.odd and bad.any():
                entry = block.entry(block.start + int(np.argmax(bad)))
                raise ValueError(
                    f"your gradient holds {read.g[block.span][np.argmax(bad)]} at {entry} though "
                    f"the loss is finite: look for 0/0 or an overflow in the backward pass"
                )

    def _call(
        self, what: str, function: Callable[..., Any], theta: Array, extra: dict[str, Any]
    ) -> Any:
        self.calling = what
        given = self.layout.build(theta)
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                result = function(given, **extra)
        except Stopped:
            raise
        except (Exception, SystemExit) as error:
            raise ValueError(f"your {what} function {_told(error)}") from error
        took = time.perf_counter() - start
        # The first call may import or compile; what is usual decides how much is compared.
        self.seconds = max(0.5 * self.seconds, took)
        self.total += took
        self.calls += 1
        if self.strict and not self._is_kept(given, theta):
            self.changed.add(what)
        self.calling = ""
        return result

    def _is_kept(self, given: Any, theta: Array) -> bool:
        try:
            after = Layout(given).theta
        except ValueError:
            return False
        return bool(np.array_equal(after, theta))

    def _number(self, returned: Any) -> float:
        got = np.asarray(returned) if not isinstance(returned, dict) else np.empty(0)
        if got.size != 1 or got.dtype.kind not in "fiub":
            told = f"an array of shape {got.shape}" if got.size > 1 else type(returned).__name__
            raise ValueError(f"your value function returned {told}: return the loss, one number")
        return float(got.reshape(-1)[0])


def _told(error: BaseException) -> str:
    """raised KeyError: 'W1' (line 7 of net.py, in loss)."""
    frames = traceback.extract_tb(error.__traceback__)
    place = ""
    if len(frames) > 1:
        last = next((f for f in reversed(frames) if "site-packages" not in f.filename), frames[-1])
        file = last.filename.replace("\\", "/").rsplit("/", 1)[-1]
        place = f" (line {last.lineno} of {file}, in {last.name})"
    try:
        words = " ".join(str(error).split())
    except Exception:  # of an exception that cannot even be told
        words = ""
    return f"raised {type(error).__name__}{f': {words}' if words else ''}{place}"
