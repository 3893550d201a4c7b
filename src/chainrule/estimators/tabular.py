"""TabularClassifier and TabularRegressor: raw tables in, answers in the table's own terms out."""

import os
import time
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)  # fmt: skip

from ..answers import Answer, explain_answer
from ..core.activation_layers import ACTIVATION_LAYERS
from ..core.arrays import Array
from ..core.nonfinite import Diverged
from ..model import Model, unseen_notes
from ..storage import load, save
from ..tables import Table, read_table
from ..tabular import TableRun

WEIGHT = "sample_weight"


class BaseTabular(BaseEstimator):
    """Reads the table, trains a network on it by `TableRun`, and keeps the model."""

    _task: ClassVar[str]
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "preset": [StrOptions({"simple"})],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATION_LAYERS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="neither"), None],
        "roles": [dict, None],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self, *, preset: str = "simple", hidden_layer_sizes: Any = (128, 64),
        activation: str = "relu", dropout: float = 0.2, learning_rate_init: float | None = None,
        batch_size: Any = "auto", max_iter: int = 200, n_iter_no_change: int = 40,
        validation_fraction: float = 0.2, time_limit: float | None = None,
        roles: dict[str, str] | None = None, random_state: Any = None,
        n_threads: int | None = None, verbose: Any = False,
    ) -> None:  # fmt: skip
        self.preset, self.hidden_layer_sizes = preset, hidden_layer_sizes
        self.activation, self.dropout = activation, dropout
        self.learning_rate_init, self.batch_size = learning_rate_init, batch_size
        self.max_iter, self.n_iter_no_change = max_iter, n_iter_no_change
        self.validation_fraction, self.time_limit = validation_fraction, time_limit
        self.roles, self.random_state = roles, random_state
        self.n_threads, self.verbose = n_threads, verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on a table: a data frame, a file or pattern of files, a dict of columns, or numbers
        (n, columns). `y` is the name of the target's column, or its values (n,).

        Categories, dates, missing cells and identifiers are recognised; `roles` says otherwise. The
        seed fixes everything. Raises ValueError in one sentence for what does not fit.
        """
        table, target = self._table(X, y, sample_weight)
        run = TableRun(
            table, target, task=self._task, roles=self.roles,
            weight=None if sample_weight is None else WEIGHT,
            hidden=np.atleast_1d(self.hidden_layer_sizes).tolist(), activation=self.activation,
            dropout=self.dropout, epochs=self.max_iter, lr=self.learning_rate_init,
            batch_size=None if self.batch_size == "auto" else int(self.batch_size),
            patience=self.n_iter_no_change, valid=self.validation_fraction, test=0.0,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            threads=self.n_threads,
        )  # fmt: skip
        self._say(run)
        self._train(run)
        self.model_ = run.model()
        self.n_iter_, self.best_iter_ = len(run.records), run.best_epoch
        self.loss_curve_ = [record.loss for record in run.records]
        self.validation_loss_curve_ = [
            record.valid_loss for record in run.records if record.valid_loss is not None
        ]
        self.notes_ = run.notes()
        return self

    def _train(self, run: TableRun) -> None:
        """Epoch by epoch until the end, patience or the time limit; the best epoch stays."""
        started, stages = time.monotonic(), run.train()
        try:
            for record in stages:
                if self.verbose:
                    print(f"Iteration {record.epoch + 1}, loss = {record.monitored:.8f}")
                if self.time_limit is not None and time.monotonic() - started > self.time_limit:
                    break
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", ConvergenceWarning, stacklevel=3)
        except Diverged as error:
            if not run.records:
                raise ValueError(str(error)) from error
            warnings.warn(f"{error}; the best epoch is kept", ConvergenceWarning, stacklevel=3)
        finally:
            stages.close()

    def _say(self, run: TableRun) -> None:
        """What the preset has set for this table, and why."""
        self.settings_ = {
            "hidden_layer_sizes": tuple(run.hidden), "activation": run.activation,
            "dropout": run.dropout, "learning_rate_init": run.lr, "batch_size": run.batch_size,
            "weight_decay": run.weight_decay, "rows": run.rows,
        }  # fmt: skip
        if self.verbose:
            told = ", ".join(f"{name} {value}" for name, value in self.settings_.items())
            print(f"preset {self.preset}: {told}")

    def _table(self, X: Any, y: Any, sample_weight: Any) -> tuple[Table, str]:
        """The rows with their target and weights as columns, and the target's name."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: give "
                "the name of its column or its values"
            )
        named = isinstance(y, str) and not isinstance(X, np.ndarray)
        self._named = named  # then rows to answer may hold more columns, as files do
        table = self._rows(X, reset=not named)
        if named:
            if y not in table.columns:
                raise ValueError(f'there is no column "{y}": columns are {", ".join(table.names)}')
            target = y
        else:
            values = column_or_1d(y, warn=True)
            if values.dtype.kind == "f":
                assert_all_finite(values, input_name="y")
            if len(values) != len(table):
                raise ValueError(
                    f"Found input variables with inconsistent numbers of samples: "
                    f"[{len(table)}, {len(values)}]"
                )
            target = self._free(str(getattr(y, "name", None) or "target"), table)
            table = _with(table, target, self._targets(values))
        if named:
            self._set_features([name for name in table.names if name != target])
        if len(table) == 1:
            raise ValueError(f"{type(self).__name__} got 1 sample: it needs two rows at least")
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, np.empty((len(table), 1)))
            table = _with(table, WEIGHT, weight)
        return table, target

    def _targets(self, values: Array) -> Array:
        return values

    def _free(self, name: str, table: Table) -> str:
        while name in table.columns:
            name = f"{name}_"
        return name

    def _set_features(self, names: list[str]) -> None:
        self.n_features_in_ = len(names)
        self.feature_names_in_ = np.array(names, dtype=object)

    def _rows(self, X: Any, *, reset: bool) -> Table:
        """A table of whatever holds one; numbers (n, columns) get the names x0, x1, …"""
        if hasattr(X, "toarray"):
            raise TypeError(
                "Sparse data was passed, but dense data is required. Use '.toarray()' to convert "
                "to a dense numpy array."
            )
        if isinstance(X, str | os.PathLike | dict | Table):
            table = read_table(X, reading=None if reset else self._reading())
            if reset:
                self._set_features(table.names)
            return table
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            if not self._named:
                validate_data(self, X, reset=reset, skip_check_array=True)
            return read_table(X, reading=None if reset else self._reading())
        matrix = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", accept_sparse=False
        )
        return read_table({f"x{i}": matrix[:, i] for i in range(matrix.shape[1])})

    def _reading(self) -> Any:
        schema = getattr(getattr(self, "model_", None), "schema", None)
        return None if schema is None else schema.reading

    def _asked(self, X: Any) -> tuple[Model, Table]:
        """The model, and rows to answer; a warning says what no training row held."""
        check_is_fitted(self, "model_")
        table = self._rows(X, reset=False)
        assert self.model_.preparation is not None
        for note in unseen_notes(self.model_.preparation, table):
            warnings.warn(f"{note}: it counts as missing", stacklevel=3)
        return self.model_, table

    def predict(self, X: Any) -> Array:
        """The answer for each row (n,), in the target's own terms."""
        model, table = self._asked(X)
        return model.predict(table)

    def explain(self, X: Any, row: int = 0) -> Answer:
        """Why a row (counted from 0) gets its answer: its cells on their way into the network, and
        what each column added.
        """
        model, table = self._asked(X)
        return explain_answer(model, table, row)

    def save(self, path: Any) -> None:
        """Write the model to a file that `chainrule.load`, `load` and the command line read."""
        check_is_fitted(self, "model_")
        save(self.model_, path)

    @classmethod
    def load(cls, path: Any) -> Self:
        """An estimator that answers as the one that was saved."""
        model = load(path)
        if not isinstance(model, Model) or model.schema is None:
            raise ValueError(f"{path} holds no model of a table")
        found = cls()
        found.model_, found._named = model, True
        found._set_features([c.name for c in model.schema.columns if c.role == "feature"])
        if model.classes is not None:
            found.classes_ = np.array(model.classes)
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.target_tags.required = True
        tags.non_deterministic = False
        return tags


class TabularClassifier(ClassifierMixin, BaseTabular):
    """The likeliest class of each row of a table, as it comes.

    Columns become numbers as `chainrule.tables` prepares them; a network with dropout is trained by
    AdamW on a cosine schedule, and its best epoch on held-out rows is kept.
    """

    _task = "classification"

    def _targets(self, values: Array) -> Array:
        check_classification_targets(values)
        if len(np.unique(values)) < 2:
            raise ValueError(f"TabularClassifier got one class, {values[0]!r}: it needs two")
        return values

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        super().fit(X, y, sample_weight)
        self.classes_ = np.array(self.model_.classes)
        return self

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (n, classes), in the order of classes_."""
        model, table = self._asked(X)
        return model.predict_proba(table)


class TabularRegressor(RegressorMixin, BaseTabular):
    """The number that each row of a table leads to, as it comes; otherwise TabularClassifier."""

    _task = "regression"


def _with(table: Table, name: str, values: Array) -> Table:
    """The table with a column more."""
    more = read_table({name: values})
    return Table(
        {**table.columns, **more.columns}, table.source, table.notes,
        {**table.reading, **more.reading}, table.doubled,
    )  # fmt: skip
