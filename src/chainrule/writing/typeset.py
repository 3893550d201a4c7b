"""Mathematics for a typesetter (LaTeX) and for a browser (MathML)."""

from abc import ABC, abstractmethod
from html import escape

from ..trace.notation import ADDRESS
from .mathematics import ATOM, POWER, SUM, Writer, lettered

# Values of a trace: plain text, LaTeX.
VALUES = {
    "Yhat": ("ŷ", r"\hat y"), "l": ("l", r"\ell"), "dL_dl": ("∂L/∂l", r"\partial L/\partial\ell"),
    "X": ("X", "X"), "dl_dZ": ("∂l/∂z", r"\partial\ell/\partial z"),
}  # fmt: skip


class Typeset(Writer, ABC):
    """Addresses and labels with their layer above and their index below."""

    slope, in_stage = "%s", "%s(%s)"

    def symbol(self, text: str) -> str:
        match = ADDRESS.fullmatch(text)
        if match is not None and (match["layer"] or match["index"] or match["own"] in VALUES):
            part = match.groupdict(default="")
            own, layer, index, stage = part["own"], part["layer"], part["index"], part["stage"]
        else:
            (own, _, index), layer, stage = text.partition("_"), "", ""
        if own.startswith("d") and own[1:2].isupper() and "_" not in own and not stage:
            return self.slope % self.indexed(self.chosen((own[1:], own[1:])), layer, index)
        whole = self.indexed(self.chosen(VALUES.get(own, (own, own))), layer, index)
        return self.in_stage % (self.stage(stage), whole) if stage else whole

    def stage(self, name: str) -> str:
        """A stage of the update."""
        return name

    @abstractmethod
    def indexed(self, name: str, layer: str, index: str) -> str:
        """A name with its layer and index, "" for what it lacks."""


class Latex(Typeset):
    r"""`\frac{\partial L}{\partial W^{(0)}_{2,1}} = …`"""

    group, absolute, times = r"\left(%s\right)", r"\left|%s\right|", r" \cdot "
    cases = r"\begin{cases} %s & \text{if } %s \\ %s & \text{else} \end{cases}"
    derivative, slope = r"\frac{\partial %s}{\partial %s}", r"\tfrac{\partial L}{\partial %s}"
    fraction = r"\frac{%s}{%s}", SUM, SUM, POWER
    stages = {"delta": r"\Delta", "after": r"\text{new }", "penalty": "P'"}

    def chosen(self, pair: tuple[str, str]) -> str:
        return pair[1]

    def digits(self, text: str) -> str:
        mantissa, e, power = text.partition("e")
        return rf"{mantissa}\cdot 10^{{{int(power)}}}" if e else text.replace("∞", r"\infty")

    def stage(self, name: str) -> str:
        letter = lettered(name)
        return self.stages.get(name) or (letter[1] if letter else name.replace("_", r"\_"))

    def staged(self, stage: str, parameter: str) -> str:
        return self.stage(stage) + self.group % parameter

    def indexed(self, name: str, layer: str, index: str) -> str:
        above, below = f"^{{({layer})}}" * bool(layer), f"_{{{index}}}" * bool(index)
        return name.replace("_", r"\_") + above + below

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def root(self, inside: str) -> str:
        return rf"\sqrt{{{inside}}}"


class MathML(Typeset):
    """`<mfrac><mrow><mo>∂</mo>…`, the mathematics of HTML."""

    group = "<mrow><mo>(</mo>%s<mo>)</mo></mrow>"
    absolute = "<mrow><mo>|</mo>%s<mo>|</mo></mrow>"
    cases = "<mrow>%s<mtext> if </mtext>%s<mtext> else </mtext>%s</mrow>"
    derivative = "<mfrac><mrow><mo>∂</mo>%s</mrow><mrow><mo>∂</mo>%s</mrow></mfrac>"
    slope = derivative % ("<mi>L</mi>", "%s")
    fraction = "<mfrac><mrow>%s</mrow><mrow>%s</mrow></mfrac>", SUM, SUM, ATOM
    letter, sign, minus = "<mi>%s</mi>", "<mo>%s</mo>", "<mo>-</mo>"
    comma, times = "<mo>,</mo>", "<mo>·</mo>"
    in_stage = f"<mrow><mi>%s</mi>{group}</mrow>"

    def chosen(self, pair: tuple[str, str]) -> str:
        return escape(pair[0])

    def digits(self, text: str) -> str:
        minus, digits = (self.minus, text[1:]) if text.startswith("-") else ("", text)
        return f"<mrow>{minus}<mn>{digits}</mn></mrow>"

    def staged(self, stage: str, parameter: str) -> str:
        sign = {"delta": "Δ", "after": "new"}.get(stage, stage)
        return f"<mrow><mi>{sign}</mi>{parameter}</mrow>"

    def indexed(self, name: str, layer: str, index: str) -> str:
        below, above = f"<mrow><mn>{index}</mn></mrow>", f"<mrow><mo>({layer})</mo></mrow>"
        kind = "sub" * bool(index) + "sup" * bool(layer)
        inside = f"<mi>{name}</mi>" + below * bool(index) + above * bool(layer)
        return f"<m{kind}>{inside}</m{kind}>" if kind else inside

    def power(self, base: str, exponent: str) -> str:
        return f"<msup><mrow>{base}</mrow><mrow>{exponent}</mrow></msup>"

    def root(self, inside: str) -> str:
        return f"<msqrt>{inside}</msqrt>"
