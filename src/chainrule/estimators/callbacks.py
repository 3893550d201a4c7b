"""scikit-learn's callbacks, which there are from 1.9 on; without them, nothing."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn 1.8 and before

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method itself."""
        return method


FITTED = (
    "network_", "coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_", "classes_",
    "_label_binarizer", "n_features_in_", "feature_names_in_",
)  # fmt: skip


@contextmanager
def epoch_callbacks(mlp: Any, X: Any, y: Any, epochs: int) -> "Iterator[Callable[[], bool]]":
    """A function to call at the end of each epoch, which says whether a callback ends training."""
    if not hasattr(mlp, "_skl_callbacks") or not hasattr(mlp, "_init_callback_context"):
        yield lambda: False
        return
    fit = mlp._init_callback_context(max_subtasks=epochs)
    data: dict[str, Any] = {"estimator": mlp, "X": X, "y": y}

    def begin_epoch() -> Any:
        context = fit.subcontext(task_name="epoch")
        context.call_on_fit_task_begin(**data)
        return context

    fit.call_on_fit_task_begin(**data)
    running = [begin_epoch()]

    def end_epoch() -> bool:
        fitted = {name: getattr(mlp, name) for name in FITTED if hasattr(mlp, name)}
        stop = running.pop().call_on_fit_task_end(**data, reconstruction_attributes=fitted)
        if not stop and mlp.n_iter_ < epochs:
            running.append(begin_epoch())
        return bool(stop)

    try:
        yield end_epoch
    finally:
        for context in [*running, fit]:  # training may have ended before its last epoch
            context.call_on_fit_task_end(**data, reconstruction_attributes={})
