"""Every picture by one name: functions that take arrays and return a matplotlib Figure.

A figure's `get_label()` is the sentence that stands in for it where it cannot be seen.
"""

from .classes import calibration, confusion, roc
from .curves import fitted_line, loss_curves, residuals, scores
from .diagram import network
from .files import save_picture, to_png_data_uri, to_svg
from .surface import decision_boundary

__all__ = [
    "calibration",
    "confusion",
    "decision_boundary",
    "fitted_line",
    "loss_curves",
    "network",
    "residuals",
    "roc",
    "save_picture",
    "scores",
    "to_png_data_uri",
    "to_svg",
]
