"""Runs broken on purpose, each with its known cause, and healthy ones, to judge `diagnose` by.

A plain module: tests/test_diagnose.py runs some of them, benchmarks/diagnose.py all. The
experiments were tuned on these, and not on those of broken_held_out.py. A run's expected causes
must be found; those of `also` are true of it as well (unscaled inputs do saturate a sigmoid) and
count neither for nor against.
"""

import numpy as np

import chainrule as cr
from chainrule.core.initializers import normal
from support.broken_cases import CE, SQ, Case, Runs, setup
from support.broken_data import (
    blobs,
    circles,
    curved,
    moons,
    people,
    thirds,
    wave,
    xor_cloud,
    xor_table,
)

run = Runs(held_out=False)


# Healthy runs ------------------------------------------------------------------------------------


@run()
def healthy_moons() -> Case:
    return setup(moons(300), [2, 16, 1])


@run()
def healthy_blobs_sgd() -> Case:
    return setup(blobs(300, 6), [6, 16, 1], "relu", optimizer=cr.SGD(), lr=0.1)


@run()
def healthy_wave() -> Case:
    return setup(wave(300), [3, 32, 1], "relu", loss=SQ, epochs=80)


@run()
def healthy_thirds() -> Case:
    return setup(thirds(360), [2, 16, 3], "tanh", loss=CE)


@run()
def healthy_logistic_from_zero() -> Case:
    return setup(blobs(300, 4), [4, 1], optimizer=cr.SGD(), lr=0.5, init="zeros")


@run()
def healthy_xor_table() -> Case:
    return setup(xor_table(), [2, 4, 1], lr=0.05, epochs=500, batch_size=None)


@run()
def healthy_noisy_but_learnable() -> Case:
    return setup(blobs(400, 5, apart=0.6), [5, 8, 1], lr=0.005, epochs=30)


# Learning rate -----------------------------------------------------------------------------------


@run("learning_rate_too_high", also=("saturation", "nonfinite"))
def rate_of_50() -> Case:
    return setup(moons(300), [2, 16, 1], optimizer=cr.SGD(), lr=50.0)


@run("learning_rate_too_high", also=("nonfinite", "dead_relu", "exploding_gradient"))
def rate_diverges() -> Case:
    return setup(wave(300), [3, 32, 1], "relu", loss=SQ, optimizer=cr.Momentum(), lr=2.0)


@run("learning_rate_too_low", also=("underfitting",))
def rate_of_a_ten_thousandth() -> Case:
    return setup(moons(300), [2, 16, 1], optimizer=cr.SGD(), lr=1e-4)


@run("learning_rate_too_low", also=("underfitting",))
def adam_rate_of_a_hundred_thousandth() -> Case:
    return setup(thirds(360), [2, 16, 3], loss=CE, lr=1e-5)


# Inputs and targets ------------------------------------------------------------------------------


@run("unscaled_inputs", also=("saturation", "learning_rate_too_high", "dead_relu"))
def one_column_times_1000() -> Case:
    X, y = moons(300)
    return setup((X * [1.0, 1000.0], y), [2, 16, 1])


@run("saturation", "symmetric_initialization", also=("unscaled_inputs",))
def text_003_people_unscaled() -> Case:
    net = cr.Network(2, [cr.Dense(2, init=1.0), cr.Sigmoid(), cr.Dense(1, init=1.0), cr.Sigmoid()])
    asked = cr.Configuration(net, SQ, cr.SGD(), lr=0.1, epochs=200, batch_size=1, shuffle=False)
    return Case(asked, *people())


@run("constant_input")
def two_constant_columns() -> Case:
    X, y = moons(300)
    return setup(
        (np.column_stack([X[:, 0], np.full(300, 5.0), X[:, 1], np.ones(300)]), y), [4, 16, 1]
    )


@run("unscaled_target", also=("learning_rate_too_high", "nonfinite", "learning_rate_too_low"))
def target_in_dollars() -> Case:
    X, y = wave(300)
    return setup((X, 2e5 + 5e4 * y), [3, 32, 1], loss=SQ)


# Initialisation ----------------------------------------------------------------------------------


@run("symmetric_initialization")
def text_003_all_ones_scaled() -> Case:
    X, y = people()
    net = cr.Network(2, [cr.Dense(2, init=1.0), cr.Sigmoid(), cr.Dense(1, init=1.0), cr.Sigmoid()])
    asked = cr.Configuration(net, SQ, cr.SGD(), lr=1.0, epochs=300, batch_size=1, shuffle=False)
    return Case(asked, (X - X.mean(0)) / X.std(0), y)


@run("zero_initialization", also=("dead_relu", "vanishing_gradient"))
def zeros_under_relu() -> Case:
    return setup(moons(300), [2, 16, 1], "relu", init="zeros")


@run("small_initialization", also=("vanishing_gradient", "learning_rate_too_low"))
def text_002b_xor() -> Case:
    return setup(
        xor_table(),
        [2, 4, 1],
        "sigmoid",
        optimizer=cr.SGD(),
        lr=1.0,
        epochs=40_000,
        batch_size=None,
        init=normal(0.01),
        seed=3,
    )


@run("small_initialization", also=("vanishing_gradient", "learning_rate_too_low"))
def tiny_weights_in_a_relu_network() -> Case:
    return setup(
        circles(400), [2, 32, 32, 1], "relu", optimizer=cr.SGD(), lr=0.2, init=normal(1e-3)
    )


@run("large_initialization", also=("saturation", "exploding_gradient"))
def weights_of_ten() -> Case:
    return setup(
        curved(400), [4, 32, 32, 1], loss=SQ, optimizer=cr.SGD(), lr=0.01, init=normal(10.0)
    )


# Layers ------------------------------------------------------------------------------------------


@run("saturation", also=("large_initialization",))
def biases_of_30() -> Case:
    case = setup(moons(300), [2, 16, 1], "sigmoid", optimizer=cr.SGD(), lr=0.5)
    case.configuration.net["0.b"] = np.full(16, 30.0)
    return case


@run("dead_relu")
def relu_biases_of_minus_10() -> Case:
    case = setup(moons(300), [2, 16, 1], "relu")
    case.configuration.net["0.b"] = np.full(16, -10.0)
    return case


@run("vanishing_gradient", also=("saturation", "learning_rate_too_low"))
def eight_sigmoid_layers() -> Case:
    return setup(moons(300), [2, *[16] * 8, 1], "sigmoid", optimizer=cr.SGD(), lr=0.1, epochs=60)


@run(
    "exploding_gradient",
    also=("large_initialization", "nonfinite", "learning_rate_too_high", "dead_relu"),
)
def ten_relu_layers_too_large() -> Case:
    return setup(
        blobs(300, 6), [6, *[32] * 10, 1], "relu", optimizer=cr.SGD(), lr=0.01, init=normal(0.6)
    )


# Loss and output ---------------------------------------------------------------------------------


@run("wrong_loss")
def classes_1_and_2_under_log_loss() -> Case:
    X, y = moons(300)
    return setup((X, y + 1), [2, 16, 1])


@run("wrong_loss", also=("underfitting",))
def class_codes_as_numbers() -> Case:
    X, y = thirds(360, noise=0.9, scattered=True)
    return setup((X, y.astype(float)), [2, 16, 1], loss=SQ)


# Leaks and identifiers ---------------------------------------------------------------------------


@run("leaking_column")
def a_column_that_is_the_answer() -> Case:
    X, y = blobs(400, 5, apart=0.7)
    told = y + 0.05 * np.random.default_rng(9).normal(size=400)
    return setup((np.column_stack([X, told]), y), [6, 16, 1])


@run("duplicates_across_split", also=("overfitting",))
def validation_rows_copied_from_training() -> Case:
    X, y = blobs(300, 5, apart=0.7)
    fresh_X, fresh_y = blobs(60, 5, apart=0.7, seed=4)
    valid = np.vstack([X[:60], fresh_X]), np.concatenate([y[:60], fresh_y])
    return setup((X, y), [5, 16, 1])._replace(valid=valid)


@run("identifier_column", also=("unscaled_inputs", "saturation"))
def a_column_of_row_numbers() -> Case:
    X, y = moons(300)
    return setup((np.column_stack([np.arange(300.0), X]), y), [3, 16, 1])


# Rows --------------------------------------------------------------------------------------------


@run("imbalance", also=("overfitting", "too_few_rows"))
def three_positives_in_a_hundred() -> Case:
    return setup(blobs(800, 4, share=0.04, apart=0.8), [4, 8, 1], lr=0.003, epochs=30)


@run("too_few_rows", also=("overfitting",))
def forty_rows_of_twenty_columns() -> Case:
    X, y = blobs(440, 20, apart=0.35)
    case = setup((X[:40], y[:40]), [20, 16, 1], "relu", epochs=60, batch_size=10)
    return case._replace(valid=(X[40:], y[40:]))


@run("noise_floor", also=("overfitting", "too_few_rows"))
def labels_tossed_with_a_coin() -> Case:
    rng = np.random.default_rng(0)
    return setup((rng.normal(size=(400, 5)), rng.integers(0, 2, 400)), [5, 8, 1], epochs=30)


@run("noise_floor")
def same_row_different_label() -> Case:
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, (400, 3)).astype(float)
    p = np.where(X[:, 0] + X[:, 1] > 1, 0.72, 0.3)
    return setup((X, (rng.random(400) < p).astype(int)), [3, 8, 1])


@run("overfitting", also=("too_few_rows",))
def a_large_network_on_wrong_labels() -> Case:
    X, y = moons(160, noise=0.3)
    flipped = np.where(np.random.default_rng(6).random(160) < 0.2, 1 - y, y)
    return setup((X, flipped), [2, 64, 64, 1], "relu", epochs=300)


@run("underfitting")
def a_line_between_circles() -> Case:
    return setup(circles(400), [2, 1], lr=0.05)


@run("underfitting", also=("learning_rate_too_low",))
def two_epochs_only() -> Case:
    return setup(xor_cloud(400), [2, 16, 1], lr=0.01, epochs=2)


# Not finite --------------------------------------------------------------------------------------


@run("nonfinite")
def holes_in_the_table() -> Case:
    X, y = moons(300)
    X[[3, 50, 90], 1] = np.nan
    return setup((X, y), [2, 16, 1])


# Two faults at once ------------------------------------------------------------------------------


@run("unscaled_inputs", "zero_initialization", also=("saturation", "dead_relu"))
def unscaled_and_zero() -> Case:
    X, y = circles(400)
    return setup((X * 300.0 + 500.0, y), [2, 16, 1], init="zeros")
