"""The five texts as runnable lessons: explanation, numbers printed and exact, checked claims.

`LESSONS["alice"].run()` yields the parts of one; `to_markdown` and `to_json` make documents of
them, `chainrule.lessons.terminal.render_terminal` prints them as they are computed.
"""

from ..writing.blocks import Picture, Table
from . import alice, boolean, deep, errors, neuron, people, titanic, two_layer
from .documents import to_json, to_markdown
from .parts import Claim, Lesson, Part, Progress, Say

# In the order of the texts.
_IN_ORDER = (
    Lesson("neuron-line", "One neuron learns a line", "text 000/004",
      "Log loss and gradient descent from zero; 2,000 fresh points; a cost of nan; zero weights.",
      neuron.PARTS),
    Lesson("titanic", "One neuron and the passengers of the Titanic", "text 000/004",
      "Six columns of the real table: gaps, scale, cost, what the weights say, a fair test.",
      titanic.PARTS, needs_file=True),
    Lesson("boolean", "A 3-3-1 network on F = x y + not z", "text 001",
      "Forward, loss, backward, one step; then the truth table learned, a split, predictions.",
      boolean.PARTS),
    Lesson("errors", "Four measures of error", "text 001",
      "Sum, absolute, half squares, cross-entropy: what each is, and why the first two fail.",
      errors.PARTS),
    Lesson("two-layer", "Two layers and 1,500 steps", "text 002-A",
      "No biases, sum of squared errors: the loss curve, the predictions, a derivative misplaced.",
      two_layer.PARTS),
    Lesson("deep", "Any list of layer sizes", "text 002-B",
      "Forward and back through L layers, the cost history, and gradients that vanish.",
      deep.DEEP),
    Lesson("xor-stuck", "The network that never learns", "text 002-B",
      "XOR, 40,000 epochs and a cost of ln 2: what the number says, and the cure.",
      deep.XOR_STUCK),
    Lesson("alice", "One sample, every factor of the chain rule", "text 003",
      "A 2-2-1 network and one person: forward, each factor, nine gradients, one step.",
      alice.PARTS),
    Lesson("people", "Four people, 4,000 steps", "text 003",
      "The 2-2-1 network trained one sample at a time; twin units; what scaling changes.",
      people.PARTS),
)  # fmt: skip
LESSONS = {lesson.name: lesson for lesson in _IN_ORDER}

TEXTS = {
    "000/004": "one article: one neuron as logistic regression, its log loss, gradient descent",
    "001": "activations, a 3-3-1 network on xy + not z, four error measures, a split",
    "002-A": "two layers as a class, without biases, and the sum of squared errors",
    "002-B": "any number of layers by functions over dictionaries of parameters",
    "003": "a neuron and a 2-2-1 network as objects, the chain rule factor by factor",
}
"""The five texts that the lessons follow: what each is about."""


def get_lesson(name: str) -> Lesson:
    """The lesson of that name. Raises ValueError, which lists the names, for an unknown one."""
    if name not in LESSONS:
        raise ValueError(f"there is no lesson {name!r}: choose one of {', '.join(LESSONS)}")
    return LESSONS[name]


__all__ = [
    "LESSONS",
    "TEXTS",
    "Claim",
    "Lesson",
    "Part",
    "Picture",
    "Progress",
    "Say",
    "Table",
    "get_lesson",
    "to_json",
    "to_markdown",
]
