"""Mathematics as Python's own syntax trees, written as plain text, LaTeX or MathML.

A name is a letter of a formula ("beta1", "z"), an address ("0.W[2,1]"), or a label of a text
("w_5", "h_1"). A call of ∂ with two names is a derivative.
"""

import ast
from collections.abc import Mapping, Sequence

from ..formulas.expression import Formula, evaluate
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
    "m_hat": ("m̂", r"\hat m"), "v_hat": ("v̂", r"\hat v"), "total": ("Σe^z", r"\textstyle\sum e^z"),
    "level": ("lnΣe^z", r"\textstyle\ln\sum e^z"),
    "m_before": ("m_before", r"m_{t-1}"), "v_before": ("v_before", r"v_{t-1}"),
    "s_before": ("s_before", r"s_{t-1}"), "gradient": ("∂L/∂θ", r"\partial L/\partial\theta"),
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
STAGES = {"delta": "Δ", "after": "new "}
BELOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
COMPARED = {ast.Gt: (">", ">"), ast.Lt: ("<", "<"), ast.GtE: ("≥", r"\ge"), ast.LtE: ("≤", r"\le")}
SUM, PRODUCT, MINUS, POWER, ATOM = range(5)  # how tightly an expression holds together


def parse(formula: Formula, values: Mapping[str, float] | None = None) -> Expression:
    """What a formula shows; where floats cannot compute that of these values, what it runs."""
    text = formula.show
    if values is not None and formula.stable and not _computes(formula, values):
        text = formula.stable
    return ast.parse(text, mode="eval").body


def _computes(formula: Formula, values: Mapping[str, float]) -> bool:
    """Whether what a formula shows comes to what it runs, but for a little rounding."""
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


def _between(parts: Sequence[Expression], operator: ast.operator) -> Expression:
    whole = parts[0]
    for part in parts[1:]:
        whole = ast.BinOp(whole, operator, part)
    return whole


def rename(expression: Expression, names: Mapping[str, str]) -> Expression:
    """The expression with other names for its letters."""

    class Renamed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return name(names.get(node.id) or node.id)

    renamed: Expression = Renamed().visit(expression)
    return renamed


def add(parts: Sequence[Expression]) -> Expression:
    """part + part + …"""
    return _between(parts, ast.Add())


def multiply(parts: Sequence[Expression]) -> Expression:
    """part · part · …"""
    return _between(parts, ast.Mult())


def fill(expression: Expression, values: Mapping[str, float]) -> Expression:
    """The expression with numbers for its letters; of a case distinction what applies."""

    class Filled(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return number(values[node.id]) if node.id in values else node

        def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
            holds = evaluate(Formula(ast.unparse(node.test)), values)
            chosen: ast.expr = self.visit(node.body if holds else node.orelse)
            return chosen

        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(node.func, [self.visit(part) for part in node.args], [])

    copy = ast.parse(ast.unparse(expression), mode="eval").body
    filled: ast.expr = Filled().visit(copy)
    return filled


class Writer:
    """Writes an expression; what differs between the formats is in the subclasses."""

    def __init__(self, notation: Notation) -> None:
        self.notation = notation

    def __call__(self, node: ast.AST, least: int = SUM) -> str:
        """The expression, in parentheses if it holds less tightly than `least`."""
        text, level = self.write(node)
        return text if level >= least else self.group(text)

    def write(self, node: ast.AST) -> tuple[str, int]:
        """(the text of an expression, how tightly it holds together)."""
        if isinstance(node, ast.BinOp):
            return self.binary(node)
        if isinstance(node, ast.UnaryOp):
            return self.sign("-") + self(node.operand, POWER), MINUS
        if isinstance(node, ast.Constant):
            value = float(str(node.value))
            return self.digits(self.notation.number(value)), ATOM if value >= 0 else MINUS
        if isinstance(node, ast.IfExp):
            return self.cases(self(node.body), self(node.test), self(node.orelse)), SUM
        if isinstance(node, ast.Compare):
            sign = COMPARED[type(node.ops[0])]
            return self(node.left) + self.compared(sign) + self(node.comparators[0]), SUM
        if isinstance(node, ast.Call):
            return self.call(node)
        assert isinstance(node, ast.Name)
        return self.named(node.id), ATOM

    def binary(self, node: ast.BinOp) -> tuple[str, int]:
        """A sum, difference, product, quotient or power."""
        if isinstance(node.op, ast.Pow):
            return self.power(self(node.left, ATOM), self(node.right)), POWER
        if isinstance(node.op, ast.Mult):
            first = POWER if isinstance(node.left, ast.Constant) else PRODUCT  # (-2) · 3
            return self(node.left, first) + self.times() + self(node.right, POWER), PRODUCT
        if isinstance(node.op, ast.Div):
            return self.fraction(node.left, node.right)
        right = self(node.right, PRODUCT)
        if isinstance(node.right, ast.Constant):  # 1 - (-2)
            right = self(node.right, POWER)
        return self(node.left) + self.sign(f" {'+-'[isinstance(node.op, ast.Sub)]} ") + right, SUM

    def call(self, node: ast.Call) -> tuple[str, int]:
        """A function of its arguments."""
        assert isinstance(node.func, ast.Name)
        function, parts = node.func.id, node.args
        if function == "∂":
            return self.derivative(self(parts[0]), self(parts[1])), ATOM
        if function == "exp":
            return self.power(self.letter(("e", "e")), self(parts[0])), POWER
        if function == "sqrt":
            return self.root(self(parts[0])), ATOM
        if function == "abs":
            return self.absolute(self(parts[0])), ATOM
        inside = self.comma().join(self(part) for part in parts)
        return self.letter(FUNCTIONS[function]) + self.group(inside), ATOM

    def named(self, text: str) -> str:
        """A letter, an address or a label."""
        if text in LETTERS:
            return self.letter(LETTERS[text])
        if text.isidentifier() and "_" not in text:
            return self.letter((text, text))
        found = ADDRESS.fullmatch(text)
        if found is not None and found["stage"]:
            base = f"{found['layer']}.{found['own']}[{found['index']}]"
            if base in self.notation.labels:
                return self.staged(found["stage"], self.symbol(self.notation.labels[base]))
        return self.symbol(self.notation.address(text))

    def staged(self, stage: str, parameter: str) -> str:
        """What the update made of a parameter that has a label: Δw₅, new w₅, m(w₅)."""
        return STAGES[stage] + parameter if stage in STAGES else f"{stage}({parameter})"

    def group(self, text: str) -> str:
        """In parentheses."""
        return f"({text})"

    def digits(self, text: str) -> str:
        """A number."""
        return text

    def sign(self, text: str) -> str:
        """Plus or minus."""
        return text

    def comma(self) -> str:
        """Between the arguments of a function."""
        return ", "

    def times(self) -> str:
        """Between factors."""
        return " · "

    def letter(self, pair: tuple[str, str]) -> str:
        """A letter or function, given as plain text and as LaTeX."""
        return pair[0]

    def compared(self, pair: tuple[str, str]) -> str:
        """A sign of comparison, given as plain text and as LaTeX."""
        return f" {pair[0]} "

    def symbol(self, text: str) -> str:
        """An address or label; "w_5" is w₅."""
        base, _, index = text.partition("_")
        return base + index.translate(BELOW) if index.isdecimal() else text

    def power(self, base: str, exponent: str) -> str:
        """base to the exponent."""
        if exponent == "2":
            return f"{base}²"
        return f"{base}^{exponent if exponent.isalnum() else self.group(exponent)}"

    def fraction(self, top: ast.expr, bottom: ast.expr) -> tuple[str, int]:
        """top over bottom."""
        return f"{self(top, PRODUCT)} / {self(bottom, POWER)}", PRODUCT

    def derivative(self, top: str, bottom: str) -> str:
        """∂top over ∂bottom."""
        return f"∂{top}/∂{bottom}"

    def root(self, inside: str) -> str:
        """The square root."""
        return f"√{inside}" if inside.isalnum() else f"√({inside})"

    def absolute(self, inside: str) -> str:
        """The absolute value."""
        return f"|{inside}|"

    def cases(self, one: str, test: str, other: str) -> str:
        """one where the test holds, else the other."""
        return f"{one} if {test} else {other}"
