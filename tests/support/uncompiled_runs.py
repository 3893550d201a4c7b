"""The kernels as plain Python, run by test_compiled_uncompiled.py in a process of its own with
NUMBA_DISABLE_JIT=1: every index is checked, every gap between two regions of the memory stays
untouched, nothing is read before it is written, and every line of the kernels is run.

Prints how many lines were run; fails with an exception.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np

import chainrule as cr
from chainrule.compiled import (
    activations,
    draws,
    elementary,
    embeddings,
    engine,
    epochs,
    kernels,
    layers,
    losses,
    operations,
    passes,
    predict,
    prediction,
    products,
    program,
    step,
    updates,
)
from chainrule.training import engines
from support import tables
from support.compiled_cases import Case, apart
from support.numeric import Array

KERNELS = (
    activations, draws, elementary, embeddings, epochs, layers, losses, passes, predict, products,
    step, updates,
)  # fmt: skip
# They write kernels when the engine is imported, before anything is traced.
FACTORIES = (activations.forward_kernel, activations.backward_kernel, losses.elementwise)
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
PLACES = {int, np.uintp}  # the types of nearly all indices


class Checked(np.ndarray):
    """An array that takes no index from the end and no slice beyond it."""

    def __getitem__(self, key: Any) -> Any:
        if type(key) not in PLACES or not 0 <= key < len(self):
            self.check(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if type(key) not in PLACES or not 0 <= key < len(self):
            self.check(key)
        super().__setitem__(key, value)

    def check(self, key: Any) -> None:
        """Raises IndexError for a key that is not within the array from its start."""
        for part, size in zip(key if isinstance(key, tuple) else (key,), self.shape, strict=False):
            if isinstance(part, slice):
                low, high = part.start or 0, size if part.stop is None else part.stop
                fits = part.step in (None, 1) and 0 <= low <= high <= size
            else:
                fits = not isinstance(part, int | np.integer) or 0 <= part < size
            if not fits:
                raise IndexError(f"index {key} of an array of shape {self.shape}")


def checked(argument: Any) -> Any:
    """The array, or the arrays of a tuple, as Checked."""
    if isinstance(argument, tuple):
        return type(argument)(*map(checked, argument))
    plain = type(argument) is np.ndarray and argument.dtype.names is None
    return argument.view(Checked) if plain else argument


class Guarded(program._Writer):
    """Leaves a gap behind every region and remembers it."""

    made: list["Guarded"] = []

    def __init__(self, rows: int, batch: int) -> None:
        super().__init__(rows, batch)
        self.gaps: list[tuple[int, int]] = []
        Guarded.made.append(self)

    def take(self, n: int) -> int:
        start = super().take(n)
        self.gaps.append((start + n, self.size))
        return start


def gaps(layout: Any, lanes: int) -> Array:
    """Where in the memory of the program made last no region stands."""
    lane, whole = Guarded.made[-2:]
    inside = np.zeros(whole.size, bool)
    for start, stop in whole.gaps:
        inside[start:stop] = True
    for i in range(lanes):
        base = layout.lane + i * layout.lane_size
        for start, stop in lane.gaps:
            inside[base + start : base + stop] = True
        inside[layout.grad + i * layout.grad_size :][layout.n_theta : layout.grad_size] = (
            layout.grad_size > program.ALIGNED  # none where a program only predicts
        )
    return inside


def guard_training() -> None:
    """Before each call everything but settings and parameters is nan; afterwards the gaps are."""
    kernel, lay_out, call = engine.train, engine.Run._lay_out, engine.Run._call

    def guarded_lay_out(run: Any, one_lr: bool) -> None:
        lay_out(run, one_lr)
        run.gaps = gaps(run.layout, int(run.layout.lanes))
        run.memory[run.gaps] = np.nan

    def guarded_call(run: Any, *arguments: Any, **named: Any) -> int:
        run.memory[int(run.layout.masks) :] = np.nan
        stopped = call(run, *arguments, **named)
        assert np.isnan(run.memory[run.gaps]).all(), "a kernel wrote between two regions"
        return stopped

    engine.train = lambda *arguments: kernel(*map(checked, arguments))
    engine.Run._lay_out, engine.Run._call = guarded_lay_out, guarded_call


def guard_prediction() -> None:
    linked = prediction.linked_program
    serial, parallel = prediction.predict, prediction.predict_in_parallel

    def guarded_program(net: cr.Network, rows: int, lanes: int) -> Any:
        program = linked(net, rows, lanes=lanes)
        layout = program.layouts[0]
        program.memory[int(layout.lane) :] = np.nan
        program.memory[gaps(layout, lanes)] = np.nan
        return program

    def guarded(kernel: Callable[..., None]) -> Callable[..., None]:
        def call(layouts: Any, table: Array, memory: Array, *rest: Any) -> None:
            lanes = rest[3] if kernel is parallel else 1
            untouched = np.isnan(memory) & gaps(layouts[0], lanes)
            kernel(layouts, *map(checked, (table, memory, *rest)))
            assert np.isnan(memory[untouched]).all(), "a kernel wrote between two regions"

        return call

    prediction.linked_program = guarded_program
    prediction.predict, prediction.predict_in_parallel = guarded(serial), guarded(parallel)


def widen() -> None:
    """Give the elementary functions float64, as Numba does: NumPy's float32 times a number of
    Python's stays float32.
    """

    def wide(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: function(np.float64(x))

    for module in (elementary, losses):
        for name, function in vars(module).copy().items():
            public = isinstance(function, FunctionType) and not name.startswith("_")
            if public and function.__module__ == elementary.__name__:
                setattr(module, name, wide(function))


def shrink(tile: int, block: int, shard: int, lanes: int) -> None:
    """Sizes at which small runs take the ways of large ones; a tile is `tile` bytes wide."""
    products.VECTOR, products.VECTORS, products.DEPTH = tile, 1, tile // 4
    engine.BLOCK = epochs.BLOCK = step.BLOCK = program.BLOCK = block
    engine.LANES = lanes
    engine.ONE_SHARD, engine.LANE_NUMBERS, engine.SHARD, engine.MOST_ROWS = 0, 1, shard, shard
    engine.THREADED = 0 if shard < 4 else 10**9
    prediction.MANY, prediction.ROWS, prediction.THREAD_LANES = engine.THREADED, shard, 3


def cases() -> Iterator[Case]:
    """Every layer, loss and optimizer, with all that a step may hold, in turns."""
    goals, makes = list(tables.LOSSES.values()), list(tables.OPTIMIZERS.values())
    chosen = list((tables.LAYERS | tables.LAYER_VARIANTS).values())
    for i in range(max(len(goals), len(chosen))):
        layer, goal = chosen[i % len(chosen)], goals[i % len(goals)]
        width = 3 if isinstance(layer, cr.Residual) or i % 3 else 5
        yield Case(
            2 + i % 4,
            (cr.Dense(width, bool(i % 5)), layer, cr.Dense(6)),
            goal,
            makes[i % len(makes)],
            cr.Cosine(0.02) if i % 2 else 0.01,
            ("float64", "float32")[i % 2],
            9,
            (4, None, 9)[i % 3],
            shuffle=bool(i % 2),
            weights=("none", "all", "some", "blocks")[i % 4],
            penalty=(None, cr.Penalty(0.01, 0.1))[i % 2],
            clip=(None, 0.1, None)[i % 3],
            factors=bool(i % 2),
            seed=i,
        )
    first = (cr.Residual((cr.Residual((cr.LayerNorm(0.1),)),)), cr.PReLU(), cr.Dense(1))
    last = (cr.Dense(2), cr.BatchNorm(epsilon=0.1), cr.Dropout(0.1))
    wide = (cr.Dense(12), cr.Dense(12), cr.Dense(1))  # a W larger than the shard on both its sides
    for few in (first, (cr.Dropout(0.2), *first), last, wide):
        yield Case(2, few, goals[1], cr.Nesterov(), 0.01, "float64", 9, 4, clip=100.0)
        yield Case(1, few, goals[-3], cr.AdamW(), 0.01, "float64", 1, 4)


def compare(case: Case) -> None:
    """Two epochs of each engine, and the prediction of a few rows."""
    limit = TOLERANCE[case.dtype]
    readable = case.follow("readable", 2)
    noise = max(apart(case.follow("readable", 2, seed), readable) for seed in range(2))
    off = apart(case.follow("compiled", 2), readable)
    assert off <= max(limit, 10 * noise), f"{case}: {off}"
    net, X = case.net(), case.data()["X"]
    Z = net.predict(X)
    exact = net.astype(np.float64).forward(X)[0]
    np.testing.assert_allclose(Z, exact, rtol=10 * limit, atol=10 * limit, err_msg=str(case))
    np.testing.assert_array_equal(net.predict(X[1:4]), Z[1:4])


def odd_ends() -> None:
    """What no ordinary run does: changes between epochs, huge gradients, an error at the end."""
    case = Case(2, (cr.Dense(1), cr.Tanh()), tables.LOSSES["squared_1"], cr.Momentum(), 0.01,
                "float64", 4, 1)  # fmt: skip
    net, data = case.net(), case.data()
    for record in case.train(net, data, engine="compiled", epochs=9):
        if record.epoch == 3:
            net.lr_factor[0] = 0.5
    waves = replace(case, layers=(cr.CosineEmbedding(2, 3),), clip=1.0)
    far = data | {"X": data["X"] * 1e8}  # angles of which the cosine comes from NumPy
    list(waves.train(waves.net(), far, engine="compiled", epochs=1))
    case = replace(case, goal=tables.LOSSES["absolute_1"], clip=1.0, layers=())
    huge, tiny = data | {"X": data["X"] * 2.0**600}, data | {"weight": [1.0, 1e-40, 1.0, 1.0]}
    with np.errstate(all="ignore"):
        list(case.train(case.net(), huge, engine="compiled", epochs=1, batch_size=None))
        for inputs, error in ((huge, cr.Diverged), (tiny, ValueError)):
            try:
                list(case.train(case.net(), inputs, engine="compiled", epochs=99, lr=1e308))
            except error:
                continue
            raise AssertionError(f"this run must end with {error}")


def lines(code: CodeType) -> set[tuple[str, int]]:
    """(file, line) of each line of a function that runs, the lines of its def left out."""
    own = {(code.co_filename, line) for _, _, line in code.co_lines() if line is not None}
    return own - {(code.co_filename, code.co_firstlineno)}


def kernel_codes(modules: Iterable[ModuleType]) -> Iterator[CodeType]:
    """The code of each kernel, those in the table of operations and inside of others included."""
    kernels = [kernel for row in operations.OPERATIONS for kernel in (row.forward, row.backward)]
    for module in modules:
        kernels += [f for f in vars(module).values() if inspect.isfunction(f)
                    and f.__module__ == module.__name__ and f not in FACTORIES]  # fmt: skip
    while kernels:
        kernel = kernels.pop()
        if kernel is not None:
            kernel = inspect.unwrap(kernel)
            inner = [cell.cell_contents for cell in kernel.__closure__ or ()]
            kernels += filter(inspect.isfunction, inner)
            yield kernel.__code__


def main() -> None:
    assert numba.config.DISABLE_JIT
    unseen = {id(code): lines(code) for code in kernel_codes(KERNELS)}
    wanted = set().union(*unseen.values())

    def trace(frame: Any, event: str, argument: Any) -> Any:
        left = unseen.get(id(frame.f_code))
        if not left:  # no kernel, or every line of it has run: it goes on at full speed
            return None
        left.discard((frame.f_code.co_filename, frame.f_lineno))
        return trace

    program._Writer, program.aligned = Guarded, lambda n: -(-n // 16) * 16 + 16
    guard_training()
    guard_prediction()
    widen()
    assert engines.load() is not None
    for dtype in TOLERANCE:
        kernels.addresses(dtype)  # it writes a program of its own, once
    sys.settrace(trace)
    for sizes in ((256, 4096, 64, 16), (16, 7, 2, 2), (8, 5, 5, 3)):
        shrink(*sizes)
        for case in cases():
            compare(case)
        odd_ends()
    sys.settrace(None)
    missed = sorted(set().union(*unseen.values()))
    assert not missed, f"lines that no run came to: {missed}"
    print(f"{len(wanted)} lines of the kernels were run")


if __name__ == "__main__":
    main()
