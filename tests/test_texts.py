"""The worked numbers of the five texts, each case of texts.json by the public names alone.

A printed number is held to half of its last digit where the text rounded once, at the end; where it
rounded on the way, the test redoes that rounding.
"""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr

Array = NDArray[Any]
Cases = dict[str, Any]
ATOL = 1e-12


def same(got: Any, case: Cases, *names: str) -> None:
    """Hold `got` against the entry of these names, to its own tolerance or 1e-12."""
    entry: Any = case
    for name in names:
        entry = entry[name]
    full = entry if isinstance(entry, dict) else {"exact": entry}
    wanted, atol = np.asarray(full["exact"]), full.get("atol", ATOL)
    assert np.shape(got) == wanted.shape, f"{names}: {np.shape(got)} is not {wanted.shape}"
    np.testing.assert_allclose(got, wanted, rtol=0, atol=atol, err_msg=str(names))


def prints(got: float, printed: float) -> None:
    """`got`, rounded as the text rounds, is what the text prints."""
    exponent = Decimal(repr(printed)).as_tuple().exponent
    assert isinstance(exponent, int)
    assert abs(got - printed) <= 0.5 * 10.0**exponent * (1 + 1e-9), f"{got} is not {printed}"


def two_layers(n_in: int, hidden: int, init: float = 1.0, bias: bool = True) -> cr.Network:
    """inputs–Dense–Sigmoid–Dense–Sigmoid, the network of texts 001, 002-A and 003."""
    first, last = cr.Dense(hidden, bias, init), cr.Dense(1, bias, init)
    return cr.Network(n_in, [first, cr.Sigmoid(), last, cr.Sigmoid()], rng=0)


def gradient(net: cr.Network, loss: cr.Loss, X: Array, y: Array) -> dict[str, Array]:
    Z, caches = net.forward(X, train=True)
    return net.views(net.backward(caches, loss.grad(Z, y))[1])


def truth_table(texts: Cases) -> tuple[Array, Array]:
    case = texts["001-truth-table"]
    return np.array(case["X"], float), np.array(case["F"])


def alice(texts: Cases) -> tuple[cr.Network, cr.SquaredError, Array, Array]:
    case = texts["003-alice-forward"]
    X, y = np.array([case["x"]], float), np.array([case["y"]], float)
    return two_layers(2, 2), cr.SquaredError(), X, y


def network_001(texts: Cases) -> tuple[cr.Network, cr.SquaredError, Array, Array]:
    case = texts["001-forward"]
    net = two_layers(3, 3, bias=False)
    net["0.W"], net["2.W"] = case["W1"], case["W2"]
    y = np.array([case["target"]], float)
    return net, cr.SquaredError(scale=0.5), np.array([case["x"]], float), y


def descend(
    net: cr.Network, loss: cr.Loss, X: Array, y: Array, epochs: int, lr: float
) -> list[float]:
    """The cost before each of so many full-batch steps of gradient descent."""
    run = cr.train(net, loss, cr.SGD(), X, y, epochs=epochs, batch_size=None, lr=lr, rng=0)
    return [record.loss for record in run]


def neuron(n_in: int) -> cr.Network:
    return cr.Network(n_in, [cr.Dense(1, init=0.0)], rng=0)


def test_every_case_has_a_test(texts: Cases) -> None:
    wanted = {"test_" + name.replace("-", "_") for name in texts}
    assert wanted - set(globals()) == set()


def test_comparisons_can_fail() -> None:
    case = {"a": 1.0, "b": {"exact": 1.0, "atol": 0.1}, "c": [1.0, 2.0]}
    same(1.05, case, "b")
    for got, name in ((1.0 + 1e-11, "a"), (1.2, "b"), ([1.0], "c"), (1.0, "c")):
        with pytest.raises(AssertionError):
            same(got, case, name)
    prints(0.5236, 0.524)
    with pytest.raises(AssertionError):
        prints(0.5246, 0.524)


def test_003_neuron(texts: Cases) -> None:
    case = texts["003-neuron"]
    net = cr.Network(2, [cr.Dense(1), cr.Sigmoid()], rng=0)
    net["0.W"], net["0.b"] = np.array(case["w"])[:, None], [case["b"]]
    A, caches = net.forward([case["x"]])
    same(caches[0]["Z"][0, 0], case, "z")
    same(A[0, 0], case, "exact")
    prints(A[0, 0], case["printed"])


def test_003_network(texts: Cases) -> None:
    case = texts["003-network"]
    net = two_layers(2, 2)
    w = np.array(case["all_neurons"]["w"], float)[:, None]
    net["0.W"], net["2.W"] = np.c_[w, w], w
    A, caches = net.forward([case["x"]])
    same(caches[1]["A"][0], case, "hidden")
    same(A[0, 0], case, "exact")
    prints(A[0, 0], case["printed"])


def test_003_mse(texts: Cases) -> None:
    case = texts["003-mse"]
    same(cr.metrics.mse(case["y_true"], case["y_pred"]), case, "exact")
    y_pred = np.array(case["y_pred"], float)[:, None]
    same(cr.SquaredError().value(y_pred, np.array(case["y_true"])), case, "exact")


def test_003_alice_forward(texts: Cases) -> None:
    case = texts["003-alice-forward"]
    net, loss, X, y = alice(texts)
    Y, caches = net.forward(X)
    same(caches[0]["Z"][0], {"hidden_z": [case["hidden_z"]] * 2}, "hidden_z")
    hidden = caches[1]["A"][0, 0]
    same(hidden, case, "hidden")
    same(caches[2]["Z"][0, 0], case, "output_z")
    same(Y[0, 0], case, "output")
    same(loss.value(Y, y), case, "loss")
    prints(hidden, case["hidden"]["printed"])
    prints(2 * round(hidden, 4), case["output_z"]["printed"])  # the text adds the rounded ones
    prints(Y[0, 0], case["output"]["printed"])


def test_003_alice_factors_of_w1(texts: Cases) -> None:
    case = texts["003-alice-factors-of-w1"]
    net, loss, X, y = alice(texts)
    Y, caches = net.forward(X, train=True)
    dY = loss.grad(Y, y)
    slope_out = cr.Sigmoid().backward({}, caches[3], np.ones_like(Y))[0][0, 0]
    slope_hidden = cr.Sigmoid().backward({}, caches[1], np.ones((1, 2)))[0][0, 0]
    factors = [dY[0, 0], slope_out * net["2.W"][0, 0], slope_hidden * X[0, 0]]
    same(factors[0], case, "dL_dyhat")
    same(slope_out, case, "dyhat_dz")
    same(factors[1], case, "dyhat_dh1")
    same(slope_hidden, case, "dh1_dz")
    same(factors[2], case, "dh1_dw1")
    same(math.prod(factors), case, "dL_dw1")
    same(gradient(net, loss, X, y)["0.W"][0, 0], case, "dL_dw1")
    prints(-2 * (1 - round(Y[0, 0], 3)), case["dL_dyhat"]["printed"])  # from the rounded output
    prints(factors[1], case["dyhat_dh1"]["printed"])
    prints(factors[2], case["dh1_dw1"]["printed"])
    prints(math.prod(factors), case["dL_dw1"]["printed"])
    prints(-0.952 * 0.25 * -0.0904, case["dL_dw1"]["printed"])


def named_003(views: dict[str, Array]) -> dict[str, float]:
    """Text 003's names: w1, w2 lead to h1, w3, w4 to h2, w5, w6 to the output."""
    values = [*views["0.W"].T.ravel(), *views["2.W"].ravel(), *views["0.b"], *views["2.b"]]
    return dict(zip("w1 w2 w3 w4 w5 w6 b1 b2 b3".split(), map(float, values), strict=True))


def test_003_alice_gradients(texts: Cases) -> None:
    case = texts["003-alice-gradients"]
    got = named_003(gradient(*alice(texts)))
    assert set(got) == set(case)
    for name, value in got.items():
        same(value, case, name)


def test_003_alice_step(texts: Cases) -> None:
    case = texts["003-alice-step"]
    net, loss, X, y = alice(texts)
    descend(net, loss, X, y, 1, case["lr"])
    got = named_003(net.views(net.theta))
    for name in ("w1", "w2", "b1", "w5", "b3"):
        same(got[name], case, name)
    for twin, name in (("w3", "w1"), ("w4", "w2"), ("b2", "b1"), ("w6", "w5")):
        same(got[twin], case, name)
    same(net.predict(X)[0, 0], case, "output_after")
    same(loss.value(net.predict(X), y), case, "loss_after")


def test_003_people(texts: Cases) -> None:
    case = texts["003-people"]
    X, y = np.array(case["X"], float), np.array(case["y"], float)
    net, loss = two_layers(2, 2), cr.SquaredError()
    same(loss.value(net.predict(X), y), case, "mse_before")
    settings: Cases = {"epochs": 1000, "batch_size": 1, "lr": 0.1, "shuffle": False}
    for record in cr.train(net, loss, cr.SGD(), X, y, **settings):
        if record.epoch == 0:
            same(loss.value(net.predict(X), y), case, "mse_after_epoch_1")
    same(loss.value(net.predict(X), y), case, "mse_after_epoch_1000")
    same(net.predict(X)[:, 0], case, "outputs_after_epoch_1000")


def test_001_truth_table(texts: Cases) -> None:
    X, F = truth_table(texts)
    assert [(x and y) or not z for x, y, z in X.astype(bool)] == F.astype(bool).tolist()
    net = cr.Network.mlp([3, 3, 1], "sigmoid", rng=0)
    costs = descend(net, cr.BinaryCrossEntropy(), X, F, 2000, 1.0)
    assert costs[-1] < 0.05 < costs[0]
    assert (net.predict(X)[:, 0] > 0).astype(int).tolist() == F.tolist()


def test_001_forward(texts: Cases) -> None:
    case = texts["001-forward"]
    net, _, X, _ = network_001(texts)
    Y, caches = net.forward(X)
    same(caches[0]["Z"][0], case, "hidden_z")
    same(caches[1]["A"][0], case, "hidden")
    same(caches[2]["Z"][0, 0], case, "output_z")
    same(Y[0, 0], case, "output")
    for got, printed in zip(caches[1]["A"][0], case["hidden"]["printed"], strict=True):
        prints(got, printed)
    z = np.round(caches[1]["A"], 2) @ net["2.W"]
    output = cr.Sigmoid().forward({}, z)[0][0, 0]
    same(z[0, 0], case, "with_hidden_rounded_to_2_decimals", "output_z")
    same(output, case, "with_hidden_rounded_to_2_decimals", "output")
    prints(z[0, 0], case["output_z"]["printed"])
    prints(output, case["output"]["printed"])


def test_001_errors(texts: Cases) -> None:
    case = texts["001-errors"]
    y, Z = np.array(case["targets"], float), np.array(case["outputs"], float)[:, None]
    losses = {
        "sum_of_errors": cr.SumOfErrors(),
        "sum_of_absolute_errors": cr.AbsoluteError(reduction="sum"),
        "half_sum_of_squares": cr.SquaredError(scale=0.5, reduction="sum"),
        "mean_squared_error": cr.SquaredError(),
        "mean_absolute_error": cr.AbsoluteError(),
    }
    for name, loss in losses.items():
        same(loss.value(Z, y), case, name)


def test_001_loss(texts: Cases) -> None:
    case = texts["001-loss"]
    net, loss, X, y = network_001(texts)
    Y, caches = net.forward(X)
    same(loss.value(Y, y), case, "half_squared_error")
    same(cr.BinaryCrossEntropy().value(caches[2]["Z"], y), case, "binary_cross_entropy")
    prints(0.5 * 0.77**2, case["half_squared_error"]["printed"])  # the text rounds the output


def test_001_backward(texts: Cases) -> None:
    case = texts["001-backward"]
    net, loss, X, y = network_001(texts)
    Y, caches = net.forward(X, train=True)
    delta = cr.Sigmoid().backward({}, caches[3], loss.grad(Y, y))[0]
    dA, grads = cr.Dense(1, bias=False).backward({"W": net["2.W"]}, caches[2], delta)
    dZ = cr.Sigmoid().backward({}, caches[1], dA)[0]
    same(delta[0, 0], case, "delta_output")
    same(grads["W"][:, 0], case, "dW2")
    same(dZ[0], case, "dz_hidden")
    same(grads["W"][0, 0], case, "dw10")
    prints(grads["W"][0, 0], case["dw10"]["printed"])
    views = gradient(net, loss, X, y)
    same(views["2.W"][:, 0], case, "dW2")
    for row in (0, 2):
        same(views["0.W"][row], case, "dz_hidden")
    assert views["0.W"][1].tolist() == [0.0, 0.0, 0.0]


def test_001_step(texts: Cases) -> None:
    case = texts["001-step"]
    net, loss, X, y = network_001(texts)
    descend(net, loss, X, y, 1, case["lr"])
    same(net["2.W"][0, 0], case, "w10")
    prints(net["2.W"][0, 0], case["w10"]["printed"])
    same(net["2.W"][:, 0], case, "W2_after")
    for i in range(3):
        same(net["0.W"][i], case, f"W1_row_x{i + 1}_after")
    same(net.predict(X)[0, 0], case, "output_after")
    same(loss.value(net.predict(X), y), case, "loss_after")
    alone = network_001(texts)[0]
    alone.lr_factor[...] = 0.0
    alone.views(alone.lr_factor)["2.W"][0, 0] = 1.0
    descend(alone, loss, X, y, 1, case["lr"])
    same(alone.predict(X)[0, 0], case, "output_after_updating_only_w10")


def network_002b(sizes: list[int]) -> cr.Network:
    """The texts' numbers come from NumPy's old generator, so these two networks start from it."""
    net, old = cr.Network.mlp(sizes, "sigmoid", rng=0), np.random.RandomState(3)
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False)):
        net[f"{2 * i}.W"] = old.randn(outputs, inputs).T * 0.01
    return net


def test_002B_deep(texts: Cases) -> None:
    case = texts["002B-deep"]
    X, F = truth_table(texts)
    net, loss = network_002b([3, 4, 1]), cr.BinaryCrossEntropy()
    same(net["0.W"][:, 0], case, "W1_first_neuron")
    same(loss.value(net.predict(X), F), case, "cost_0")
    grads = gradient(net, loss, X, F)
    same(grads["2.W"][:, 0], case, "dW2")
    same(grads["2.b"][0], case, "db2")
    same(grads["0.W"][:, 0], case, "dW1_first_neuron")
    costs = descend(net, loss, X, F, 1000, 0.1)
    same(costs[1], case, "lr_0.1", "cost_1")
    same(costs[100], case, "lr_0.1", "cost_100")
    same(costs[999], case, "lr_0.1", "last_of_1000")
    costs = descend(network_002b([3, 4, 1]), loss, X, F, 5000, 1.0)
    same(costs[4999], case, "lr_1", "last_of_5000")


def test_002B_xor_stuck(texts: Cases) -> None:
    case = texts["002B-xor-stuck"]
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float), np.array([0, 1, 1, 0])
    net, loss = network_002b([2, 4, 1]), cr.BinaryCrossEntropy()
    costs = descend(net, loss, X, y, 40_000, 1.0)
    same(costs[-1], case, "cost")
    np.testing.assert_allclose(loss.link(net.predict(X)), case["outputs"], atol=1e-5)


def test_002A_two_layer(texts: Cases) -> None:
    case = texts["002A-two-layer"]
    X, F = truth_table(texts)
    net, loss = two_layers(3, 4, bias=False), cr.SquaredError(reduction="sum")
    old = np.random.RandomState(0)
    net["0.W"], net["2.W"] = old.rand(3, 4), old.rand(4, 1)
    same(loss.value(net.predict(X), F), case, "sse_0")
    same(-gradient(net, loss, X, F)["2.W"][:, 0], case, "minus_dE_dW2")
    costs = descend(net, loss, X, F, 1500, 1.0)
    same(costs[1], case, "sse_1")
    same(loss.value(net.predict(X), F), case, "sse_1500")


def test_000_neuron_start(texts: Cases) -> None:
    case = texts["000-neuron-start"]
    rng, loss = np.random.default_rng(0), cr.BinaryCrossEntropy()
    for rows, columns in ((1, 1), (7, 3), (100, 20)):
        X, y = rng.normal(size=(rows, columns)), rng.integers(0, 2, rows)
        same(loss.value(neuron(columns).predict(X), y), case, "cost_0")


def test_000_neuron_truth_table(texts: Cases) -> None:
    case = texts["000-neuron-truth-table"]
    X, F = truth_table(texts)
    net, loss = neuron(3), cr.BinaryCrossEntropy()
    grads = gradient(net, loss, X, F)
    same(grads["0.W"][:, 0], case, "dw_0")
    same(grads["0.b"][0], case, "db_0")
    costs = descend(net, loss, X, F, 2000, case["lr"])
    same(costs[1], case, "cost_1")
    same(costs[1999], case, "cost_1999")
    same(net["0.W"][:, 0], case, "w")
    same(net["0.b"][0], case, "b")
    same(cr.metrics.accuracy(F, (net.predict(X)[:, 0] > 0).astype(int)), case, "accuracy")


def test_000_neuron_people(texts: Cases) -> None:
    case, people = texts["000-neuron-people"], texts["003-people"]
    X, y = np.array(people["X"], float), np.array(people["y"])
    net, loss = neuron(2), cr.BinaryCrossEntropy()
    grads = gradient(net, loss, X, y)
    same(grads["0.W"][:, 0], case, "dw_0")
    same(grads["0.b"][0], case, "db_0")
    costs = descend(net, loss, X, y, 2000, 0.1)
    assert np.isfinite(costs).all()
    same(costs[1], case, "cost_1")
    same(costs[1999], case, "cost_1999")


def line_points(old: np.random.RandomState, n: int) -> tuple[Array, Array]:
    x = old.uniform(-10, 10, n)
    y = old.uniform(1.23 * -10 + 3.23, 1.23 * 10 + 3.23, n)
    return np.c_[x, y], (y > 1.23 * x + 3.23).astype(int)


def test_000_line(texts: Cases) -> None:
    case, old = texts["000-line"], np.random.RandomState(0)
    (X, y), (X_test, y_test) = line_points(old, 500), line_points(old, 2000)
    net = neuron(2)
    costs = descend(net, cr.BinaryCrossEntropy(), X, y, 2000, 0.1)
    same(costs[1], case, "cost_1")
    same(costs[-1], case, "cost_end")
    same(net["0.W"][:, 0], case, "w")
    same(net["0.b"][0], case, "b")
    accuracy = cr.metrics.accuracy(y_test, (net.predict(X_test)[:, 0] > 0).astype(int))
    same(accuracy, case, "test_accuracy")  # the text prints "around 99 %"


def test_sigmoid(texts: Cases) -> None:
    case = texts["sigmoid"]
    A, cache = cr.Sigmoid().forward({}, np.zeros((1, 1)))
    same(A[0, 0], case, "value_at_0")
    same(cr.Sigmoid().backward({}, cache, np.ones((1, 1)))[0][0, 0], case, "slope_at_0")
    assert cr.Softplus().forward({}, np.array([[40.0]]))[0][0, 0] == case["softplus_at_40"]
