"""Weights that start at 0, equal, too small or too large, by starting the same layers afresh."""

from . import changes, symptoms
from .examination import Examination, three_starts
from .experiments import helps, score, worth
from .formatting import number, told

SMALL, LARGE = 0.2, 4.0  # times the weights that Glorot or He would start from
GROWS, GROWS_BY = 100.0, 1.5  # first layer's gradient against the last one's, and by layer


def initialization(exam: Examination) -> None:
    """Zero, symmetric, too small, too large; the experiment starts the same layers afresh."""
    signs = odd_start(exam)
    if not signs:
        return
    (started, after), reached = three_starts(exam, changes.fresh)
    exam.runner.measured["fresh initialisation"] = after.judged
    better = helps(exam.now, after)
    equal = "symmetric_initialization" in signs and bool(symptoms.twins(exam.base.net))
    fix = "leave init out: Glorot's start, or He's before ReLU, small random numbers that differ"
    said = f"In {after.steps:,} steps it reaches a training loss of {told(exam.now)}"
    for cause, evidence in signs.items():
        if better or (equal and cause == "symmetric_initialization"):
            evidence = [*evidence, f"{said}; three fresh starts {reached}."]
            exam.add(cause, evidence, fix, exam.gain(after))
    if better:
        exam.accept("a fresh initialisation", started, after)


def odd_start(exam: Examination) -> dict[str, list[str]]:
    """What is unusual about the weights before the first step: cause -> evidence."""
    net, signs = exam.first.config.net, dict[str, list[str]]()
    zero, equal, ratio = symptoms.zero_layers(net), symptoms.twins(net), symptoms.weight_ratio(net)
    if zero:
        where = ", ".join(f'"{i}.W"' for i in zero)
        signs["zero_initialization"] = [
            f"All weights of {where} are 0: the hidden units compute the same, and no gradient "
            "reaches the layers below."
        ]
    elif equal:
        signs["symmetric_initialization"] = twins_in_words(exam, equal)
    if ratio is not None and not SMALL <= ratio <= LARGE:
        signs["small_initialization" if ratio < 1 else "large_initialization"] = [
            f"Too {'small' if ratio < 1 else 'large'} an initialisation under "
            f"{changes.activation_of(net)}: the weights are {number(ratio, 3)} times as large as "
            f"Glorot's or He's start{at_first(exam) if ratio > 1 else ''}."
        ]
    flow = symptoms.flow(net, exam.setup.config.loss, exam.setup.train)
    if flow is not None and flow.total > GROWS and flow.factor > GROWS_BY:
        signs["exploding_gradient"] = [
            f"On the way back each layer multiplies the gradient by {number(flow.factor, 3)}: the "
            f"first layer's is {number(flow.total, 3)} times the last one's."
        ]
    return signs


def twins_in_words(exam: Examination, equal: list[tuple[int, int, int]]) -> list[str]:
    """Which units are copies, and that training left them so."""
    i, units, different = equal[0]
    lines = [
        f"The {units} units of layer {i} start as {different} different one"
        f"{'' if different == 1 else 's'}: equal weights in and out get equal gradients."
    ]
    after = {j: d for j, _, d in symptoms.twins(exam.base.net)}
    if i in after:
        lines.append(
            f"After {exam.base.steps:,} steps there are still {after[i]}: the layer is worth "
            f"{after[i]} unit{'' if after[i] == 1 else 's'}."
        )
    return lines


def at_first(exam: Examination) -> str:
    """The loss before the first step beside that of guessing, where it is far above."""
    start = score(exam.setup.config.net, exam.setup, exam.setup.train)
    if worth(start.excess) < 1.5:
        return ""
    return f", and the loss before the first step is {number(start.loss)}"
