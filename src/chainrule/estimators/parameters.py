"""Parameters as scikit-learn's estimators keep and check them."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

COUNT = Interval(Integral, 1, None, closed="left")
AT_LEAST_0, ABOVE_0 = (Interval(Real, 0, None, closed=side) for side in ("left", "neither"))
BELOW_1, BETWEEN_0_AND_1 = (Interval(Real, 0, 1, closed=side) for side in ("left", "neither"))
Constraints = dict[str, list[Any]]


def constraints(by_names: Mapping[str, list[Any]]) -> Constraints:
    """The constraints of each parameter, from those of one or several names in a text."""
    return {name: allowed for names, allowed in by_names.items() for name in names.split()}


class Parameters(BaseEstimator):
    """An estimator that keeps the arguments of its __init__."""

    def _set_parameters(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of __init__ as attributes of the same names."""
        for name in self._get_param_names():
            setattr(self, name, arguments[name])
