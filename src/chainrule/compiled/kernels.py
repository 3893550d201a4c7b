"""Every kernel, compiled for a dtype: once for a machine, and from the disk cache afterwards."""

import sys
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike

from ..core.layers import Dense
from ..core.network import Network
from . import epochs, losses, passes, predict
from .cache import folder
from .epochs import Data
from .jit import address
from .program import Program, program


def _arguments(dtype: DTypeLike) -> dict[str, tuple[Any, ...]]:
    """Arguments of the right types for each kernel."""
    programs, table, _ = program(Network(1, [Dense(1)], rng=0, dtype=dtype), 1, batch=1, y_width=1)
    memory, rng = np.zeros(1, dtype), np.random.default_rng(0)
    rules, flags = np.zeros(1, epochs.RULE), np.zeros(1, np.int64)
    written, rule = programs[0], rules[0]
    flat = frozen(np.zeros(1, dtype))
    data, pairs = Data(flat, flat, frozen(np.zeros(1))), np.zeros((1, 2))
    parts = epochs.Parts(np.zeros(1), pairs, np.zeros(1))
    lane, rest = (written, rule, table, data, flags, memory), (table, data, flags, memory)
    predicting = (table, memory, memory, flat, memory)
    return {
        "forward": (written, table, memory, memory, 0, 0, 0),
        "backward": (written, table, memory, 0, 0, 0, 0, True),
        "loss": (0, 0, memory, 0, 0, 0, 0, 0, 0),
        "run_lane": (*lane, 0, 0, 0, 0, 0.0, True),
        "run_block": (written, rule, memory, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, pairs),
        "lanes": (programs, rules, *rest, 0, 0, 0, 0.0, True, np.zeros(1)),
        "blocks": (programs, rules, memory, 0, 0.0, 0.0, 0.0, 0.0, 0.0, parts),
        "train": (programs, rules, *rest, pairs, flags, 0, pairs, np.zeros((1, 1), dtype), rng),
        "predict_lane": (written, *predicting, 0, 0, 0),
        "predict": (programs, *predicting, 0),
        "predict_lanes": (programs, *predicting, 0, 0),
    }


FUNCTIONS = {
    "forward": passes.forward, "backward": passes.backward, "loss": losses.loss_and_slope,
    "run_lane": epochs.run_lane, "run_block": epochs.run_block,
    "lanes": epochs.run_lanes_in_parallel, "blocks": epochs.run_blocks_in_parallel,
    "train": epochs.train, "predict_lane": predict.predict_lane, "predict": predict.predict,
    "predict_lanes": predict.predict_in_parallel,
}  # fmt: skip


def frozen(array: Any) -> Any:
    """A read-only view in C order: one type for all data, so kernels are compiled for one."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def prepare(written: Program, dtype: DTypeLike) -> None:
    """Fill in the addresses of the kernels that a program needs."""
    places_of = addresses(np.dtype(dtype).name)
    places = written.places[0]
    for name in ("forward", "backward", "loss", "run_lane", "run_block"):
        places[name] = places_of[name]
    if not places.y_width:
        places.run_lane = places_of["predict_lane"]


Show = Callable[[float], None]
_found: dict[str, dict[str, int]] = {}


def addresses(dtype: str, show: Show | None = None) -> dict[str, int]:
    """The address of every kernel. Compiles what is not in the cache, and tells `show` the share
    that is done; without it a line on standard error says so.
    """
    if dtype in _found:
        return _found[dtype]
    found, stamp = {}, folder() / f"{dtype}.ready"
    if stamp.exists() or numba.config.DISABLE_JIT:
        show = _silent
    for done, (name, arguments) in enumerate(_arguments(dtype).items()):
        (show or _line)(done / len(FUNCTIONS))
        found[name] = address(FUNCTIONS[name], *arguments)
    (show or _line)(1.0)
    if not numba.config.DISABLE_JIT:
        stamp.touch()
    _found[dtype] = found
    return found


def _silent(share: float) -> None:
    pass


def _line(share: float) -> None:
    """One line that grows on a terminal, one line in all elsewhere."""
    told = "chainrule: compiling its engine, once for this machine"
    if sys.stderr is None:
        return
    if sys.stderr.isatty():
        print(
            f"\r{told}: {share:4.0%} ", end="\n" if share == 1 else "", file=sys.stderr, flush=True
        )
    elif share == 0:
        print(f"{told} (about half a minute)", file=sys.stderr, flush=True)
