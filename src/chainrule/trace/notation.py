"""How a page writes addresses and numbers."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ADDRESS = re.compile(r"(?:(?P<layer>[\d.]+)\.)?(?P<own>[A-Za-z_]+)(?:\.(?P<stage>\w+))?"
                     r"(?:\[(?P<index>[\d,]*)\])?")  # fmt: skip


@dataclass(frozen=True)
class Notation:
    """How names and numbers are written.

    `digits` significant digits, None for all 17; `labels` names of a text for addresses, such as
    "w_5" for "2.W[0,0]"; `brackets` writes W[2][0,0] for 2.W[0,0] in text and Markdown; `columns`
    writes samples as columns: W[out,in], Z[unit,row];
    `half_squares` writes a squared error as ½ (z - y)² with the slope z - y, its scale doubled.
    """

    digits: int | None = 4
    labels: Mapping[str, str] = field(default_factory=dict)
    columns: bool = False
    brackets: bool = False
    half_squares: bool = False

    def __post_init__(self) -> None:
        if self.digits is not None and (type(self.digits) is not int or not 1 <= self.digits <= 17):
            raise ValueError(f"digits is {self.digits!r}: use 1 to 17, or None for all of them")

    def number(self, value: float) -> str:
        """A number as text."""
        if not math.isfinite(value):
            return {math.inf: "∞", -math.inf: "-∞"}.get(value, "nan")
        if value == int(value) and abs(value) < 1e6:
            return str(int(value))
        return repr(value) if self.digits is None else f"{value:.{self.digits}g}"

    def address(self, text: str) -> str:
        """An address as this notation has it."""
        if text in self.labels:
            return self.labels[text]
        match = ADDRESS.fullmatch(text)
        if match is None or not match["index"]:
            return text
        index, whose = match["index"], text[: text.index("[")]
        if self.columns:
            index = ",".join(reversed(index.split(",")))
        if self.brackets and match["layer"]:
            stage = f".{match['stage']}" if match["stage"] else ""
            whose = f"{match['own']}[{match['layer']}]{stage}"
        return f"{whose}[{index}]"
