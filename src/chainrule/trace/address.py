"""Addresses: how a reader names one number of a trace.

`0.W[2,1]`, `2.b[0]`, `1.A[17,3]`, `0.dZ[17,3]`, `layer 1 unit 3`, `row 17`, `input "Age"`, `loss`.
Every index starts at 0; the row may be left out where the batch has one.
"""

import re
from dataclasses import dataclass

from .places import Traced

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
        """What stands before the last dot: of "0.W" the layer "0", of "0.W.m" the weight "0.W"."""
        return Address(self.name.rpartition(".")[0], self.index)

    @property
    def own(self) -> str:
        """What stands behind the last dot: of "0.W" the parameter's own name "W"."""
        return self.name.rpartition(".")[2]

    def __str__(self) -> str:
        if self.column is not None:
            return f'input "{self.column}" row {self.index[0]}'
        return f"{self.name}[{','.join(map(str, self.index))}]" if self.index else self.name


def resolve(trace: Traced, text: str) -> Address:
    """The number that a text names. Raises ValueError, in one sentence, for what is not there."""
    if not isinstance(text, str) or len(text) > 1000:
        raise ValueError(f"an address is {str(text)[:40]!r}: write it like {FORMS}")
    asked = text.strip()
    words = _SENTENCE.fullmatch(asked)
    if words is not None and asked:
        return _sentence(trace, words.groupdict())
    found = _VALUE.fullmatch(asked)
    name = None if found is None else _known(trace, found["name"])
    if found is None or name is None:
        raise ValueError(f"{text!r} names nothing in this trace: write it like {FORMS}")
    given = [part.strip() for part in (found["index"] or "").split(",")] if found["index"] else []
    if not all(re.fullmatch(r"-?[0-9]{1,9}", part) for part in given):
        raise ValueError(f"{text!r} has no whole numbers as its indices: write it like {FORMS}")
    return _indexed(trace, name, [int(part) for part in given])


def _known(trace: Traced, name: str) -> str | None:
    return name if name in trace.values or name in trace.numbers else None


def _sentence(trace: Traced, said: dict[str, str | None]) -> Address:
    row = None if said["row"] is None else int(said["row"][:9])
    if said["layer"] is not None:
        places = {place.name: place for place in trace.places}
        if said["layer"] not in places:
            raise ValueError(f"there is no layer {said['layer']}: layers are {', '.join(places)}")
        return _indexed(
            trace, places[said["layer"]].y, _rows(trace, row, int((said["unit"] or "0")[:9]))
        )
    column = said["quoted"] if said["quoted"] is not None else said["input"]
    if column is not None:
        known = trace.columns
        if column not in known:
            raise ValueError(f'there is no input "{column}": inputs are {", ".join(known)}')
        (r,) = _indexed(trace, "l", _rows(trace, row, 0)).index[:1]
        return Address("X", (r,), column)
    if said["loss"] is not None and row is None:
        return Address("L", ())
    rows = _rows(trace, row)
    if said["loss"]:
        return _indexed(trace, "l", rows)
    chosen = _indexed(trace, "Yhat", [*rows, 0]).index[0]
    return Address("Yhat", (chosen, int(trace["Yhat"][chosen].argmax())))  # its largest output


def _rows(trace: Traced, row: int | None, *unit: int) -> list[int]:
    if row is None and len(trace.batch) > 1:
        raise ValueError(f"this trace has {len(trace.batch)} rows: say which, such as row 0")
    return [row or 0, *unit]


def _indexed(trace: Traced, name: str, index: list[int]) -> Address:
    """The address of one number of a value; indices of length 1 may be left out."""
    shape = trace[name].shape
    if len(index) < len(shape):
        missing = [i for i, n in enumerate(shape) if n > 1]
        if len(missing) > len(index):
            raise ValueError(
                f'"{name}" has shape {shape}: say which number, such as '
                f"{name}[{','.join('0' for _ in shape)}]"
            )
        if len(index) != len(missing) or len(index) == 0:
            index = [*index, *[0] * (len(shape) - len(index))]
        else:
            full = [0] * len(shape)
            for place, i in zip(missing, index, strict=True):
                full[place] = i
            index = full
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(
            f'{name}[{",".join(map(str, index))}] does not exist: "{name}" has shape {shape}, '
            "and every index starts at 0"
        )
    return Address(name, tuple(index))
