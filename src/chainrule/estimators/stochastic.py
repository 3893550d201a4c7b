"""Stochastic training as in scikit-learn: when it stops, what it keeps, on one run of `train`."""

import warnings

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split

from ..core.arrays import Array, ceil_div
from ..core.epoch import Batch
from ..core.network import Network
from ..core.nonfinite import Diverged
from ..core.optimizers import SGD, AdamHat, Momentum, Nesterov, Optimizer
from ..core.schedules import Schedule
from ..training.loop import Record, train
from .callbacks import epoch_callbacks
from .parameters import Parameters
from .rates import Adaptive, InverseScaling, OptimizerMemory, ShuffledOrder

NOT_CONVERGED = (
    "Stochastic Optimizer: Maximum iterations (%d) reached and the optimization hasn't converged "
    "yet."
)
NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


class StochasticFit(Parameters):
    """fit and partial_fit of the two MLP estimators with any solver but lbfgs."""

    def _fit_stochastic(
        self, net: Network, data: Batch, held_out: Batch | None, incremental: bool
    ) -> None:
        """Train until max_iter, until it no longer gets better, or until Ctrl-C."""
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = OptimizerMemory(float(self.learning_rate_init))
        if held_out is None and self.early_stopping:
            data, held_out = self._split(data)
        batch_size = self._batch_size(len(data))
        best, rate = net.theta.copy(), self._rate(len(data), batch_size)
        self.n_iter_, epochs = 0, 1 if incremental else self.max_iter
        records = train(
            net, self._loss(), self._chosen_optimizer(), data.X, self._loss_targets(data.y),
            epochs=epochs, batch_size=batch_size, lr=rate, weight=data.weight,
            penalty=self._penalty(), clip=self.clip,
            shuffle=ShuffledOrder(len(data), self._random_state) if self.shuffle else False,
            state=self._optimizer.state, rng=self._dropout_seed(), threads=self.n_threads,
            engine=self.engine,
        )  # fmt: skip
        try:
            with epoch_callbacks(self, data.X, self._answers(data.y), epochs) as callback_stops:
                for record in records:
                    self._note_epoch(record, data, rate)
                    if self._count_epoch(net, held_out):
                        best[...] = net.theta
                    stops = self._stops_after(record, incremental)
                    if callback_stops() or stops:
                        break
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        except Diverged as error:
            if not (self.early_stopping and self.best_validation_score_ > -np.inf):
                raise ValueError(f"{NON_FINITE} {error}") from error
            self.validation_scores_.append(np.nan)
            sentence = f"{error}; the weights of the best epoch are kept"
            warnings.warn(sentence, ConvergenceWarning, stacklevel=4)
        if self.early_stopping:
            net.theta = best

    def _note_epoch(self, record: Record, data: Batch, rate: float | Schedule) -> None:
        """Keep the epoch's loss, and the learning rate of the next one."""
        self.n_iter_ += 1
        self.loss_ = record.loss + self._loss_shift(data)
        self.t_ += len(data)
        if isinstance(rate, InverseScaling):
            self._optimizer.learning_rate = rate.after(self.t_)
        self.loss_curve_.append(self.loss_)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    def _count_epoch(self, net: Network, held_out: Batch | None) -> bool:
        """Count the epochs that did not get better by tol; says whether this one has the best
        score so far.
        """
        score = -np.inf if held_out is None else self._held_out_score(net, held_out)
        best = False
        if self.early_stopping:
            worse = score < self.best_validation_score_ + self.tol
            best = score > self.best_validation_score_
            if best:
                self.best_validation_score_ = score
        else:
            worse = self.loss_ > self.best_loss_ - self._loss_tol()
            self.best_loss_ = min(self.best_loss_, self.loss_)
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
        return best

    def _held_out_score(self, net: Network, held_out: Batch) -> float:
        """The score of the rows held out; score and loss join their curves."""
        with np.errstate(all="ignore"):
            Z = net.predict(held_out.X)
            loss = self._loss().value(Z, self._loss_targets(held_out.y), held_out.weight)
            self.validation_loss_curve_.append(loss + self._loss_shift(held_out))
            if self.scoring is None:
                score = self._default_score(Z, held_out)
        if self.scoring == "loss":
            score = -self.validation_loss_curve_[-1]
        elif self.scoring is not None:
            scorer = get_scorer(self.scoring) if isinstance(self.scoring, str) else self.scoring
            score = scorer(self, held_out.X, self._answers(held_out.y))
        if self.validation_scores_ is None:
            self.validation_scores_ = []
        self.validation_scores_.append(float(score))
        if self.verbose:
            print(f"Validation score: {score:f}")
        return float(score)

    def _stops_after(self, record: Record, incremental: bool) -> bool:
        """Whether this epoch is the last, by the user's callbacks or because training is stuck."""
        answers = [callback(self, record) for callback in self._all_callbacks()]
        if self._no_improvement_count > self.n_iter_no_change and self._is_stuck():
            return True
        if self.n_iter_ == self.max_iter and not incremental:
            warnings.warn(NOT_CONVERGED % self.max_iter, ConvergenceWarning, stacklevel=5)
        return any(answer is True for answer in answers)

    def _is_stuck(self) -> bool:
        """Whether training ends now that it no longer improves, or goes on at a lower rate."""
        what = "Validation score" if self.early_stopping else "Training loss"
        text = f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
        text += "consecutive epochs."
        if self.solver == "sgd" and self.learning_rate == "adaptive":
            if self._optimizer.learning_rate > 1e-6:
                self._optimizer.divisions += 1
                self._optimizer.learning_rate /= 5.0
                self._no_improvement_count = 0
                if self.verbose:
                    print(f"{text} Setting learning rate to {self._optimizer.learning_rate:f}")
                return False
            text += " Learning rate too small."
        if self.verbose:
            print(f"{text} Stopping.")
        return True

    def _split(self, data: Batch) -> tuple[Batch, Batch]:
        """Rows to train on and rows held out, as scikit-learn draws them."""
        rows: list[Array] = [data.X, data.y, *([] if data.weight is None else [data.weight])]
        two_classes = is_classifier(self) and self.n_outputs_ == 1
        parts = train_test_split(
            *rows, random_state=self._random_state, test_size=self.validation_fraction,
            stratify=data.y.astype(bool) if two_classes else None,
        )  # fmt: skip
        training, held_out = Batch(*parts[0::2]), Batch(*parts[1::2])
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return training, held_out

    def _batch_size(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                "clipped",
                stacklevel=5,
            )
        return min(int(self.batch_size), n)

    def _chosen_optimizer(self) -> Optimizer:
        """scikit-learn's, or the user's own."""
        if isinstance(self.solver, Optimizer):
            return self.solver
        if self.solver == "adam":
            return AdamHat(beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon)
        if self.momentum == 0.0:
            return SGD()
        return (Nesterov if self.nesterovs_momentum else Momentum)(self.momentum)

    def _rate(self, n: int, batch_size: int) -> float | Schedule:
        """The learning rate, which only sgd and the user's own optimizer may change on the way."""
        first = float(self.learning_rate_init)
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate
        if self.solver == "adam" or self.learning_rate == "constant":
            return first
        if self.learning_rate == "adaptive":
            return Adaptive(first, self._optimizer)
        return InverseScaling(first, self.power_t, ceil_div(n, batch_size), n, self.t_)

    def _dropout_seed(self) -> int:
        """The seed of dropout; without dropout nothing is drawn, as in scikit-learn."""
        return int(self._random_state.randint(2**31 - 1)) if self.dropout else 0
