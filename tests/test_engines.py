"""Loading the compiled engine at will, and after a fork in the middle of it."""

import numpy as np
import pytest
from compiled_runs import python

import chainrule as cr


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_load_engine_serves_predictions(dtype: type) -> None:
    net, rows = cr.Network.mlp([3, 5, 2], rng=0, dtype=dtype), np.eye(3, dtype=dtype)
    exact = net.predict(rows)
    assert "_plans" not in vars(net)
    assert cr.load_engine(dtype)
    np.testing.assert_allclose(
        net.predict(rows), exact, rtol=1e-5 if dtype is np.float32 else 1e-13
    )
    assert "_plans" in vars(net)


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
from chainrule import engines
loading = threading.Thread(target=engines.load_engine)
loading.start()
while "numba" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    signal.alarm(40)
    os._exit(0 if engines.load_engine() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_forked_while_another_thread_loads_the_engine() -> None:
    """It must not wait for a lock that no thread of its own holds."""
    assert python(FORK).stdout == "0\n"
