"""The half of the runs that was written before any experiment was tuned, and left alone since.

No experiment was changed on account of one of them: what `diagnose` reaches here is its worth.
"""

from dataclasses import replace

import numpy as np

import chainrule as cr
from chainrule.core.initializers import constant, normal, uniform
from support.broken_cases import CE, SQ, Case, Runs, setup
from support.broken_data import (
    blobs,
    circles,
    counts,
    curved,
    moons,
    thirds,
    wave,
    xor_cloud,
)

run = Runs(held_out=True)


# Healthy runs ------------------------------------------------------------------------------------


@run()
def healthy_circles() -> Case:
    return setup(circles(400), [2, 16, 1], "relu", lr=0.01)


@run()
def healthy_curved_momentum() -> Case:
    return setup(curved(400), [4, 24, 1], loss=SQ, optimizer=cr.Momentum(), lr=0.01, epochs=60)


@run()
def healthy_deep_relu() -> Case:
    return setup(xor_cloud(400), [2, 16, 16, 16, 1], "relu", lr=0.005)


@run()
def healthy_counts() -> Case:
    return setup(counts(400), [3, 16, 1], loss=cr.Poisson(), lr=0.01)


@run()
def healthy_two_classes_softmax() -> Case:
    return setup(moons(300, seed=5), [2, 12, 2], "relu", loss=CE, lr=0.02)


@run()
def healthy_with_valid_rows() -> Case:
    case = setup(wave(400, seed=7), [3, 24, 1], loss=SQ, epochs=80)
    return case._replace(X=case.X[:300], y=case.y[:300], valid=(case.X[300:], case.y[300:]))


@run()
def healthy_sigmoid_hidden() -> Case:
    return setup(thirds(360, seed=8), [2, 24, 3], "sigmoid", loss=CE, lr=0.05)


# Learning rate -----------------------------------------------------------------------------------


@run("learning_rate_too_high", also=("saturation", "dead_relu", "nonfinite"))
def adam_rate_of_3() -> Case:
    return setup(curved(400), [4, 24, 1], "relu", loss=SQ, lr=3.0)


@run("learning_rate_too_high", also=("saturation", "nonfinite"))
def momentum_rate_of_20() -> Case:
    return setup(thirds(360), [2, 16, 3], loss=CE, optimizer=cr.Momentum(), lr=20.0)


@run("learning_rate_too_low", also=("underfitting",))
def adam_rate_of_a_millionth() -> Case:
    return setup(wave(300), [3, 32, 1], "relu", loss=SQ, lr=1e-6)


@run("learning_rate_too_low", also=("underfitting",))
def momentum_rate_too_low() -> Case:
    return setup(xor_cloud(400), [2, 24, 1], "relu", optimizer=cr.Momentum(), lr=5e-5, epochs=50)


# Inputs and targets ------------------------------------------------------------------------------


@run("unscaled_inputs", also=("saturation", "learning_rate_too_high"))
def inputs_far_from_zero() -> Case:
    X, y = wave(300)
    return setup((200.0 + 15.0 * X, y), [3, 32, 1], loss=SQ)


@run(
    "unscaled_inputs",
    also=("learning_rate_too_low", "underfitting", "vanishing_gradient"),
)
def inputs_of_a_thousandth() -> Case:
    X, y = circles(400)
    return setup((1e-3 * X, y), [2, 16, 1], optimizer=cr.SGD(), lr=0.3)


@run("constant_input", also=("noise_floor", "unscaled_inputs", "underfitting"))
def every_row_the_same() -> Case:
    X, y = blobs(200, 4)
    return setup((np.tile(X[0], (200, 1)), y), [4, 8, 1])


@run(
    "unscaled_target",
    also=("learning_rate_too_low", "underfitting", "dead_relu", "saturation"),
)
def target_around_1000() -> Case:
    X, y = curved(400)
    return setup((X, 1000.0 + y), [4, 24, 1], "relu", loss=SQ, lr=0.005)


# Initialisation ----------------------------------------------------------------------------------


@run("symmetric_initialization", also=("underfitting",))
def every_weight_a_half() -> Case:
    return setup(xor_cloud(400), [2, 16, 1], init=constant(0.5))


@run("zero_initialization", also=("vanishing_gradient",))
def zeros_under_tanh() -> Case:
    return setup(thirds(360), [2, 16, 3], loss=CE, init=0.0)


@run("small_initialization", also=("vanishing_gradient", "learning_rate_too_low"))
def tiny_weights_in_three_layers() -> Case:
    return setup(
        xor_cloud(400), [2, 32, 32, 32, 1], optimizer=cr.SGD(), lr=0.1, init=uniform(0.005)
    )


@run(
    "large_initialization",
    also=("exploding_gradient", "nonfinite", "learning_rate_too_high"),
)
def weights_of_three_under_relu() -> Case:
    return setup(curved(400), [4, 32, 32, 1], "relu", loss=SQ, lr=0.01, init=normal(3.0))


# Layers ------------------------------------------------------------------------------------------


@run("saturation", also=("unscaled_inputs",))
def first_layer_saturated_by_its_inputs() -> Case:
    X, y = circles(400)
    return setup((60.0 * X, y), [2, 24, 1], optimizer=cr.SGD(), lr=0.1)


@run("dead_relu")
def second_layer_dead() -> Case:
    case = setup(wave(300), [3, 24, 24, 1], "relu", loss=SQ)
    case.configuration.net["2.b"] = np.full(24, -40.0)
    return case


@run("vanishing_gradient", also=("saturation", "learning_rate_too_low"))
def six_sigmoid_layers_on_numbers() -> Case:
    return setup(
        curved(400), [4, *[20] * 6, 1], "sigmoid", loss=SQ, optimizer=cr.Momentum(), lr=0.02
    )


@run(
    "exploding_gradient",
    also=("large_initialization", "nonfinite", "learning_rate_too_high", "dead_relu"),
)
def eight_leaky_layers_too_large() -> Case:
    return setup(
        wave(300),
        [3, *[24] * 8, 1],
        "leaky_relu",
        loss=SQ,
        optimizer=cr.SGD(),
        lr=0.01,
        init=uniform(1.2),
    )


# Loss and output ---------------------------------------------------------------------------------


@run("wrong_loss", also=("imbalance",))
def absolute_error_for_classes() -> Case:
    return setup(blobs(400, 5, share=0.15, apart=0.7), [5, 16, 1], loss=cr.AbsoluteError())


@run("wrong_loss")
def classes_of_plus_and_minus_1() -> Case:
    X, y = circles(400)
    return setup((X, 2.0 * y - 1.0), [2, 16, 1], "relu")


@run("wrong_loss", also=("unscaled_target", "saturation", "underfitting"))
def sigmoid_cannot_reach_the_target() -> Case:
    X, y = wave(300)
    case = setup((X, 5.0 + 3.0 * y), [3, 16, 1], loss=SQ)
    net = cr.Network(3, [cr.Dense(16), cr.Tanh(), cr.Dense(1), cr.Sigmoid()], rng=1)
    return case._replace(configuration=replace(case.configuration, net=net))


# Leaks and identifiers ---------------------------------------------------------------------------


@run("leaking_column", also=("unscaled_inputs",))
def the_price_in_another_currency() -> Case:
    X, y = curved(400, noise=1.0)
    told = 1.17 * y + 0.01 * np.random.default_rng(9).normal(size=400)
    return setup((np.column_stack([told, X]), y), [5, 24, 1], loss=SQ)


@run("duplicates_across_split", also=("overfitting",))
def rows_tripled_before_the_split() -> Case:
    X, y = curved(150, noise=0.5)
    order = np.random.default_rng(3).permutation(450)
    X, y = np.tile(X, (3, 1))[order], np.tile(y, 3)[order]
    case = setup((X[:350], y[:350]), [4, 16, 1], loss=SQ)
    return case._replace(valid=(X[350:], y[350:]))


@run("identifier_column", also=("unscaled_inputs", "saturation", "dead_relu"))
def customer_numbers() -> Case:
    X, y = wave(300)
    numbers = 100_000.0 + np.random.default_rng(2).permutation(300)
    return setup((np.column_stack([X, numbers]), y), [4, 24, 1], "relu", loss=SQ)


# Rows --------------------------------------------------------------------------------------------


@run("imbalance", also=("overfitting", "too_few_rows"))
def one_rare_class_of_three() -> Case:
    X, y = thirds(1500, noise=1.1)
    kept = (y != 2) | (np.random.default_rng(1).random(1500) < 0.1)
    return setup((X[kept], y[kept]), [2, 12, 3], loss=CE, lr=0.003, epochs=30)


@run("too_few_rows", also=("overfitting",))
def twenty_five_rows_of_a_wave() -> Case:
    X, y = wave(325)
    case = setup((X[:25], y[:25]), [3, 24, 1], loss=SQ, epochs=200, batch_size=8)
    return case._replace(valid=(X[25:], y[25:]))


@run("noise_floor", also=("overfitting", "too_few_rows"))
def numbers_without_a_reason() -> Case:
    rng = np.random.default_rng(2)
    return setup((rng.normal(size=(400, 6)), rng.normal(size=400)), [6, 12, 1], loss=SQ, epochs=30)


@run("overfitting", also=("too_few_rows",))
def a_large_network_on_noisy_numbers() -> Case:
    return setup(curved(150, noise=1.0), [4, 96, 96, 1], "relu", loss=SQ, epochs=250)


@run("underfitting")
def crushed_by_its_penalty() -> Case:
    return setup(wave(300), [3, 32, 1], loss=SQ, penalty=cr.Penalty(l2=2.0))


@run("underfitting")
def one_hidden_unit() -> Case:
    return setup(circles(400, seed=3), [2, 1, 1], lr=0.03)


# Not finite --------------------------------------------------------------------------------------


@run("nonfinite")
def an_infinite_target() -> Case:
    X, y = wave(300)
    y[17] = np.inf
    return setup((X, y), [3, 32, 1], "relu", loss=SQ)


@run(
    "nonfinite",
    also=("unscaled_inputs", "learning_rate_too_high", "exploding_gradient"),
)
def exp_overflows_in_poisson() -> Case:
    X, y = counts(400)
    return setup((X * 2000.0, y), [3, 16, 1], "relu", loss=cr.Poisson(), optimizer=cr.SGD(), lr=0.1)


# Two faults at once ------------------------------------------------------------------------------


@run("learning_rate_too_high", "constant_input", also=("saturation", "nonfinite"))
def rate_of_30_and_a_constant_column() -> Case:
    X, y = moons(300, seed=2)
    return setup(
        (np.column_stack([X, np.full(300, 1.5)]), y), [3, 16, 1], optimizer=cr.SGD(), lr=30.0
    )
