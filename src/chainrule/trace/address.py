"""Addresses: how a reader names one number of a trace.

`0.W[2,1]`, `2.b[0]`, `1.A[17,3]`, `0.dZ[17,3]`, `layer 1 unit 3`, `row 17`, `input "Age"`, `loss`.
Every index starts at 0; the row may be left out where the batch has one.
"""

import re
from dataclasses import dataclass

from .places import StepNumbers

FORMS = '"0.W[2,1]", "2.b[0]", "layer 1 unit 3 row 17", "row 17", "input \\"Age\\" row 17", "loss"'
_VALUE = re.compile(r"(?P<name>[A-Za-z0-9_.]+)\s*(?:\[(?P<index>[-0-9,\s]*)\])?")
_WORDS = {
    "layer": r"layer\s+(?P<layer>[0-9.]+)",
    "unit": r"unit\s+(?P<unit>-?[0-9]+)",
    "input": r"input\s+(?:\"(?P<quoted>[^\"]*)\"|(?P<input>\S+))",
    "row": r"row\s+(?P<row>-?[0-9]+)",
    "loss": r"(?P<loss>loss)",
    "prediction": r"prediction",
}
_SENTENCE = re.compile(
    r"(?:{layer}\s+{unit}|{input}|{loss}|{prediction})?\s*(?:{row})?".format(**_WORDS),
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """One number: the name of a value and an index in it. With a `column` it is what that input of
    the table became in the row of the index: one number or more.
    """

    name: str
    index: tuple[int, ...]
    column: str | None = None

    @property
    def owner(self) -> "Address":
        """The part before the last dot: the layer "0" for "0.W", the weight "0.W" for "0.W.m"."""
        return Address(self.name.rpartition(".")[0], self.index)

    @property
    def own(self) -> str:
        """The part after the last dot: the parameter's own name "W" for "0.W"."""
        return self.name.rpartition(".")[2]

    def __str__(self) -> str:
        if self.column is not None:
            return f'input "{self.column}" row {self.index[0]}'
        return f"{self.name}[{','.join(map(str, self.index))}]" if self.index else self.name


def resolve(trace: StepNumbers, text: str) -> Address:
    """The number that a text names. Raises ValueError, in one sentence, for what is not there."""
    if not isinstance(text, str) or len(text) > 1000:
        raise ValueError(f"an address is {str(text)[:40]!r}: write it like {FORMS}")
    written = text.strip()
    words = _SENTENCE.fullmatch(written)
    if words is not None and written:
        return _sentence(trace, words.groupdict())
    match = _VALUE.fullmatch(written)
    if match is None or match["name"] not in {*trace.values, *trace.numbers}:
        raise ValueError(f"{text!r} names nothing in this trace: write it like {FORMS}")
    index = [part.strip() for part in match["index"].split(",")] if match["index"] else []
    if not all(re.fullmatch(r"-?[0-9]{1,9}", part) for part in index):
        raise ValueError(f"{text!r} has no whole numbers as its indices: write it like {FORMS}")
    return _indexed(trace, match["name"], [int(part) for part in index])


def _sentence(trace: StepNumbers, words: dict[str, str | None]) -> Address:
    """The number that a sentence names by its layer, input, loss or prediction, and its row."""
    layer = words["layer"]
    column = words["input"] if words["quoted"] is None else words["quoted"]
    y_by_layer = {place.name: place.y for place in trace.places}
    if layer is not None and layer not in y_by_layer:
        raise ValueError(f"there is no layer {layer}: layers are {', '.join(y_by_layer)}")
    if column is not None and column not in trace.columns:
        raise ValueError(f'there is no input "{column}": inputs are {", ".join(trace.columns)}')
    if words["loss"] and words["row"] is None:
        return Address("L", ())
    if words["row"] is None and len(trace.batch) > 1:
        raise ValueError(f"this trace has {len(trace.batch)} rows: say which, such as row 0")
    row, unit = (int((words[key] or "0")[:9]) for key in ("row", "unit"))
    if layer is not None:
        return _indexed(trace, y_by_layer[layer], [row, unit])
    if words["loss"]:
        return _indexed(trace, "l", [row])
    if column is not None:
        return Address("X", _indexed(trace, "l", [row, 0]).index[:1], column)
    row, _ = _indexed(trace, "Yhat", [row, 0]).index
    return Address("Yhat", (row, int(trace["Yhat"][row].argmax())))  # its largest output


def _indexed(trace: StepNumbers, name: str, index: list[int]) -> Address:
    """The address of one number of a value; indices of length 1 may be left out."""
    shape = trace[name].shape
    if len(index) < len(shape):
        missing = [i for i, n in enumerate(shape) if n > 1]
        if len(missing) > len(index):
            raise ValueError(
                f'"{name}" has shape {shape}: say which number, such as '
                f"{name}[{','.join('0' for _ in shape)}]"
            )
        if len(missing) < len(index):
            missing = list(range(len(index)))
        chosen = dict(zip(missing, index, strict=True))
        index = [chosen.get(place, 0) for place in range(len(shape))]
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(
            f'{name}[{",".join(map(str, index))}] does not exist: "{name}" has shape {shape}, '
            "and every index starts at 0"
        )
    return Address(name, tuple(index))
