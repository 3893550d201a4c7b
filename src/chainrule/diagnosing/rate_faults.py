"""A learning rate too high or too low, shown by runs of as many steps at other rates."""

from . import changes
from .examination import UNFINISHED, Examination, long_enough
from .experiments import Outcome
from .formatting import training_loss

LOWER, HIGHER = (0.01, 0.03, 0.1, 0.3), (3.0, 10.0)
MUCH_HIGHER = (100.0, 1000.0, 1e4, 1e5)
SHORT = 100  # a run of fewer steps may be too short to learn


def learning_rate(exam: Examination) -> None:
    """lr × {0.01 … 10}, each for as many steps; more than 10 if that does not move the loss."""

    def at(f: float) -> Outcome:
        return exam.runner.measure(f"learning rate x {f:g}", changes.with_rate(exam.setup, f))

    lower, higher = ({f: at(f) for f in factors} for factors in (LOWER, HIGHER))
    best = max(lower, key=lambda f: merit(lower[f]))
    if lower[best].improves_on(exam.now):
        report_rate(exam, "learning_rate_too_high", best, lower | higher)
        return
    if exam.now.train.capped > 0.5 and higher[10.0].train.capped > 0.5:
        for factor in MUCH_HIGHER:
            higher[factor] = exam.runner.run(changes.with_rate(exam.setup, factor))
    best = max(higher, key=lambda f: merit(higher[f]))
    after = higher[best]
    if exam.now.train.excess > UNFINISHED and not exam.recovered:
        longer = longer_run(exam)
        if after.train.excess < 0.5 * exam.now.train.excess and after.improves_on(exam.now, 0.15):
            report_rate(exam, "learning_rate_too_low", best, lower | higher)
        elif longer is not None:
            exam.accept("more epochs", longer)


def merit(outcome: Outcome) -> float:
    """What the best rate is chosen by: the training rows and the rows that count, equally."""
    return -outcome.judged.capped - outcome.train.capped


def longer_run(exam: Examination) -> Outcome | None:
    """If there were fewer than 100 steps, the same rate for 1,000 of them, if that helps."""
    steps = exam.now.steps
    if steps >= SHORT:
        return None
    epochs = long_enough(exam)
    longer = exam.runner.run(exam.setup.change(epochs=epochs), epochs=epochs)
    exam.runner.measured["more epochs"] = longer.judged.loss
    if not longer.improves_on(exam.now, 0.15):
        return None
    evidence = [
        f"The run takes only {steps} steps. At the same rate {longer.steps:,} steps reach a "
        f"training loss of {training_loss(longer)}, these {training_loss(exam.now)}."
    ]
    fix = f"train for more epochs, about {epochs}"
    exam.add("underfitting", evidence, fix, exam.gain(longer))
    return longer


def report_rate(exam: Examination, cause: str, factor: float, trials: dict[float, Outcome]) -> None:
    """Report a rate that is too high or too low, with the loss at each rate tried."""
    rate, steps = exam.setup.config.rate, exam.now.steps
    outcomes = {1.0: exam.now} | trials
    table = ", ".join(f"{rate * f:.3g}: {training_loss(outcomes[f])}" for f in sorted(outcomes))
    evidence = [f"Training loss after {steps:,} steps by learning rate: {table}."]
    if exam.now.stopped:
        evidence.append(f"At {rate:g}, {exam.now.stopped}.")
    word, better = "lower" if factor < 1 else "raise", f"{rate * factor:.3g}"
    fix = f"{word} the learning rate from {rate:g} to about {better}"
    exam.add(cause, evidence, fix, exam.gain(outcomes[factor]))
    exam.accept(f"learning rate {better}", trials[factor])
