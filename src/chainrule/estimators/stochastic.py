"""scikit-learn's stochastic training: when it stops, what it keeps, on one run of `train`."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split

from ..core.arrays import ceil_div
from ..core.epoch import Batch
from ..core.network import Network
from ..core.nonfinite import Diverged
from ..core.optimizers import SGD, AdamHat, Momentum, Nesterov, Optimizer
from ..core.schedules import Schedule
from ..training.loop import Record, train
from .callbacks import told
from .rates import Adaptive, InverseScaling, Kept, Order

NOT_CONVERGED = (
    "Stochastic Optimizer: Maximum iterations (%d) reached and the optimization hasn't converged "
    "yet."
)
NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


class Course:
    """One call of fit or partial_fit: the rows to train on, those held out, and the loop."""

    def __init__(
        self, mlp: Any, net: Network, data: Batch, held_out: Batch | None, incremental: bool
    ) -> None:
        self.mlp, self.net, self.incremental = mlp, net, incremental
        if not incremental or not hasattr(mlp, "_optimizer"):
            mlp._optimizer = Kept(float(mlp.learning_rate_init))
        self.data, self.held_out = data, held_out
        if held_out is None and mlp.early_stopping:
            self.data, self.held_out = self._split(data)
        self.best = net.theta.copy()
        self.batch_size = self._batch_size(len(self.data))
        self.rate = self._rate()

    def run(self) -> None:
        """Train until max_iter, until it no longer gets better, or until Ctrl-C."""
        mlp, data = self.mlp, self.data
        mlp.n_iter_, most = 0, 1 if self.incremental else mlp.max_iter
        records = train(
            self.net, mlp._loss(), self._optimizer(), data.X, mlp._goals(data.y),
            epochs=most, batch_size=self.batch_size,
            lr=self.rate, weight=data.weight, penalty=mlp._penalty(), clip=mlp.clip,
            shuffle=Order(len(data), mlp._random_state) if mlp.shuffle else False,
            state=mlp._optimizer.state, rng=self._seed(), threads=mlp.n_threads,
            engine=mlp.engine,
        )  # fmt: skip
        try:
            with told(mlp, data.X, mlp._answers(data.y), most) as ended:
                for record in records:
                    stop = self._see(record)
                    if ended() or stop:
                        break
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        except Diverged as error:
            if not (mlp.early_stopping and mlp.best_validation_score_ > -np.inf):
                raise ValueError(f"{NON_FINITE} {error}") from error
            mlp.validation_scores_.append(np.nan)
            sentence = f"{error}; the weights of the best epoch are kept"
            warnings.warn(sentence, ConvergenceWarning, stacklevel=4)
        if self.mlp.early_stopping:
            self.net.theta = self.best

    def _see(self, record: Record) -> bool:
        """Note what an epoch gave; whether it was the last."""
        mlp = self.mlp
        mlp.n_iter_ += 1
        mlp.loss_ = record.loss + mlp._loss_shift(self.data)
        mlp.t_ += len(self.data)
        if isinstance(self.rate, InverseScaling):
            mlp._optimizer.learning_rate = self.rate.after(mlp.t_)
        mlp.loss_curve_.append(mlp.loss_)
        if mlp.verbose:
            print(f"Iteration {mlp.n_iter_}, loss = {mlp.loss_:.8f}")
        better = self._score() if self.held_out is not None else None
        self._count(better)
        answers = [callback(mlp, record) for callback in mlp._all_callbacks()]
        if mlp._no_improvement_count > mlp.n_iter_no_change and self._stops():
            return True
        if mlp.n_iter_ == mlp.max_iter and not self.incremental:
            warnings.warn(NOT_CONVERGED % mlp.max_iter, ConvergenceWarning, stacklevel=5)
        return any(one is True for one in answers)

    def _score(self) -> float:
        """The score of the rows held out; their loss joins its curve."""
        mlp, held_out = self.mlp, self.held_out
        assert held_out is not None
        with np.errstate(all="ignore"):
            Z = self.net.predict(held_out.X)
            loss = mlp._loss().value(Z, mlp._goals(held_out.y), held_out.weight)
        mlp.validation_loss_curve_.append(loss + mlp._loss_shift(held_out))
        if mlp.scoring == "loss":
            score = -mlp.validation_loss_curve_[-1]
        elif mlp.scoring is None:
            with np.errstate(all="ignore"):
                score = mlp._own_score(Z, held_out)
        else:
            scorer = get_scorer(mlp.scoring) if isinstance(mlp.scoring, str) else mlp.scoring
            score = scorer(mlp, held_out.X, mlp._answers(held_out.y))
        if mlp.validation_scores_ is None:
            mlp.validation_scores_ = []
        mlp.validation_scores_.append(float(score))
        if mlp.verbose:
            print(f"Validation score: {score:f}")
        return float(score)

    def _count(self, score: float | None) -> None:
        """How many epochs have passed without getting better by tol, and the best so far."""
        mlp = self.mlp
        if mlp.early_stopping:
            assert score is not None
            worse = score < mlp.best_validation_score_ + mlp.tol
            if score > mlp.best_validation_score_:
                mlp.best_validation_score_ = score
                self.best[...] = self.net.theta
        else:
            worse = mlp.loss_ > mlp.best_loss_ - mlp._loss_tol()
            mlp.best_loss_ = min(mlp.best_loss_, mlp.loss_)
        mlp._no_improvement_count = mlp._no_improvement_count + 1 if worse else 0

    def _stops(self) -> bool:
        """Whether training ends now that it is stuck, or goes on at a lower rate."""
        mlp = self.mlp
        what = "Validation score" if mlp.early_stopping else "Training loss"
        text = f"{what} did not improve more than tol={mlp.tol:f} for {mlp.n_iter_no_change} "
        text += "consecutive epochs."
        if mlp.solver == "sgd" and mlp.learning_rate == "adaptive":
            if mlp._optimizer.learning_rate > 1e-6:
                mlp._optimizer.divisions += 1
                mlp._optimizer.learning_rate /= 5.0
                mlp._no_improvement_count = 0
                if mlp.verbose:
                    print(f"{text} Setting learning rate to {mlp._optimizer.learning_rate:f}")
                return False
            text += " Learning rate too small."
        if mlp.verbose:
            print(f"{text} Stopping.")
        return True

    def _split(self, data: Batch) -> tuple[Batch, Batch]:
        """Rows to train on and rows held out, as scikit-learn draws them."""
        mlp = self.mlp
        rows = [data.X, data.y, *([] if data.weight is None else [data.weight])]
        parts = train_test_split(
            *rows, random_state=mlp._random_state, test_size=mlp.validation_fraction,
            stratify=data.y.astype(bool) if mlp._stratifies() else None,
        )  # fmt: skip
        own, held_out = Batch(*parts[0::2]), Batch(*parts[1::2])
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return own, held_out

    def _batch_size(self, n: int) -> int:
        wanted = self.mlp.batch_size
        if wanted == "auto":
            return min(200, n)
        if wanted > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                "clipped",
                stacklevel=5,
            )
        return min(int(wanted), n)

    def _optimizer(self) -> Optimizer:
        """scikit-learn's, or the one that was given."""
        mlp = self.mlp
        if isinstance(mlp.solver, Optimizer):
            return mlp.solver
        if mlp.solver == "adam":
            return AdamHat(beta1=mlp.beta_1, beta2=mlp.beta_2, epsilon=mlp.epsilon)
        if mlp.momentum == 0.0:
            return SGD()
        return (Nesterov if mlp.nesterovs_momentum else Momentum)(mlp.momentum)

    def _rate(self) -> float | Schedule:
        """The learning rate, which only sgd and one's own optimizer may change on the way."""
        mlp, first = self.mlp, float(self.mlp.learning_rate_init)
        if isinstance(mlp.learning_rate, Schedule):
            return mlp.learning_rate
        if mlp.solver == "adam" or mlp.learning_rate == "constant":
            return first
        if mlp.learning_rate == "adaptive":
            return Adaptive(first, mlp._optimizer)
        n = len(self.data)
        return InverseScaling(first, mlp.power_t, ceil_div(n, self.batch_size), n, mlp.t_)

    def _seed(self) -> int:
        """What dropout draws from; scikit-learn's draws stay as they are without it."""
        return int(self.mlp._random_state.randint(2**31 - 1)) if self.mlp.dropout else 0
