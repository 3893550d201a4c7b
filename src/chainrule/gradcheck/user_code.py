"""The user's functions: parameters of any layout as one flat vector, and calls whose failures
become one sentence.
"""

import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Array
from .time_limit import Stopped

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
    """A part of a flat vector as a block: entries 3 to 5."""
    return Block(f"entries {start} to {stop - 1}", (stop - start,), start, stop)


@dataclass(frozen=True)
class Returned:
    """A gradient as the user's function returned it: g (n,), nan if a block is missing or has
    another shape; `misshapen` maps such a block to its array, or to None if it is missing; `arrays`
    holds all arrays of a returned dict; `eps` is the resolution of its numbers.
    """

    g: Array
    misshapen: dict[str, Array | None] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    eps: float = 0.0


class Layout:
    """theta (n,) for parameters in any layout: an array, a number, or dicts, lists and tuples of
    them, nested in any way.

    Raises ValueError if a leaf is not numeric, not finite or missing.
    """

    def __init__(self, parameters: Any) -> None:
        self._tree = parameters
        self.blocks: list[Block] = []
        self.size = 0
        arrays: list[Array] = []

        def append(name: str, leaf: Any) -> Any:
            arrays.append(values := _as_parameter(name, leaf))
            self.blocks.append(Block(name, values.shape, self.size, self.size + values.size))
            self.size += values.size
            return leaf

        _map_leaves(parameters, append)
        if self.size == 0:
            raise ValueError("parameters hold no number: give an array or a dict of arrays")
        self.theta = np.concatenate(arrays, axis=None)
        self.flat = len(self.blocks) == 1 and len(self.blocks[0].shape) == 1

    def block(self, index: int) -> Block:
        """The block that holds an entry of theta."""
        return next(block for block in self.blocks if block.start <= index < block.stop)

    def build(self, theta: Array) -> Any:
        """The parameters at theta in the user's own layout, every array a fresh float64 copy."""
        blocks = iter(self.blocks)

        def moved(name: str, leaf: Any) -> Any:
            values = theta[next(blocks).span].copy()
            return float(values[0]) if isinstance(leaf, NUMBERS) else values.reshape(np.shape(leaf))

        return _map_leaves(self._tree, moved)

    def read(self, returned: Any) -> Returned:
        """What a gradient function returned, entry by entry; see Returned."""
        g, misshapen, eps = np.full(self.size, np.nan), dict[str, Array | None](), 0.0
        for block, leaf in zip(self.blocks, list(_match(self._tree, returned, "")), strict=True):
            values = None if leaf is None else _as_real(block.name, leaf)
            if values is not None:
                eps = max(eps, resolution(values))
                if values.shape == block.shape or values.size == block.size == 1:
                    g[block.span] = values.reshape(-1)
                    continue
            misshapen[block.name] = values
        named = returned.items() if isinstance(returned, dict) else ()
        arrays = {str(key): np.asarray(value) for key, value in named if np.ndim(value) > 0}
        return Returned(g, misshapen, arrays, eps or float(np.finfo(float).eps))


def _children(node: Any) -> list[tuple[Any, Any]] | None:
    """The keys and values of a dict, list or tuple; None for a leaf."""
    if isinstance(node, dict):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list | tuple) else None


def _map_leaves(node: Any, f: Callable[[str, Any], Any], name: str = "") -> Any:
    """The same dicts, lists and tuples with f(name, leaf) in the place of every leaf."""
    children = _children(node)
    if children is None:
        return f(name or "parameters", node)
    if name.count(".") > DEEPEST:
        raise ValueError(f"parameters are nested more than {DEEPEST} deep: name them flatly")
    parts = {key: _map_leaves(child, f, _inside(name, key)) for key, child in children}
    if isinstance(node, dict):
        tree = copy(node)
        tree.update(parts)
        return tree
    is_named = hasattr(node, "_fields")
    return type(node)(*parts.values()) if is_named else type(node)(parts.values())


def _inside(name: str, key: Any) -> str:
    """The name of a child: "a.b" for b in a."""
    return f"{name}.{key}" if name else str(key)


def _as_parameter(name: str, leaf: Any) -> Array:
    values = np.asarray(leaf)
    if values.dtype.kind not in "fiu":
        kind = f"array of {values.dtype}" if isinstance(leaf, np.ndarray) else type(leaf).__name__
        raise ValueError(f"{name} is of type {kind}: parameters are real numbers in arrays")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds nan or inf: start from finite parameters")
    return values


def _as_real(name: str, leaf: Any) -> Array:
    try:
        values = np.asarray(leaf)
    except ValueError:
        values = np.empty(0, dtype=object)
    if values.dtype.kind not in "fiub":
        raise ValueError(
            f"the gradient of {name} is of type {type(leaf).__name__}: return an array of real "
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


def _match(node: Any, returned: Any, name: str) -> Iterator[Any]:
    """The returned array of each leaf in turn, None if it is missing."""
    children, what = _children(node), f"the gradient of {name}" if name else "the gradient"
    if children is None:
        yield _unwrapped(returned)
        return
    if returned is None:
        raise ValueError(f"{what} is None: return it from your function")
    parts = returned
    if isinstance(node, dict) and isinstance(returned, dict):
        parts = [_named(returned, key) for key in node]
        if node and all(part is None for part in parts) and not _alike(node, returned):
            raise ValueError(
                f"{what} has the names {listed(returned)}, but the parameters are "
                f'{listed(node)}: name each as its parameter, or with a "d" before it'
            )
    is_list = isinstance(parts, list | tuple) or (isinstance(parts, np.ndarray) and parts.ndim > 0)
    if not is_list or len(parts) != len(children):
        kind = type(parts).__name__ + (f" of {len(parts)}" if is_list else "")
        raise ValueError(
            f"{what} is a {kind}, but there are {len(children)} parameters "
            f"({listed(key for key, _ in children)}): return them in the layout of the parameters"
        )
    for (key, child), part in zip(children, parts, strict=True):
        yield from _match(child, part, _inside(name, key))


def _unwrapped(returned: Any) -> Any:
    """The array itself, if a dict or tuple holds nothing else."""
    if isinstance(returned, dict | tuple) and len(returned) == 1:
        return next(iter(returned.values() if isinstance(returned, dict) else returned))
    return returned


def _named(returned: dict[Any, Any], key: Any) -> Any:
    """The entry of a gradient that belongs to a parameter: W1, dW1, d_W1, grad_W1, W1_grad."""
    names = [f"{prefix}{key}" for prefix in PREFIXES] + [f"{key}{suffix}" for suffix in SUFFIXES]
    return next((returned[name] for name in [key, *names] if name in returned), None)


def _alike(names: Any, returned: Any) -> bool:
    """Whether names differ only in their numbers: dW0 for W1."""
    stems = {re.sub(r"\d+", "", str(name)) for name in names}
    returned_stems = {re.sub(r"\d+", "", str(name)) for name in returned}
    return all(any(prefix + stem in returned_stems for prefix in PREFIXES) for stem in stems)


def listed(names: Iterable[Any], most: int = 6) -> str:
    """The first names: "W1, b1, …"."""
    texts = [str(name) for name in names]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")


@dataclass
class UserCode:
    """The user's functions "value" and "gradient" over theta; each call passes fresh copies.

    While `strict`, at the point the check starts from, a failing function raises ValueError in one
    sentence. Elsewhere it gives nan: a moved point may lie outside what the code is meant for.
    """

    functions: dict[str, Callable[..., Any]]
    layout: Layout
    strict: bool = True
    calling: str = ""
    seconds: float = 0.0
    total: float = 0.0
    calls: int = 0
    changed: set[str] = field(default_factory=set)

    def value(self, theta: Array, **extra: Any) -> float:
        """The loss at theta; away from the start, nan if it is not finite or the code fails."""
        try:
            loss = _as_loss(self._call("value", theta, extra))
            if not np.isfinite(loss):
                raise ValueError(
                    f"your value function returned {loss} for the given parameters: "
                    f"start where the loss is finite"
                )
        except ValueError:
            if self.strict:
                raise
            return float("nan")
        return loss

    def along(self, theta: Array, direction: Array, **extra: Any) -> Callable[[float], float]:
        """The loss at theta + t · direction as a function of t."""
        return lambda t: self.value(theta + t * direction, **extra)

    def gradient(self, theta: Array, **extra: Any) -> Returned:
        """What the gradient function returns at theta. The value is computed first, as in
        training, because code may keep what its forward pass computed.
        """
        self.value(theta, **extra)
        return self.bare_gradient(theta, **extra)

    def bare_gradient(self, theta: Array, **extra: Any) -> Returned:
        """What the gradient function returns at theta, without a call of value before it."""
        try:
            returned = self._call("gradient", theta, extra)
            if returned is None:
                raise ValueError("your gradient function returned None: return the gradient")
            read = self.layout.read(returned)
        except ValueError:
            if self.strict:
                raise
            return Returned(np.full(self.layout.size, np.nan))
        if self.strict:
            self._refuse_infinite(read)
        return read

    def _refuse_infinite(self, read: Returned) -> None:
        for k in map(int, np.flatnonzero(~np.isfinite(read.g))):
            block = self.layout.block(k)
            if block.name not in read.misshapen:
                raise ValueError(
                    f"your gradient holds {read.g[k]} at {block.entry(k)} though the loss is "
                    f"finite: look for 0/0 or an overflow in the backward pass"
                )

    def _call(self, what: str, theta: Array, extra: dict[str, Any]) -> Any:
        self.calling = what
        parameters = self.layout.build(theta)
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                result = self.functions[what](parameters, **extra)
        except Stopped:
            raise
        except (Exception, SystemExit) as error:
            raise ValueError(f"your {what} function {_failure(error)}") from error
        took = time.perf_counter() - start
        # The first call may import or compile; later calls decide how much is compared.
        self.seconds = max(0.5 * self.seconds, took)
        self.total += took
        self.calls += 1
        if self.strict and not _holds(parameters, theta):
            self.changed.add(what)
        self.calling = ""
        return result


def _holds(parameters: Any, theta: Array) -> bool:
    """Whether parameters are still those of theta."""
    try:
        return bool(np.array_equal(Layout(parameters).theta, theta))
    except ValueError:
        return False


def _as_loss(returned: Any) -> float:
    loss = np.empty(0) if isinstance(returned, dict) else np.asarray(returned)
    if loss.size != 1 or loss.dtype.kind not in "fiub":
        kind = f"an array of shape {loss.shape}" if loss.size > 1 else type(returned).__name__
        raise ValueError(f"your value function returned {kind}: return the loss, one number")
    return float(loss.reshape(-1)[0])


def _failure(error: BaseException) -> str:
    """raised KeyError: 'W1' (line 7 of net.py, in loss)."""
    frames = traceback.extract_tb(error.__traceback__)
    place = ""
    if len(frames) > 1:
        last = next((f for f in reversed(frames) if "site-packages" not in f.filename), frames[-1])
        file = last.filename.replace("\\", "/").rsplit("/", 1)[-1]
        place = f" (line {last.lineno} of {file}, in {last.name})"
    try:
        message = " ".join(str(error).split())
    except Exception:  # an exception whose own __str__ fails
        message = ""
    return f"raised {type(error).__name__}{f': {message}' if message else ''}{place}"
