"""Gradients that shrink, saturated units and dead ones: each with its share, and what mends it."""

from . import changes, symptoms
from .examination import Examination, Trial, three_starts, training_losses
from .experiments import Setup, helps
from .formatting import number, percent, training_loss
from .units import FLAT

SHRINKS, SHRINKS_BY = 0.02, 0.6  # first layer's gradient against the last one's, and by layer
MOST = 0.5  # of a layer's units or outputs
FIXES = {
    "ReLU": "use ReLU() in the hidden layers, which passes gradients on undiminished",
    "one hidden layer": "use fewer hidden layers: one is enough here",
    "started afresh": "start from He's weights and biases of 0",
    "LeakyReLU": "use LeakyReLU(0.1), which lets some gradient pass below 0",
}


def vanishing(exam: Examination) -> None:
    """Gradients that shrink on the way back; ReLU in place of the activation, and less depth."""
    flow = symptoms.flow(exam.setup.config.net, exam.setup.config.loss, exam.setup.train)
    if flow is None or not (flow.total < SHRINKS and flow.factor < SHRINKS_BY):
        return
    options = {"ReLU": changes.with_relu, "one hidden layer": changes.shallow}
    trials = {name: three_starts(exam, change)[0] for name, change in options.items()}
    for name, trial in trials.items():
        exam.runner.measured[f"depth and activation: {name}"] = trial.outcome.judged
    evidence = [
        f"On the way back each layer multiplies the gradient by {number(flow.factor, 3)}: the "
        f"first of {len(flow.sizes)} Dense layers gets {number(flow.total, 3)} of what the last "
        "one gets.",
        f"Training loss with {training_losses(trials)}; as it is: {training_loss(exam.now)}.",
    ]
    take_best(exam, "vanishing_gradient", trials, evidence)


def take_best(
    exam: Examination, cause: str, trials: dict[str, Trial], evidence: list[str],
    layer: int | None = None,
) -> None:  # fmt: skip
    """Report the cause and go on with the best trial, if that helps."""
    best = exam.best(trials)
    if best is not None:
        exam.add(cause, evidence, FIXES[best], exam.gain(trials[best].outcome), layer)
        exam.accept(best, *trials[best])


def saturation(exam: Examination) -> None:
    """Units far out from the first step on; the experiment is whatever repair brings them back."""
    worst = symptoms.largest(symptoms.saturated(exam.first.config.net, exam.first.train.X))
    if worst.share < MOST:
        return
    scaled = changes.scaled_inputs(exam.setup)
    options = (exam.setup, scaled, changes.fresh(scaled, exam.runner.seed))
    shares = {setup: saturated_share(setup, worst.name) for setup in options}
    setup = next((setup for setup in options if shares[setup] <= worst.share / 2), None)
    if setup is None:
        return
    after = exam.now if setup is exam.setup else exam.runner.run(setup)
    evidence = (
        f"{percent(worst.share)} of the outputs of layer {worst.name}, {worst.layer}, are so far "
        f"out before the first step that their slope is below {percent(FLAT)} of the steepest: "
        "next to no gradient passes.",
        f"With {' and '.join(exam.repairs) or 'scaled inputs and fresh weights'} it is "
        f"{percent(shares[setup])}.",
    )
    fix = "scale the inputs and start from small weights and biases of 0"
    exam.add("saturation", evidence, fix, exam.gain_in_all(after), worst.number)
    if helps(exam.now, after):
        exam.accept("unsaturated units", setup, after)


def saturated_share(setup: Setup, name: str) -> float:
    """The share of saturated outputs of this layer before the first step of a setup."""
    shares = symptoms.saturated(setup.config.net, setup.train.X)
    return next((share.share for share in shares if share.name == name), 0.0)


def dead_relu(exam: Examination) -> None:
    """ReLU units that are 0 in every row at the start or the end; fresh biases, or LeakyReLU."""
    start, end = (
        symptoms.largest(symptoms.dead(net, exam.setup.train.X))
        for net in (exam.setup.config.net, exam.now.net)
    )
    late = exam.rated or exam.has_found("learning_rate_too_high", "learning_rate_too_low")
    worst = end if late and end.share > start.share else start
    if worst.share < MOST or exam.has_found("dead_relu"):
        return
    trials = {
        "started afresh": three_starts(exam, changes.fresh)[0],
        "LeakyReLU": exam.run(changes.with_leaky_relu(exam.setup)),
    }
    when = "before the first step" if worst is start else f"after {exam.now.steps:,} steps"
    evidence = [
        f"{percent(worst.share)} of the units of layer {worst.name}, ReLU(), are 0 in every row "
        f"{when}: no gradient passes them, so they cannot come back.",
        f"Training loss {training_losses(trials)}; as it is: {training_loss(exam.now)}.",
    ]
    take_best(exam, "dead_relu", trials, evidence, worst.number)
