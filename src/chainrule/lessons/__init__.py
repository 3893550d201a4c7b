"""The five texts as runnable lessons: explanation, numbers printed and exact, checked claims.

`LESSONS["alice"].run()` yields the parts of one; `to_markdown` and `to_json` make documents of
them, `chainrule.lessons.terminal.render_terminal` prints them as they are computed.
"""

from ..writing.blocks import Picture, Table
from . import alice, boolean, deep, errors, neuron, people, titanic, two_layer
from .documents import to_json, to_markdown
from .parts import Claim, Lesson, Part, Progress, Say

# In the order of the texts.
_IN_ORDER = [neuron.LESSON, titanic.LESSON, boolean.LESSON, errors.LESSON, two_layer.LESSON]
_IN_ORDER += [deep.DEEP, deep.XOR_STUCK, alice.LESSON, people.LESSON]
LESSONS: dict[str, Lesson] = {lesson.name: lesson for lesson in _IN_ORDER}

TEXTS = {
    "000/004": "one article: one neuron as logistic regression, its log loss, gradient descent",
    "001": "activations, a 3-3-1 network on xy + not z, four error measures, a split",
    "002-A": "two layers as a class, without biases, and the sum of squared errors",
    "002-B": "any number of layers by functions over dictionaries of parameters",
    "003": "a neuron and a 2-2-1 network as objects, the chain rule factor by factor",
}
"""The five texts that the lessons follow: what each is about."""


def get_lesson(name: str) -> Lesson:
    """The lesson of that name; ValueError with the names there are for any other."""
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
