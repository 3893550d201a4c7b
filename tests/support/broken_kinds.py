"""Runs of every kind of network, target and number of rows; not all of them are broken."""

import numpy as np

import chainrule as cr
from support.broken_cases import BCE, SQ, Case
from support.broken_data import blobs, moons, thirds, wave, xor_table

KINDS: dict[str, Case] = {
    "two outputs": Case(
        cr.Configuration(cr.Network.mlp([3, 8, 2], rng=1), SQ, lr=0.01, epochs=8),
        wave(80)[0], np.column_stack([wave(80)[1], -wave(80)[1]]),
    ),
    "one-hot": Case(
        cr.Configuration(cr.Network.mlp([2, 8, 3], rng=1), cr.SoftmaxCrossEntropy(), lr=0.01),
        thirds(60)[0], np.eye(3)[thirds(60)[1]],
    ),
    "float32, a schedule, one row at a time": Case(
        cr.Configuration(cr.Network.mlp([2, 4, 1], dtype="float32", rng=1), BCE, cr.SGD(),
                         cr.Cosine(0.1), epochs=8, batch_size=1),
        *moons(60),
    ),
    "normalised, residual, dropout": Case(
        cr.Configuration(
            cr.Network(2, [cr.Dense(6), cr.BatchNorm(), cr.ReLU(), cr.Dropout(0.2),
                           cr.Residual([cr.Dense(6), cr.Tanh()]), cr.Dense(1)], rng=1),
            BCE, cr.AdamW(), lr=0.01, epochs=8, penalty=cr.Penalty(l2=0.1), clip=1.0,
        ),
        *moons(60),
    ),
    "two quantiles": Case(
        cr.Configuration(cr.Network.mlp([3, 8, 2], rng=1), cr.Pinball((0.1, 0.9)), epochs=8),
        wave(60)[0], np.column_stack([wave(60)[1]] * 2),
    ),
    "hinge": Case(cr.Configuration(cr.Network.mlp([2, 4, 1], rng=1), cr.Hinge(), epochs=8),
                  *moons(60)),
    "four rows": Case(cr.Configuration(cr.Network.mlp([2, 4, 1], rng=1), BCE, epochs=8),
                      *xor_table()),
    "one row": Case(cr.Configuration(cr.Network.mlp([4, 4, 1], rng=1), BCE, epochs=8),
                    blobs(1, 4)[0], blobs(1, 4)[1]),
    "numbers too large to square": Case(
        cr.Configuration(cr.Network.mlp([3, 8, 1], rng=1), SQ, cr.SGD(), 0.01, epochs=4),
        wave(60)[0] * 1e200, wave(60)[1],
    ),
}  # fmt: skip
