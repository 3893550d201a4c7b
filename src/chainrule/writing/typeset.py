"""Mathematics for a typesetter (LaTeX) and for a browser (MathML)."""

import ast
from html import escape

from ..trace.notation import ADDRESS
from .mathematics import ATOM, POWER, Writer

VALUES = {
    "Yhat": r"\hat y",
    "l": r"\ell",
    "dL_dl": r"\partial L/\partial\ell",
    "X": "X",
    "dl_dZ": r"\partial\ell/\partial z",
}
STAGES = {"m_hat": r"\hat m", "v_hat": r"\hat v", "delta": r"\Delta", "after": r"\text{new }",
          "m_before": "m_{t-1}", "v_before": "v_{t-1}", "s_before": "s_{t-1}",
          "penalty": "P'"}  # fmt: skip


def is_slope(own: str) -> bool:
    """Whether a name is that of dL/d(something): "dW", "dZ", but not "dL_dl"."""
    return own.startswith("d") and own[1:2].isupper() and "_" not in own


def parts(text: str) -> tuple[str, str, str, str]:
    """(name, layer, index, stage) of an address or a label; "" for what it has not."""
    found = ADDRESS.fullmatch(text)
    if found is not None and (found["layer"] or found["index"] or found["own"] in VALUES):
        return found["own"], found["layer"] or "", found["index"] or "", found["stage"] or ""
    base, _, index = text.partition("_")
    return base, "", index, ""


class Latex(Writer):
    r"""`\frac{\partial L}{\partial W^{(0)}_{2,1}} = …`"""

    def group(self, text: str) -> str:
        return rf"\left({text}\right)"

    def digits(self, text: str) -> str:
        mantissa, e, power = text.partition("e")
        return rf"{mantissa}\cdot 10^{{{int(power)}}}" if e else text.replace("∞", r"\infty")

    def times(self) -> str:
        return r" \cdot "

    def letter(self, pair: tuple[str, str]) -> str:
        return pair[1]

    def compared(self, pair: tuple[str, str]) -> str:
        return f" {pair[1]} "

    def symbol(self, text: str) -> str:
        own, layer, index, stage = parts(text)
        name = VALUES.get(own, own.replace("_", r"\_"))
        if is_slope(own) and not stage:
            return rf"\tfrac{{\partial L}}{{\partial {self._indexed(own[1:], layer, index)}}}"
        whole = self._indexed(name, layer, index)
        return rf"{STAGES.get(stage, stage)}({whole})" if stage else whole

    def staged(self, stage: str, parameter: str) -> str:
        return rf"{STAGES.get(stage, stage)}\left({parameter}\right)"

    def _indexed(self, name: str, layer: str, index: str) -> str:
        above = f"^{{({layer})}}" if layer else ""
        return f"{name}{above}_{{{index}}}" if index else f"{name}{above}"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def fraction(self, top: ast.expr, bottom: ast.expr) -> tuple[str, int]:
        return rf"\frac{{{self(top)}}}{{{self(bottom)}}}", POWER

    def derivative(self, top: str, bottom: str) -> str:
        return rf"\frac{{\partial {top}}}{{\partial {bottom}}}"

    def root(self, inside: str) -> str:
        return rf"\sqrt{{{inside}}}"

    def absolute(self, inside: str) -> str:
        return rf"\left|{inside}\right|"

    def cases(self, one: str, test: str, other: str) -> str:
        rows = rf"{one} & \text{{if }} {test} \\ {other} & \text{{else}}"
        return rf"\begin{{cases}} {rows} \end{{cases}}"


class MathML(Writer):
    """`<mfrac><mrow><mo>∂</mo>…`, the mathematics of HTML."""

    def group(self, text: str) -> str:
        return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>"

    def digits(self, text: str) -> str:
        minus, digits = ("<mo>-</mo>", text[1:]) if text.startswith("-") else ("", text)
        return f"<mrow>{minus}<mn>{digits}</mn></mrow>"

    def sign(self, text: str) -> str:
        return f"<mo>{text.strip()}</mo>"

    def comma(self) -> str:
        return "<mo>,</mo>"

    def times(self) -> str:
        return "<mo>·</mo>"

    def letter(self, pair: tuple[str, str]) -> str:
        return f"<mi>{escape(pair[0])}</mi>"

    def compared(self, pair: tuple[str, str]) -> str:
        return f"<mo>{escape(pair[0])}</mo>"

    def symbol(self, text: str) -> str:
        own, layer, index, stage = parts(text)
        if is_slope(own) and not stage:
            return self.derivative("<mi>L</mi>", self._indexed(own[1:], layer, index))
        known = {"Yhat": "ŷ", "dL_dl": "∂L/∂l", "dl_dZ": "∂l/∂z"}
        whole = self._indexed(known.get(own, own), layer, index)
        return f"<mrow><mi>{stage}</mi>{self.group(whole)}</mrow>" if stage else whole

    def staged(self, stage: str, parameter: str) -> str:
        known = {"delta": "Δ", "after": "new"}
        return f"<mrow><mi>{known.get(stage, stage)}</mi>{parameter}</mrow>"

    def _indexed(self, name: str, layer: str, index: str) -> str:
        shown = f"<mi>{escape(name)}</mi>"
        below, above = f"<mrow><mn>{index}</mn></mrow>", f"<mrow><mo>({layer})</mo></mrow>"
        if layer and index:
            return f"<msubsup>{shown}{below}{above}</msubsup>"
        if index:
            return f"<msub>{shown}{below}</msub>"
        return f"<msup>{shown}{above}</msup>" if layer else shown

    def power(self, base: str, exponent: str) -> str:
        return f"<msup><mrow>{base}</mrow><mrow>{exponent}</mrow></msup>"

    def fraction(self, top: ast.expr, bottom: ast.expr) -> tuple[str, int]:
        return f"<mfrac><mrow>{self(top)}</mrow><mrow>{self(bottom)}</mrow></mfrac>", ATOM

    def derivative(self, top: str, bottom: str) -> str:
        d = "<mo>∂</mo>"
        return f"<mfrac><mrow>{d}{top}</mrow><mrow>{d}{bottom}</mrow></mfrac>"

    def root(self, inside: str) -> str:
        return f"<msqrt>{inside}</msqrt>"

    def absolute(self, inside: str) -> str:
        return f"<mrow><mo>|</mo>{inside}<mo>|</mo></mrow>"

    def cases(self, one: str, test: str, other: str) -> str:
        return f"<mrow>{one}<mtext> if </mtext>{test}<mtext> else </mtext>{other}</mrow>"
