"""Gradients that shrink, saturated units and dead ones: each with its share, and what mends it."""

from . import symptoms, variants
from .case import Case, Trial, compared, three_starts
from .experiments import Setup, helps
from .words import number, percent, told

SHRINKS, SHRINKS_BY = 0.02, 0.6  # first layer's gradient against the last one's, and by layer
MOST = 0.5  # of a layer's units or outputs
FIXES = {
    "ReLU": "use ReLU() in the hidden layers, which passes gradients on undiminished",
    "one hidden layer": "use fewer hidden layers: one is enough here",
    "started afresh": "start from He's weights and biases of 0",
    "LeakyReLU": "use LeakyReLU(0.1), which lets some gradient pass below 0",
}


def vanishing(case: Case) -> None:
    """Gradients that shrink on the way back; ReLU in place of the activation, and less depth."""
    flow = symptoms.flow(case.setup.config.net, case.setup.config.loss, case.setup.train)
    if flow is None or not (flow.total < SHRINKS and flow.factor < SHRINKS_BY):
        return
    options = {"ReLU": variants.with_relu, "one hidden layer": variants.shallow}
    tried = {name: three_starts(case, change)[0] for name, change in options.items()}
    for name, trial in tried.items():
        case.bench.measured[f"depth and activation: {name}"] = trial.outcome.judged
    evidence = [
        f"On the way back each layer multiplies the gradient by {number(flow.factor, 3)}: the "
        f"first of {len(flow.sizes)} Dense layers gets {number(flow.total, 3)} of what the last "
        "one gets.",
        f"Training loss with {compared(tried)}; as it is: {told(case.now)}.",
    ]
    take_best(case, "vanishing_gradient", tried, evidence)


def take_best(
    case: Case, cause: str, tried: dict[str, Trial], evidence: list[str], layer: int | None = None
) -> None:
    """Report the cause and go on with the best trial, if that helps."""
    best = case.best(tried)
    if best is not None:
        setup, after = tried[best]
        case.add(cause, evidence, FIXES[best], case.gain(after), layer)
        case.accept(best, setup, after)


def saturation(case: Case) -> None:
    """Units far out from the first step on; the experiment is whatever repair brings them back."""
    net = case.first.config.net
    layer, share = symptoms.largest(symptoms.saturated(net, case.first.train.X))
    if share < MOST:
        return
    scaled = variants.scaled_inputs(case.setup)
    options = (case.setup, scaled, variants.fresh(scaled, case.bench.seed))
    setup = next((s for s in options if share_at(s, layer) <= share / 2), None)
    if setup is None:
        return
    after = case.now if setup is case.setup else case.bench.run(setup)
    evidence = (
        f"{percent(share)} of the outputs of layer {layer}, {net.layers[layer]}, are so far out "
        f"before the first step that their slope is below {percent(symptoms.FLAT)} of the "
        "steepest: next to no gradient passes.",
        f"With {' and '.join(case.repairs) or 'scaled inputs and fresh weights'} it is "
        f"{percent(share_at(setup, layer))}.",
    )
    fix = "scale the inputs and start from small weights and biases of 0"
    case.add("saturation", evidence, fix, case.gain_in_all(after), layer)
    if helps(case.now, after):
        case.accept("unsaturated units", setup, after)


def share_at(setup: Setup, layer: int) -> float:
    """The share of saturated outputs of this layer before the first step of a setup."""
    found = symptoms.saturated(setup.config.net, setup.train.X)
    return next((s.share for s in found if s.layer == layer), 0.0)


def dead_relu(case: Case) -> None:
    """ReLU units that are 0 in every row at the start or the end; fresh biases, or LeakyReLU."""
    start = symptoms.largest(symptoms.dead(case.setup.config.net, case.setup.train.X))
    end = symptoms.largest(symptoms.dead(case.now.net, case.setup.train.X))
    late = case.found("learning_rate_too_high", "learning_rate_too_low") or case.rated
    worst = end if late and end.share > start.share else start
    if worst.share < MOST or case.found("dead_relu"):
        return
    tried = {
        "started afresh": three_starts(case, variants.fresh)[0],
        "LeakyReLU": case.run(variants.with_leaky_relu(case.setup)),
    }
    when = "before the first step" if worst is start else f"after {case.now.steps:,} steps"
    evidence = [
        f"{percent(worst.share)} of the units of layer {worst.layer}, ReLU(), are 0 in every row "
        f"{when}: no gradient passes them, so they cannot come back.",
        f"Training loss {compared(tried)}; as it is: {told(case.now)}.",
    ]
    take_best(case, "dead_relu", tried, evidence, worst.layer)
