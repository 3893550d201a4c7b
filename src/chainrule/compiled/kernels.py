"""Every kernel, compiled for a dtype: once for a machine, and from the disk cache afterwards."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike

from ..core.layers import Dense
from ..core.network import Network
from . import epochs, passes, predict, step
from .cache import kernels_folder
from .draws import Draws
from .jit import address
from .program import LAYOUT, Program, program

Show = Callable[[float], None]

NUMBER, PLACE, FLAG = 0.0, 0, False  # stand for any number, any place, any flag
# About how many seconds each takes to compile, for the share that is shown; 1 for the others.
COST = {"forward": 5, "backward": 6, "loss": 2, "run_block": 2, "train": 6}


def _kernels(dtype: DTypeLike) -> dict[str, tuple[Any, ...]]:
    """Each kernel with arguments of its types, in the order of its signature."""
    table, _, layouts = program(Network(1, [Dense(1)], rng=0, dtype=dtype), 1, batch=1, y_width=1)
    rules, layout, memory = np.zeros(1, step.RULE), layouts[0], np.zeros(1, dtype)
    data = frozen(memory)
    work = step.Work(table, memory, data, data, frozen(np.zeros(1)), np.zeros(1, np.int64))
    one_step = step.Step(0, 0, 1, NUMBER, FLAG, *5 * (NUMBER,))
    parts = step.Parts(np.zeros(1), np.zeros((1, step.SUMS)), np.zeros(1, np.bool_))
    predicted = predict.Rows(table, memory, memory, data, memory)
    rates, results = np.zeros((1, step.RATES)), np.zeros((1, epochs.RESULTS))
    history = np.zeros((1, 1), dtype)
    clock, draws = np.zeros(1, np.int64), Draws(0, 0, 0)
    return {
        "forward": (passes.forward, layout, table, memory, memory, PLACE, 0, 1),
        "backward": (passes.backward, layout, table, memory, PLACE, PLACE, 0, 1, FLAG),
        "loss": (passes.loss_and_slope, layout, 0, memory, PLACE, 1),
        "run_lane": (step.run_lane, layout, rules[0], work, one_step, 0),
        "run_block": (step.run_block, layout, rules[0], memory, one_step, NUMBER, 0, parts.sums),
        "lanes": (step.run_lanes_in_parallel, layouts, rules, work, one_step, parts.losses),
        "blocks": (step.run_blocks_in_parallel, layouts, rules, memory, one_step, NUMBER, parts),
        "train": (epochs.train, layouts, rules, *work, rates, clock, 0, results, history, *draws),
        "predict_lane": (predict.predict_lane, layout, predicted, 0, 1),
        "predict": (predict.predict, layouts, *predicted),
        "predict_lanes": (predict.predict_in_parallel, layouts, *predicted, 1),
    }


def frozen(array: Any) -> Any:
    """A read-only view in C order: one type for all data, so kernels are compiled for one."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def linked_program(net: Network, rows: int, **sizes: int) -> Program:
    """The program of a network with the addresses of the kernels that it needs."""
    linked, by_name = program(net, rows, **sizes), addresses(net.dtype.name)
    layout = linked.layouts[0]
    for name in LAYOUT["addresses of kernels"]:
        layout[name] = by_name[name]
    if not layout.y_width:
        layout.run_lane = by_name["predict_lane"]
    return linked


_addresses: dict[str, dict[str, int]] = {}  # by dtype and kernel


def addresses(dtype: str, show: Show | None = None) -> dict[str, int]:
    """The address of every kernel. Compiles what is not in the cache, and calls `show` with the
    share that is done; without it a line on standard error says so.
    """
    if dtype in _addresses:
        return _addresses[dtype]
    by_name, mark = dict[str, int](), stamp(dtype)
    if mark.exists() or numba.config.DISABLE_JIT:
        show = _silent
    sentence = f"chainrule: compiling its engine for {dtype}, once for this machine"
    show = show or partial(_line, sentence)
    kernels = _kernels(dtype)
    done, whole = 0, sum(COST.get(name, 1) for name in kernels)
    for name, (function, *arguments) in kernels.items():
        show(done / whole)
        by_name[name] = address(function, *arguments)
        done += COST.get(name, 1)
    show(1.0)
    if not numba.config.DISABLE_JIT:
        mark.touch()
    _addresses[dtype] = by_name
    return by_name


def stamp(dtype: str) -> Path:
    """The file that says that all kernels for a dtype and this processor are in the folder."""
    return kernels_folder() / f"{dtype}.ready"


def _silent(share: float) -> None:
    pass


def _line(sentence: str, share: float) -> None:
    """One line that grows on a terminal, one line in all elsewhere."""
    if sys.stderr is None:
        return
    if sys.stderr.isatty():
        end = "\n" if share == 1 else ""
        print(f"\r{sentence}: {share:4.0%} ", end=end, file=sys.stderr, flush=True)
    elif share == 0:
        print(f"{sentence} (about 20 seconds)", file=sys.stderr, flush=True)
