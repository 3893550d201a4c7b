"""Initializers: shapes, the spread that each promises, the same numbers from the same seed."""

import numpy as np
import pytest
from support.tables import INITIALIZERS

import chainrule as cr
from chainrule.core.initializers import constant, get_initializer, normal, uniform

I, O = 300, 200  # noqa: E741
# name -> (largest absolute value, standard deviation), None where there is no bound
SPREAD: dict[str, tuple[float | None, float]] = {
    "uniform": (0.05, 0.05 / 3**0.5),
    "normal": (None, 0.01),
    "glorot_uniform": ((6 / (I + O)) ** 0.5, (2 / (I + O)) ** 0.5),
    "glorot_normal": (None, (2 / (I + O)) ** 0.5),
    "he_uniform": ((6 / I) ** 0.5, (2 / I) ** 0.5),
    "he_normal": (None, (2 / I) ** 0.5),
    "lecun_uniform": ((3 / I) ** 0.5, (1 / I) ** 0.5),
    "lecun_normal": (None, (1 / I) ** 0.5),
}


def test_every_initializer_is_tested() -> None:
    assert set(SPREAD) | {"zeros", "ones", "orthogonal"} == set(INITIALIZERS)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3), (1, 4)])
def test_shape_and_seed(name: str, shape: tuple[int, int]) -> None:
    init = get_initializer(name)
    a, b, c = (init(shape, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert a.shape == shape
    assert np.isfinite(a).all()
    assert a.tobytes() == b.tobytes()
    random = name not in ("zeros", "ones") and not (name == "orthogonal" and 1 in shape)
    assert np.array_equal(a, c) != random or name == "orthogonal"


@pytest.mark.parametrize("name", SPREAD)
def test_spread_is_what_the_paper_says(name: str, rng: np.random.Generator) -> None:
    W = get_initializer(name)((I, O), rng)
    bound, std = SPREAD[name]
    assert W.std() == pytest.approx(std, rel=0.02)
    assert abs(W.mean()) < 4 * std / (I * O) ** 0.5
    if bound is not None:
        assert 0.999 * bound < np.abs(W).max() <= bound
    else:
        assert np.abs(W).max() > 3.5 * std


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9)])
def test_orthogonal_has_orthonormal_rows_or_columns(
    shape: tuple[int, int], rng: np.random.Generator
) -> None:
    W = get_initializer("orthogonal")(shape, rng)
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-14)


def test_orthogonal_is_not_biased_to_one_sign() -> None:
    init = get_initializer("orthogonal")
    first = [init((3, 3), np.random.default_rng(seed))[0, 0] for seed in range(400)]
    assert abs(np.mean(np.sign(first))) < 0.2


@pytest.mark.parametrize(
    ("init", "wanted"),
    [
        ("zeros", 0.0),
        ("ones", 1.0),
        (0.25, 0.25),
        (3, 3.0),
        (constant(-1.5), -1.5),
        (lambda shape, rng: np.full(shape, 9.0), 9.0),
        (uniform(0.0), 0.0),
        (normal(0.0), 0.0),
    ],
)
def test_constants_numbers_and_own_functions(init: object, wanted: float) -> None:
    net = cr.Network(2, [cr.Dense(3, init=init)], rng=0)
    assert (net["0.W"] == wanted).all()
    assert (net["0.b"] == 0).all()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"init is 'he', .* use one of zeros, .* or a function"):
        cr.Dense(3, init="he")


@pytest.mark.parametrize(
    ("activation", "hidden"),
    [
        ("relu", "he_uniform"),
        ("leaky_relu", "he_uniform"),
        ("prelu", "he_uniform"),
        ("gelu", "he_uniform"),
        ("selu", "lecun_normal"),
        ("tanh", "glorot_uniform"),
        ("sigmoid", "glorot_uniform"),
        (cr.ELU(0.3), "he_uniform"),
    ],
)
def test_mlp_takes_the_initializer_that_suits(activation: str | cr.Layer, hidden: str) -> None:
    first, _, last = cr.Network.mlp([2, 3, 1], activation, rng=0).layers
    assert isinstance(first, cr.Dense)
    assert isinstance(last, cr.Dense)
    assert (first.init, last.init) == (hidden, "glorot_uniform")
