"""A figure as SVG inside a page: its colours follow the page's theme, its ids stay its own."""

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from .files import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 0.6
"""A picture shrinks to this share of its size on a narrow screen; then it scrolls."""


def inline_svg(figure: "Figure", words: str, prefix: str) -> str:
    """The figure as an <svg> element for HTML, `words` its label, `prefix` before each of its ids.

    The palette's colours become var(--ink) and so on, which page.py defines for light and dark.
    """
    root = ElementTree.fromstring(to_svg(figure))
    width, box = float(root.get("width", "").removesuffix("pt")), root.get("viewBox", "")
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):  # a style in one picture styles the page
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({k: _adapted(k, v, prefix) for k, v in attributes.items()})
    size = f"max-width: {width:g}pt; min-width: {SMALLEST * width:g}pt"
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": words, "style": size})
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """The name without its namespace: HTML knows svg and its href by themselves."""
    return name.rpartition("}")[2]


def _adapted(name: str, value: str, prefix: str) -> str:
    from .style import THEMED

    if name == "id":
        return prefix + value
    if name == "href":
        return f"#{prefix}{value[1:]}" if value.startswith("#") else value
    value = value.replace("url(#", f"url(#{prefix}")
    return re.sub("|".join(THEMED), lambda colour: f"var(--{THEMED[colour[0]]})", value)
