"""Mathematics as Python's own syntax trees, and how they are written, here as plain text.

A name is a letter of a formula ("beta1", "z"), an address ("0.W[2,1]"), or a textbook's label
("w_5", "h_1"). A call of ∂ with two names is a derivative.
"""

import ast
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce

from ..formulas.expression import Formula, Text, evaluate, parsed
from ..trace.notation import ADDRESS, Notation

Expression = ast.expr

# Letters of formulas: plain text, LaTeX.
LETTERS = {
    "alpha": ("α", r"\alpha"), "beta": ("β", r"\beta"), "beta1": ("β₁", r"\beta_1"),
    "beta2": ("β₂", r"\beta_2"), "gamma": ("γ", r"\gamma"), "delta": ("δ", r"\delta"),
    "epsilon": ("ε", r"\varepsilon"), "rho": ("ρ", r"\rho"), "theta": ("θ", r"\theta"),
    "pi": ("π", r"\pi"),
    "lr": ("η", r"\eta"), "decay": ("λ", r"\lambda"), "l1": ("λ₁", r"\lambda_1"),
    "l2": ("λ₂", r"\lambda_2"), "change": ("Δθ", r"\Delta\theta"), "p": ("ŷ", r"\hat y"),
    "total": ("Σe^z", r"\textstyle\sum e^z"),
    "level": ("lnΣe^z", r"\textstyle\ln\sum e^z"),
    "gradient": ("∂L/∂θ", r"\partial L/\partial\theta"),
    "outer": ("∂l/∂ŷ", r"\partial l/\partial\hat y"), "L": ("L", "L"),
    "inner": ("∂ŷ/∂z", r"\partial\hat y/\partial z"),
}  # fmt: skip
FUNCTIONS = {
    "sigma": ("σ", r"\sigma"), "tanh": ("tanh", r"\tanh"), "log": ("ln", r"\ln"),
    "Phi": ("Φ", r"\Phi"), "phi": ("φ", r"\varphi"), "max": ("max", r"\max"),
    "min": ("min", r"\min"), "sign": ("sign", r"\operatorname{sign}"),
    "softplus": ("softplus", r"\operatorname{softplus}"), "cos": ("cos", r"\cos"),
    "sin": ("sin", r"\sin"), "ratio": ("ratio", r"\operatorname{ratio}"),
}  # fmt: skip
ENDINGS = {"hat": ("%s\u0302", r"\hat %s"), "before": ("%s_before", "%s_{t-1}")}
STAGES = {"delta": "Δ", "after": "new "}
BELOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
COMPARED = {ast.Gt: (">", ">"), ast.Lt: ("<", "<"), ast.GtE: ("≥", r"\ge"), ast.LtE: ("≤", r"\le")}
SUM, PRODUCT, MINUS, POWER, ATOM = range(5)  # how tightly an expression holds together


def lettered(name: str) -> tuple[str, str] | None:
    """A letter as (plain text, LaTeX), also with an optimizer's ending such as m_hat or v_before;
    None for any other name.
    """
    letter, _, ending = name.partition("_")
    if ending in ENDINGS and len(letter) == 1:
        plain, latex = ENDINGS[ending]
        return plain % letter, latex % letter
    return LETTERS.get(name)


def parse(formula: Formula, values: Mapping[str, float] | None = None) -> Expression:
    """The formula as shown, or its stable form if floats cannot compute the shown one."""
    stable = values is not None and formula.stable and not _computes(formula, values)
    return parsed(formula.stable if stable else formula.show)


def _computes(formula: Formula, values: Mapping[str, float]) -> bool:
    """Whether what a formula shows is, up to a little rounding, what it runs."""
    try:
        shown, run = (evaluate(Formula(text), values) for text in (formula.show, formula.run))
    except (ArithmeticError, ValueError, KeyError):
        return False
    return bool(abs(shown - run) <= 1e-6 * abs(run) + 1e-15)


def name(text: str) -> ast.Name:
    """A letter, address or label."""
    return ast.Name(text)


def number(value: float) -> Expression:
    """A number."""
    return ast.Constant(float(value))


def slope(top: str, bottom: str) -> Expression:
    """∂top/∂bottom."""
    return ast.Call(ast.Name("∂"), [name(top), name(bottom)], [])


def rename(expression: Expression, names: Mapping[str, str]) -> Expression:
    """The expression with other names for its letters."""

    class Renamed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return name(names.get(node.id) or node.id)

    renamed: Expression = Renamed().visit(deepcopy(expression))
    return renamed


def add(parts: Sequence[Expression]) -> Expression:
    """part + part + …"""
    return reduce(lambda left, right: ast.BinOp(left, ast.Add(), right), parts)


def multiply(parts: Sequence[Expression]) -> Expression:
    """part · part · …"""
    return reduce(lambda left, right: ast.BinOp(left, ast.Mult(), right), parts)


def fill(expression: Expression, values: Mapping[str, float]) -> Expression:
    """The expression with numbers for its letters and the case that applies of each distinction."""

    class Filled(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return number(values[node.id]) if node.id in values else node

        def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
            holds = evaluate(Formula(ast.unparse(node.test)), values)
            chosen: ast.expr = self.visit(node.body if holds else node.orelse)
            return chosen

        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(node.func, [self.visit(part) for part in node.args], [])

    filled: ast.expr = Filled().visit(deepcopy(expression))
    return filled


class Writer:
    """Writes an expression as plain text. Another format has other shapes, each a text with %s for
    what stands in it, and its own methods where a shape does not say enough.
    """

    group, absolute, cases, derivative = "(%s)", "|%s|", "%s if %s else %s", "∂%s/∂%s"
    letter, sign, minus, comma, times = "%s", " %s ", "-", ", ", " · "
    fraction = "%s / %s", PRODUCT, POWER, PRODUCT
    """Its shape, how tightly top and bottom must hold together, how tightly it does itself."""

    def __init__(self, notation: Notation) -> None:
        self.notation = notation

    def __call__(self, node: ast.AST, least: int = SUM) -> str:
        """The expression, in parentheses if it holds less tightly than `least`."""
        text, level = self.write(node)
        return text if level >= least else self.group % text

    def write(self, node: ast.AST) -> tuple[str, int]:
        """(the text of an expression, how tightly it holds together)."""
        match node:
            case ast.BinOp():
                return self.binary(node)
            case ast.UnaryOp(operand=operand):
                return self.minus + self(operand, POWER), MINUS
            case ast.Constant(value=value):
                value = float(str(value))
                return self.digits(self.notation.number(value)), ATOM if value >= 0 else MINUS
            case ast.IfExp(body=body, test=test, orelse=orelse):
                return self.cases % (self(body), self(test), self(orelse)), SUM
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                sign = self.sign % self.chosen(COMPARED[type(op)])
                return self(left) + sign + self(right), SUM
            case ast.Call(func=ast.Name(id=function), args=parts):
                return self.call(function, parts)
            case ast.Name(id=text):
                return self.named(text), ATOM
        raise TypeError(f"{ast.unparse(node)} is no formula")

    def binary(self, node: ast.BinOp) -> tuple[str, int]:
        """A sum, difference, product, quotient or power."""
        if isinstance(node.op, ast.Pow):
            return self.power(self(node.left, ATOM), self(node.right)), POWER
        if isinstance(node.op, ast.Mult):
            first = POWER if isinstance(node.left, ast.Constant) else PRODUCT  # (-2) · 3
            return self(node.left, first) + self.times + self(node.right, POWER), PRODUCT
        if isinstance(node.op, ast.Div):
            shape, top, bottom, level = self.fraction
            return shape % (self(node.left, top), self(node.right, bottom)), level
        least = POWER if isinstance(node.right, ast.Constant) else PRODUCT  # 1 - (-2)
        sign = self.sign % ("-" if isinstance(node.op, ast.Sub) else "+")
        return self(node.left) + sign + self(node.right, least), SUM

    def call(self, function: str, arguments: Sequence[Expression]) -> tuple[str, int]:
        """A function of its arguments."""
        parts = [self(argument) for argument in arguments]
        match function:
            case "∂":
                return self.derivative % tuple(parts), ATOM
            case "exp":
                return self.power(self.letter % "e", parts[0]), POWER
            case "sqrt":
                return self.root(parts[0]), ATOM
            case "abs":
                return self.absolute % parts[0], ATOM
        named = self.letter % self.chosen(FUNCTIONS[function])
        return named + self.group % self.comma.join(parts), ATOM

    def named(self, text: str) -> str:
        """A letter, an address or a label."""
        letter = lettered(text)
        if letter is not None or (text.isidentifier() and "_" not in text):
            return self.letter % self.chosen(letter or (text, text))
        match = ADDRESS.fullmatch(text)
        if match is not None and match["stage"]:
            base = f"{match['layer']}.{match['own']}[{match['index']}]"
            if base in self.notation.labels:
                return self.staged(match["stage"], self.symbol(self.notation.labels[base]))
        return self.symbol(self.notation.address(text))

    def chosen(self, pair: tuple[str, str]) -> str:
        """A sign that is given as plain text and as LaTeX."""
        return pair[0]

    def staged(self, stage: str, parameter: str) -> str:
        """What the update made of a parameter that has a label: Δw₅, new w₅, m(w₅)."""
        return STAGES[stage] + parameter if stage in STAGES else f"{stage}({parameter})"

    def digits(self, text: str) -> str:
        """A number."""
        return text

    def symbol(self, text: str) -> str:
        """An address or label; "w_5" is w₅."""
        base, _, index = text.partition("_")
        return base + index.translate(BELOW) if index.isdecimal() else text

    def power(self, base: str, exponent: str) -> str:
        """The base to the exponent."""
        if exponent == "2":
            return f"{base}²"
        return f"{base}^{exponent if exponent.isalnum() else self.group % exponent}"

    def root(self, inside: str) -> str:
        """The square root."""
        return f"√{inside}" if inside.isalnum() else f"√({inside})"


def in_words(text: Text) -> str:
    """A formula for a sentence: "1 - a²" for "1 - a**2"."""
    return Writer(Notation())(parse(Formula.of(text)))
