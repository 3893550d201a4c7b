"""What MLPClassifier and MLPRegressor share: parameters, the network, fit and predictions."""

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    is_regressor,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ..chain.contributions import Contributions, contributions
from ..core.activation_layers import ACTIVATION_LAYERS, Identity, Sigmoid, get_activation
from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.layers import Dense, Dropout, Layer
from ..core.network import Network
from ..core.nonfinite import Diverged
from ..core.optimizers import Optimizer
from ..core.penalty import Penalty
from ..core.schedules import Schedule
from ..training.lbfgs import Objective
from ..training.plan import ENGINES
from .callbacks import CallbackSupportMixin, with_callbacks
from .html import with_network
from .parameters import ABOVE_0, AT_LEAST_0, BELOW_1, COUNT, Constraints, constraints
from .stochastic import NON_FINITE, StochasticFit

NAMES = {"logistic": "sigmoid"}  # scikit-learn's name: ours


class BaseMLP(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, StochasticFit
):
    """The parameters, their limits, and `fit` as the two estimators need it."""

    _parameter_constraints: ClassVar[Constraints] = constraints({
        "hidden_layer_sizes": ["array-like", COUNT],
        "activation": [StrOptions({*ACTIVATION_LAYERS, *NAMES}), Layer, "array-like"],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"}), Optimizer],
        "batch_size": [StrOptions({"auto"}), COUNT],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule],
        "max_iter max_fun": [COUNT],
        "n_iter_no_change": [COUNT, Options(Real, {np.inf})],
        "alpha power_t tol": [AT_LEAST_0],
        "learning_rate_init epsilon": [ABOVE_0],
        "validation_fraction beta_1 beta_2 dropout": [BELOW_1],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "clip": [ABOVE_0, None],
        "shuffle warm_start nesterovs_momentum early_stopping": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "scoring": [str, callable, None],
        "callbacks": ["array-like", callable, None],
        "engine": [StrOptions(set(ENGINES))],
        "n_threads": [COUNT, None],
    })  # fmt: skip

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_set: Any = None) -> Self:
        """Train on X (n, n_in). A classifier takes labels y (n,), or (n, k) of 0 and 1 for k labels
        at once; a regressor numbers (n,) or (n, k).

        `validation_set` is (X, y) or (X, y, sample_weight): its loss and score are kept after each
        epoch, and early stopping looks at them. Raises ValueError for data that do not fit.
        """
        return self._fit(X, y, sample_weight, validation_set)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation_set: Any = None,
        incremental: bool = False,
    ) -> Self:  # fmt: skip
        sizes = self._hidden_sizes()
        self._check_solver(validation_set)
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = validate_data(
            self, in_numpy(X), in_numpy(y), accept_sparse=["csr", "csc"], multi_output=True,
            y_numeric=is_regressor(self), dtype=(np.float64, np.float32), reset=first,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        X, Y = dense(X), self._prepare_targets(y, incremental)
        data = Batch(X, Y, self._row_weights(X, Y, sample_weight))
        held_out = None if validation_set is None else self._validation_rows(validation_set)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(X.shape[1], sizes, X.dtype)
        net = self._network()
        if self.solver == "lbfgs":
            self._fit_lbfgs(net, data)
        elif self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        else:
            self._fit_stochastic(net, data, held_out, incremental)
        return self

    def _fit_lbfgs(self, net: Network, data: Batch) -> None:
        """L-BFGS-B of scipy on all rows at once."""
        from scipy.optimize import minimize

        goals = Batch(data.X, self._loss_targets(data.y), data.weight)
        objective = Objective(net.astype(np.float64), self._loss(), goals, self._penalty())
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        try:
            start = net.theta.astype(np.float64)
            result = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
        except Diverged as error:
            raise ValueError(f"{NON_FINITE} {error}") from error
        self.n_iter_ = _check_optimize_result("lbfgs", result, self.max_iter)
        self.loss_ = float(result.fun) + self._loss_shift(data)
        net.theta = result.x

    def _check_solver(self, validation_set: Any) -> None:
        """L-BFGS has no epochs and draws nothing."""
        for_epochs = {
            "dropout": bool(self.dropout), "clip": self.clip is not None,
            "callbacks": self.callbacks is not None, "validation_set": validation_set is not None,
        }  # fmt: skip
        for name, wanted in for_epochs.items():
            if wanted and self.solver == "lbfgs":
                raise ValueError(
                    f'{name} needs training in epochs, which solver="lbfgs" does not do: use '
                    '"adam" or "sgd", or leave it out'
                )

    def _validation_rows(self, validation_set: Any) -> Batch:
        """The rows of the user's own validation set."""
        if not isinstance(validation_set, tuple | list) or len(validation_set) not in (2, 3):
            raise ValueError("validation_set must be (X, y) or (X, y, sample_weight)")
        X, y, sample_weight = (*validation_set, None)[:3]
        X = validate_data(self, in_numpy(X), accept_sparse=["csr", "csc"], reset=False)
        y = in_numpy(y)
        check_consistent_length(X, y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        return Batch(dense(X), self._encoded(y), weight)

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _activations(self, count: int) -> list[Layer]:
        """The activation of each hidden layer."""
        chosen = self.activation
        if isinstance(chosen, str | Layer):
            chosen = [chosen] * count
        if len(chosen) != count:
            raise ValueError(
                f"activation names {len(chosen)} layers, but there are {count} hidden ones: name "
                "one for each, or one for all"
            )
        layers = [get_activation(NAMES.get(a, a) if isinstance(a, str) else a) for a in chosen]
        for layer in layers:
            if layer.shapes(3)[0] != 3 or isinstance(layer, Dense):
                raise ValueError(f"activation is {layer}: use one that keeps the number of units")
        return layers

    def _initialize(self, n_in: int, sizes: list[int], dtype: Any) -> None:
        """A network with scikit-learn's start: U(-b, b), b = √(6 / (fan_in + fan_out)), 2 in the
        place of 6 for the logistic function; weights and biases in turn.
        """
        layers, activations = list[Layer](), self._activations(len(sizes))
        for size, activation in zip(sizes, activations, strict=True):
            layers += (
                [Dense(size)] if isinstance(activation, Identity) else [Dense(size), activation]
            )
            layers += [Dropout(self.dropout)] if self.dropout else []
        layers.append(Dense(self.n_outputs_))
        net = self.network_ = Network(n_in, layers, rng=0, dtype=dtype)
        fans = [n_in, *sizes, self.n_outputs_]
        # scikit-learn starts the output layer as if it had the last hidden activation, too.
        logistic = [isinstance(activation, Sigmoid) for activation in activations] or [False]
        for i, name in enumerate(self._dense()):
            squared = 2.0 if logistic[min(i, len(logistic) - 1)] else 6.0
            bound = np.sqrt(squared / (fans[i] + fans[i + 1]))
            for view in (net[f"{name}.W"], net[f"{name}.b"]):
                view[...] = self._random_state.uniform(-bound, bound, view.shape)
        self.n_layers_, self.n_iter_, self.t_ = len(fans), 0, 0
        self._link()
        if self.solver != "lbfgs":
            self.loss_curve_, self.validation_loss_curve_, self._no_improvement_count = [], [], 0
            self.best_loss_ = None if self.early_stopping else np.inf
            self.validation_scores_ = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None

    def _dense(self) -> list[str]:
        """The names of the Dense layers."""
        layers = enumerate(self.network_.layers)
        return [str(i) for i, layer in layers if isinstance(layer, Dense)]

    def _link(self) -> None:
        """coefs_ and intercepts_ are views of the network's numbers."""
        net = self.network_
        self.coefs_ = [net[f"{name}.W"] for name in self._dense()]
        self.intercepts_ = [net[f"{name}.b"] for name in self._dense()]

    def _network(self) -> Network:
        """The network, with what the user has put in the place of coefs_ and intercepts_."""
        net, relink = self.network_, False
        for key, arrays in (("W", self.coefs_), ("b", self.intercepts_)):
            for name, array in zip(self._dense(), arrays, strict=True):
                if not np.may_share_memory(array, net.theta):
                    net[f"{name}.{key}"] = array
                    relink = True
        if relink:
            self._link()
        return net

    @property
    def _n_features_out(self) -> int:
        """The columns that transform gives: the units of the last hidden layer."""
        return int(self.coefs_[-1].shape[0])

    def _penalty(self) -> Penalty | None:
        return Penalty(l2=float(self.alpha), per_row=True) if self.alpha else None

    def _loss_shift(self, data: Batch) -> float:
        """What scikit-learn's loss adds to ours: a constant of the targets."""
        return 0.0

    def _loss_tol(self) -> float:
        """The least fall of the training loss that counts as better."""
        return float(self.tol)

    def _row_weights(self, X: Array, Y: Array, sample_weight: Any) -> Array | None:
        return None if sample_weight is None else _check_sample_weight(sample_weight, X)

    def _answers(self, y: Array) -> Any:
        """Encoded targets as the user gave them."""
        return y

    def _loss_targets(self, y: Array) -> Array:
        """Encoded targets as the loss takes them."""
        return y

    def _all_callbacks(self) -> list[Callable[[Any, Any], Any]]:
        if self.callbacks is None:
            return []
        return [self.callbacks] if callable(self.callbacks) else list(self.callbacks)

    def _forward(self, X: Any) -> Array:
        """The raw output of rows that are checked first."""
        X = self._checked(X)
        return self._network().predict(X)

    def _checked(self, X: Any) -> Array:
        """Rows of the columns that were fitted, dense. Raises NotFittedError, ValueError."""
        check_is_fitted(self)
        return dense(validate_data(self, in_numpy(X), accept_sparse=["csr", "csc"], reset=False))

    def transform(self, X: Any, layer: int = -1) -> Array:
        """The activations of a hidden layer (n, units), the last one unless another is named.

        Raises NotFittedError, and ValueError for a layer that is not there.
        """
        X = self._checked(X)
        net, ends = self._network(), self._dense()[1:]
        if not -len(ends) <= layer < len(ends):
            raise ValueError(f"there is no hidden layer {layer}: this network has {len(ends)}")
        head = Network(net.n_in, net.layers[: int(ends[layer])], rng=0, dtype=net.dtype)
        head.theta, head.buffers = net.theta[: head.theta.size], net.buffers[: head.buffers.size]
        return head.predict(X)

    def explain(self, x: Any, output: int | None = None) -> Contributions:
        """What each input of one row x (n_in,) or (1, n_in) adds to a prediction, from the origin.

        The prediction is the log-odds of the second of two classes, or of the likeliest of more
        classes against the next one, else the first output; `output` chooses another raw output.
        Pass `network_` to `chainrule.trace_step` for every number of a training step. Raises
        NotFittedError, and ValueError for several rows or an output that does not exist.
        """
        row = self._checked(x if hasattr(x, "columns") else np.atleast_2d(np.asarray(x)))
        if len(row) != 1:
            raise ValueError(f"x has {len(row)} rows: explain takes one, such as X[:1]")
        net = self._network()
        Z = net.predict(row)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
        order = np.argsort(-Z[0]).tolist() if self.out_activation_ == "softmax" else [0, None]
        order = order if output is None else [output, None]
        return contributions(
            net, np.asarray(row, dtype=np.float64), output=order[0], against=order[1],
            columns={str(name): [i] for i, name in enumerate(names)},
        )  # fmt: skip

    def input_gradients(self, X: Any, output: int = 0) -> Array:
        """d(raw output)/dX (n, n_in) of one output: how it answers a small change of each input.

        The raw output is the log-odds of two classes, the score before softmax of more, and what a
        regressor predicts. Raises NotFittedError, ValueError for an output that is not there.
        """
        X = self._checked(X)
        if not 0 <= output < self.n_outputs_:
            raise ValueError(f"there is no output {output}: this network has {self.n_outputs_}")
        net = self._network()
        Z, caches = net.forward(net.as_input(X))
        dZ = np.zeros_like(Z)
        dZ[:, output] = 1.0
        return net.backward(caches, dZ)[0]

    def _html_repr(self) -> str:
        net = self._network() if hasattr(self, "network_") else None
        classes = getattr(self, "classes_", None)
        names = getattr(self, "feature_names_in_", None)
        return with_network(self, net, names, None if classes is None else list(classes))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def in_numpy(X: Any) -> Any:
    """An array of another library, such as PyTorch or JAX, as NumPy's; all else as it is."""
    return np.asarray(X) if hasattr(X, "__dlpack__") else X


def dense(X: Any) -> Array:
    """The rows as a dense array: the engines know no other."""
    return X.toarray() if hasattr(X, "toarray") else X
