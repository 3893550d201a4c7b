"""What a trained network shows, beside the same layers trained afresh."""

from . import symptoms
from .examination import Examination
from .experiments import helps
from .formatting import number, percent
from .layer_faults import MOST


def trained_faults(exam: Examination) -> None:
    """Dead, saturated, equal or zero units where training the same layers afresh does better."""
    if not helps(exam.base, exam.now):
        return
    net, X, signs = exam.first.config.net, exam.first.train.X, dict[str, str]()
    if symptoms.zero_layers(net):
        signs["zero_initialization"] = "All weights of a layer are 0 under a hidden layer."
    elif twins := symptoms.twins(net):
        i, units, different = twins[0]
        signs["symmetric_initialization"] = (
            f"Layer {i} has {units} units, of which only {different} differ."
        )
    for cause, shares, which, state in (
        ("dead_relu", symptoms.dead(net, X), "units", "are 0 in every row"),
        ("saturation", symptoms.saturated(net, X), "outputs", "have no slope left"),
    ):
        worst = symptoms.largest(shares)
        if worst.share >= MOST:
            place = f"layer {worst.name}, {worst.layer}"
            signs[cause] = f"{percent(worst.share)} of the {which} of {place}, {state}."
    if not signs:
        signs["underfitting"] = (
            f"The loss is {number(exam.base.train.loss)}; trained afresh, the same layers reach "
            f"{number(exam.now.train.loss)}."
        )
    fix = "train the same layers afresh, with Adam() and the default initialisation"
    for cause, evidence in signs.items():
        exam.add(cause, [evidence], fix, exam.gain_in_all(exam.now))
