"""What MLPClassifier and MLPRegressor cannot take, and what they take beside NumPy."""

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from support.processes import completed

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)


def test_what_a_validation_set_must_not_be() -> None:
    with pytest.raises(
        ValueError, match=r"y has labels that training had not: \[0\], not in \[1 2\]"
    ):
        cr.MLPClassifier().fit(X[Y > 0], Y[Y > 0], validation_set=(X[Y == 0], Y[Y == 0]))
    with pytest.raises(ValueError, match=r"validation_set must be \(X, y\) or"):
        cr.MLPClassifier().fit(X, Y, validation_set=X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cr.MLPClassifier().fit(X, Y, validation_set=(X, Y[:5]))


@pytest.mark.parametrize("setting", [{"dropout": 0.3}, {"clip": 1.0}, {"callbacks": print}])
def test_what_l_bfgs_cannot_do_is_said(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=f'{name} needs training in epochs, which solver="lbfgs"'):
        cr.MLPClassifier(solver="lbfgs", **setting).fit(X, Y)


def test_activations_that_are_none() -> None:
    with pytest.raises(ValueError, match="activation is 'tanhh': use a layer, such as Tanh"):
        cr.MLPClassifier((4, 4), activation=["relu", "tanhh"]).fit(X, Y)
    with pytest.raises(ValueError, match=r"activation is Dense\(n=4.*: use one that keeps the"):
        cr.MLPClassifier((4,), activation=cr.Dense(4)).fit(X, Y)


def test_several_quantiles_of_one_target() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (400, 1))
    y = X[:, 0] + 0.3 * rng.normal(size=400)
    fit = cr.MLPRegressor("quantile", (16,), quantile=[0.1, 0.5, 0.9], max_iter=300, random_state=0)
    low, middle, high = fit.fit(X, y, validation_set=(X, y)).predict(X).T
    assert 0.7 < np.mean((low < y) & (y < high)) < 0.9
    assert (low < middle).mean() > 0.9
    assert fit.explain(X[:1], output=2).output == 2
    with pytest.raises(ValueError, match="x has 3 rows: explain takes one"):
        fit.explain(X[:3])


DISPATCHED = """
import os
os.environ["SCIPY_ARRAY_API"] = "1"
import array_api_strict as xp
import numpy as np
import sklearn
import chainrule as cr

rng = np.random.default_rng(0)
X, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
quick = {"max_iter": 3, "random_state": 0}
table = {**quick, "n_members": 1}
for fit in (cr.MLPClassifier(**quick), cr.MLPRegressor(**quick), cr.TabularClassifier(**table),
            cr.TabularRegressor(**table)):
    wanted = fit.fit(X, y).predict(X)
    for dispatch in (False, True):
        with sklearn.config_context(array_api_dispatch=dispatch):
            found = fit.fit(xp.asarray(X), xp.asarray(y)).predict(xp.asarray(X))
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, wanted)
"""


def test_arrays_of_other_libraries_are_accepted() -> None:
    done = completed([sys.executable, "-c", DISPATCHED])
    assert done.returncode == 0, done.stderr
