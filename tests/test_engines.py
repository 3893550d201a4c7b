"""Loading the compiled engine at will, and after a fork in the middle of it."""

import numpy as np
import pytest
from support.compiled_runs import python

import chainrule as cr


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_load_engine_serves_predictions(dtype: type) -> None:
    net, rows = cr.Network.mlp([3, 5, 2], rng=0, dtype=dtype), np.eye(3, dtype=dtype)
    exact = net.predict(rows)
    assert "_programs" not in vars(net)
    assert cr.load_engine(dtype)
    np.testing.assert_allclose(
        net.predict(rows), exact, rtol=1e-5 if dtype is np.float32 else 1e-13
    )
    assert "_programs" in vars(net)


def test_load_engine_refuses_other_dtypes() -> None:
    with pytest.raises(ValueError, match="dtype is float16"):
        cr.load_engine("float16")


def test_a_new_stack_of_layers_compiles_nothing() -> None:
    from numba.core.event import install_recorder

    assert cr.load_engine("float64", "float32")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(70, 3)), rng.normal(size=70)
    stacks: list[list[cr.Layer]] = [
        [cr.Dense(1)],
        [cr.Residual([cr.Dense(3), cr.GELU()]), cr.LayerNorm(), cr.Dropout(0.1), cr.Dense(1)],
        [cr.Dense(70), cr.BatchNorm(), cr.PReLU(), cr.Dense(40), cr.Mish(), cr.Dense(1)],
    ]
    makes = [cr.SGD(), cr.RMSProp(), cr.AdamW()]
    with install_recorder("numba:compile") as compiled:
        for layers, optimizer in zip(stacks, makes, strict=True):
            for dtype, loss in (("float64", cr.Huber()), ("float32", cr.Pinball(quantile=0.3))):
                net = cr.Network(3, layers, rng=0, dtype=dtype)
                run = cr.train(
                    net, loss, optimizer, X, y, epochs=2, lr=cr.Cosine(0.01), clip=1.0, rng=0,
                    engine="compiled", penalty=cr.Penalty(l2=0.1), batch_size=32,
                )  # fmt: skip
                assert {record.engine for record in run} == {"compiled"}
                net.predict(X)
    assert compiled.buffer == []


FORK = """
import os, signal, sys, threading, time
from chainrule.training import engines
loading = threading.Thread(target=engines.load_engine)
loading.start()
while "numba" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    signal.alarm(600)
    os._exit(0 if engines.load_engine() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_forked_while_another_thread_loads_the_engine() -> None:
    """It must not wait for a lock that no thread of its own holds."""
    assert python(FORK).stdout == "0\n"


def test_predictions_follow_a_change_of_the_layers() -> None:
    assert cr.load_engine()
    net, rows = cr.Network.mlp([3, 5, 2], rng=0), np.eye(3)
    first, dense = net.predict(rows), net.layers[0]
    net.layers = (dense, cr.Tanh(), net.layers[2])
    assert not np.allclose(net.predict(rows), first)
    np.testing.assert_allclose(net.predict(rows), net.forward(rows)[0], rtol=1e-13)
    net.__setstate__(cr.Network.mlp([3, 400, 300, 1], rng=0).__getstate__())
    np.testing.assert_allclose(net.predict(rows), net.forward(rows)[0], rtol=1e-12)


def test_a_network_of_many_parameters_has_few_lanes() -> None:
    """Each lane takes a gradient, and the numbers of a network may fill the machine already."""
    from chainrule.compiled.engine import GRADIENTS, LANES, lane_count

    small, large = cr.Network.mlp([10, 20, 1], rng=0), cr.Network.mlp([3000, 3000, 1], rng=0)
    assert lane_count(small, 100) == LANES
    assert lane_count(small, 3) == 3
    assert 1 < lane_count(large, 100) == GRADIENTS // large.theta.size < LANES


CTRL_C_WHILE_UNBOXING = """
import ctypes
import numpy as np
import chainrule as cr
X, rng = np.ones((400, 30)), np.random.default_rng(5)
run = cr.train(cr.Network.mlp([30, 60, 1], rng=0, dropout=0.1), cr.SquaredError(), cr.Adam(), X,
               X[:, 0].copy(), epochs=9, lr=1e-3, rng=rng, engine="compiled")
next(run)
def late(*arguments):
    raise KeyboardInterrupt
ctypes.cast = late
next(run)
print("alive")
"""


def test_no_generator_goes_through_numba() -> None:
    """It ends the process where Ctrl-C comes within its ctypes.cast."""
    assert python(CTRL_C_WHILE_UNBOXING).stdout == "alive\n"


NO_ROOM = """
import warnings
import numpy as np
import chainrule as cr
from chainrule.compiled import program
cr.load_engine("float64")
def full(*arguments):
    raise MemoryError("Unable to allocate 9 GiB")
program.aligned_zeros = full
net, rows = cr.Network.mlp([2, 2, 1], rng=0), np.ones((4, 2))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    run = list(cr.train(net, cr.SquaredError(), cr.SGD(), rows, rows[:, 0], epochs=1, lr=0.1,
                        engine="compiled"))
print(run[-1].engine, told[0].message, sep="\\n")
"""


def test_where_there_is_no_room_for_the_lanes_the_readable_engine_runs() -> None:
    engine, told = python(NO_ROOM).stdout.splitlines()
    assert engine == "readable"
    why = "the compiled engine has no room (Unable to allocate 9 GiB)"
    assert told == f"{why}: the readable engine runs instead"
