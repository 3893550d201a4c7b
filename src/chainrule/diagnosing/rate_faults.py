"""A learning rate too high or too low, by runs of as many steps at other rates."""

from . import changes
from .examination import UNFINISHED, Examination, Trial, long_enough
from .experiments import Outcome, helps, worth
from .formatting import told

RATES = (0.01, 0.03, 0.1, 0.3, 3.0, 10.0)
HIGHER = (100.0, 1000.0, 1e4, 1e5)
SHORT = 100  # steps that cannot be called a run


def learning_rate(exam: Examination) -> None:
    """lr × {0.01 … 10}, each for as many steps; beyond 10 where that does not move the loss."""
    if exam.trained:
        return
    tried = {
        factor: exam.measure(f"learning rate x {factor:g}", changes.with_rate(exam.setup, factor))
        for factor in RATES
    }
    lower = {f: o for f, o in tried.items() if f < 1}
    higher = {f: o for f, o in tried.items() if f > 1}
    best = max(lower, key=lambda f: merit(lower[f]))
    if helps(exam.now, lower[best]):
        report_rate(exam, "learning_rate_too_high", best, lower | higher)
        return
    if worth(exam.now.train.excess) > 0.5 and worth(higher[10.0].train.excess) > 0.5:
        for factor in HIGHER:
            higher[factor] = exam.runner.run(changes.with_rate(exam.setup, factor))
    best = max(higher, key=lambda f: merit(higher[f]))
    halved = higher[best].train.excess < 0.5 * exam.now.train.excess
    unfinished = exam.now.train.excess > UNFINISHED and not exam.recovered
    longer = too_few_steps(exam) if unfinished else None
    if unfinished and halved and helps(exam.now, higher[best], 0.15):
        report_rate(exam, "learning_rate_too_low", best, lower | higher)
    elif longer is not None:
        exam.accept("more epochs", *longer)
    exam.rated = True


def merit(outcome: Outcome) -> float:
    """By which the best rate is chosen: training rows and rows that count alike."""
    return -worth(outcome.judged.excess) - worth(outcome.train.excess)


def too_few_steps(exam: Examination) -> Trial | None:
    """Where there were fewer than 100 steps, the same rate for 1,000 of them, if that helps."""
    steps = exam.now.steps
    if steps >= SHORT:
        return None
    epochs = long_enough(exam)
    setup = exam.setup.change(epochs=epochs)
    longer = exam.runner.run(setup, epochs=epochs)
    exam.runner.measured["more epochs"] = longer.judged
    if not helps(exam.now, longer, 0.15):
        return None
    evidence = [
        f"The run takes only {steps} steps. At the same rate {longer.steps:,} steps reach a "
        f"training loss of {told(longer)}, these {told(exam.now)}."
    ]
    fix = f"train for more epochs, about {epochs}"
    exam.add("underfitting", evidence, fix, exam.gain(longer))
    return Trial(setup, longer)


def report_rate(exam: Examination, cause: str, factor: float, tried: dict[float, Outcome]) -> None:
    """A rate that is too high or too low, with the loss at each rate that was tried."""
    rate, steps = exam.setup.config.rate, exam.now.steps
    shown = {1.0: exam.now, **tried}
    table = ", ".join(f"{rate * f:.3g}: {told(shown[f])}" for f in sorted(shown))
    evidence = [f"Training loss after {steps:,} steps by learning rate: {table}."]
    if exam.now.stopped:
        evidence.append(f"At {rate:g}, {exam.now.stopped}.")
    word = "lower" if factor < 1 else "raise"
    fix = f"{word} the learning rate from {rate:g} to about {rate * factor:.3g}"
    exam.add(cause, evidence, fix, exam.gain(tried[factor]))
    changed = changes.with_rate(exam.setup, factor)
    exam.accept(f"learning rate {rate * factor:.3g}", changed, tried[factor])
