"""A learning rate too high or too low, by runs of as many steps at other rates."""

from . import variants
from .case import UNFINISHED, Case, Trial, long_enough
from .experiments import Outcome, helps, worth
from .words import told

RATES = (0.01, 0.03, 0.1, 0.3, 3.0, 10.0)
HIGHER = (100.0, 1000.0, 1e4, 1e5)
SHORT = 100  # steps that cannot be called a run


def learning_rate(case: Case) -> None:
    """lr × {0.01 … 10}, each for as many steps; beyond 10 where that does not move the loss."""
    if case.trained:
        return
    tried = {
        factor: case.measure(f"learning rate x {factor:g}", variants.with_rate(case.setup, factor))
        for factor in RATES
    }
    lower = {f: o for f, o in tried.items() if f < 1}
    higher = {f: o for f, o in tried.items() if f > 1}
    best = max(lower, key=lambda f: merit(lower[f]))
    if helps(case.now, lower[best]):
        report_rate(case, "learning_rate_too_high", best, lower | higher)
        return
    if worth(case.now.train.excess) > 0.5 and worth(higher[10.0].train.excess) > 0.5:
        for factor in HIGHER:
            higher[factor] = case.bench.run(variants.with_rate(case.setup, factor))
    best = max(higher, key=lambda f: merit(higher[f]))
    halved = higher[best].train.excess < 0.5 * case.now.train.excess
    unfinished = case.now.train.excess > UNFINISHED and not case.recovered
    longer = too_few_steps(case) if unfinished else None
    if unfinished and halved and helps(case.now, higher[best], 0.15):
        report_rate(case, "learning_rate_too_low", best, lower | higher)
    elif longer is not None:
        case.accept("more epochs", *longer)
    case.rated = True


def merit(outcome: Outcome) -> float:
    """By which the best rate is chosen: training rows and rows that count alike."""
    return -worth(outcome.judged.excess) - worth(outcome.train.excess)


def too_few_steps(case: Case) -> Trial | None:
    """Where there were fewer than 100 steps, the same rate for 1,000 of them, if that helps."""
    steps = case.now.steps
    if steps >= SHORT:
        return None
    epochs = long_enough(case)
    setup = case.setup.change(epochs=epochs)
    longer = case.bench.run(setup, epochs=epochs)
    case.bench.measured["more epochs"] = longer.judged
    if not helps(case.now, longer, 0.15):
        return None
    evidence = [
        f"The run takes only {steps} steps. At the same rate {longer.steps:,} steps reach a "
        f"training loss of {told(longer)}, these {told(case.now)}."
    ]
    fix = f"train for more epochs, about {epochs}"
    case.add("underfitting", evidence, fix, case.gain(longer))
    return Trial(setup, longer)


def report_rate(case: Case, cause: str, factor: float, tried: dict[float, Outcome]) -> None:
    """A rate that is too high or too low, with the loss at each rate that was tried."""
    rate, steps = case.setup.config.rate, case.now.steps
    shown = {1.0: case.now, **tried}
    table = ", ".join(f"{rate * f:.3g}: {told(shown[f])}" for f in sorted(shown))
    evidence = [f"Training loss after {steps:,} steps by learning rate: {table}."]
    if case.now.stopped:
        evidence.append(f"At {rate:g}, {case.now.stopped}.")
    word = "lower" if factor < 1 else "raise"
    fix = f"{word} the learning rate from {rate:g} to about {rate * factor:.3g}"
    case.add(cause, evidence, fix, case.gain(tried[factor]))
    changed = variants.with_rate(case.setup, factor)
    case.accept(f"learning rate {rate * factor:.3g}", changed, tried[factor])
