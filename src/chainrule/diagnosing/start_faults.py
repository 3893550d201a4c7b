"""Weights that start at 0, equal, too small or too large, by starting the same layers afresh."""

from . import changes, symptoms
from .examination import Examination, three_starts
from .experiments import helps, score
from .formatting import number, training_loss

SMALL, LARGE = 0.2, 4.0  # times the weights that Glorot or He would start from
GROWS, GROWS_BY = 100.0, 1.5  # first layer's gradient against the last one's, and by layer


def initialization(exam: Examination) -> None:
    """Zero, symmetric, too small, too large; the experiment starts the same layers afresh."""
    signs = unusual_start(exam)
    if not signs:
        return
    (started, after), reached = three_starts(exam, changes.fresh)
    exam.runner.measured["fresh initialisation"] = after.judged
    better, stay_equal = helps(exam.now, after), bool(symptoms.twins(exam.base.net))
    fix = "leave init out: Glorot's start, or He's before ReLU, small random numbers that differ"
    as_it_is = f"In {after.steps:,} steps it reaches a training loss of {training_loss(exam.now)}"
    for cause, evidence in signs.items():
        if better or (stay_equal and cause == "symmetric_initialization"):
            evidence = [*evidence, f"{as_it_is}; three fresh starts {reached}."]
            exam.add(cause, evidence, fix, exam.gain(after))
    if better:
        exam.accept("a fresh initialisation", started, after)


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
            f"{number(ratio, 3)} times as large as Glorot's or He's start"
            f"{at_first(exam) if ratio > 1 else ''}."
        ]
    flow = symptoms.flow(net, exam.setup.config.loss, exam.setup.train)
    if flow is not None and flow.total > GROWS and flow.factor > GROWS_BY:
        signs["exploding_gradient"] = [
            f"On the way back each layer multiplies the gradient by {number(flow.factor, 3)}: the "
            f"first layer's is {number(flow.total, 3)} times the last one's."
        ]
    return signs


def twins_in_words(exam: Examination, i: int, units: int, different: int) -> list[str]:
    """Which units are copies, and that training left them so."""
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
    """The loss before the first step beside that of guessing, where it is far above."""
    start = score(exam.setup.config.net, exam.setup, exam.setup.train)
    if start.capped < 1.5:
        return ""
    return f", and the loss before the first step is {number(start.loss)}"
