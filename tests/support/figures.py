"""What a picture shows: its title, its texts, its SVG; and a name that none may stumble over."""

from matplotlib.figure import Figure

from chainrule.report import pictures

HOSTILE = "$\\frac$ <script>alert('x')</script> ₤ 漢字 \x00\n\u202e" + "long " * 20


def title(figure: Figure) -> str:
    return figure.get_suptitle().replace("\n", " ")


def drawn(figure: Figure) -> bytes:
    return pictures.to_svg(figure).encode()


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)
