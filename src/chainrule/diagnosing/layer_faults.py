"""Gradients that shrink, saturated units and dead ones: each with its share, and what mends it."""

from . import symptoms, variants
from .baselines import number
from .case import Case, three_starts, told
from .experiments import Setup, helps, worth
from .findings import Finding, gain_of, percent

SHRINKS, SHRINKS_BY = 0.02, 0.6  # first layer's gradient against the last one's, and by layer
MOST = 0.5  # of a layer's units or outputs


def vanishing(case: Case) -> None:
    """Gradients that shrink on the way back; ReLU in place of the activation, and less depth."""
    flow = symptoms.flow(case.setup.config.net, case.setup.config.loss, case.setup.train)
    if flow is None or not (flow.total < SHRINKS and flow.factor < SHRINKS_BY):
        return
    options = {"ReLU": variants.with_relu, "one hidden layer": variants.shallow}
    tried = {name: three_starts(case.bench, case.setup, f)[:2] for name, f in options.items()}
    for name, (_, outcome) in tried.items():
        case.bench.measured[f"depth and activation: {name}"] = outcome.judged
    best = min(tried, key=lambda name: worth(tried[name][1].judged.excess))
    setup, after = tried[best]
    if not helps(case.now, after):
        return
    evidence = [
        f"On the way back each layer multiplies the gradient by {number(flow.factor, 3)}: the "
        f"first of {len(flow.sizes)} Dense layers gets {number(flow.total, 3)} of what the last "
        "one gets.",
        "Training loss with "
        + ", ".join(f"{name}: {told(outcome)}" for name, (_, outcome) in tried.items())
        + f"; as it is: {told(case.now)}.",
    ]
    fix = {
        "ReLU": "use ReLU() in the hidden layers, which passes gradients on undiminished",
        "one hidden layer": "use fewer hidden layers: one is enough here",
    }[best]
    case.add("vanishing_gradient", evidence, fix, after)
    case.accept(best, setup, after)


def saturation(case: Case) -> None:
    """Units far out from the first step on; the experiment is whatever repair brings them back."""
    before = symptoms.saturated(case.first.config.net, case.first.train.X)
    worst = symptoms.largest(before)
    if worst.share < MOST:
        return
    setup, after = case.setup, case.now
    if share_at(setup, worst.layer) > worst.share / 2:
        setup = variants.scaled_inputs(case.setup)
        if share_at(setup, worst.layer) > worst.share / 2:
            setup = variants.fresh(setup, case.bench.seed)
        if share_at(setup, worst.layer) > worst.share / 2:
            return
        after = case.bench.run(setup)
    evidence = [
        f"{percent(worst.share)} of the outputs of layer {worst.layer}, "
        f"{case.first.config.net.layers[worst.layer]}, are so far out before the first step that "
        f"their slope is below {percent(symptoms.FLAT)} of the steepest: next to no gradient "
        "passes.",
        f"With {' and '.join(case.repairs) or 'scaled inputs and fresh weights'} it is "
        f"{percent(share_at(setup, worst.layer))}.",
    ]
    fix = "scale the inputs and start from small weights and biases of 0"
    gain = gain_of(case.first, case.base, after)
    case.findings.append(Finding("saturation", tuple(evidence), fix, gain, worst.layer))
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
        "started afresh": three_starts(case.bench, case.setup, variants.fresh)[:2],
        "LeakyReLU": (leaky := variants.with_leaky_relu(case.setup), case.bench.run(leaky)),
    }
    best = min(tried, key=lambda name: worth(tried[name][1].judged.excess))
    setup, after = tried[best]
    if not helps(case.now, after):
        return
    when = "before the first step" if worst is start else f"after {case.now.steps:,} steps"
    evidence = [
        f"{percent(worst.share)} of the units of layer {worst.layer}, ReLU(), are 0 in every row "
        f"{when}: no gradient passes them, so they cannot come back.",
        "Training loss "
        + ", ".join(f"{name}: {told(outcome)}" for name, (_, outcome) in tried.items())
        + f"; as it is: {told(case.now)}.",
    ]
    fix = {
        "started afresh": "start from He's weights and biases of 0",
        "LeakyReLU": "use LeakyReLU(0.1), which lets some gradient pass below 0",
    }[best]
    case.add("dead_relu", evidence, fix, after, worst.layer)
    case.accept(best, setup, after)
