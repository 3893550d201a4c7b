"""Saving: a picture or page appears whole or not at all; what was there survives a failure."""

import base64
import io
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
DPI = 160

# savefig reads two settings from matplotlib's global ones and warns through a global list.
_LOCK = threading.Lock()


def render(figure: "Figure", kind: str) -> bytes:
    """The figure as the bytes of a .png, .svg or .pdf; the same figure gives the same bytes.

    Text in an SVG stays text: it can be searched, and the viewer's fonts show what DejaVu lacks.
    """
    import matplotlib as mpl

    settings: dict[Any, Any] = mpl.rcParams
    ours = {"svg.fonttype": "none", "svg.hashsalt": "chainrule"}
    date = {"svg": "Date", "pdf": "CreationDate"}.get(kind)
    buffer = io.BytesIO()
    with _LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
        before = {name: settings[name] for name in ours}
        try:
            settings.update(ours)
            metadata = {date: None} if date else {}
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
        finally:
            settings.update(before)
    return buffer.getvalue()


def save_picture(figure: "Figure", path: str | os.PathLike[str]) -> Path:
    """Save the figure as .png, .svg or .pdf, whichever `path` ends in; returns the path.

    Raises ValueError for another ending, OSError where the place cannot be written.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{path} does not say what to draw: end its name in .png, .svg or .pdf")
    return write_atomically(path, render(figure, kind))


def to_svg(figure: "Figure") -> str:
    """The figure as an SVG document of its own, on a white page."""
    return render(figure, "svg").decode("utf-8")


def to_png_data_uri(figure: "Figure") -> str:
    """The figure as "data:image/png;base64,…", for the src of an <img>."""
    return "data:image/png;base64," + base64.b64encode(render(figure, "png")).decode("ascii")
