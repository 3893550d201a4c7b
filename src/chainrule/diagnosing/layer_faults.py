"""Faults of layers: weights that start wrong, gradients that shrink or grow from layer to layer,
saturated and dead units.
"""

from ..writing.words import in_text, percent
from . import changes, symptoms
from .examination import Examination, three_starts, training_losses
from .experiments import Outcome, Setup
from .formatting import training_loss

SMALL, LARGE = 0.2, 4.0  # times the weights of Glorot's or He's start
GROWS, GROWS_BY = 100.0, 1.5  # first layer's gradient against the last one's, and by layer
SHRINKS, SHRINKS_BY = 0.02, 0.6  # first layer's gradient against the last one's, and by layer
MOST = 0.5  # of a layer's units or outputs
FIXES = {
    "ReLU": "use ReLU() in the hidden layers, which passes gradients on undiminished",
    "one hidden layer": "use fewer hidden layers: one is enough here",
    "started afresh": "start from He's weights and biases of 0",
    "LeakyReLU": "use LeakyReLU(0.1), which lets some gradient pass below 0",
}


def initialization(exam: Examination) -> None:
    """Weights that start at zero, equal, too small or too large; the experiment starts afresh."""
    if not (signs := unusual_start(exam)):
        return
    after, reached = three_starts(exam, changes.fresh)
    exam.runner.measured["fresh initialisation"] = after.judged.loss
    better, stay_equal = after.improves_on(exam.now), bool(symptoms.twins(exam.base.net))
    fix = "leave init out: Glorot's start, or He's before ReLU, small random numbers that differ"
    as_it_is = f"In {after.steps:,} steps it reaches a training loss of {training_loss(exam.now)}"
    for cause, evidence in signs.items():
        if better or (stay_equal and cause == "symmetric_initialization"):
            evidence = [*evidence, f"{as_it_is}; three fresh starts {reached}."]
            exam.add(cause, evidence, fix, exam.gain(after))
    if better:
        exam.accept("a fresh initialisation", after)


def unusual_start(exam: Examination) -> dict[str, list[str]]:
    """What is unusual about the weights before the first step: cause -> evidence."""
    net, signs = exam.first.config.net, dict[str, list[str]]()
    zero, twins, ratio = symptoms.zero_layers(net), symptoms.twins(net), symptoms.weight_ratio(net)
    if zero:
        where = ", ".join(f'"{i}.W"' for i in zero)
        signs["zero_initialization"] = [
            f"All weights of {where} are 0: the hidden units compute the same, and no gradient "
            "reaches the layers below."
        ]
    elif twins:
        signs["symmetric_initialization"] = twins_in_words(exam, *twins[0])
    if ratio is not None and not SMALL <= ratio <= LARGE:
        size = "small" if ratio < 1 else "large"
        signs[f"{size}_initialization"] = [
            f"Too {size} an initialisation under {changes.activation_of(net)}: the weights are "
            f"{in_text(ratio, 3)} times as large as Glorot's or He's start"
            f"{at_first(exam) if ratio > 1 else ''}."
        ]
    flow = symptoms.flow(net, exam.setup.config.loss, exam.setup.train)
    if flow is not None and flow.total > GROWS and flow.factor > GROWS_BY:
        signs["exploding_gradient"] = [
            f"On the way back each layer multiplies the gradient by {in_text(flow.factor, 3)}: the "
            f"first layer's is {in_text(flow.total, 3)} times the last one's."
        ]
    return signs


def twins_in_words(exam: Examination, i: int, units: int, different: int) -> list[str]:
    """Which units are copies, and how many are still copies after the run."""
    plural = "" if different == 1 else "s"
    lines = [
        f"The {units} units of layer {i} start as {different} different one{plural}: equal "
        "weights in and out get equal gradients."
    ]
    after = {layer: left for layer, _, left in symptoms.twins(exam.base.net)}.get(i)
    if after is not None:
        lines.append(
            f"After {exam.base.steps:,} steps there are still {after}: the layer is worth "
            f"{after} unit{'' if after == 1 else 's'}."
        )
    return lines


def at_first(exam: Examination) -> str:
    """The loss before the first step, if it is far above that of guessing."""
    start = Outcome(exam.setup, exam.setup.config.net).train
    if start.capped < 1.5:
        return ""
    return f", and the loss before the first step is {in_text(start.loss)}"


def vanishing(exam: Examination) -> None:
    """Gradients that shrink on the way back; the experiments are ReLU and less depth."""
    flow = symptoms.flow(exam.setup.config.net, exam.setup.config.loss, exam.setup.train)
    if flow is None or not (flow.total < SHRINKS and flow.factor < SHRINKS_BY):
        return
    options = {"ReLU": changes.with_relu, "one hidden layer": changes.shallow}
    trials = {name: three_starts(exam, change)[0] for name, change in options.items()}
    for name, after in trials.items():
        exam.runner.measured[f"depth and activation: {name}"] = after.judged.loss
    evidence = [
        f"On the way back each layer multiplies the gradient by {in_text(flow.factor, 3)}: the "
        f"first of {len(flow.sizes)} Dense layers gets {in_text(flow.total, 3)} of what the last "
        "one gets.",
        f"Training loss with {training_losses(trials)}; as it is: {training_loss(exam.now)}.",
    ]
    take_best(exam, "vanishing_gradient", trials, evidence)


def take_best(
    exam: Examination, cause: str, trials: dict[str, Outcome], evidence: list[str],
    layer: int | None = None,
) -> None:  # fmt: skip
    """Report the cause and go on with the best trial, if that helps."""
    best = exam.best(trials)
    if best is not None:
        exam.add(cause, evidence, FIXES[best], exam.gain(trials[best]), layer)
        exam.accept(best, trials[best])


def saturation(exam: Examination) -> None:
    """Units saturated before the first step; the experiment is a repair that halves them."""
    worst = symptoms.most_saturated(exam.first.config.net, exam.first.train.X)
    if worst.saturated < MOST:
        return
    scaled = changes.scaled(exam.setup)
    options = (exam.setup, scaled, changes.fresh(scaled, exam.runner.seed))
    shares = {setup: saturated_share(setup, worst.name) for setup in options}
    setup = next((setup for setup in options if shares[setup] <= worst.saturated / 2), None)
    if setup is None:
        return
    after = exam.now if setup is exam.setup else exam.runner.run(setup)
    evidence = (
        f"{percent(worst.saturated)} of the outputs of {worst.place}, are so "
        f"far out before the first step that their slope is below {percent(symptoms.FLAT)} of the "
        "steepest: next to no gradient passes.",
        f"With {' and '.join(exam.repairs) or 'scaled inputs and fresh weights'} it is "
        f"{percent(shares[setup])}.",
    )
    fix = "scale the inputs and start from small weights and biases of 0"
    exam.add("saturation", evidence, fix, exam.gain_in_all(after), worst.number)
    if after.improves_on(exam.now):
        exam.accept("unsaturated units", after)


def saturated_share(setup: Setup, name: str) -> float:
    """The share of saturated outputs of this layer before the first step of a setup."""
    layers = symptoms.bounded(setup.config.net, setup.train.X)
    return next((layer.saturated for layer in layers if layer.name == name), 0.0)


def dead_relu(exam: Examination, at_end: bool = False) -> None:
    """ReLU units that are 0 in every row at the start, or `at_end` of the run too; the experiments
    are fresh biases and LeakyReLU.
    """
    nets, X = (exam.setup.config.net, exam.now.net), exam.setup.train.X
    start, end = (symptoms.most_dead(net, X) for net in nets)
    worst = end if at_end and end.dead > start.dead else start
    if worst.dead < MOST or exam.has_found("dead_relu"):
        return
    trials = {
        "started afresh": three_starts(exam, changes.fresh)[0],
        "LeakyReLU": exam.runner.run(changes.with_leaky_relu(exam.setup)),
    }
    when = "before the first step" if worst is start else f"after {exam.now.steps:,} steps"
    evidence = [
        f"{percent(worst.dead)} of the units of {worst.place}, are 0 in every row "
        f"{when}: no gradient passes them, so they cannot come back.",
        f"Training loss {training_losses(trials)}; as it is: {training_loss(exam.now)}.",
    ]
    take_best(exam, "dead_relu", trials, evidence, worst.number)


def trained_faults(exam: Examination) -> None:
    """Dead, saturated, equal or zero units, if training the same layers afresh does better."""
    if not exam.now.improves_on(exam.base):
        return
    net, X, signs = exam.first.config.net, exam.first.train.X, dict[str, str]()
    if symptoms.zero_layers(net):
        signs["zero_initialization"] = "All weights of a layer are 0 under a hidden layer."
    elif twins := symptoms.twins(net):
        i, units, different = twins[0]
        signs["symmetric_initialization"] = (
            f"Layer {i} has {units} units, of which only {different} differ."
        )
    dead, saturated = symptoms.most_dead(net, X), symptoms.most_saturated(net, X)
    if dead.dead >= MOST:
        share = percent(dead.dead)
        signs["dead_relu"] = f"{share} of the units of {dead.place}, are 0 in every row."
    if saturated.saturated >= MOST:
        share = percent(saturated.saturated)
        signs["saturation"] = f"{share} of the outputs of {saturated.place}, have no slope left."
    if not signs:
        signs["underfitting"] = (
            f"The loss is {in_text(exam.base.train.loss)}; trained afresh, the same layers reach "
            f"{in_text(exam.now.train.loss)}."
        )
    fix = "train the same layers afresh, with Adam() and the default initialisation"
    for cause, evidence in signs.items():
        exam.add(cause, [evidence], fix, exam.gain_in_all(exam.now))
