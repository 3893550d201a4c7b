"""TabularClassifier and TabularRegressor: raw tables in, answers in the table's own terms out."""

import warnings
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ..core.activation_layers import ACTIVATION_LAYERS
from ..core.arrays import Array
from ..core.metrics import FOR_CLASSES
from ..core.nonfinite import Diverged
from ..models.answers import Answer, explain_answer
from ..models.model import TableModel
from ..models.modelfile import load, save
from ..tables import Table, read_table
from ..tables.rows import unseen_notes
from ..tables.table import as_text
from ..tables.target import class_codes
from ..tabular.presets import PRESETS
from ..tabular.run import TableRun
from ..tabular.verdict import COMPARED_FOR_NUMBERS
from .html import with_network
from .mlp_base import in_numpy
from .parameters import ABOVE_0, BELOW_1, BETWEEN_0_AND_1, COUNT, Constraints, constraints
from .table_input import TableInput

CURVES = ("loss_curve_", "validation_loss_curve_")
ATTRIBUTES = ("n_iter_", "best_iter_", *CURVES, "columns_", "settings_", "notes_")
SETTINGS = {
    "n_members": "members", "hidden_layer_sizes": "hidden", "learning_rate_init": "lr",
    "max_iter": "epochs", "n_iter_no_change": "patience", "validation_fraction": "valid",
    "n_threads": "threads",
}  # fmt: skip
"""Parameter, by scikit-learn's name where it has one -> setting of a run that has another name."""
OWN = {"preset", "random_state", "verbose"}  # parameters that are no settings of a run


class BaseTabular(TableInput):
    """Reads the table, trains on it by `TableRun`, and keeps the model."""

    _task: ClassVar[str]
    _parameter_constraints: ClassVar[Constraints] = constraints({
        "preset": [StrOptions(set(PRESETS))],
        "hidden_layer_sizes": ["array-like", COUNT, None],
        "activation": [StrOptions(set(ACTIVATION_LAYERS)), None],
        "batch_size": [StrOptions({"auto"}), COUNT],
        "n_members max_iter n_iter_no_change n_threads": [COUNT, None],
        "dropout": [BELOW_1, None],
        "validation_fraction": [BELOW_1],
        "learning_rate_init time_limit": [ABOVE_0, None],
        "roles": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    })  # fmt: skip

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on a table: a data frame, a file or pattern of files, a dict of columns, or numbers
        (n, columns). `y` is the name of the target's column, or its values (n,).

        Categories, dates, missing cells and identifiers are recognised; `roles` says otherwise. The
        seed fixes all but what a time limit cuts. Raises ValueError for what does not fit.
        """
        table, target, weight = self._table(X, y, sample_weight)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        run = TableRun.read(
            table, target, self.preset, task=self._task, weight=weight, seed=seed, test=0.0,
            engine="compiled", **self._settings(),
        )  # fmt: skip
        self._say(run)
        self._train(run)
        self.model_, self.settings_ = run.model(), run.reasons
        self.n_iter_ = len(run.records)
        best = run.best_epochs
        self.best_iter_ = best if len(best) > 1 else best[0]
        self.loss_curve_ = [record.loss for record in run.records]
        self.validation_loss_curve_ = [v for r in run.records if (v := r.valid_loss) is not None]
        self.notes_ = tuple(run.notes)
        self._finish(table, target, y)
        return self

    def _finish(self, table: Table, target: str, y: Any) -> None:
        """What else is known once it is trained."""

    def _settings(self) -> dict[str, Any]:
        """What was set, under the names of a run."""
        names = set(self._get_param_names()) - OWN
        settings = {SETTINGS.get(name, name): getattr(self, name) for name in names}
        if settings["hidden"] is not None:
            settings["hidden"] = tuple(np.ravel(settings["hidden"]).tolist())
        settings["batch_size"] = None if self.batch_size == "auto" else int(self.batch_size)
        return {name: value for name, value in settings.items() if value is not None}

    def _train(self, run: TableRun) -> None:
        """Epoch by epoch until the end, patience or the time limit; the best epoch stays."""
        try:
            with closing(run.train()) as records:
                for record in records:
                    if self.verbose:
                        held_out = record.valid_loss
                        score = (
                            "" if held_out is None else f", {run.valid_loss_name} = {held_out:.8f}"
                        )
                        print(f"Iteration {record.epoch + 1}, loss = {record.loss:.8f}{score}")
        except KeyboardInterrupt:
            if not run.records:
                raise
            warnings.warn("Training interrupted by user.", ConvergenceWarning, stacklevel=3)
        except Diverged as error:
            raise ValueError(str(error)) from error
        for why in run.divergences:
            warnings.warn(f"{why}; the best epoch is kept", ConvergenceWarning, stacklevel=3)

    def _say(self, run: TableRun) -> None:
        """What the columns are taken for, and what the preset has set for this table, and why."""
        self.columns_ = {
            column.name: f"{column.role}, {column.kind}{f': {column.why}' if column.why else ''}"
            for column in run.data.schema.columns
        }
        for title, lines in (("columns", self.columns_), (f"preset {self.preset}", run.reasons)):
            if self.verbose:
                print("\n  ".join([f"{title}:", *map(": ".join, lines.items())]))

    def _model_and_table(self, X: Any) -> tuple[TableModel, Table]:
        """The model, and rows to answer; a warning says what no training row held."""
        check_is_fitted(self, "model_")
        table = self._rows(X, reset=False, reading=self.model_.schema.reading)
        for note in unseen_notes(self.model_.preparation, table):
            warnings.warn(f"{note}: it is treated as unknown", stacklevel=3)
        return self.model_, table

    def predict(self, X: Any) -> Array:
        """The answer for each row (n,), in the target's own terms."""
        model, table = self._model_and_table(X)
        return model.predict(table)

    def explain(self, X: Any, row: int = 0) -> Answer:
        """Why a row (counted from 0) gets its answer: its cells on their way into the network, and
        what each column added to the answer for the average training row.
        """
        model, table = self._model_and_table(X)
        if not 0 <= row < len(table):
            raise ValueError(f"row is {row}, but X has {len(table)} rows: count them from 0")
        return explain_answer(model, table, row)

    def save(self, path: Any) -> Path:
        """Write the model to a file that `chainrule.load`, `load` and the command line read, with
        the parameters and attributes of this estimator; its path.
        """
        check_is_fitted(self, "model_")
        parameters = self.get_params()
        if not isinstance(self.random_state, int):  # a generator is no JSON
            parameters["random_state"] = None
        if isinstance(sizes := self.hidden_layer_sizes, np.ndarray):
            parameters["hidden_layer_sizes"] = sizes.tolist()
        if isinstance(weights := parameters.get("class_weight"), dict):  # labels need not be texts
            parameters["class_weight"] = list(map(list, weights.items()))
        attributes = {name: getattr(self, name) for name in ATTRIBUTES if hasattr(self, name)}
        attributes |= {"_names": getattr(self, "_names", []), "_named": self._named}
        classes = getattr(self, "classes_", np.array([])).tolist()
        saved = {"parameters": parameters, "attributes": attributes, "classes": classes}
        return save(replace(self.model_, facts={**self.model_.facts, "estimator": saved}), path)

    @classmethod
    def load(cls, path: Any) -> Self:
        """An estimator that answers as the one that was saved. ValueError for a file of another
        kind.
        """
        model = load(path)
        if not isinstance(model, TableModel):
            raise ValueError(f"{path} holds no model of a table: give one that save wrote")
        if (model.classes is None) != (cls._task == "regression"):
            if model.classes is None:
                raise ValueError(f"{path} answers a number: load it by TabularRegressor")
            raise ValueError(f"{path} answers classes: load it by TabularClassifier")
        saved = model.facts.get("estimator", {})
        parameters, attributes = saved.get("parameters") or {}, saved.get("attributes") or {}
        if isinstance(weights := parameters.get("class_weight"), list):
            parameters = parameters | {"class_weight": dict(weights)}
        names = parameters.keys() & {*cls._get_param_names()}
        loaded = cls(**{name: parameters[name] for name in names})
        for name in attributes.keys() & {*ATTRIBUTES}:
            setattr(loaded, name, attributes[name])
        schema, loaded.model_ = model.schema, model
        loaded._named = attributes.get("_named") is not False
        others = (schema.target, schema.weight)
        loaded._names = [column.name for column in schema.columns if column.name not in others]
        loaded._set_features(loaded._names)
        if not loaded._named and attributes.get("_names") == loaded._names:
            del loaded.feature_names_in_  # it was fitted without
        if model.classes is not None:
            classes = saved.get("classes") or []
            same = len(classes) == len(model.classes)
            loaded.classes_ = np.array(classes if same else model.classes)
        return loaded

    def _html_repr(self) -> str:
        model = getattr(self, "model_", None)
        if model is None:
            return with_network(self, None, None, None)
        names = model.preparation.feature_names
        return with_network(self, model.net, names, model.output_names)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.target_tags.required = True
        tags.non_deterministic = False
        return tags


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Predicts the class of each row of a raw table.

    Columns become numbers as `chainrule.tables` prepares them. `preset` is "simple", one network as
    a textbook would build it; "strong", four networks built for tables, averaged; or "ensemble",
    sixteen. `metric` is what the best epoch is best by: "accuracy", "log_loss" or "auc".
    `class_weight` is "balanced" or a weight for each class. What is None the preset sets, and
    `settings_` gives its reason.
    """

    _task = "classification"
    _parameter_constraints: ClassVar[Constraints] = {
        **BaseTabular._parameter_constraints,
        "metric": [StrOptions(set(FOR_CLASSES)), None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self, *, preset: str = "strong", n_members: int | None = None, metric: str | None = None,
        class_weight: Any = None, hidden_layer_sizes: Any = None, activation: str | None = None,
        dropout: float | None = None, learning_rate_init: float | None = None,
        batch_size: Any = "auto", max_iter: int | None = None, n_iter_no_change: int | None = None,
        validation_fraction: float = 0.2, time_limit: float | None = None,
        roles: dict[str, str] | None = None, random_state: Any = None,
        n_threads: int | None = None, verbose: Any = False,
    ) -> None:  # fmt: skip
        self._set_parameters(locals())

    def _targets(self, values: Array) -> None:
        check_classification_targets(values)
        labels = np.unique(values)
        if len(labels) < 2:
            label = labels.tolist()[0]
            raise ValueError(f"TabularClassifier got one class, {label!r}: it needs two")
        if len(np.unique(as_text(read_table({"y": labels}).columns["y"]))) < len(labels):
            raise ValueError(
                f"y has labels that a table reads as one, of {labels.tolist()}: rename them"
            )

    def _finish(self, table: Table, target: str, y: Any) -> None:
        """The classes as y has them: its labels may be of another type, or with blanks around."""
        self.classes_ = np.array(self.model_.classes)
        if not self._named:
            codes = class_codes(target, table.columns[target], self.model_.classes)
            first = [int(np.argmax(codes == k)) for k in range(len(self.classes_))]
            self.classes_ = column_or_1d(in_numpy(y))[first]

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row (n,), as classes_ has it."""
        model, table = self._model_and_table(X)
        return self.classes_[model.predict_proba(table).argmax(axis=1)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (n, classes), in the order of classes_."""
        model, table = self._model_and_table(X)
        return model.predict_proba(table)


class TabularRegressor(RegressorMixin, BaseTabular):
    """Predicts a number for each row of a raw table; the parameters are TabularClassifier's.

    `metric` is "rmse", or "mae" to learn by the absolute error. `interval`, a share such as 0.9,
    makes `predict` answer the median and `predict_interval` the two quantiles around it that hold
    this share.
    """

    _task = "regression"
    _parameter_constraints: ClassVar[Constraints] = {
        **BaseTabular._parameter_constraints,
        "metric": [StrOptions(set(COMPARED_FOR_NUMBERS)), None],
        "interval": [BETWEEN_0_AND_1, None],
    }

    def __init__(
        self, *, preset: str = "strong", n_members: int | None = None, metric: str | None = None,
        interval: float | None = None, hidden_layer_sizes: Any = None,
        activation: str | None = None, dropout: float | None = None,
        learning_rate_init: float | None = None, batch_size: Any = "auto",
        max_iter: int | None = None, n_iter_no_change: int | None = None,
        validation_fraction: float = 0.2, time_limit: float | None = None,
        roles: dict[str, str] | None = None, random_state: Any = None,
        n_threads: int | None = None, verbose: Any = False,
    ) -> None:  # fmt: skip
        self._set_parameters(locals())

    def predict_interval(self, X: Any) -> Array:
        """[low, high] for each row (n, 2): between them lie `interval` of the targets, as far as
        the training rows tell. In the target's unit. ValueError: fitted without `interval`.
        """
        model, table = self._model_and_table(X)
        return model.predict_interval(table)
